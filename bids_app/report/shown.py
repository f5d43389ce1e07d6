"""A figure on the page, and how it gets there: a file beside the page, or inside it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from bids_app.report.ink import as_svg, png_bytes, save_svg
from bids_app.whole_file import put


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure on the page: either ``src`` or ``svg`` is set."""

    title: str
    alt: str
    caption: str
    src: str = ""
    """Path relative to the page, or a data URI."""
    svg: Markup = field(default_factory=Markup)
    """Curves, for the inside of the page."""
    width: int = 0
    height: int = 0
    kind: str = ""
    """How it is set: ``dark`` (pictures), ``wide`` (wide curves), ``small`` (narrow curves).

    ``sheet`` (pixels as they are).
    """
    link: str = ""
    """File that shows the picture by itself; empty when the page holds it."""


class FigureFolder:
    """Puts figures of one session into ``sub-X/figures``, or into the page itself."""

    def __init__(self, out_dir: Path, subject: str, start: str, *, inside: bool) -> None:
        """start: entities of participant and session; inside: the page holds its pictures (``--single-file``)."""
        self._out_dir, self._subject, self._start, self._inside = out_dir, subject, start, inside

    def picture(
        self, figure: Figure, entities: str, *, title: str, alt: str, caption: str, kind: str = "dark"
    ) -> Shown:
        """A picture drawn by matplotlib, as PNG."""
        width, height = (round(100 * inches) for inches in figure.get_size_inches())
        src = self._keep(png_bytes(figure), entities, "png")
        link = "" if self._inside else src
        return Shown(
            title=title, alt=alt, caption=caption, src=src, width=width, height=height, kind=f"{kind} wide", link=link
        )

    def pixels(
        self, pixels: NDArray[np.uint8], entities: str, *, title: str, alt: str, caption: str, kind: str = "dark sheet",
        palette: NDArray[np.uint8] | None = None,
    ) -> Shown:  # fmt: skip
        """Pixels (row, column[, rgb]) as they are, or as indices of a palette (256, 3), as PNG."""
        image = Image.fromarray(pixels)
        if palette is not None:
            image = Image.fromarray(pixels, mode="L")
            image.putpalette(palette.tobytes())
        content = io.BytesIO()
        image.save(content, format="png", compress_level=9 if palette is not None else 6)
        src = self._keep(content.getvalue(), entities, "png")
        link = "" if self._inside else src
        return Shown(
            title=title, alt=alt, caption=caption, src=src, width=image.width, height=image.height, kind=kind, link=link
        )

    def curves(self, drawn: Figure | Markup, entities: str, *, title: str, alt: str, caption: str, kind: str) -> Shown:
        """Curves as SVG in the page; a file of them lies beside it too."""
        svg = as_svg(drawn, alt) if isinstance(drawn, Figure) else drawn
        if not self._inside:
            save_svg(svg, self._path(entities, "svg"))
        return Shown(title=title, alt=alt, caption=caption, svg=svg, kind=kind)

    def _path(self, entities: str, ending: str) -> Path:
        return self._out_dir / f"sub-{self._subject}" / "figures" / f"{self._start}_{entities}.{ending}"

    def _keep(self, content: bytes, entities: str, ending: str) -> str:
        if self._inside:
            return f"data:image/{ending};base64,{base64.b64encode(content).decode()}"
        path = self._path(entities, ending)
        path.parent.mkdir(parents=True, exist_ok=True)
        put(content, path)
        return f"./{path.relative_to(self._out_dir).as_posix()}"


def entity_of(label: str, order: int) -> str:
    """Letters and digits of a stack's label, for ``desc-`` of its figure; ``order`` keeps two of them apart."""
    return f"{order:02d}" + "".join(letter for letter in label if letter.isascii() and letter.isalnum())
