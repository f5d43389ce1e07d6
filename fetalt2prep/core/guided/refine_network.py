"""Coarse maps and fine guides of one subject in, fine maps out, by a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.guided.first import first_maps
from fetalt2prep.core.guided.network import GuidedNet, Shown, blind_maps, inputs_of, slot_of
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import (
    FOREIGN_AT_FIRST,
    CoarseMaps,
    Guide,
    Refined,
    account,
    check_inputs,
    is_foreign,
)
from fetalt2prep.core.guided.trained_on import check_answerable
from fetalt2prep.core.guided.trust import Trust, trust_guide
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.truncation import KSpaceTruncation

N_PASSES = 2


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What a network is given: the published ablations are ``++``, ``+-``, ``-+`` and ``--``, in this order."""

    maps: bool = True
    """The coarse maps are shown to it."""
    anchor: bool = True
    """Its answer must look like the coarse maps on their grid, when it is trained."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a network is shown of a subject, and from where its changes count."""

    base: Maps
    channels: Tensor


def look_at(
    coarse: CoarseMaps, guides: Mapping[str, Shown], see: KSpaceTruncation, mask: Tensor, switches: Switches
) -> Look:
    """What a network is shown; guides by their slots, see :func:`fetalt2prep.core.guided.network.slot_of`."""
    fine, typical = first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, see, mask)
    base = fine if switches.maps else blind_maps(mask, typical)
    factor = math.prod(n / few for n, few in zip(see.shape, see.coarse, strict=True)) ** (1 / len(see.shape))
    return Look(base=base, channels=inputs_of(base, guides, mask, typical, factor))


def refine_by_network(
    coarse: CoarseMaps,
    guides: Sequence[Guide],
    see: KSpaceTruncation,
    mask: Tensor,
    options: GuidedOptions,
    on_step: Callable[[int, float], None] | None = None,
    *,
    network: GuidedNet,
    switches: Switches | None = None,
) -> Refined:
    """As :func:`fetalt2prep.core.guided.refine.refine`, by a network that was trained for it; seconds.

    It passes twice: with its first answer the guides' gains are known better. Where a guide disagrees with the coarse
    data, the result goes over into the coarse maps. Of the options only ``use`` counts, of which it knows ``auto`` and
    ``signal``. ``switches``: those of the network's training.

    Raises
    ------
    ValueError
        As the fit; or there is no T1 map, or two guides of one kind: the network was not trained for these.
    """
    check_inputs(coarse, guides, see, mask)
    check_answerable([g.model for g in guides], options, with_t1=coarse.t1_s is not None)
    switches = switches or Switches()
    inside = mask.to(coarse.pd.dtype)
    with torch.no_grad():
        base = look_at(coarse, {}, see, mask, Switches()).base
        maps, used, trusts = base, list(guides), dict[str, Trust]()
        for turn in range(N_PASSES):  # the second with better gains
            trusts |= {g.name: trust_guide(g.image, g.model, maps, see, mask, g.noise) for g in used}
            used = [g for g in used if not is_foreign(trusts[g.name], mask, FOREIGN_AT_FIRST)]
            shown = {slot_of(g.model): Shown(image=g.image / trusts[g.name].gain, model=g.model) for g in used}
            look = look_at(coarse, shown, see, mask, switches)
            maps = network(look.base, look.channels)
            if on_step is not None:
                on_step(turn + 1, 0.0)
        trusts |= {g.name: trust_guide(g.image, g.model, maps, see, mask, g.noise) for g in used}
        used = [g for g in used if not is_foreign(trusts[g.name], mask)]
        belief = torch.stack([inside, *(trusts[g.name].belief for g in used)]).amin(0) if used else 0 * inside
        maps = _between(base, maps, belief)
    worst = torch.stack([t.mismatch for t in trusts.values()]).amax(0) if trusts else torch.zeros_like(inside)
    uses = {g.name: "signal" if g in used else "none" for g in guides}
    return Refined(
        pd=inside * maps.pd,
        t2_s=inside / maps.r2,
        t1_s=inside / maps.r1,
        mismatch=inside * worst,
        info=account(guides, trusts, uses, mask)
        | {
            "anchor": "network",
            "losses": [],
            "stop": "MAX_STEPS",
            "advice": "A trained network answered; nothing was fitted to this subject.",
            "n_steps": N_PASSES,
        },
    )


def _between(base: Maps, maps: Maps, belief: Tensor) -> Maps:
    """The first where belief is 0, the second where it is 1, between them by logarithms."""
    parts = [
        torch.exp(torch.lerp(one.log(), other.log(), belief))
        for one, other in zip((base.pd, base.r1, base.r2), (maps.pd, maps.r1, maps.r2), strict=True)
    ]
    return Maps(*parts)
