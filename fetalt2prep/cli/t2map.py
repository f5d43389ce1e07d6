"""``fetalt2 t2map E1.nii.gz E2.nii.gz ... --te 0.114 0.202 ... --out DIR``: T2 of anyone's co-registered echoes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from fetalt2prep.core.t2.options import MODELS, T2_RANGE_S, T2Options

DESCRIPTION = (
    "T2, S0 and their standard errors in every voxel of co-registered echoes: one file per echo time, or one 4-D file. "
    "Writes T2map, T2map_stderr (seconds), S0map, S0map_stderr, rmse (units of the echoes), rsquared, reason, nechoes "
    "(.nii.gz), T2map.json and T2map.png; with --segmentation also regions.tsv, regions.json and csf.nii.gz."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; echo times in seconds, as in BIDS."""
    _add_files(parser.add_argument_group("files"))
    _add_fit(parser.add_argument_group("fit"))


def _add_files(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("echoes", type=Path, nargs="+", metavar="NIFTI", help="echoes on one grid and intensity scale, in any order")
    add(
        "--te", type=float, nargs="+", metavar="S",
        help="echo times in SECONDS, in the order of the echoes (None: those of the sidecars)",
    )  # fmt: skip
    add(
        "-o", "--out", type=Path, required=True, metavar="DIR",
        help="folder to write; files of these names are replaced",
    )  # fmt: skip
    add("--mask", type=Path, metavar="NIFTI", help="where T2 is wanted (None: every voxel that is not 0)")
    add(
        "--stderr", type=Path, nargs="+", metavar="NIFTI",
        help="standard error of each echo, in the order of the echoes (None: from the residual)",
    )  # fmt: skip
    add("--b1", type=Path, metavar="NIFTI", help="actual over nominal flip angle; for epg (None: 1)")
    add(
        "--segmentation", type=Path, metavar="NIFTI",
        help="regions to measure, on the grid of the echoes or another in the same space",
    )  # fmt: skip
    add(
        "--labels", metavar="NAME|TSV",
        help="what the labels are: feta, bounti, dhcp, or a TSV with index and name (None: the TSV beside the "
        "segmentation, or the set that its name holds)",
    )  # fmt: skip


def _add_fit(group: argparse._ArgumentGroup) -> None:
    options, add = T2Options(), group.add_argument
    add(
        "--model", choices=MODELS, default=options.model,
        help="weighted, loglinear: least squares on the logarithm; nlls: on the signal; rician: magnitudes near the "
        "noise floor; epg, epg-b1: fast spin echo with stimulated echoes, B1 given or fitted",
    )  # fmt: skip
    add(
        "--bounds", type=float, nargs=2, default=T2_RANGE_S, metavar=("LOW", "HIGH"),
        help="bounds of T2 in seconds; a T2 at or beyond them is no answer",
    )  # fmt: skip
    add("--floor", type=float, default=options.floor, metavar="SIGNAL", help="echoes at or below it are left out")
    add(
        "--noise-floor", type=float, default=options.noise_floor, metavar="N",
        help="the same in units of the noise (of --stderr, else --noise, else estimated); 2 leaves out what noise "
        "alone could be",
    )  # fmt: skip
    add(
        "--noise", type=float, metavar="SIGMA",
        help="noise in each part of the complex signal, for rician and for the share of fluid (None: from the "
        "background, else from the residuals)",
    )  # fmt: skip
    add("--echo-spacing", type=float, metavar="S", help="between echoes of the train, seconds; for epg")
    add("--refocusing", type=float, metavar="DEG", help="nominal refocusing angle; for epg")
    add("--t1", type=float, default=options.t1_s, metavar="S", help="T1 of the tissue, seconds; for epg")
    add("--device", default="cpu", help="cpu, cuda or cuda:n")


def run(arguments: argparse.Namespace) -> int:
    """Read, fit, write."""
    import json

    import numpy as np
    import torch

    from fetalt2prep.core.t2.estimate import estimate_t2, find_noise
    from fetalt2prep.interfaces.account import Meter, software_versions
    from fetalt2prep.io.echoes import load_echoes, read_on_grid_of
    from fetalt2prep.io.region_files import write_regions_of_fit
    from fetalt2prep.io.t2_files import error_source, fit_account, write_fit
    from fetalt2prep.io.t2_picture import write_t2_picture

    meter, options = Meter(), options_of(arguments)
    if arguments.stderr is not None and len(arguments.stderr) != len(arguments.echoes):
        raise ValueError(f"--stderr names {len(arguments.stderr)} files for {len(arguments.echoes)} of the echoes.")
    echoes = load_echoes(arguments.echoes, arguments.te)
    first, device = arguments.echoes[0], torch.device(arguments.device)
    inside = np.any(echoes.values != 0, axis=0)
    if arguments.mask is not None:
        inside = read_on_grid_of(arguments.mask, first) > 0
    stderr = None
    if arguments.stderr is not None:
        errors = load_echoes(arguments.stderr, echoes.te_s)
        stderr = torch.from_numpy(errors.values).to(device)
    b1 = None if arguments.b1 is None else torch.from_numpy(read_on_grid_of(arguments.b1, first)).to(device)
    te_s = torch.tensor(echoes.te_s, dtype=torch.float64)
    values = torch.from_numpy(echoes.values).to(device)
    where = torch.from_numpy(inside).to(device)
    noise = None
    if (options.model == "rician" or options.noise_floor) and (options.noise_sigma is not None or stderr is None):
        noise = find_noise(values, te_s, where, options)
    level = None if noise is None else noise.sigma
    fit = estimate_t2(torch.where(where, values, 0.0), te_s, options, stderr=stderr, sigma=level, b1=b1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_fit(fit, echoes.affine, arguments.out)
    source = error_source(options, given=stderr is not None and noise is None, n_echoes=len(values))
    account: dict[str, Any] = {
        "files": [str(path) for path in arguments.echoes],
        **fit_account(fit, inside, list(echoes.te_s), options, errors=source, noise=noise),
    }
    if arguments.segmentation is not None:
        error = None if stderr is None else stderr.cpu()
        if error is None and (known := noise or find_noise(values, te_s, where, options)) is not None:
            error = torch.full(values.shape, known.sigma)
        account |= write_regions_of_fit(
            fit, echoes, inside, arguments.segmentation, arguments.labels, arguments.out, stderr=error
        )
    account |= {"cost": meter.read(), "versions": software_versions()}
    (arguments.out / "T2map.json").write_text(json.dumps(account, indent=2) + "\n", "utf-8")
    voxel_mm = np.linalg.norm(echoes.affine[:3, :3], axis=0)
    maps = (fit.t2_s.cpu().numpy(), fit.t2_stderr_s.cpu().numpy(), fit.reason.cpu().numpy())
    write_t2_picture(*maps, voxel_mm, arguments.out / "T2map.png", title=f"T2, {account['estimator']}")
    sys.stdout.write(summary(account) + f"\nWritten: {arguments.out}\n")
    return 0


def options_of(arguments: argparse.Namespace) -> T2Options:
    """Options of the fit from those of the command."""
    return T2Options(
        model=arguments.model,
        t2_bounds_s=tuple(arguments.bounds),
        floor=arguments.floor,
        noise_floor=arguments.noise_floor,
        noise_sigma=arguments.noise,
        echo_spacing_s=arguments.echo_spacing,
        refocusing_deg=arguments.refocusing,
        t1_s=arguments.t1,
    )


def summary(account: dict[str, Any]) -> str:
    """A few lines for the terminal."""
    quartiles = account["t2_quartiles_s"]
    lines = [f"{account['n_voxels']} voxels, {account['estimator']}; standard errors: {account['standard_errors']}."]
    if quartiles:
        low, middle, high = (1000 * value for value in quartiles)
        lines.append(f"T2 median {middle:.0f} ms, middle half {low:.0f} to {high:.0f} ms.")
    missing = {name: n for name, n in account["voxels_by_reason"].items() if n and name != "OK"}
    if missing:
        lines.append("Without an answer: " + ", ".join(f"{n} {name}" for name, n in missing.items()) + ".")
    return "\n".join(lines)
