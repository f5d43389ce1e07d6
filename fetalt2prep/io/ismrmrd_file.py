"""ISMRMRD files from the outside in: the table of readouts, the XML header's facts, samples of one readout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.io.ismrmrd_schema import NAMESPACE, TICK_S
from fetalt2prep.io.sidecar import InputError


def open_raw(path: Path, group: str) -> tuple[ElementTree.Element, Any]:
    """XML header and table of readouts of a file.

    Raises
    ------
    InputError
        Not HDF5, cut off, no such group, or a header that is no XML.
    """
    try:
        with h5py.File(path, "r") as file:
            if group not in file or "data" not in file[group] or "xml" not in file[group]:
                raise InputError(f"{path.name}: has no group {group!r} with xml and data, but {', '.join(file)}.")
            text = file[group]["xml"][0]
            table = file[group]["data"][:]
        return ElementTree.fromstring(text), table
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(
            f"{path.name}: cannot be read as ISMRMRD ({error}). Convert or copy the file again."
        ) from error


class Facts:
    """What the XML header says of the first encoding."""

    def __init__(self, header: ElementTree.Element, name: str) -> None:
        self._header, self._name = header, name
        self.trajectory = self.text("encoding/trajectory").lower()
        self.shape = (self.whole("encoding/reconSpace/matrixSize/y"), self.whole("encoding/reconSpace/matrixSize/x"))
        self.fov_mm = tuple(float(self.text(f"encoding/reconSpace/fieldOfView_mm/{axis}")) for axis in "xyz")
        self.first_line = self.shape[0] // 2 - self.centre_line(self.shape[0])
        te_ms = self.find("sequenceParameters/TE")
        self.te_s = None if te_ms is None or float(te_ms) <= 0 else float(te_ms) / 1000
        if min(self.shape) < 2 or min(self.fov_mm) <= 0:
            raise InputError(f"{name}: its header has matrix {self.shape} and field of view {self.fov_mm} mm.")

    def affine(self, head: Any) -> NDArray[np.float64]:
        """Index (x, y, 0) to RAS millimetres; ISMRMRD's position is the slice's centre in LPS."""
        n_y, n_x = self.shape
        axes = [np.asarray(head[f"{key}_dir"], float) for key in ("read", "phase", "slice")]
        if any(np.linalg.norm(axis) < 0.5 for axis in axes):  # not filled in
            axes = list(np.eye(3))
        step = np.array([self.fov_mm[0] / n_x, self.fov_mm[1] / n_y, self.fov_mm[2]])
        affine = np.eye(4)
        affine[:3, :3] = np.stack(axes, 1) * step
        affine[:3, 3] = np.asarray(head["position"], float) - affine[:3, :3] @ [n_x // 2, n_y // 2, 0]
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine

    def encoded(self, axis: str) -> int | None:
        """Encoded matrix along x or y; None where the header has none."""
        text = self.find(f"encoding/encodedSpace/matrixSize/{axis}")
        return None if text is None else self.whole(f"encoding/encodedSpace/matrixSize/{axis}")

    def oversampling(self, axis: str) -> float:
        """Encoded field of view over that of the image, along x or y; 1 where the header has none."""
        text = self.find(f"encoding/encodedSpace/fieldOfView_mm/{axis}")
        return 1.0 if text is None or float(text) <= 0 else max(float(text) / self.fov_mm["xy".index(axis)], 1.0)

    def centre_line(self, n_lines: int) -> int:
        """Number of the line through the centre of k-space; half of all where the header has none."""
        where = "encoding/encodingLimits/kspace_encoding_step_1/center"
        return n_lines // 2 if self.find(where) is None else self.whole(where)

    def find(self, where: str) -> str | None:
        """Text at a path of the header, such as ``sequenceParameters/TE``; None where there is none."""
        found = self.all(where)
        return found[0] if found else None

    def all(self, where: str) -> list[str]:
        """Every text at a path, as of several echo times."""
        found = self._header.findall("/".join(f"{{{NAMESPACE}}}{part}" for part in where.split("/")))
        return [element.text.strip() for element in found if element.text and element.text.strip()]

    def text(self, where: str) -> str:
        """Text at a path; refused where there is none."""
        text = self.find(where)
        if text is None:
            raise InputError(f"{self._name}: its XML header has no {where}.")
        return text

    def whole(self, where: str) -> int:
        """Whole number at a path; refused where there is none."""
        text = self.text(where)
        if not re.fullmatch(r"\d+", text):
            raise InputError(f"{self._name}: {where} is {text!r}, not a whole number.")
        return int(text)


def readout_times_s(head: Any, notes: list[str]) -> NDArray[np.float64]:
    """From the first readout on; the time stamp counts in 2.5 ms, so that readouts of one tick share it."""
    precise = np.asarray(head["user_float"][:, 0], float)
    ticks = np.asarray(head["acquisition_time_stamp"], float) * TICK_S
    times_s = precise if np.all(np.abs(precise - ticks) <= TICK_S) and precise.any() else ticks
    if not np.ptp(times_s):
        notes.append("the readouts carry no time stamps: times are counts of readouts")
        times_s = np.arange(len(head), dtype=float)
    return np.asarray(times_s - times_s.min())


def readout_samples(data: NDArray[np.float32], n_coils: int, name: str, row: int) -> Tensor:
    """Samples (coil, sample) of one row of the table; refuses NaN and numbers that the coils do not share."""
    if len(data) % (2 * n_coils):
        raise InputError(f"{name}: readout {row} has {len(data)} numbers, which {n_coils} coils do not share.")
    if not np.isfinite(data).all():
        raise InputError(f"{name}: readout {row} holds NaN or infinity. Leave it out, or export the file again.")
    return torch.view_as_complex(torch.from_numpy(np.array(data, np.float32)).reshape(n_coils, -1, 2))
