"""How much each known error can have moved T2: the bias budget of a protocol and a session.

Every entry is a range of relative change of the T2 that a log-linear fit, weighted by the signal, gives for a tissue of
known T2: 0.1 means 10 % too long. They are computed, not measured: what cannot be known from the sidecars is a range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.likelihood import rician_mean
from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.precision import t2_precision
from fetalt2prep.core.t2.protocol import ProtocolOptions, propose_echo_times, worst_precision
from fetalt2prep.core.t2.train_dictionary import TrainOptions, train_table
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

UNKNOWN_REFOCUSING_DEG = (180.0, 135.0)
B1_RANGE = (0.8, 1.0)
USUAL_SPACING_S = 0.005
CSF_SHARE = 0.05
FLUID_T2_S = 2.0
BADLY_CHOSEN = 1.5
IMPRECISE = 0.25


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """What is known of a session; None where nothing says."""

    te_s: Sequence[float]
    snr: float | None = None
    """S0 of tissue over the noise of a pixel, as acquired."""
    refocusing_deg: float | None = None
    echo_spacing_s: float | None = None
    csf_share: float | None = None
    """Mean share of fluid found in what should be tissue."""
    residual_share: float | None = None
    """RMS of measured minus predicted pixels beyond the noise, in the worst tenth of tissue, over the signal of tissue
    at the first echo."""
    model: str = "weighted"
    """Estimator of T2: what it models is no bias."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One entry of the budget."""

    name: str
    low: tuple[float, ...]
    """Smallest relative change, one per T2."""
    high: tuple[float, ...]
    """Largest relative change, one per T2."""
    because: str
    """What it was computed from."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """All entries, the precision, and what to say aloud."""

    t2_s: tuple[float, ...]
    effects: tuple[Effect, ...]
    precision: tuple[float, ...] | None
    """Least relative standard deviation of T2 of one voxel at the noise of a pixel, per T2; None: noise not known."""
    best_te_s: tuple[float, ...]
    """As many echo times, chosen to measure T2 best."""
    ratio_to_best: float
    """Worst precision of these echo times over that of the best ones."""
    warnings: tuple[str, ...]


def bias_budget(
    facts: SessionFacts, t2_s: Sequence[float] = (0.15, 0.25, 0.35), *, field_t: float | None = None
) -> Budget:
    """Budget for tissues of the given T2 (seconds); ``field_t`` is named in the warnings only."""
    te = torch.tensor(sorted({round(float(te), 6) for te in facts.te_s}), dtype=torch.float64)
    t2 = torch.tensor(list(t2_s), dtype=torch.float64)
    effects = [_stimulated(te, t2, facts), _floor(te, t2, facts), *_fluid(te, t2, facts)]
    if facts.residual_share is not None:
        effects.append(_residual(te, t2, facts.residual_share))
    snr = facts.snr or 50.0
    options = ProtocolOptions(
        t2_range_s=(0.15, 0.35), te_range_s=(min(0.080, float(te[0])), max(0.700, float(te[-1]))), snr=snr
    )
    best = propose_echo_times(len(te), options)
    ratio = float(worst_precision(te, options) / worst_precision(torch.tensor(best, dtype=torch.float64), options))
    precision = None if facts.snr is None else t2_precision(te, t2, facts.snr)
    return Budget(
        t2_s=tuple(t2_s),
        effects=tuple(effects),
        precision=None if precision is None else tuple(precision.tolist()),
        best_te_s=best,
        ratio_to_best=ratio,
        warnings=tuple(_warnings(te, effects, precision, best, ratio, field_t)),
    )


def apparent_change(echoes: Tensor, te_s: Tensor, t2_s: Tensor) -> Tensor:
    """Relative change of the fitted T2 from the true one, (t2,); NaN where the fit has no answer."""
    return fit_weighted_loglinear(echoes, te_s).t2_s.double() / t2_s - 1.0


def _stimulated(te: Tensor, t2: Tensor, facts: SessionFacts) -> Effect:
    angles = UNKNOWN_REFOCUSING_DEG if facts.refocusing_deg is None else (facts.refocusing_deg,)
    spacing = facts.echo_spacing_s or USUAL_SPACING_S
    changes = []
    for angle in angles:  # two angles at most, two fields each
        table = train_table(TrainOptions(spacing_s=spacing, refocusing_deg=angle), te, (0.02, 4.0))
        for b1 in B1_RANGE:
            ratio, _ = table.ratio(1.0 / t2, torch.full_like(t2, b1))
            changes.append(apparent_change(monoexponential(torch.ones_like(t2), t2, te) * torch.exp(ratio), te, t2))
    because = f"refocusing angle {' to '.join(f'{angle:g}' for angle in angles)} degrees"
    because += " (not known)" if facts.refocusing_deg is None else ""
    because += f", echo spacing {1000 * spacing:g} ms" + ("" if facts.echo_spacing_s else " assumed")
    because += f", B1 {B1_RANGE[0]:g} to {B1_RANGE[1]:g}"
    if facts.model.startswith("epg"):
        at_nominal = changes[-1]
        changes = [change - at_nominal for change in changes[-2:]] if facts.model == "epg" else [0 * at_nominal]
        because += "; modelled by the estimator" + (", B1 taken as 1" if facts.model == "epg" else "")
    return _effect("stimulated echoes", changes, because)


def _floor(te: Tensor, t2: Tensor, facts: SessionFacts) -> Effect:
    none = torch.zeros_like(t2)
    if facts.model == "rician":
        return _effect("noise floor", [none], "modelled by the estimator")
    if facts.snr is None:
        return _effect("noise floor", [none, torch.full_like(t2, math.nan)], "noise not known")
    expected = rician_mean(monoexponential(torch.ones_like(t2), t2, te), 1.0 / facts.snr)
    change = apparent_change(expected, te, t2)
    return _effect("noise floor", [none, change], f"mean magnitudes at S0 = {facts.snr:.3g} times the noise of a pixel")


def _fluid(te: Tensor, t2: Tensor, facts: SessionFacts) -> list[Effect]:
    def change(share: float) -> Tensor:
        tissue = monoexponential(torch.full_like(t2, 1 - share), t2, te)
        fluid = monoexponential(torch.full_like(t2, share), torch.full_like(t2, FLUID_T2_S), te)
        return apparent_change(tissue + fluid, te, t2)

    none = torch.zeros_like(t2)
    effects = [_effect("fluid in the voxel", [none, change(CSF_SHARE)], f"{100 * CSF_SHARE:g} % of fluid at T2 2 s")]
    if facts.csf_share is not None:
        because = f"mean share of fluid found in tissue, {100 * facts.csf_share:.1f} %"
        effects.append(_effect("fluid found", [none, change(min(max(facts.csf_share, 0.0), 0.9))], because))
    return effects


def _residual(te: Tensor, t2: Tensor, share: float) -> Effect:
    """Errors of that size in each echo, independent of each other, through the weighted fit to first order."""
    signal = monoexponential(torch.ones_like(t2), t2, te)
    weight = signal.square()
    centre = (weight * te[:, None]).sum(0) / weight.sum(0)
    delay = te[:, None] - centre
    slope = weight * delay / (weight * delay.square()).sum(0)
    error = share * signal[0] / signal  # of the logarithm
    change = t2 * (slope * error).square().sum(0).sqrt()
    because = f"residual beyond noise in the worst tenth of tissue, {100 * share:.1f} % of the first echo"
    return _effect("motion and other misfit", [-change, change], because)


def _effect(name: str, changes: list[Tensor], because: str) -> Effect:
    stacked = torch.stack(changes)
    return Effect(name=name, low=tuple(stacked.amin(0).tolist()), high=tuple(stacked.amax(0).tolist()), because=because)


def _warnings(
    te: Tensor,
    effects: list[Effect],
    precision: Tensor | None,
    best: tuple[float, ...],
    ratio: float,
    field_t: float | None,
) -> list[str]:
    said = []
    times = ", ".join(f"{1000 * float(time):g}" for time in te)
    if ratio > BADLY_CHOSEN:
        where = "" if field_t is None else f" at {field_t:g} T"
        better = ", ".join(f"{1000 * time:g}" for time in best)
        said.append(
            f"The echo times {times} ms suit tissue with T2 from 150 to 350 ms badly{where}: {better} ms would make T2 "
            f"{ratio:.1f} times as precise (Cramer-Rao bound, worst T2)."
        )
    if precision is not None and float(precision.max()) > IMPRECISE:
        said.append(
            f"At the noise of a pixel T2 of one voxel has a standard deviation of up to "
            f"{100 * float(precision.max()):.0f} %: means over regions say more than voxels."
        )
    for effect in effects:
        worst = max((abs(value) for value in (*effect.low, *effect.high) if math.isfinite(value)), default=0.0)
        if worst > 0.05 and effect.name != "fluid in the voxel":
            said.append(f"T2 may be off by up to {100 * worst:.0f} % through {effect.name} ({effect.because}).")
    return said
