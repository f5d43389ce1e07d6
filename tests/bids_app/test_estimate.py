"""What a session is said to cost before it starts: the reconstruction's own estimate of memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_app.estimate import BASE_MEM_GB, estimate
from bids_app.options import Options
from bids_app.parser import parse_args
from bids_app.session import GivenEcho, SessionGuide, SessionInputs, StackInput
from fetalt2prep.core.recon.resources import HOLES, size_of
from fetalt2prep.core.stack import Stack
from fetalt2prep.io.volume import save_volume

SEMI_AXES_MM = np.array([38.0, 30.0, 28.0])
VOXEL_MM = np.array([1.5, 1.5, 4.0])


@pytest.fixture
def options(bids: Path, tmp_path: Path) -> Options:
    return parse_args([str(bids), str(tmp_path / "out"), "participant", "--device", "cpu"])


def session_and_stacks(folder: Path) -> tuple[SessionInputs, list[Stack]]:
    """Three stacks of an ellipsoid with its masks on disk, and as the reconstruction gets them."""
    n = np.array([60, 50, 17])
    affine = np.diag([*VOXEL_MM, 1.0])
    arm_mm = (np.moveaxis(np.indices(n), 0, -1) - (n - 1) / 2) * VOXEL_MM
    mask = ((arm_mm / SEMI_AXES_MM) ** 2).sum(-1) <= 1
    path = save_volume(mask.astype(np.float32), affine, folder / "mask.nii.gz")
    inputs = tuple(
        StackInput(
            image=folder / f"sub-01_echo-{k}_T2w.nii.gz",
            mask=path,
            te_s=0.1 * k,
            thickness_mm=4.0,
            slice_times_s=None,
            entities={},
            shape=tuple(n),
            voxel_mm=tuple(VOXEL_MM),
            orientation="axial",
        )
        for k in (1, 2, 3)
    )
    stacks = [
        Stack(name=s.name, pixels=mask.astype(np.float32), mask=mask, affine=affine, te_s=s.te_s, thickness_mm=4.0)
        for s in inputs
    ]
    return SessionInputs(subject="01", session=None, stacks=inputs), stacks


@pytest.mark.parametrize("changes", [{}, {"resolution_mm": 1.2}, {"field": "siren-compact"}, {"model": "mcreg"}])
def test_memory_is_that_of_the_reconstructions_own_estimate(options: Options, tmp_path: Path, changes) -> None:
    session, stacks = session_and_stacks(tmp_path)
    options = replace(options, recon=replace(options.recon, **changes))
    known = BASE_MEM_GB + HOLES * size_of(stacks, options.recon).mb() / 1000
    assert estimate(session, options).mem_gb == pytest.approx(known, rel=0.1)


def test_a_share_of_memory_is_kept_in_pieces(options: Options, tmp_path: Path) -> None:
    session, _ = session_and_stacks(tmp_path)
    large = replace(options, recon=replace(options.recon, field="siren", resolution_mm=0.8))
    share = replace(large, recon=replace(large.recon, mem_mb=1500))
    assert estimate(session, large).mem_gb > 2.0
    assert estimate(session, share).mem_gb <= 1.5


def test_masks_alone_need_no_reconstruction(options: Options, tmp_path: Path) -> None:
    session, _ = session_and_stacks(tmp_path)
    assert estimate(session, replace(options, steps="masks")).mem_gb == BASE_MEM_GB


def test_without_a_mask_a_usual_brain_is_taken(options: Options, tmp_path: Path) -> None:
    session, _ = session_and_stacks(tmp_path)
    bare = replace(session, stacks=tuple(replace(stack, mask=None) for stack in session.stacks))
    assert estimate(bare, options).mem_gb > estimate(session, options).mem_gb  # 250 ml against 134


def test_a_guide_costs_its_reconstruction_and_the_refinement(options: Options, tmp_path: Path) -> None:
    session, _ = session_and_stacks(tmp_path)
    volume = replace(session, guide=SessionGuide(images=(GivenEcho(image=tmp_path / "g.nii.gz", te_s=0.1),)))
    scan = replace(session, guide=SessionGuide(stacks=session.stacks, te_s=0.15))
    costs = [estimate(one, options).cpu_s for one in (session, volume, scan)]
    assert costs[0] + 100 < costs[1] < costs[2]  # 134 ml at 0.8 mm
