"""What the headers of a session's stacks say, against themselves and against each other."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.io.mask import SAME_GRID, corner_distance_mm
from fetalt2prep.io.sidecar import InputError, read_sidecar, slice_direction
from fetalt2prep.io.stack import orientation
from fetalt2prep.io.volume import open_image

SET_ASIDE = "set aside"
DESCRIPTIONS = {
    "stack": ("Stack", None),
    "check": ("What was looked at", None),
    "level": ("info: worth knowing; warning: look at it; error: the stack cannot be believed", None),
    "found": ("What was found", None),
    "action": ("What was done about it", None),
}
GAP_WARNING, NOTED_GAP = 0.5, 0.1
"""Of the thickness: half a slice that nobody sees; a difference worth a note."""
ANISOTROPY_WARNING, NOTED_ANISOTROPY = 1.5, 1.05


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the audit."""

    stack: str
    check: str
    level: str
    found: str
    action: str = "none"


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What is read of a stack."""

    name: str
    te_s: float
    thickness_mm: float | None
    affine: NDArray[np.float64]  # slices last
    spacing_mm: NDArray[np.float64]  # (3,), slices last
    slope: tuple[float, float]
    digest: str
    forms: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]  # sform, qform where they are set
    shape: tuple[int, ...]

    @property
    def plane(self) -> str:
        return orientation(self.affine).split()[0]


def audit_headers(
    files: Sequence[Path],
    names: Sequence[str],
    echo_times_s: Sequence[float],
    thicknesses_mm: Sequence[float | None],
    directions: Sequence[str | None],
) -> list[Finding]:
    """Findings on the stacks of a session, (stack,) each, by stack.

    ``thicknesses_mm`` and ``directions`` (SliceEncodingDirection): None where they are not known. A file that cannot be
    read is a finding, not an error.
    """
    found: list[Finding] = []
    headers: list[_Header] = []
    for file, name, te_s, thickness, direction in zip(
        files, names, echo_times_s, thicknesses_mm, directions, strict=True
    ):
        try:
            headers.append(_read(file, name, te_s, thickness, direction))
        except InputError as error:
            found.append(Finding(stack=name, check="readable", level="error", found=str(error), action=SET_ASIDE))
    for header in headers:
        found += [*_forms(header), *_geometry(header)]
    found += [*_handedness(headers), *_duplicates(headers), *_echo_order(headers), *_slopes(headers)]
    place = {name: n for n, name in enumerate(names)}
    return sorted(found, key=lambda finding: place[finding.stack])


def columns(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """The findings as columns of a table."""
    return {name: [getattr(finding, name) for finding in findings] for name in DESCRIPTIONS}


def _read(file: Path, name: str, te_s: float, thickness_mm: float | None, direction: str | None) -> _Header:
    image, shape, affine = open_image(file)
    if len(shape) < 3:
        raise InputError(f"{file.name}: has {len(shape)} axes; a stack of slices has three.")
    axis = (direction or slice_direction(read_sidecar(file), file.name))[0]
    order = {"i": (1, 2, 0), "j": (2, 0, 1), "k": (0, 1, 2)}[axis]
    last = affine[:, [*order, 3]]
    try:
        raw = np.ascontiguousarray(np.asanyarray(image.dataobj))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{file.name}: its pixels cannot be read. Copy or convert the file again.") from error
    return _Header(
        name=name,
        te_s=te_s,
        thickness_mm=thickness_mm,
        affine=last,
        spacing_mm=np.linalg.norm(last[:3, :3], axis=0),
        slope=_slope(image),
        digest=hashlib.sha256(raw.tobytes()).hexdigest(),
        forms=_set_forms(image.header),
        shape=shape[:3],
    )


def _slope(image: Any) -> tuple[float, float]:
    """Scale and offset between stored and scanner values, 1 and 0 where none is set."""
    slope, offset = getattr(image.dataobj, "slope", 1.0), getattr(image.dataobj, "inter", 0.0)
    return float(slope), float(offset)


def _set_forms(header: Any) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    if not hasattr(header, "get_sform"):
        return None, None
    return header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]


def _forms(header: _Header) -> list[Finding]:
    sform, qform = header.forms
    if sform is None and qform is None:
        text = "neither sform nor qform is set: its place in the scanner is not known"
        return [Finding(stack=header.name, check="forms", level="warning", found=text)]
    if sform is None or qform is None:
        return []
    gap_mm = corner_distance_mm(header.shape, sform, qform)
    if gap_mm <= SAME_GRID * float(header.spacing_mm.min()):
        return []
    text = f"sform and qform place the stack up to {gap_mm:.1f} mm apart"
    return [Finding(stack=header.name, check="forms", level="warning", found=text, action="sform used")]


def _geometry(header: _Header) -> list[Finding]:
    found: list[Finding] = []

    def add(check: str, level: str, text: str) -> None:
        found.append(Finding(stack=header.name, check=check, level=level, found=text))

    plane = orientation(header.affine)
    if header.plane == "oblique":
        add("obliquity", "info", f"slices lie {plane.split()[1]} deg from the nearest scanner plane")
    dx, dy, spacing = (float(size) for size in header.spacing_mm)
    ratio = max(dx, dy) / min(dx, dy)
    if ratio > NOTED_ANISOTROPY:
        level = "warning" if ratio > ANISOTROPY_WARNING else "info"
        add("in-plane", level, f"pixels are {dx:.3g} x {dy:.3g} mm")
    if header.thickness_mm is not None:
        gap = spacing - header.thickness_mm
        if abs(gap) > NOTED_GAP * header.thickness_mm:
            level = "warning" if gap > GAP_WARNING * header.thickness_mm else "info"
            what = "gap between slices" if gap > 0 else "overlap of slices"
            add(
                "thickness",
                level,
                f"{what} of {abs(gap):.2g} mm: {spacing:.3g} mm apart, {header.thickness_mm:g} thick",
            )
    return found


def _handedness(headers: Sequence[_Header]) -> list[Finding]:
    """Stacks whose voxel axes are mirrored against most others of their plane."""
    found = []
    for header in headers:
        signs = [np.sign(np.linalg.det(other.affine[:3, :3])) for other in headers if other.plane == header.plane]
        mine = np.sign(np.linalg.det(header.affine[:3, :3]))
        n_other = sum(sign != mine for sign in signs)
        if n_other > len(signs) / 2:
            text = f"axes mirrored (determinant) against {n_other} other stacks of the same plane"
            found.append(Finding(stack=header.name, check="handedness", level="warning", found=text))
    return found


def _duplicates(headers: Sequence[_Header]) -> list[Finding]:
    """Stacks with the same pixels: the later one is not needed; with two echo times one of them is wrong."""
    same: dict[str, list[_Header]] = defaultdict(list)
    for header in headers:
        same[header.digest].append(header)
    found = []
    for group in same.values():
        if len(group) < 2:
            continue
        conflict = len({round(header.te_s, 6) for header in group}) > 1
        for n, header in enumerate(group):
            names = ", ".join(other.name for other in group if other is not header)
            text = f"has the same pixels as {names}"
            if conflict:
                text += ", at another echo time: one of them is wrong"
            elif n == 0:
                text += ": this one is kept"
            found.append(
                Finding(
                    stack=header.name,
                    check="duplicate",
                    level="error" if conflict else ("warning" if n else "info"),
                    found=text,
                    action=SET_ASIDE if conflict or n else "none",
                )
            )
    return found


def _echo_order(headers: Sequence[_Header]) -> list[Finding]:
    """Echo numbers in names that do not rise with the echo time."""
    series: dict[str, list[tuple[int, _Header]]] = defaultdict(list)
    for header in headers:
        if number := re.search(r"_echo-(\d+)", header.name):
            series[header.name.replace(number.group(), "", 1)].append((int(number.group(1)), header))
    found = []
    for group in series.values():
        by_number = [header for _, header in sorted(group, key=lambda item: item[0])]
        by_time = sorted(by_number, key=lambda header: header.te_s)
        for here, there in zip(by_number, by_time, strict=True):
            if here is not there and here.te_s != there.te_s:
                text = f"echo numbers do not rise with the echo time: {1000 * here.te_s:g} ms here"
                found.append(
                    Finding(
                        stack=here.name,
                        check="echo order",
                        level="warning",
                        found=text,
                        action="echo time of the sidecar used",
                    )
                )
    return found


def _slopes(headers: Sequence[_Header]) -> list[Finding]:
    """Stacks scaled otherwise than most, or all where no scale is that of most.

    Each scale is undone on reading, which is right if it is real.
    """
    counts = Counter(header.slope for header in headers)
    if len(counts) < 2:
        return []
    usual, n_usual = counts.most_common(1)[0]
    most = n_usual > len(headers) / 2
    odd = [header for header in headers if not most or header.slope != usual]
    against = f"most have {_scale(usual)}" if most else "differs between the stacks"
    return [
        Finding(
            stack=header.name,
            check="rescale",
            level="warning",
            found=f"{_scale(header.slope)}: {against}",
            action="applied when read",
        )
        for header in odd
    ]


def _scale(slope: tuple[float, float]) -> str:
    return f"scl_slope {slope[0]:.6g}, scl_inter {slope[1]:.6g}"
