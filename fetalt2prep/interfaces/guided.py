"""Refine maps by weighted images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    OutputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)

METHODS = ("fit", "network")
KINDS = ("se", "ir", "spgr", "mprage")
MODES = ("auto", "signal", "edges")


class _GuidedSuperResolutionInputSpec(BaseInterfaceInputSpec):
    t2map = File(exists=True, mandatory=True, desc="coarse T2, s")
    s0map = File(exists=True, mandatory=True, desc="signal at echo time zero, or proton density, on the same grid")
    t1map = File(exists=True, desc="coarse T1, s, on the same grid; guides whose contrast is T1 need it")
    mask = File(exists=True, desc="where maps are wanted")
    te_s = traits.List(traits.Float, desc="echo times from which T2 was fitted, s")
    guide_files = InputMultiObject(File(exists=True), mandatory=True, desc="weighted images")
    guide_te_s = traits.List(traits.Float, desc="echo time of each guide, s; not given: as its sidecar says")
    guide_kinds = traits.List(traits.Enum(*KINDS), desc="sequence of each guide; not given: spin echo")
    guide_parameters = traits.List(
        traits.Dict(traits.Str, traits.Float),
        desc="tr_s, ti_s, flip_deg, spacing_s, n_pulses of each guide; what is missing is read from its sidecar",
    )
    same_scale = traits.Bool(False, usedefault=True, desc="nothing rescaled the guides relative to the S0 map")
    register_guides = traits.Bool(True, usedefault=True, desc="rigidly, by mutual information")
    method = traits.Enum(*METHODS, usedefault=True, desc="fit of this subject, or the trained network; it needs t1map")
    weights = File(exists=True, desc="of the network, as train-guided leaves them; not given: the package's")
    use = traits.Enum(*MODES, usedefault=True, desc="what a guide is good for")
    edges = traits.Float(desc="weight of the edge prior")
    n_steps = traits.Range(low=1, desc="steps of the fit")
    error = traits.Float(0.02, usedefault=True, desc="relative standard error of the coarse maps")
    voxel_mm = traits.Float(desc="isotropic voxels of the result; not given: those of the finest guide")


class _GuidedSuperResolutionOutputSpec(TraitedSpec):
    t2map = File(exists=True, desc="refined T2, s")
    s0map = File(exists=True, desc="refined signal at echo time zero")
    t1map = File(exists=True, desc="refined T1, s, when a coarse one was given")
    mismatch = File(exists=True, desc="0 where guides and maps agree, towards 1 where they do not")
    guides = OutputMultiObject(File(exists=True), desc="guides on the grid of the result, registered")
    info_file = File(exists=True, desc="JSON: what was chosen and why, registration, gain, grid, fit, versions, cost")


class GuidedSuperResolution(SimpleInterface):
    """Finer maps of one subject by its own weighted images, in the node's folder."""

    input_spec = _GuidedSuperResolutionInputSpec
    output_spec = _GuidedSuperResolutionOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        from fetalt2prep.interfaces.account import Meter, software_versions
        from fetalt2prep.interfaces.progress import Progress
        from fetalt2prep.io.guided_files import refine_files

        meter = Meter()
        with Progress("guided") as progress:
            written = refine_files(self._request(), Path(runtime.cwd), progress)
        account = {**written.account, "cost": meter.read(), "versions": software_versions()}
        written.account_file.write_text(json.dumps(account, indent=2) + "\n", "utf-8")
        self._results.update(
            t2map=str(written.t2map),
            s0map=str(written.s0map),
            mismatch=str(written.mismatch),
            guides=[str(path) for path in written.guides],
            info_file=str(written.account_file),
        )
        if written.t1map is not None:
            self._results["t1map"] = str(written.t1map)
        return runtime

    def _request(self) -> Any:
        from fetalt2prep.core.guided.options import GuidedOptions
        from fetalt2prep.io.guide_sequence import guide_sequence
        from fetalt2prep.io.guided_request import GuidedRequest, GuideFile

        i = self.inputs
        files = [Path(path) for path in i.guide_files]
        kinds = i.guide_kinds if isinstance(i.guide_kinds, list) and i.guide_kinds else ["se"] * len(files)
        given = i.guide_parameters if isinstance(i.guide_parameters, list) and i.guide_parameters else [{}] * len(files)
        if isinstance(i.guide_te_s, list) and i.guide_te_s:
            given = [{**own, "te_s": te_s} for own, te_s in zip(given, i.guide_te_s, strict=True)]
        numbers = {name: getattr(i, name) for name in ("edges", "n_steps") if isinstance(getattr(i, name), int | float)}
        return GuidedRequest(
            t2map=Path(i.t2map),
            s0map=Path(i.s0map),
            t1map=Path(i.t1map) if isinstance(i.t1map, str) else None,
            mask=Path(i.mask) if isinstance(i.mask, str) else None,
            guides=[
                GuideFile(path=path, model=guide_sequence(path, kind, parameters), same_scale=i.same_scale)
                for path, kind, parameters in zip(files, kinds, given, strict=True)
            ],
            te_s=tuple(i.te_s) if isinstance(i.te_s, list) else (),
            error=i.error,
            voxel_mm=i.voxel_mm if isinstance(i.voxel_mm, float) else None,
            register=i.register_guides,
            options=GuidedOptions(use=i.use, **numbers),
            method=i.method,
            weights=Path(i.weights) if isinstance(i.weights, str) else None,
        )
