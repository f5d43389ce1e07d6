"""Guided super-resolution of files: coarse maps and guides in, a folder of refined maps with an account out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fetalt2prep.core.guided.grid import FineGrid, fine_grid
from fetalt2prep.core.guided.refine import Refined
from fetalt2prep.core.truncation import KSpaceTruncation
from fetalt2prep.io.guided_account import account_of
from fetalt2prep.io.guided_coarse import Coarse, read_coarse
from fetalt2prep.io.guided_method import Method, method_of
from fetalt2prep.io.guided_placing import PlacedGuide, placed, read_guide, registered
from fetalt2prep.io.guided_request import GuidedRequest
from fetalt2prep.io.mask import load_mask
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import save_volume

OnStep = Callable[[str, int, int, float], None]


@dataclass(frozen=True, kw_only=True)
class Written:
    """Files of a refinement, and its account."""

    t2map: Path
    s0map: Path
    t1map: Path | None
    mismatch: Path
    guides: list[Path]
    account_file: Path
    account: dict[str, Any]


def refine_files(request: GuidedRequest, folder: Path, on_step: OnStep | None = None) -> Written:
    """Register, calibrate, refine, write; ``on_step(what, step, n_steps, loss)`` for progress.

    Writes T2map (s), S0map, T1map (s) where one was given, mismatch (0 to 1), the guides on the fine grid as
    ``guide-<n>`` (NIfTI), and guided.json.

    Raises
    ------
    InputError
        Maps or guides that cannot be read, are empty, on different grids, or in other units; voxels so small that the
        result is too large; a guide that shows another part of the body; what
        :func:`fetalt2prep.io.guided_method.method_of` refuses.
    """
    show = on_step or (lambda what, step, n_steps, loss: None)
    coarse = read_coarse(request)
    volumes = [read_guide(file) for file in request.guides]
    finest = min(volumes, key=lambda volume: abs(float(np.linalg.det(volume.affine[:3, :3]))))
    grid = _grid(request, coarse, finest.affine)
    method = method_of(request, grid.factors)
    inside = _inside(request, coarse, grid)
    see = KSpaceTruncation.between(grid.shape, grid.coarse_shape)
    maps = coarse.in_box(grid, request)
    guides = []
    for n, (file, volume) in enumerate(zip(request.guides, volumes, strict=True), start=1):
        show(f"guide {n}: {'registration' if request.register else 'reading'}", n - 1, len(volumes), 0.0)
        placement = registered(file, volume, maps, see, inside, grid) if request.register else None
        guides.append(placed(f"guide-{n}", file, volume, placement, grid, inside))
    images = [one.guide for one in guides]
    try:
        found = method.refine(maps, images, see, torch.from_numpy(inside), request.options, _Steps(show, method))
    except ValueError as error:
        names = ", ".join(f"{one.guide.name} is {one.file.path.name}" for one in guides)
        raise InputError(f"{request.t2map.name}: {error} ({names})") from error
    account = account_of(request, method, found, maps, guides, grid, inside)
    return _write(found, guides, grid, inside, account | {"coarse_voxels_filled": coarse.n_filled}, folder)


class _Steps:
    """``on_step(step, loss)`` of the passes of a method, each counted from its own beginning."""

    def __init__(self, show: OnStep, method: Method) -> None:
        self._show, self._method, self._pass, self._last = show, method, 1, 0

    def __call__(self, step: int, loss: float) -> None:
        self._pass, self._last = self._pass + (step <= self._last), step
        self._show(f"{self._method.name}, pass {self._pass}", step, self._method.n_steps, loss)


def _grid(request: GuidedRequest, coarse: Coarse, guide_affine: NDArray[np.float64]) -> FineGrid:
    try:
        return fine_grid(coarse.known, coarse.affine, guide_affine, request.voxel_mm)
    except ValueError as error:
        raise InputError(f"{request.t2map.name}: {error}") from error


def _inside(request: GuidedRequest, coarse: Coarse, grid: FineGrid) -> NDArray[np.bool_]:
    """Where maps are wanted and known, on the fine grid."""
    inside = grid.nearest(coarse.known)
    if request.mask is not None:
        inside = load_mask(request.mask, grid.shape, grid.affine, request.t2map.name)[0] & inside
        if not inside.any():
            raise InputError(f"{request.mask.name}: holds none of the voxels where {request.t2map.name} has a value.")
    return inside


def _write(
    found: Refined,
    guides: Sequence[PlacedGuide],
    grid: FineGrid,
    inside: NDArray[np.bool_],
    account: dict[str, Any],
    folder: Path,
) -> Written:
    folder.mkdir(parents=True, exist_ok=True)

    def save(values: torch.Tensor, name: str) -> Path:
        shown = np.where(inside, values.numpy(), np.nan).astype(np.float32)
        return save_volume(*grid.pasted(shown, np.nan), folder / f"{name}.nii.gz")

    path = folder / "guided.json"
    path.write_text(json.dumps(account, indent=2) + "\n", "utf-8")
    return Written(
        t2map=save(found.t2_s, "T2map"),
        s0map=save(found.pd, "S0map"),
        t1map=None if found.t1_s is None else save(found.t1_s, "T1map"),
        mismatch=save(found.mismatch, "mismatch"),
        guides=[
            save_volume(*grid.pasted(one.guide.image.numpy(), 0.0), folder / f"{one.guide.name}.nii.gz")
            for one in guides
        ],
        account_file=path,
        account=account,
    )
