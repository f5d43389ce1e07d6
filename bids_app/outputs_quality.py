"""Store what was found in headers, masks and pictures of the stacks, also when no stack is left."""

from __future__ import annotations

from pathlib import Path

from nipype.interfaces.base import File

from bids_app.derivatives import Derivative, of_session, raw_uri, stamp
from bids_app.options import Options
from bids_app.outputs import SinkBase, SinkInputSpec
from bids_app.session import SessionInputs


class _SinkQualityInputSpec(SinkInputSpec):
    quality_table = File(exists=True, mandatory=True, desc="measures and verdicts, one row per stack")
    audit_table = File(exists=True, mandatory=True, desc="findings in the headers")


class SinkQuality(SinkBase):
    """Table of the quality of stacks and table of the header audit, with what their columns are."""

    input_spec = _SinkQualityInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        from fetalt2prep.io.header_audit import DESCRIPTIONS as AUDIT
        from fetalt2prep.io.quality_files import DESCRIPTIONS as QUALITY

        sources = [raw_uri(stack, options) for stack in session.stacks]
        found = []
        for table, desc, columns in (
            (self.inputs.quality_table, "quality", QUALITY),
            (self.inputs.audit_table, "audit", AUDIT),
        ):
            meta = {
                name: {"Description": text} | ({"Units": unit} if unit else {})
                for name, (text, unit) in columns.items()
            }
            found.append(
                of_session(session, table, "stats", desc=desc, meta=stamp({**meta, "Sources": sources}, options))
            )
        return found
