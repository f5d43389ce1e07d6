"""Recorded fetal motion at full size: what the search for lost slices and the factor of the coils give.

Two anatomies of an atlas, moved as real fetuses moved, by our own simulator; voids in 15 % of the slices, a coil field
of 15 %. Atlas and trajectories lie beside the checkout (``shared/data``); without them nothing can be run. The truth is
read for scoring. Lattice of 1.2 mm, without the app's denoising and N4.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from benchmarks.ablation import not_sought
from benchmarks.cases import CASES, HERE
from benchmarks.fresh import run
from benchmarks.stacks import PLANES
from fetalt2prep.core.recon import joint
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.sim import CaseOptions, simulate_case, write_case

DATA = CASES.parent / "data"
TISSUES = ("empty", "white_matter", "ventricles", "cerebellum", "extra_axial_csf", "cortical_grey", "deep_grey")
LUT = (*TISSUES, "brainstem", "white_matter")  # the atlas's labels in order; the last is the corpus callosum
SESSIONS = {  # anatomy, field strength, echo times, pixel and slice, seed
    "24 weeks, 0.55 T": ("GA24_notoperated", 24.0, 0.55, (0.300, 0.397, 0.600), 1.48, 4.5, 1.0, 15),
    "29 weeks, 0.55 T": ("GA29_operated", 29.0, 0.55, (0.300, 0.397, 0.600), 1.48, 4.5, 1.0, 11),
    "24 weeks, 1.5 T": ("GA24_notoperated", 24.0, 1.5, (0.220, 0.500, 0.690), 1.1, 3.3, 0.6, 12),
}
WAYS = {"neither": (False, "off"), "lost slices looked for": (True, "off"), "and the factor of the coils": (True, "on")}
RESULTS = HERE / "results" / "severe.json"


def options_of(session: str, lut: Path) -> CaseOptions:
    """What is simulated."""
    atlas, weeks, field_t, te_s, pixel_mm, thickness_mm, scale, _ = SESSIONS[session]
    return CaseOptions(
        gestational_age_weeks=weeks,
        age_dependent_tissue=True,
        labels_file=str(DATA / "fetal-sb-atlas" / atlas / "parcellation.nii.gz"),
        labels_lut=str(lut),
        field_t=field_t,
        te_s=te_s,
        in_plane_mm=pixel_mm,
        thickness_mm=thickness_mm,
        spacing_mm=thickness_mm,
        motion_file=str(DATA / "fetal-motion" / "svort_traj.npz"),
        motion_scale=scale,
        void_probability=0.15,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, run, print a line a run, keep the numbers after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", nargs="+", choices=list(SESSIONS), default=list(SESSIONS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    rows = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        lut = Path(scratch) / "lut.tsv"
        lut.write_text("index\ttissue\n" + "".join(f"{i}\t{name}\n" for i, name in enumerate(LUT)), "utf-8")
        for session in args.sessions:
            case = Path(scratch) / session.replace(" ", "-")
            write_case(simulate_case(options_of(session, lut), seed=SESSIONS[session][-1]), case)
            for way, (sought, coil) in WAYS.items():
                with nullcontext() if sought else patch.object(joint, "search_lost", not_sought):
                    options = ReconOptions(resolution_mm=1.2, coil_field=coil)
                    row = {"session": session, "way": way} | run(case, PLANES[0], options, known=False)
                print(json.dumps(row), flush=True)
                rows.append(row)
                args.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
