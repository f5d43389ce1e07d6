"""Which mask belongs to which stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fetalt2prep.io.sidecar import InputError

# Entities of a mask that describe the mask itself, not the stack from which it was made.
OWN = frozenset({"description", "desc", "suffix", "extension", "datatype", "space", "resolution", "label"})


def match_mask(stack: str, entities: Mapping[str, str], masks: Sequence[tuple[Path, Mapping[str, str]]]) -> Path:
    """The mask that shares the most entities with a stack and contradicts none of them.

    A mask of another subject or session never fits; a mask without, say, ``echo`` fits all echoes. A mask is
    ``desc-brain``, or says the suffix of its stacks too: ``desc-brainMESE`` is for MESE stacks only.

    Parameters
    ----------
    stack
        Name of the stack, for messages.
    entities
        Entities of the stack.
    masks
        Path and entities of each mask.

    Raises
    ------
    InputError
        No mask fits, or two fit equally well.
    """
    fitting: list[tuple[int, Path]] = []
    own = f"brain{entities['suffix']}"
    for path, found in masks:
        desc = found.get("desc")
        shared = {key: value for key, value in found.items() if key not in OWN}
        same_session = shared.get("session") == entities.get("session")
        no_other = all(entities.get(key) == value for key, value in shared.items())
        if desc in ("brain", own) and same_session and no_other:
            fitting.append((len(shared) + (desc == own), path))
    if not fitting:
        raise InputError(
            f"{stack}: no mask in the masks data set has its entities. Add {stack.rpartition('_')[0]}_desc-brain_mask"
            ".nii.gz, or leave out --derivatives masks=... to have masks estimated."
        )
    most = max(n for n, _ in fitting)
    best = sorted(path for n, path in fitting if n == most)
    if len(best) > 1:
        raise InputError(
            f"{stack}: {len(best)} masks fit equally well ({best[0].name}, {best[1].name}). Keep one of them."
        )
    return best[0]
