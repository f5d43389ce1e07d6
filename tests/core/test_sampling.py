"""The lattice and the sampling form of slice acquisition have one objective: their gradients agree in the mean."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.field.echo import EchoField
from fetalt2prep.core.field.grid import GridPyramid
from fetalt2prep.core.field.head import FreeHead
from fetalt2prep.core.geometry import Grid, Rigid, rotation_matrix
from fetalt2prep.core.operator import apply
from fetalt2prep.core.recon.sampling import draw_psf_points, sampled_data_term
from fetalt2prep.core.recon.slices import flatten
from fetalt2prep.core.slice_op import blur, lattice_blur_voxels

N_DRAWS = 12


@pytest.fixture(scope="module")
def scene(phantom):
    """Pixels of three oblique stacks, a smooth field on a lattice of 1 mm, and poses off the truth."""
    stacks = [
        phantom.stack(te, plane, rotvec_rad=(0.1, -0.05, 0.2), shift_mm=(1.0, 0.0, -1.0))
        for te, plane in ((0.08, "axial"), (0.2, "coronal"), (0.2, "sagittal"))
    ]
    slices = flatten(stacks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        coarse = Grid.around(slices.points_mm, 4.0, 12.0, 2)
        field = EchoField(GridPyramid(coarse, 2, 3), (8,), FreeHead(torch.tensor([-0.4, -0.9])))
        for parameter in field.encoding_parameters():
            parameter.data = 1.0 * torch.randn_like(parameter)
    return slices, field, Grid(coarse.origin_mm, 1.0, tuple(4 * (n - 1) + 1 for n in coarse.shape))


def gradient_of(loss, field) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(field.parameters()))])


def lattice_gradient(scene, poses, spacing_mm: float) -> torch.Tensor:
    slices, field, box = scene
    grid = Grid(box.origin_mm, spacing_mm, tuple(round((n - 1) / spacing_mm) + 1 for n in box.shape))
    volumes = torch.exp(field(grid.points_mm().reshape(-1, 3))).reshape(-1, *grid.shape)
    volumes = blur(volumes, lattice_blur_voxels(slices.blur_sigma_mm, grid.spacing_mm))
    signal = apply(slices.operator(grid, poses), volumes)
    return gradient_of(0.5 * (signal - slices.values).square().sum(), field)


def sampled_gradients(scene, poses, n_points: int) -> torch.Tensor:
    slices, field, _ = scene
    generator = torch.Generator().manual_seed(1)
    losses = (sampled_data_term(field, slices, poses, n_points, generator) for _ in range(N_DRAWS))
    return torch.stack([gradient_of(loss, field) for loss in losses])


@pytest.fixture(scope="module")
def poses(scene) -> Rigid:
    generator = torch.Generator().manual_seed(0)
    centres_mm = scene[0].centres_mm
    rotvec, shift_mm = (size * torch.randn(centres_mm.shape, generator=generator) for size in (0.05, 1.0))
    return Rigid(rotation_matrix(rotvec), shift_mm, centres_mm)


@pytest.fixture(scope="module")
def draws(scene, poses) -> torch.Tensor:
    return sampled_gradients(scene, poses, 64)


def apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_gradients_agree_in_the_mean(scene, poses, draws):
    exact = lattice_gradient(scene, poses, 1.0)
    assert apart(draws.mean(0), exact) < 0.02
    assert torch.nn.functional.cosine_similarity(draws.mean(0), exact, dim=0) > 0.9995


def test_what_is_left_is_the_spacing_of_the_lattice(scene, poses, draws):
    fine, coarse = (apart(draws.mean(0), lattice_gradient(scene, poses, mm)) for mm in (1.0, 2.0))
    assert coarse > 2 * fine


def test_few_points_leave_a_bias_that_no_number_of_draws_removes(scene, poses, draws):
    exact = lattice_gradient(scene, poses, 1.0)
    assert apart(sampled_gradients(scene, poses, 1).mean(0), exact) > 2 * apart(draws.mean(0), exact)


def test_points_have_the_spread_of_the_profile(scene, poses):
    """Along the normal the slice's thickness and the blur, across it the blur alone; about the moved pixel."""
    slices = scene[0]
    pixels = torch.arange(0, len(slices.values), 97)
    points = draw_psf_points(slices, poses, pixels, 4000, torch.Generator().manual_seed(0))
    which = slices.slice_idx[pixels]
    arm = points - poses.move(slices.points_mm[pixels], which)[:, None]
    assert arm.mean(1).abs().max() < 0.2
    normal = (poses.rotation @ slices.normals[..., None])[which][:, None, :, 0]
    along = (arm * normal).sum(-1)
    across = arm - along[..., None] * normal
    profile = slices.profile()
    variance = (profile.weights * profile.offsets_mm.square()).sum(-1)[which] + slices.blur_sigma_mm**2
    torch.testing.assert_close(along.var(1), variance, rtol=0.15, atol=0.0)
    torch.testing.assert_close(
        across.square().sum(-1).mean(1) / 2, torch.full((len(pixels),), slices.blur_sigma_mm**2), rtol=0.15, atol=0.0
    )
