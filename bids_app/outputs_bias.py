"""Store the fields of the receive coils that the stacks were divided by."""

from __future__ import annotations

import json
from pathlib import Path

from nipype.interfaces.base import File, InputMultiObject

from bids_app.derivatives import Derivative, of_session, raw_uri, stamp
from bids_app.options import Options
from bids_app.outputs import SinkBase, SinkInputSpec, read_stack_table, used_stacks
from bids_app.session import SessionInputs
from fetalt2prep.core.bias.options import BIASES


class _SinkBiasInputSpec(SinkInputSpec):
    stack_table = File(exists=True, mandatory=True, desc="table of stacks")
    bias_fields = InputMultiObject(File(exists=True), mandatory=True, desc="field of each position of stacks")
    bias_info = File(exists=True, mandatory=True, desc="which stacks share which field")


class SinkBias(SinkBase):
    """One field for each position, named after its first stack and on its grid, and the account of the step."""

    input_spec = _SinkBiasInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        names = used_stacks(read_stack_table(i.stack_table))
        by_name = {stack.name: stack for stack in session.stacks}
        info = json.loads(Path(i.bias_info).read_text())
        found = []
        for position, file in zip(info["positions"], i.bias_fields, strict=True):
            position["stacks"] = [names[index] for index in position.pop("indices")]
            stacks = [by_name[name] for name in position["stacks"]]
            first = stacks[0]
            meta = {
                "Description": "Field of the receive coils that the stacks were divided by, mean 1 inside their masks",
                "Sources": [raw_uri(stack, options) for stack in stacks],
                "SkullStripped": False,
                "Units": "arbitrary",
                "EstimationAlgorithm": BIASES[options.bias],
            }
            found.append(
                Derivative(
                    in_file=file,
                    source=str(first.image.with_name(f"{first.name}.nii.gz")),
                    entities={"desc": "bias", "suffix": first.entities["suffix"]},
                    meta=stamp(meta, options),
                )
            )
        account = cwd / "bias.json"
        account.write_text(json.dumps(info, indent=2) + "\n")
        return [*found, of_session(session, str(account), "stats", desc="bias")]
