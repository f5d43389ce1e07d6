"""T2 of the fetal brain that others wrote down: context for a reader, not a norm.

And never used to compute anything.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Literature:
    """A value or a range."""

    tissue: str
    field_t: float
    low_ms: float
    high_ms: float
    """The same as ``low_ms`` when one value is given."""
    source: str
    """As it stands in the figure."""
    said: str
    """What kind of value it is."""
    link: str


LITERATURE = (
    Literature(
        tissue="white matter",
        field_t=0.55,
        low_ms=339,
        high_ms=339,
        source="Bulut 2025",
        said="one fetus in vivo with little motion; gestational age of the value not told",
        link="https://arxiv.org/abs/2508.10680",
    ),
    Literature(
        tissue="grey matter",
        field_t=0.55,
        low_ms=247,
        high_ms=247,
        source="Bulut 2025",
        said="the same fetus",
        link="https://arxiv.org/abs/2508.10680",
    ),
    Literature(
        tissue="white matter",
        field_t=1.5,
        low_ms=232,
        high_ms=300,
        source="FaBiAN",
        said="values that a simulator takes (version 1: 232; version 2: 270 to 300), the same at every age",
        link="https://doi.org/10.1038/s41598-022-10335-4",
    ),
    Literature(
        tissue="grey matter",
        field_t=1.5,
        low_ms=162,
        high_ms=191,
        source="FaBiAN",
        said="values that a simulator takes (version 1: 162; version 2: 172 to 191), the same at every age",
        link="https://doi.org/10.1038/s41598-022-10335-4",
    ),
)
"""FaBiAN: Lajous et al. 2022; the values are those of its source code."""


def told(entries: tuple[Literature, ...] = LITERATURE) -> list[dict[str, str]]:
    """Rows for the page: tissue, field, value, what it is, source, link."""
    return [
        {
            "tissue": entry.tissue,
            "field": f"{entry.field_t:g} T",
            "value": f"{entry.low_ms:g} ms"
            if entry.low_ms == entry.high_ms
            else f"{entry.low_ms:g} to {entry.high_ms:g} ms",
            "said": entry.said,
            "source": entry.source,
            "link": entry.link,
        }
        for entry in entries
    ]
