"""What masks without a person cost: T2 error of the whole app with given masks and with its own, three stacks per TE.

``python -m benchmarks.own_masks [--names ga24 ga29]``. The truth is read by the scorer alone. Rows that are in the
results already are not run again, unless the weights have changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from benchmarks.cases import CASES, HERE, run_case

PLANES = ("ax", "cor", "sag")
KINDS = ("given", "own")
RESULTS = HERE / "results" / "own_masks.json"


def weights_hash() -> str:
    """SHA-256 of the network in the package, its first 12 digits."""
    return hashlib.sha256(files("fetalt2prep.weights").joinpath("brain_mask.safetensors").read_bytes()).hexdigest()[:12]


def table(rows: Sequence[dict[str, object]]) -> list[str]:
    """One line per case: T2 error with given masks, with own ones, and the change."""
    lines = [
        "| case | T2 MAE WM / GM (ms), given masks | own masks | change WM / GM (%) |",
        "|---|---|---|---|",
    ]
    for case in dict.fromkeys(row["case"] for row in rows):
        given, own = (next((r for r in rows if r["case"] == case and r["masks"] == m), None) for m in KINDS)
        if given is None or own is None:
            continue
        (wm, gm), (own_wm, own_gm) = (
            [scores[tissue]["mae"] for tissue in ("WM", "GM")]
            for scores in (given["scores"], own["scores"])  # type: ignore[misc]
        )
        change = f"{100 * (own_wm / wm - 1):+.0f} / {100 * (own_gm / gm - 1):+.0f}"
        lines.append(f"| {case} | {wm:.1f} / {gm:.1f} | {own_wm:.1f} / {own_gm:.1f} | {change} |")
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each row, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=CASES)
    parser.add_argument("--names", nargs="+", default=["ga24", "ga29"])
    parser.add_argument("--masks", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    rows = [row for row in rows if row["masks"] == "given" or row["weights"] == weights_hash()]
    for name in args.names:
        for masks in args.masks:
            if any((row["case"], row["masks"]) == (name, masks) for row in rows):
                continue
            found = run_case(args.cases / name, PLANES, ("--skip-bids-validation",), own_masks=masks == "own")
            rows.append({"masks": masks, "weights": weights_hash() if masks == "own" else None, **found})
            args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
