"""Gauss-Newton registration of slices or stacks to the model's own prediction at their echo time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.geometry import Rigid, best_rigid, rotation_matrix, rotation_vector
from fetalt2prep.core.recon.slices import Slices


@dataclass(frozen=True, kw_only=True)
class PosePrior:
    """How far a group may step at once and how much two slices that follow each other in time may differ."""

    max_rotation_rad: float = 0.06
    max_shift_mm: float = 2.0
    neighbour_rotation_rad: float = 0.03
    neighbour_shift_mm: float = 1.0
    independent_share: float = 0.03
    """Share of pixels that count as independent: residuals are correlated over the point spread function and wherever
    the model is wrong, and a slice that trusts each pixel by itself follows its own noise through the plane."""


@dataclass(frozen=True, kw_only=True)
class PosePull:
    """Where the slices are, and what their pixels ask of the poses."""

    slices: Slices
    poses: Rigid
    jacobian: Tensor
    """Derivative of every pixel's prediction by its slice's pose, (pixel, 6)."""
    residual: Tensor
    """Prediction minus measurement, (pixel,)."""
    weights: Tensor
    """Robust weight / noise variance, (pixel,)."""
    prior: PosePrior = PosePrior()


def anchored(slices: Slices, poses: Rigid) -> Rigid:
    """Poses less the rigid motion that all pixels have in common: the mean position in the scanner is the frame.

    A rigid motion of all slices together with the volume changes no prediction; without an anchor it drifts.
    """
    moved = poses.move(slices.points_mm, slices.slice_idx)
    return poses.followed_by(*best_rigid(moved, slices.points_mm))


def group_centres(slices: Slices, poses: Rigid, groups: Tensor) -> Tensor:
    """Mean moved slice centre of each group, weighted by pixels, one row per slice (slice, 3)."""
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))[:, None].clamp(min=1e-3)
    moved = poses.centre_mm + poses.shift_mm
    n_groups = int(groups.max()) + 1
    total = moved.new_zeros(n_groups, 3).index_add_(0, groups, moved * n_pixels)
    mass = moved.new_zeros(n_groups, 1).index_add_(0, groups, n_pixels)
    return (total / mass)[groups]


def gauss_newton_step(pull: PosePull, groups: Tensor, *, linked: bool) -> Rigid:
    """Poses after one damped Gauss-Newton step of every group's six parameters.

    Parameters
    ----------
    pull
        Poses, and what the pixels ask of them.
    groups
        Group of every slice, (slice,): the stack, the package or the slice itself.
    linked
        Groups are slices, and slices that follow each other in acquisition order are tied by the prior; the tie is a
        Cauchy one, so that a sudden movement breaks it.
    """
    slices, poses, prior = pull.slices, pull.poses, pull.prior
    hessian, gradient = _normal_equations(pull, groups)
    scale = _scale(prior, hessian)
    if linked:
        tie, towards = _neighbour_tie(slices, poses, scale)
        hessian = hessian + torch.diag_embed(tie)
        gradient = gradient + towards
    step = -torch.linalg.solve(_damped(hessian, scale), gradient[..., None])[..., 0].float()
    rotvec = _limited(step[:, :3], prior.max_rotation_rad)[groups]
    shift = _limited(step[:, 3:], prior.max_shift_mm)[groups]
    offset = poses.centre_mm + poses.shift_mm - group_centres(slices, poses, groups)
    swing = (rotation_matrix(rotvec) @ offset[..., None])[..., 0] - offset
    return poses.nudged(rotvec, shift + swing)


def expected_gain(pull: PosePull, groups: Tensor) -> Tensor:
    """Chi-square that a step of :func:`gauss_newton_step` promises, shared among the slices of each group, (slice,)."""
    hessian, gradient = _normal_equations(pull, groups)
    step = torch.linalg.solve(_damped(hessian, _scale(pull.prior, hessian)), gradient[..., None])[..., 0]
    return ((gradient * step).sum(1) / groups.bincount())[groups]


def _normal_equations(pull: PosePull, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Hessian (group, 6, 6) and gradient (group, 6) of half the chi-square by each group's rotation and shift."""
    slices, poses, jacobian = pull.slices, pull.poses, pull.jacobian
    arm = (poses.centre_mm + poses.shift_mm - group_centres(slices, poses, groups))[slices.slice_idx]
    torque = jacobian[:, :3] + torch.linalg.cross(arm, jacobian[:, 3:])
    rows = torch.cat((torque, jacobian[:, 3:]), -1).double()
    weighted = rows * pull.weights[:, None].double() * pull.prior.independent_share
    n_groups = int(groups.max()) + 1
    pixel_group = groups[slices.slice_idx]
    hessian = rows.new_zeros(n_groups, 36).index_add_(0, pixel_group, (weighted[:, :, None] * rows[:, None]).flatten(1))
    gradient = rows.new_zeros(n_groups, 6).index_add_(0, pixel_group, weighted * pull.residual[:, None].double())
    return hessian.reshape(n_groups, 6, 6), gradient


def _scale(prior: PosePrior, like: Tensor) -> Tensor:
    """Spread that the prior gives to each of the six parameters, (6,)."""
    return like.new_tensor([prior.neighbour_rotation_rad] * 3 + [prior.neighbour_shift_mm] * 3)


def _damped(hessian: Tensor, scale: Tensor) -> Tensor:
    """A group without data stays where it is; a tenth of the diagonal tames steps on blurred volumes."""
    damping = 0.1 * hessian.diagonal(dim1=1, dim2=2) + 1.0 / scale.square()
    return hessian + torch.diag_embed(damping)


def _neighbour_tie(slices: Slices, poses: Rigid, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Diagonal of the Hessian and gradient of the tie to the slices acquired just before and after, (slice, 6) each.

    Differences of pose are taken at the slice's own centre, so that a common rotation of the head costs nothing.
    """
    order = torch.argsort(slices.stack_of * (slices.n_slices + 1) + slices.order)
    tie = scale.new_zeros(slices.n_slices, 6)
    pull = torch.zeros_like(tie)
    for one, other in ((order[:-1], order[1:]), (order[1:], order[:-1])):  # before and after in time
        same = slices.stack_of[one] == slices.stack_of[other]
        one, other = one[same], other[same]
        relative = poses.rotation[one] @ poses.rotation[other].transpose(-1, -2)
        turn = rotation_vector(relative)
        moved_by_other = poses.select(other).about(poses.centre_mm[one])
        difference = torch.cat((turn, poses.shift_mm[one] - moved_by_other.shift_mm), -1).double() / scale
        weight = 1.0 / (1.0 + difference.square().sum(-1, keepdim=True)) / scale
        tie.index_add_(0, one, weight.expand_as(difference) / scale)
        pull.index_add_(0, one, weight * difference)
    return tie, pull


def _limited(vectors: Tensor, longest: float) -> Tensor:
    length = vectors.norm(dim=-1, keepdim=True)
    return vectors * (longest / length.clamp(min=longest))
