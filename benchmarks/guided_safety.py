"""What a wrong guide does to T2: guides 3 mm off their place, or with another gain, and nobody registers them.

Heads of :mod:`benchmarks.guided`, by the fit and by the network of the package. Each row holds the mean absolute error
of T2 over that of the same method without guides, in grey matter and in white. Rows that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from benchmarks.guided import FACTORS, GUIDES, HERE, subject
from fetalt2prep.core.guided.given import Guide
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import Refined, refine
from fetalt2prep.core.guided.refine_network import refine_by_network
from fetalt2prep.io.guided_weights import load_guided_net, packaged_guided_net
from fetalt2prep.sim.guided.case import GuidedCase
from fetalt2prep.sim.guided.relaxation_maps import Head, SlabOptions
from fetalt2prep.sim.phantom import Label

RESULTS = HERE / "results" / "guided_safety.json"
SHIFT_MM = 3.0
TISSUES = {"gm": Label.CORTICAL_GREY, "wm": Label.WHITE_MATTER}
Method = Callable[[GuidedCase, Sequence[Guide]], Refined]


def shifted(guide: Guide, axis: int) -> Guide:
    """The guide 3 mm along an axis, by cubic splines; its outermost slices go on beyond the slab."""
    by = [SHIFT_MM / SlabOptions().spacing_mm if a == axis else 0.0 for a in range(3)]
    moved = ndimage.shift(guide.image.numpy(), by, order=3, mode="nearest").clip(min=0.0)
    return replace(guide, image=torch.from_numpy(moved.astype(np.float32)))


def scaled(guide: Guide, gain: float) -> Guide:
    """The guide with another gain, said to be of the maps' scale."""
    return replace(guide, image=gain * guide.image, noise=gain * guide.noise, same_scale=True)


def wrong_guides(guides: Mapping[str, Guide]) -> dict[str, list[Guide]]:
    """Every way to be wrong, by name: guides that are given, and which of them are off."""
    found = {f"both, gain x {gain:g}": [scaled(g, gain) for g in guides.values()] for gain in (0.5, 2.0)}
    for axis, along in enumerate("xyz"):
        for given, names in GUIDES.items():
            if names:
                found[f"{given}, off along {along}"] = [shifted(guides[name], axis) for name in names]
        for off in guides:
            found[f"both, {off} off along {along}"] = [shifted(g, axis) if n == off else g for n, g in guides.items()]
    return found


def methods(n_steps: int) -> dict[str, Method]:
    """Fit and network, each of a case and guides."""
    network, switches = load_guided_net(packaged_guided_net())
    options = GuidedOptions(n_steps=n_steps)
    by_network = partial(refine_by_network, network=network, switches=switches)
    return {
        "fit": lambda case, guides: refine(case.coarse, guides, case.see, case.mask, options),
        "network": lambda case, guides: by_network(case.coarse, guides, case.see, case.mask, options),
    }


def errors_ms(head: Head, found: Refined) -> dict[str, float]:
    """Mean absolute error of T2 by tissue."""
    off = 1000 * np.abs(found.t2_s.numpy() - head.maps.t2_s)
    return {tissue: float(off[head.labels == label].mean()) for tissue, label in TISSUES.items()}


def rows_of(number: int, factor: int, name: str, method: Method) -> list[dict[str, Any]]:
    """All wrong guides of one head by one method."""
    head, case = subject(number, factor)
    alone = errors_ms(head, method(case, []))
    rows = []
    for wrong, guides in {"both, right": list(case.guides.values()), **wrong_guides(case.guides)}.items():
        found = method(case, guides)
        row: dict[str, Any] = {"subject": number, "factor": factor, "method": name, "guides": wrong}
        row |= {f"{tissue}_ratio": round(error / alone[tissue], 3) for tissue, error in errors_ms(head, found).items()}
        rows.append(row | {"uses": [g["use"] for g in found.info["guides"]]})
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, keep the numbers after each head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, nargs="+", default=list(range(4)))
    parser.add_argument("--methods", nargs="+", choices=("fit", "network"), default=["fit", "network"])
    parser.add_argument("--steps", type=int, default=70, metavar="N", help="of each of the fit's stages")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(argv)
    kept = json.loads(args.out.read_text("utf-8")) if args.out.exists() else []
    done = {(row["subject"], row["factor"], row["method"]) for row in kept}
    for name, method in methods(args.steps).items():
        for number in args.subjects:
            for factor in FACTORS:
                if name in args.methods and (number, factor, name) not in done:
                    kept += rows_of(number, factor, name, method)
                    args.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
                    print(f"{name}, head {number}, {factor} times finer", flush=True)


if __name__ == "__main__":
    main()
