"""Image quality of each echo, and whether all echoes kept one intensity scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.metrics import best_scale, psnr, ssim
from fetalt2prep.sim.truth import Truth


def image_scores(truth: Truth, moved: Sequence[NDArray[np.float32]]) -> dict[str, object]:
    """SSIM and PSNR (dB) of each echo after its best scale, the reference's 99.9 % percentile as range.

    scale_ratio_to_first: best scale of each echo over that of the first; what differs from 1 becomes a bias of T2.
    """
    ssims, psnrs, scales = [], [], []
    for number, (true, found) in enumerate(zip(truth.echoes * truth.mask, moved, strict=True), 1):
        if not np.any(found[truth.mask]):
            raise ValueError(f"echo {number} of the reconstruction is zero everywhere in the truth's brain.")
        scale = best_scale(true, found, truth.mask)
        peak = float(np.percentile(true[truth.mask], 99.9))
        scaled = found * truth.mask * np.float32(scale)
        ssims.append(round(ssim(true, np.clip(scaled, 0, peak), truth.mask, data_range=peak), 4))
        psnrs.append(round(psnr(true, scaled, truth.mask, data_range=peak), 2))
        scales.append(scale)
    ratios = [round(scale / scales[0], 4) for scale in scales]
    return {"ssim": ssims, "psnr": psnrs, "scale_ratio_to_first": ratios}
