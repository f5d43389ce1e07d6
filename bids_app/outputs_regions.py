"""Store what is measured on the T2 map: share of fluid, regions, bias budget."""

from __future__ import annotations

import json
from pathlib import Path

from nipype.interfaces.base import File

from bids_app.derivatives import Derivative, of_session, session_source, stamp
from bids_app.options import Options
from bids_app.outputs import SinkBase, SinkInputSpec
from bids_app.session import SessionInputs


class _SinkRegionsInputSpec(SinkInputSpec):
    csf_probability = File(exists=True, mandatory=True, desc="probability of 5 % fluid or more")
    region_table = File(exists=True, mandatory=True, desc="T2 of regions")
    region_info = File(exists=True, mandatory=True, desc="what its columns are")
    budget_file = File(exists=True, mandatory=True, desc="bias budget")


class SinkRegions(SinkBase):
    """Map of fluid, table of regions with its description, and the bias budget."""

    input_spec = _SinkRegionsInputSpec

    def _derivatives(self, session: SessionInputs, options: Options, cwd: Path) -> list[Derivative]:
        i = self.inputs
        stem = session_source(session).lstrip("/").rpartition("_")[0]
        sources = [f"bids::{stem}_rec-{session.rec}_T2map.nii.gz"]
        described = json.loads(Path(i.region_info).read_text())
        fluid = {
            "Description": "Probability that 5 % or more of a voxel of tissue is fluid; NaN where it is not told",
            "Sources": sources,
            **({"FluidAssumptions": described["Fluid"]} if described.get("Fluid") else {}),
        }
        table = {**described, "Sources": sources}
        return [
            of_session(session, i.csf_probability, "probseg", label="CSF", meta=stamp(fluid, options)),
            of_session(session, i.region_table, "stats", desc="regions", meta=stamp(table, options)),
            of_session(session, i.budget_file, "stats", desc="budget"),
        ]
