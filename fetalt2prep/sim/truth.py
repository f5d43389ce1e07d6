"""The truth of a case: motion-free echoes, T2, M0, labels and brain mask on one grid in scanner space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.sim.phantom import Label, brain_mask

Floats = NDArray[np.float32]
BINNING = 2  # phantom voxels per truth voxel along each axis: the truth has partial volume


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Volumes on one grid; ``affine`` takes its indices to world mm with the head at rest."""

    affine: NDArray[np.float64]
    te_s: NDArray[np.float64]  # (echo,) ascending
    echoes: Floats  # (echo, x, y, z) scanner units
    t2_s: Floats | None  # (x, y, z) log-linear fit of the echoes; None with one echo time
    m0: Floats  # (x, y, z) scanner units
    labels: NDArray[np.uint8]  # (x, y, z) the label that most of the voxel has
    mask: NDArray[np.bool_]  # (x, y, z) brain and the fluid around it


def spin_echo(m0: Floats, t2_s: Floats, te_s: float) -> Floats:
    """Signal of a spin echo at long TR, (x, y, z)."""
    one = torch.tensor([te_s], dtype=torch.float32)
    return np.asarray(monoexponential(torch.from_numpy(m0), torch.from_numpy(t2_s), one)[0].numpy())


def bin_mean(volume: Floats | NDArray[np.bool_], factor: int = BINNING) -> Floats:
    """Mean of blocks of ``factor`` voxels along each axis of a volume (x, y, z), whose sizes it must divide."""
    total = np.zeros([n // factor for n in volume.shape], np.float32)
    for corner in np.ndindex(factor, factor, factor):
        total += volume[tuple(slice(start, None, factor) for start in corner)]
    return np.asarray(total / np.float32(factor**3), np.float32)


def bin_labels(labels: NDArray[np.uint8], factor: int = BINNING) -> NDArray[np.uint8]:
    """Most frequent label of each block of labels (x, y, z); of equals the smallest, but empty comes last."""
    present = [value for value in np.unique(labels).tolist() if value != Label.EMPTY] + [int(Label.EMPTY)]
    share = np.stack([bin_mean(labels == value, factor) for value in present])
    return np.asarray(np.take(present, np.argmax(share, axis=0)), np.uint8)


def bin_affine(affine: NDArray[np.float64], factor: int = BINNING) -> NDArray[np.float64]:
    """Affine (4, 4) of the blocks of a grid: index of the block to its centre, mm."""
    binned = affine.copy()
    binned[:3, :3] *= factor
    binned[:3, 3] += affine[:3, :3].sum(1) * (factor - 1) / 2
    return binned


def loglinear_t2(echoes: Floats, te_s: NDArray[np.float64]) -> Floats:
    """Unweighted log-linear fit, (echo, x, y, z) -> T2 in seconds (x, y, z); NaN where nothing decays."""
    centred = (te_s - te_s.mean()).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.tensordot(centred, np.log(echoes), 1) / np.sum(centred**2)
        return np.where(slope < 0, -1.0 / slope, np.nan).astype(np.float32)


def build_truth(
    labels: NDArray[np.uint8],
    m0: Floats,
    t2_s: Floats,
    affine: NDArray[np.float64],
    te_s: NDArray[np.float64],
) -> Truth:
    """Truth from fine maps of the head at rest: what a noise-free scan of the binned voxels gives.

    labels, m0, t2_s: (x, y, z) on the fine grid, whose ``affine`` is (4, 4), mm; te_s: (echo,).
    """
    echoes = np.stack([bin_mean(spin_echo(m0, t2_s, float(te))) for te in te_s])
    binned = bin_labels(labels)
    return Truth(
        affine=bin_affine(affine),
        te_s=te_s,
        echoes=echoes,
        t2_s=loglinear_t2(echoes, te_s) if len(te_s) > 1 else None,
        m0=bin_mean(m0),
        labels=binned,
        mask=brain_mask(binned),
    )
