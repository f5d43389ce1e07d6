"""Any NIfTI image or series with less noise, slice by slice, on its own scale and grid."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from fetalt2prep import __version__
from fetalt2prep.core.denoise.mppca import denoise_mppca
from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.denoise.options import SERIES_METHOD
from fetalt2prep.io.denoiser import denoise_stack
from fetalt2prep.io.sidecar import InputError, read_sidecar, sidecar_path
from fetalt2prep.io.volume import UNREADABLE, open_image, read_volume

Floats = NDArray[np.float32]
OnStep = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DenoisedFile:
    """What was written."""

    image: Path
    account: Path
    sigmas: tuple[float, ...]
    """Standard deviation of the noise of each volume, in the units of the file."""
    notes: tuple[str, ...]
    """Why another method was used than was asked for."""


def denoise_file(
    path: Path,
    out: Path,
    method: str,
    *,
    mask: Path | None = None,
    sigma: float | None = None,
    weights: Path | None = None,
    on_step: OnStep | None = None,
) -> DenoisedFile:
    """Denoise a file of 2 to 4 axes, slices third and volumes fourth, into ``out`` and the JSON file of that name.

    method: of :data:`~fetalt2prep.core.denoise.options.DENOISERS`, each volume by itself (``unet`` with the weights of
    a file, or the package's), or ``mppca`` for a long series as a whole. sigma: of the noise, in the units of the
    file; None: estimated, volume by volume. Header and affine are the file's; floating-point pixels keep their type,
    whole numbers become 32-bit floats, since rounding is noise again.

    Raises
    ------
    InputError
        Not an image or cut off; complex or coloured; NaN; another number of axes; a mask on another grid; no noise to
        be seen and none given; ``mppca`` of too few volumes or with a ``sigma``.
    """
    known = read_sidecar(path)
    image, shape, _ = open_image(path)
    pixels = _pixels(image, shape, path.name)
    inside = None if mask is None else _mask(mask, pixels.shape[:3])
    plan = _Plan(method, inside, sigma, weights)
    if method == SERIES_METHOD:
        denoised, sigmas = _series(pixels, plan, path.name)
        notes = list[str]()
    else:
        denoised, sigmas, notes = _volumes(pixels, plan, path.name, on_step)
    kind = image.get_data_dtype()
    kept = kind if kind.kind == "f" else np.dtype(np.float32)
    header = image.header.copy()
    header.set_data_dtype(kept)
    if hasattr(header, "set_slope_inter"):
        header.set_slope_inter(1.0, 0.0)
        header["cal_min"] = header["cal_max"] = 0.0
    out.parent.mkdir(parents=True, exist_ok=True)
    nib.save(type(image)(denoised.reshape(shape).astype(kept), image.affine, header), out)
    account = _account(known, path, out, plan, sigmas, notes)
    return DenoisedFile(out, account, tuple(sigmas), tuple(notes))


@dataclass(frozen=True)
class _Plan:
    """What is done to each volume."""

    method: str
    mask: NDArray[np.bool_] | None
    sigma: float | None
    weights: Path | None


def _series(pixels: Floats, plan: _Plan, name: str) -> tuple[Floats, list[float]]:
    """All volumes together, and the median of the noise found."""
    if plan.sigma is not None:
        raise InputError(f"{name}: {SERIES_METHOD} finds the noise itself: leave --sigma out.")
    try:
        denoised, levels = denoise_mppca(pixels, plan.mask)
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    found = levels[levels > 0]
    return denoised, [float(np.median(found)) if found.size else 0.0]


def _pixels(image: Any, shape: tuple[int, ...], name: str) -> Floats:
    """(x, y, slice, volume) in the units of the file."""
    sizes = " x ".join(map(str, shape))
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise InputError(f"{name}: has shape {sizes}; images of two to four axes are denoised. Split it.")
    if image.get_data_dtype().kind not in "iufb":
        raise InputError(
            f"{name}: its pixels are not real numbers ({image.get_data_dtype()}). Give the magnitude image."
        )
    if min(shape[:2]) < 3:
        raise InputError(f"{name}: has slices of {shape[0]} x {shape[1]} pixels; 3 x 3 and more are denoised.")
    try:
        pixels = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged"))
    except UNREADABLE as error:
        raise InputError(
            f"{name}: its pixels cannot be read ({error}). The file seems cut off; copy or convert it again."
        ) from error
    bad = int((~np.isfinite(pixels)).sum())
    if bad:
        raise InputError(f"{name}: {bad} of {pixels.size} pixels are NaN or infinite. Set them to 0.")
    return pixels.reshape((*shape, *[1] * (4 - len(shape))))


def _mask(path: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    mask = read_volume(path)[0] > 0
    if mask.shape != shape:
        sizes = [" x ".join(map(str, s)) for s in (mask.shape, shape)]
        raise InputError(f"{path.name}: is {sizes[0]}, the image is {sizes[1]}. Resample the mask to the image's grid.")
    if not mask.any():
        raise InputError(f"{path.name}: is empty. Leave --mask out, or draw it anew.")
    return mask


def _volumes(pixels: Floats, plan: _Plan, name: str, on_step: OnStep | None) -> tuple[Floats, list[float], list[str]]:
    """Each volume by itself; the noise of each, and what there is to say of it."""
    denoised, sigmas, notes = np.empty_like(pixels), [], list[str]()
    for n in range(pixels.shape[3]):  # volumes have noise of their own
        volume = np.ascontiguousarray(pixels[..., n])
        level = estimate_noise_sigma(volume, plan.mask) if plan.sigma is None else plan.sigma
        if level <= 0 and volume.any() and plan.method != "none":
            raise InputError(
                f"{name}: no noise is seen in volume {n} (constant, or filled with few values). Give it with --sigma."
            )
        found = denoise_stack(plan.method, volume, level, plan.mask, plan.weights)
        denoised[..., n] = found.pixels
        sigmas.append(level)
        if found.note:
            notes.append(found.note if pixels.shape[3] == 1 else f"volume {n}: {found.note}")
        if on_step is not None:
            on_step(plan.method, n + 1, pixels.shape[3])
    return denoised, sigmas, notes


def _account(known: dict[str, Any], path: Path, out: Path, plan: _Plan, sigmas: list[float], notes: list[str]) -> Path:
    """What the sidecar of the input says, and what was done."""
    content = known | {
        "Denoising": plan.method,
        "NoiseSigma": [round(s, 9) for s in sigmas] if len(sigmas) > 1 else sigmas[0],
        "DenoisingSource": path.name,
        "DenoisedBy": f"fetalt2prep {__version__}",
        "DenoisingNotes": notes,
    }
    account = sidecar_path(out)
    account.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    return account
