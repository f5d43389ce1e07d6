"""Coarse quantitative maps and fine weighted images of one subject in, fine maps out."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fetalt2prep.core.guided.given import CoarseMaps, Guide, check_inputs, without_t1
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.stages import NOISE_ALONE, Stage, Stages
from fetalt2prep.core.guided.trust import Trust, trust_guide
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.guided.use import FOREIGN_AT_FIRST, is_foreign, use_of
from fetalt2prep.core.truncation import KSpaceTruncation


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
    stages = Stages(coarse=coarse, see=see, mask=mask, options=options, on_step=on_step)
    alone = stages.alone()

    def compare(maps: Maps, some: Sequence[Guide]) -> dict[str, Trust]:
        return {g.name: trust_guide(g.image, g.model, maps, see, mask, g.noise) for g in some}

    # By themselves the maps already look like the coarse scan: what a guide should look like there is nearly known.
    found, trusts = alone, compare(alone.maps, guides)
    uses = {g.name: "none" if is_foreign(trusts[g.name], mask, FOREIGN_AT_FIRST) else "edges" for g in guides}
    tried = [g for g in guides if uses[g.name] != "none"]
    if tried:
        # With the guides' edges voxels hold less of two tissues, and what a guide should look like is known better.
        found = stages.by_edges(alone.maps, tried, trusts)
        trusts |= compare(found.maps, tried)
        uses |= {g.name: use_of(g, trusts[g.name], coarse, mask, options) for g in tried}
    used = [g for g in tried if uses[g.name] != "none"]
    valued = [g for g in used if uses[g.name] == "signal"]
    # A guide in its place helps to explain coarse maps; one that is not, contradicts them.
    judged = options.use == "auto" and coarse.t1_s is not None
    most = max(alone.misfit, NOISE_ALONE) if judged else math.inf
    best, misfits = None, dict[str, float]()
    if valued:
        start = found.maps if len(used) == len(tried) else alone.maps
        best, misfits = stages.best_by_values(start, valued, used, trusts, most)
        kept = [] if best is None else [g.name for g in best.valued]
        uses |= {g.name: "edges" for g in valued if g.name not in kept}
    if best is not None:
        found = best
    elif not used:
        found = alone
    elif len(used) < len(tried):
        found = stages.by_edges(alone.maps, used, trusts)
    rows = account(guides, trusts, uses, mask)
    for row in rows["guides"]:
        if row["name"] in misfits and judged:
            row["misfit"] = {"with_its_values": misfits[row["name"]], "allowed": most}
    return _refined(found, coarse, inside, trusts.values(), rows)


def _refined(
    found: Stage, coarse: CoarseMaps, inside: Tensor, trusts: Collection[Trust], rows: dict[str, Any]
) -> Refined:
    """The maps of a fit within ``inside`` (*grid), 0 or 1, the worst mismatch of all guides, and the account."""
    worst = torch.stack([trust.mismatch for trust in trusts]).amax(0) if trusts else torch.zeros_like(inside)
    return Refined(
        pd=inside * found.maps.pd,
        t2_s=inside / found.maps.r2,
        t1_s=None if coarse.t1_s is None else inside / found.maps.r1.clamp(min=1e-6),
        mismatch=inside * worst,
        info=rows
        | {
            "anchor": "signal" if coarse.te_s else "maps",
            "losses": list(found.fit.losses),
            "stop": found.fit.stop.name,
            "advice": found.fit.stop.value,
            "n_steps": found.fit.n_steps,
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
