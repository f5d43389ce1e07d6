"""Four layouts of data sets: every file that a run writes is on a kept list, and the validator takes all of them.

A list that has to change is written anew by running this file: ``python -m tests.bids_app.test_layouts``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bids_app.main import run
from bids_app.validation import find_validator
from tests.bids_app.conftest import COARSE, WriteStack, make_dataset, turn

LISTS = Path(__file__).parent / "layouts"
RUN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{12}")
TES_S = (0.08, 0.16, 0.24)


def sessions(write: WriteStack) -> list[str]:
    """Two participants, unequal sessions: three echo times in two planes, two echo times, one."""
    for plane in ("ax", "cor"):
        for n, te_s in enumerate(TES_S, start=1):
            write(f"sub-01_ses-a_acq-{plane}_run-1_echo-{n}_T2w", te_s, mask=True)
    for n, te_s in enumerate(TES_S[:2], start=1):
        write(f"sub-01_ses-b_acq-ax_echo-{n}_T2w", te_s, mask=True)
    write("sub-02_ses-a_acq-ax_T2w", TES_S[0], mask=True)
    return []


def mese(write: WriteStack) -> list[str]:
    """No sessions; MESE and T2w with the same entities, magnitude and phase, a reconstruction of the scanner."""
    for n, te_s in enumerate(TES_S, start=1):
        write(f"sub-01_run-1_echo-{n}_part-mag_MESE", te_s)
        write(f"sub-01_run-1_echo-{n}_part-phase_MESE", te_s)
    write("sub-01_run-1_echo-1_T2w", TES_S[0])
    write("sub-01_rec-norm_run-2_T2w", TES_S[1])
    masks = write("sub-01_T2w", TES_S[2], mask=True).parents[2] / "derivatives" / "masks" / "sub-01" / "anat"
    for name in ("sub-01_desc-brain_mask", "sub-01_desc-brainMESE_mask"):
        (masks / f"{name}.nii.gz").write_bytes((masks / "sub-01_desc-brain_mask.nii.gz").read_bytes())
    return []


def one_file(write: WriteStack) -> list[str]:
    """All echo times in one file with four axes, few outputs."""
    write(
        "sub-01_acq-haste_T2w",
        meta={"EchoTime": list(TES_S), "SliceThickness": 4.0},
        change=lambda pixels: np.stack([pixels * np.exp(-te_s / 0.15) + 1 for te_s in TES_S], axis=-1),
        mask=True,
    )
    return ["--level", "minimal", "--bias", "n4", "--write-graph", "--md-only-boilerplate"]


def clinical(write: WriteStack) -> list[str]:
    """A scan at an echo time of its own, in two planes and of another gain, guides the map of the others."""
    for n, te_s in enumerate(TES_S, start=1):
        write(f"sub-01_acq-haste_echo-{n}_T2w", te_s, mask=True)
    write("sub-01_acq-clinax_T2w", 0.12, mask=True, change=lambda pixels: 3.0 * pixels)
    image = write("sub-01_acq-clincor_T2w", 0.12, mask=True, change=lambda pixels: 3.0 * pixels)
    masks = image.parents[2] / "derivatives" / "masks" / "sub-01" / "anat"
    for path in (image, masks / "sub-01_acq-clincor_desc-brain_mask.nii.gz"):
        turn(path, (0, 2, 1))
    return ["--guide", "auto", "--level", "minimal", "--md-only-boilerplate", "--no-viewer"]


LAYOUTS: tuple[Callable[[WriteStack], list[str]], ...] = (sessions, mese, one_file, clinical)


def processed(layout: Callable[[WriteStack], list[str]], folder: Path) -> tuple[int, Path]:
    """Exit code and output folder of a run on a layout."""
    extra = layout(make_dataset(folder / "raw"))
    masks = f"masks={folder / 'raw' / 'derivatives' / 'masks'}"
    command = [str(folder / "raw"), str(folder / "out"), "participant", "-d", masks, "-w", str(folder / "work")]
    return run([*command, *COARSE, *extra]), folder / "out"


def listed(out: Path) -> list[str]:
    """Files below a folder, the identifier of the run replaced; SVG of a graph only comes with Graphviz."""
    found = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return sorted({RUN.sub("RUN", name) for name in found if not name.endswith("_graph.svg")})


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: str(layout.__name__))
def test_every_file_is_on_the_list_and_valid(layout: Callable[[WriteStack], list[str]], tmp_path: Path) -> None:
    code, out = processed(layout, tmp_path)
    assert code == 0
    assert listed(out) == (LISTS / f"{layout.__name__}.txt").read_text().splitlines()
    command = [str(find_validator()), "--format", "json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


if __name__ == "__main__":
    for each in LAYOUTS:
        with tempfile.TemporaryDirectory() as name:
            exit_code, out_dir = processed(each, Path(name))
            if exit_code:
                sys.exit(exit_code)
            (LISTS / f"{each.__name__}.txt").write_text("\n".join(listed(out_dir)) + "\n")
