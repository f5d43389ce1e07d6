"""Store the field of the receive coils that the stacks were divided by."""

from __future__ import annotations

import json
from pathlib import Path

from nipype.interfaces.base import File

from bids_app.derivatives import Derivative, of_session, raw_uri, stamp
from bids_app.options import Options
from bids_app.outputs import SinkBase, SinkInputSpec, read_stack_table, used_stacks
from bids_app.session import SessionInputs
from fetalt2prep.core.bias.options import BIASES


class _SinkBiasInputSpec(SinkInputSpec):
    stack_table = File(exists=True, mandatory=True, desc="table of stacks")
    bias_field = File(exists=True, mandatory=True, desc="field of the receive coils")
    bias_info = File(exists=True, mandatory=True, desc="method, and percentiles of the field")


class SinkBias(SinkBase):
    """The field, and in its sidecar the stacks that it comes from and that were divided by it."""

    input_spec = _SinkBiasInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        names = set(used_stacks(read_stack_table(i.stack_table)))
        meta = {
            "Description": "Field of the receive coils that the stacks were divided by, mean 1 inside their masks",
            "Sources": [raw_uri(stack, options) for stack in session.stacks if stack.name in names],
            "SkullStripped": False,
            "Units": "arbitrary",
            "EstimationAlgorithm": BIASES[options.bias],
            "PercentilesInMasks": json.loads(Path(i.bias_info).read_text())["percentiles"],
        }
        return [of_session(session, i.bias_field, "T2w", desc="bias", meta=stamp(meta, options))]
