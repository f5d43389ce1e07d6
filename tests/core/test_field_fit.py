"""What the field is fitted to: data and regularisation in one sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.field_fit import FieldFit, Scene
from fetalt2prep.core.recon.fields import LEARNING_RATES, build_field
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.penalty import decay_projector
from fetalt2prep.core.recon.response import Response
from fetalt2prep.core.recon.slices import flatten, typical_decay
from fetalt2prep.core.slice_op import lattice_blur_voxels

TE_S = (0.08, 0.14, 0.26)


def loss_of(stacks, spacing_mm: float, alpha: float) -> float:
    """Loss of a freshly drawn field on a lattice of this spacing."""
    slices = flatten(stacks)
    grid = Grid.around(slices.points_mm, spacing_mm, 2 * spacing_mm, 8)
    operator = slices.operator(grid, Rigid.identity(slices.centres_mm))
    blur_voxels = lattice_blur_voxels(slices.blur_sigma_mm, spacing_mm)
    lattice = Lattice.seen_by(operator, len(slices.values), blur_voxels)
    scene = Scene(
        values=slices.values,
        operator=operator,
        response=Response(operator, lattice.index, blur_voxels),
        lattice=lattice,
        blur_voxels=blur_voxels,
        unit_mm=slices.unit_mm,
        gain=torch.ones_like(slices.values),
        weight=torch.zeros_like(slices.values),  # what regularises, alone
        sigma=0.02,
        floor=0.02,
        typical=typical_decay(slices).at(lattice.points_mm()),
    )
    field = build_field(ReconOptions(model="mcreg"), slices, grid)
    with torch.no_grad():  # a fresh field is nearly constant
        for parameter in field.encoding_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    method = FieldFit(field, *LEARNING_RATES["grid"], 10, decay_projector(slices.te_s), alpha, True, slices.te_s, scene)
    return float(method.loss(field).detach())


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_a_session_scaled_in_all_its_lengths_costs_the_same(phantom, alpha):
    """What is asked of the field may depend on the anatomy in pixels, not on the millimetre."""
    stacks = phantom.session(TE_S)
    doubled = [
        replace(s, affine=s.affine @ np.diag([2.0, 2.0, 2.0, 1.0]), thickness_mm=2 * s.thickness_mm) for s in stacks
    ]
    assert loss_of(doubled, 5.0, alpha) == pytest.approx(loss_of(stacks, 2.5, alpha), rel=0.02)
