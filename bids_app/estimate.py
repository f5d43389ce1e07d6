"""About how much time and memory a session takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_app.options import Options
from bids_app.session import SessionInputs, StackInput
from fetalt2prep.core.stack import Stack
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume

# Whole runs of nine stacks with 279 and 832 thousand points at 0.8 mm took 59 and 135 CPU seconds.
POINTS_PER_MASK = 1.4
"""Lattice points of a reconstruction over voxels of that size in the brain masks: the lattice has a margin."""
CPU_S_PER_POINT, BASE_CPU_S = 0.14e-3, 8.0
BASE_MEM_GB = 0.4
"""What the process holds before a reconstruction begins."""
GUIDED_CPU_S, GUIDED_CPU_S_PER_VOXEL = 20.0, 0.5e-3
"""Registration of a guide, and refinement of the maps by it."""
STACK_CPU_S = 1.5
"""Check, mask, quality, denoising and bias of a stack.

Of a head alone 0.4 s with a given mask, of which quality 0.15 s, and 1 s with the network's; of a whole uterus the
network takes 2 s."""
USUAL_BRAIN_ML = 250.0
"""Volume of the brain where no mask tells it: about that of 28 weeks."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """About what a session costs on a CPU."""

    cpu_s: float
    mem_gb: float


def estimate(session: SessionInputs, options: Options) -> Estimate:
    """Cost of a session from the volume of its brain and the resolution.

    Seconds are those of the default model and field; memory is the estimate of the reconstruction itself
    (:func:`fetalt2prep.core.recon.resources.size_of`), for a ball of the brain's volume in the geometry of each stack.
    """
    guide_stacks = session.guide.stacks if session.guide else ()
    cpu_s, mem_gb = STACK_CPU_S * (len(session.stacks) + len(guide_stacks)), BASE_MEM_GB
    if session.guide:
        cpu_s += GUIDED_CPU_S + GUIDED_CPU_S_PER_VOXEL * 1000 * brain_ml(session) / options.recon.resolution_mm**3
    if options.steps != "masks" and session.stacks:
        points = POINTS_PER_MASK * 1000 * brain_ml(session) / options.recon.resolution_mm**3
        cpu_s += (BASE_CPU_S + CPU_S_PER_POINT * points) * (2 if guide_stacks else 1)
        mem_gb += _reconstruction_gb(session, options)
    return Estimate(cpu_s=cpu_s, mem_gb=mem_gb)


def _reconstruction_gb(session: SessionInputs, options: Options) -> float:
    """Memory of a reconstruction besides what the process holds, in pieces where its share asks for them."""
    from fetalt2prep.core.recon.resources import HOLES, PIECES, size_of  # imports torch

    volume_ml = brain_ml(session)
    size = size_of([_ball(stack, volume_ml) for stack in session.stacks], options.recon)
    ways_mb = [HOLES * size.mb(), *(size.mb(n_points) for n_points in PIECES)]
    share_mb = options.recon.mem_mb
    fitting = [mb for mb in ways_mb if share_mb is None or mb <= share_mb - 1000 * BASE_MEM_GB]
    return (fitting or ways_mb[-1:])[0] / 1000


def _ball(stack: StackInput, volume_ml: float) -> Stack:
    """A brain of a volume, as a ball, in the pixels of a stack."""
    order = {"i": (1, 2, 0), "j": (2, 0, 1), "k": (0, 1, 2)}[stack.slice_direction[0]]
    voxel_mm = np.asarray(stack.voxel_mm[:3], float)[list(order)]
    radius_mm = (3000.0 * volume_ml / (4.0 * np.pi)) ** (1.0 / 3.0)
    n = 2 * np.ceil(radius_mm / voxel_mm).astype(int) + 1
    arm_mm = (np.moveaxis(np.indices(n), 0, -1) - (n - 1) / 2) * voxel_mm
    mask = (arm_mm**2).sum(-1) <= radius_mm**2
    return Stack(
        name=stack.name,
        pixels=mask.astype(np.float32),
        mask=mask,
        affine=np.diag([*voxel_mm, 1.0]),
        te_s=stack.te_s,
        thickness_mm=stack.thickness_mm,
    )


def brain_ml(session: SessionInputs) -> float:
    """Volume of the first mask that was given and can be read, else the usual one, millilitres."""
    for stack in session.stacks:
        if stack.mask:
            try:
                mask, affine, _ = read_volume(stack.mask)
            except InputError:
                continue
            return float((mask > 0.5).sum() * abs(np.linalg.det(affine[:3, :3])) / 1000)
    return USUAL_BRAIN_ML
