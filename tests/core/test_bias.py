"""Where the field is estimated, and that it leaves ratios of echoes alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.bias.estimate import estimate_field
from fetalt2prep.core.bias.field import BiasField, unbiased
from fetalt2prep.core.bias.log_mean import LogMean, log_mean
from fetalt2prep.core.geometry import Grid
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.stack import Stack
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.interfaces.n4 import n4_log_field

TE_S = (0.08, 0.14, 0.26)


@pytest.fixture(scope="module")
def stacks(phantom) -> list[Stack]:
    """Three planes at three echo times, each a little out of place."""
    return phantom.session(TE_S)


def ramp(mean: LogMean) -> np.ndarray:
    """In place of an estimate: a field that falls by a factor of e over 20 mm along x."""
    return (-mean.grid.points_mm()[..., 0] / 20).numpy()


def test_the_geometric_mean_is_that_of_the_contrast_and_knows_no_echo_time(phantom) -> None:
    """Without motion and noise; the mean of each echo, and a gain of a stack, are not in it."""
    still = phantom.session(TE_S, ("axial",), noise=0.0, motion=0.0)
    louder = [replace(stack, pixels=stack.pixels * (3 if n == 1 else 1)) for n, stack in enumerate(still)]
    one, other = log_mean(still), log_mean(louder)
    np.testing.assert_allclose(one.values, other.values, atol=1e-5)
    points = one.grid.points_mm().numpy()[one.inside]
    expected = np.mean([np.log(s.pixels / np.median(s.pixels[s.mask])) for s in still], axis=0)[still[0].mask]
    assert abs(np.median(one.values[one.inside])) < 0.15
    assert one.values[one.inside].std() == pytest.approx(expected.std(), rel=0.25)
    assert np.abs(points.mean(0) - phantom.centre_mm).max() < 1.0


def test_voids_are_left_out(phantom) -> None:
    whole = phantom.session(TE_S, ("axial",), noise=0.0, motion=0.0)
    lost = whole[0].pixels.copy()
    lost[:, :, 4] *= 0.02
    one, other = log_mean(whole), log_mean([replace(whole[0], pixels=lost), *whole[1:]])
    both = one.inside & other.inside
    assert other.inside.sum() > 0.95 * one.inside.sum()
    assert np.abs(one.values - other.values)[both].max() < 0.5
    with pytest.raises(ValueError, match="no field to estimate"):
        log_mean([replace(whole[0], pixels=0 * lost)])


def test_a_field_has_mean_one_inside_and_takes_itself_off(stacks: list[Stack]) -> None:
    field = estimate_field(stacks, ramp)
    inside = np.concatenate([field.on(stack)[stack.mask] for stack in stacks])
    assert inside.mean() == pytest.approx(1, abs=1e-5)
    assert inside.max() / inside.min() > 3
    for stack in stacks[:3]:
        there = field.on(stack)
        shaded = replace(stack, pixels=stack.pixels * there)
        np.testing.assert_allclose(unbiased(shaded, there).pixels, stack.pixels, rtol=1e-5)
        along = np.argwhere(stack.mask) @ stack.affine[0, :3]
        assert np.corrcoef(np.log(there[stack.mask]), along)[0, 1] < -0.999


def test_ratios_of_echoes_at_a_place_of_the_scanner_stay(phantom) -> None:
    """So T2 of a pixel does, also where the planes have different echo times."""
    still = phantom.session(TE_S, ("axial", "sagittal"), motion=0.0)
    uneven = [still[index] for index in (0, 1, 2, 4)]  # axial at three echo times, sagittal at one
    field = estimate_field(uneven, ramp)
    after = [unbiased(stack, field.on(stack)).pixels for stack in uneven]
    for n in (2, 3):
        np.testing.assert_allclose(after[n] / after[0], uneven[n].pixels / uneven[0].pixels, rtol=1e-5)


def test_a_strong_coil_moves_t2_of_the_reconstruction_by_less_than_one_percent(phantom, options) -> None:
    """Three times as bright on one side as on the other; N4, and what the engine makes of the divided stacks."""
    shaded = []
    for stack in phantom.session(TE_S):
        index = np.moveaxis(np.indices(stack.pixels.shape), 0, -1)
        points = index @ stack.affine[:3, :3].T + stack.affine[:3, 3]
        x, y, z = np.moveaxis((points - phantom.centre_mm) / 15, -1, 0)
        pixels = stack.pixels * np.exp(0.6 * x - 0.3 * y + 0.3 * z**2).astype(np.float32)
        shaded.append(replace(stack, pixels=pixels, noise_sigma=6.0))
    field = estimate_field(shaded, n4_log_field)
    mended = [unbiased(stack, field.on(stack)) for stack in shaded]

    def median_error(stacks: list[Stack]) -> float:
        recon = reconstruct(stacks, options())
        points = np.argwhere(recon.mask) @ recon.affine[:3, :3].T + recon.affine[:3, 3]
        core = (((points - phantom.centre_mm) / (0.8 * phantom.semi_axes_mm)) ** 2).sum(-1) < 1
        t2_s = fit_weighted_loglinear(torch.as_tensor(recon.echoes), torch.as_tensor(recon.te_s)).t2_s.numpy()
        true = np.median(phantom.t2_s(points[core], TE_S))
        return float(abs(np.median(t2_s[recon.mask][core]) / true - 1))

    assert median_error(mended) < min(0.01, 0.5 * median_error(shaded))


def test_beyond_its_grid_a_field_keeps_its_nearest_value(phantom) -> None:
    (stack,) = phantom.session((0.1,), ("axial",))
    small = Grid((float(phantom.centre_mm[0]), *map(float, phantom.centre_mm[1:])), 2.0, (2, 2, 2))
    field = BiasField(np.log(np.arange(1, 9, dtype=np.float32)).reshape(2, 2, 2), small)
    assert field.on(stack).min() == pytest.approx(1)
    assert field.on(stack).max() == pytest.approx(8)
