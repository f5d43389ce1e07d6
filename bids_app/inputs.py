"""What there is to compute from: the participants asked for, and their sessions."""

from __future__ import annotations

from bids_app.checks import choose_labels
from bids_app.filters import read_filters
from bids_app.options import OptionError, Options
from bids_app.session import SessionInputs

Inputs = dict[str, list[SessionInputs]]


def choose_participants(options: Options) -> list[str]:
    """Labels of the participants to process; refuses labels, also of sessions, that are not there.

    Of participants that were not asked for by name, those with a session that was asked for.

    Raises
    ------
    OptionError
        An unknown label, or a data set without participants.
    """
    from bids_app.query import list_labels

    root = options.reconstructions or options.bids_dir
    participants = choose_labels(options.participants, list_labels(root, "sub"), "participant label", "sub")
    if not participants:
        raise OptionError(f"{root} holds no sub-* folder; is it the root of the data set?")
    sessions = {participant: list_labels(root / f"sub-{participant}", "ses") for participant in participants}
    choose_labels(options.sessions, sorted({s for own in sessions.values() for s in own}), "session label", "ses")
    if options.sessions and not options.participants:
        return [participant for participant, own in sessions.items() if set(own) & set(options.sessions)]
    return participants


def nothing_found(subject: str, options: Options) -> str:
    """What is said of a participant without any image to compute from."""
    what = "reconstructed T2w volume" if options.reconstructions else "stack with suffix T2w or MESE"
    chosen = " that --bids-filter-file lets through" if options.filter_file else ""
    of_session = f" of session {' or '.join(options.sessions)}" if options.sessions else ""
    return f"sub-{subject}: no {what}{of_session}{chosen} was found in {options.reconstructions or options.bids_dir}."


def find_inputs(options: Options, participants: list[str]) -> Inputs:
    """Sessions of each participant: their stacks, or the reconstructed volumes that were given."""
    from bids_app.given_recon import query_reconstructions
    from bids_app.guides import with_guides
    from bids_app.query import query_sessions

    filters = read_filters(options.filter_file)
    if options.reconstructions:
        found = query_reconstructions(options.reconstructions, participants, options.sessions, filters)
        return with_guides(found, options)
    found = query_sessions(
        options.bids_dir, participants, options.sessions, options.masks, filters=filters,
        database_dir=options.database_dir, ignore=options.ignore, force=options.force,
    )  # fmt: skip
    return with_guides(found, options)
