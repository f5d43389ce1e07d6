"""Derivatives that come from the fitted field: the field itself, and volumes at further resolutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bids_app.derivatives import Derivative, estimation_algorithm, of_session, recon_account, session_source, stamp
from bids_app.options import Options
from bids_app.session import SessionInputs
from fetalt2prep.io.sampled import res_label


def field_derivative(session: SessionInputs, field_file: str) -> Derivative:
    """The fitted field; what it is stands within the file."""
    return of_session(session, field_file, "field", desc="recon")


def sampled_derivatives(
    session: SessionInputs, options: Options, spacing_mm: float, te_s: Sequence[float], volumes: Sequence[str],
    maps: Mapping[str, str],
) -> list[Derivative]:  # fmt: skip
    """Echoes, mask and maps at one further spacing.

    volumes: one per echo time, then the mask. maps: T2map, S0map and uncertainty; empty with one echo time.
    """
    stem = session_source(session).lstrip("/").rpartition("_")[0]
    common = {
        "Sources": [f"bids::{stem}_rec-inr_echo-{n}_desc-recon_T2w.nii.gz" for n in range(1, len(te_s) + 1)],
        "Resolution": f"{spacing_mm:g} mm isotropic, sampled from the field fitted at "
        f"{options.recon.resolution_mm:g} mm",
        **recon_account(options),
    }
    *echoes, mask = volumes
    found = [
        of_session(
            session,
            file,
            "T2w",
            desc="sampled",
            echo=str(number),
            meta=common | {"EchoTime": te, "Units": "arbitrary", "SkullStripped": True},
        )
        for number, (file, te) in enumerate(zip(echoes, te_s, strict=True), start=1)
    ]
    found.append(of_session(session, mask, "mask", desc="brain", meta=common | {"Type": "Brain"}))
    algorithm = estimation_algorithm("weighted")  # also where another model fits the grid of the reconstruction
    units = {"T2map": "s", "S0map": "arbitrary", "uncertainty": "s"}
    for name, file in maps.items():
        desc, suffix = (name, "T2map") if name == "uncertainty" else (None, name)
        meta = {"EchoTime": list(te_s), "Units": units[name], "SkullStripped": True, "EstimationAlgorithm": algorithm}
        found.append(of_session(session, file, suffix, desc=desc, meta=common | meta))
    label = {"resolution": res_label(spacing_mm)}
    return [replace(item, entities={**item.entities, **label}, meta=stamp(item.meta, options)) for item in found]
