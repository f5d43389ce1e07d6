"""Raw dynamic data in ISMRMRD files: radial or Cartesian readouts, noise, geometry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.kt.frames import Readouts, without_oversampling
from fetalt2prep.core.kt.trajectory import golden_angle_spokes
from fetalt2prep.io.ismrmrd_file import Facts, open_raw, readout_samples, readout_times_s
from fetalt2prep.io.ismrmrd_schema import (
    ACQUISITION_HEADER,
    NOT_IMAGING,
    TICK_S,
    flag,
    flagged,
    xml_header,
)
from fetalt2prep.io.sidecar import InputError

SAME_TRAJECTORY = 0.5 + 1e-4  # cycles per pixel; larger numbers are of another unit


@dataclass(frozen=True)
class RawSeries:
    """Readouts of a file with what places them in the scanner."""

    readouts: Readouts
    affines: dict[int, NDArray[np.float64]]
    """Of each slice: index (x, y, 0) to world millimetres, (4, 4), RAS."""
    thickness_mm: float
    te_s: float | None
    notes: tuple[str, ...]


def read_ismrmrd(path: Path, group: str = "dataset") -> RawSeries:
    """Imaging readouts of a file, time-ordered; calibration, navigators and feedback are left out.

    A radial file without trajectory is taken as golden-angle, spoke by spoke in the order of its scans.

    Raises
    ------
    InputError
        Not HDF5, no such group, no imaging readout, readouts of different length or number of coils, a trajectory type
        that needs a trajectory which is not there, or samples that are NaN.
    """
    header, table = open_raw(path, group)
    head = table["head"]
    keep = ~np.any([flagged(head["flags"], name) for name in (*NOT_IMAGING, "noise")], axis=0)
    if not keep.any():
        raise InputError(f"{path.name}: none of its {len(head)} readouts is an image's. Is it a noise scan?")
    lengths = {(int(h["number_of_samples"]), int(h["active_channels"])) for h in head[keep]}
    if len(lengths) > 1:
        raise InputError(f"{path.name}: readouts differ in (samples, coils): {sorted(lengths)}. Split the file.")
    ((_, n_coils),) = lengths
    rows = np.flatnonzero(keep)
    samples = torch.stack([readout_samples(table["data"][row], n_coils, path.name, int(row)) for row in rows])
    reverse = flagged(head["flags"][keep], "reverse")
    samples[torch.from_numpy(reverse)] = samples[torch.from_numpy(reverse)].flip(-1)
    facts = Facts(header, path.name)
    notes: list[str] = []
    where: dict[str, Tensor] = {}
    if facts.trajectory == "cartesian":
        samples = without_oversampling(samples, facts.shape[1])
        where["line_idx"] = (
            torch.from_numpy(head["idx"]["kspace_encode_step_1"][keep].astype(np.int64)) + facts.first_line
        )
    else:
        where["k_per_pixel"] = _trajectory(table, rows, facts, notes, path.name)
    counter = _counter(head["idx"][keep])
    noise_rows = np.flatnonzero(flagged(head["flags"], "noise"))
    noise = [readout_samples(table["data"][row], n_coils, path.name, int(row)) for row in noise_rows]
    readouts = Readouts(
        samples=samples,
        times_s=torch.from_numpy(readout_times_s(head[keep], notes)),
        slice_idx=torch.from_numpy(head["idx"]["slice"][keep].astype(np.int64)),
        shape=facts.shape,
        frame_idx=None if counter is None else torch.from_numpy(counter),
        noise=torch.cat(noise, 1) if noise else None,
        **where,
    )
    affines = {s: facts.affine(head[keep][head["idx"]["slice"][keep] == s][0]) for s in readouts.slices}
    return RawSeries(readouts, affines, facts.fov_mm[2], facts.te_s, tuple(notes))


def truth_beside(path: Path) -> Path:
    """Where the truth of simulated raw data goes, beside their file.

    Raises
    ------
    ValueError
        The file's name does not end in .h5, or one of the two is there already.
    """
    truth = path.with_name(f"{path.stem}_truth.nii.gz")
    if path.suffix != ".h5":
        raise ValueError(f"{path}: its name must end in .h5.")
    if path.exists() or truth.exists():
        raise ValueError(f"{path}: is there already, or its truth is; name another, nothing is overwritten.")
    return truth


def write_ismrmrd(
    raw: RawSeries,
    path: Path,
    *,
    trajectory: str = "radial",
    store_trajectory: bool = True,
    calibration: Tensor | None = None,
) -> Path:
    """Write readouts with noise scans before them.

    ``store_trajectory``: false leaves it out, as many scanners do. ``calibration``: (readout,) bool, lines that serve
    as calibration too, embedded in the image.
    """
    r = raw.readouts
    n, n_coils, n_samples = r.samples.shape
    noise = [] if r.noise is None else list(r.noise.split(n_samples, dim=1))
    n_y, n_x = r.shape
    affine = raw.affines[r.slices[0]]
    pixel = np.linalg.norm(affine[:3, :2], axis=0)
    fov = (float(pixel[0] * n_x), float(pixel[1] * n_y), raw.thickness_mm)
    kind = h5py.vlen_dtype(np.dtype("<f4"))
    table = np.zeros(len(noise) + n, np.dtype([("head", ACQUISITION_HEADER), ("traj", kind), ("data", kind)]))
    for row, readout in enumerate([*noise, *r.samples]):
        head = table["head"][row]
        head["version"], head["scan_counter"] = 1, row
        head["number_of_samples"], head["center_sample"] = readout.shape[-1], readout.shape[-1] // 2
        head["available_channels"] = head["active_channels"] = n_coils
        table["data"][row] = torch.view_as_real(readout).numpy().ravel().astype("<f4")
        table["traj"][row] = np.zeros(0, "<f4")
        if row < len(noise):
            head["flags"] = flag("noise")
            continue
        i = row - len(noise)
        head["acquisition_time_stamp"] = round(float(r.times_s[i]) / TICK_S)
        head["user_float"][0] = float(r.times_s[i])
        if calibration is not None and bool(calibration[i]):
            head["flags"] = flag("parallel_calibration_and_imaging")
        head["idx"]["slice"] = int(r.slice_idx[i])
        head["idx"]["repetition"] = 0 if r.frame_idx is None else int(r.frame_idx[i])
        head["idx"]["kspace_encode_step_1"] = i % 65536 if r.line_idx is None else int(r.line_idx[i])
        _place(head, raw.affines[int(r.slice_idx[i])], r.shape)
        if store_trajectory and r.k_per_pixel is not None:
            head["trajectory_dimensions"] = 2
            table["traj"][row] = r.k_per_pixel[i].flip(-1).numpy().ravel().astype("<f4")  # x, then y
    text = xml_header(
        trajectory=trajectory, matrix=r.shape, encoded_x=n_samples, fov_mm=fov, n_coils=n_coils,
        te_s=raw.te_s or 0.0, n_slices=len(r.slices), embedded=calibration is not None,
    )  # fmt: skip
    with h5py.File(path, "w") as file:
        file.create_dataset("dataset/xml", data=[text], dtype=h5py.string_dtype())
        file.create_dataset("dataset/data", data=table)
    return path


def _place(head: Any, affine: NDArray[np.float64], shape: tuple[int, int]) -> None:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    for key, axis in zip(("read_dir", "phase_dir", "slice_dir"), lps[:3, :3].T, strict=True):
        head[key] = axis / np.linalg.norm(axis)
    head["position"] = lps[:3] @ [shape[1] // 2, shape[0] // 2, 0, 1]


def _trajectory(table: Any, rows: NDArray[np.intp], facts: Facts, notes: list[str], name: str) -> Tensor:
    """(readout, sample, 2) along y and x, cycles per pixel."""
    head = table["head"][rows]
    n_samples = int(head["number_of_samples"][0])
    dimensions = {int(d) for d in head["trajectory_dimensions"]}
    if dimensions == {0}:
        if facts.trajectory not in ("radial", "goldenangle"):
            raise InputError(
                f"{name}: a {facts.trajectory} scan without its trajectory cannot be reconstructed. Store it."
            )
        notes.append("no trajectory in the file: golden-angle spokes in the order of the scans are assumed")
        return golden_angle_spokes(len(rows), max(facts.shape), n_samples)
    if len(dimensions) > 1 or min(dimensions) < 2:
        raise InputError(f"{name}: trajectories have {sorted(dimensions)} dimensions; two in every readout are needed.")
    k = np.stack([np.asarray(table["traj"][row]).reshape(n_samples, -1)[:, 1::-1] for row in rows])
    largest = float(np.abs(k).max(initial=0.0))
    if not np.isfinite(k).all() or largest > SAME_TRAJECTORY:
        raise InputError(f"{name}: its trajectory reaches {largest:g}; cycles per pixel, within 0.5, are expected.")
    return torch.from_numpy(k.astype(np.float32).clip(-0.5, 0.5))


def _counter(idx: Any) -> NDArray[np.int64] | None:
    for name in ("repetition", "phase"):
        if np.ptp(idx[name]):
            return np.asarray(idx[name], np.int64)
    return None
