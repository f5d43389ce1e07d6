"""Slices that lie elsewhere than what they show, looked for from many starts.

When the fetus turns in the middle of a stack, half a sweep is off by centimetres: beyond the reach of a gradient, and
what such slices draw at the wrong place explains them well enough to keep them there. So every slice is compared with
the rough volume of all *other* packages. Those that agree far less than the rest are lost: they leave the volume and
are searched in it, first those together that follow each other in time, then one by one, each from where the found ones
before and after it are. So are those that lie far from the slices acquired next to them, which has its price: an end of
the brain agrees with many places. What nothing agrees with stays lost, and the fit leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid, rotation_matrix
from fetalt2prep.core.outlier import MOST_LOST
from fetalt2prep.core.recon.company import Company, company, prices
from fetalt2prep.core.recon.many_starts import Template, best_motion, turns
from fetalt2prep.core.recon.one_side import seen_from_one_side
from fetalt2prep.core.recon.rough_volumes import RoughVolumes, bright_slices, echo_free
from fetalt2prep.core.recon.slices import Slices

LOST_SHARE = 0.75  # of the median slice's correlation with the others; measured: lost ones have less, good ones more
LEFT_OUT_SHARE = 0.4  # of the same: below, a slice not found counts for nothing; ends of the brain have more
LEAST_MEDIAN = 0.5  # correlation of the median slice: below, all look alike or all are elsewhere, and none is judged
LEAST_SHARE = 0.2  # of the pixels of the stack's median slice: fewer fit anywhere
LEAST_CONTRAST = 3.0  # noise standard deviations by which pixels differ: noise alone agrees with nothing
FOUND_MM = 3.0  # a slice that agrees nearer than this was not far from where it belongs
FAR = 0.07  # price of a place that is three spreads from the nearest company's
PASSES = 3
MAX_POINTS = 1000
OFFSET_MM = 8.0  # starts lie this far along each axis, both ways; the first steps of the beam reach as far again


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where slices are, and how well they agree with the other packages."""

    poses: Rigid
    volumes: RoughVolumes  # of every package, from slices that are not lost
    agreement: Tensor  # (slice,) correlation with the other packages
    price: Tensor  # (slice,) of lying far from where those are that were acquired next to it
    least: float  # correlation below which a slice is lost
    lost: Tensor  # (slice,) bool; in the end those that agree with nothing, or with too little to be that far off
    large: Tensor  # (slice,) bool: enough of the brain is seen, and no void, to tell
    found: Tensor  # (slice,) bool: lay elsewhere, and was brought to where it agrees

    @property
    def settled(self) -> Tensor:
        """Slices that others may be looked for next to, (slice,) bool."""
        return self.large & ~self.lost & (self.price <= FAR)


def search_lost(slices: Slices, poses: Rigid) -> Placed:
    """Lost slices brought to where they agree with the others; small ones keep company with those found beside them."""
    placed = judge(slices, poses)
    if len(slices.package_of.unique()) < 2 or placed.least == -torch.inf or seen_from_one_side(slices, poses):
        return replace(placed, lost=torch.zeros_like(placed.lost))
    for which in _runs(slices, placed):
        placed = _search(slices, placed, which)
    for _ in range(PASSES):
        placed = judge(slices, placed.poses)
        judged = placed
        for which in _in_reach(slices, placed):
            placed = _search(slices, placed, which)
        if placed is judged:
            break
    else:
        placed = judge(slices, placed.poses)
    found = ~placed.lost & ((placed.poses.shift_mm - poses.shift_mm).norm(dim=1) > FOUND_MM)
    alien = (placed.agreement < LEFT_OUT_SHARE / LOST_SHARE * placed.least) | (placed.price > FAR)
    placed = replace(placed, found=found, lost=placed.lost & alien)
    return _small_follow(slices, placed) if bool((placed.found | placed.lost).any()) else placed


def judge(slices: Slices, poses: Rigid) -> Placed:
    """Every slice against the rough volume of the other packages; lost ones are left out of the volumes."""
    usable = bright_slices(slices)
    large = usable & _telling_slices(slices)  # a void agrees with nothing wherever it is
    first = _agreement(slices, poses, RoughVolumes(slices, poses, slices.package_of, usable))
    lost = _outnumbered(large & (first < LOST_SHARE * _median(first[large])), large)
    volumes = RoughVolumes(slices, poses, slices.package_of, usable & ~lost)
    agreement = _agreement(slices, poses, volumes)
    least = LOST_SHARE * _median(agreement[large])
    good = large & (agreement >= least)
    price = prices(slices, poses, good & (prices(slices, poses, good) <= FAR))
    return Placed(
        poses=poses,
        volumes=volumes,
        agreement=agreement,
        price=price,
        least=least,
        lost=_outnumbered(large & (agreement - price < least), large),
        large=large,
        found=torch.zeros_like(large),
    )


def _median(agreement: Tensor) -> float:
    """Of the slices that can be judged; minus infinity, so that none is lost, where it is too low to judge by."""
    median = float(agreement.median()) if len(agreement) else 0.0
    return median if median >= LEAST_MEDIAN else -torch.inf


def _outnumbered(lost: Tensor, large: Tensor) -> Tensor:
    """The lost slices, or none when they are not few: then it is the comparison that fails, (slice,)."""
    return lost & (lost.sum() <= MOST_LOST * large.sum())


def _telling_slices(slices: Slices) -> Tensor:
    """Slices that see enough of the brain, with enough contrast, to be placed by themselves, (slice,)."""
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    spread = slices.values - slices.mean_per_slice(slices.values)[slices.slice_idx]
    contrast = slices.mean_per_slice(spread.square()).sqrt()
    telling = torch.zeros_like(slices.stack_of, dtype=torch.bool)
    for stack in slices.stack_of.unique().tolist():  # a handful of stacks
        mine = (slices.stack_of == stack) & (n_pixels > 0)
        telling |= mine & (n_pixels >= LEAST_SHARE * n_pixels[mine].median())
    return telling & (contrast >= LEAST_CONTRAST * slices.noise_sigma)


def _agreement(slices: Slices, poses: Rigid, volumes: RoughVolumes) -> Tensor:
    """Correlation of every slice with the volume of the packages it does not belong to, (slice,)."""
    values, points_mm = echo_free(slices), poses.move(slices.points_mm, slices.slice_idx)
    seen = torch.zeros_like(values)
    package = slices.package_of[slices.slice_idx]
    for number in package.unique().tolist():  # two or three for every stack
        mine = package == number
        seen[mine] = volumes.sample(volumes.others(number), points_mm[mine][None])[0]
    seen = seen - slices.mean_per_slice(seen)[slices.slice_idx]
    values = values - slices.mean_per_slice(values)[slices.slice_idx]
    power = slices.sum_per_slice(seen.square()) * slices.sum_per_slice(values.square())
    return slices.sum_per_slice(seen * values) / power.sqrt().clamp(min=1e-9)


def _runs(slices: Slices, placed: Placed) -> list[Tensor]:
    """Lost slices that follow each other in time within a package, longest run first."""
    runs: list[list[int]] = []
    for package in slices.package_of.unique().tolist():  # two or three for every stack
        mine = ((slices.package_of == package) & placed.large).nonzero()[:, 0]
        before = False
        for one in mine[slices.order[mine].argsort()].tolist():
            lost = bool(placed.lost[one])
            if lost and not before:
                runs.append([])
            if lost:
                runs[-1].append(one)
            before = lost
    return [torch.tensor(run, device=placed.lost.device) for run in sorted(runs, key=len, reverse=True)]


def _in_reach(slices: Slices, placed: Placed) -> list[Tensor]:
    """Slices to be looked for one by one, those first that were acquired right before or after one that is not lost.

    They are the lost ones, and those that lie far from their company: an end of the brain agrees with many places.
    """
    looked_for = (placed.lost | placed.large & (placed.price > FAR)).nonzero()[:, 0]
    gaps = [company(slices, placed.settled, one[None]).least_gap for one in looked_for]
    return [looked_for[at : at + 1] for at in sorted(range(len(looked_for)), key=gaps.__getitem__)]


def _template(slices: Slices, placed: Placed, which: Tensor, near: Company) -> Template:
    """Pixels of slices (k,) as acquired, and the volume of the other packages."""
    mine = torch.isin(slices.slice_idx, which).nonzero()[:, 0]
    mine = mine[:: max(1, len(mine) // MAX_POINTS)]
    points_mm = slices.points_mm[mine]
    return Template(
        volumes=placed.volumes,
        volume=placed.volumes.others(int(slices.package_of[which[0]])),
        points_mm=points_mm,
        values=echo_free(slices)[mine],
        price=near.price(placed.poses, points_mm.mean(0), len(which)),
    )


def _search(slices: Slices, placed: Placed, which: Tensor) -> Placed:
    """Slices (k,) that move as one brought to where they agree best with the others, if that is worth the price."""
    near = company(slices, placed.settled, which)
    template = _template(slices, placed, which, near)
    places = torch.cat((which[:1], near.slices))
    bases = placed.poses.select(places).about(template.middle_mm.expand(len(places), 3))
    rotation, shift_mm = best_motion(template, *_starts(bases))
    stays = not bool(placed.lost[which[0]]) and float((shift_mm - bases.shift_mm[0]).norm()) < FOUND_MM
    if stays or float(template.agreement(rotation[None], shift_mm[None])) < placed.least:
        return placed
    moved = Rigid.identity(slices.centres_mm[which]).followed_by(rotation, template.about_origin(rotation, shift_mm))
    lost, price = placed.lost.clone(), placed.price.clone()
    lost[which], price[which] = False, 0.0  # the next are looked for beside it, though it may have come a long way
    return replace(placed, poses=placed.poses.replaced(which, moved), lost=lost, price=price)


def _starts(bases: Rigid) -> tuple[Tensor, Tensor]:
    """Every turn and every offset about each of some motions: rotations (k, 3, 3) and shifts (k, 3)."""
    axes = torch.cat((torch.zeros(1, 3), torch.eye(3), -torch.eye(3))).to(bases.shift_mm) * OFFSET_MM
    rotations = rotation_matrix(turns().to(axes)) @ bases.rotation[:, None]  # (base, turn, 3, 3)
    shifts_mm = bases.shift_mm[:, None] + axes  # (base, offset, 3)
    n_turns, n_axes = rotations.shape[1], len(axes)
    rotations = rotations[:, :, None].expand(-1, -1, n_axes, -1, -1).reshape(-1, 3, 3)
    return rotations, shifts_mm[:, None].expand(-1, n_turns, -1, -1).reshape(-1, 3)


def _small_follow(slices: Slices, placed: Placed) -> Placed:
    """Slices that show too little to be judged share the fate of those beside them in time.

    They go with the nearest found one where they lie far off; where the nearest is lost, they are lost as well.
    """
    poses, lost = placed.poses, placed.lost.clone()
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    price = prices(slices, poses, placed.settled)
    for one in (~placed.large & (n_pixels > 0)).nonzero():
        beside, near = company(slices, placed.large, one), company(slices, placed.settled, one)
        if len(beside.slices):
            lost[one] = placed.lost[beside.nearest]
        if price[one] > FAR:
            centre_mm = placed.poses.centre_mm[one]
            poses = poses.replaced(one, placed.poses.select(near.nearest).about(centre_mm))
    return replace(placed, poses=poses, lost=lost)
