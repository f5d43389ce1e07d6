from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.core.denoise.options import DENOISERS, WITHOUT_FLOOR
from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.t2.fit import T2Reason
from fetalt2prep.interfaces.denoise import Denoise
from fetalt2prep.interfaces.denoise_series import DenoiseSeries
from fetalt2prep.interfaces.t2 import FitT2
from fetalt2prep.io.denoiser_weights import save_denoiser
from fetalt2prep.io.sidecar import InputError

from .conftest import SessionFiles, ellipsoid

TE_S = [0.1, 0.2, 0.3]
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])


def test_none_changes_nothing_and_nlm_keeps_grid_scale_and_name(session_files: SessionFiles) -> None:
    before = nib.load(session_files.stacks[0])
    as_is = Denoise(in_file=session_files.stacks[0], method="none").run().outputs
    np.testing.assert_array_equal(nib.load(as_is.out_file).get_fdata(), before.get_fdata())
    found = Denoise(in_file=session_files.stacks[0], in_mask=session_files.masks[0]).run().outputs
    after = nib.load(found.out_file)
    inside = nib.load(session_files.masks[0]).get_fdata() > 0
    assert Path(found.out_file).name == Path(session_files.stacks[0]).name
    np.testing.assert_allclose(after.affine, before.affine)
    assert after.get_fdata()[inside].mean() == pytest.approx(before.get_fdata()[inside].mean(), rel=0.005)
    points = np.moveaxis(np.indices(before.shape), 0, -1) @ before.affine[:3, :3].T + before.affine[:3, 3]
    core = ellipsoid(points, 0.4)
    assert after.get_fdata()[core].std() < 0.85 * before.get_fdata()[core].std()
    assert found.noise_sigma == pytest.approx(5, rel=0.6)  # a small object: half of it is edge
    assert found.noise_floor == found.noise_sigma


def test_every_denoiser_runs_and_says_what_of_the_noise_floor_it_leaves(session_files: SessionFiles) -> None:
    before = nib.load(session_files.stacks[0]).get_fdata()
    for method in DENOISERS:
        found = Denoise(in_file=session_files.stacks[0], in_mask=session_files.masks[0], method=method).run().outputs
        assert found.note == "" or "24 x 24 pixels" in found.note  # too small for the network
        assert bool(found.note) == (method == "unet")
        assert (found.noise_floor == 0) == (method in WITHOUT_FLOOR and not found.note)
        assert (nib.load(found.out_file).get_fdata() == before).all() == (method == "none")


def test_the_network_denoises_a_stack_and_takes_its_floor_off(tmp_path: Path) -> None:
    """Large enough a stack, so that nothing else is used in its place."""
    truth = np.full((40, 37, 3), 100.0)
    truth[12:25, 10:20] = 160.0
    stack = truth + np.random.default_rng(0).normal(0, 8, truth.shape)
    nib.save(nib.Nifti1Image(stack.astype("f4"), AFFINE), tmp_path / "stack.nii.gz")
    found = Denoise(in_file=str(tmp_path / "stack.nii.gz"), method="unet").run().outputs
    assert found.note == ""
    assert found.noise_floor == 0
    assert found.noise_sigma == pytest.approx(8, rel=0.2)
    assert np.std(nib.load(found.out_file).get_fdata() - truth) < 0.6 * 8
    untrained = save_denoiser(DenoisingCascade((4, 8)), tmp_path / "own.safetensors")
    own = Denoise(in_file=str(tmp_path / "stack.nii.gz"), method="unet", weights=str(untrained)).run().outputs
    np.testing.assert_allclose(nib.load(own.out_file).get_fdata(), stack.astype("f4"), rtol=1e-5)  # it adds nothing


def test_a_series_is_denoised_on_its_grid(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat = 100 + rng.normal(0, 5, (12, 11, 2, 24))
    nib.save(nib.Nifti1Image(flat.astype("f4"), AFFINE), tmp_path / "series.nii.gz")
    found = DenoiseSeries(in_file=str(tmp_path / "series.nii.gz")).run().outputs
    after = nib.load(found.out_file)
    assert after.shape == flat.shape
    np.testing.assert_allclose(after.affine, AFFINE)
    assert after.get_fdata().std() < 2.5
    assert nib.load(found.noise_file).get_fdata().mean() == pytest.approx(5, rel=0.1)


def write_echoes(folder: Path, t2_s: np.ndarray) -> list[str]:
    paths = []
    for n, te in enumerate(TE_S):
        nib.save(nib.Nifti1Image((1000 * np.exp(-te / t2_s)).astype("f4"), AFFINE), folder / f"e{n}.nii.gz")
        paths.append(str(folder / f"e{n}.nii.gz"))
    return paths


def fit(tmp_path: Path, **extra: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    t2_s = np.random.default_rng(0).uniform(0.08, 0.4, (6, 5, 4))
    inside = np.ones(t2_s.shape, bool)
    inside[0] = False
    mask = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(inside.astype("u1"), AFFINE), mask)
    inputs = {"in_files": write_echoes(tmp_path, t2_s), "echo_times_s": TE_S, "mask": str(mask)}
    return FitT2(**(inputs | extra)).run().outputs, t2_s, inside


def test_t2_of_a_pure_decay_is_exact_inside_and_nan_outside(tmp_path: Path) -> None:
    found, t2_s, inside = fit(tmp_path)
    t2, s0 = (nib.load(path).get_fdata() for path in (found.t2map, found.s0map))
    np.testing.assert_allclose(t2[inside], t2_s[inside], rtol=1e-4)
    np.testing.assert_allclose(s0[inside], 1000, rtol=1e-4)
    assert np.isnan(t2[~inside]).all()
    reason = nib.load(found.valid)
    assert reason.get_data_dtype() == np.uint8
    assert set(np.unique(reason.get_fdata()[inside])) == {T2Reason.OK}
    assert set(np.unique(reason.get_fdata()[~inside])) == {T2Reason.OUTSIDE}
    info = json.loads(Path(found.info_file).read_text())
    assert info["voxels_by_reason"]["OK"] == info["n_voxels"] == int(inside.sum())
    assert info["t2_quartiles_s"][1] == pytest.approx(np.median(t2_s[inside]), rel=1e-4)
    assert info["cost"]["peak_memory_gb"] > 0
    assert {"torch", "numpy", "nipype", "nibabel", "python"} <= set(info["versions"])


def test_standard_errors_of_the_echoes_reach_the_map(tmp_path: Path) -> None:
    def stderr(level: float) -> list[str]:
        paths = [tmp_path / f"se{n}_{level}.nii.gz" for n in range(3)]
        for path in paths:
            nib.save(nib.Nifti1Image(np.full((6, 5, 4), level, "f4"), AFFINE), path)
        return [str(path) for path in paths]

    maps = []
    for level in (1.0, 2.0):
        found, _, inside = fit(tmp_path, echo_stderr_files=stderr(level))
        maps.append(nib.load(found.t2_stderr).get_fdata()[inside])
    np.testing.assert_allclose(maps[1], 2 * maps[0], rtol=1e-4)


def test_the_residual_of_the_reconstruction_joins_the_fits_own(tmp_path: Path) -> None:
    residual = tmp_path / "residual.nii.gz"
    values = np.full((6, 5, 4), 3.0, "f4")
    nib.save(nib.Nifti1Image(values, AFFINE), residual)
    alone, _, inside = fit(tmp_path)
    own = nib.load(alone.rmse).get_fdata()
    found, _, _ = fit(tmp_path, residual_file=str(residual))
    np.testing.assert_allclose(nib.load(found.rmse).get_fdata()[inside], np.hypot(own, 3.0)[inside], rtol=1e-4)
    assert (nib.load(found.valid).get_fdata()[inside] == T2Reason.OK).all()


def test_one_echo_time_left_says_what_happened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"two distinct echo times or more; .* 100, 100, 100 ms"):
        fit(tmp_path, echo_times_s=[0.1, 0.1, 0.1])
