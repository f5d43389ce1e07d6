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

from fetalt2prep.core.t2.options import MODELS, T2_RANGE_S, T2Options

PORTS = {"t2_s": "t2map", "s0": "s0map", "t2_stderr_s": "t2_stderr", "rmse": "rmse", "reason": "valid"}


class _FitT2InputSpec(BaseInterfaceInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="one volume per echo time, one grid and scale")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="their echo times, s, two distinct at least")
    echo_stderr_files = InputMultiObject(File(exists=True), desc="standard error of each echo")
    residual_file = File(
        exists=True, desc="RMS of measured minus reconstructed pixels; joins the fit's own misfit in rmse"
    )
    mask = File(exists=True, mandatory=True, desc="where T2 is wanted")
    b1_file = File(exists=True, desc="actual over nominal flip angle; for the model epg")
    model = traits.Enum(*MODELS, usedefault=True, desc="estimator")
    t2_bounds_s = traits.Tuple(*T2_RANGE_S, usedefault=True, desc="a T2 at or beyond them, s, is no answer")
    floor = traits.Float(0.0, usedefault=True, desc="echoes at or below it are left out of the fit")
    noise_floor = traits.Float(0.0, usedefault=True, desc="the same in units of the noise of the echoes")
    noise_sigma = traits.Either(
        None, traits.Float, desc="noise for the model rician; None: standard errors of the echoes, else estimated"
    )
    echo_spacing_s = traits.Either(None, traits.Float, desc="between the echoes of the train, s; for epg")
    refocusing_deg = traits.Either(None, traits.Float, desc="nominal refocusing angle; for epg")
    t1_s = traits.Float(2.2, usedefault=True, desc="T1 of the tissue, s; for epg")


class _FitT2OutputSpec(TraitedSpec):
    t2map = File(exists=True, desc="T2, s; NaN without an answer")
    s0map = File(exists=True, desc="signal at echo time zero, scanner units")
    t2_stderr = File(exists=True, desc="standard error of T2, s")
    rmse = File(exists=True, desc="RMS of measured minus fitted echoes, scanner units")
    valid = File(exists=True, desc="code of fetalt2prep.core.t2.fit.T2Reason in each voxel")
    info_file = File(exists=True, desc="JSON: model, bounds, voxels by reason, T2 quartiles, versions, seconds, memory")


class FitT2(SimpleInterface):
    """T2 and S0 in each voxel of the mask, by the estimator of one's choice."""

    input_spec = _FitT2InputSpec
    output_spec = _FitT2OutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        from dataclasses import replace

        import numpy as np
        import torch

        from fetalt2prep.core.t2.estimate import estimate_t2, find_noise
        from fetalt2prep.interfaces.account import Meter
        from fetalt2prep.io.sidecar import InputError
        from fetalt2prep.io.t2_files import error_source, fit_account, write_fit
        from fetalt2prep.io.volume import read_volume

        meter, i, cwd = Meter(), self.inputs, Path(runtime.cwd)
        if len({round(te, 6) for te in i.echo_times_s}) < 2:
            times = ", ".join(f"{1000 * te:g}" for te in i.echo_times_s)
            raise InputError(
                f"{Path(i.in_files[0]).name}: T2 needs two distinct echo times or more; the stacks "
                "that could be used "
                f"have {times} ms. The table of stacks says why the others were set aside."
            )

        def read(path: str) -> Any:
            return torch.from_numpy(read_volume(Path(path))[0])

        mask, affine, _ = read_volume(Path(i.mask))
        inside = torch.from_numpy(mask > 0)
        options, te_s = self._options(), torch.tensor(i.echo_times_s, dtype=torch.float64)
        echoes = torch.stack([read(path) for path in i.in_files])
        given = isinstance(i.echo_stderr_files, list)
        stderr = torch.stack([read(path) for path in i.echo_stderr_files]) if given else None
        noise = None
        if (options.model == "rician" or options.noise_floor) and (options.noise_sigma is not None or not given):
            noise = find_noise(echoes, te_s, inside, options)
        fit = estimate_t2(
            torch.where(inside, echoes, 0.0),
            te_s,
            options,
            stderr=stderr,
            sigma=None if noise is None else noise.sigma,
            b1=read(i.b1_file) if isinstance(i.b1_file, str) else None,
        )
        errors = error_source(options, given=given and noise is None, n_echoes=len(echoes))
        account = fit_account(fit, np.asarray(inside), list(i.echo_times_s), options, errors=errors, noise=noise)
        if isinstance(i.residual_file, str):
            fit = replace(fit, rmse=torch.hypot(fit.rmse, read(i.residual_file)))
        written = write_fit(fit, affine, cwd)
        self._results.update({port: str(written[field]) for field, port in PORTS.items()})
        self._write_info(account, meter, cwd / "t2.json")
        return runtime

    def _options(self) -> T2Options:
        i = self.inputs
        optional = ("noise_sigma", "echo_spacing_s", "refocusing_deg")
        return T2Options(
            model=i.model,
            t2_bounds_s=tuple(i.t2_bounds_s),
            floor=i.floor,
            noise_floor=i.noise_floor,
            t1_s=i.t1_s,
            **{name: getattr(i, name) if isinstance(getattr(i, name), float) else None for name in optional},
        )

    def _write_info(self, account: dict[str, Any], meter: Any, path: Path) -> None:
        import json

        from fetalt2prep.interfaces.account import software_versions

        info = {**account, "cost": meter.read(), "versions": software_versions()}
        path.write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
        self._results["info_file"] = str(path)
