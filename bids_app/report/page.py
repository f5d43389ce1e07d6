"""Pieces of HTML, every text in them escaped, and the page that nireports assembles from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2

HERE = Path(__file__).parent
SPEC = HERE / "spec.yml"
TEMPLATE = HERE / "template.html"


class Page:
    """Collects pieces and writes the page; use as a context manager, its folder of pieces is temporary."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="fetalt2prep-report-")
        self._pieces = Path(self._folder.name) / "sub-page" / "figures"
        self._pieces.mkdir(parents=True)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "fragments"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, part: str, template: str, *, number: int | None = None, **content: object) -> None:
        """Render a fragment for a part of ``spec.yml``; ``number`` is the session's place among the sessions.

        Names of pieces hold the number, never the label: they are read back by entity, and sort by it.
        """
        session = "" if number is None else f"_ses-{number:04d}"
        html = self._templates.get_template(template).render(**content)
        (self._pieces / f"sub-page{session}_desc-{part}_T2map.html").write_text(html, encoding="utf-8")

    def part_of(self, number: int, session: str | None) -> Callable[..., None]:
        """:meth:`add` for one session: its place among the sessions, and its heading (None: no heading)."""
        return partial(self.add, number=number, session=session)

    def write(self, path: Path, title: str) -> None:
        """Assemble the pieces in the order of ``spec.yml`` into ``path``."""
        # Brings pybids and Nipype along: only when a page is written.
        from nireports.assembler.report import Report

        report: Any = Report(  # type: ignore[no-untyped-call]
            path.parent,
            None,
            bootstrap_file=SPEC,
            out_filename=path.name,
            reportlets_dir=self._folder.name,
            plugins=[],
        )
        report.title = title
        report.template_path = TEMPLATE
        report.generate_report()
