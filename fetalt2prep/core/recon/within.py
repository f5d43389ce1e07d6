"""A reconstruction within the memory there is: planned before the start, and tried again smaller when it ran out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from fetalt2prep.core.recon.joint import OnStep, reconstruct
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.resources import Attempt, first_attempt, size_of
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.stack import Stack

GPU_SHARE = 0.9  # of a GPU's free memory: its libraries take some when they are first used


def plan(stacks: Sequence[Stack], options: ReconOptions, held_mb: float = 0.0) -> Attempt:
    """How to carry the reconstruction out, before anything is allocated.

    held_mb: what the process holds already, in megabytes, of ``options.mem_mb``. Stacks without a pixel are for
    :func:`~fetalt2prep.core.recon.joint.reconstruct` to refuse. Raises ValueError when the memory cannot suffice.
    """
    if not any(stack.mask.any() for stack in stacks):
        return Attempt(device=options.device)
    if options.device.startswith("cuda"):
        free_bytes, _ = torch.cuda.mem_get_info(options.device)
        return first_attempt(size_of(stacks, options), options.device, GPU_SHARE * free_bytes / 1e6)
    free_mb = None if options.mem_mb is None else options.mem_mb - held_mb
    return first_attempt(size_of(stacks, options), options.device, free_mb)


def reconstruct_within(
    stacks: Sequence[Stack], options: ReconOptions, attempt: Attempt, on_step: OnStep | None = None
) -> Recon:
    """:func:`~fetalt2prep.core.recon.joint.reconstruct`, again in smaller pieces whenever the device's memory ran out.

    What was done is said in ``info["notes"]``; ``info["memory"]`` holds the pieces and the estimate. Raises
    MemoryError when nothing smaller is left.
    """
    while True:
        try:
            recon = reconstruct(
                stacks,
                replace(options, device=attempt.device),
                on_step,
                points_at_once=attempt.points_at_once,
            )
            break
        except torch.OutOfMemoryError as error:
            told = str(error).splitlines()[0] if str(error) else "no message"
            smaller = attempt.smaller()
        if smaller is None:
            raise MemoryError(
                f"{attempt.device}: out of memory in the smallest pieces ({told}). Choose a coarser "
                "--recon-resolution, or a machine with more memory."
            )
        attempt = smaller  # outside the handler: the error's traceback holds the tensors of the attempt that failed
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    notes = recon.info["notes"]
    assert isinstance(notes, list)
    memory = {"points_at_once": attempt.points_at_once, "expected_mb": round(attempt.expected_mb)}
    return replace(recon, info={**recon.info, "notes": [*notes, *attempt.notes], "memory": memory})
