"""Slices that were left out of the fit of real single-shot images, predicted from the others.

Of every stack each fifth slice is left out: its mask is emptied, nothing of it is fitted. The fitted field predicts its
pixels through the slice operator, at the mean of the poses of the two slices beside it in the same stack (the left-out
slice itself is never registered, so motion between neighbours is error). Against it stand the other stacks,
interpolated linearly at the same points where the scanner put them and averaged (they may use all of their slices,
also those that the fit never saw), and the ``sc`` model without motion. All are granted one gain per slice, by least
squares.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from benchmarks.cases import HERE
from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.operator import apply
from fetalt2prep.core.recon.field_fit import magnitude
from fetalt2prep.core.recon.joint import reconstruct
from fetalt2prep.core.recon.lattice import Lattice
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.recon.response import Response
from fetalt2prep.core.recon.result import Recon
from fetalt2prep.core.recon.slices import Slices, flatten
from fetalt2prep.core.slice_op import lattice_blur_voxels
from fetalt2prep.core.stack import Stack
from fetalt2prep.io.sidecar import echo_time_s, read_sidecar
from fetalt2prep.io.stack import load_stack

DATA = HERE.parent.parent / "shared" / "data" / "fetal-haste-mialsrtk"
EVERY, FIRST = 5, 2
LEAST_PIXELS = 200  # of a left-out slice inside the mask
RESULTS = HERE / "results" / "left_out.json"


def read_haste(folder: Path) -> list[Stack]:
    """The three stacks with their masks."""
    stacks = []
    for image in sorted(folder.glob("*_T2w.nii.gz")):
        meta = read_sidecar(image)
        mask = image.with_name(image.name.replace("_T2w.nii.gz", "_T2w_desc-brain_mask.nii.gz"))
        te_s = echo_time_s(meta, image.name)
        stacks.append(load_stack(image, mask, te_s=te_s, thickness_mm=meta["SliceThickness"])[0])
    return stacks


def without(stack: Stack) -> Stack:
    """The stack with the mask of each fifth slice emptied."""
    mask = stack.mask.copy()
    mask[:, :, FIRST::EVERY] = False
    return replace(stack, mask=mask)


def left_out_pixels(stacks: Sequence[Stack], known: Slices) -> Slices:
    """Masked pixels of the slices that were left out, on the scale and with the noise of the fit."""
    every = flatten(stacks)
    out = every.index_in_stack % EVERY == FIRST
    out &= every.sum_per_slice(torch.ones_like(every.values)) >= LEAST_PIXELS
    mine = out[every.slice_idx]
    return replace(
        every,
        values=every.values[mine] * every.scale / known.scale,
        points_mm=every.points_mm[mine],
        slice_idx=every.slice_idx[mine],
        scale=known.scale,
        noise_sigma=known.noise_sigma,
    )


def poses_of(recon: Recon) -> Rigid:
    """Estimated poses of all slices, about the origin."""
    rows = [[torch.as_tensor(np.asarray(recon.slices[f"m{i}{j}"], np.float32)) for j in range(4)] for i in range(3)]
    matrix = torch.stack([torch.stack(row, -1) for row in rows], -2)
    return Rigid(matrix[..., :3].contiguous(), matrix[..., 3].contiguous(), torch.zeros(len(matrix), 3))


def between_neighbours(poses: Rigid, slices: Slices) -> Rigid:
    """Every slice at the mean pose of the slices beside it in its stack, about its own centre; ends stay."""
    poses = poses.about(slices.centres_mm)
    rotation, shift = poses.rotation.clone(), poses.shift_mm.clone()
    here = torch.arange(1, slices.n_slices - 1)
    here = here[(slices.stack_of[here - 1] == slices.stack_of[here + 1])]
    beside = [poses.select(here + step).about(slices.centres_mm[here]) for step in (-1, 1)]
    left, _, right = torch.linalg.svd(beside[0].rotation + beside[1].rotation)
    rotation[here], shift[here] = left @ right, (beside[0].shift_mm + beside[1].shift_mm) / 2
    return Rigid(rotation, shift, slices.centres_mm)


@torch.no_grad()
def predicted(recon: Recon, slices: Slices, poses: Rigid) -> Tensor:
    """Pixels of slices at some poses from the fitted field, through the slice operator, (pixel,)."""
    assert recon.field is not None
    grid = recon.field.field.grid
    operator = slices.operator(grid, poses)
    blur_voxels = lattice_blur_voxels(slices.blur_sigma_mm, grid.spacing_mm)
    lattice = Lattice.seen_by(operator, len(slices.values), blur_voxels)
    signal = torch.exp(recon.field.field.on_lattice(lattice.index))
    return magnitude(apply(Response(operator, lattice.index, blur_voxels), signal), slices.noise_sigma)


def interpolated(stacks: Sequence[Stack], slices: Slices) -> Tensor:
    """Mean of the other stacks at the same points, linear, without motion, (pixel,); NaN outside all of them."""
    points = slices.points_mm.double().numpy()
    total, count = np.zeros(len(points)), np.zeros(len(points))
    stack_of = slices.stack_of[slices.slice_idx].numpy()
    for number, stack in enumerate(stacks):
        to_index = np.linalg.inv(stack.affine)
        at = (points @ to_index[:3, :3].T + to_index[:3, 3]).T
        value: NDArray[np.float64] = ndimage.map_coordinates(
            stack.pixels.astype(float), at, order=1, mode="constant", cval=np.nan
        )
        use = np.isfinite(value) & (stack_of != number)
        total[use] += value[use]
        count[use] += 1
    return torch.as_tensor(np.where(count > 0, total / np.maximum(count, 1), np.nan) / slices.scale)


def scores(prediction: Tensor, slices: Slices, seen: Tensor) -> dict[str, float]:
    """Mean over slices of PSNR (peak: 99th percentile of the session) and NCC after one gain per slice."""
    psnr, ncc = [], []
    for number in slices.slice_idx.unique().tolist():
        mine = seen & (slices.slice_idx == number)
        true, mean = slices.values[mine].double(), prediction[mine].double()
        mean = mean * (mean @ true) / (mean @ mean)
        psnr.append(-10 * float((mean - true).square().mean().log10()))
        ncc.append(float(torch.corrcoef(torch.stack((mean, true)))[0, 1]))
    return {"psnr_db": round(float(np.mean(psnr)), 2), "ncc": round(float(np.mean(ncc)), 4)} | {
        "psnr_slices": [round(value, 2) for value in psnr],  # type: ignore[dict-item]
        "ncc_slices": [round(value, 4) for value in ncc],  # type: ignore[dict-item]
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Fit, predict, print, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    stacks = read_haste(args.data)
    kept = [without(stack) for stack in stacks]
    slices = left_out_pixels(stacks, flatten(kept))
    still = Rigid.identity(slices.centres_mm)
    fitted = reconstruct(kept, ReconOptions())
    separate = reconstruct(kept, ReconOptions(model="sc"), poses=still)
    ways = {
        "the engine": predicted(fitted, slices, between_neighbours(poses_of(fitted), slices)),
        "`sc` without motion": predicted(separate, slices, still),
        "linear interpolation of the other stacks": interpolated(stacks, slices),
    }
    seen = torch.stack([way.isfinite() for way in ways.values()]).all(0)
    results: dict[str, object] = {name: scores(way, slices, seen) for name, way in ways.items()}
    results["slices"] = len(slices.slice_idx.unique())
    results["pixels"] = int(seen.sum())
    results["pixels_outside_other_stacks"] = int((~seen).sum())
    print(json.dumps(results, indent=1))
    args.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
