"""Guides from their files onto the grid of the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.guided.given import CoarseMaps, Guide, without_t1
from fetalt2prep.core.guided.grid import FineGrid
from fetalt2prep.core.truncation import KSpaceTruncation
from fetalt2prep.io.guided_request import GuideFile
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume
from fetalt2prep.itk.place_guide import Placement, bring, place_guide
from fetalt2prep.itk.volume import Volume


@dataclass(frozen=True, kw_only=True)
class PlacedGuide:
    """A guide on the grid of the result, and how it came there."""

    file: GuideFile
    guide: Guide
    placement: Placement | None
    """None: its header says where it lies."""


def read_guide(file: GuideFile) -> Volume:
    """The image in its own frame; what is not finite is zero.

    Raises
    ------
    InputError
        It cannot be read, or has no positive pixel.
    """
    values, affine, _ = read_volume(file.path)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if not (values > 0).any():
        raise InputError(f"{file.path.name}: the guide has no positive pixel. Give a magnitude image.")
    return Volume(values, affine)


def placed(
    name: str, file: GuideFile, volume: Volume, placement: Placement | None, grid: FineGrid, inside: NDArray[np.bool_]
) -> PlacedGuide:
    """The guide where its placement, or its header, puts it.

    Raises
    ------
    InputError
        It shows nothing where the maps are known.
    """
    image = bring(volume, Volume(np.zeros(grid.shape, np.float32), grid.affine), placement)
    if not (image[inside] > 0).any():
        raise InputError(
            f"{file.path.name}: the guide shows nothing where the maps are known. Is it of the same session? Check "
            "where its header puts it, or leave it out."
        )
    guide = Guide(
        name=name,
        image=torch.from_numpy(np.ascontiguousarray(image)),
        model=file.model,
        noise=estimate_noise_sigma(image, inside & (image > 0)),
        same_scale=file.same_scale,
    )
    return PlacedGuide(file=file, guide=guide, placement=placement)


def registered(
    file: GuideFile, volume: Volume, maps: CoarseMaps, see: KSpaceTruncation, inside: NDArray[np.bool_], grid: FineGrid
) -> Placement:
    """Against what the coarse maps would show in the guide's sequence."""
    r2 = 1.0 / maps.t2_s.clamp(min=0.005)
    r1 = torch.zeros_like(r2) if maps.t1_s is None else 1.0 / maps.t1_s.clamp(min=0.05)
    model = file.model if maps.t1_s is not None else without_t1(file.model)
    expected = see.zero_fill(model(maps.pd, r1, r2).abs()).numpy() * inside
    coarsest_mm = max(mm * factor for mm, factor in zip(grid.voxel_mm, grid.factors, strict=True))
    return place_guide(Volume(expected.astype(np.float32), grid.affine), volume, inside, 0.5 * coarsest_mm)
