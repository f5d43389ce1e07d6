"""Share of fluid in the voxels of a T2 map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    traits,
)


class _FlagCsfInputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="one volume per echo time, one grid and scale")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="their echo times, s")
    echo_stderr_files = InputMultiObject(
        File(exists=True), desc="standard error of each echo; without it, the noise is taken from the residuals"
    )
    mask = File(exists=True, mandatory=True, desc="where T2 was fitted")
    t2map = File(exists=True, mandatory=True, desc="T2, s")
    s0map = File(exists=True, mandatory=True, desc="signal at echo time zero")
    t2_stderr = File(exists=True, mandatory=True, desc="standard error of T2, s")
    valid = File(exists=True, mandatory=True, desc="reason codes of the fit")
    segmentation = File(exists=True, desc="label map: the tissues whose T2 is taken for pure; without it, one for all")
    labels = traits.Str(desc="feta, bounti, dhcp or a TSV; without it, as the label map's name or table says")


class _FlagCsfOutputSpec(TraitedSpec):
    csf_probability = File(exists=True, desc="probability that 5 % or more of the voxel is fluid; NaN where untold")
    info_file = File(exists=True, desc="JSON: T2 taken for pure tissue and fluid, mean share, share of voxels flagged")


class FlagCsf(SimpleInterface):
    """Probability that a voxel of tissue holds 5 % fluid or more, from its echoes against those of pure tissue."""

    input_spec = _FlagCsfInputSpec
    output_spec = _FlagCsfOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        import numpy as np
        import torch

        from fetalt2prep.core.t2.noise_level import sigma_from_residuals
        from fetalt2prep.core.t2.regions import T2Maps
        from fetalt2prep.io.region_files import fluid_shares, regions_of
        from fetalt2prep.io.volume import read_volume, save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        read = {name: read_volume(Path(getattr(i, name)))[0] for name in ("t2map", "s0map", "t2_stderr", "valid")}
        mask, affine, _ = read_volume(Path(i.mask))
        inside = mask > 0
        echoes = np.stack([read_volume(Path(path))[0] for path in i.in_files])
        if isinstance(i.echo_stderr_files, list):
            stderr, source = np.stack([read_volume(Path(p))[0] for p in i.echo_stderr_files]), "errors of the echoes"
        else:
            sigma = sigma_from_residuals(torch.from_numpy(echoes[:, inside]), torch.tensor(i.echo_times_s))
            stderr, source = np.full_like(echoes, sigma), f"residuals: {sigma:.4g}"
        maps = T2Maps(t2_s=read["t2map"], stderr_s=read["t2_stderr"])
        given = {name: getattr(i, name) for name in ("segmentation", "labels") if isinstance(getattr(i, name), str)}
        segmentation = Path(given["segmentation"]) if "segmentation" in given else None
        codes = np.rint(read["valid"]).astype(np.uint8)
        regions = regions_of(maps, codes, inside, affine, segmentation=segmentation, labels=given.get("labels"))
        voxel_mm = np.linalg.norm(affine[:3, :3], axis=0)
        share, probability, assumed = fluid_shares(
            maps, read["s0map"], echoes, list(i.echo_times_s), stderr, inside, regions, voxel_mm
        )
        told = np.isfinite(probability)
        tissue = told & (read["t2map"] < 0.5)
        info = {
            **assumed,
            "noise": source,
            "flagged_fraction": float(np.mean(probability[told] > 0.5)) if told.any() else None,
            "segmented": segmentation is not None,
            "mean_share_in_tissue": float(share[tissue].mean()) if tissue.any() else None,
        }
        self._results["csf_probability"] = str(save_volume(probability, affine, cwd / "csf.nii.gz"))
        (cwd / "csf.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        self._results["info_file"] = str(cwd / "csf.json")
        return runtime
