"""What a reconstruction says of itself, ready for JSON."""

from __future__ import annotations

from scipy import ndimage

from fetalt2prep.core.recon.density import LEAST_DENSITY, under_determined
from fetalt2prep.core.recon.field_fit import FieldFit
from fetalt2prep.core.recon.misfit import echo_misfit
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.output import RIM
from fetalt2prep.core.recon.penalty import BRIDGE_ALPHA, alpha_rule
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.recon.trust import Trust

WORTH_TELLING_DEG = 10.0  # a stack that lay further off than this is named in the notes


def penalty_weight(options: ReconOptions, slices: Slices) -> float:
    """Weight of the decay penalty: the user's, or the model's rule; 0 for models without."""
    rules = {"mcreg": alpha_rule(len(slices.names), len(slices.te_s)), "bridge": BRIDGE_ALPHA}
    if options.model not in rules:
        return 0.0
    return rules[options.model] if options.alpha is None else options.alpha


def account(options: ReconOptions, slices: Slices, method: FieldFit, sigma: float, recon: Recon) -> dict[str, object]:
    """Options, sizes, noise, what each echo leaves unexplained, and where data lack.

    sigma: spread of the residual, session scale; recon: the volumes, without an account yet.
    """
    scene = method.scene
    if scene is None:
        raise ValueError("The fit has no scene: nothing was reconstructed.")
    within = ndimage.binary_erosion(recon.mask, iterations=RIM)  # the rim lacks data by its nature
    return {
        "model": options.model,
        "field": options.field,
        "profile": options.profile,
        "motion": options.motion,
        "coil_field": options.coil_field,
        "resolution_mm": options.resolution_mm,
        "seed": options.seed,
        "device": options.device,
        "alpha": penalty_weight(options, slices) if options.model in ("mcreg", "bridge") else None,
        "n_pixels": len(slices.values),
        "n_lattice_points": len(scene.lattice.index),
        "noise_sigma": sigma * slices.scale,
        "noise_floor": slices.noise_sigma * slices.scale,
        "intensity_scale": slices.scale,
        "echo_misfit": echo_misfit(method.field, scene, slices),
        "density_threshold": LEAST_DENSITY,
        "under_determined": under_determined(recon.density, within, recon.affine, recon.te_s),
    }


def displaced(slices: Slices, turned_deg: dict[str, float], trust: Trust) -> list[str]:
    """Sentences on what lay elsewhere than what it shows: stacks, by the angle that they were turned, and slices."""
    told = [
        f"{name}: turned by {angle:.0f} degrees before the fit, to agree with the other stacks."
        for name, angle in turned_deg.items()
        if angle > WORTH_TELLING_DEG
    ]
    for which, fate in (
        (trust.found, "Slices that lay far from what they show, and were found"),
        (trust.lost, "Slices that agree with no others, and were left out"),
    ):
        counts = slices.stack_of[which].bincount(minlength=len(slices.names)).tolist()
        where = [f"{count} of {name}" for name, count in zip(slices.names, counts, strict=True) if count]
        told += [f"{fate}: {', '.join(where)}."] if where else []
    return told


def notes(options: ReconOptions, slices: Slices, packages_told: str | None) -> list[str]:
    """Sentences on what echo times allow, and on what the pictures told of interleave packages."""
    told = [packages_told] if packages_told else []
    if len(slices.te_s) == 2 and options.model in ("mcreg", "bridge"):
        told.append("Two echo times: any two signals are an exact decay, so the decay penalty is zero.")
    if len(slices.te_s) == 1:
        told.append("One echo time: the volume is reconstructed, T2 cannot be known.")
    return told
