"""How many slices measure each point, and where too few do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.density import LEAST_DENSITY, LEAST_MM3, data_density, under_determined
from fetalt2prep.core.recon.field_fit import Scene
from fetalt2prep.core.recon.joint import _scene
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.recon.trust import first_trust
from fetalt2prep.core.stack import Stack

SPACING_MM = 2.0


def scene_of(stacks: list[Stack], weight: torch.Tensor | None = None) -> tuple[Scene, Slices]:
    """The stacks where the scanner put them, on a lattice of 2 mm; weight: (slice,)."""
    slices = flatten(stacks)
    weight = torch.ones(slices.n_slices) if weight is None else weight
    plain = first_trust(slices, ReconOptions(model="sc", coil_field="off"))
    trust = replace(plain, weight=weight[slices.slice_idx], slice_weight=weight)
    grid = Grid.around(slices.points_mm, SPACING_MM, 8.0)
    return _scene(slices, grid, Rigid.identity(slices.centres_mm), trust), slices


def volume_of(scene: Scene, density: torch.Tensor) -> torch.Tensor:
    return scene.lattice.scatter(density)


def at(scene: Scene, density: torch.Tensor, point_mm: np.ndarray) -> torch.Tensor:
    """Density at the lattice point next to a world point, (echo,)."""
    index = scene.lattice.grid.index_of(torch.as_tensor(point_mm, dtype=torch.float32)).round().long()
    return volume_of(scene, density)[:, index[0], index[1], index[2]]


def test_three_stacks_of_adjoining_slices_are_three_measurements(phantom):
    stacks = phantom.session((0.08, 0.2), motion=0.0)[:5]  # three planes at the first echo time, two at the second
    scene, slices = scene_of(stacks)
    density = at(scene, data_density(scene, slices, stacks), phantom.centre_mm)
    assert density.tolist() == pytest.approx([3.0, 2.0], rel=0.1)


def test_every_pixel_is_spread_and_none_is_lost(phantom):
    """Identity: density integrated over space is the volume of all pixels times their weights."""
    stacks = [phantom.stack(0.08, "axial"), phantom.stack(0.2, "coronal")]
    weight = torch.linspace(0.2, 1.0, 18)
    scene, slices = scene_of(stacks, weight)
    integral = data_density(scene, slices, stacks).sum(1) * SPACING_MM**3
    pixel_mm3 = 2.0 * 2.0 * 4.0
    expected = [float(weight[slices.slice_idx][slices.echo_idx == echo].sum()) * pixel_mm3 for echo in (0, 1)]
    assert integral.tolist() == pytest.approx(expected, rel=0.02)  # lattice points that hardly any slice sees are left


def test_a_gap_between_slices_is_seen(phantom):
    thin = replace(phantom.stack(0.08, "axial"), thickness_mm=1.5)  # every 4 mm
    scene, slices = scene_of([thin])
    density = data_density(scene, slices, [thin])
    centre = slices.centres_mm[4].numpy()
    assert float(at(scene, density, centre)[0]) > 3 * float(at(scene, density, centre + np.array([0, 0, 2.0]))[0])


def test_a_slice_that_is_set_aside_leaves_a_region_at_its_echo_time(phantom):
    stacks = [phantom.stack(0.08, "axial"), phantom.stack(0.2, "axial"), phantom.stack(0.08, "coronal")]
    weight = torch.ones(27)
    weight[9 + 4] = 0.0  # the middle slice of the only stack at the second echo time
    scene, slices = scene_of(stacks, weight)
    density = volume_of(scene, data_density(scene, slices, stacks)).numpy()
    grid = scene.lattice.grid
    mask = phantom.inside(grid.points_mm().numpy())
    inner = mask & (((grid.points_mm().numpy() - phantom.centre_mm) ** 2).sum(-1) < 10**2)
    (region,) = under_determined(density, inner, grid.affine, np.array([0.08, 0.2]))
    assert region["te_s"] == [0.2]
    np.testing.assert_allclose(region["centre_mm"], phantom.centre_mm, atol=1.0)
    assert float(region["volume_mm3"]) == pytest.approx(np.pi * 10**2 * 4.0, rel=0.4)
    full, _ = scene_of(stacks)
    dense = volume_of(full, data_density(full, slices, stacks)).numpy()
    assert under_determined(dense, inner, grid.affine, np.array([0.08, 0.2])) == []


def test_regions_by_hand():
    density = np.ones((2, 20, 10, 10), np.float32)
    density[0, 2:4, 2:6, 2:6] = 0.9 * LEAST_DENSITY
    density[1, 10:16, 2:8, 2:8] = 0.0
    density[0, 18, 8, 8] = 0.0  # one voxel: too small to be listed
    mask = np.ones((20, 10, 10), bool)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    regions = under_determined(density, mask, affine, np.array([0.1, 0.3]))
    assert [region["te_s"] for region in regions] == [[0.3], [0.1]]
    assert [region["volume_mm3"] for region in regions] == [6 * 6 * 6 * 8.0, 2 * 4 * 4 * 8.0]
    assert regions[0]["centre_mm"] == [25.0, 9.0, 9.0]
    assert regions[0]["share_of_mask"] == pytest.approx(216 / 2000, abs=1e-4)
    assert all(float(str(region["volume_mm3"])) >= LEAST_MM3 for region in regions)
