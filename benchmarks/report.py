"""``python -m benchmarks.report DERIVATIVES``: time and memory of a participant's report, and its look in a browser.

Writes the reports of a derivatives folder again, in processes of their own: CPU seconds (user + system), wall
seconds, peak memory, and the size of the page, with and without pictures inside. With Chromium, Node.js and one
``npm install`` in ``tests/browser`` it opens the page with the network blocked; ``--shots DIR`` keeps screenshots
and the PDF.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
CHECK = HERE.parent / "tests" / "browser" / "check.mjs"
ONCE = """
import sys
from pathlib import Path
from bids_app.report.build import build_report
out_dir, subject, run_uuid, kind = sys.argv[1:]
build_report(Path(out_dir), subject, run_uuid=run_uuid, single_file=kind == "single", viewer=kind != "plain")
"""


def build(out_dir: Path, subject: str, kind: str) -> dict[str, object]:
    """One report in a process of its own; kind: single, beside (pictures beside the page) or plain (no viewer)."""
    runs = sorted((out_dir / f"sub-{subject}" / "log").glob("*"))
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", ONCE, str(out_dir), subject, runs[-1].name if runs else "none", kind]
    )
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"the report of sub-{subject} failed")
    page = out_dir / f"sub-{subject}.html"
    figures = sum(path.stat().st_size for path in (out_dir / f"sub-{subject}" / "figures").glob("*"))
    return {
        "kind": kind,
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "wall_s": round(time.perf_counter() - began, 2),
        "peak_mb": used.ru_maxrss // 1024,
        "page_mb": round(page.stat().st_size / 1e6, 2),
        "figures_mb": round(figures / 1e6, 2),
    }


def look(page: Path, shots: Path | None) -> dict[str, object] | None:
    """What a browser says of the page; None where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or shutil.which("node") is None or not (CHECK.parent / "node_modules").is_dir():
        return None
    command = ["node", str(CHECK), chromium, str(page), str(shots or page.parent / "shots")] + (
        ["shots"] if shots else []
    )
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return dict(found)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("derivatives", type=Path)
    parser.add_argument("--shots", type=Path)
    args = parser.parse_args(argv)
    subject = next(args.derivatives.glob("sub-*.html")).stem.removeprefix("sub-")
    stacks = next((args.derivatives / f"sub-{subject}").rglob("*_desc-stacks_stats.tsv"))
    n_stacks = len(stacks.read_text("utf-8").splitlines()) - 1
    builds = [build(args.derivatives, subject, kind) for kind in ("plain", "beside", "single")]
    browser = look(args.derivatives / f"sub-{subject}.html", args.shots)
    results = {"n_stacks": n_stacks, "builds": builds, "browser": browser}
    (HERE / "results" / "report.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
