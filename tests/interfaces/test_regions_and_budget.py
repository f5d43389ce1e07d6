"""Share of fluid, regions and bias budget, from files to files."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.interfaces.budget import BiasBudget
from fetalt2prep.interfaces.csf import FlagCsf
from fetalt2prep.interfaces.regions import RegionStatistics
from fetalt2prep.interfaces.t2 import FitT2
from fetalt2prep.io.tables import read_tsv

TE_S = [0.300, 0.397, 0.600]
SHAPE = (12, 12, 8)
AFFINE = np.diag([1.5, 1.5, 1.5, 1.0])
SIGMA = 6.0


def save(folder: Path, name: str, values: np.ndarray, dtype: str = "f4") -> str:
    nib.save(nib.Nifti1Image(values.astype(dtype), AFFINE), folder / name)
    return str(folder / name)


@pytest.fixture
def scene(tmp_path: Path) -> dict[str, str | list[str]]:
    """Cortex, a third of it with 20 % fluid, and white matter; echoes with noise, errors, mask and labels."""
    rng = np.random.default_rng(0)
    t2 = np.where(np.arange(12)[:, None, None] < 6, 0.247, 0.339) * np.exp(0.05 * rng.standard_normal(SHAPE))
    share = np.zeros(SHAPE)
    share[:2] = 0.2
    files: dict[str, str | list[str]] = {"in_files": [], "echo_stderr_files": []}
    for n, te in enumerate(TE_S):
        clean = 900 * (1 - share) * np.exp(-te / t2) + 1000 * share * np.exp(-te / 2.0)
        noisy = np.hypot(clean + rng.normal(0, SIGMA, SHAPE), rng.normal(0, SIGMA, SHAPE))
        files["in_files"].append(save(tmp_path, f"e{n}.nii.gz", noisy))  # type: ignore[union-attr]
        files["echo_stderr_files"].append(save(tmp_path, f"s{n}.nii.gz", np.full(SHAPE, SIGMA)))  # type: ignore[union-attr]
    files["mask"] = save(tmp_path, "mask.nii.gz", np.ones(SHAPE), "u1")
    labels = np.where(np.arange(12)[:, None, None] < 6, 2, 3) * np.ones(SHAPE)
    files["segmentation"] = save(tmp_path, "x_seg-feta_dseg.nii.gz", labels, "u1")
    return files


def fitted(scene: dict, folder: Path) -> dict[str, str]:  # type: ignore[type-arg]
    inputs = {name: scene[name] for name in ("in_files", "echo_stderr_files", "mask")}
    found = FitT2(**inputs, echo_times_s=TE_S, model="nlls").run(cwd=str(folder)).outputs
    return {name: getattr(found, name) for name in ("t2map", "s0map", "t2_stderr", "valid", "info_file")}


@pytest.mark.parametrize("segmented", [True, False])
def test_from_echoes_to_regions(scene: dict, tmp_path: Path, segmented: bool) -> None:  # type: ignore[type-arg]
    maps = fitted(scene, tmp_path)
    assert json.loads(Path(maps["info_file"]).read_text())["model"] == "nlls"
    labels = {"segmentation": scene["segmentation"]} if segmented else {}
    shared = {name: maps[name] for name in ("t2map", "t2_stderr", "valid")} | {"mask": scene["mask"]} | labels
    csf = FlagCsf(
        in_files=scene["in_files"],
        echo_times_s=TE_S,
        echo_stderr_files=scene["echo_stderr_files"],
        s0map=maps["s0map"],
        **shared,
    )
    flagged = csf.run(cwd=str(tmp_path)).outputs
    probability = nib.load(flagged.csf_probability).get_fdata()
    if segmented:
        assert (probability[:2] > 0.5).mean() > 0.8
        assert (probability[2:] > 0.5).mean() < 0.1
    told = json.loads(Path(flagged.info_file).read_text())
    assert told["segmented"] is segmented
    regions = RegionStatistics(
        csf_probability=flagged.csf_probability,
        csf_info=flagged.info_file,
        gestational_age_weeks=31.0,
        element_mm3=10.0,
        notes=["a note"],
        **shared,
    )
    measured = regions.run(cwd=str(tmp_path)).outputs
    table = read_tsv(Path(measured.region_table))
    described = json.loads(Path(measured.region_info).read_text())
    assert set(table["gestational_age_weeks"]) == {"31"}
    assert "a note" in described["Notes"]
    assert described["IndependentVolume"] == 10.0
    if segmented:
        assert table["name"] == ["brain", "cortical_grey_matter", "white_matter"]
        cortex = {name: float(cells[1]) for name, cells in table.items() if name not in ("name",)}
        assert cortex["t2_tissue_median_s"] == pytest.approx(0.247, rel=0.03)
        assert abs(cortex["t2_tissue_median_s"] - 0.247) < abs(cortex["t2_median_s"] - 0.247)
        assert cortex["csf_flagged_fraction"] == pytest.approx(1 / 3, abs=0.1)
    else:
        assert table["name"] == ["brain", "t2class_tissue", "t2class_mixed", "t2class_fluid"]
        assert "no anatomy" in described["Regions"]


def test_without_errors_of_the_echoes_fluid_is_judged_from_residuals(scene: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    maps = fitted(scene, tmp_path)
    maps.pop("info_file")
    csf = FlagCsf(in_files=scene["in_files"], echo_times_s=TE_S, mask=scene["mask"], **maps)
    told = json.loads(Path(csf.run(cwd=str(tmp_path)).outputs.info_file).read_text())
    assert told["noise"].startswith("residuals: ")
    assert float(told["noise"].partition(": ")[2]) == pytest.approx(SIGMA, rel=0.3)


def test_the_budget_takes_what_the_account_of_the_reconstruction_says(scene: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    maps = fitted(scene, tmp_path)
    recon, fluid = tmp_path / "recon.json", tmp_path / "fluid.json"
    recon.write_text(json.dumps({"noise_floor": 18.0, "noise_sigma": 20.0}))
    fluid.write_text(json.dumps({"segmented": True, "mean_share_in_tissue": 0.04}))
    budget = BiasBudget(
        echo_times_s=TE_S,
        first_echo=scene["in_files"][0],
        t2map=maps["t2map"],
        s0map=maps["s0map"],
        residual_file=save(tmp_path, "residual.nii.gz", np.full(SHAPE, 25.0)),
        recon_info=str(recon),
        csf_info=str(fluid),
        refocusing_deg=150.0,
        field_t=0.55,
    )
    content = json.loads(Path(budget.run(cwd=str(tmp_path)).outputs.budget_file).read_text())
    assert content["facts"]["snr"] == pytest.approx(900 / 18.0, rel=0.1)
    assert content["facts"]["csf_share"] == 0.04
    signal = float(np.median(nib.load(scene["in_files"][0]).get_fdata()))
    assert content["facts"]["residual_share"] == pytest.approx(15.0 / signal, rel=0.05)
    names = [effect["name"] for effect in content["effects"]]
    assert names == ["stimulated echoes", "noise floor", "fluid in the voxel", "fluid found", "motion and other misfit"]
    assert any("at 0.55 T" in text for text in content["warnings"])
    alone = BiasBudget(echo_times_s=TE_S, first_echo=scene["in_files"][0], t2map=maps["t2map"], s0map=maps["s0map"])
    plain = json.loads(Path(alone.run(cwd=str(tmp_path)).outputs.budget_file).read_text())
    assert plain["facts"]["snr"] is None
    assert plain["precision"] is None


def test_every_model_and_its_noise_reach_the_fit(scene: dict, tmp_path: Path) -> None:  # type: ignore[type-arg]
    inputs = {"in_files": scene["in_files"], "mask": scene["mask"], "echo_times_s": TE_S}
    for extra, source in (({}, "residuals"), ({"noise_sigma": 5.0}, "given")):
        info = json.loads(
            Path(FitT2(model="rician", **inputs, **extra).run(cwd=str(tmp_path)).outputs.info_file).read_text()
        )
        assert info["noise_source"] == source
    train = {"echo_spacing_s": 0.005, "refocusing_deg": 150.0}
    b1 = save(tmp_path, "b1.nii.gz", np.full(SHAPE, 0.9))
    plain = FitT2(**inputs).run(cwd=str(tmp_path)).outputs
    before = np.nanmedian(nib.load(plain.t2map).get_fdata())
    epg = FitT2(model="epg", b1_file=b1, **train, **inputs).run(cwd=str(tmp_path)).outputs
    assert np.nanmedian(nib.load(epg.t2map).get_fdata()) < 0.96 * before
