"""Coarse quantitative maps and fine weighted images of one subject in, fine maps out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fetalt2prep.core.fit import Fit
from fetalt2prep.core.guided.first import T2_RANGE_S, first_maps
from fetalt2prep.core.guided.given import CoarseMaps, Guide, check_inputs, without_t1
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.subject import State, SubjectFit, fit_subject
from fetalt2prep.core.guided.terms import (
    EdgePrior,
    GuideTerm,
    MapAnchor,
    SignalAnchor,
    Term,
    edge_weights,
    largest_step,
)
from fetalt2prep.core.guided.trust import Trust, trust_guide
from fetalt2prep.core.guided.unknowns import Coordinates, Maps
from fetalt2prep.core.guided.use import FOREIGN_AT_FIRST, is_foreign, use_of
from fetalt2prep.core.signal import SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation

GAIN_ERROR = 0.03  # of a gain that was found, relative: counts as uncertainty of what is bright
MIXED = 0.3  # of the step between two tissues: how far a voxel of both is from the signal of its maps
LEAST_NOISE = 0.005  # of the guide's median: no sequence's equation holds better than that


@dataclass(frozen=True)
class Refined:
    """Maps on the fine grid (zero outside the mask), where the guides were not believed, and an account."""

    pd: Tensor
    t2_s: Tensor
    t1_s: Tensor | None
    mismatch: Tensor  # (*grid) 0 to 1, of the guide that fits worst
    info: dict[str, Any]


def refine(
    coarse: CoarseMaps,
    guides: Sequence[Guide],
    see: KSpaceTruncation,
    mask: Tensor,
    options: GuidedOptions,
    on_step: Callable[[int, float], None] | None = None,
) -> Refined:
    """Maximum a posteriori maps of one subject on the fine grid.

    Parameters
    ----------
    coarse
        Maps of the coarse scan, on ``see.coarse``.
    guides
        Fine images on ``see.shape``; none: the maps are refined by themselves.
    see
        How the coarse scan sees the fine grid.
    mask
        Where maps are wanted, (*grid) bool.
    options
        Use of the guides, weight of the edges, steps.
    on_step
        ``on_step(step, loss)`` now and then, for progress.

    Raises
    ------
    ValueError
        Shapes that do not fit, an empty mask, or a guide without anything to compare.
    """
    check_inputs(coarse, guides, see, mask)
    if coarse.t1_s is None:
        guides = [replace(g, model=without_t1(g.model)) for g in guides]
    inside = mask.to(coarse.pd.dtype)
    anchor = anchor_of(coarse, see, inside)
    first, _ = first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, see, mask)
    strength = (options.edges, options.edges, options.edges if coarse.t1_s is not None else 0.0)

    def improve(first: Maps, terms: Sequence[Term], te_s: float) -> tuple[Maps, Fit[State]]:
        coordinates = Coordinates(te_s=te_s, with_r1=coarse.t1_s is not None)
        return fit_subject(
            SubjectFit(first=first, coordinates=coordinates, mask=mask, terms=terms, n_steps=options.n_steps), on_step
        )

    alone, fitted = improve(first, [anchor, _edges([], {}, inside, strength)], 0.0)

    def compare(maps: Maps, some: Sequence[Guide]) -> dict[str, Trust]:
        return {g.name: trust_guide(g.image, g.model, maps, see, mask, g.noise) for g in some}

    # By themselves the maps already look like the coarse scan: what a guide should look like there is nearly known.
    maps, trusts = alone, compare(alone, guides)
    uses = {g.name: "none" if is_foreign(trusts[g.name], mask, FOREIGN_AT_FIRST) else "edges" for g in guides}
    tried = [g for g in guides if uses[g.name] != "none"]
    if tried:
        # With the guides' edges voxels hold less of two tissues, and what a guide should look like is known better.
        maps, fitted = improve(alone, [anchor, _edges(tried, trusts, inside, strength)], 0.0)
        trusts |= compare(maps, tried)
        uses |= {g.name: use_of(g, trusts[g.name], coarse, mask, options) for g in tried}
    used = [g for g in tried if uses[g.name] != "none"]
    signals = [g for g in used if uses[g.name] == "signal"]
    if not used:
        maps = alone
    elif signals or len(used) < len(tried):
        terms = [anchor, *(_guide_term(g, trusts[g.name], mask) for g in signals)]
        echoes = [g.model.te_s for g in signals if isinstance(g.model, SpinEcho)]
        te_s = echoes[0] if echoes and coarse.t1_s is None else 0.0
        start = maps if len(used) == len(tried) else alone
        maps, fitted = improve(start, [*terms, _edges(used, trusts, inside, strength)], te_s)
    worst = torch.stack([t.mismatch for t in trusts.values()]).amax(0) if trusts else torch.zeros_like(inside)
    return Refined(
        pd=inside * maps.pd,
        t2_s=inside / maps.r2,
        t1_s=None if coarse.t1_s is None else inside / maps.r1.clamp(min=1e-6),
        mismatch=inside * worst,
        info=account(guides, trusts, uses, mask)
        | {
            "anchor": "signal" if coarse.te_s else "maps",
            "losses": list(fitted.losses),
            "stop": fitted.stop.name,
            "advice": fitted.stop.value,
            "n_steps": fitted.n_steps,
        },
    )


def account(
    guides: Sequence[Guide], trusts: Mapping[str, Trust], uses: Mapping[str, str], mask: Tensor
) -> dict[str, Any]:
    """What became of each guide, JSON-ready."""
    return {
        "guides": [
            {
                "name": g.name,
                "use": uses[g.name],
                "gain": trusts[g.name].gain,
                "gain_spread": trusts[g.name].spread,
                "believed_fraction": float((trusts[g.name].belief[mask] > 0.5).float().mean()),
            }
            for g in guides
        ]
    }


def _edges(
    guides: Sequence[Guide], trusts: Mapping[str, Trust], inside: Tensor, strength: tuple[float, float, float]
) -> EdgePrior:
    """The edge prior of some guides; of none: even smoothness."""
    weight = edge_weights([g.image for g in guides], [trusts[g.name].belief for g in guides], inside)
    return EdgePrior(weight=weight, strength=strength)


def _guide_term(guide: Guide, trust: Trust, mask: Tensor) -> GuideTerm:
    """The guide as data, its gain taken off."""
    image, sigma = guide.image / trust.gain, guide_sigma(guide, mask) / trust.gain
    return GuideTerm(image=image, model=guide.model, sigma=sigma, weight=trust.belief)


def guide_sigma(guide: Guide, mask: Tensor) -> Tensor:
    """How far the guide may be from what the maps would show, (*grid), in its own scale.

    Noise; what is left of an unknown gain; and in a voxel of two tissues the mean of their signals, which is not the
    signal of mean maps: that difference grows with the step between the two.
    """
    noise = max(guide.noise, LEAST_NOISE * float(guide.image[mask].median()))
    mixed = MIXED * largest_step(guide.image, mask)
    return (mixed.square() + (GAIN_ERROR * guide.image).square() + noise**2).sqrt()


def anchor_of(coarse: CoarseMaps, see: KSpaceTruncation, inside: Tensor) -> Term:
    """Coarse data against the coarse view of the result.

    With echo times, the images that the maps stand for are made again: the coarse scan averages signals, not T2, and
    beside fluid the difference is large. Without, the maps themselves.
    """
    if coarse.te_s:
        models = [SpinEcho(te_s=te_s) for te_s in coarse.te_s]
        r2 = 1.0 / coarse.t2_s.clamp(*T2_RANGE_S)
        images = torch.stack([model(coarse.pd, torch.zeros_like(r2), r2) for model in models])
        sigma = coarse.sigma * float(images[images > 0].median())
        return SignalAnchor(images=images, models=models, see=see, sigma=sigma, mask=inside)
    maps = torch.stack([coarse.pd, coarse.t2_s, *([] if coarse.t1_s is None else [coarse.t1_s])])
    level = maps.abs().mean(tuple(range(1, maps.ndim)), keepdim=True)
    return MapAnchor(maps=maps, see=see, sigma=coarse.sigma * (maps.abs() + 0.5 * level), mask=inside)
