"""Undersampled Cartesian slices of an ISMRMRD file, on their grids of k-space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.kt.frames import without_oversampling
from fetalt2prep.core.sense.recon import CartesianSlice
from fetalt2prep.core.sense.sampling import centred
from fetalt2prep.io.ismrmrd_file import Facts, open_raw, readout_samples, readout_times_s
from fetalt2prep.io.ismrmrd_schema import NOT_IMAGING, flagged
from fetalt2prep.io.kt_files import stack_affine
from fetalt2prep.io.sidecar import InputError

OTHER_COUNTERS = ("phase", "set", "kspace_encode_step_2")


@dataclass(frozen=True)
class RawSlices:
    """Slices in the order in which they lie, and what places them in the scanner."""

    slices: list[CartesianSlice]
    averages: float
    """How often a line was measured, on average."""
    noise: Tensor | None
    """(coil, sample) without signal, on the scale of the samples."""
    crop: tuple[int, int]
    """(n_y, n_x) pixels in the middle of the grid that the header calls the image."""
    affine: NDArray[np.float64]
    """Index (x, y, slice) of the image to world millimetres, RAS."""
    thickness_mm: float
    meta: dict[str, object]
    """Names as in BIDS: EchoTime in seconds and what else the header has."""
    notes: tuple[str, ...]

    @property
    def n_coils(self) -> int:
        """Receive coils."""
        return len(self.slices[0].samples)


def read_cartesian(
    path: Path, group: str = "dataset", *, contrast: int | None = None, repetition: int | None = None
) -> RawSlices:
    """Read one contrast and repetition of a Cartesian multi-slice file; averages are averaged.

    Readout oversampling is removed; partial echoes are filled with zeros. Calibration lines make the coil maps, and
    belong to the image as well where the header calls them embedded. Points that are 0 in all coils were not measured.

    Raises
    ------
    InputError
        What :func:`~fetalt2prep.io.ismrmrd.read_ismrmrd` refuses; a trajectory that is not Cartesian; three-dimensional
        encoding; several contrasts or repetitions without a choice; lines outside the matrix; slices that are not
        parallel and evenly spaced.
    """
    header, table = open_raw(path, group)
    facts, notes = Facts(header, path.name), list[str]()
    if facts.trajectory != "cartesian":
        raise InputError(
            f"{path.name}: its trajectory is {facts.trajectory}; Cartesian lines are needed. "
            "fetalt2 kt-recon reconstructs radial data."
        )
    head = table["head"]
    drop = [name for name in (*NOT_IMAGING, "noise") if name != "parallel_calibration"]
    keep = ~np.any([flagged(head["flags"], name) for name in drop], axis=0) & (head["encoding_space_ref"] == 0)
    keep &= _chosen(head, keep, {"contrast": contrast, "repetition": repetition}, path.name)
    rows = np.flatnonzero(keep)
    only_calibration = flagged(head["flags"][rows], "parallel_calibration")
    if not (~only_calibration).any():
        raise InputError(f"{path.name}: none of its {len(head)} readouts is an image's. Is it a noise scan?")
    lines = _Lines.of(table, rows, facts, path.name)
    calibrates = only_calibration | flagged(head["flags"][rows], "parallel_calibration_and_imaging")
    images = ~only_calibration
    if facts.find("encoding/parallelImaging/calibrationMode") in ("embedded", "interleaved"):
        images = np.ones_like(images)
    numbers = head["idx"]["slice"][rows]
    affines = {int(s): facts.affine(head[rows][numbers == s][0]) for s in np.unique(numbers[images])}
    order = _in_space(affines)
    try:
        affine = stack_affine(affines, order, facts.fov_mm[2])
    except ValueError as error:
        raise InputError(f"{path.name}: {error}") from error
    if len(order) > 1 and not np.linalg.norm(affine[:3, 2]) > 0:
        affine = facts.affine(head[rows][0])
        notes.append("all slices are said to lie at one place: they are laid side by side, slice by slice")
    slices, counts = [], []
    for number in order:  # a slice has lines of its own
        mine = numbers == number
        samples, count = lines.gridded(mine & images)
        mask = samples.abs().sum(0) > 0
        calibration = lines.gridded(mine & calibrates)[0] if (mine & calibrates).any() else None
        slices.append(CartesianSlice(samples, mask, calibration))
        counts.append(count)
    untimed: list[str] = []
    times_s = readout_times_s(head[rows], untimed)
    meta = _meta(facts, int(head["idx"]["contrast"][rows[images][0]]))
    if not untimed:
        meta["SliceTiming"] = [round(float(times_s[(numbers == s) & images].min()), 6) for s in order]
    noise = _noise(table, head, rows, path.name)
    if noise is None:
        notes.append("no noise scan: the coils are not whitened, and the noise is estimated from the border of k-space")
    return RawSlices(slices, float(np.mean(counts)), noise, facts.shape, affine, facts.fov_mm[2], meta, tuple(notes))


@dataclass(frozen=True)
class _Lines:
    """Readouts without oversampling, and where each lies on the grid of k-space."""

    samples: Tensor  # (readout, coil, x)
    line_idx: Tensor  # (readout,)
    n_lines: int

    @classmethod
    def of(cls, table: Any, rows: NDArray[np.intp], facts: Facts, name: str) -> _Lines:
        head = table["head"][rows]
        keys = ("number_of_samples", "active_channels", "center_sample", "discard_pre", "discard_post")
        kinds = {tuple(int(h[key]) for key in keys) for h in head}
        if len(kinds) > 1:
            raise InputError(f"{name}: readouts differ in ({', '.join(keys)}): {sorted(kinds)}. Split the file.")
        ((n_samples, n_coils, middle, before, after),) = kinds
        samples = torch.stack([readout_samples(table["data"][row], n_coils, name, int(row)) for row in rows])
        samples = samples[..., before : n_samples - after]  # in the order in which they were acquired
        reverse = torch.from_numpy(flagged(head["flags"], "reverse"))
        samples[reverse] = samples[reverse].flip(-1)
        scale_y, scale_x = (facts.oversampling(axis) for axis in "yx")
        n_y, n_x = facts.shape
        whole = facts.encoded("x") or n_samples
        samples = _placed(samples, (middle or n_samples // 2) - before, whole, name)
        samples = _resized(without_oversampling(samples, round(whole / scale_x)), n_x)
        n_lines = round(n_y * scale_y)
        line_idx = head["idx"]["kspace_encode_step_1"].astype(np.int64) + n_lines // 2 - facts.centre_line(n_lines)
        if line_idx.min() < 0 or line_idx.max() >= n_lines:
            raise InputError(
                f"{name}: lines {line_idx.min()} to {line_idx.max()} lie outside the {n_lines} of the matrix. Are "
                "reconSpace and the centre in encodingLimits right?"
            )
        return cls(samples, torch.from_numpy(line_idx), n_lines)

    def gridded(self, which: NDArray[np.bool_]) -> tuple[Tensor, float]:
        """Samples (coil, y, x) of some readouts, and how often a line is there; what is there twice is averaged."""
        chosen = torch.from_numpy(np.flatnonzero(which))
        lines = self.line_idx[chosen]
        count = torch.bincount(lines, minlength=self.n_lines)
        n_coils, n_x = self.samples.shape[1:]
        total = self.samples.new_zeros(self.n_lines, n_coils, n_x).index_add(0, lines, self.samples[chosen])
        mean = total / count.clamp(min=1)[:, None, None]
        return mean.transpose(0, 1).contiguous(), float(len(lines) / max(int((count > 0).sum()), 1))


def _placed(samples: Tensor, middle: int, whole: int, name: str) -> Tensor:
    """Readouts with sample ``middle`` at the centre of ``whole`` samples, the rest 0: an echo that begins late.

    Whole readouts may be off by one: that is a phase, and scanners count the middle of an even number either way.
    """
    n = samples.shape[-1]
    first = whole // 2 - middle
    if n == whole and abs(first) <= 1:
        return samples
    if first < 0 or first + n > whole:
        raise InputError(
            f"{name}: readouts of {n} samples with their centre at {middle} do not fit into the encoded matrix of "
            f"{whole} samples. Is center_sample right?"
        )
    out = samples.new_zeros(*samples.shape[:-1], whole)
    out[..., first : first + n] = samples
    return out


def _resized(samples: Tensor, n: int) -> Tensor:
    """Readouts with as many samples as the image has pixels: cut, or with 0 beyond what was measured."""
    have = samples.shape[-1]
    if have >= n:
        return samples[..., centred(have, n)]
    out = samples.new_zeros(*samples.shape[:-1], n)
    out[..., centred(n, have)] = samples
    return out


def _chosen(head: Any, keep: NDArray[np.bool_], choices: Mapping[str, int | None], name: str) -> NDArray[np.bool_]:
    """Readouts of the contrast and repetition asked for; calibration scans that have none of it belong to all."""
    only_calibration = flagged(head["flags"], "parallel_calibration")
    image = keep & ~only_calibration
    for counter in OTHER_COUNTERS:
        if len(np.unique(head["idx"][counter][image])) > 1:
            what = "is encoded in three dimensions" if "step_2" in counter else f"has several values of {counter}"
            raise InputError(f"{name}: the scan {what}; stacks of two-dimensional slices are needed.")
    chosen = np.ones(len(head), bool)
    for counter, asked in choices.items():
        values = np.unique(head["idx"][counter][image]).tolist()
        if asked is None and len(values) > 1:
            raise InputError(f"{name}: has {counter}s {values}; choose one with --{counter}.")
        if asked is not None and asked not in values:
            raise InputError(f"{name}: has no {counter} {asked}, but {values}.")
        hit = head["idx"][counter] == (values[0] if asked is None and values else asked)
        chosen &= hit | (only_calibration & ~(keep & hit & only_calibration).any())
    return chosen


def _in_space(affines: dict[int, NDArray[np.float64]]) -> list[int]:
    """Slice numbers in the order in which the slices lie along their normal."""
    numbers = sorted(affines)
    normal = affines[numbers[0]][:3, 2]
    return sorted(numbers, key=lambda s: float(normal @ affines[s][:3, 3]))


def _noise(table: Any, head: Any, rows: NDArray[np.intp], name: str) -> Tensor | None:
    """Noise scans (coil, sample), scaled to the bandwidth of the image where both bandwidths are known."""
    n_coils = int(head["active_channels"][rows[0]])
    dwell = float(head["sample_time_us"][rows[0]])
    found = []
    for row in np.flatnonzero(flagged(head["flags"], "noise")):  # they may differ in length
        own = float(head["sample_time_us"][row])
        samples = readout_samples(table["data"][row], n_coils, name, int(row))
        found.append(samples * ((own / dwell) ** 0.5 if own > 0 and dwell > 0 else 1.0))
    return torch.cat(found, 1) if found else None


def _meta(facts: Facts, contrast: int) -> dict[str, object]:
    """What the header says of the sequence, in the units of BIDS."""
    meta: dict[str, object] = {"SliceThickness": facts.fov_mm[2]}
    for name, where, unit in (
        ("EchoTime", "sequenceParameters/TE", 1e-3),
        ("RepetitionTime", "sequenceParameters/TR", 1e-3),
        ("FlipAngle", "sequenceParameters/flipAngle_deg", 1.0),
        ("MagneticFieldStrength", "acquisitionSystemInformation/systemFieldStrength_T", 1.0),
    ):
        values = facts.all(where)
        text = values[min(contrast, len(values) - 1)] if values else "0"
        if float(text) > 0:
            meta[name] = round(float(text) * unit, 9)
    return meta
