"""T2 map of reconstructed echoes."""

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


class _FitT2InputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="one volume per echo time, one grid and scale")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="their echo times, s, two distinct at least")
    echo_stderr_files = InputMultiObject(File(exists=True), desc="standard error of each echo")
    residual_file = File(
        exists=True, desc="RMS of measured minus reconstructed pixels; joins the fit's own misfit in rmse"
    )
    mask = File(exists=True, mandatory=True, desc="where T2 is wanted")


class _FitT2OutputSpec(TraitedSpec):
    t2map = File(exists=True, desc="T2, s; NaN without an answer")
    s0map = File(exists=True, desc="signal at echo time zero, scanner units")
    t2_stderr = File(exists=True, desc="standard error of T2, s")
    rmse = File(exists=True, desc="RMS of measured minus fitted echoes, scanner units")
    valid = File(exists=True, desc="code of fetalt2prep.core.t2.fit.T2Reason in each voxel")
    info_file = File(exists=True, desc="JSON: voxels by reason, T2 quartiles, versions, seconds, memory")


class FitT2(SimpleInterface):
    """Weighted log-linear fit of T2 and S0 in each voxel of the mask."""

    input_spec = _FitT2InputSpec
    output_spec = _FitT2OutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import numpy as np
        import torch

        from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear
        from fetalt2prep.interfaces.account import Meter
        from fetalt2prep.io.sidecar import InputError
        from fetalt2prep.io.volume import read_volume, save_volume

        meter, i, cwd = Meter(), self.inputs, Path(runtime.cwd)
        if len({round(te, 6) for te in i.echo_times_s}) < 2:
            times = ", ".join(f"{1000 * te:g}" for te in i.echo_times_s)
            raise InputError(
                f"{Path(i.in_files[0]).name}: T2 needs two distinct echo times or more; the stacks "
                "that could be used "
                f"have {times} ms. The table of stacks says why the others were set aside."
            )

        def read(path: str) -> Any:
            return read_volume(Path(path))[0]

        mask, affine, _ = read_volume(Path(i.mask))
        inside = mask > 0
        echoes = np.stack([np.where(inside, read(path), np.float32(0)) for path in i.in_files])
        stderr = None
        if isinstance(i.echo_stderr_files, list):
            stderr = torch.from_numpy(np.stack([read(path) for path in i.echo_stderr_files]))
        fit = fit_weighted_loglinear(
            torch.from_numpy(echoes),
            torch.tensor(i.echo_times_s, dtype=torch.float64),
            stderr=stderr,
        )
        rmse = fit.rmse
        if isinstance(i.residual_file, str):
            rmse = torch.hypot(rmse, torch.from_numpy(read(i.residual_file)))
        maps = {"t2map": fit.t2_s, "s0map": fit.s0, "t2_stderr": fit.t2_stderr_s, "rmse": rmse}
        for port, values in maps.items():
            self._results[port] = str(save_volume(values.numpy(), affine, cwd / f"{port}.nii.gz"))
        self._results["valid"] = str(save_volume(fit.reason.numpy(), affine, cwd / "reason.nii.gz", "u1"))
        self._write_info(fit, inside, meter, cwd / "t2.json")
        return runtime

    def _write_info(self, fit: Any, inside: Any, meter: Any, path: Path) -> None:
        import json

        import numpy as np

        from fetalt2prep.core.t2.fit import T2Reason
        from fetalt2prep.interfaces.account import software_versions

        t2_s = fit.t2_s.numpy()[inside]
        known = t2_s[np.isfinite(t2_s)]
        codes = fit.reason.numpy()[inside]
        info = {
            "te_s": list(self.inputs.echo_times_s),
            "n_voxels": int(inside.sum()),
            "voxels_by_reason": {reason.name: int((codes == reason).sum()) for reason in T2Reason},
            "t2_quartiles_s": [float(q) for q in np.percentile(known, (25, 50, 75))] if known.size else None,
            "weights": "signal^2 / standard error^2" if isinstance(self.inputs.echo_stderr_files, list) else "signal^2",
            "cost": meter.read(),
            "versions": software_versions(),
        }
        path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        self._results["info_file"] = str(path)
