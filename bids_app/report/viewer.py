"""A page to click through the T2 map, beside the report, which runs no script itself. The only file with nilearn."""

from __future__ import annotations

import re
from pathlib import Path

from bids_app.report.figures_t2 import T2_COLOURS

# Nothing may be loaded: nilearn's page asks a server for an icon.
POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;'
    " script-src 'unsafe-inline'; style-src 'unsafe-inline'\">"
)


def write_viewer(t2map: Path, echo: Path, high_ms: float, path: Path) -> None:
    """Write a page with three planes of a T2 map (s) over an echo, from 0 to ``high_ms``; a click moves the planes.

    It holds all it needs and is drawn in radiological convention, like the figures. Voxels without T2 show the echo.
    """
    from nilearn.image import math_img  # a second and more: only when a page is written
    from nilearn.plotting import view_img

    t2_ms = math_img("np.nan_to_num(1000.0 * t2, posinf=0.0, neginf=0.0)", t2=str(t2map))
    view = view_img(
        t2_ms,
        bg_img=str(echo),
        title="T2 (ms)",
        threshold=1e-3,
        cmap=T2_COLOURS,
        symmetric_cmap=False,
        vmin=0.0,
        vmax=high_ms,
        resampling_interpolation="nearest",
        black_bg=True,
        radiological=True,
    )
    page = re.sub(r'<link rel="icon".*?/>', POLICY, view.get_standalone(), count=1, flags=re.DOTALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
