"""A reconstruction against its truth, with the T2 fit of the app."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.io.volume import save_volume
from fetalt2prep.sim.score import score_files


def score_recon(recon: Recon, truth: Path) -> dict[str, object]:
    """Fit T2 to reconstructed echoes and score both against a truth."""
    fit = fit_weighted_loglinear(
        torch.from_numpy(recon.echoes), torch.from_numpy(recon.te_s), stderr=torch.from_numpy(recon.echo_stderr)
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [save_volume(e, recon.affine, Path(folder) / f"echo-{i}.nii.gz") for i, e in enumerate(recon.echoes)]
        return score_files(truth, files, save_volume(fit.t2_s.numpy(), recon.affine, Path(folder) / "t2.nii.gz"))
