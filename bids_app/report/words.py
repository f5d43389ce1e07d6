"""What the report says: numbers of a session, and sentences made of them. Plain text; the page escapes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_app.methods.text import milliseconds
from bids_app.report.derivatives import Session, Table, numbers, short_label

T2Values = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many stacks and slices a session had, and how many of them were used."""

    n_stacks: int
    n_used_stacks: int
    te_ms: tuple[float, ...]
    """Distinct echo times of the stacks in use, ascending."""
    n_slices: int
    """Slices that hold brain."""
    n_used_slices: int
    rotation_deg: float
    """Median size of the slices' rotations; NaN without any."""
    shift_mm: float
    """Median length of the slices' displacements; NaN without any."""


def count(stacks: Table, slices: Table) -> Counts:
    """Counts from the table of stacks and the table of slices."""
    used = np.array(stacks.get("status", []), dtype=np.str_) == "used"
    status = np.array(slices.get("status", []), dtype=np.str_)
    kept = status == "used"
    rotation = np.linalg.norm([numbers(slices, f"rot_{a}_deg") for a in "xyz"], axis=0)
    shift = np.linalg.norm([numbers(slices, f"shift_{a}_mm") for a in "xyz"], axis=0)
    return Counts(
        n_stacks=len(used),
        n_used_stacks=int(used.sum()),
        te_ms=tuple(sorted({round(float(te), 3) for te in 1000.0 * numbers(stacks, "te_s")[used]})),
        n_slices=int((status != "empty").sum()),
        n_used_slices=int(kept.sum()),
        rotation_deg=float(np.median(rotation[kept])) if kept.any() else float("nan"),
        shift_mm=float(np.median(shift[kept])) if kept.any() else float("nan"),
    )


def plural(n: int, word: str) -> str:
    """``1 stack``, ``2 stacks``."""
    return f"{n} {word}" if n == 1 else f"{n} {word}s"


def share(part: int, whole: int) -> str:
    """``(87 %)``, or nothing when there is no whole."""
    return f" ({100.0 * part / whole:.0f} %)" if whole else ""


def quartiles(t2_ms: T2Values) -> tuple[float, float, float] | None:
    """25th, 50th and 75th percentile of the finite values (voxel,); None without any."""
    values = t2_ms[np.isfinite(t2_ms)]
    if not len(values):
        return None
    q25, q50, q75 = np.percentile(values, [25, 50, 75])
    return float(q25), float(q50), float(q75)


def what_was_not_asked(facts: dict[str, Any], options: dict[str, Any]) -> str:
    """The sentence that stands where a later step would be when the run was to leave it out; else empty."""
    if facts.get("given"):
        return "The reconstructed volumes were given; they lie where they came from."
    steps = options.get("steps", "all")
    return {"masks": "Only brain masks were asked for.", "recon": "T2 was not asked for."}.get(steps, "")


def summary(counts: Counts, t2_ms: T2Values | None, *, reconstructed: bool, not_asked: str = "") -> list[str]:
    """Sentences on what happened; ``t2_ms`` (voxel,) holds the brain, NaN where the fit gave no answer.

    ``not_asked`` takes the place of the sentence that says why something is missing.
    """
    te = f"{plural(len(counts.te_ms), 'echo time')} ({milliseconds(counts.te_ms)})"
    said = [f"{counts.n_used_stacks} of {plural(counts.n_stacks, 'stack')} were used, at {te}."] if counts.te_ms else []
    if counts.n_slices:
        kept = share(counts.n_used_slices, counts.n_slices)
        said.append(
            f"{counts.n_used_slices} of {counts.n_slices} slices that show brain entered the reconstruction{kept}."
        )
        if np.isfinite(counts.rotation_deg):
            said.append(
                f"From where their headers put them they were rotated by {counts.rotation_deg:.1f}° and"
                f" displaced by {counts.shift_mm:.1f} mm (median over slices)."
            )
    if not_asked:
        said.append(not_asked)
    elif not reconstructed:
        said.append("No volume was reconstructed.")
    elif t2_ms is None:
        said.append(why_no_t2(counts, reconstructed=True))
    found = quartiles(t2_ms) if t2_ms is not None else None
    if found:
        said.append(
            f"T2 in the brain mask, fluid included, has the median {found[1]:.0f} ms; the middle half of the"
            f" voxels lies between {found[0]:.0f} and {found[2]:.0f} ms."
        )
    return said


def why_no_t2(counts: Counts, *, reconstructed: bool) -> str:
    """The sentence that stands where the T2 map would be."""
    if not reconstructed:
        return "There is no T2 map because nothing was reconstructed; see Errors."
    if len(counts.te_ms) == 1:
        return (
            f"There is no T2 map: every stack in use has the echo time {counts.te_ms[0]:g} ms, and the decay"
            " can only be measured from two different echo times or more. The reconstruction is complete."
        )
    return "There is no T2 map: the T2 step wrote none; see Errors."


def warnings(
    session: Session, counts: Counts, t2_ms: T2Values | None, high_ms: float, stderr_ms: T2Values | None = None, *,
    told: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """What a reader has to know before believing the result; ``t2_ms`` and its error hold the brain (voxel,).

    ``told``: messages that stand above; a stack that one of them explains is not explained again.
    """
    said = list(session.notes)
    reasons = session.stacks.get("notes", [""] * counts.n_stacks)
    status = session.stacks.get("status", [])
    for name, reason, state in zip(session.stacks.get("stack", []), reasons, status, strict=False):
        if state == "set-aside":
            why = own_words(name, reason).rstrip(".") or "no reason given"
            if any(name.partition(".")[0] in message and why in message for message in told):
                continue
            said.append(f"{short_label(name)} was set aside: {why}.")
    sources = session.stacks.get("mask_source", [])
    for source, drawn_by in (("network", "a network"), ("classical", "a classical method")):
        if not (guessed := sources.count(source)):
            continue
        said.append(
            f"{plural(guessed, 'stack')} came without a brain mask; {drawn_by} drew it. "
            "Look at their outlines under Inputs before using the result."
        )
    if counts.n_slices and counts.n_used_slices < 0.75 * counts.n_slices:
        said.append("More than a quarter of the slices was set aside: expect less detail and holes in coverage.")
    if t2_ms is not None and len(t2_ms):
        missing = float(np.mean(~np.isfinite(t2_ms)))
        if missing > 0.01:
            said.append(f"{100 * missing:.1f} % of the brain voxels have no T2 (gray in the map).")
        above = float(np.nanmean(t2_ms > high_ms)) if missing < 1 else 0.0
        if above > 0.05:
            said.append(f"{100 * above:.0f} % of the brain voxels lie above {high_ms:g} ms, the end of the colour bar.")
    if t2_ms is not None and stderr_ms is not None:
        known = np.isfinite(t2_ms) & np.isfinite(stderr_ms)
        exceeding = float(np.mean(stderr_ms[known] > t2_ms[known])) if known.any() else 0.0
        if exceeding > 0.5:
            said.append(
                f"The standard error of T2 exceeds T2 itself in {100 * exceeding:.0f} % of the brain voxels: it takes"
                " every voxel by itself, without what its neighbours tell. Read it as a pattern, not in milliseconds."
            )
    notes = session.facts.get("notes", [])
    noted = [str(note) for note in (notes if isinstance(notes, list) else [notes])]
    if len(counts.te_ms) == 2 and not any(note.startswith("Two echo times") for note in noted):
        said.append("Two echo times: the decay curve passes through both, so the residual cannot show a misfit.")
    said += noted
    return list(dict.fromkeys(said))


def why_slices_were_set_aside(slices: Table) -> list[str]:
    """One sentence with the reasons and how often each was given; empty when no slice was set aside."""
    status, reasons = slices.get("status", []), slices.get("reason", [])
    given = Counter(r or "no reason given" for s, r in zip(status, reasons, strict=False) if s == "set-aside")
    if not given:
        return []
    told = "; ".join(f"{reason} ({n})" for reason, n in given.most_common())
    return [f"{plural(given.total(), 'slice')} set aside: {told}."]


def why_stacks_were_set_aside(session: Session) -> list[str]:
    """One sentence for each stack that was not used."""
    columns = [session.stacks.get(name, []) for name in ("stack", "status", "notes")]
    return [
        f"{short_label(stack)}: {own_words(stack, notes).rstrip('.') or 'no reason given'}."
        for stack, status, notes in zip(*columns, strict=False)
        if status == "set-aside"
    ]


def listed(content: Any) -> tuple[str, ...]:
    """Facts that are a list, one alone, or none, as texts; a table of facts becomes ``name value, name value``."""
    entries = content if isinstance(content, list) else [] if content is None or content == {} else [content]
    return tuple(
        ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in flatten(entry).items())
        if isinstance(entry, dict)
        else str(entry)
        for entry in entries
    )


def own_words(stack: str, notes: str) -> str:
    """Notes on a stack without ``n/a`` and without its own file name in front."""
    said = "" if notes == "n/a" else notes
    start, _, rest = said.partition(": ")
    return rest if start.partition(".")[0] == stack.partition(".")[0] else said


def flatten(content: dict[str, Any], above: str = "") -> dict[str, str]:
    """Nested facts as one level, ``options.model``; lists of more than six become first, last and count."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        name = f"{above}.{key}" if above else str(key)
        if isinstance(value, dict):
            flat |= flatten(value, name)
        elif isinstance(value, list) and len(value) > 6:
            flat[name] = f"{_text(value[0])} … {_text(value[-1])} ({len(value)} values)"
        elif isinstance(value, list):
            flat[name] = ", ".join(_text(v) for v in value)
        else:
            flat[name] = _text(value)
    return flat


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
