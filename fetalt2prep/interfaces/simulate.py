"""A simulated session as the first step of a workflow: stacks, masks, their metadata and the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    Directory,
    File,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _SimulateInputSpec(BaseInterfaceInputSpec):
    preset = traits.Str("demo", usedefault=True, desc="name of a preset, or a .toml file")
    changes = traits.Dict(traits.Str, traits.Any, desc="options of CaseOptions that differ from the preset's")
    seed = traits.Int(1, usedefault=True, desc="the same seed and options give the same session")
    subject = traits.Str("sim01", usedefault=True, desc="BIDS label of the subject")


class _SimulateOutputSpec(TraitedSpec):
    bids_dir = Directory(exists=True, desc="raw dataset, masks and truth in its derivatives")
    stacks = OutputMultiObject(File(exists=True), desc="stacks in the order of acquisition")
    masks = OutputMultiObject(File(exists=True), desc="their brain masks, same order")
    echo_times_s = traits.List(traits.Float, desc="their echo times, s")
    thicknesses_mm = traits.List(traits.Float, desc="their slice thicknesses, mm")
    slice_times_s = traits.List(traits.List(traits.Float), desc="acquisition time of every slice, s")
    truth_dir = Directory(exists=True, desc="truth of the session: what fetalt2 evaluate takes")
    truth_t2map = File(exists=True, desc="true T2, s; not there with one echo time")


class Simulate(SimpleInterface):
    """Simulate a session into the node's folder; ports fit those of ``init_fetal_t2_wf``."""

    input_spec = _SimulateInputSpec
    output_spec = _SimulateOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.sim.bids_writer import SESSION, write_case
        from fetalt2prep.sim.case import simulate_case
        from fetalt2prep.sim.preset import read_preset

        i, bids_dir = self.inputs, Path(runtime.cwd) / "bids"
        changes = dict(i.changes) if isinstance(i.changes, dict) else {}
        case = simulate_case(read_preset(i.preset, changes), i.seed)
        write_case(case, bids_dir, i.subject)
        prefix = f"sub-{i.subject}_ses-{SESSION}"
        anat = f"sub-{i.subject}/ses-{SESSION}/anat"
        masks, truth = bids_dir / "derivatives" / "masks" / anat, bids_dir / "derivatives" / "truth" / anat
        t2map = truth / f"{prefix}_desc-truth_T2map.nii.gz"
        times = [[] if s.slice_times_s is None else s.slice_times_s.tolist() for s in case.stacks]
        self._results |= {
            "bids_dir": str(bids_dir),
            "stacks": [str(bids_dir / anat / f"{prefix}_{s.name}_T2w.nii.gz") for s in case.stacks],
            "masks": [str(masks / f"{prefix}_{s.name}_desc-brain_mask.nii.gz") for s in case.stacks],
            "echo_times_s": [s.te_s for s in case.stacks],
            "thicknesses_mm": [s.thickness_mm for s in case.stacks],
            "slice_times_s": times,
            "truth_dir": str(truth),
        }
        if t2map.exists():
            self._results["truth_t2map"] = str(t2map)
        return runtime
