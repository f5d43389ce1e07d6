"""From the fitted field to volumes with their doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from fetalt2prep.core.field.echo import EchoField, SeparateFields
from fetalt2prep.core.geometry import Grid, Rigid
from fetalt2prep.core.recon.density import data_density
from fetalt2prep.core.recon.doubt import echo_stderr
from fetalt2prep.core.recon.field_fit import Scene
from fetalt2prep.core.recon.reasons import likely_causes
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.recon.slice_table import slice_table
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.recon.trust import Trust
from fetalt2prep.core.stack import Stack

BORDER = 2  # grid points around the mask in what is returned
RIM = 1  # grid points by which the mask is wider than what most stacks vote for; docs/decisions/0097


@torch.no_grad()
def collect(
    field: EchoField | SeparateFields,
    scene: Scene,
    slices: Slices,
    stacks: Sequence[Stack],
    poses: Rigid,
    trust: Trust,
) -> Recon:
    """Volumes at the lattice's points, cropped to the mask; ``info`` is left empty."""
    lattice, grid = scene.lattice, scene.lattice.grid
    log_signal = field.on_lattice(lattice.index)
    predicted = scene.predict(log_signal)
    seen = lattice.scatter(torch.ones_like(log_signal[:1]))[0] > 0
    mask = with_rim(consensus_mask(stacks, poses, grid), seen.cpu().numpy())
    crop = _crop(mask)
    echoes = lattice.scatter(torch.exp(log_signal)).cpu().numpy() * slices.scale
    doubt = echo_stderr(field, scene, slices, poses, trust.slice_weight, coupled=trust.typical is not None)
    stderr = lattice.scatter(doubt).cpu().numpy() * slices.scale
    misfit = residual_map(scene, scene.gain * predicted - scene.values).cpu().numpy() * slices.scale
    density = lattice.scatter(data_density(scene, slices, stacks)).cpu().numpy()
    causes = likely_causes(scene, scene.volumes(log_signal), slices, stacks, poses, trust.slice_weight)
    affine = grid.affine
    affine[:3, 3] += [axis.start * grid.spacing_mm for axis in crop]
    return Recon(
        te_s=slices.te_s.double().cpu().numpy().round(6),
        echoes=np.where(mask, echoes, 0.0)[:, *crop].astype(np.float32),
        echo_stderr=np.where(mask, stderr, np.nan)[:, *crop].astype(np.float32),
        residual=np.where(mask, misfit, np.nan)[crop].astype(np.float32),
        density=np.where(mask, density, np.nan)[:, *crop].astype(np.float32),
        mask=mask[crop],
        affine=affine,
        slices=slice_table(slices, poses, trust, scene.gain * predicted, causes),
        info={},
    )


def residual_map(scene: Scene, residual: Tensor) -> Tensor:
    """RMS of the weighted residuals of the pixels that see each grid point, all echoes together, (x, y, z)."""
    power = scene.operator.adjoint(scene.weight * residual.square()).sum(0)
    weight = scene.operator.adjoint(scene.weight).sum(0)
    return (power / weight.clamp(min=1e-9)).sqrt()


def consensus_mask(stacks: Sequence[Stack], poses: Rigid, grid: Grid) -> NDArray[np.bool_]:
    """Brain mask on the grid: where most of the stacks' pixels, carried by their slices' poses, lie inside their masks.

    Largest component, holes filled; (x, y, z).
    """
    device = poses.shift_mm.device
    inside, total = torch.zeros(grid.shape, device=device), torch.zeros(grid.shape, device=device)
    first = 0
    for stack in stacks:  # one by one: a matrix for all, beside that of the fit, would be the peak of memory
        mine = torch.arange(first, first + stack.n_slices, device=device)
        first += stack.n_slices
        if not stack.mask.any():
            continue
        wide = replace(
            stack,
            pixels=stack.mask.astype(np.float32),
            mask=ndimage.binary_dilation(stack.mask, iterations=2),
            noise_sigma=0.0,  # a mask has none to be estimated
        )
        slices = flatten([wide], str(device))
        operator = slices.operator(grid, poses.select(mine))
        inside += operator.adjoint(slices.values * slices.scale)[0]
        total += operator.adjoint(torch.ones_like(slices.values))[0]
    mask = (inside > 0.5 * total).cpu().numpy() & (total > 0).cpu().numpy()
    labels, n_labels = ndimage.label(mask)
    if n_labels > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)


def with_rim(voted: NDArray[np.bool_], seen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voted mask and a rim around it, where slices see it, (x, y, z).

    A pixel outside a mask may be brain by nearly a half. Teeth of single points, where few slices reach, are left out.
    """
    wide = ndimage.binary_dilation(voted, iterations=RIM) & seen
    blunt = ndimage.binary_opening(wide, ndimage.generate_binary_structure(3, 2))
    return np.asarray((voted & seen) | blunt, dtype=bool)


def _crop(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """Box around the mask with a border; the whole array when the mask is empty."""
    if not mask.any():
        return (slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2]))
    where = np.argwhere(mask)
    low = np.maximum(where.min(0) - BORDER, 0)
    high = np.minimum(where.max(0) + BORDER + 1, mask.shape)
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
