"""``fetalt2 t2map`` and ``fetalt2 protocol``."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.cli.main import run
from fetalt2prep.core.t2.fit import T2Reason
from fetalt2prep.io.tables import read_tsv

TE_S = (0.1, 0.2, 0.35)
SHAPE = (14, 12, 6)
AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
FILES = ("T2map", "T2map_stderr", "S0map", "S0map_stderr", "rmse", "rsquared", "reason", "nechoes")


def truth() -> np.ndarray:
    t2 = np.full(SHAPE, 0.15)
    t2[7:] = 0.3
    return t2


def write(folder: Path, name: str, values: np.ndarray, dtype: str = "f4") -> str:
    nib.save(nib.Nifti1Image(values.astype(dtype), AFFINE), folder / name)
    return str(folder / name)


@pytest.fixture
def echoes(tmp_path: Path) -> list[str]:
    """Three echoes with Rician noise and a border without signal."""
    rng = np.random.default_rng(0)
    head = np.zeros(SHAPE)
    head[2:12, 2:10, 1:5] = 1000.0
    paths = []
    for n, te in enumerate(TE_S):
        clean = head * np.exp(-te / truth())
        noise = rng.normal(0, 8.0, (2, *SHAPE))
        paths.append(write(tmp_path, f"e{n}.nii.gz", np.hypot(clean + noise[0], noise[1])))
    return paths


def mask(tmp_path: Path) -> str:
    inside = np.zeros(SHAPE)
    inside[2:12, 2:10, 1:5] = 1
    return write(tmp_path, "mask.nii.gz", inside, "u1")


def load(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).get_fdata())


TIMES = ["--te", *map(str, TE_S)]


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("weighted", []),
        ("loglinear", []),
        ("nlls", []),
        ("rician", []),
        ("rician", ["--noise", "8"]),
        ("epg", ["--echo-spacing", "0.05", "--refocusing", "180"]),
    ],
)
def test_every_model(tmp_path: Path, echoes: list[str], model: str, extra: list[str]) -> None:
    out = tmp_path / "out"
    assert run(["t2map", *echoes, *TIMES, "-o", str(out), "--model", model, "--mask", mask(tmp_path), *extra]) == 0
    assert {f"{name}.nii.gz" for name in FILES} | {"T2map.json", "T2map.png"} <= {p.name for p in out.iterdir()}
    inside = load(tmp_path / "mask.nii.gz") > 0
    t2 = load(out / "T2map.nii.gz")
    assert np.isnan(t2[~inside]).all()
    for side, expected in ((truth() == 0.15, 0.15), (truth() == 0.3, 0.3)):
        assert np.nanmedian(t2[inside & side]) == pytest.approx(expected, rel=0.03)
    np.testing.assert_allclose(nib.load(out / "T2map.nii.gz").affine, AFFINE)
    account = json.loads((out / "T2map.json").read_text())
    assert account["model"] == model
    assert account["t2_bounds_s"] == [0.01, 5.0]
    assert account["te_s"] == list(TE_S)
    assert sum(account["voxels_by_reason"].values()) == account["n_voxels"] == int(inside.sum())
    if model == "rician":
        assert account["noise_sigma"] == pytest.approx(8.0, rel=0.1)
        assert account["noise_source"] == ("given" if extra else "background")


def test_errors_of_echoes_order_and_bounds(tmp_path: Path, echoes: list[str]) -> None:
    errors = [write(tmp_path, f"s{n}.nii.gz", np.full(SHAPE, 8.0)) for n in range(3)]
    where = ["--mask", mask(tmp_path)]
    assert run(["t2map", *echoes, *TIMES, "-o", str(tmp_path / "a"), "--stderr", *errors, *where]) == 0
    assert (
        run(["t2map", *echoes[::-1], "--te", *TIMES[:0:-1], "-o", str(tmp_path / "b"), "--stderr", *errors, *where])
        == 0
    )
    np.testing.assert_allclose(load(tmp_path / "a/T2map.nii.gz"), load(tmp_path / "b/T2map.nii.gz"), rtol=1e-5)
    assert json.loads((tmp_path / "a/T2map.json").read_text())["standard_errors"] == "standard errors of the echoes"
    assert run(["t2map", *echoes, *TIMES, "-o", str(tmp_path / "c"), "--bounds", "0.01", "0.2", *where]) == 0
    bounded = load(tmp_path / "c/reason.nii.gz")[load(tmp_path / "mask.nii.gz") > 0]
    assert 0.4 < np.mean(bounded == T2Reason.AT_BOUND) < 0.6


def test_four_axes_and_regions(tmp_path: Path, echoes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    series = write(tmp_path, "all.nii.gz", np.stack([load(Path(path)) for path in echoes], axis=-1))
    labels = np.zeros(SHAPE)
    labels[2:7, 2:10, 1:5] = 2
    labels[7:12, 2:10, 1:5] = 3
    segmentation = write(tmp_path, "x_seg-feta_dseg.nii.gz", labels, "u1")
    out = tmp_path / "out"
    line = ["t2map", series, *TIMES, "-o", str(out), "--mask", mask(tmp_path), "--segmentation", segmentation]
    assert run(line) == 0
    assert "T2 median" in capsys.readouterr().out
    table = read_tsv(out / "regions.tsv")
    assert table["name"] == ["brain", "cortical_grey_matter", "white_matter"]
    assert float(table["t2_median_s"][1]) == pytest.approx(0.15, rel=0.03)
    assert float(table["t2_median_s"][2]) == pytest.approx(0.3, rel=0.03)
    assert float(table["volume_mm3"][1]) == pytest.approx(5 * 8 * 4 * 12)
    assert float(table["csf_flagged_fraction"][1]) < 0.2
    probability = load(out / "csf.nii.gz")
    assert np.isfinite(probability[labels > 0]).mean() > 0.95
    described = json.loads((out / "regions.json").read_text())
    assert set(table) <= set(described)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--te", "100", "200", "350"], "milliseconds"),
        ([*TIMES, "--model", "epg"], "needs the echo spacing"),
        ([*TIMES, "--bounds", "10", "5000"], "in milliseconds"),
        ([*TIMES, "--stderr", "x.nii.gz"], "1 files for 3"),
        ([*TIMES, "--mask", "nothing.nii.gz"], "nothing.nii.gz"),
        ([], "EchoTime is missing"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, echoes: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert run(["t2map", *echoes, "-o", str(tmp_path / "out"), *extra]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said


def test_protocol_proposes_and_judges(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["protocol", "--field", "0.55", "--n-te", "3", "--te", "0.3", "0.397", "0.6"]) == 0
    said = capsys.readouterr().out
    assert "proposed: 0.08 " in said
    assert "given: 0.3 0.397 0.6 s" in said
    assert "times the standard deviation" in said
    assert "stimulated echoes" in said
    assert run(["protocol", "--field", "7"]) == 1
    assert "give its range with --t2" in capsys.readouterr().err
    assert run(["protocol", "--te", "300", "600"]) == 1
    assert "in seconds" in capsys.readouterr().err
    assert run(["protocol", "--field", "7", "--t2", "0.03", "0.06", "--te-min", "0.01", "--gap", "0.01"]) == 0
    assert "T2 30 to 60 ms" in capsys.readouterr().out
