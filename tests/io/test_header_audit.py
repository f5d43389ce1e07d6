"""Each defect of a header is found, by its name, and in no other stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from fetalt2prep.io.header_audit import SET_ASIDE, Finding, audit_headers
from fetalt2prep.io.selection import Choice, read_selection
from fetalt2prep.io.sidecar import InputError


def write(
    path: Path, affine: np.ndarray, seed: int, slope: float | None = None, qform: np.ndarray | None = None
) -> Path:
    pixels = np.random.default_rng(seed).integers(1, 500, (8, 8, 4)).astype(np.int16)
    image = nib.Nifti1Image(pixels, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine if qform is None else qform, 1)
    if slope is not None:
        image.header.set_slope_inter(slope, 0)
    nib.save(image, path)
    return path


STRAIGHT = np.diag([2.0, 2.0, 4.0, 1.0])


def audit(tmp_path: Path, *changes: dict[str, Any], names: list[str] | None = None) -> list[Finding]:
    """Three stacks, each with changes of (affine, seed, slope, qform, te_s, thickness)."""
    files, times, thick = [], [], []
    names = names or ["a_echo-1_T2w", "a_echo-2_T2w", "a_echo-3_T2w"]
    for n, name in enumerate(names):
        change = {"affine": STRAIGHT, "seed": n} | (changes[n] if n < len(changes) else {})
        times.append(change.pop("te_s", 0.1 * (n + 1)))
        thick.append(change.pop("thickness", 4.0))
        files.append(write(tmp_path / f"{name}.nii.gz", **change))
    return audit_headers(files, names, times, thick, [None] * len(names))


def only(found: list[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_straight_headers_have_no_finding(tmp_path: Path) -> None:
    assert audit(tmp_path) == []


def test_forms_that_differ(tmp_path: Path) -> None:
    shifted = STRAIGHT.copy()
    shifted[0, 3] = 7
    found = only(audit(tmp_path, {"qform": shifted}))
    assert (found.stack, found.check, found.level, found.action) == ("a_echo-1_T2w", "forms", "warning", "sform used")
    assert "7.0 mm" in found.found


@pytest.mark.parametrize(
    ("change", "check", "level", "words"),
    [
        ({"affine": np.diag([-2.0, 2, 4, 1])}, "handedness", "warning", "2 other stacks"),
        ({"affine": np.diag([2.0, 2.4, 4, 1])}, "in-plane", "info", "2 x 2.4 mm"),
        ({"affine": np.diag([2.0, 3.4, 4, 1])}, "in-plane", "warning", "2 x 3.4 mm"),
        ({"thickness": 3.0}, "thickness", "info", "gap between slices of 1 mm"),
        ({"thickness": 2.0}, "thickness", "warning", "gap between slices of 2 mm"),
        ({"thickness": 6.0}, "thickness", "info", "overlap of slices of 2 mm"),
    ],
)
def test_geometry(tmp_path: Path, change: dict[str, Any], check: str, level: str, words: str) -> None:
    found = only(audit(tmp_path, {}, change))
    assert (found.stack, found.check, found.level) == ("a_echo-2_T2w", check, level)
    assert words in found.found


def test_oblique_slices(tmp_path: Path) -> None:
    turned = np.eye(4)
    turned[:3, :3] = nib.eulerangles.euler2mat(0, 0, np.deg2rad(40)) @ np.diag([2.0, 2, 4])
    found = only(audit(tmp_path, {"affine": turned}))
    assert (found.check, found.level) == ("obliquity", "info")
    assert "40 deg" in found.found


def test_the_same_pixels_twice(tmp_path: Path) -> None:
    kept, twice = audit(tmp_path, {"seed": 7, "te_s": 0.1}, {"seed": 7, "te_s": 0.1})
    assert (kept.level, kept.action) == ("info", "none")
    assert (twice.level, twice.action) == ("warning", SET_ASIDE)
    both = audit(tmp_path, {"seed": 7}, {"seed": 7})
    assert [(f.level, f.action) for f in both] == [("error", SET_ASIDE)] * 2
    assert "another echo time" in both[0].found


def test_echo_numbers_against_echo_times(tmp_path: Path) -> None:
    found = audit(tmp_path, {"te_s": 0.2}, {"te_s": 0.1})
    assert [f.stack for f in found] == ["a_echo-1_T2w", "a_echo-2_T2w"]
    assert {f.check for f in found} == {"echo order"}


def test_scales_that_differ(tmp_path: Path) -> None:
    odd = only(audit(tmp_path, {"slope": 2.0}, {"slope": 0.5}, {"slope": 2.0}))
    assert (odd.stack, odd.check, odd.action) == ("a_echo-2_T2w", "rescale", "applied when read")
    assert odd.found == "scl_slope 0.5, scl_inter 0: most have scl_slope 2, scl_inter 0"


@pytest.mark.parametrize("slopes", [(2.0, 0.5), (2.0, 0.5, 1.0), (2.0, 2.0, 0.5, 0.5)])
def test_scales_of_which_none_is_the_usual_one(tmp_path: Path, slopes: tuple[float, ...]) -> None:
    names = [f"a_echo-{n}_T2w" for n in range(1, len(slopes) + 1)]
    found = audit(tmp_path, *({"slope": slope} for slope in slopes), names=names)
    assert [(f.check, f.stack) for f in found] == [("rescale", name) for name in names]
    assert all("differs between the stacks" in f.found for f in found)


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    audit(tmp_path)
    path = tmp_path / "a_echo-2_T2w.nii.gz"
    path.write_bytes(path.read_bytes()[:100])
    files = [tmp_path / f"a_echo-{n}_T2w.nii.gz" for n in (1, 2)]
    found = only(audit_headers(files, ["one", "two"], [0.1, 0.2], [None, None], [None, None]))
    assert (found.stack, found.check, found.action) == ("two", "readable", SET_ASIDE)


def test_a_choice_of_stacks_is_read(tmp_path: Path) -> None:
    table = tmp_path / "mine.tsv"
    table.write_text("stack\tkeep\treason\na.nii.gz\tyes\tn/a\nb\tFALSE\tblurred\nc\tn/a\tn/a\n")
    assert read_selection(table) == {"a": Choice(use=True, reason=""), "b": Choice(use=False, reason="blurred")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\tuse\na\t1\n", "give stack and use"),
        ("stack\tuse\na\tmaybe\n", "'maybe'; give true, false"),
        ("stack\tuse\na\t1\na.nii\t0\n", "a is there twice"),
        ("", "has no column; give stack and use"),
    ],
)
def test_a_choice_that_says_nothing_clear_is_refused(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "mine.tsv"
    table.write_text(text)
    with pytest.raises(InputError, match=words):
        read_selection(table)
