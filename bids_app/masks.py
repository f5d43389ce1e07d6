"""Which mask belongs to which stack: of BIDS derivatives, and of the layouts in which other programs leave masks.

Recognised below the masks folder, the first that fits:

1. BIDS: ``desc-brain_mask`` whose entities are those of the stack or fewer (``desc-brainMESE`` for MESE stacks only);
2. the stack's own file name with ``mask`` or ``brain_mask`` before or after it (NiftyMIC, SVRTK, NeSVoR with a folder);
3. as 1 without ``desc-`` (fetpype, FetMRQC); an ``id-`` in any of them (pymialsrtk) is not looked at;
4. ``mask-0``, ``mask-1``, ... (NeSVoR) in a folder of the session, as many as the session has stacks, in their order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bids_app.entities import read_entities, stem
from fetalt2prep.io.sidecar import InputError

# Entities of a mask that describe the mask itself, not the stack from which it was made.
OWN = frozenset({"desc", "suffix", "extension", "datatype", "space", "resolution", "label"})
NUMBERED = re.compile(r"mask[-_]?(\d+)")
WORDS = re.compile(r"^(?:brain[-_])?mask[-_]|[-_](?:brain[-_])?mask$")
Masks = Sequence[tuple[Path, Mapping[str, str]]]
FindMask = Callable[[str, Mapping[str, str]], Path]


def list_masks(root: Path) -> list[tuple[Path, Mapping[str, str]]]:
    """All files below ``root`` that a name tells to be masks, with their entities, by path."""
    found = [path for path in root.rglob("*mask*") if path.name.endswith((".nii", ".nii.gz")) and path.is_file()]
    return [(path, read_entities(path, root)) for path in sorted(found)]


def mask_finder(masks: Masks, stacks: Sequence[Path], *, only_session: bool) -> FindMask:
    """A function that gives the mask of a stack of one session, by its name and entities; raises InputError.

    Parameters
    ----------
    masks
        All masks, see :func:`list_masks`.
    stacks
        Images of the session in their order.
    only_session
        The data set has no other session: numbered masks may then lie outside a folder of the session.
    """

    def find(name: str, entities: Mapping[str, str]) -> Path:
        same = [(path, e) for path, e in masks if "subject" not in e or _same_session(e, entities)]
        named = [path for path, _ in same if WORDS.sub("", stem(path)) == name and stem(path) != name]
        numbered = [
            path for path, e in same if NUMBERED.fullmatch(stem(path)) and (only_session or "subject" in e)
        ]  # fmt: skip
        for candidates in (
            _by_entities(entities, same, {"brain", f"brain{entities['suffix']}"}),
            named,
            _by_entities(entities, same, {None}),
        ):
            if candidates:
                return _the_only(name, candidates)
        if numbered and len(numbered) == len(stacks):
            by_number = sorted(numbered, key=lambda path: int(NUMBERED.fullmatch(stem(path))[1]))  # type: ignore[index]
            return by_number[[stem(path) for path in stacks].index(name)]
        raise NoMaskError(
            f"{name}: no mask in the masks data set has its entities. Add {name.rpartition('_')[0]}_desc-brain_mask"
            ".nii.gz, or have the missing masks estimated with --force missing-masks."
        )

    return find


class NoMaskError(InputError):
    """There is no mask for a stack."""


def _same_session(mask: Mapping[str, str], stack: Mapping[str, str]) -> bool:
    return all(mask.get(key) == stack.get(key) for key in ("subject", "session"))


def _by_entities(entities: Mapping[str, str], masks: Masks, descs: set[str | None]) -> list[Path]:
    """Masks with one of ``descs`` that share the most entities with a stack and contradict none of them."""
    fitting: list[tuple[int, Path]] = []
    for path, found in masks:
        shared = {key: value for key, value in found.items() if key not in OWN}
        no_other = all(entities.get(key) == value for key, value in shared.items())
        if found.get("suffix") == "mask" and found.get("desc") in descs and "subject" in found and no_other:
            # Of brain and brainMESE the second says more.
            fitting.append((10 * len(shared) + len(found.get("desc", "")), path))
    most = max((n for n, _ in fitting), default=0)
    return sorted(path for n, path in fitting if n == most)


def _the_only(name: str, candidates: Sequence[Path]) -> Path:
    if len(candidates) > 1:
        raise InputError(
            f"{name}: {len(candidates)} masks fit equally well ({candidates[0].name}, {candidates[1].name}). Keep one "
            "of them."
        )
    return candidates[0]
