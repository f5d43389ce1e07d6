"""Slices that lie elsewhere than what they show, looked for from many starts.

When the fetus turns in the middle of a stack, half a sweep is off by centimetres: beyond the reach of a gradient, and
what such slices draw at the wrong place explains them well enough to keep them there. So every slice is compared with
the rough volume of all *other* packages. Those that agree far less than the rest are lost: they leave the volume and
are searched in it, first those together that follow each other in time, then one by one, each from where the found ones
before and after it are. What nothing agrees with stays lost, and the fit leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid, rotation_matrix
from fetalt2prep.core.recon.company import Company, company
from fetalt2prep.core.recon.many_starts import Template, best_motion, turns
from fetalt2prep.core.recon.rough_volumes import RoughVolumes, bright_slices, echo_free
from fetalt2prep.core.recon.slices import Slices

LOST_SHARE = 0.75  # of the median slice's correlation with the others; measured: lost ones have less, good ones more
LEAST_SHARE = 0.2  # of the pixels of the stack's median slice: fewer fit anywhere
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
    least: float  # correlation below which a slice is lost
    lost: Tensor  # (slice,) bool
    large: Tensor  # (slice,) bool: enough of the brain is seen, and no void, to tell
    found: Tensor  # (slice,) bool: was lost, and agrees elsewhere


def search_lost(slices: Slices, poses: Rigid) -> Placed:
    """Lost slices brought to where they agree with the others; small ones keep company with those found beside them."""
    placed = judge(slices, poses)
    start = placed.lost
    if len(slices.package_of.unique()) < 2:
        return placed
    for number in range(PASSES):
        before = placed.lost
        for which in _runs(slices, placed) if number == 0 else _in_reach(slices, placed):
            placed = _search(slices, placed, which)
        if bool((placed.lost == before).all()):
            break
        placed = judge(slices, placed.poses)
    way_mm = (placed.poses.shift_mm - poses.shift_mm).norm(dim=1)
    placed = replace(placed, found=start & ~placed.lost & (way_mm > FOUND_MM))
    return _small_follow(slices, placed) if bool(placed.found.any()) else placed


def judge(slices: Slices, poses: Rigid) -> Placed:
    """Every slice against the rough volume of the other packages; lost ones are left out of the volumes."""
    usable = bright_slices(slices)
    large = usable & _large_slices(slices)  # a void agrees with nothing wherever it is
    first = _agreement(slices, poses, RoughVolumes(slices, poses, slices.package_of, usable))
    lost = large & (first < LOST_SHARE * first[large].median())
    volumes = RoughVolumes(slices, poses, slices.package_of, usable & ~lost)
    agreement = _agreement(slices, poses, volumes)
    least = LOST_SHARE * float(agreement[large].median())
    none = torch.zeros_like(large)
    return Placed(poses=poses, volumes=volumes, least=least, lost=large & (agreement < least), large=large, found=none)


def _large_slices(slices: Slices) -> Tensor:
    """Slices that see enough of the brain to be placed by themselves, (slice,)."""
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    large = torch.zeros_like(slices.stack_of, dtype=torch.bool)
    for stack in slices.stack_of.unique().tolist():  # a handful of stacks
        mine = (slices.stack_of == stack) & (n_pixels > 0)
        large |= mine & (n_pixels >= LEAST_SHARE * n_pixels[mine].median())
    return large


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
    """Lost slices one by one, those first that were acquired right before or after one that is not lost."""
    lost = placed.lost.nonzero()[:, 0]
    gaps = [company(slices, placed.large & ~placed.lost, one[None]).least_gap for one in lost]
    return [lost[at : at + 1] for at in sorted(range(len(lost)), key=gaps.__getitem__)]


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
        price=near.price(placed.poses, points_mm.mean(0)),
    )


def _search(slices: Slices, placed: Placed, which: Tensor) -> Placed:
    """Slices (k,) that move as one brought to where they agree with the others, and no longer lost if they do."""
    near = company(slices, placed.large & ~placed.lost, which)
    template = _template(slices, placed, which, near)
    places = torch.cat((which[:1], near.slices))
    bases = placed.poses.select(places).about(template.middle_mm.expand(len(places), 3))
    rotation, shift_mm = best_motion(template, *_starts(bases))
    if float(template.correlation(rotation[None], shift_mm[None])) < placed.least:
        return placed
    moved = Rigid.identity(slices.centres_mm[which]).followed_by(rotation, template.about_origin(rotation, shift_mm))
    lost = placed.lost.clone()
    lost[which] = False
    return replace(placed, poses=placed.poses.replaced(which, moved), lost=lost)


def _starts(bases: Rigid) -> tuple[Tensor, Tensor]:
    """Every turn and every offset about each of some motions: rotations (k, 3, 3) and shifts (k, 3)."""
    axes = torch.cat((torch.zeros(1, 3), torch.eye(3), -torch.eye(3))).to(bases.shift_mm) * OFFSET_MM
    rotations = rotation_matrix(turns().to(axes)) @ bases.rotation[:, None]  # (base, turn, 3, 3)
    shifts_mm = bases.shift_mm[:, None] + axes  # (base, offset, 3)
    n_turns, n_axes = rotations.shape[1], len(axes)
    rotations = rotations[:, :, None].expand(-1, -1, n_axes, -1, -1).reshape(-1, 3, 3)
    return rotations, shifts_mm[:, None].expand(-1, n_turns, -1, -1).reshape(-1, 3)


def _small_follow(slices: Slices, placed: Placed) -> Placed:
    """Slices that show too little to be judged go with those before or after them in time, where they lie far off."""
    poses, good = placed.poses, placed.large & ~placed.lost
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    for one in (~placed.large & (n_pixels > 0)).nonzero():
        near = company(slices, good, one)
        own = placed.poses.select(one)
        if len(near.slices) and float(near.price(placed.poses, own.centre_mm[0])(own.rotation, own.shift_mm)) > FAR:
            closest = near.slices[near.gaps.argmin()][None]
            poses = poses.replaced(one, placed.poses.select(closest).about(own.centre_mm))
    return replace(placed, poses=poses)
