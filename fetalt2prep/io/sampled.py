"""Volumes that were sampled from a fitted field, as NIfTI, with the T2 fit to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from fetalt2prep.core.recon.fitted import Sampled
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
from fetalt2prep.io.volume import save_volume


@dataclass(frozen=True, kw_only=True)
class SampledFiles:
    """Where the volumes of one grid lie; no map where there is one echo time."""

    echoes: list[Path]
    mask: Path
    t2map: Path | None
    s0map: Path | None
    t2_stderr: Path | None

    def all(self) -> list[Path]:
        """Every file that was written."""
        maps = (self.t2map, self.s0map, self.t2_stderr)
        return [*self.echoes, self.mask, *(path for path in maps if path is not None)]


def res_label(spacing_mm: float) -> str:
    """Label of BIDS' entity ``res-``, letters and digits only: 0.8 -> ``0p8mm``."""
    return f"{spacing_mm:g}".replace(".", "p") + "mm"


def save_sampled(sampled: Sampled, folder: Path, prefix: str = "") -> SampledFiles:
    """Write echoes, mask and, with two echo times or more, T2 (s), S0 and the standard error of T2 (s)."""

    def save(values: object, name: str, dtype: str = "f4") -> Path:
        return save_volume(values, sampled.affine, folder / f"{prefix}{name}.nii.gz", dtype)  # type: ignore[arg-type]

    echoes = [save(echo, f"echo-{n}_T2w") for n, echo in enumerate(sampled.echoes, start=1)]
    mask = save(sampled.mask, "mask", "u1")
    if len(sampled.te_s) < 2:
        return SampledFiles(echoes=echoes, mask=mask, t2map=None, s0map=None, t2_stderr=None)
    fit = fit_weighted_loglinear(
        torch.from_numpy(sampled.echoes),
        torch.from_numpy(sampled.te_s),
        stderr=torch.from_numpy(sampled.echo_stderr),
    )
    return SampledFiles(
        echoes=echoes,
        mask=mask,
        t2map=save(fit.t2_s.numpy(), "T2map"),
        s0map=save(fit.s0.numpy(), "S0map"),
        t2_stderr=save(fit.t2_stderr_s.numpy(), "desc-uncertainty_T2map"),
    )
