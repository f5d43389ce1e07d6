"""The truth of a case on disk: maps, labels with their names, and the draws of every slice, as BIDS derivatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fetalt2prep.sim.bids_files import sidecar, write_json, write_nifti, write_tsv
from fetalt2prep.sim.case import Case
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.truth import Truth

HEAD = {"SkullStripped": False, "Description": "simulated head at rest, without motion, noise or coil"}
COLOURS = {
    Label.EMPTY: ("BG", "#000000"),
    Label.WHITE_MATTER: ("WM", "#f2f2f2"),
    Label.VENTRICLES: ("VENT", "#4a7ebb"),
    Label.CEREBELLUM: ("CB", "#c98b4a"),
    Label.EXTRA_AXIAL_CSF: ("CSF", "#7fb2e5"),
    Label.CORTICAL_GREY: ("GM", "#8c8c8c"),
    Label.DEEP_GREY: ("DGM", "#5e8c61"),
    Label.BRAINSTEM: ("BS", "#b05f6d"),
}  # abbreviation and colour of labels; others take theirs from their names
OTHER_COLOUR = "#d9c9a3"
SLICE_COLUMNS = {
    "stack": {"Description": "name of the raw image, without its ending"},
    "slice": {"Description": "index of the slice in the image, from 0"},
    "time_s": {"Description": "acquisition time from the start of the stack", "Units": "s"},
    "te_s": {"Description": "echo time", "Units": "s"},
    "rot_*_deg": {"Description": "head motion: rotation vector, scanner axes, about the head's middle", "Units": "deg"},
    "shift_*_mm": {"Description": "head motion: shift after the rotation, scanner axes", "Units": "mm"},
    "m*": {
        "Description": "3x4 matrix, row by row: world point as the stack's affine has it -> where that tissue lies in "
        "the truth; last column in mm"
    },
    "gain": {"Description": "factor on the slice's signal"},
    "void_amplitude": {"Description": "share of the signal lost in the middle of the void; 0: no void"},
    "void_*": {"Description": "centre from the middle of the slice, turn and widths of the void", "Units": "mm, deg"},
    "n_brain_pixels": {"Description": "pixels of which more than half is brain"},
}


def write_truth(case: Case, anat: Path, prefix: str) -> None:
    """Write into one session's ``anat`` folder of ``derivatives/truth``, file names beginning with ``prefix``."""
    truth = case.truth
    _write_maps(truth, anat, prefix)
    _write_labels(truth, anat, prefix)
    table = anat / f"{prefix}_desc-truth_slices.tsv"
    full_name = [f"{prefix}_{name}_T2w" for name in case.slices["stack"]]
    write_tsv(table, case.slices | {"stack": np.asarray(full_name)})
    write_json(sidecar(table), SLICE_COLUMNS)
    write_json(anat / f"{prefix}_desc-truth_case.json", case.record)


def _write_maps(truth: Truth, anat: Path, prefix: str) -> None:
    for echo, (te_s, volume) in enumerate(zip(truth.te_s, truth.echoes, strict=True), 1):
        path = anat / f"{prefix}_echo-{echo}_desc-truth_T2w.nii.gz"
        write_nifti(path, volume, truth.affine)
        write_json(sidecar(path), HEAD | {"EchoTime": float(te_s)})
    maps = {"S0map": truth.m0} | ({} if truth.t2_s is None else {"T2map": truth.t2_s})
    units = {"S0map": "arbitrary", "T2map": "s"}
    for suffix, volume in maps.items():
        path = anat / f"{prefix}_desc-truth_{suffix}.nii.gz"
        write_nifti(path, volume, truth.affine)
        write_json(sidecar(path), HEAD | {"Units": units[suffix]})


def _write_labels(truth: Truth, anat: Path, prefix: str) -> None:
    labels = anat / f"{prefix}_desc-truth_dseg.nii.gz"
    write_nifti(labels, truth.labels, truth.affine)
    write_json(sidecar(labels), HEAD | {"Manual": False})
    looks = [COLOURS.get(label, (label.name[:4], OTHER_COLOUR)) for label in Label]
    lut: dict[str, list[object]] = {
        "index": [int(label) for label in Label],
        "name": [label.name.lower() for label in Label],
        "abbreviation": [short for short, _ in looks],
        "color": [colour for _, colour in looks],
    }
    write_tsv(anat / f"{prefix}_desc-truth_dseg.tsv", lut)
    mask = anat / f"{prefix}_desc-brain_mask.nii.gz"
    write_nifti(mask, truth.mask.astype(np.uint8), truth.affine)
    write_json(sidecar(mask), {"Type": "Brain"})
