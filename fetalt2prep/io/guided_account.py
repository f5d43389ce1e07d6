"""The account of a refinement: what was chosen and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.guided.given import CoarseMaps
from fetalt2prep.core.guided.grid import FineGrid
from fetalt2prep.core.guided.refine import Refined
from fetalt2prep.core.guided.use import reason_of
from fetalt2prep.io.guide_sequence import sequence_account
from fetalt2prep.io.guided_method import Method
from fetalt2prep.io.guided_placing import PlacedGuide
from fetalt2prep.io.guided_request import GuidedRequest


def account_of(
    request: GuidedRequest,
    method: Method,
    found: Refined,
    maps: CoarseMaps,
    placed: Sequence[PlacedGuide],
    grid: FineGrid,
    inside: NDArray[np.bool_],
) -> dict[str, Any]:
    """For JSON."""
    named = (("T2", request.t2map), ("S0", request.s0map), ("T1", request.t1map))
    share = float(np.mean(found.mismatch.numpy()[inside] > 0.5))
    account: dict[str, Any] = {
        "maps": {name: path.name for name, path in named if path is not None},
        "echo_times_s": list(request.te_s),
        "anchor": found.info["anchor"],
        **method.account,
        "grid": {
            "shape": list(grid.shape),
            "voxel_mm": [round(mm, 4) for mm in grid.voxel_mm],
            "finer_by": [round(factor, 3) for factor in grid.factors],
            "why": _why_grid(request, grid),
        },
        "guides": _guide_rows(request, found, maps, placed),
        "mismatch": {"share_above_half": share, "n_voxels": int(inside.sum())},
    }
    if method.name == "fit":
        account["fit"] = {name: found.info[name] for name in ("n_steps", "stop", "advice", "losses")}
    else:
        account["answers"] = found.info["answers"]
    return account


def _guide_rows(
    request: GuidedRequest, found: Refined, maps: CoarseMaps, placed: Sequence[PlacedGuide]
) -> list[dict[str, Any]]:
    answers = {name: answer["distance"] for answer in found.info.get("answers", []) for name in answer["guides"]}
    return [
        {
            **row,
            "file": one.file.path.name,
            "why": reason_of(one.guide, maps, request.options, row, answers.get(one.guide.name)),
            "sequence": sequence_account(one.file.model),
            "noise": one.guide.noise,
            "registration": "left as it is, as asked" if one.placement is None else one.placement.account(),
        }
        for one, row in zip(placed, found.info["guides"], strict=True)
    ]


def _why_grid(request: GuidedRequest, grid: FineGrid) -> str:
    if request.voxel_mm is not None:
        return f"voxels of {request.voxel_mm:g} mm were asked for"
    return "voxels of the finest guide" if grid.finer else "that of the maps: no guide is finer"
