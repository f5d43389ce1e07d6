"""Scoring: a perfect answer, a moved one, errors that were put in, and the reader of both layouts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from fetalt2prep.core.metrics import t2_error
from fetalt2prep.sim import Case, write_case
from fetalt2prep.sim.score import Volume, read_truth, score, score_files
from fetalt2prep.sim.truth import Truth


def moved(affine: np.ndarray) -> np.ndarray:
    """The affine after a rigid motion of the world: 7 degrees and 4 mm."""
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec([4.0, -5.0, 3.0], degrees=True).as_matrix()
    motion[:3, 3] = (2.0, -3.0, 1.5)
    return motion @ affine


def volumes(truth: Truth, affine: np.ndarray) -> tuple[list[Volume], Volume]:
    assert truth.t2_s is not None
    return [Volume(e, affine) for e in truth.echoes], Volume(np.nan_to_num(truth.t2_s), affine)


def test_truth_scored_against_itself_is_perfect_but_for_registration(small_case: Case) -> None:
    echoes, t2 = volumes(small_case.truth, small_case.truth.affine)
    out = score(small_case.truth, echoes, t2)
    assert out["registration_ncc"] == pytest.approx(1.0, abs=1e-3)
    assert min(out["ssim"]) > 0.999  # type: ignore[call-overload]
    assert out["WM"]["mae"] < 1.0  # type: ignore[index]
    assert out["invalid_percent"] == 0.0


def test_rigid_frame_does_not_matter_and_put_in_errors_come_out(small_case: Case) -> None:
    truth = small_case.truth
    echoes, t2 = volumes(truth, moved(truth.affine))
    still = score(truth, echoes, t2)
    assert still["registration_ncc"] > 0.97  # type: ignore[operator]
    scaled = [Volume(e.values * g, e.affine) for e, g in zip(echoes, (2.0, 2.0, 1.0), strict=True)]
    long = score(truth, scaled, Volume(t2.values * np.float32(1.2), t2.affine))
    assert long["scale_ratio_to_first"][1:] == pytest.approx([1.0, 2.0], rel=1e-3)  # type: ignore[index]
    assert long["ssim"] == pytest.approx(still["ssim"], abs=2e-3)
    assert long["WM"]["median"] == pytest.approx(1.2 * still["WM"]["median"], rel=0.01)  # type: ignore[index]
    assert long["WM"]["core_mae"] == pytest.approx(0.2 * 339, rel=0.2)  # type: ignore[index]


def test_written_truth_reads_back(small_case: Case, tmp_path: Path) -> None:
    write_case(small_case, tmp_path, "a1")
    truth = read_truth(tmp_path / "derivatives" / "truth" / "sub-a1" / "ses-01" / "anat")
    assert np.allclose(truth.te_s, small_case.truth.te_s)
    assert np.allclose(truth.echoes, small_case.truth.echoes)
    assert np.array_equal(truth.labels, small_case.truth.labels)
    assert np.allclose(truth.affine, small_case.truth.affine, atol=1e-4)


def test_what_is_no_truth_is_refused(small_case: Case, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no truth"):
        read_truth(tmp_path)
    echoes, t2 = volumes(small_case.truth, small_case.truth.affine)
    with pytest.raises(ValueError, match="1 echoes were given; the truth has 3"):
        score(small_case.truth, echoes[:1], t2)


@pytest.mark.shared
@pytest.mark.parametrize("case", ["ga24", "ga29"])
def test_agrees_with_the_reference_tool(case: str, shared: Path, tmp_path: Path) -> None:
    """Blurred, noisy, too long and moved: every number within 2 % of the tool that set the targets.

    Signed numbers (bias, shift of the median) may pass through 0: they agree within 0.5 ms. Images within 2 % and
    T2 within 1 % of what is known without any resampling.
    """
    folder = shared / "cases" / f"{case}_truth"
    truth = read_truth(folder)
    assert truth.t2_s is not None
    rng = np.random.default_rng(0)
    around = ndimage.binary_dilation(truth.mask, iterations=2)
    files = [tmp_path / f"{k}.nii.gz" for k in range(4)]
    for k, echo in enumerate(truth.echoes):
        spoiled = ndimage.gaussian_filter(echo, 1.0) + rng.normal(0, 15, echo.shape)
        nib.save(nib.Nifti1Image((np.clip(spoiled, 0, None) * around).astype("f4"), moved(truth.affine)), files[k])
    grain = ndimage.gaussian_filter(rng.normal(0, 0.12, truth.t2_s.shape), 1.0)  # errors of a map hang together
    t2_s = 1.05 * ndimage.gaussian_filter(truth.t2_s, 1.0) + grain
    nib.save(nib.Nifti1Image(t2_s.astype("f4"), moved(truth.affine)), files[3])
    tool = [sys.executable, str(shared / "tools" / "evaluate_case.py"), str(folder), "--t2map", str(files[3])]
    ran = subprocess.run([*tool, "--echoes", *map(str, files[:3])], capture_output=True, text=True, check=True)
    theirs: dict[str, Any] = json.loads(ran.stdout)
    ours: dict[str, Any] = score_files(folder, files[:3], files[3])
    for tissue, label in (("WM", 1), ("GM", 5), ("deepGM", 6)):
        exact = t2_error(t2_s, truth.t2_s, truth.labels == label).as_ms()["mae"]
        assert ours[tissue]["mae"] == pytest.approx(exact, rel=0.01)
        for name in ("mae", "medae", "core_mae", "median", "true_median"):
            assert ours[tissue][name] == pytest.approx(theirs[tissue][name], rel=0.02), (tissue, name)
        assert ours[tissue]["bias"] == pytest.approx(theirs[tissue]["bias"], rel=0.02, abs=0.5)
    for name in ("ssim", "psnr", "scale_ratio_to_first"):
        assert ours[name] == pytest.approx(theirs[name], rel=0.02)
    assert ours["invalid_percent"] == pytest.approx(theirs["invalid_percent"], rel=0.02, abs=0.01)
