"""``fetalt2 simulate-sense OUT.h5``: raw data of undersampled Cartesian slices, and their truth beside them."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from fetalt2prep.io.ismrmrd import RawSeries
    from fetalt2prep.sim.cartesian_scan import CartesianScan

DESCRIPTION = (
    "Write simulated Cartesian raw data (ISMRMRD) of slices seen by several coils: regular undersampling with "
    "calibration lines, partial Fourier, oversampled readouts, a noise scan. The truth goes into OUT_truth.nii.gz."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    add("out", type=Path, metavar="OUT.h5", help="file to write")
    add("--scene", choices=("fetal", "cine"), default="fetal", help="a head in the uterus, or a chest")
    add("--size", type=int, nargs=2, default=[128, 128], metavar=("LINES", "PIXELS"), help="matrix")
    add("--slices", type=int, default=1, metavar="N", help="slices side by side")
    add("--coils", type=int, default=8, metavar="N", help="receive coils")
    add("--acceleration", type=int, default=2, metavar="R", help="one of how many lines is measured")
    add("--calibration", type=int, default=24, metavar="N", help="lines in the middle that are all measured")
    add("--partial-fourier", type=float, default=1.0, metavar="SHARE", help="share of k-space, above 0.5")
    add("--snr", type=float, default=20.0, help="mean signal over the noise of a fully sampled image; inf: none")
    add("--noise-readouts", type=int, default=16, metavar="N", help="readouts of noise alone; 0: none")
    add("--seed", type=int, default=1, help="the same seed and options give the same file")


def run(arguments: argparse.Namespace) -> int:
    """Simulate and write."""
    from fetalt2prep.io.ismrmrd import truth_beside, write_ismrmrd
    from fetalt2prep.io.kt_files import stack_affine
    from fetalt2prep.io.volume import save_volume
    from fetalt2prep.sim.cartesian_scan import CartesianOptions, simulate_cartesian

    a = arguments
    out: Path = a.out
    truth = truth_beside(out)
    options = CartesianOptions(
        scene=a.scene,
        shape=(a.size[0], a.size[1]),
        n_slices=a.slices,
        n_coils=a.coils,
        acceleration=a.acceleration,
        n_calibration=a.calibration,
        partial_fourier=a.partial_fourier,
        snr=a.snr,
        noise_readouts=a.noise_readouts,
    )
    scan = simulate_cartesian(options, a.seed)
    raw = raw_of(scan)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_ismrmrd(raw, out, trajectory="cartesian", calibration=calibration_of(scan))
    affine = stack_affine(raw.affines, raw.readouts.slices, raw.thickness_mm)
    save_volume(scan.truth.abs().numpy().transpose(2, 1, 0), affine, truth)
    sys.stdout.write(f"{out}\n{truth}\n")
    return 0


def raw_of(scan: CartesianScan) -> RawSeries:
    """A simulated scan as raw data: line after line, slice after slice along z, the middle of the object at 0."""
    import numpy as np
    import torch

    from fetalt2prep.core.kt.frames import Readouts
    from fetalt2prep.io.ismrmrd import RawSeries

    options = scan.options
    n_slices, n_coils, n_lines, n_samples = scan.samples.shape
    n = n_slices * n_lines
    readouts = Readouts(
        samples=scan.samples.transpose(1, 2).reshape(n, n_coils, n_samples),
        times_s=torch.arange(n, dtype=torch.float64) * options.echo_spacing_s,
        slice_idx=torch.arange(n_slices).repeat_interleave(n_lines),
        shape=options.shape,
        line_idx=torch.from_numpy(scan.lines).repeat(n_slices),
        noise=scan.noise if options.noise_readouts and math.isfinite(options.snr) else None,
    )
    n_y, n_x = options.shape
    pixel_mm = np.array([options.fov_mm / n_x, options.fov_mm / n_y])
    affines = {}
    for s, height in enumerate(options.heights_mm):
        affines[s] = np.diag([*pixel_mm, options.thickness_mm, 1.0])
        affines[s][:3, 3] = (*(-pixel_mm * [n_x // 2, n_y // 2]), height)
    return RawSeries(readouts, affines, options.thickness_mm, options.te_s, ())


def calibration_of(scan: CartesianScan) -> Tensor:
    """Which readouts of :func:`raw_of` are calibration lines, (readout,)."""
    import torch

    return torch.from_numpy(scan.is_calibration).repeat(scan.options.n_slices)
