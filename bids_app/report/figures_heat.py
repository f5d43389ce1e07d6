"""Heat maps of the slices, stack by slice: how much each counts, and how far each is from what was predicted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from bids_app.report.figures_motion import StackMotion

WEIGHT_COLOURS = "cividis"
RESIDUAL_COLOURS = "magma"
RESIDUAL_HIGH = 3.0
"""Upper end of the residual's colours, in medians of its echo time."""


@dataclass(frozen=True, kw_only=True)
class HeatCell:
    """One slice."""

    slice_idx: int
    text: str
    """What stands in the cell."""
    words: str
    """What the cell says when it is pointed at or read aloud."""
    colour: str
    over: str
    """Colour of the text on it."""
    status: str
    """``used``, ``set-aside``, ``empty``, or ``none`` past the end of the stack."""
    column: int | None = None
    """Place of the slice among the measured and predicted ones; None when there is no picture of it."""
    start: bool = False
    """Whether this slice is shown first."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """A table of slices with its key."""

    title: str
    caption: str
    low: str
    high: str
    colours: tuple[str, ...]
    """From low to high, for the key."""
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]
    """Label of the stack and its cells."""

    @property
    def n_slices(self) -> int:
        """Columns of the table."""
        return max((len(cells) for _, cells in self.rows), default=0)


def relative_residual(stacks: Sequence[StackMotion]) -> list[NDArray[np.float64]]:
    """Residual of each slice over the median of the slices of its echo time, one array (slice,) per stack."""
    medians: dict[float, float] = {}
    for te_ms in {s.te_ms for s in stacks}:
        values = np.concatenate([s.residual[s.status != "empty"] for s in stacks if s.te_ms == te_ms])
        values = values[np.isfinite(values)]
        medians[te_ms] = float(np.median(values)) if len(values) else math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        return [s.residual / medians[s.te_ms] for s in stacks]


def worst_slice(stacks: Sequence[StackMotion]) -> tuple[int, int] | None:
    """Stack and slice with the largest relative residual: the one to look at first; None without any."""
    found = [
        (float(value), row, int(stack.slice_idx[k]))
        for row, (stack, values) in enumerate(zip(stacks, relative_residual(stacks), strict=True))
        for k, value in enumerate(values)
        if math.isfinite(value) and stack.status[k] != "empty"
    ]
    return max(found)[1:] if found else None


def weight_map(stacks: Sequence[StackMotion], columns: Sequence[dict[int, int]] = ()) -> HeatMap:
    """Weights, 0 to 1; ``columns`` gives for each stack the place of a slice among its pictures."""
    return HeatMap(
        title="Weights",
        caption="How much each slice counts: 1 in full, 0 not at all. Hatched: no brain in the slice.",
        low="0",
        high="1",
        colours=_key(WEIGHT_COLOURS),
        rows=_rows(stacks, [s.weight for s in stacks], WEIGHT_COLOURS, 1.0, "weight {:.1f}", columns),
    )


def residual_map(stacks: Sequence[StackMotion], columns: Sequence[dict[int, int]] = ()) -> HeatMap:
    """Residual of each slice over the median of its echo time, 0 to 3 times."""
    return HeatMap(
        title="Residuals",
        caption=(
            "Root mean square of measured minus predicted pixels of each slice, over the median of the slices of its"
            " echo time: 1 is usual. Hatched: no brain in the slice."
        ),
        low="0",
        high=f"{RESIDUAL_HIGH:g} times the median or more",
        colours=_key(RESIDUAL_COLOURS),
        rows=_rows(
            stacks,
            relative_residual(stacks),
            RESIDUAL_COLOURS,
            RESIDUAL_HIGH,
            "residual {:.1f} times the median",
            columns,
        ),
    )


def _key(name: str) -> tuple[str, ...]:
    return tuple(to_hex(colormaps[name](x)) for x in np.linspace(0, 1, 9))


def _rows(
    stacks: Sequence[StackMotion],
    values: Sequence[NDArray[np.float64]],
    name: str,
    high: float,
    words: str,
    columns: Sequence[dict[int, int]],
) -> tuple[tuple[str, tuple[HeatCell, ...]], ...]:
    n_slices = max((int(s.slice_idx.max(initial=-1)) + 1 for s in stacks), default=0)
    worst = worst_slice(stacks)
    rows = []
    for row, (stack, shown) in enumerate(zip(stacks, values, strict=True)):
        place = columns[row] if row < len(columns) else {}
        cells = [_blank(k, "none") for k in range(n_slices)]
        for at, value, status in zip(stack.slice_idx.tolist(), shown.tolist(), stack.status.tolist(), strict=True):
            if status == "empty" or not math.isfinite(value):
                cells[at] = _blank(at, "empty")
                continue
            red, green, blue, _ = colormaps[name](min(max(value / high, 0.0), 1.0))
            dark = _luminance(red, green, blue) < 0.179  # black and white have the same contrast there
            said = f"{stack.label}, slice {at}: {words.format(value)}"
            cells[at] = HeatCell(
                slice_idx=at,
                text=f"{value:.1f}",
                words=said + (", set aside" if status == "set-aside" else ""),
                colour=to_hex((red, green, blue)),
                over="#ffffff" if dark else "#000000",
                status=status,
                column=place.get(at),
                start=worst == (row, at) and at in place,
            )
        rows.append((stack.label, tuple(cells)))
    return tuple(rows)


def _luminance(*channels: float) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _blank(slice_idx: int, status: str) -> HeatCell:
    return HeatCell(slice_idx=slice_idx, text="", words="", colour="transparent", over="inherit", status=status)
