"""Rows of the table of stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fetalt2prep.core.stack import Stack
from fetalt2prep.io.stack import orientation, stack_name

COLUMNS = (
    *("stack", "te_s", "orientation", "nx", "ny", "n_slices", "dx_mm", "dy_mm", "spacing_mm", "thickness_mm"),
    *("n_mask_pixels", "mask_source", "mask_confidence", "status", "notes"),
)


def unique_names(files: Sequence[Path]) -> list[str]:
    """File names without extension; a name that comes again gets ``-2``, ``-3``."""
    names: list[str] = []
    for path in files:
        stem, number = stack_name(path), 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def checked_row(stack: Stack, name: str, notes: Sequence[str], *, mask_given: bool) -> dict[str, object]:
    """Row of a stack that can be used."""
    nx, ny, n_slices = stack.pixels.shape
    dx, dy, spacing = (float(size) for size in stack.spacing_mm)
    values = (
        *(name, stack.te_s, orientation(stack.affine), nx, ny, n_slices, dx, dy, spacing, stack.thickness_mm),
        *((int(stack.mask.sum()), "given") if mask_given else (None, None)),
        *(None, "used", "; ".join(notes)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def set_aside_row(name: str, te_s: float, reason: str) -> dict[str, object]:
    """Row of a stack that cannot be used."""
    row: dict[str, object] = dict.fromkeys(COLUMNS)
    return row | {"stack": name, "te_s": te_s, "status": "set-aside", "notes": reason}
