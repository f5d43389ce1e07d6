"""Colours of the figures, and how a figure becomes a file.

Pictures are dark on every page. Curves have no background and take the ink of the page that they stand in.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from markupsafe import Markup, escape
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

INK_OF_PAGE, FAINT_OF_PAGE = f"var(--curve-ink, {INK})", f"var(--curve-faint, {FAINT})"
"""The same on a page that may be light or dark, for SVG inside it."""


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


def png_bytes(figure: Figure, dpi: int = 120) -> bytes:
    """A picture as the bytes of a PNG file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return content.getvalue()


def as_svg(figure: Figure, words: str) -> Markup:
    """Curves as SVG for the inside of a page, whose ink they take; ``words`` stand for them. Same figure, same text."""
    text = io.StringIO()
    with rc_context({"svg.hashsalt": "fetalt2prep", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(f": {INK}", f": {INK_OF_PAGE}").replace(f": {FAINT}", f": {FAINT_OF_PAGE}")
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*pt"', r"\1", re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", svg))
    # Rules and names for this drawing alone would hold for the whole page.
    svg = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="\w+">', "<g>", svg)
    said = f'<svg role="img" aria-label="{escape(words)}" style="stroke-linejoin: round; stroke-linecap: butt" '
    return Markup(svg.replace("<svg ", said, 1))


def save_svg(svg: Markup, path: Path) -> None:
    """Write a drawing; the directory is made when absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg, encoding="utf-8")
