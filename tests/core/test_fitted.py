"""A fitted field gives the reconstruction's own volumes back, and any other grid's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import rotation_matrix
from fetalt2prep.core.recon.fitted import FittedField, sample
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.result import Recon

TE_S = (0.08, 0.2)


@pytest.fixture(scope="module")
def recon(phantom, options) -> Recon:
    return reconstruct(phantom.session(TE_S), options())


@pytest.fixture(scope="module")
def fitted(recon) -> FittedField:
    assert recon.field is not None
    return recon.field


def test_the_reconstructions_own_grid_gives_its_own_volumes(recon, fitted):
    shape, affine = fitted.grid_at(2.5)
    assert shape == recon.mask.shape
    np.testing.assert_allclose(affine, recon.affine)
    again = sample(fitted, shape, affine)
    np.testing.assert_array_equal(again.mask, recon.mask)
    np.testing.assert_allclose(again.echoes, recon.echoes, rtol=2e-4, atol=1e-3)
    np.testing.assert_allclose(again.echo_stderr, recon.echo_stderr, rtol=1e-5)
    assert again.te_s.tolist() == recon.te_s.tolist()


@pytest.mark.parametrize("spacing_mm", [1.0, 1.7, 4.0])
def test_another_spacing_shows_the_same_head_in_the_same_place(phantom, fitted, spacing_mm):
    shape, affine = fitted.grid_at(spacing_mm)
    np.testing.assert_allclose(np.diag(affine)[:3], spacing_mm)
    seen = sample(fitted, shape, affine)
    check_is_the_head(phantom, seen)
    volume = seen.mask.sum() * spacing_mm**3
    assert volume == pytest.approx(fitted.mask.sum() * 2.5**3, rel=0.1)
    assert np.isnan(seen.echo_stderr[:, ~seen.mask]).all()
    assert (seen.echo_stderr[:, seen.mask] > 0).all()


def test_an_oblique_grid_is_another_view_of_the_same_head(phantom, fitted):
    turn = rotation_matrix(torch.tensor([0.4, -0.3, 0.7], dtype=torch.float64)).numpy()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.5, -2.0, 3.0])  # left-handed and anisotropic
    affine[:3, 3] = phantom.centre_mm - affine[:3, :3] @ np.array([15.0, 12.0, 8.0])
    seen = sample(fitted, (31, 25, 17), affine)
    np.testing.assert_allclose(seen.affine, affine)
    check_is_the_head(phantom, seen)
    assert seen.mask.sum() * 9.0 == pytest.approx(fitted.mask.sum() * 2.5**3, rel=0.1)


def check_is_the_head(phantom, seen) -> None:
    points = np.argwhere(seen.mask) @ seen.affine[:3, :3].T + seen.affine[:3, 3]
    core = (((points - phantom.centre_mm) / (0.8 * phantom.semi_axes_mm)) ** 2).sum(-1) < 1
    assert core.sum() > 50
    for te_s, echo in zip(TE_S, seen.echoes, strict=True):
        true, found = phantom.signal(points[core], te_s), echo[seen.mask][core]
        assert np.sqrt(((found - true) ** 2).mean() / (true**2).mean()) < 0.07
        assert (echo[~seen.mask] == 0).all()


def test_a_grid_elsewhere_holds_nothing(fitted):
    away = np.eye(4)
    away[:3, 3] = 500.0
    assert not sample(fitted, (4, 4, 4), away).mask.any()


def test_a_spacing_that_is_none_is_refused(fitted):
    with pytest.raises(ValueError, match=r"0\.1 to 10 mm"):
        fitted.grid_at(0.0)
