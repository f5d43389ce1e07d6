"""About how much time and memory a session takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bids_app.options import Options
from bids_app.session import SessionInputs
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume

# Whole runs of nine stacks with 279 and 832 thousand points at 0.8 mm took 59 and 135 CPU seconds, 0.9 and 1.7 GB.
POINTS_PER_MASK = 1.4
"""Lattice points of a reconstruction over voxels of that size in the brain masks: the lattice has a margin."""
CPU_S_PER_POINT, MEM_GB_PER_POINT = 0.14e-3, 1.5e-6
BASE_CPU_S, BASE_MEM_GB = 8.0, 0.6
STACK_CPU_S = 1.5
"""Check, mask and denoising of a stack."""
USUAL_BRAIN_ML = 250.0
"""Volume of the brain where no mask tells it: about that of 28 weeks."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """About what a session costs on a CPU."""

    cpu_s: float
    mem_gb: float


def estimate(session: SessionInputs, options: Options) -> Estimate:
    """Cost of a session from the volume of its brain and the resolution; the default model and field are measured."""
    cpu_s, mem_gb = STACK_CPU_S * len(session.stacks), BASE_MEM_GB
    if options.steps != "masks" and session.stacks:
        points = POINTS_PER_MASK * 1000 * brain_ml(session) / options.recon.resolution_mm**3
        cpu_s += BASE_CPU_S + CPU_S_PER_POINT * points
        mem_gb += MEM_GB_PER_POINT * points
    return Estimate(cpu_s=cpu_s, mem_gb=mem_gb)


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
