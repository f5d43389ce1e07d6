"""Interleave packages of stacks whose slice times are missing, from the pictures.

A fetus that moves between two sweeps (:mod:`.sweeps`) leaves each of them whole and the stack as a comb. What slices
would gain by moving together is asked of the stack's own normal equations: two combs that each want to go elsewhere
explain more than two halves do, which any slow drift would explain as well.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fetalt2prep.core.recon.poses import PosePull, expected_gain
from fetalt2prep.core.recon.slices import Slices

STEPS = (2, 3)  # slices between one slice and the next in time, that are looked for
# Chi-square per stack that combs (and halves) brought over whole stacks in simulated sessions: interleaved, mild to
# severe motion 2.4 (0.7), 4.6 (1.2), 11.5 (2.0), 40 (3.6), 43 (3.0); in one sweep, moderate 0.6 (5.9), severe 2.0 (17).
LEAST_GAIN = 3.0  # of chi-square per stack that a comb must bring over as many packages of neighbours
LEAST_RATIO = 2.0  # of what those bring


def with_found_packages(pull: PosePull) -> tuple[Slices, str | None]:
    """Stacks without slice times get the packages that the pictures show, and a sentence that says so.

    pull: of slices whose stacks are aligned.
    All such stacks of a session are taken to have the same interleave; when none shows, they stay whole (None).
    """
    slices = pull.slices
    unknown = torch.isnan(slices.time_s)
    if not bool(unknown.any()):
        return slices, None
    n_stacks = len(slices.stack_of[unknown].unique())

    def gain(packages: Tensor) -> float:
        """Chi-square that the slices without times gain as these packages."""
        groups = torch.where(unknown, packages, slices.package_of)
        gains = expected_gain(pull, _numbered(slices.stack_of, groups))
        return float(gains[unknown.nonzero()[:, 0]].sum())

    whole = gain(torch.zeros_like(slices.package_of))
    found = {step: (gain(_comb(slices, step)) - whole, gain(_blocks(slices, step)) - whole) for step in STEPS}
    best = max(found, key=lambda step: found[step][0] - found[step][1])
    comb, blocks = found[best]
    if comb - blocks < LEAST_GAIN * n_stacks or comb < LEAST_RATIO * blocks:
        return slices, None
    sweep = _comb(slices, best)
    order = torch.where(unknown, sweep * slices.n_slices + slices.index_in_stack, slices.order)
    packages = _numbered(slices.stack_of, torch.where(unknown, sweep, slices.package_of))
    told = (
        f"Slice times are missing for {n_stacks} stacks; their pictures show that every "
        f"{'second' if best == 2 else 'third'} slice moved together: registered as {best} interleaved packages."
    )
    return replace(slices, package_of=packages, order=order), told


def _comb(slices: Slices, step: int) -> Tensor:
    """Every ``step``-th slice of a stack together, (slice,)."""
    return slices.index_in_stack % step


def _blocks(slices: Slices, parts: int) -> Tensor:
    """As many packages of neighbours: what a slow drift looks like, (slice,)."""
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    package = torch.zeros_like(slices.stack_of)
    for stack in slices.stack_of.unique().tolist():  # a handful of stacks
        mine = slices.stack_of == stack
        share = (n_pixels[mine].cumsum(0) - 0.5 * n_pixels[mine]) / n_pixels[mine].sum().clamp(min=1)
        package[mine] = (share * parts).long().clamp(max=parts - 1)
    return package


def _numbered(stack_of: Tensor, package: Tensor) -> Tensor:
    """Packages of all stacks under numbers of their own, without gaps, (slice,)."""
    return torch.unique(stack_of * (int(package.max()) + 1) + package, return_inverse=True)[1]
