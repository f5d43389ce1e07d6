"""The stages of the fit of one subject: without guides, by their edges, by their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.fit import Fit
from fetalt2prep.core.guided.first import T2_RANGE_S, first_maps
from fetalt2prep.core.guided.given import CoarseMaps, Guide
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
from fetalt2prep.core.guided.trust import SEEN, Trust
from fetalt2prep.core.guided.unknowns import Coordinates, Maps
from fetalt2prep.core.signal import SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation

GAIN_ERROR = 0.03  # of a gain that was found, relative: counts as uncertainty of what is bright
MIXED = 0.3  # of the step between two tissues: how far a voxel of both is from the signal of its maps
LEAST_NOISE = 0.005  # of the guide's median: no sequence's equation holds better than that
NOISE_ALONE = 0.5  # misfit of the true maps: half a squared error of one sigma


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Maps, how their fit went, and how well they explain the coarse data."""

    maps: Maps
    fit: Fit[State]
    misfit: float
    """Cost of the anchor per coarse datum inside the mask; the noise alone costs :data:`NOISE_ALONE`."""
    valued: Sequence[Guide] = ()
    """Guides whose values were data."""


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Fits of one subject to its coarse data, each with more of what the guides say."""

    coarse: CoarseMaps
    see: KSpaceTruncation
    mask: Tensor
    options: GuidedOptions
    on_step: Callable[[int, float], None] | None = None

    def alone(self) -> Stage:
        """Without guides, from the coarse maps."""
        coarse = self.coarse
        first, _ = first_maps(coarse.pd, coarse.t1_s, coarse.t2_s, self.see, self.mask)
        return self._fit(first, [], {})

    def by_edges(self, start: Maps, guides: Sequence[Guide], trusts: Mapping[str, Trust]) -> Stage:
        """Where guides change the maps may."""
        return self._fit(start, guides, trusts)

    def by_values(
        self, start: Maps, valued: Sequence[Guide], guides: Sequence[Guide], trusts: Mapping[str, Trust]
    ) -> Stage:
        """The same, and what some of the guides show is data."""
        return self._fit(start, guides, trusts, valued)

    def best_by_values(
        self, start: Maps, valued: Sequence[Guide], guides: Sequence[Guide], trusts: Mapping[str, Trust], most: float
    ) -> tuple[Stage | None, dict[str, float]]:
        """Values of all these guides, else of the one that fits best; None where no misfit is below ``most``.

        Also the misfit with each guide's values, by itself where that was tried.
        """
        stages = [self.by_values(start, valued, guides, trusts)]
        if stages[0].misfit > most and len(valued) > 1:
            stages += [self.by_values(start, [guide], guides, trusts) for guide in valued]
        misfits = {guide.name: stage.misfit for stage in stages for guide in stage.valued}
        return min((s for s in stages if s.misfit <= most), key=lambda s: s.misfit, default=None), misfits

    def _fit(
        self, start: Maps, guides: Sequence[Guide], trusts: Mapping[str, Trust], valued: Sequence[Guide] = ()
    ) -> Stage:
        with_t1, inside = self.coarse.t1_s is not None, self.mask.to(self.coarse.pd.dtype)
        anchor = anchor_of(self.coarse, self.see, inside)
        weight = edge_weights([g.image for g in guides], [trusts[g.name].belief for g in guides], inside)
        edges = self.options.edges
        terms: list[Term] = [anchor, *(_guide_term(g, trusts[g.name], self.mask) for g in valued)]
        terms.append(EdgePrior(weight=weight, strength=(edges, edges, edges if with_t1 else 0.0)))
        echoes = [g.model.te_s for g in valued if isinstance(g.model, SpinEcho)]
        coordinates = Coordinates(te_s=echoes[0] if echoes and not with_t1 else 0.0, with_r1=with_t1)
        method = SubjectFit(
            first=start, coordinates=coordinates, mask=self.mask, terms=terms, n_steps=self.options.n_steps
        )
        maps, fitted = fit_subject(method, self.on_step)
        n_maps = len(self.coarse.te_s) or (3 if with_t1 else 2)
        n_data = n_maps * max(int((self.see.forward(inside) > SEEN).sum()), 1)
        with torch.no_grad():
            return Stage(maps=maps, fit=fitted, misfit=float(anchor(maps)) / n_data, valued=valued)


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
