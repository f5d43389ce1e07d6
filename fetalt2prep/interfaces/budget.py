"""Bias budget of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec, traits

from fetalt2prep.core.t2.options import MODELS

WORST_PERCENTILE = 90.0


class _BiasBudgetInputSpec(BaseInterfaceInputSpec):
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo times, s")
    first_echo = File(exists=True, mandatory=True, desc="volume at one of them: signal of tissue for the residual")
    t2map = File(exists=True, mandatory=True, desc="T2, s: its tissue says which S0 and signal to look at")
    s0map = File(exists=True, mandatory=True, desc="signal at echo time zero")
    residual_file = File(exists=True, desc="RMS of measured minus reconstructed pixels")
    recon_info = File(exists=True, desc="account of the reconstruction (JSON): noise of a pixel")
    csf_info = File(exists=True, desc="JSON: mean share of fluid found in tissue")
    model = traits.Enum(*MODELS, usedefault=True, desc="estimator of T2")
    refocusing_deg = traits.Float(desc="nominal refocusing angle; without it, a range")
    echo_spacing_s = traits.Float(desc="between the echoes of the train, s; without it, 5 ms")
    field_t = traits.Float(desc="field strength, tesla")


class _BiasBudgetOutputSpec(TraitedSpec):
    budget_file = File(exists=True, desc="JSON: range of each error of T2, precision, better echo times, warnings")


class BiasBudget(SimpleInterface):
    """How much stimulated echoes, noise floor, fluid and misfit can have moved T2 of a session."""

    input_spec = _BiasBudgetInputSpec
    output_spec = _BiasBudgetOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        import json
        from dataclasses import asdict

        from fetalt2prep.core.t2.budget import SessionFacts, bias_budget

        i, path = self.inputs, Path(runtime.cwd) / "budget.json"
        measured = self._measured()
        facts = SessionFacts(
            te_s=tuple(i.echo_times_s),
            model=i.model,
            refocusing_deg=i.refocusing_deg or None,
            echo_spacing_s=i.echo_spacing_s or None,
            **measured,
        )
        budget = bias_budget(facts, field_t=i.field_t or None)
        content = {"facts": asdict(facts), "field_t": i.field_t or None, **asdict(budget)}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self._results["budget_file"] = str(path)
        return runtime

    def _measured(self) -> dict[str, float | None]:
        """SNR, residual beyond noise, and share of fluid, each None where nothing says."""
        import json

        import numpy as np

        from fetalt2prep.core.t2.regions import TISSUE_BELOW_S
        from fetalt2prep.io.volume import read_volume

        i = self.inputs
        tissue = read_volume(Path(i.t2map))[0] < TISSUE_BELOW_S
        found: dict[str, float | None] = dict.fromkeys(("snr", "csf_share", "residual_share"))
        recon = json.loads(Path(i.recon_info).read_text()) if isinstance(i.recon_info, str) else {}
        floor, noise = (recon.get(name) for name in ("noise_floor", "noise_sigma"))
        if isinstance(floor, float) and floor > 0 and tissue.any():
            found["snr"] = float(np.median(read_volume(Path(i.s0map))[0][tissue])) / floor
        if isinstance(noise, float) and isinstance(i.residual_file, str) and tissue.any():
            residual = float(np.nanpercentile(read_volume(Path(i.residual_file))[0][tissue], WORST_PERCENTILE))
            signal = float(np.median(read_volume(Path(i.first_echo))[0][tissue]))
            found["residual_share"] = float(np.sqrt(max(residual**2 - noise**2, 0.0))) / signal
        if isinstance(i.csf_info, str):
            fluid = json.loads(Path(i.csf_info).read_text())
            # Without a segmentation fluid cannot be told from tissue of long T2.
            found["csf_share"] = fluid.get("mean_share_in_tissue") if fluid.get("segmented") else None
        return found
