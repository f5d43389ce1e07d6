"""Guided super-resolution of files: coarse maps and guides in, a folder of refined maps with an account out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.core.denoise.noise import estimate_noise_sigma
from fetalt2prep.core.guided.grid import FineGrid, fine_grid
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.reason import reason_of
from fetalt2prep.core.guided.refine import CoarseMaps, Guide, Refined
from fetalt2prep.core.signal import SignalModel, SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation
from fetalt2prep.io.echoes import check_same_grid
from fetalt2prep.io.guide_sequence import sequence_account
from fetalt2prep.io.guided_method import ERROR, Method, method_of
from fetalt2prep.io.mask import load_mask
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.volume import read_volume, save_volume
from fetalt2prep.itk.place_guide import Placement, bring, place_guide
from fetalt2prep.itk.volume import Volume

LARGEST_S = {"T2": 20.0, "T1": 60.0}
OnStep = Callable[[str, int, int, float], None]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class GuideFile:
    """A weighted image and how it was acquired."""

    path: Path
    model: SignalModel
    same_scale: bool = False
    """Nothing rescaled it relative to the maps' S0."""


@dataclass(frozen=True, kw_only=True)
class GuidedRequest:
    """What is to be refined by what."""

    t2map: Path
    s0map: Path
    guides: Sequence[GuideFile]
    t1map: Path | None = None
    mask: Path | None = None
    """Where maps are wanted; None: where the coarse ones have a value."""
    te_s: tuple[float, ...] = ()
    """Echo times from which T2 was fitted, when known."""
    error: float = ERROR
    """Relative standard error of the coarse maps."""
    voxel_mm: float | None = None
    """Edge of the voxels of the result; None: those of the finest guide."""
    register: bool = True
    options: GuidedOptions = field(default_factory=GuidedOptions)
    method: str = "fit"
    """Of :data:`fetalt2prep.core.guided.options.METHODS`. The network knows ``options.use``, ``auto`` or ``signal``,
    and nothing of ``te_s``, ``error``, ``same_scale`` and the other options.
    """
    weights: Path | None = None
    """Of the network, as train-guided leaves them; None: those of the package."""


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """Maps as they were read, (x, y, z) on one grid, and where they have a value."""

    s0: Floats
    t2_s: Floats
    t1_s: Floats | None
    known: NDArray[np.bool_]
    affine: NDArray[np.float64]


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
        Maps or guides that cannot be read, are empty, on different grids, or in other units; a guide that shows another
        part of the body; what :func:`fetalt2prep.io.guided_method.method_of` refuses.
    """
    if not request.guides:
        raise InputError(f"{request.t2map.name}: no guide is given.")
    show = on_step or (lambda what, step, n_steps, loss: None)
    coarse = read_coarse(request)
    volumes = [Volume(*_read_guide(guide.path)) for guide in request.guides]
    finest = min(volumes, key=lambda volume: abs(float(np.linalg.det(volume.affine[:3, :3]))))
    grid = fine_grid(coarse.known, coarse.affine, finest.affine, request.voxel_mm)
    method = method_of(request, grid.factors)
    filled = _filled(coarse)
    inside = grid.nearest(coarse.known)
    if request.mask is not None:
        inside = load_mask(request.mask, grid.shape, grid.affine, request.t2map.name)[0] & inside
        if not inside.any():
            raise InputError(f"{request.mask.name}: holds none of the voxels where {request.t2map.name} has a value.")
    see = KSpaceTruncation.between(grid.shape, grid.coarse_shape)
    maps = _coarse_maps(filled, grid, request)
    placed: list[Placement | None] = []
    guides = []
    for n, (file, volume) in enumerate(zip(request.guides, volumes, strict=True), start=1):
        show(f"guide {n}: registration", n - 1, len(volumes), 0.0)
        placed.append(_place(file, volume, maps, see, inside, grid) if request.register else None)
        guides.append(_guide(f"guide-{n}", file, volume, placed[-1], grid, inside))
    try:
        found = method.refine(maps, guides, see, torch.from_numpy(inside), request.options, _Steps(show, method))
    except ValueError as error:
        names = ", ".join(
            f"{guide.name} is {file.path.name}" for guide, file in zip(guides, request.guides, strict=True)
        )
        raise InputError(f"{request.t2map.name}: {error} ({names})") from error
    return _write(request, method, found, maps, guides, placed, grid, inside, _gaps(coarse), folder)


class _Steps:
    """``on_step(step, loss)`` of the passes of a method, each counted from its own beginning."""

    def __init__(self, show: OnStep, method: Method) -> None:
        self._show, self._method, self._pass, self._last = show, method, 1, 0

    def __call__(self, step: int, loss: float) -> None:
        self._pass, self._last = self._pass + (step <= self._last), step
        self._show(f"{self._method.name}, pass {self._pass}", step, self._method.n_steps, loss)


def read_coarse(request: GuidedRequest) -> Coarse:
    """The maps, and where all of them have a positive value.

    Raises
    ------
    InputError
        See :func:`refine_files`.
    """
    t2, affine, _ = read_volume(request.t2map)
    others = [path for path in (request.s0map, request.t1map) if path is not None]
    read = []
    for path in others:
        values, other_affine, _ = read_volume(path)
        check_same_grid(path.name, values.shape, other_affine, request.t2map.name, t2.shape, affine)
        read.append(values)
    known = np.all([np.isfinite(values) & (values > 0) for values in (t2, *read)], axis=0)
    if not known.any():
        names = ", ".join(path.name for path in (request.t2map, *others))
        raise InputError(
            f"{request.t2map.name}: no voxel has a positive value in {names}. Are these the maps of a scan?"
        )
    t1 = read[1] if request.t1map is not None else None
    _check_seconds("T2", t2[known], request.t2map)
    if t1 is not None and request.t1map is not None:
        _check_seconds("T1", t1[known], request.t1map)
    return Coarse(s0=read[0], t2_s=t2, t1_s=t1, known=known, affine=affine)


def _check_seconds(name: str, values: Floats, path: Path) -> None:
    middle = float(np.median(values))
    if middle > LARGEST_S[name]:
        raise InputError(
            f"{path.name}: the median {name} is {middle:.4g}; seconds are wanted. Divide a map in milliseconds by 1000."
        )


def _read_guide(path: Path) -> tuple[Floats, NDArray[np.float64]]:
    values, affine, _ = read_volume(path)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    if not (values > 0).any():
        raise InputError(f"{path.name}: the guide has no positive pixel. Give a magnitude image.")
    return values, affine


def _filled(coarse: Coarse) -> Coarse:
    """Voxels enclosed by known ones get the value of the nearest one; all others are zero.

    A voxel without an answer inside tissue is not one without signal.
    """
    holes = ndimage.binary_fill_holes(coarse.known) & ~coarse.known
    nearest = ndimage.distance_transform_edt(~coarse.known, return_distances=False, return_indices=True)
    inside = coarse.known | holes

    def fill(values: Floats) -> Floats:
        return np.where(inside, values[tuple(nearest)], 0.0).astype(np.float32)

    t1 = None if coarse.t1_s is None else fill(coarse.t1_s)
    return replace(coarse, s0=fill(coarse.s0), t2_s=fill(coarse.t2_s), t1_s=t1)


def _gaps(coarse: Coarse) -> int:
    return int((ndimage.binary_fill_holes(coarse.known) & ~coarse.known).sum())


def _coarse_maps(filled: Coarse, grid: FineGrid, request: GuidedRequest) -> CoarseMaps:
    s0, t2 = (torch.from_numpy(np.ascontiguousarray(v[grid.box])) for v in (filled.s0, filled.t2_s))
    t1 = None if filled.t1_s is None else torch.from_numpy(np.ascontiguousarray(filled.t1_s[grid.box]))
    return CoarseMaps(pd=s0, t2_s=t2, t1_s=t1, sigma=request.error, te_s=request.te_s)


def _place(
    file: GuideFile, volume: Volume, maps: CoarseMaps, see: KSpaceTruncation, inside: NDArray[np.bool_], grid: FineGrid
) -> Placement:
    """Against what the coarse maps would show in the guide's place; a contrast of T1 without T1 map is the guide's
    own affair later, and proton density serves to place it.
    """
    r2 = 1.0 / maps.t2_s.clamp(min=0.005)
    r1 = torch.zeros_like(r2) if maps.t1_s is None else 1.0 / maps.t1_s.clamp(min=0.05)
    model = file.model
    if maps.t1_s is None:
        model = SpinEcho(te_s=model.te_s if isinstance(model, SpinEcho) else 0.0)
    expected = see.zero_fill(model(maps.pd, r1, r2).abs()).numpy() * inside
    coarsest_mm = max(mm * factor for mm, factor in zip(grid.voxel_mm, grid.factors, strict=True))
    return place_guide(Volume(expected.astype(np.float32), grid.affine), volume, inside, 0.5 * coarsest_mm)


def _guide(
    name: str, file: GuideFile, volume: Volume, placed: Placement | None, grid: FineGrid, inside: NDArray[np.bool_]
) -> Guide:
    image = bring(volume, Volume(np.zeros(grid.shape, np.float32), grid.affine), placed)
    noise = estimate_noise_sigma(image, inside & (image > 0))
    return Guide(
        name=name,
        image=torch.from_numpy(np.ascontiguousarray(image)),
        model=file.model,
        noise=noise,
        same_scale=file.same_scale,
    )


def _why_grid(request: GuidedRequest, grid: FineGrid) -> str:
    if request.voxel_mm is not None:
        return f"voxels of {request.voxel_mm:g} mm were asked for"
    return "voxels of the finest guide" if grid.finer else "that of the maps: no guide is finer"


def _write(
    request: GuidedRequest, method: Method, found: Refined, maps: CoarseMaps, guides: Sequence[Guide],
    placed: Sequence[Placement | None], grid: FineGrid, inside: NDArray[np.bool_], n_filled: int, folder: Path,
) -> Written:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)

    def save(values: torch.Tensor, name: str) -> Path:
        shown = np.where(inside, values.numpy(), np.nan).astype(np.float32)
        return save_volume(*grid.pasted(shown, np.nan), folder / f"{name}.nii.gz")

    rows = []
    for guide, file, placement, entry in zip(guides, request.guides, placed, found.info["guides"], strict=True):
        numbers = {"spread": entry["gain_spread"], "believed": entry["believed_fraction"], "gain": entry["gain"]}
        rows.append(
            {
                **entry,
                "file": file.path.name,
                "why": reason_of(guide, maps, request.options, use=entry["use"], **numbers),
                "sequence": sequence_account(file.model),
                "noise": guide.noise,
                "registration": "left as it is, as asked" if placement is None else placement.account(),
            }
        )
    share = float(np.mean(found.mismatch.numpy()[inside] > 0.5))
    account: dict[str, Any] = {
        "maps": {
            name: path.name
            for name, path in (("T2", request.t2map), ("S0", request.s0map), ("T1", request.t1map))
            if path is not None
        },
        "echo_times_s": list(request.te_s),
        "anchor": found.info["anchor"],
        **method.account,
        "grid": {
            "shape": list(grid.shape),
            "voxel_mm": [round(mm, 4) for mm in grid.voxel_mm],
            "finer_by": [round(factor, 3) for factor in grid.factors],
            "why": _why_grid(request, grid),
        },
        "guides": rows,
        "mismatch": {"share_above_half": share, "n_voxels": int(inside.sum())},
        "coarse_voxels_filled": n_filled,
    }
    if method.name == "fit":
        account["fit"] = {name: found.info[name] for name in ("n_steps", "stop", "advice", "losses")}
    path = folder / "guided.json"
    path.write_text(json.dumps(account, indent=2) + "\n", "utf-8")
    return Written(
        t2map=save(found.t2_s, "T2map"),
        s0map=save(found.pd, "S0map"),
        t1map=None if found.t1_s is None else save(found.t1_s, "T1map"),
        mismatch=save(found.mismatch, "mismatch"),
        guides=[
            save_volume(*grid.pasted(guide.image.numpy(), 0.0), folder / f"{guide.name}.nii.gz") for guide in guides
        ],
        account_file=path,
        account=account,
    )
