"""Find the stacks of each session. The only file that knows pybids."""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids.layout import BIDSLayout, BIDSLayoutIndexer

from bids_app.checks import check_writable
from bids_app.entities import read_entities, stem
from bids_app.filters import Filters, passes
from bids_app.masks import Masks, list_masks, mask_finder
from bids_app.session import SessionInputs, StackInput, StackProblem
from bids_app.stacks import read_stacks
from fetalt2prep.io.sidecar import InputError

LOG = logging.getLogger("fetalt2prep")
SUFFIXES = ("T2w", "MESE")
PARTS = (None, "mag")
DATABASE = "layout_index.sqlite"
Found = tuple[Path, Mapping[str, str]]


def list_labels(bids_dir: Path, prefix: str) -> list[str]:
    """Sorted labels of the ``prefix-`` folders in a folder: participants (sub) or sessions (ses)."""
    return sorted(path.name.removeprefix(f"{prefix}-") for path in bids_dir.glob(f"{prefix}-*") if path.is_dir())


def query_sessions(
    bids_dir: Path, participants: Sequence[str], sessions: Sequence[str] = (), masks_dir: Path | None = None, *,
    filters: Filters | None = None, database_dir: Path | None = None, ignore: Collection[str] = (),
    force: Collection[str] = (),
) -> dict[str, list[SessionInputs]]:  # fmt: skip
    """The sessions of each participant that hold T2-weighted stacks.

    Parameters
    ----------
    bids_dir
        Raw data set. Only the folders of ``participants`` are indexed, unless there is a ``database_dir``.
    participants, sessions
        Labels; no ``sessions`` means all of them.
    masks_dir
        Folder with masks, inside or outside ``bids_dir``.
    filters
        Entities that images and masks must have, see :func:`bids_app.filters.read_filters`.
    database_dir
        Folder of an index of the whole data set, made here when it is not there or older than the data set's folders.
    ignore, force
        See :class:`bids_app.options.Options`.

    Returns
    -------
    dict
        Participant -> sessions in the order of their labels; an empty list when there is no stack.
    """
    bids_dir, filters = bids_dir.absolute(), filters or {}
    images = [
        (path, entities)
        for path, entities in _find(bids_dir, participants, database_dir)
        if entities["suffix"] in SUFFIXES and passes(entities, {"part": list(PARTS), **_wanted(entities, filters)})
    ]
    masks: Masks | None = None
    if masks_dir is not None:
        masks = [(p, e) for p, e in list_masks(masks_dir.absolute()) if passes(e, filters.get("mask", {}))]
    found: dict[str, list[SessionInputs]] = {}
    for subject in participants:
        own = [(path, entities) for path, entities in images if entities["subject"] == subject]
        all_labels = sorted({entities.get("session") for _, entities in own}, key=str)
        found[subject] = []
        for label in [label for label in all_labels if not sessions or label in sessions]:
            here = [(path, entities) for path, entities in own if entities.get("session") == label]
            alone = len(all_labels) == 1 and len(participants) == 1
            finder = None if masks is None else mask_finder(masks, [p for p, _ in here], only_session=alone)
            how: dict[str, Any] = {"find_mask": finder, "ignore": ignore, "force": force}
            found[subject].append(_read_session(subject, label, here, bids_dir, how))
    return found


def _wanted(entities: Mapping[str, str], filters: Filters) -> Mapping[str, Any]:
    return filters.get(entities["suffix"].lower(), {})


def _find(root: Path, participants: Sequence[str], database_dir: Path | None) -> list[Found]:
    """Images of ``participants`` and their entities as text, sorted by path."""
    if database_dir is None:
        others = re.compile(rf"^/(?!sub-(?:{'|'.join(map(re.escape, participants))})(?:[/_]|$)).+")
        layout = _index(root, [others])
    else:
        layout = _stored_index(root, database_dir)
    names = layout.get(
        extension=[".nii", ".nii.gz"], suffix=list(SUFFIXES), subject=list(participants), return_type="filename"
    )  # fmt: skip
    found: list[Found] = []
    for path in sorted(map(Path, names)):  # pybids' own entities of a file cost a query of its database each
        whole = {"datatype": path.parent.name, "extension": path.name[len(stem(path)) :]}
        found.append((path, whole | read_entities(path, root)))
    return found


def _index(root: Path, ignore: Sequence[re.Pattern[str]], database: Path | None = None) -> BIDSLayout:
    """Pybids' index of names below ``root``, in memory or in a folder; sidecars are read where they are needed."""
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[*ignore, re.compile(r"/\.")])
    return BIDSLayout(root, validate=False, indexer=indexer, config=["bids", "derivatives"], database_path=database)


def _stored_index(root: Path, folder: Path) -> BIDSLayout:
    """The index in ``folder``, made anew when it is older than a folder of the data set or of another data set.

    It is put in its place whole: runs that begin at the same time each make one, and none reads a part.
    """
    place = folder / DATABASE
    if place.is_file() and place.stat().st_mtime >= _newest_folder_s(root):
        try:
            layout = BIDSLayout(database_path=folder)
            if Path(layout.root) == root:
                return layout
        except Exception as error:  # whatever SQLAlchemy makes of a file that is no index, or another version's
            LOG.info("%s cannot be used (%s); it is made anew.", place, " ".join(str(error).split())[:200])
    check_writable(folder, "The folder of the index (--bids-database-dir)")
    part = folder / f".{uuid.uuid4().hex}"
    try:
        rest = re.compile(r"^/(?!sub-).+")
        layout = _index(root, [rest], part)
        (part / DATABASE).replace(place)
        return BIDSLayout(database_path=folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _newest_folder_s(root: Path) -> float:
    """When a file was last added to, or removed from, the folders of the participants, s since the epoch."""
    folders = [root, *(p for depth in ("sub-*", "sub-*/*", "sub-*/*/*") for p in root.glob(depth) if p.is_dir())]
    return max(path.stat().st_mtime for path in folders)


def _read_session(
    subject: str, session: str | None, images: Sequence[Found], root: Path, how: Mapping[str, Any]
) -> SessionInputs:
    stacks: list[StackInput] = []
    problems: list[StackProblem] = []
    for image, entities in images:
        try:
            for stack in read_stacks(image, entities, root, **how):
                if same := [other.image.name for other in stacks if other.name == stack.name]:
                    raise InputError(f"{image.name}: is there a second time as {same[0]}. Keep one of the two files.")
                stacks.append(stack)
        except InputError as error:
            problems.append(StackProblem(image=image, message=str(error)))
    return SessionInputs(subject=subject, session=session, stacks=tuple(stacks), problems=tuple(problems))
