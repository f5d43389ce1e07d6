"""Names of the denoisers, and what a sentence calls each of them. Nothing else: parsers and graphs read it too."""

from __future__ import annotations

DENOISERS = {
    "none": "none",
    "nlm": "non-local means in each slice",
    "nlm-rician": "non-local means in each slice, with the bias of magnitude noise taken off",
    "tv": "total variation in each slice",
    "wavelet": "shrinkage of shift-invariant Haar wavelets in each slice",
    "unet": "residual U-Net with fidelity network in each slice, trained on simulated pairs",
}
DEFAULT_DENOISER = "nlm"
"""What the app, the workflows and ``fetalt2 denoise`` do unless told; ranked by T2 errors (docs/denoising.md)."""
WITHOUT_FLOOR = ("nlm-rician", "unet")
"""Those after which a dark pixel is no longer lifted by the magnitude of the noise."""
SERIES_METHOD = "mppca"
"""Principal components of a long series as a whole: no choice for stacks, see :mod:`.mppca`."""
