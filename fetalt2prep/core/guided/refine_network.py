"""Coarse maps and fine guides of one subject in, fine maps out, by a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fetalt2prep.core.guided.first import first_maps, plain_maps
from fetalt2prep.core.guided.given import CoarseMaps, Guide, check_inputs
from fetalt2prep.core.guided.held import Held, held_to
from fetalt2prep.core.guided.network import GuidedNet, Shown, blind_maps, inputs_of, slot_of
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import Refined, account
from fetalt2prep.core.guided.trained_on import check_answerable
from fetalt2prep.core.guided.trust import Trust, trust_guide
from fetalt2prep.core.guided.unknowns import Maps
from fetalt2prep.core.guided.use import FOREIGN_AT_FIRST, is_foreign
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
    return _look_from(first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, see, mask), guides, see, mask, switches)


def _look_from(
    start: tuple[Maps, float], guides: Mapping[str, Shown], see: KSpaceTruncation, mask: Tensor, switches: Switches
) -> Look:
    """The same from what :func:`fetalt2prep.core.guided.first.first_maps` gave."""
    fine, typical = start
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

    It passes twice: with its first answer the guides' gains are known better. An answer that does not look like the
    coarse maps is refused, and each guide is tried by itself; where no answer is left, or in a voxel where it is far
    from them, the result is the coarse maps by linear interpolation. Of the options only ``use`` counts, of which it
    knows ``auto`` and ``signal``. ``switches``: those of the network's training.

    Raises
    ------
    ValueError
        As the fit; or there is no T1 map, or two guides of one kind: the network was not trained for these.
    """
    check_inputs(coarse, guides, see, mask)
    check_answerable([g.model for g in guides], options, with_t1=coarse.t1_s is not None)
    assert coarse.t1_s is not None
    inside = mask.to(coarse.pd.dtype)
    with torch.no_grad():
        start = first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, see, mask)
        trusts = {g.name: trust_guide(g.image, g.model, start[0], see, mask, g.noise) for g in guides}
        ask = partial(_answer, coarse, start, trusts, see, mask, network, switches or Switches(), on_step)
        tried = [g for g in guides if not is_foreign(trusts[g.name], mask, FOREIGN_AT_FIRST)]
        answers = [ask(tried)] if tried else []
        if len(tried) > 1 and not answers[0].good:
            answers += [ask([g]) for g in tried]
        maps = plain_maps(coarse.pd, coarse.t1_s, coarse.t2_s, see)
        best = min((a for a in answers if a.good), key=lambda a: a.held.distance, default=None)
        if best is not None:
            maps = _between(maps, best.maps, best.held.belief)
    for answer in answers:  # a guide by itself is told of as such
        trusts |= answer.trusts
    doubted = [*(t.belief for t in trusts.values()), *(a.held.belief for a in answers)]
    beliefs = doubted if best is None else [best.held.belief]
    uses = {g.name: "signal" if best is not None and g.name in best.trusts else "none" for g in guides}
    return Refined(
        pd=inside * maps.pd,
        t2_s=inside / maps.r2,
        t1_s=inside / maps.r1,
        mismatch=inside * (1.0 - torch.stack([inside, *beliefs]).amin(0)),
        info=account(guides, trusts, uses, mask)
        | {
            "anchor": "network",
            "answers": [answer.account() for answer in answers],
        },
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the network made of some guides."""

    maps: Maps
    trusts: dict[str, Trust]
    """Of these guides, beside the answer."""
    held: Held
    good: bool
    """It explains the guides and looks like the coarse maps."""

    def account(self) -> dict[str, Any]:
        """For the record."""
        return {"guides": list(self.trusts), "distance": round(self.held.distance, 3), "good": self.good}


def _answer(
    coarse: CoarseMaps, start: tuple[Maps, float], trusts: Mapping[str, Trust], see: KSpaceTruncation, mask: Tensor,
    network: GuidedNet, switches: Switches, on_step: Callable[[int, float], None] | None, guides: Sequence[Guide],
) -> Answer:  # fmt: skip
    """The network's second answer, and how it stands beside guides and coarse maps."""
    for turn in range(N_PASSES):
        shown = {slot_of(g.model): Shown(image=g.image / trusts[g.name].gain, model=g.model) for g in guides}
        look = _look_from(start, shown, see, mask, switches)
        maps = network(look.base, look.channels)
        trusts = {g.name: trust_guide(g.image, g.model, maps, see, mask, g.noise) for g in guides}
        if on_step is not None:
            on_step(turn + 1, 0.0)
    assert coarse.t1_s is not None
    held = held_to(coarse.t1_s, coarse.t2_s, maps, see, mask)
    explained = not any(is_foreign(trust, mask) for trust in trusts.values())
    return Answer(maps=maps, trusts=dict(trusts), held=held, good=explained and not held.refused)


def _between(one: Maps, other: Maps, belief: Tensor) -> Maps:
    """The first where belief is 0, the second where it is 1, between them by logarithms."""
    parts = [
        torch.exp(torch.lerp(a.log(), b.log(), belief))
        for a, b in zip((one.pd, one.r1, one.r2), (other.pd, other.r1, other.r2), strict=True)
    ]
    return Maps(*parts)
