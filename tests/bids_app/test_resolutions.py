"""One fit, several resolutions, through the whole command."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.bids_app.conftest import WriteStack, app, three_echoes


def test_one_fit_gives_volumes_at_every_resolution_asked_for(
    bids: Path, write_stack: WriteStack, tmp_path: Path
) -> None:
    three_echoes(write_stack)
    asked = ["--recon-resolution", "3", "1.5", "--recon-save-field"]
    assert app(bids, tmp_path, *asked) == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    fit, fine = (nib.load(anat / f"sub-01_acq-good_rec-inr_{label}T2map.nii.gz") for label in ("", "res-1p5mm_"))
    assert fit.header.get_zooms() == pytest.approx((3.0, 3.0, 3.0))
    assert fine.header.get_zooms() == pytest.approx((1.5, 1.5, 1.5))
    coarse_s, fine_s = fit.get_fdata(), fine.get_fdata()[::2, ::2, ::2]  # they share these points
    assert fine_s.shape == coarse_s.shape
    both = np.isfinite(coarse_s) & np.isfinite(fine_s)
    assert both.sum() > 0.9 * np.isfinite(coarse_s).sum() > 30
    assert np.median(np.abs(fine_s / coarse_s - 1)[both]) < 1e-3
    assert (anat / "sub-01_acq-good_rec-inr_desc-recon_field.safetensors").stat().st_size > 1000
    assert len(list(anat.glob("*_res-1p5mm_desc-sampled_T2w.nii.gz"))) == 3
    assert "T2" in (tmp_path / "out" / "sub-01.html").read_text()
