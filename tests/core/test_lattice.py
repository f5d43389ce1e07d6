"""Points that slices see: their neighbours, total variation, blur and response."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.lattice_blur import LatticeBlur
from fetalt2prep.core.operator import adjoint_mismatch
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.response import Response
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.slice_op import blur, lattice_blur_voxels

TE_S = (0.08, 0.14, 0.26)


@pytest.fixture
def seen(phantom):
    """Operator, lattice and blur of a small session without motion."""
    slices = flatten(phantom.session(TE_S))
    grid = Grid.around(slices.points_mm, 1.5, 4.0)
    operator = slices.operator(grid, Rigid.identity(slices.centres_mm))
    sigma = lattice_blur_voxels(slices.blur_sigma_mm, grid.spacing_mm)
    return operator, Lattice.seen_by(operator, len(slices.values), sigma), sigma


def test_neighbours_are_one_spacing_away_and_mutual(seen):
    _, lattice, _ = seen
    points = lattice.points_mm()
    for axis in range(3):
        following, preceding = lattice.following[axis], lattice.preceding[axis]
        here = torch.arange(len(points))
        moved = following != here
        assert 0.5 < float(moved.float().mean()) < 1.0
        step = (points[following] - points)[moved]
        expected = torch.zeros(3)
        expected[axis] = lattice.grid.spacing_mm
        torch.testing.assert_close(step, expected.expand_as(step), atol=1e-4, rtol=0)
        assert torch.equal(preceding[following[moved]], here[moved])


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_gradient_of_total_variation(seen, joint, shared):
    _, lattice, _ = seen
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(2, len(lattice.index), generator=generator, dtype=torch.float64, requires_grad=True)
    share = torch.rand(len(lattice.index), generator=generator, dtype=torch.float64) if shared else None
    lattice.total_variation(values, joint=joint, share=share).backward()
    direction = torch.randn(values.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        ahead, behind = (
            lattice.total_variation(values + step * direction, joint=joint, share=share) for step in (1e-6, -1e-6)
        )
    assert float((values.grad * direction).sum()) == pytest.approx(float(ahead - behind) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.86, 1.7])
def test_blur_on_some_points_is_the_blur_of_the_volume(sigma):
    grid = Grid((0.0, 0.0, 0.0), 0.8, (17, 13, 21))
    generator = torch.Generator().manual_seed(1)
    start, end = (torch.randperm(grid.n_points, generator=generator)[:800].sort().values for _ in range(2))
    operator = LatticeBlur(grid, start, end, sigma)
    x, y = torch.rand(800, 3, generator=generator), torch.rand(800, 3, generator=generator)
    volume = torch.zeros(3, grid.n_points).index_copy(1, start, x.T).reshape(3, *grid.shape)
    expected = blur(volume, sigma).reshape(3, -1)[:, end].T
    torch.testing.assert_close(operator.forward(x), expected, atol=1e-3 * float(expected.max()), rtol=0)
    assert adjoint_mismatch(operator, x, y) < 1e-6


def test_response_is_blur_then_sampling(seen):
    operator, lattice, sigma = seen
    response = Response(operator, lattice.index, sigma)
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(len(TE_S), len(lattice.index), generator=generator)
    expected = operator.forward(blur(lattice.scatter(x), sigma))
    torch.testing.assert_close(response.forward(x), expected, atol=1e-4, rtol=1e-4)
    assert adjoint_mismatch(response, x, torch.rand(len(expected), generator=generator)) < 1e-6
