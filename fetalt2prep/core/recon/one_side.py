"""Whether slices see the head from one side only: then each is tied to the others through its own thickness alone."""

from __future__ import annotations

import torch

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.slices import Slices

ONE_SIDE = 0.85  # share of the squared normals along one axis


def seen_from_one_side(slices: Slices, poses: Rigid) -> bool:
    """Whether nearly all slices with pixels are parallel in the head."""
    normals = (poses.rotation @ slices.normals[:, :, None])[:, :, 0]
    normals = normals[slices.sum_per_slice(torch.ones_like(slices.values)) > 0]
    return bool(torch.linalg.eigvalsh(normals.T @ normals / len(normals)).max() > ONE_SIDE)
