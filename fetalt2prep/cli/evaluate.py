"""``fetalt2 evaluate TRUTH RECON_DIR``: errors of T2, echoes and slice poses."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

DESCRIPTION = (
    "Score a reconstruction against the truth of a simulation. One rigid transform is estimated from the first echo "
    "and applied to every volume. Prints a table, and writes PREFIX.json, PREFIX.tsv (one number per row) and, when "
    "truth and reconstruction have tables of slices, PREFIX_slices.tsv. Files of these names are replaced."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="truth of one session, or a folder above only one")
    parser.add_argument(
        "recon",
        type=Path,
        metavar="RECON_DIR",
        help="the app's derivatives of one subject, or a folder with echoes.nii.gz and T2map.nii.gz (s)",
    )
    parser.add_argument(
        "--effective",
        action="store_true",
        help="compare T2 with the log-linear fit of the true echoes, not with the T2 of the tissue",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="PREFIX", default=Path("evaluation"), help="files to write")


def run(arguments: argparse.Namespace) -> int:
    """Score, print, write."""
    from fetalt2prep.sim.bids_files import write_tsv
    from fetalt2prep.sim.score import score_folder
    from fetalt2prep.sim.score.table import score_rows, score_text

    prefix: Path = arguments.out
    if prefix.is_dir():
        raise ValueError(f"{prefix}: is a folder; --out is how the files' names begin, e.g. {prefix / 'evaluation'}.")
    if not prefix.parent.is_dir():
        raise ValueError(f"{prefix.parent}: there is no such folder; make it, or write elsewhere with --out.")
    scores = score_folder(arguments.truth, arguments.recon, effective=arguments.effective)
    slices = scores.pop("slice_table", None)
    sys.stdout.write(score_text(scores))
    asked = {"truth": str(arguments.truth), "reconstruction": str(arguments.recon), "effective": arguments.effective}
    written = [prefix.with_name(f"{prefix.name}.json"), prefix.with_name(f"{prefix.name}.tsv")]
    written[0].write_text(json.dumps(asked | scores, indent=2) + "\n", "utf-8")
    rows = score_rows(scores)
    write_tsv(written[1], {name: [row[name] for row in rows] for name in rows[0]})
    if isinstance(slices, dict):
        written.append(prefix.with_name(f"{prefix.name}_slices.tsv"))
        write_tsv(written[2], slices)
    sys.stdout.write(f"\nWritten: {', '.join(str(path) for path in written)}\n")
    return 0
