"""Random-matrix (Marchenko-Pastur) principal components of a long series of volumes."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

LEAST_VOLUMES = 20


def denoise_mppca(
    series: NDArray[np.float32], mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keep of each patch of a series the components that noise alone would not have.

    Parameters
    ----------
    series
        (x, y, slice, volume), at least 20 volumes on one grid whose noise is white and alike: a dynamic series, or a
        long train of echoes. Real; magnitudes keep their noise floor.
    mask
        (x, y, slice). Patches that meet it are denoised, the rest is returned as it came. None: everywhere.

    Returns
    -------
    denoised
        (x, y, slice, volume) on the scale of the input.
    sigma
        (x, y, slice), standard deviation of the noise found, 0 where nothing was denoised.

    Raises
    ------
    ValueError
        Another number of axes, fewer volumes, or planes smaller than a patch.

    Notes
    -----
    Veraart 2016, doi:10.1016/j.neuroimage.2016.08.016, with the patches that overlap averaged by 1 / (1 + components)
    (Manjon 2013, doi:10.1371/journal.pone.0073021). Patches lie within a slice: its neighbours have other times;
    they hold at least as many pixels as there are volumes. Three echo times are no series: with so few volumes signal
    and noise components cannot be told apart, so stacks of single volumes have the denoisers of :mod:`.registry`.
    """
    if series.ndim != 4 or series.shape[3] < LEAST_VOLUMES:
        raise ValueError(
            f"The series has shape {series.shape}; principal components need (x, y, slice, volume) with "
            f"{LEAST_VOLUMES} volumes or more. Denoise single volumes slice by slice instead."
        )
    edge = int(np.ceil(np.sqrt(series.shape[3]))) | 1
    if min(series.shape[:2]) < edge:
        raise ValueError(f"The series has planes of {series.shape[:2]} pixels; a patch needs {edge} x {edge}.")
    denoised, sigma = series.astype(np.float32, copy=True), np.zeros(series.shape[:3], np.float32)
    for index in range(series.shape[2]):  # one slice at a time bounds the memory
        wanted = np.ones(series.shape[:2], bool) if mask is None else mask[:, :, index]
        if wanted.any():
            _denoise_slice(denoised[:, :, index], sigma[:, :, index], wanted, edge)
    return denoised, sigma


def _denoise_slice(
    plane: NDArray[np.float32], sigma: NDArray[np.float32], wanted: NDArray[np.bool_], edge: int
) -> None:
    """Denoise one slice (x, y, volume) and its map of noise (x, y) in place."""
    n_volumes = plane.shape[2]
    starts = [sorted({*range(0, size - edge, edge // 2), size - edge}) for size in plane.shape[:2]]
    corners = np.array(
        [(x, y) for x in starts[0] for y in starts[1] if wanted[x : x + edge, y : y + edge].any()], dtype=int
    )
    windows = sliding_window_view(plane.astype(np.float64), (edge, edge), axis=(0, 1))
    patches = windows[corners[:, 0], corners[:, 1]].reshape(len(corners), n_volumes, edge * edge)
    kept, noise, n_kept = _noise_free(patches)
    total, weight, level = np.zeros(plane.shape), np.zeros(plane.shape[:2]), np.zeros(plane.shape[:2])
    for (x, y), patch, sd, rank in zip(corners, kept, noise, n_kept, strict=True):
        here, share = (slice(x, x + edge), slice(y, y + edge)), 1.0 / (1.0 + rank)
        total[here] += share * np.moveaxis(patch.reshape(n_volumes, edge, edge), 0, -1)
        weight[here] += share
        level[here] += share * sd
    seen = weight > 0
    plane[seen] = total[seen] / weight[seen][:, None]
    sigma[seen] = level[seen] / weight[seen]


def _noise_free(
    patches: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Patches (patch, volume, pixel) without their noise components, the noise of each, and how many were kept.

    The p smallest of n eigenvalues are noise as long as their spread is no more than the Marchenko-Pastur law gives
    a matrix of p + (pixels - n) by p whose mean eigenvalue is theirs.
    """
    _, n_volumes, n_pixels = patches.shape
    values, vectors = np.linalg.eigh(patches @ patches.transpose(0, 2, 1) / n_pixels)  # ascending
    values = np.maximum(values, 0.0)
    p = np.arange(1, n_volumes + 1)
    mean = np.cumsum(values, axis=1) / p
    spread = (values - values[:, :1]) / (4.0 * np.sqrt(p / (n_pixels - n_volumes + p)))
    is_noise = spread < mean
    n_noise = np.where(is_noise.any(1), n_volumes - np.argmax(is_noise[:, ::-1], axis=1), 0)
    signal = np.arange(n_volumes)[None] >= n_noise[:, None]
    kept = vectors * signal[:, None, :]
    sd = np.sqrt(np.where(n_noise > 0, np.take_along_axis(mean, np.maximum(n_noise - 1, 0)[:, None], 1)[:, 0], 0.0))
    return kept @ (vectors.transpose(0, 2, 1) @ patches), sd, n_volumes - n_noise
