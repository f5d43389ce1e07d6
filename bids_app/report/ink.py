"""Colours of the figures, and how a figure becomes a file.

Pictures are dark on every page. Curves have no background: a rule inside the SVG turns their ink light where
the reader's system is dark.
"""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PAPER_DARK = "#000000"
TEXT_DARK = "#e8eaed"
NO_ANSWER = "#7d7f85"
"""Brain voxels that have no value."""
ABOVE = "#3fd0c9"
"""Voxels above the end of a colour bar of errors."""
OUTLINE = "#ffb454"
"""Outline of a mask."""
INK = "#263241"
"""Text and axes of curves on a light page."""
FAINT = "#b4bcc6"
"""Grid lines of curves on a light page."""
BAD = "#d6336c"
"""Whatever was set aside, on light and on dark pages."""
AXIS_COLOURS = ("#d9730d", "#0f9d76", "#3d7bea")
"""x, y, z in curves; told apart by people who do not see all colours, on light and on dark pages."""

_TURNED = {INK: "#d9dee5", FAINT: "#475160"}
_DARK_RULE = "".join(
    f'[style*="{what}: {light}"]{{{what}:{dark} !important}}'
    for light, dark in _TURNED.items()
    for what in ("fill", "stroke")
)


def plain_axes(axes: Axes, size: float = 9.0) -> None:
    """Ink, faint grid and no box for an axes that holds curves."""
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=size, length=3)
    axes.grid(color=FAINT, linewidth=0.5, alpha=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)


def save_png(figure: Figure, path: Path, dpi: int = 130) -> None:
    """Write a picture; the directory is made when absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi, facecolor=figure.get_facecolor(), pil_kwargs={"optimize": True})


def save_svg(figure: Figure, path: Path) -> None:
    """Write curves as SVG that follows the reader's light or dark setting; same figure, same bytes."""
    text = io.StringIO()
    with rc_context({"svg.hashsalt": "fetalt2prep"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    rule = f"<style>@media (prefers-color-scheme: dark){{{_DARK_RULE}}}</style>"
    head, body = text.getvalue().split("<defs>", 1)
    start = head.index("<svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head[start:]}{rule}<defs>{body}", encoding="utf-8")
