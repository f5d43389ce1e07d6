"""Volumes for the viewer inside the page: small NIfTI files as text, downsampled where they are large."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from bids_app.report.derivatives import Volume
from bids_app.report.figures_t2 import DOUBT_COLOURS, T2_COLOURS
from bids_app.report.t2_volumes import T2Volumes

MAX_VOXELS = 1_500_000
"""Of a volume in the page; larger ones are averaged over blocks."""


@dataclass(frozen=True, kw_only=True)
class ViewerVolume:
    """A volume as the page's script wants it."""

    name: str
    label: str
    """What it is called in the choice and beside its value."""
    unit: str
    colours: str
    low: float
    high: float
    over: bool
    """Whether it is a map that is shown over another volume, clear where it has no value."""
    data: str
    """NIfTI file, gzip, base64."""
    digits: int = 0
    """Decimals of a value that is shown."""

    @property
    def bar(self) -> bool:
        """Whether it has a colour bar."""
        return self.over


def downsample(
    values: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Mean over cubes of 2, 3 ... voxels until no more than ``MAX_VOXELS`` are left; NaN where a cube has no value."""
    factor = 1
    while values.size / factor**3 > MAX_VOXELS:
        factor += 1
    if factor == 1:
        return values, affine
    padded = np.pad(values, [(0, -n % factor) for n in values.shape], constant_values=np.nan)
    cubes = padded.reshape([m for n in padded.shape for m in (n // factor, factor)])
    known = np.isfinite(cubes)
    count = known.sum(axis=(1, 3, 5))
    total = np.where(known, cubes, 0).sum(axis=(1, 3, 5), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, total / count, np.nan).astype(np.float32)
    moved = affine.copy()
    moved[:3, :3] *= factor
    moved[:3, 3] += affine[:3, :3] @ np.full(3, (factor - 1) / 2)
    return mean, moved


def pack(values: NDArray[np.float32], affine: NDArray[np.float64], high: float, *, levels: int) -> str:
    """A volume as a NIfTI file in base64: whole numbers from 0 to ``levels``, which stands for ``high`` and all above.

    255 levels take a byte per voxel, more take two. NaN becomes 0.
    """
    small, moved = downsample(values, affine)
    kind = np.uint8 if levels <= 255 else np.int16
    step = high / levels
    whole = np.clip(np.round(np.nan_to_num(small) / step), 0, levels).astype(kind)
    image: Any = nib.Nifti1Image(whole, moved)
    image.header.set_slope_inter(step, 0.0)
    image.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(image.to_bytes(), 6, mtime=0)).decode()


def viewer_volumes(
    echoes: Sequence[tuple[float, Volume]], t2: T2Volumes | None, high_ms: float, white: float
) -> list[ViewerVolume]:
    """Echoes as gray volumes up to ``white``; S0; over them T2 up to ``high_ms`` and its standard error, both in ms."""
    affine = echoes[0][1].affine
    volumes = [
        ViewerVolume(
            name=f"echo{n}", label=f"Echo at {te:g} ms", unit="", colours="gray", low=0.0, high=white, over=False,
            data=pack(volume.values, volume.affine, 1.4 * white, levels=255),
        )
        for n, (te, volume) in enumerate(echoes, start=1)
    ]  # fmt: skip
    if t2 is None:
        return volumes
    if t2.s0 is not None:
        known = t2.s0[t2.mask & np.isfinite(t2.s0)]
        high = float(np.percentile(known, 99)) if len(known) else 1.0
        volumes.append(
            ViewerVolume(
                name="s0", label="S0", unit="", colours="gray", low=0.0, high=high, over=False,
                data=pack(t2.s0, affine, 1.4 * high, levels=255),
            )
        )  # fmt: skip
    maps = [("t2", "T2", t2.t2_ms, high_ms, "t2")]
    if t2.stderr_ms is not None:
        maps.append(("stderr", "Standard error of T2", t2.stderr_ms, round(0.5 * high_ms), "error"))
    for name, label, values, high, colours in maps:
        volumes.append(
            ViewerVolume(
                name=name, label=label, unit=" ms", colours=colours, low=0.0, high=float(high), over=True,
                data=pack(np.where(t2.mask, values, np.nan).astype(np.float32), affine, 4000.0, levels=4000),
            )
        )  # fmt: skip
    return volumes


def viewer_colours() -> dict[str, dict[str, list[int]]]:
    """The colours of the still maps as NiiVue wants them; clear at 0, where there is no value."""
    found = {}
    for name, colours in (("t2", T2_COLOURS), ("error", DOUBT_COLOURS)):
        at = np.linspace(0, 1, 64)
        red, green, blue = (np.round(255 * channel).astype(int).tolist() for channel in colormaps[colours](at)[:, :3].T)
        steps = np.round(255 * at).astype(int).tolist()
        found[name] = {"R": red, "G": green, "B": blue, "A": [0, *[255] * (len(at) - 1)], "I": [0, 1, *steps[2:]]}
    return found
