"""Find the stacks of each session. The only file that knows pybids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bids.layout import BIDSLayout, BIDSLayoutIndexer

from bids_app.inheritance import inherited_metadata
from bids_app.masks import match_mask
from bids_app.session import SessionInputs, StackInput, StackProblem
from fetalt2prep.io.sidecar import InputError, echo_time_s, slice_direction, slice_times_s, thickness_mm
from fetalt2prep.io.volume import open_image

SUFFIXES = ("T2w", "MESE")
PARTS = (None, "mag")
PLANES = ("sagittal", "coronal", "axial")
Found = tuple[Path, Mapping[str, str]]


def list_labels(bids_dir: Path, prefix: str) -> list[str]:
    """Sorted labels of the ``prefix-`` folders in a folder: participants (sub) or sessions (ses)."""
    return sorted(path.name.removeprefix(f"{prefix}-") for path in bids_dir.glob(f"{prefix}-*") if path.is_dir())


def query_sessions(
    bids_dir: Path, participants: Sequence[str], sessions: Sequence[str] = (), masks_dir: Path | None = None
) -> dict[str, list[SessionInputs]]:
    """The sessions of each participant that hold T2-weighted stacks.

    Parameters
    ----------
    bids_dir
        Raw data set. Only the folders of ``participants`` are indexed.
    participants, sessions
        Labels; no ``sessions`` means all of them.
    masks_dir
        Derivatives data set with masks, inside or outside ``bids_dir``.

    Returns
    -------
    dict
        Participant -> sessions in the order of their labels; an empty list when there is no stack.
    """
    bids_dir = bids_dir.absolute()
    images = _find(bids_dir, participants, suffix=list(SUFFIXES))
    masks = _find(masks_dir.absolute(), participants, suffix="mask") if masks_dir is not None else None
    found: dict[str, list[SessionInputs]] = {}
    for subject in participants:
        own = [(p, e) for p, e in images if e["subject"] == subject and e.get("part") in PARTS]
        labels = sorted({e.get("session") for _, e in own}, key=str)
        labels = [label for label in labels if not sessions or label in sessions]
        brains = None
        if masks is not None:
            brains = [(p, e) for p, e in masks if e["subject"] == subject]
        found[subject] = [
            _read_session(subject, label, [(p, e) for p, e in own if e.get("session") == label], brains, bids_dir)
            for label in labels
        ]
    return found


def _find(root: Path, participants: Sequence[str], **filters: Any) -> list[Found]:
    """Images below the folders of ``participants`` and their entities as text, sorted by path."""
    others = re.compile(rf"^/(?!sub-(?:{'|'.join(map(re.escape, participants))})(?:[/_]|$)).+")
    hidden = re.compile(r"/\.")
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[others, hidden])
    layout = BIDSLayout(root, validate=False, indexer=indexer, config=["bids", "derivatives"])
    files = layout.get(extension=[".nii", ".nii.gz"], **filters)
    found = [(Path(f.path), {k: str(v) for k, v in f.get_entities(metadata=False).items()}) for f in files]
    return sorted((item for item in found if "subject" in item[1]), key=lambda item: item[0])


def _read_session(
    subject: str, session: str | None, images: Sequence[Found], masks: Sequence[Found] | None, root: Path
) -> SessionInputs:
    stacks: list[StackInput] = []
    problems: list[StackProblem] = []
    for image, entities in images:
        try:
            stack = _read_stack(image, entities, masks, root)
            if same := [other.image.name for other in stacks if other.name == stack.name]:
                raise InputError(f"{image.name}: is there a second time as {same[0]}. Keep one of the two files.")
            stacks.append(stack)
        except InputError as error:
            problems.append(StackProblem(image=image, message=str(error)))
    return SessionInputs(subject=subject, session=session, stacks=tuple(stacks), problems=tuple(problems))


def _read_stack(image: Path, entities: Mapping[str, str], masks: Sequence[Found] | None, root: Path) -> StackInput:
    """Sidecar and header of one stack; no pixel is read.

    The echo time is that of the sidecar, in seconds; the ``echo-`` entity is an index and is not used.
    """
    meta = inherited_metadata(image, root)
    te_s = echo_time_s(meta, image.name)
    _, shape, affine = open_image(image)
    if len(shape) < 3:
        raise InputError(f"{image.name}: has {len(shape)} axes; a stack of slices has three. Give the whole stack.")
    direction = slice_direction(meta, image.name)
    slice_axis = "ijk".index(direction[0])
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    thickness, note = thickness_mm(meta, float(spacing_mm[slice_axis]), image.name)
    times = slice_times_s(meta, shape[slice_axis], image.name)
    return StackInput(
        image=image,
        mask=None if masks is None else match_mask(image.name.partition(".")[0], entities, masks),
        te_s=te_s,
        thickness_mm=thickness,
        slice_times_s=None if times is None else tuple(float(t) for t in times),
        entities=entities,
        shape=shape,
        voxel_mm=tuple(float(v) for v in spacing_mm),
        orientation=PLANES[int(np.argmax(np.abs(affine[:3, slice_axis])))],
        field_t=_number_or_none(meta.get("MagneticFieldStrength")),
        slice_direction=direction,
        note=note,
    )


def _number_or_none(value: object) -> float | None:
    """A number that is only reported, never computed with; anything else counts as absent."""
    return float(value) if isinstance(value, int | float) else None
