"""Standard errors of the echoes against what the noise really does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Rigid, rotation_matrix
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

TE_S = (0.08, 0.14, 0.26)
N_SESSIONS = 4


@pytest.fixture(scope="module")
def repeated(phantom, options):
    """The same head reconstructed from several draws of the noise, at true poses; on one grid."""
    quiet = phantom.session(TE_S, noise=0.0, motion=0.0)
    still = Rigid.identity(flatten(quiet).centres_mm)
    recons = []
    for seed in range(N_SESSIONS):
        rng = np.random.default_rng(seed)
        noisy = [
            replace(
                stack,
                pixels=np.hypot(
                    stack.pixels + 12.0 * rng.normal(size=stack.pixels.shape),
                    12.0 * rng.normal(size=stack.pixels.shape),
                ).astype(np.float32),
                noise_sigma=12.0,
            )
            for stack in quiet
        ]
        recons.append(reconstruct(noisy, options(), poses=still))
    return recons


def test_errors_are_those_of_repeated_sessions(repeated):
    inside = np.logical_and.reduce([recon.mask for recon in repeated])
    echoes = np.stack([recon.echoes[:, inside] for recon in repeated])
    told = np.stack([recon.echo_stderr[:, inside] for recon in repeated])
    ratio = np.median(told, axis=(0, 2)) / np.sqrt(np.mean(echoes.var(0, ddof=1), axis=1))
    assert np.all((ratio > 0.6) & (ratio < 3.0)), ratio


def test_intervals_of_t2_hold_the_truth(phantom, repeated):
    inside_interval, n = 0, 0
    for recon in repeated:
        fit = fit_weighted_loglinear(
            torch.from_numpy(recon.echoes), torch.from_numpy(recon.te_s), stderr=torch.from_numpy(recon.echo_stderr)
        )
        index = np.argwhere(recon.mask)
        points = index @ recon.affine[:3, :3].T + recon.affine[:3, 3]
        central = (((points - phantom.centre_mm) / phantom.semi_axes_mm) ** 2).sum(1) < 0.5
        error = np.abs(fit.t2_s.numpy()[recon.mask] - phantom.t2_s(points, TE_S))
        held = error < 1.96 * fit.t2_stderr_s.numpy()[recon.mask]
        inside_interval += int(held[central].sum())
        n += int(central.sum())
    assert inside_interval / n > 0.85


def test_quieter_pixels_give_smaller_errors(phantom, options):
    still = Rigid.identity(flatten(phantom.session(TE_S, motion=0.0)).centres_mm)
    loud, quiet = (
        reconstruct(phantom.session(TE_S, noise=noise, motion=0.0), options(), poses=still) for noise in (24.0, 6.0)
    )
    assert np.nanmedian(quiet.echo_stderr[0]) < 0.7 * np.nanmedian(loud.echo_stderr[0])


def test_known_poses_stay(phantom, options):
    """The motion that was simulated goes in, and comes out in the slice table."""
    stacks = phantom.session(TE_S, motion=1.0)
    turns = phantom.motions(len(stacks))
    centre = torch.as_tensor(phantom.centre_mm, dtype=torch.float32)
    of_stack = torch.repeat_interleave(torch.arange(len(stacks)), torch.tensor([s.n_slices for s in stacks]))
    rotation = rotation_matrix(torch.tensor(np.stack([turn for turn, _ in turns]), dtype=torch.float32))[of_stack]
    shift = torch.tensor(np.stack([shift for _, shift in turns]), dtype=torch.float32)[of_stack]
    poses = Rigid(rotation, shift, centre.expand_as(shift))
    recon = reconstruct(stacks, options(), poses=poses)
    told = np.stack([[recon.slices[f"m{i}{j}"] for j in range(4)] for i in range(3)]).transpose(2, 0, 1)
    np.testing.assert_allclose(told, poses.matrix().numpy(), atol=1e-4)
