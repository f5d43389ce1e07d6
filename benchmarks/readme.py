"""``python -m benchmarks.readme``: put the kept results of ``cases.py`` into the README."""

from __future__ import annotations

import json
import re

from benchmarks.cases import HERE, row

INTRODUCTION = """\
Two simulated fetuses (24 and 29 weeks, 0.55 T, echo times 300/397/600 ms, 1.48 x 1.48 x 4.5 mm, recorded head
motion, signal voids, SNR 25): mean absolute T2 error over all voxels of white matter and cortical grey matter, edges
included; SSIM of each echo; user + system time and peak memory of the whole command on two cores."""
CASES_HEAD = """\
| case | stacks | T2 MAE WM / GM (ms) | SSIM per TE | CPU (s) | wall (s) | peak (MB) |
|---|---|---|---|---|---|---|"""


def tables() -> str:
    """The table in Markdown."""
    cases = json.loads((HERE / "results" / "cases.json").read_text())
    lines = [INTRODUCTION, "", CASES_HEAD, *(row(case) for case in cases)]
    return "\n".join(lines)


def main() -> None:
    """Rewrite the block between the two markers."""
    readme = HERE.parent / "README.md"
    block = f"<!-- results:begin -->\n{tables()}\n<!-- results:end -->"
    text = re.sub(r"<!-- results:begin -->.*<!-- results:end -->", lambda _: block, readme.read_text(), flags=re.DOTALL)
    readme.write_text(text)


if __name__ == "__main__":
    main()
