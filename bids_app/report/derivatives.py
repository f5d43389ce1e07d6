"""Reading a participant's derivatives for the report: tables, sidecar facts, volumes in closest RAS order.

The only file of the report that opens images. Of a sidecar it takes the fields named in ``SIDECAR_FIELDS``
and no other: nothing that names a patient or a date can reach the page.
"""

from __future__ import annotations

import csv
import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_app.report.figures_motion import StackMotion

SIDECAR_FIELDS = ("EchoTime", "MagneticFieldStrength")
STACKS_TABLE = "desc-stacks_stats.tsv"
SLICES_TABLE = "desc-slices_stats.tsv"
RECON_FACTS = "desc-recon_stats.json"
OF_SESSION = re.compile(r"(.+)_rec-([0-9a-zA-Z]+)_(?:desc-\w+_stats|echo-\d+_desc-recon|(?:desc-\w+_)?T2map)[._]")
"""Names of what was made from all stacks of a session; a stack too may have ``rec-`` in its name."""
Table = dict[str, list[str]]
"""Columns of a TSV by name, as text."""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """An image in the order of the closest RAS axes."""

    values: NDArray[np.float32]
    """(x, y, z)."""
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    """(4, 4), index in ``values`` to world millimetres."""
    slice_axis: int
    """Where the file's third axis went."""
    flipped: bool = False
    """Whether the file's third axis counts against that axis."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """The derivatives of one session: where they lie and what their tables say."""

    subject: str
    label: str | None
    """Session label without ``ses-``; None for a dataset without sessions."""
    anat: Path
    prefix: str
    """Start of the names of the reconstruction's files, e.g. ``sub-01_ses-01``."""
    stacks: Table = field(default_factory=dict)
    slices: Table = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rec: str = "inr"
    """Label of the reconstruction, that of another program when its volumes were given."""

    @property
    def name(self) -> str:
        """Entities of participant and session: the start of the names of figures."""
        return f"sub-{self.subject}" + (f"_ses-{self.label}" if self.label else "")

    def path(self, ending: str) -> Path | None:
        """The reconstruction's file with this ending after ``_rec-<label>_``, or None when it was not written."""
        found = self.anat / f"{self.prefix}_rec-{self.rec}_{ending}"
        return found if found.is_file() else None

    def stack_image(self, stack: str) -> Path:
        """The image of a stack as it entered the reconstruction; there is none at the level ``minimal``."""
        entities, _, suffix = stack.partition(".")[0].rpartition("_")
        return self.anat / f"{entities}_desc-preproc_{suffix}.nii.gz"

    def stack_mask(self, stack: str) -> Path:
        """The brain mask of that image."""
        entities, _, suffix = stack.partition(".")[0].rpartition("_")
        return self.anat / f"{entities}_desc-brain{'' if suffix == 'T2w' else suffix}_mask.nii.gz"

    def echoes(self) -> list[tuple[float, Path]]:
        """Reconstructed echoes as (TE in ms, file), by ascending TE."""
        files = self.anat.glob(f"{self.prefix}_rec-{self.rec}_echo-*_desc-recon_T2w.nii.gz")
        return sorted((1000.0 * float(sidecar(f).get("EchoTime", np.nan)), f) for f in files)

    def field_t(self) -> float | None:
        """Field strength in tesla as the first sidecar that gives it says, or None."""
        for image in sorted(self.anat.glob("*.nii.gz")):
            value = sidecar(image).get("MagneticFieldStrength")
            if isinstance(value, int | float):
                return float(value)
        return None


def sidecar(image: Path) -> dict[str, Any]:
    """The fields of ``SIDECAR_FIELDS`` in the JSON file beside an image; empty when there is none."""
    path = image.with_name(image.name.removesuffix(".nii.gz") + ".json")
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {key: content[key] for key in SIDECAR_FIELDS if key in content}


def read_table(path: Path) -> Table:
    """Columns of a TSV as text; empty when the file is absent."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream, delimiter="\t")
    return {name: [row[c] if c < len(row) else "" for row in rows] for c, name in enumerate(header)}


def numbers(table: Table, column: str) -> NDArray[np.float64]:
    """A column as numbers (row,); NaN for whatever is no number, and for an absent column."""
    n_rows = len(next(iter(table.values()), []))

    def number(text: str) -> float:
        try:
            return float(text)
        except ValueError:
            return float("nan")

    return np.array([number(text) for text in table.get(column, ["n/a"] * n_rows)], dtype=np.float64)


def read_volume(path: Path) -> Volume:
    """Load an image and turn it to the closest RAS axes; nothing is interpolated."""
    image: Any = nib.load(path)
    turned: Any = nib.as_closest_canonical(image)
    values = np.asarray(turned.dataobj, dtype=np.float32)
    dx, dy, dz = (float(z) for z in turned.header.get_zooms()[:3])
    orientation = nib.orientations.io_orientation(image.affine)
    return Volume(
        values=values.reshape(values.shape[:3]),
        spacing_mm=(dx, dy, dz),
        affine=np.asarray(turned.affine, dtype=np.float64),
        slice_axis=int(orientation[2, 0]),
        flipped=bool(orientation[2, 1] < 0),
    )


def find_sessions(out_dir: Path, subject: str) -> list[Session]:
    """Sessions of a participant that hold anything this app writes, by label."""
    root = out_dir / f"sub-{subject}"
    places: list[tuple[str | None, Path]] = [(None, root / "anat")]
    places += [(p.parent.name.removeprefix("ses-"), p) for p in sorted(root.glob("ses-*/anat"))]
    found = (_session(subject, label, anat) for label, anat in places if anat.is_dir())
    return [session for session in found if session is not None]


def _session(subject: str, label: str | None, anat: Path) -> Session | None:
    files = sorted(anat.glob("*_rec-*"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    made = [found.groups() for p in files if (found := OF_SESSION.match(p.name))]
    if not made and not any(anat.glob("*_desc-preproc_*.nii.gz")):
        return None
    prefix, rec = made[-1] if made else (f"sub-{subject}" + (f"_ses-{label}" if label else ""), "inr")
    others = sorted({f"{name}_rec-{kind}" for name, kind in made} - {f"{prefix}_rec-{rec}"})
    notes = [f"The folder also holds an older reconstruction ({', '.join(others)}), not shown."] if others else []
    start = f"{prefix}_rec-{rec}_"
    facts_path = anat / (start + RECON_FACTS)
    return Session(
        subject=subject,
        label=label,
        anat=anat,
        prefix=prefix,
        stacks=read_table(anat / (start + STACKS_TABLE)),
        slices=read_table(anat / (start + SLICES_TABLE)),
        facts=json.loads(facts_path.read_text(encoding="utf-8")) if facts_path.is_file() else {},
        notes=tuple(notes),
        rec=rec,
    )


def short_label(stack: str) -> str:
    """A stack's name without participant, session and extension: ``acq-ax run-1 echo-1``.

    The suffix T2w is left out unless nothing else remains; any other is kept, ``run-1 echo-1 MESE``.
    """
    *entities, suffix = stack.partition(".")[0].split("_")
    kept = [entity for entity in entities if not entity.startswith(("sub-", "ses-"))]
    return " ".join(kept if kept and suffix == "T2w" else [*kept, suffix]) or stack


def stack_motions(session: Session) -> list[StackMotion]:
    """The slice table by stack, in the table's order of stacks."""
    table = session.slices
    names = np.array(table.get("stack", []), dtype=np.str_)
    status = np.array(table.get("status", []), dtype=np.str_)
    te_ms = np.round(1000.0 * numbers(table, "te_s"), 3)
    rotation = np.stack([numbers(table, f"rot_{a}_deg") for a in "xyz"], axis=-1)
    shift = np.stack([numbers(table, f"shift_{a}_mm") for a in "xyz"], axis=-1)
    motions = []
    for name in dict.fromkeys(names.tolist()):
        rows = names == name
        motions.append(
            StackMotion(
                name=name,
                label=f"{short_label(name)}, TE {te_ms[rows][0]:g} ms",
                te_ms=round(float(te_ms[rows][0]), 3),
                slice_idx=numbers(table, "slice")[rows].astype(np.int64),
                time_s=numbers(table, "time_s")[rows],
                rotation_deg=rotation[rows],
                shift_mm=shift[rows],
                weight=numbers(table, "weight")[rows],
                residual=numbers(table, "residual")[rows],
                status=status[rows],
            )
        )
    return motions


def read_options(out_dir: Path, subject: str, run_uuid: str) -> dict[str, Any]:
    """Options of the run from its TOML file in the participant's log or the dataset's; empty when none."""
    candidates = sorted((out_dir / f"sub-{subject}" / "log" / run_uuid).glob("*.toml"))
    candidates += sorted((out_dir / "logs").glob(f"*{run_uuid}*.toml"))
    return tomllib.loads(candidates[0].read_text(encoding="utf-8")) if candidates else {}


def read_stages(out_dir: Path, subject: str, run_uuid: str) -> Table:
    """Seconds and memory of each step of the run; empty when they were not written."""
    return read_table(out_dir / f"sub-{subject}" / "log" / run_uuid / "stages.tsv")
