"""Which stacks share a field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fetalt2prep.core.stack import Stack

SAME_PLANE_DEG = 25.0


def positions(stacks: Sequence[Stack]) -> list[list[int]]:
    """Indices of the stacks of each position: those whose slices lie in nearly the same plane, at whatever echo time.

    A field that only some echo times are divided by would enter the decay. So when a position lacks an echo time of the
    session, or has more of the stacks of one than of another, all stacks are one position.
    """
    groups: list[list[int]] = []
    normals = [np.cross(stack.affine[:3, 0], stack.affine[:3, 1]) for stack in stacks]
    normals = [normal / np.linalg.norm(normal) for normal in normals]
    for index, normal in enumerate(normals):
        along = [abs(float(normal @ normals[group[0]])) for group in groups]
        if along and max(along) > np.cos(np.deg2rad(SAME_PLANE_DEG)):
            groups[int(np.argmax(along))].append(index)
        else:
            groups.append([index])
    times = [sorted(round(stacks[index].te_s, 6) for index in group) for group in groups]
    return groups if _all_alike(times) else [list(range(len(stacks)))]


def _all_alike(times: list[list[float]]) -> bool:
    """Whether every position has every echo time, each as often as the others."""
    everything = {te_s for own in times for te_s in own}
    return all(set(own) == everything and len({own.count(te_s) for te_s in own}) == 1 for own in times)
