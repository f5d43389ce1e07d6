"""How far an image is from its reference: arrays in, numbers out.

All images of one call lie on one grid. Masks choose where the error is counted; SSIM windows still see what
is around.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.metrics import structural_similarity

Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
LOG_WIDTH, LOG_SIGMA = 15, 1.5  # pixels: the filter of the high-frequency error norm


def best_scale(reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Factor that brings ``image`` closest to ``reference`` in the least-squares sense."""
    ref, img = _inside(reference, image, mask)
    power = float(np.sum(img * img))
    if power == 0:
        raise ValueError("the image is zero everywhere inside the mask: no scale fits.")
    return float(np.sum(ref * img)) / power


def nrmse(reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None = None) -> float:
    """Root mean square error over the reference's root mean square."""
    ref, img = _inside(reference, image, mask)
    return float(np.sqrt(np.mean((img - ref) ** 2) / np.mean(ref**2)))


def psnr(
    reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None = None, *, data_range: float | None = None
) -> float:
    """Peak signal-to-noise ratio in dB; ``data_range``: by default the reference's maximum."""
    ref, img = _inside(reference, image, mask)
    error = float(np.mean((img - ref) ** 2))
    peak = float(ref.max()) if data_range is None else data_range
    return float("inf") if error == 0 else float(10.0 * np.log10(peak**2 / error))


def ssim(
    reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None = None, *, data_range: float | None = None
) -> float:
    """Structural similarity (Wang 2004, doi:10.1109/TIP.2003.819861), 7-voxel window, mean over the mask.

    ``data_range`` defaults to the reference's largest value inside the mask.
    """
    ref, img = np.asarray(reference, float), np.asarray(image, float)
    inside = _mask_of(ref, img, mask)
    peak = float(ref[inside].max()) if data_range is None else data_range
    return float(structural_similarity(ref, img, data_range=peak, full=True)[1][inside].mean())


def hfen(reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None = None) -> float:
    """High-frequency error norm, ``|LoG(image - reference)| / |LoG(reference)|`` (0: equal; about 1: no edge is there).

    LoG: Laplacian of a Gaussian, 15 x 15 pixels, sigma 1.5 (Ravishankar and Bresler 2011,
    doi:10.1109/TMI.2010.2090538). It is two-dimensional: of an image (x, y, slice), each slice by itself; (x, y) is one
    slice. Beyond the border the image is zero.
    """
    ref, img = np.asarray(reference, float), np.asarray(image, float)
    inside = _mask_of(ref, img, mask)
    kernel = log_kernel().reshape(LOG_WIDTH, LOG_WIDTH, *[1] * (ref.ndim - 2))
    of_error, of_reference = (ndimage.convolve(values, kernel, mode="constant")[inside] for values in (img - ref, ref))
    edges = float(np.linalg.norm(of_reference))
    if edges == 0:
        raise ValueError("the reference has no edge inside the mask: the high-frequency error norm is not defined.")
    return float(np.linalg.norm(of_error)) / edges


def log_kernel() -> Doubles:
    """Laplacian of a Gaussian whose values sum to zero, (15, 15)."""
    at = np.arange(LOG_WIDTH) - LOG_WIDTH // 2
    square = at[:, None] ** 2 + at**2
    gauss = np.exp(-square / (2 * LOG_SIGMA**2))
    kernel = gauss / gauss.sum() * (square - 2 * LOG_SIGMA**2) / LOG_SIGMA**4
    return np.asarray(kernel - kernel.mean(), np.float64)


@dataclass(frozen=True, kw_only=True)
class T2Error:
    """T2 error of one tissue, seconds; ``core`` leaves out voxels at its edge (NaN when none is left)."""

    mae: float
    bias: float
    median_abs: float
    core_mae: float
    median: float
    true_median: float
    invalid_fraction: float
    n_voxels: int

    def as_ms(self) -> dict[str, float]:
        """The same in milliseconds; fraction and count as they are."""
        plain = ("invalid_fraction", "n_voxels")
        return {name: value if name in plain else 1000.0 * value for name, value in asdict(self).items()}


def t2_error(t2_s: ArrayLike, true_t2_s: ArrayLike, region: ArrayLike, *, max_t2_s: float = 3.0) -> T2Error:
    """Error of a T2 map (x, y, z) in seconds inside a region.

    Values that are not finite, not positive, or not below ``max_t2_s`` are invalid. They stay in the errors:
    what is missing counts as 0, what is too long as ``max_t2_s``, so that leaving out hard voxels never pays.
    """
    found, true = np.asarray(t2_s, float), np.asarray(true_t2_s, float)
    inside = _mask_of(true, found, region)
    valid = np.isfinite(found) & (found > 0) & (found < max_t2_s)
    counted = np.clip(np.nan_to_num(found, posinf=max_t2_s, neginf=0.0), 0.0, max_t2_s)
    core = ndimage.binary_erosion(inside)
    difference = counted - true
    inner = np.abs(difference[inside])
    return T2Error(
        mae=float(inner.mean()),
        bias=float(difference[inside].mean()),
        median_abs=float(np.median(inner)),
        core_mae=float(np.abs(difference[core]).mean()) if core.any() else float("nan"),
        median=float(np.median(counted[inside])),
        true_median=float(np.median(true[inside])),
        invalid_fraction=float((~valid[inside]).mean()),
        n_voxels=int(inside.sum()),
    )


def _mask_of(reference: Doubles, image: Doubles, mask: ArrayLike | None) -> Bools:
    if reference.shape != image.shape:
        raise ValueError(f"reference {reference.shape} and image {image.shape} differ in shape: resample one of them.")
    inside = np.ones(reference.shape, bool) if mask is None else np.asarray(mask, bool)
    if inside.shape != reference.shape:
        raise ValueError(f"mask {inside.shape} and reference {reference.shape} differ in shape: resample one of them.")
    if not inside.any():
        raise ValueError("the mask is empty: there is nothing to compare.")
    return inside


def _inside(reference: ArrayLike, image: ArrayLike, mask: ArrayLike | None) -> tuple[Doubles, Doubles]:
    ref, img = np.asarray(reference, float), np.asarray(image, float)
    inside = _mask_of(ref, img, mask)
    return ref[inside], img[inside]
