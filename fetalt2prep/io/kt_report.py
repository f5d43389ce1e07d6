"""Movie and x-t profile of an image series, and a page that shows them without a network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
PERCENTILE = 99.5
LEAST_MS, MOST_MS = 40, 500
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#1b1b1b}"
    "h1{font-size:1.6em;margin-bottom:0}th{text-align:left;padding-right:2em;vertical-align:top;font-weight:600}"
    ".pictures{display:flex;flex-wrap:wrap;gap:1.5em;margin-top:1.5em}figure{margin:0;flex:1 1 20em;min-width:0}"
    ".film,.line{position:relative;background:#000;height:24em;max-width:100%}.film{height:auto;max-height:24em}"
    ".pictures figure:first-child{flex:0 1 24em}"
    ".pictures img{width:100%;height:100%;display:block}.line img{image-rendering:pixelated}"
    ".film i{position:absolute;top:0;bottom:0;border-left:1px dashed #ffb000}"
    ".ticks{display:flex;justify-content:space-between;font-size:.85em}figcaption{color:#444;margin-top:.4em}"
)


def grey(series: Floats) -> NDArray[np.uint8]:
    """Magnitudes on one grey scale, 0 to the 99.5 percentile of the whole series."""
    top = float(np.percentile(series, PERCENTILE)) or 1.0
    return np.asarray(np.clip(255 * series / top, 0, 255), np.uint8)


def wait_ms(frame_s: float) -> int:
    """How long the film shows a frame: real time, within 2 to 25 frames a second."""
    return int(min(max(1000 * frame_s, LEAST_MS), MOST_MS))


def movie_gif(series: Floats, frame_s: float) -> bytes:
    """Film of a series (frame, y, x) that runs for ever, pixel for pixel: the page enlarges it."""
    pictures = [Image.fromarray(frame) for frame in grey(series)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=wait_ms(frame_s), loop=0)
    return buffer.getvalue()


def profile_line(series: Floats) -> int:
    """Column x whose pixels change most over time."""
    return int(series.std(0).sum(0).argmax())


def profile(series: Floats, column: int) -> Floats:
    """Pixels of one column at every time, (y, frame)."""
    return np.asarray(series[:, :, column].T)


def profile_png(series: Floats, column: int) -> bytes:
    """Picture of :func:`profile`, pixel for pixel."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(grey(series)[:, :, column].T)).save(buffer, "PNG")
    return buffer.getvalue()


def write_report(series: Floats, frame_s: float, facts: Mapping[str, object], path: Path) -> Path:
    """A page with the movie, the profile over time, and facts; everything is inside the file. Returns ``path``.

    Facts that are sequences become lines; those that are empty are left out.
    """
    column = profile_line(series)
    rows = "".join(
        f"<tr><th>{html.escape(k)}</th><td>{_cell(v)}</td></tr>" for k, v in facts.items() if v not in ((), "")
    )
    film, line = (base64.b64encode(data).decode() for data in (movie_gif(series, frame_s), profile_png(series, column)))
    n_frames, n_y, n_x = series.shape
    place = 100 * (column + 0.5) / n_x
    ticks = "".join(f"<span>{share * (n_frames - 1) * frame_s:.2g} s</span>" for share in (0, 0.5, 1) if n_frames > 1)
    path.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Dynamic reconstruction</title>"
        f"<meta name='viewport' content='width=device-width'><style>{STYLE}</style>"
        "<h1>Dynamic reconstruction</h1><p>Research use only; not a medical device.</p>"
        f"<table>{rows}</table><div class='pictures'><figure><div class='film' style='aspect-ratio:{n_x}/{n_y}'>"
        f"<img alt='movie of the frames' src='data:image/gif;base64,{film}'><i style='left:{place:.2f}%'></i></div>"
        f"<figcaption>Movie, {_speed(frame_s)}. The line: column {column}, which changes most.</figcaption></figure>"
        f"<figure><div class='line'><img alt='profile over time' src='data:image/png;base64,{line}'></div>"
        f"<div class='ticks'>{ticks}</div>"
        f"<figcaption>Column {column} over time: y downwards, time to the right.</figcaption></figure></div></html>\n",
        "utf-8",
    )
    return path


def _cell(value: object) -> str:
    lines = value if isinstance(value, tuple | list) else (value,)
    return "<br>".join(html.escape(str(line)) for line in lines)


def _speed(frame_s: float) -> str:
    """How the film's pace relates to that of the scan."""
    if frame_s <= 0:
        return "one frame"
    pace = 1000 * frame_s / wait_ms(frame_s)
    return "in real time" if abs(pace - 1) < 0.05 else f"at {pace:.2g} times real speed"
