"""What the labels of a segmentation are: published sets by name, or a BIDS table beside the image.

``feta``: the seven tissues of the FeTA challenge; ``bounti``: the 19 regions of BOUNTI, and its later corpus callosum;
``dhcp``: the nine tissues of Draw-EM, the pipeline of the developing Human Connectome Project.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.tables import read_tsv

TABLE = Path(__file__).with_name("label_sets.tsv")
FLUID_WORDS = ("csf", "ventric", "fluid", "cavum", "cistern")
OTHER_WORDS = ("background", "skull", "unknown", "air", "outside", "dura", "uterus", "maternal")


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """Names of labels, and which of them are brain tissue."""

    source: str
    """Name of the set, or of the table."""
    names: dict[int, str]
    tissue: frozenset[int]


def known_sets() -> tuple[str, ...]:
    """Names of the published sets."""
    return tuple(dict.fromkeys(read_tsv(TABLE)["set"]))


def label_set(name: str) -> LabelSet:
    """A published set.

    Raises
    ------
    InputError
        The name is not known.
    """
    table = read_tsv(TABLE)
    rows = [row for row in zip(*(table[c] for c in ("set", "index", "name", "kind")), strict=True) if row[0] == name]
    if not rows:
        raise InputError(f"label set {name!r} is not known; there are {', '.join(known_sets())}, or give a TSV.")
    return LabelSet(
        source=name,
        names={int(index): region for _, index, region, _ in rows},
        tissue=frozenset(int(index) for _, index, _, kind in rows if kind == "tissue"),
    )


def read_label_table(path: Path) -> LabelSet:
    """A table with the columns ``index`` and ``name``, as BIDS has it; label 0 is background.

    What the names say is fluid or no brain is not tissue.

    Raises
    ------
    InputError
        A column is missing, or an index is no whole number.
    """
    table = read_tsv(path)
    if not {"index", "name"} <= set(table):
        raise InputError(f"{path.name}: has the columns {', '.join(table)}; index and name are needed.")
    try:
        names = {int(index): name for index, name in zip(table["index"], table["name"], strict=True) if int(index)}
    except ValueError as error:
        raise InputError(f"{path.name}: an index is no whole number ({error}). Correct the table.") from error
    words = (*FLUID_WORDS, *OTHER_WORDS)
    tissue = frozenset(index for index, name in names.items() if not any(w in name.lower() for w in words))
    return LabelSet(source=path.name, names=names, tissue=tissue)


def labels_of(image: Path, labels: str | Path | None = None) -> LabelSet:
    """Labels of a segmentation: as given (name of a set, or a table), else the table beside it, else the set that its
    name holds (``seg-bounti``, ``desc-feta``, ...).

    Raises
    ------
    InputError
        Nothing says what the labels are.
    """
    if labels is not None:
        return label_set(str(labels)) if str(labels) in known_sets() else read_label_table(Path(labels))
    beside = image.with_name(image.name.partition(".")[0] + ".tsv")
    if beside.is_file():
        return read_label_table(beside)
    named = [name for name in known_sets() if name in image.name.lower()]
    if len(named) == 1:
        return label_set(named[0])
    raise InputError(
        f"{image.name}: nothing says what its labels are. Put {beside.name} with the columns index and name beside it, "
        f"or name the set in the file name: seg-{', seg-'.join(known_sets())}."
    )
