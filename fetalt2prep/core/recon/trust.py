"""What the joint fit believes of slices and pixels, and how that follows from its residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.outlier import cauchy_weights, robust_sigma, slice_weights
from fetalt2prep.core.recon.coil import coil_factor, echo_trends
from fetalt2prep.core.recon.field_fit import FieldFit
from fetalt2prep.core.recon.gains import slice_gains
from fetalt2prep.core.recon.lost_slices import Placed
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.priors import TypicalDecay
from fetalt2prep.core.recon.slices import Slices, typical_decay

LEAST_SIGMA = 1e-4  # session scale: of a simulation without noise


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What is believed besides where the slices are."""

    gain: Tensor  # (slice,)
    weight: Tensor  # (pixel,) robust weight of pixel and slice together
    slice_weight: Tensor  # (slice,)
    sigma: float  # spread of the residual, session scale
    typical: TypicalDecay | None  # of the session's tissue; None where the model has no prior on it
    lost: Tensor  # (slice,) bool: agrees with no other package and counts for nothing
    found: Tensor  # (slice,) bool: lay elsewhere, and was found
    coil: Tensor | None = None  # (pixel,) factor of the receive coils; None: they are part of the field

    def pixel_gain(self, slices: Slices) -> Tensor:
        """Gain of the slice times factor of the coils, (pixel,)."""
        gain = self.gain[slices.slice_idx]
        return gain if self.coil is None else gain * self.coil

    def after_search(self, placed: Placed, slices: Slices) -> Trust:
        """Slices that stay lost count for nothing, those that were found again as much as any."""
        slice_weight = torch.where(placed.found, 1.0, self.slice_weight) * ~placed.lost
        weight = torch.where(placed.found[slices.slice_idx], 1.0, self.weight) * ~placed.lost[slices.slice_idx]
        found = (self.found | placed.found) & ~placed.lost
        return replace(self, slice_weight=slice_weight, weight=weight, lost=placed.lost, found=found)


def first_trust(slices: Slices, options: ReconOptions) -> Trust:
    """Every slice and pixel the same."""
    return Trust(
        gain=torch.ones_like(slices.thickness_mm),
        weight=torch.ones_like(slices.values),
        slice_weight=torch.ones_like(slices.thickness_mm),
        sigma=0.05,
        lost=torch.zeros_like(slices.stack_of, dtype=torch.bool),
        found=torch.zeros_like(slices.stack_of, dtype=torch.bool),
        typical=typical_decay(slices) if options.model not in ("sc", "mc") and len(slices.te_s) > 1 else None,
        coil=torch.ones_like(slices.values) if options.coil_field == "on" else None,
    )


def weigh(slices: Slices, method: FieldFit, poses: Rigid, trust: Trust) -> Trust:
    """Spread of the residual, weights of pixels and slices, and gains, from the field's present prediction."""
    scene = method.scene
    assert scene is not None
    log_signal = method.field.on_lattice(scene.lattice.index)
    typical = (
        None if trust.typical is None else trust.typical.seen_in(log_signal, slices.te_s, scene.lattice.points_mm())
    )
    predicted = scene.predict(log_signal)
    residual = scene.gain * predicted - slices.values
    sigma = robust_sigma(residual, least=max(slices.noise_sigma, LEAST_SIGMA))
    rms = slices.mean_per_slice(residual.square()).sqrt()
    slice_weight = slice_weights(rms, slices.echo_of) * ~trust.lost
    weight = cauchy_weights(residual, sigma) * slice_weight[slices.slice_idx]
    coil = trust.coil
    if coil is not None:
        trends = echo_trends(slices.te_s, decay=trust.typical is not None)
        coil = coil_factor(slices, poses, coil, predicted, weight, trends)
    gain = slice_gains(slices, predicted if coil is None else coil * predicted, weight, slice_weight)
    return replace(trust, gain=gain, weight=weight, slice_weight=slice_weight, sigma=sigma, typical=typical, coil=coil)
