"""Acquisition of thick slices whose k-space is filled along an echo train.

As :mod:`.acquisition`, but a voxel's signal changes from line to line: it is a sum of a few functions of the echo, so
a slice is that many images, each weighted along its lines before they are added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.sim.acquisition import OVERSAMPLING, SliceEffects, SliceSampler, StackPlan
from fetalt2prep.sim.artefacts import CoilField, void_factor
from fetalt2prep.sim.echo_train import TrainBasis
from fetalt2prep.sim.kspace import truncate_kspace
from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.tissue import Tissue

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TrainHead:
    """The head at rest on its grid, as weights of the basis functions of one echo time's train."""

    weights: Floats  # (rank, x, y, z), 0 outside the head
    inside: Floats  # (x, y, z), 0..1
    affine: Doubles  # grid index -> world at rest


def head_weights(
    labels: NDArray[np.uint8],
    m0: Floats,
    t2_s: Floats,
    affine: Doubles,
    basis: TrainBasis,
    tissues: dict[Label, Tissue],
    b1: CoilField | None,
) -> Floats:
    """Weights of the basis functions in every voxel, (rank, x, y, z), in the units of M0.

    ``basis`` has the tissues in the order of ``tissues``; ``b1`` is the transmit field, which stays with the head.
    """
    row = np.zeros(256, np.int64)
    row[[int(label) for label in tissues]] = np.arange(len(tissues))
    out = np.zeros((len(basis.functions), *labels.shape), np.float32)
    _, ny, nz = labels.shape
    y, z = np.meshgrid(np.arange(ny), np.arange(nz), indexing="ij")
    for x in range(labels.shape[0]):  # memory: one plane's coordinates at a time
        full = labels[x] > 0
        if full.any():
            index = np.stack((np.full(full.sum(), x), y[full], z[full]), -1)
            field = None if b1 is None else b1.at(index @ affine[:3, :3].T + affine[:3, 3])
            out[:, x, full] = m0[x][full] * basis.maps(row[labels[x][full]], t2_s[x][full], field)
    return out


def surrounding_levels(basis: TrainBasis, tissues: dict[Label, Tissue], labels: tuple[Label, ...]) -> Doubles:
    """Weights of tissues that do not move, transmit field 1, (rank, label), in the units of their M0."""
    order = list(tissues)
    row = np.array([order.index(label) for label in labels])
    t2_s, m0 = (np.array([getattr(tissues[label], name) for label in labels], np.float32) for name in ("t2_s", "m0"))
    return np.asarray(m0 * basis.maps(row, t2_s, np.ones_like(t2_s)), np.float64)


def acquire_train_stack(
    plan: StackPlan,
    head: TrainHead,
    basis: TrainBasis,
    effects: SliceEffects,
    first_row: int,
    *,
    coil: CoilField | None = None,
    background: Callable[[Doubles], Floats] | None = None,
) -> Floats:
    """Noise-free pixels (x, y, slice) of one stack, in the units of ``head.weights``.

    ``first_row``: row of the stack's first slice in ``effects``. ``background``: weights (rank, ...) at world points
    (..., 3) of what stays where it is while the head moves over it. Lines run along the first in-plane axis, so the
    second is phase-encoded.
    """
    sampler = SliceSampler(plan, head.affine, OVERSAMPLING)
    x_mm, y_mm = sampler.in_plane_mm()
    lines = basis.line_weights(plan.shape[1], float(np.linalg.norm(plan.affine[:3, 1])))
    pixels = np.empty(plan.shape, np.float32)
    for slice_idx in range(plan.shape[2]):  # memory: one slice's fine samples at a time
        row = first_row + slice_idx
        layers = sampler.layers(slice_idx, effects.world_to_rest[row])
        share = np.array([weight for weight, _, _ in layers], np.float32)
        index = np.stack([place for _, place, _ in layers], 1)
        rows, columns = _window(index, head.inside.shape)
        index = index[:, :, rows, columns]
        fine = np.zeros((len(head.weights), *sampler.shape), np.float32)
        for k, volume in enumerate(head.weights):
            fine[k, rows, columns] = np.tensordot(share, _interpolate(volume, index), 1)
        if background is not None:
            outside = np.ones((len(layers), *sampler.shape), np.float32)
            outside[:, rows, columns] -= _interpolate(head.inside, index)
            for k, (weight, _, world) in enumerate(layers):
                fine += np.float32(weight) * outside[k] * background(world)
        if coil is not None:
            fine *= coil.at(sampler.world(slice_idx))
        fine *= void_factor(effects.voids, row, x_mm, y_mm) * np.float32(effects.gains[row])
        pixels[..., slice_idx] = truncate_kspace(fine, plan.shape[:2], acquired=plan.acquired, line_weights=lines)
    return pixels


def _window(index: Doubles, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Smallest window of a slice's samples, index (3, layer, x, y), that holds all that lie on a grid of some shape."""
    last = np.array(shape, np.float64).reshape(3, 1, 1, 1)
    on_grid: NDArray[np.bool_] = np.any(np.all((index > -1.0) & (index < last), axis=0), axis=0)
    rows, columns = np.flatnonzero(on_grid.any(axis=1)), np.flatnonzero(on_grid.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _interpolate(volume: Floats, index: Doubles) -> Floats:
    """Trilinear values at grid coordinates (3, ...); 0 outside."""
    if index.size == 0:
        return np.zeros(index.shape[1:], np.float32)
    last = np.array(volume.shape, np.float64) - 1.0
    unit = np.stack([2.0 * index[k] / last[k] - 1.0 for k in (2, 1, 0)], -1).astype(np.float32)
    values = torch.nn.functional.grid_sample(
        torch.from_numpy(volume)[None, None],
        torch.from_numpy(unit.reshape(1, 1, 1, -1, 3)),
        align_corners=True,
    )
    return values.numpy().reshape(index.shape[1:])
