"""Reconstruct an image series from dynamic raw data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, OutputMultiObject, SimpleInterface, TraitedSpec, traits

METHODS = ("inr", "adjoint", "cg-sense", "grasp", "l+s")


class _KtReconInputSpec(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, desc="raw data: ISMRMRD (.h5, .hdf5, .mrd) or NumPy (.npz)")
    method = traits.Enum(*METHODS, usedefault=True, desc="inr: the field; or a classical method")
    n_frames = traits.Range(low=1, desc="frames of each slice; not given: as the scanner counted, or by readouts")
    readouts_per_frame = traits.Range(low=1, desc="spokes or lines of a frame, in place of n_frames")
    fit_readouts = traits.Range(low=1, desc="readouts that share a time in the fit (inr); not given: those of a frame")
    interpolate_time = traits.Range(low=1, value=1, usedefault=True, desc="frames given for each measured one (inr)")
    n_coils = traits.Range(low=1, desc="virtual coils to compress to; not given: no compression")
    options = traits.Dict(traits.Str, traits.Any, desc="fields of KtOptions that differ from their defaults")


class _KtReconOutputSpec(TraitedSpec):
    series = File(exists=True, desc="magnitude (x, y, slice, frame)")
    phase = File(exists=True, desc="phase, radians")
    account = File(exists=True, desc="JSON: method, options, acceleration, coils, losses, notes")
    report = File(exists=True, desc="page with movie and profile over time")
    stacks = OutputMultiObject(File(exists=True), desc="each frame as a stack of slices")
    slice_times_s = traits.List(traits.List(traits.Float), desc="times of the slices of each stack, s")


class KtRecon(SimpleInterface):
    """One dynamic scan from raw data to series and stacks, in the node's folder."""

    input_spec = _KtReconInputSpec
    output_spec = _KtReconOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from fetalt2prep.core.kt.options import KtOptions
        from fetalt2prep.core.kt.recon import KtPlan
        from fetalt2prep.io.kt_scan import KtRequest, reconstruct_scan
        from fetalt2prep.io.sidecar import read_sidecar

        i = self.inputs
        names = ("n_frames", "n_coils", "readouts_per_frame", "fit_readouts")
        given = {name: value for name in names if isinstance(value := getattr(i, name), int)}
        plan = KtPlan(
            method=i.method,
            n_coils=given.get("n_coils"),
            interpolate_time=i.interpolate_time,
            inr=KtOptions(**(dict(i.options) if isinstance(i.options, dict) else {})),
        )
        request = KtRequest(
            n_frames=given.get("n_frames"),
            per_frame=given.get("readouts_per_frame"),
            fit_readouts=given.get("fit_readouts"),
            phase=True,
            stacks=True,
        )
        written = reconstruct_scan(Path(i.in_file), Path(runtime.cwd), plan, request)
        self._results |= {
            "series": str(written.series),
            "phase": str(written.phase),
            "account": str(written.account),
            "report": str(written.report),
            "stacks": [str(path) for path in written.stacks],
            "slice_times_s": [read_sidecar(path)["SliceTiming"] for path in written.stacks],
        }
        return runtime
