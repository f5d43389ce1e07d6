"""The user's choice of stacks against the stacks that there are."""

from __future__ import annotations

from bids_app.options import Options
from bids_app.session import SessionInputs
from fetalt2prep.io.selection import read_selection


def unknown_choices(session: SessionInputs, options: Options) -> list[str]:
    """Names in the table of ``--select`` that begin like this session's and are none of its stacks."""
    if options.selection is None:
        return []
    stacks = (*session.stacks, *(session.guide.stacks if session.guide else ()))
    known = {stack.name for stack in stacks} | {problem.name for problem in session.problems}
    return [
        name for name in read_selection(options.selection) if name.startswith(f"{session.label}_") and name not in known
    ]
