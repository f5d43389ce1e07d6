"""A simulated session on disk: raw BIDS, brain masks and truth as two derivative datasets."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fetalt2prep import __version__
from fetalt2prep.core.stack import Stack
from fetalt2prep.sim.bids_files import sidecar, write_json, write_nifti
from fetalt2prep.sim.case import Case
from fetalt2prep.sim.options import CaseOptions
from fetalt2prep.sim.truth_writer import write_truth

BIDS_VERSION = "1.10.0"
SESSION = "01"
AUTHORS = ["The fetalt2prep developers"]
README = (
    "Simulated multi-echo-time brain MRI (fetalt2 simulate): rigid motion, signal voids, coil sensitivity and\n"
    "Rician noise. Nobody was scanned. Brain masks are in derivatives/masks; the truth (T2, S0, echoes without\n"
    "motion, labels, and the transform, gain and void of every slice) is in derivatives/truth. Options, seed\n"
    "and draws of each session: *_desc-truth_case.json there.\n"
)
PARTICIPANT_COLUMNS = {"gestational_age": {"Description": "gestational age at the scan", "Units": "week"}}


def write_case(case: Case, out_dir: Path, subject: str = "sim01") -> None:
    """Add one subject to a dataset: raw data, ``derivatives/masks`` and ``derivatives/truth``.

    The dataset's own files are written when missing. Raises when the label is no BIDS label or is taken.
    """
    if not re.fullmatch(r"[0-9a-zA-Z]+", subject):
        raise ValueError(f"subject label is {subject!r}; BIDS wants letters and digits only.")
    raw, masks, truth = out_dir, out_dir / "derivatives" / "masks", out_dir / "derivatives" / "truth"
    anat = raw / f"sub-{subject}" / f"ses-{SESSION}" / "anat"
    if anat.exists():
        raise FileExistsError(f"{anat}: subject {subject!r} is already there; choose another label or folder.")
    _write_dataset_files(out_dir)
    prefix = f"sub-{subject}_ses-{SESSION}"
    _write_raw(case, anat, prefix)
    _write_masks(case, masks / anat.relative_to(raw), prefix, f"bids:raw:{anat.relative_to(raw).as_posix()}")
    write_truth(case, truth / anat.relative_to(raw), prefix)
    _append_participant(raw, subject, case.options)  # last: a broken write leaves no row


def _write_dataset_files(out_dir: Path) -> None:
    made_by = [{"Name": "fetalt2prep.sim", "Version": __version__, "Description": "simulated, nobody was scanned"}]
    common = {"BIDSVersion": BIDS_VERSION, "License": "CC0", "GeneratedBy": made_by}
    datasets: tuple[tuple[Path, dict[str, object]], ...] = (
        (out_dir, {"Name": "simulated multi-TE brain MRI", "DatasetType": "raw", "Authors": AUTHORS}),
        (
            out_dir / "derivatives" / "masks",
            {"Name": "brain masks of the stacks", "DatasetType": "derivative"},
        ),
        (out_dir / "derivatives" / "truth", {"Name": "truth of the simulation", "DatasetType": "derivative"}),
    )
    for folder, head in datasets:
        path = folder / "dataset_description.json"
        if not path.exists():
            links: dict[str, object] = {} if folder == out_dir else {"DatasetLinks": {"raw": "../.."}}
            write_json(path, head | common | links)
            (folder / "README").write_text(README, "utf-8")
    (out_dir / "derivatives" / "truth" / ".bidsignore").write_text("*_slices.*\n*_case.json\n", "utf-8")
    write_json(out_dir / "participants.json", PARTICIPANT_COLUMNS)


def _append_participant(raw: Path, subject: str, options: CaseOptions) -> None:
    table = raw / "participants.tsv"
    if not table.exists():
        table.write_text("participant_id\tgestational_age\n", "utf-8")
    with table.open("a", encoding="utf-8") as file:
        age = f"{options.gestational_age_weeks:g}" if options.life == "fetal" else "n/a"
        file.write(f"sub-{subject}\t{age}\n")


def _write_raw(case: Case, anat: Path, prefix: str) -> None:
    for stack in case.stacks:
        path = anat / f"{prefix}_{stack.name}_T2w.nii.gz"
        pixels = np.clip(np.rint(stack.pixels), 0, np.iinfo(np.int16).max)
        write_nifti(path, pixels.astype(np.int16), stack.affine)
        write_json(sidecar(path), _acquisition(stack, case))


def _acquisition(stack: Stack, case: Case) -> dict[str, object]:
    times = [] if stack.slice_times_s is None else [round(float(t), 6) for t in stack.slice_times_s]
    return {
        "EchoTime": stack.te_s,
        "RepetitionTime": case.options.repetition_time_s,
        "SliceThickness": stack.thickness_mm,
        "SpacingBetweenSlices": case.options.spacing_mm,
        "SliceTiming": times,
        "MagneticFieldStrength": case.options.field_t,
        "MRAcquisitionType": "2D",
        "Manufacturer": "Simulated",
    } | _sequence(stack, case)


def _sequence(stack: Stack, case: Case) -> dict[str, object]:
    train = case.options.echo_train
    if train is None:
        return {"PulseSequenceType": "Spin echo"}
    plans = case.record["echoes"]
    assert isinstance(plans, list)
    (plan,) = (plan for plan in plans if plan["te_s"] == stack.te_s)
    return {
        "PulseSequenceType": "Single-shot fast spin echo",
        "EchoTrainLength": plan["n_echoes"],
        "PartialFourier": train.partial_fourier,
        "ParallelReductionFactorInPlane": train.acceleration,
    }


def _write_masks(case: Case, anat: Path, prefix: str, raw_uri: str) -> None:
    for stack in case.stacks:
        path = anat / f"{prefix}_{stack.name}_desc-brain_mask.nii.gz"
        write_nifti(path, stack.mask.astype(np.uint8), stack.affine)
        source = f"{raw_uri}/{prefix}_{stack.name}_T2w.nii.gz"
        write_json(sidecar(path), {"Type": "Brain", "Sources": [source]})
