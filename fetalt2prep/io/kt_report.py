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
SIDE = 384  # pixels of the movie's longer side


def grey(series: Floats) -> NDArray[np.uint8]:
    """Magnitudes on one grey scale, 0 to the 99.5 percentile of the whole series."""
    top = float(np.percentile(series, PERCENTILE)) or 1.0
    return np.asarray(np.clip(255 * series / top, 0, 255), np.uint8)


def movie_gif(series: Floats, frame_s: float) -> bytes:
    """Film of a series (frame, y, x) that runs for ever, in real time within 2 to 25 frames a second."""
    times = max(1, SIDE // max(series.shape[1:]))
    pictures = [
        Image.fromarray(frame).resize((frame.shape[1] * times, frame.shape[0] * times)) for frame in grey(series)
    ]
    wait = int(min(max(1000 * frame_s, LEAST_MS), MOST_MS))
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:], duration=wait, loop=0)
    return buffer.getvalue()


def profile_line(series: Floats) -> int:
    """Column x whose pixels change most over time."""
    return int(series.std(0).sum(0).argmax())


def profile(series: Floats, column: int) -> Floats:
    """Pixels of one column at every time, (y, frame)."""
    return np.asarray(series[:, :, column].T)


def profile_png(series: Floats, column: int) -> bytes:
    """Picture of :func:`profile`."""
    values = grey(series)[:, :, column].T
    high, wide = max(1, SIDE // values.shape[0]), max(1, 2 * SIDE // values.shape[1])
    buffer = io.BytesIO()
    Image.fromarray(values).resize((values.shape[1] * wide, values.shape[0] * high), Image.Resampling.NEAREST).save(
        buffer, "PNG"
    )
    return buffer.getvalue()


def write_report(series: Floats, frame_s: float, facts: Mapping[str, object], path: Path) -> Path:
    """A page with the movie, the profile over time, and facts; everything is inside the file. Returns ``path``."""
    column = profile_line(series)
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in facts.items())
    film, line = (base64.b64encode(data).decode() for data in (movie_gif(series, frame_s), profile_png(series, column)))
    path.write_text(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Dynamic reconstruction</title>"
        "<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}th{text-align:left;padding-right:2em;"
        "vertical-align:top}img{image-rendering:pixelated;max-width:100%}</style>"
        "<h1>Dynamic reconstruction</h1><p>Research use only; not a medical device.</p>"
        f"<table>{rows}</table><h2>Movie</h2><img alt='movie of the frames' src='data:image/gif;base64,{film}'>"
        f"<h2>Column {column} over time</h2><p>Down: y. To the right: time. The column that changes most.</p>"
        f"<img alt='profile over time' src='data:image/png;base64,{line}'></html>\n",
        "utf-8",
    )
    return path
