"""Slice acquisition by random points of the point spread function: the published form, kept as the reference.

NeSVoR (doi:10.1109/TMI.2023.3236216) and arXiv 2508.10680 draw pixels, and for each pixel points around it, and ask the
field at every one of them. The lattice form (:mod:`fetalt2prep.core.slice_op`) has the same objective without the
draws; a test holds their gradients together. Nothing in a reconstruction uses this file: a step over all pixels with 64
points each asks the field twenty times as often as a lattice does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.slices import Slices


def draw_psf_points(slices: Slices, poses: Rigid, pixels: Tensor, n_points: int, generator: torch.Generator) -> Tensor:
    """World points after motion, around some pixels, distributed as their point spread function.

    pixels: (n,) indices -> (n, n_points, 3), millimetres. Isotropic Gaussian in all directions, and along the moved
    slice normal an offset of the slice profile.
    """
    which = slices.slice_idx[pixels]
    profile = slices.profile()
    chosen = torch.multinomial(profile.weights[which], n_points, replacement=True, generator=generator)
    offset_mm = profile.offsets_mm[which].gather(1, chosen)
    normals = (poses.rotation @ slices.normals[..., None])[which, :, 0]
    centres = poses.move(slices.points_mm[pixels], which)
    spread = torch.randn(len(pixels), n_points, 3, generator=generator, device=centres.device)
    return centres[:, None] + offset_mm[..., None] * normals[:, None] + slices.blur_sigma_mm * spread


def sampled_signal(field: EchoField | SeparateFields, points_mm: Tensor, echo_idx: Tensor) -> Tensor:
    """Signal of pixels, the mean of their own echo over their points; (n, k, 3), (n,) -> (n,)."""
    n_pixels, n_points, _ = points_mm.shape
    signal = torch.exp(field(points_mm.reshape(-1, 3))).reshape(-1, n_pixels, n_points).mean(-1)
    return signal.gather(0, echo_idx[None])[0]


def sampled_data_term(
    field: EchoField | SeparateFields, slices: Slices, poses: Rigid, n_points: int, generator: torch.Generator
) -> Tensor:
    """``sum over pixels of (signal - measured)^2 / 2`` with fresh points, a scalar.

    The square of a mean of draws is too large by their variance over ``n_points``: many points, or a bias towards
    fields that are too smooth.
    """
    pixels = torch.arange(len(slices.values), device=slices.values.device)
    points_mm = draw_psf_points(slices, poses, pixels, n_points, generator)
    return 0.5 * (sampled_signal(field, points_mm, slices.echo_idx) - slices.values).square().sum()
