"""Guided super-resolution of maps on 17 simulated heads: SSIM and HFEN per map, by guide, with and without the anchor.

Heads are slabs of :mod:`fetalt2prep.sim.guided.relaxation_maps` with numbers that no training and no tuning has used.
Truth is read by the scorer alone. Rows that are in the results already are not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.cases import HERE
from fetalt2prep.core import metrics
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import Refined, refine
from fetalt2prep.core.guided.refine_network import refine_by_network
from fetalt2prep.core.guided.stages import guide_sigma
from fetalt2prep.core.guided.subject import SubjectFit, fit_subject
from fetalt2prep.core.guided.terms import EdgePrior, GuideTerm, edge_weights
from fetalt2prep.core.guided.unknowns import Coordinates, Maps
from fetalt2prep.io.guided_weights import load_guided_net
from fetalt2prep.sim.guided.case import GuidedCase, draw_guided_case, flair
from fetalt2prep.sim.guided.relaxation_maps import Head, draw_head
from fetalt2prep.sim.phantom import Label

RESULTS = HERE / "results" / "guided.json"
N_SUBJECTS, SEED = 17, 2_026_000
FACTORS = (2, 4)
BRIGHTEST_T2_S = 0.3  # T2 is scored as it is, and again with fluid cut to this
TYPICAL = (0.8, 1.0, 10.0)  # proton density, R1 and R2 where nothing is known
GUIDES = {"none": (), "t1w": ("t1w",), "t2w": ("t2w",), "both": ("t1w", "t2w")}
Triple = tuple[Tensor, Tensor, Tensor]  # proton density, T1 and T2 in s


def subject(number: int, factor: int) -> tuple[Head, GuidedCase]:
    """Test head and what is measured of it; both factors cut the same head with the same guides."""
    head = draw_head(np.random.default_rng([SEED, number]))
    return head, draw_guided_case(np.random.default_rng([SEED, number, 1]), head.maps, factor)


def zero_filled(case: GuidedCase) -> Triple:
    """The published baseline: the coarse maps by sinc interpolation."""
    return tuple(case.see.zero_fill(part) for part in _coarse(case))  # type: ignore[return-value]


def linear(case: GuidedCase) -> Triple:
    """The coarse maps by linear interpolation, which does not ring."""
    shape = case.see.shape
    return tuple(functional.interpolate(part[None, None], shape, mode="trilinear")[0, 0] for part in _coarse(case))  # type: ignore[return-value]


def _coarse(case: GuidedCase) -> Triple:
    assert case.coarse.t1_s is not None
    return case.coarse.pd, case.coarse.t1_s, case.coarse.t2_s


def without_anchor(case: GuidedCase, n_steps: int) -> Triple:
    """Both guides and their edges, on their true scale, from typical values: nothing of the coarse maps."""
    inside = case.mask.float()
    guides = list(case.guides.values())
    terms = [
        GuideTerm(
            image=g.image / case.gains[g.name], model=g.model,
            sigma=guide_sigma(g, case.mask) / case.gains[g.name], weight=inside,
        )
        for g in guides
    ]  # fmt: skip
    edges = EdgePrior(
        weight=edge_weights([g.image for g in guides], [inside] * len(guides), inside),
        strength=(GuidedOptions().edges,) * 3,
    )
    first = Maps(*(torch.full(case.mask.shape, value) for value in TYPICAL))
    method = SubjectFit(first=first, coordinates=Coordinates(), mask=case.mask, terms=[*terms, edges], n_steps=n_steps)
    maps, _ = fit_subject(method)
    return inside * maps.pd, inside / maps.r1, inside / maps.r2


def scores(head: Head, found: Triple) -> dict[str, Any]:
    """Of each map, SSIM and HFEN, mean over axial slices; errors of tissues in ms; SSIM of the contrast never seen."""
    maps, mask = head.maps, head.maps.mask
    pd, t1_s, t2_s = (np.nan_to_num(np.asarray(part, np.float64)) * mask for part in found)
    low, high = 0.0, BRIGHTEST_T2_S
    pairs = {
        "pd": (maps.pd, pd),
        "t1": (maps.t1_s, t1_s),
        "t2": (maps.t2_s, t2_s),
        "t2_tissue": (np.clip(maps.t2_s, low, high), np.clip(t2_s, low, high)),
    }
    row: dict[str, Any] = {}
    for name, (true, image) in pairs.items():
        row[f"hfen_{name}"] = by_slices(metrics.hfen, true, image, mask)
        row[f"ssim_{name}"] = by_slices(metrics.ssim, true, image, mask)
    for tissue, label in (("gm", Label.CORTICAL_GREY), ("wm", Label.WHITE_MATTER)):
        where = head.labels == label
        for name in ("t1", "t2"):
            true, image = pairs[name]
            row[f"{tissue}_{name}_ms"] = round(1000 * float(np.abs(image - true)[where].mean()), 1)
    model = flair(head.field_t)
    rates = (1.0 / np.maximum(t, 1e-3) for t in (t1_s, t2_s))
    shown = model(*(torch.from_numpy(part) for part in (pd, *rates))).abs().numpy() * mask
    row["ssim_flair"] = by_slices(metrics.ssim, maps.signal(model), shown, mask)
    return row


def by_slices(measure: Callable[..., float], true: Any, image: Any, mask: Any) -> float:
    """Mean of a measure over the axial slices that hold brain."""
    each = [measure(true[:, :, k], image[:, :, k], mask[:, :, k]) for k in range(mask.shape[2]) if mask[:, :, k].any()]
    return round(float(np.mean(each)), 4)


def of(refined: Refined) -> tuple[Triple, dict[str, Any]]:
    """Maps of a result, and what became of its guides."""
    assert refined.t1_s is not None
    uses = {g["name"]: [g["use"], round(g["gain"], 3), round(g["gain_spread"], 3)] for g in refined.info["guides"]}
    return (refined.pd, refined.t1_s, refined.t2_s), {"guides": uses}


def ways(n_steps: int, weights: Path | None) -> dict[str, Callable[[GuidedCase], tuple[Triple, dict[str, Any]]]]:
    """Every way to fine maps, by name."""
    options = GuidedOptions(n_steps=n_steps)

    def fit_with(names: Sequence[str]) -> Callable[[GuidedCase], tuple[Triple, dict[str, Any]]]:
        return lambda case: of(refine(case.coarse, [case.guides[name] for name in names], case.see, case.mask, options))

    found: dict[str, Callable[[GuidedCase], tuple[Triple, dict[str, Any]]]] = {
        "zero-filled": lambda case: (zero_filled(case), {}),
        "linear": lambda case: (linear(case), {}),
    }
    found |= {f"fit {key}": fit_with(names) for key, names in GUIDES.items()}
    found["fit both, no anchor"] = lambda case: (without_anchor(case, n_steps), {})
    if weights is not None:
        network, switches = load_guided_net(weights)
        tag = weights.parent.name if weights.parent.name != "weights" else "network"

        def pass_with(names: Sequence[str]) -> Callable[[GuidedCase], tuple[Triple, dict[str, Any]]]:
            return lambda case: of(
                refine_by_network(
                    case.coarse, [case.guides[name] for name in names], case.see, case.mask, options,
                    network=network, switches=switches,
                )
            )  # fmt: skip

        found |= {f"{tag} {key}": pass_with(names) for key, names in GUIDES.items() if names}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, nargs="+", default=list(range(N_SUBJECTS)))
    parser.add_argument("--factors", type=int, nargs="+", choices=FACTORS, default=list(FACTORS))
    parser.add_argument("--steps", type=int, default=70, metavar="N", help="of each of the fit's stages")
    parser.add_argument("--weights", type=Path, help="a network's weights too")
    parser.add_argument("--only", help="ways whose name begins with this")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    kept = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {"rows": []}

    def keep() -> None:
        args.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")

    todo = {name: way for name, way in ways(args.steps, args.weights).items() if name.startswith(args.only or "")}
    done = {(row["subject"], row["factor"], row["way"]) for row in kept["rows"]}
    for number in args.subjects:
        for factor in args.factors:
            missing = [name for name in todo if (number, factor, name) not in done]
            if not missing:
                continue
            head, case = subject(number, factor)
            for name in missing:
                began = time.process_time()
                found, more = todo[name](case)
                seconds = round(time.process_time() - began, 2)
                row = {"subject": number, "factor": factor, "way": name, "cpu_s": seconds}
                kept["rows"].append(row | scores(head, found) | more)
                print(json.dumps(kept["rows"][-1]), flush=True)
                keep()


if __name__ == "__main__":
    main()
