"""Reconstructed volumes that come from elsewhere, as the T2 fit wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

MAX_GAP_MM = 0.1
"""Grids whose corners lie farther apart are not the same grid."""


class _CheckVolumesInputSpec(BaseInterfaceInputSpec):
    in_files = traits.List(File(exists=True), mandatory=True, minlen=2, desc="one volume per echo time, on one grid")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="their echo times, s")
    in_mask = File(exists=True, desc="brain mask, on any grid; absent: where all volumes are above zero")


class _CheckVolumesOutputSpec(TraitedSpec):
    out_files = traits.List(File(exists=True), desc="the volumes by ascending echo time")
    te_s = traits.List(traits.Float, desc="their echo times, s")
    mask_file = File(exists=True, desc="brain mask on their grid")
    info_file = File(exists=True, desc="JSON: the files, their echo times, where the mask comes from")


class CheckVolumes(SimpleInterface):
    """Refuse volumes that do not share a grid, order them by echo time, and bring the mask onto their grid."""

    input_spec = _CheckVolumesInputSpec
    output_spec = _CheckVolumesOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json

        import numpy as np

        from fetalt2prep.io.mask import corner_distance_mm, load_mask
        from fetalt2prep.io.sidecar import InputError
        from fetalt2prep.io.volume import read_volume, save_volume

        i, cwd = self.inputs, Path(runtime.cwd)
        pairs = sorted(zip(i.echo_times_s, i.in_files, strict=True))
        first = Path(pairs[0][1])
        values, affine, _ = read_volume(first)
        positive = np.ones(values.shape, dtype=np.bool_)
        for _, path in pairs:
            volume, other, _ = read_volume(Path(path))
            if volume.shape != values.shape or corner_distance_mm(values.shape, affine, other) > MAX_GAP_MM:
                raise InputError(
                    f"{Path(path).name}: not on the grid of {first.name} ({' x '.join(map(str, volume.shape))} and "
                    f"{' x '.join(map(str, values.shape))} voxels). Resample the echoes to one grid."
                )
            positive &= np.nan_to_num(volume) > 0
        if isinstance(i.in_mask, str):
            mask, notes = load_mask(Path(i.in_mask), values.shape, affine, first.name)
        else:
            mask, notes = positive, ["no mask given: voxels above zero at all echo times"]
        if not mask.any():
            raise InputError(f"{first.name}: no voxel is above zero at all echo times. Give a brain mask.")
        info = {"given": [Path(path).name for _, path in pairs], "te_s": [te for te, _ in pairs], "notes": notes}
        (cwd / "given.json").write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        self._results.update(
            out_files=[path for _, path in pairs],
            te_s=[float(te) for te, _ in pairs],
            mask_file=str(save_volume(mask, affine, cwd / "mask.nii.gz", "u1")),
            info_file=str(cwd / "given.json"),
        )
        return runtime
