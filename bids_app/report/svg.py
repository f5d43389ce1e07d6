"""Small SVG charts written by hand: many panels of curves for which a plotting library takes seconds.

Colours of text and lines are those of the page, so that they follow its light or dark look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from bids_app.report.ink import FAINT_OF_PAGE, INK_OF_PAGE


@dataclass
class Drawing:
    """A drawing that grows by its parts; ``width`` and ``height`` in user units."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def text(
        self, x: float, y: float, words: str, *, size: float = 11.0, anchor: str = "start", weight: int = 400
    ) -> None:
        """Words at a place; ``anchor``: start, middle or end."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" text-anchor="{anchor}"'
            f' fill="{INK_OF_PAGE}">{escape(words)}</text>'
        )

    def line(
        self, x0: float, y0: float, x1: float, y1: float, *, colour: str = FAINT_OF_PAGE, width: float = 0.8
    ) -> None:
        """A straight line."""
        self.parts.append(
            f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="{colour}" stroke-width="{width:g}" fill="none"/>'
        )

    def curve(self, points: Iterable[tuple[float, float]], *, colour: str, name: str, width: float = 1.5) -> None:
        """A curve with a dot at each point; it is broken where a point is not finite."""
        steps, dots, pen_down = [], [], False
        for x, y in points:
            if not (math.isfinite(x) and math.isfinite(y)):
                pen_down = False
                continue
            steps.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
            dots.append(f"M{x:.1f} {y:.1f}h.01")
            pen_down = True
        common = f'stroke="{colour}" fill="none" stroke-linecap="round" stroke-linejoin="round"'
        self.parts.append(f'<path class="{escape(name)}" d="{"".join(steps)}" {common} stroke-width="{width:g}"/>')
        self.parts.append(f'<path d="{"".join(dots)}" {common} stroke-width="{3.2 * width:g}"/>')

    def cross(self, x: float, y: float, *, colour: str, size: float = 4.5) -> None:
        """An x."""
        arm = f"{2 * size:g}"
        arms = f"M{x - size:.1f} {y - size:.1f}l{arm} {arm}M{x - size:.1f} {y + size:.1f}l{arm} -{arm}"
        self.parts.append(f'<path class="cross" d="{arms}" stroke="{colour}" stroke-width="2.2" fill="none"/>')

    def svg(self, title: str) -> Markup:
        """The whole drawing, with the words that stand for it."""
        return Markup(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" role="img"'
            f' aria-label="{escape(title)}">{"".join(self.parts)}</svg>'
        )


def ticks(limit: float, most: int = 2) -> list[float]:
    """Round values from -limit to limit, at most ``most`` on each side of 0."""
    step = 10.0 ** math.floor(math.log10(limit))
    for factor in (0.2, 0.5, 1.0, 2.0, 5.0):
        if limit / (factor * step) <= most + 0.999:
            step *= factor
            break
    count = int(limit / step)
    return [k * step for k in range(-count, count + 1)]


def every(count: int, most: int = 12) -> Sequence[int]:
    """Round steps up to ``count``, no more than ``most`` of them."""
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if count / s <= most)
    return range(step, count + 1, step)
