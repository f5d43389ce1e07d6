"""Guides of a session for ``--guide``: files that were given, or stacks of a clinical scan at one echo time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_app.entities import read_entities
from bids_app.options import OptionError, Options
from bids_app.session import GivenEcho, SessionGuide, SessionInputs, StackInput
from fetalt2prep.io.sidecar import InputError, echo_time_s, read_sidecar

LEAST_PLANES = 2
Inputs = dict[str, list[SessionInputs]]


def with_guides(found: Inputs, options: Options) -> Inputs:
    """The sessions with their guides, as ``options.guide`` asks; unchanged for ``none`` or without a T2 map.

    Raises
    ------
    OptionError
        A guide's file that is not there, says no echo time, or belongs to no session or to several.
    """
    if options.guide == ("none",) or options.steps != "all":
        return found
    if options.guide == ("auto",):
        return {subject: [split_clinical(session) for session in own] for subject, own in found.items()}
    images = given_guides([Path(text) for text in options.guide], [s for own in found.values() for s in own])
    return {
        subject: [
            replace(session, guide=SessionGuide(images=tuple(images[session.label])))
            if session.label in images
            else replace(session, guide_note="--guide names no file of this session: its T2 map is not refined.")
            for session in own
        ]
        for subject, own in found.items()
    }


def given_guides(files: Sequence[Path], sessions: Sequence[SessionInputs]) -> Mapping[str, list[GivenEcho]]:
    """Guides by label of the session that their names say; a name without ``sub-`` is of the only session.

    Raises
    ------
    OptionError
        See :func:`with_guides`.
    """
    found: dict[str, list[GivenEcho]] = defaultdict(list)
    for path in files:
        if not path.is_file():
            raise OptionError(f"--guide {path}: there is no such file.")
        entities = read_entities(Path(path.name), Path())
        own = [s for s in sessions if entities.get("subject") in (None, s.subject)]
        own = [s for s in own if entities.get("session") in (None, s.session)]
        if len(own) != 1:
            labels = ", ".join(session.label for session in (own or sessions))
            raise OptionError(
                f"--guide {path}: it is not clear of which session it is ({labels}); begin its name with sub-<label>"
                "[_ses-<label>]_, or choose one session with --participant-label and --session-label."
            )
        try:
            te_s = echo_time_s(read_sidecar(path), path.name)
        except InputError as error:
            raise OptionError(f"--guide: {error}") from error
        found[own[0].label].append(GivenEcho(image=path, te_s=te_s))
    return found


def split_clinical(session: SessionInputs) -> SessionInputs:
    """Take the stacks of a clinical scan out of the joint reconstruction: they guide its T2 map instead.

    A clinical scan is a set of stacks in two planes or more that share one echo time at which nothing of the mapping
    protocol was acquired. The protocol is what was acquired at two echo times or more under one ``acq-`` label. The
    largest such set is taken; its intensity scale is not that of the protocol, which is why it has no place in the fit.
    """
    if not session.stacks:
        return replace(session, guide_note="--guide auto looks among stacks, and there are none: name a file.")
    sets = clinical_sets(session.stacks)
    planes = {te_s: {stack.orientation for stack in stacks} for te_s, stacks in sets.items()}
    usable = {te_s: stacks for te_s, stacks in sets.items() if len(planes[te_s]) >= LEAST_PLANES}
    if not usable:
        why = "no stacks have an echo time of their own beside those of the mapping protocol"
        if sets:
            times = ", ".join(f"{1000 * te_s:g}" for te_s in sorted(sets))
            why = f"the stacks at {times} ms lie in one plane, and a guide has to be fine in all directions"
        return replace(session, guide_note=f"--guide auto found no guide: {why}.")
    te_s = max(usable, key=lambda te: (len(usable[te]), -te))
    chosen = usable[te_s]
    rest = tuple(stack for stack in session.stacks if stack not in chosen)
    note = (
        f"The {len(chosen)} stacks at {1000 * te_s:g} ms are a scan of their own: reconstructed by themselves, they "
        "guide the T2 map and take no part in its fit."
    )
    return replace(session, stacks=rest, guide=SessionGuide(stacks=tuple(chosen), te_s=te_s), guide_note=note)


def clinical_sets(stacks: Sequence[StackInput]) -> dict[float, list[StackInput]]:
    """Stacks by echo time, of those times that no label of the protocol has; empty without such a protocol."""
    times: dict[str | None, set[float]] = defaultdict(set)
    for stack in stacks:
        times[stack.entities.get("acquisition")].add(round(stack.te_s, 6))
    protocol = set().union(*(own for own in times.values() if len(own) > 1))
    if len(protocol) < 2:
        return {}
    found: dict[float, list[StackInput]] = defaultdict(list)
    for stack in stacks:
        if round(stack.te_s, 6) not in protocol:
            found[round(stack.te_s, 6)].append(stack)
    return dict(found)
