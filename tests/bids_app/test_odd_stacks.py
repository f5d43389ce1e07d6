"""Stacks that are sound but unlike others: one slice each, axes that count the other way; the whole command on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.bids_app.conftest import WriteStack, app, three_echoes, world_mm


def t2_map(tmp_path: Path) -> nib.Nifti1Image:
    return nib.load(tmp_path / "out" / "sub-01" / "anat" / "sub-01_acq-good_rec-inr_T2map.nii.gz")


def rewrite(path: Path, values: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> None:
    path.unlink()
    nib.save(nib.Nifti1Image(values, affine), path)


def test_one_slice_at_each_echo_time_gives_a_map_and_is_said(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    for path in bids.rglob("*.nii.gz"):  # masks too
        image = nib.load(path)
        affine = image.affine.copy()
        affine[:3, 3] = (image.affine @ [0, 0, 4, 1])[:3]
        rewrite(path, np.asarray(image.dataobj)[:, :, 4:5], affine)
    assert app(bids, tmp_path) == 0
    t2_s = t2_map(tmp_path).get_fdata()
    low_s, high_s = np.nanpercentile(t2_s, [10, 90])  # of the two sides, of which one slice shows little
    assert 0.09 < low_s < high_s < 0.22
    page = (tmp_path / "out" / "sub-01.html").read_text()
    (table,) = (tmp_path / "out" / "sub-01" / "anat").glob("*_desc-stacks_stats.tsv")
    for row in table.read_text().splitlines()[1:]:
        assert "one slice only; the mask has 2 mL; 5 to 700 mL are expected at any age" in row
    assert "one slice only" in page


def sides_s(tmp_path: Path) -> list[float]:
    """Percentiles 20, 50 and 80 of T2, s, on the left and on the right of the middle."""
    t2 = t2_map(tmp_path)
    x_mm = (np.moveaxis(np.indices(t2.shape), 0, -1) @ t2.affine[:3, :3].T + t2.affine[:3, 3])[..., 0]
    t2_s = t2.get_fdata()
    sides = (x_mm < -4, x_mm > 4)
    return [q for side in sides for q in np.percentile(t2_s[side & np.isfinite(t2_s)], [20, 50, 80]).tolist()]


def test_axes_that_count_the_other_way_change_nothing(bids: Path, write_stack: WriteStack, tmp_path: Path) -> None:
    """Each echo time has another axis reversed, as its header says; brightness rises along all three.

    An axis taken the wrong way would mix dark and bright tissue of the echo times. The masks are not reversed, so that
    they lie on another grid than their stacks.
    """
    brighter = np.exp(0.04 * world_mm().sum(-1))
    paths = [
        write_stack(
            f"sub-01_acq-good_echo-{n}_T2w", 0.08 * n, mask=True, change=lambda pixels: np.float32(pixels * brighter)
        )
        for n in (1, 2, 3)
    ]
    assert app(bids, tmp_path / "plain") == 0
    for axis, path in enumerate(paths):
        image = nib.load(path)
        reverse = np.eye(4)
        reverse[axis, axis], reverse[axis, 3] = -1, image.shape[axis] - 1
        rewrite(path, np.flip(np.asarray(image.dataobj), axis), image.affine @ reverse)
    assert app(bids, tmp_path / "reversed") == 0
    assert sides_s(tmp_path / "reversed") == pytest.approx(sides_s(tmp_path / "plain"), rel=0.02)
    (table,) = (tmp_path / "reversed" / "out" / "sub-01" / "anat").glob("*_desc-stacks_stats.tsv")
    assert table.read_text().count("mask on another grid (16 x 16 x 8): resampled to the nearest voxel") == 3
