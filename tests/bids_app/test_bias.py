"""``--bias n4`` through the whole command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from .conftest import app, three_echoes, world_mm


def test_the_stored_stack_is_the_raw_one_over_the_field(
    bids: Path, write_stack: Callable[..., Path], tmp_path: Path
) -> None:
    """A coil that is twice as bright on one side; the same field at every echo time."""
    coil = np.exp(0.35 * world_mm()[..., 0] / 12.0)

    def write(name: str, te_s: float, *, mask: bool) -> Path:
        return write_stack(name, te_s, mask=mask, change=lambda pixels: (pixels * coil).astype(np.float32))

    three_echoes(write)
    assert app(bids, tmp_path, "--bias", "n4", "--recon-only") == 0
    anat = tmp_path / "out" / "sub-01" / "anat"
    taken_off = []
    for number in (1, 2, 3):
        name = f"sub-01_acq-good_echo-{number}"
        raw, stored = (
            nib.load(path).get_fdata()
            for path in (bids / "sub-01" / "anat" / f"{name}_T2w.nii.gz", anat / f"{name}_desc-preproc_T2w.nii.gz")
        )
        taken_off.append(raw / stored)
        meta = json.loads((anat / f"{name}_desc-preproc_T2w.json").read_text())
        assert "N4" in meta["BiasCorrection"]
    np.testing.assert_allclose(taken_off[1], taken_off[0], rtol=1e-4)
    np.testing.assert_allclose(taken_off[2], taken_off[0], rtol=1e-4)
    field = nib.load(anat / "sub-01_acq-good_rec-inr_desc-bias_T2w.nii.gz").get_fdata()
    assert field.min() <= taken_off[0].max()
    assert np.log(taken_off[0]).std() > 0.05
    account = json.loads((anat / "sub-01_acq-good_rec-inr_desc-recon_stats.json").read_text())
    assert account["before"] == {"denoise": "none", "bias": "n4"}
    cited = (tmp_path / "out" / "logs" / "CITATION.md").read_text()
    (number,) = re.findall(r"N4 \[(\d+)\]", cited)
    assert f"\n{number}. Tustison" in cited
