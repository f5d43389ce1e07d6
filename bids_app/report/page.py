"""The page: pieces of HTML, every text in them escaped, in the frame that the group's page shares.

Scripts run by their SHA-256 in the page's Content-Security-Policy and in no other way: one that came in with a text of
the dataset would not run even where it was not escaped. Nothing may be loaded but pictures beside the page.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

HERE = Path(__file__).parent
LOOK = HERE / "look"
NIIVUE = HERE / "vendor" / "niivue.umd.js"
SECTIONS = {
    "summary": "Summary",
    "inputs": "Inputs",
    "motion": "Motion and outliers",
    "reconstruction": "Reconstruction",
    "t2": "Quantitative maps",
    "regions": "Regions and bias budget",
    "viewer": "Viewer",
    "methods": "Methods",
    "errors": "Errors",
    "about": "About",
}
"""Sections in the order of the page."""
SHORT = ("errors",)
"""Sections that need no page of their own on paper."""
FOOTER = (
    "For research only: not a medical device, not for diagnosis. This page was made from the derivatives beside it, "
    "loads nothing from a network, and shows of the sidecars the echo time and the field strength only."
)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a page."""

    name: str
    title: str
    html: Markup
    short: bool = False


@dataclass(frozen=True, kw_only=True)
class DataBlock:
    """Text that the page holds and that no browser runs: data, or a library that a script starts when it is needed."""

    id: str
    text: str
    kind: str = "text/plain"


@cache
def templates(*folders: Path) -> jinja2.Environment:
    """Templates of the look and of further folders; what goes into them is escaped.

    What they do not get is an error.
    """
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([LOOK, *folders]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def script_hash(script: str) -> str:
    """A script as a Content-Security-Policy names it."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def frame(
    title: str, subtitle: str, sections: Sequence[Section], *, blocks: Sequence[DataBlock] = (), footer: str = FOOTER
) -> str:
    """A whole page; the viewer's script is in it when one of the blocks is its library."""
    scripts = [(LOOK / "page.js").read_text("utf-8")]
    allowed = list(scripts)
    library = [block.text for block in blocks if block.id == "niivue-library"]
    if library:
        scripts.append((LOOK / "viewer.js").read_text("utf-8"))
        allowed += [scripts[-1], *library]
    return (
        templates()
        .get_template("frame.html")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            style="".join((LOOK / name).read_text("utf-8") for name in ("page.css", "print.css")),
            scripts=scripts,
            script_hashes=Markup(" ".join(script_hash(script) for script in allowed)),
            data_blocks=blocks,
            footer=footer,
        )
    )


class Page:
    """Collects the pieces of a participant's page, then writes it."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Markup]] = {name: [] for name in SECTIONS}
        self._blocks: list[DataBlock] = []
        self._templates = templates(HERE / "fragments")

    def add(self, part: str, template: str, **content: object) -> None:
        """Render a fragment and put it at the end of a section."""
        self._pieces[part].append(Markup(self._templates.get_template(template).render(**content)))

    def part_of(self, session: str | None) -> Callable[..., None]:
        """:meth:`add` for one session, with its heading (None: no heading)."""
        return partial(self.add, session=session)

    def add_block(self, block: DataBlock) -> None:
        """Data for the scripts; the library of the viewer comes along with the first."""
        if not self._blocks:
            self._blocks.append(DataBlock(id="niivue-library", text=NIIVUE.read_text("utf-8")))
        self._blocks.append(block)

    def html(self, title: str, subtitle: str) -> str:
        """The page, without the sections that have no piece."""
        sections = [
            Section(name=name, title=SECTIONS[name], html=Markup("\n").join(pieces), short=name in SHORT)
            for name, pieces in self._pieces.items()
            if pieces
        ]
        return frame(title, subtitle, sections, blocks=self._blocks)


def json_block(block_id: str, content: Any) -> DataBlock:
    """Data as JSON that no HTML parser mistakes for the end of its element."""
    text = templates().from_string("{{ content | tojson }}").render(content=content)
    return DataBlock(id=block_id, text=text, kind="application/json")
