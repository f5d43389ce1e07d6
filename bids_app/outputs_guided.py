"""Store the T2 map that guides refined, the guides, where they disagree, and what was chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, InputMultiObject

from bids_app.derivatives import Derivative, of_session, raw_uri, session_source, stamp
from bids_app.options import Options
from bids_app.outputs import SinkBase, SinkInputSpec
from bids_app.session import SessionInputs


class _SinkGuidedInputSpec(SinkInputSpec):
    t2map = File(exists=True, mandatory=True, desc="refined T2, s")
    s0map = File(exists=True, mandatory=True, desc="refined S0")
    mismatch = File(exists=True, mandatory=True, desc="where guides and maps disagree")
    guides = InputMultiObject(File(exists=True), mandatory=True, desc="guides on the grid of the refined maps")
    info_file = File(exists=True, mandatory=True, desc="what was chosen and why")
    stack_table = File(exists=True, desc="table of the stacks that the guide was made from")


class SinkGuided(SinkBase):
    """Refined maps, guides, mismatch, and the account."""

    input_spec = _SinkGuidedInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        account = json.loads(Path(i.info_file).read_text("utf-8"))
        found = guided_derivatives(session, options, account, [i.t2map, i.s0map, i.mismatch, *i.guides])
        found.append(of_session(session, i.info_file, "stats", desc="guided"))
        if isinstance(i.stack_table, str):
            found.append(of_session(session, i.stack_table, "stats", desc="guidestacks"))
        return found


def guided_derivatives(
    session: SessionInputs, options: Options, account: dict[str, Any], files: list[str]
) -> list[Derivative]:
    """``files``: T2, S0, mismatch, then the guides in the order of the account."""
    stem = session_source(session).lstrip("/").rpartition("_")[0]
    maps = [f"bids::{stem}_rec-{session.rec}_{suffix}.nii.gz" for suffix in ("T2map", "S0map")]
    stacks = session.guide.stacks if session.guide else ()
    rows = account["guides"]
    common = {
        "Sources": [*maps, *(raw_uri(stack, options) for stack in stacks)],
        "SkullStripped": True,
        "EstimationAlgorithm": "Maximum a posteriori maps given the T2 and S0 maps and weighted images as guides",
        "EchoTime": account["echo_times_s"],
        "Guides": [
            {
                "File": row["file"] if not stacks else "reconstruction of the stacks in Sources",
                "EchoTime": row["sequence"]["te_s"],
                "Use": row["use"],
                "Why": row["why"],
                "Gain": row["gain"],
            }
            for row in rows
        ],
    }
    kinds = [
        ("T2map", "guided", "s", "T2 refined by guides"),
        ("S0map", "guided", "arbitrary", "Signal at echo time zero refined by guides"),
        ("T2w", "mismatch", "arbitrary", "0 where guides and maps agree, towards 1 where not"),
    ]
    found = [
        of_session(
            session, file, suffix, desc=desc, meta=stamp({**common, "Description": text, "Units": unit}, options)
        )
        for file, (suffix, desc, unit, text) in zip(files, kinds, strict=False)
    ]
    for n, (file, row) in enumerate(zip(files[len(kinds) :], rows, strict=True), start=1):
        meta = {
            "Description": "Guide, registered to the T2 map and on the grid of the refined one",
            "Sources": [raw_uri(stack, options) for stack in stacks] or maps,
            "SkullStripped": bool(stacks),
            "Units": "arbitrary",
            "EchoTime": row["sequence"]["te_s"],
            "Registration": row["registration"],
        }
        desc = "guide" if len(rows) == 1 else f"guide{n}"
        found.append(of_session(session, file, "T2w", desc=desc, meta=stamp(meta, options)))
    return found
