"""One row per slice: where it went, how bright it was, how far it is trusted, and why not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fetalt2prep.core.geometry import Rigid, rotation_vector
from fetalt2prep.core.outlier import LOST
from fetalt2prep.core.recon.reasons import SUSPECT_BELOW
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.recon.trust import Trust

SET_ASIDE_BELOW = LOST


def slice_table(
    slices: Slices, poses: Rigid, trust: Trust, predicted: Tensor, causes: Mapping[int, str]
) -> dict[str, NDArray[np.generic]]:
    """Columns of the slice table, each (slice,).

    predicted: (pixel,) with gains, session scale; causes: of slices that count little, see :mod:`.reasons`. Residuals
    are written in scanner units.
    """
    weight = trust.slice_weight
    n_pixels = slices.sum_per_slice(torch.ones_like(predicted))
    rms = slices.mean_per_slice((predicted - slices.values).square()).sqrt()
    rotation = torch.rad2deg(rotation_vector(poses.rotation))
    matrix = poses.matrix()
    used = n_pixels > 0
    aside = used & (weight < SET_ASIDE_BELOW)
    median = torch.stack([rms[used & (slices.echo_of == echo)].median() for echo in range(len(slices.te_s))])
    excess = rms / median[slices.echo_of].clamp(min=1e-9)
    status = np.where(used.cpu(), np.where(aside.cpu(), "set-aside", "used"), "empty")
    reason = np.where(used.cpu(), "", "no pixel in the mask").astype(object)
    for number in (used & (weight < SUSPECT_BELOW)).nonzero()[:, 0].tolist():
        told = ["agrees with no other slices"] if trust.lost[number] else []
        told += [causes[number]] if number in causes else []
        told.append(f"residual {float(excess[number]):.1f} times the median of its echo time")
        reason[number] = "; ".join(told)
    table: dict[str, NDArray[np.generic]] = {
        "stack": np.array([slices.names[i] for i in slices.stack_of.tolist()]),
        "slice": slices.index_in_stack.cpu().numpy(),
        "time_s": _microseconds(slices.time_s),
        "te_s": _microseconds(slices.te_s[slices.echo_of]),
        "n_pixels": n_pixels.long().cpu().numpy(),
    }
    for axis, name in enumerate("xyz"):
        table[f"rot_{name}_deg"] = rotation[:, axis].cpu().numpy()
    for axis, name in enumerate("xyz"):
        table[f"shift_{name}_mm"] = poses.shift_mm[:, axis].cpu().numpy()
    for row in range(3):
        for column in range(4):
            table[f"m{row}{column}"] = matrix[:, row, column].cpu().numpy()
    table["gain"] = trust.gain.cpu().numpy()
    table["weight"] = torch.where(used, weight, torch.zeros_like(weight)).cpu().numpy()
    table["residual"] = torch.where(used, rms * slices.scale, torch.nan).cpu().numpy()
    table["ncc"] = torch.where(used, _ncc(slices, predicted), torch.nan).cpu().numpy()
    table["status"] = status
    table["reason"] = reason.astype(str)
    return table


def _microseconds(times_s: Tensor) -> NDArray[np.float64]:
    """Times as they were given, to the microsecond: single precision makes 0.30000001 of 0.3."""
    return times_s.double().cpu().numpy().round(6)


def _ncc(slices: Slices, predicted: Tensor) -> Tensor:
    """Normalised cross-correlation of measured and predicted pixels, (slice,)."""
    seen = slices.values - slices.mean_per_slice(slices.values)[slices.slice_idx]
    told = predicted - slices.mean_per_slice(predicted)[slices.slice_idx]
    power = slices.sum_per_slice(seen.square()) * slices.sum_per_slice(told.square())
    return slices.sum_per_slice(seen * told) / power.sqrt().clamp(min=1e-12)
