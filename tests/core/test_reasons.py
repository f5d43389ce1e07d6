"""The likely cause of a slice that does not fit, each beside the true head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.joint import _scene
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.reasons import likely_causes
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.recon.trust import first_trust
from fetalt2prep.core.slice_op import blur
from fetalt2prep.core.stack import Stack

TE_S = (0.08, 0.2)
BAD = 4  # middle slice of the first stack
Spoil = Callable[[Stack, Stack], np.ndarray]  # the stack, and the same at the other echo time -> pixels


def causes(phantom, spoil: Spoil, *, weight: float = 0.02) -> dict[int, str]:
    """Causes in a session with one spoiled slice, beside the true head; weight: of that slice."""
    stacks = [
        phantom.stack(te, plane, noise=4.0, seed=n)
        for n, (te, plane) in enumerate((te, plane) for te in TE_S for plane in ("axial", "coronal"))
    ]
    stacks[0] = replace(stacks[0], pixels=spoil(stacks[0], stacks[2]).astype(np.float32))
    slices = flatten(stacks, profile="gaussian")
    slice_weight = torch.ones(slices.n_slices)
    slice_weight[BAD] = weight
    plain = first_trust(slices, ReconOptions(model="sc", coil_field="off"))
    trust = replace(plain, weight=slice_weight[slices.slice_idx], slice_weight=slice_weight)
    poses = Rigid.identity(slices.centres_mm)
    grid = Grid(tuple((phantom.centre_mm - 26).tolist()), 1.6, (33, 33, 33))
    scene = _scene(slices, grid, poses, trust)
    volumes = blur(phantom.volume(grid.points_mm(), TE_S) / slices.scale, scene.blur_voxels)
    return likely_causes(scene, volumes, slices, stacks, poses, slice_weight)


def spoiled(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Spoil:
    """``change(slice, pixels of the other echo time)`` on the bad slice."""

    def build(stack: Stack, other: Stack) -> np.ndarray:
        pixels = stack.pixels.copy()
        pixels[:, :, BAD] = change(pixels, other.pixels)
        return pixels

    return build


def void(pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
    x, y = np.indices(pixels.shape[:2])
    return np.where((x - 9) ** 2 + (y - 8) ** 2 < 16, 0.1, 1.0) * pixels[:, :, BAD]


def rim(pixels: np.ndarray, _: np.ndarray) -> np.ndarray:
    x, y = np.indices(pixels.shape[:2])
    return pixels[:, :, BAD] + 2000.0 * (np.hypot((x - 8.5) / 7.5, (y - 8.5) / 6.0) > 0.85) * (x > 8)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoiled(void), "signal void in"),
        (spoiled(lambda p, _: 0.05 * p[:, :, BAD]), "signal void in 100 %"),
        (spoiled(rim), "bright tissue at the rim of its mask"),
        (spoiled(lambda _, other: other[:, :, BAD]), "contrast of echo time 0.200 s"),
        (spoiled(lambda p, _: p[:, :, BAD + 2]), "shows the place 2 slices further on"),
        (spoiled(lambda p, _: p[:, :, BAD - 2]), "shows the place 2 slices further back"),
        (spoiled(lambda p, _: 0.6 * p[:, :, BAD] + 0.8 * p[:, :, BAD + 3]), "doubled"),
    ],
    ids=["void", "dark", "rim", "contrast", "further on", "further back", "doubled"],
)
def test_the_cause_is_named(phantom, spoil, told):
    found = causes(phantom, spoil)
    assert list(found) == [BAD]
    assert found[BAD].startswith(told)


def test_noise_and_full_weight_have_no_cause(phantom):
    generator = np.random.default_rng(3)
    noisy = spoiled(lambda p, _: np.abs(p[:, :, BAD] + 150.0 * generator.normal(size=p.shape[:2])))
    assert causes(phantom, noisy) == {}
    assert causes(phantom, spoiled(void), weight=0.9) == {}
