"""Stacks searched from many starts against what the other stacks show, before anything is fitted.

A fetus may have turned between two stacks by more than the capture range of any gradient. A rough volume of the other
stacks, and rigid motions tried in bulk, cost a second and find the right basin; everything finer is left to the fit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid, rotation_matrix
from fetalt2prep.core.recon.many_starts import Template, angle, best_motion, turns
from fetalt2prep.core.recon.rough_volumes import RoughVolumes, bright_slices, echo_free
from fetalt2prep.core.recon.slices import Slices

GAIN_LEAST = 0.05  # correlation below which a stack stays where it is: what little is left, the fit finds
PENALTY_PER_RAD = 0.03  # correlation that a turn has to bring, so that a half turn of a symmetric brain does not win
MAX_POINTS = 3000


def search_stacks(slices: Slices) -> tuple[Rigid, dict[str, float]]:
    """Poses of all slices, each stack moved as a whole to where it agrees best with the others.

    Returns the poses and, for every stack that was moved, its name and the angle in degrees. Stacks are visited from
    the one that agrees least; a single stack stays where it is.
    """
    poses = Rigid.identity(slices.centres_mm)
    stacks = slices.stack_of[slices.slice_idx].unique().tolist()
    if len(stacks) < 2:
        return poses, {}
    values, usable = echo_free(slices), bright_slices(slices)
    stay = torch.eye(3).to(values)[None], torch.zeros(1, 3).to(values)
    volumes = RoughVolumes(slices, poses, slices.stack_of, usable)
    start = {
        stack: float(_template(slices, values, poses, usable, volumes, stack).agreement(*stay)) for stack in stacks
    }
    turned_deg: dict[str, float] = {}
    for stack in sorted(stacks, key=lambda number: start[number]):
        volumes = RoughVolumes(slices, poses, slices.stack_of, usable)
        template = _template(slices, values, poses, usable, volumes, stack)
        others = poses.move(slices.points_mm, slices.slice_idx)[slices.stack_of[slices.slice_idx] != stack].mean(0)
        rotations = rotation_matrix(turns().to(values))
        to_others = (others - template.middle_mm).expand(len(rotations), 3)
        rotation, shift_mm = best_motion(
            template, torch.cat((rotations, rotations)), torch.cat((torch.zeros_like(to_others), to_others))
        )
        if float(template.agreement(rotation[None], shift_mm[None]) - template.agreement(*stay)) < GAIN_LEAST:
            continue
        mine = slices.stack_of == stack
        poses = poses.replaced(
            mine, poses.select(mine).followed_by(rotation, template.about_origin(rotation, shift_mm))
        )
        turned_deg[slices.names[stack]] = float(torch.rad2deg(angle(rotation)))
    return poses, turned_deg


def _template(
    slices: Slices, values: Tensor, poses: Rigid, usable: Tensor, volumes: RoughVolumes, stack: int
) -> Template:
    """At most ``MAX_POINTS`` pixels of a stack at their poses, and the volume of the others."""
    mine = ((slices.stack_of == stack) & usable)[slices.slice_idx].nonzero()[:, 0]
    mine = mine[:: max(1, len(mine) // MAX_POINTS)]
    points_mm = poses.move(slices.points_mm[mine], slices.slice_idx[mine])
    return Template(
        volumes=volumes, volume=volumes.others(stack), points_mm=points_mm, values=values[mine], price=_price
    )


def _price(rotations: Tensor, _: Tensor) -> Tensor:
    return PENALTY_PER_RAD * angle(rotations)
