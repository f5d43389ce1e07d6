"""``fetalt2 simulate-kt OUT.h5``: raw data of a moving slice, with the truth beside them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fetalt2prep.io.ismrmrd import RawSeries
    from fetalt2prep.sim.dynamic_scan import DynamicScan

DESCRIPTION = (
    "Write simulated raw data of a moving slice, or of several, as ISMRMRD (OUT.h5), and the truth of every frame "
    "beside them (OUT_truth.nii.gz): a beating heart in a breathing chest (cine), or a fetal head that jumps (fetal)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; seconds and millimetres."""
    add = parser.add_argument
    add("out", type=Path, metavar="OUT.h5", help="file to write")
    add("--scene", choices=("cine", "fetal"), default="cine", help="what moves")
    add("--size", type=int, default=96, metavar="N", help="pixels along each side")
    add("--frames", type=int, default=20, metavar="N", help="frames of each slice")
    add("--coils", type=int, default=8, metavar="N", help="receive coils")
    add("--sampling", choices=("radial", "cartesian"), default="radial", help="golden-angle spokes or random lines")
    add("--readouts", type=int, default=13, metavar="N", help="spokes or lines of a frame")
    add("--frame-time", type=float, default=0.04, metavar="S", help="time of a frame, seconds")
    add("--slices", type=int, default=1, metavar="N", help="slices, one after the other")
    add("--snr", type=float, default=30.0, help="mean signal over the noise of a fully sampled image; inf: none")
    add("--states", type=int, default=1, metavar="N", help="how often the scene moves within a frame")
    add("--no-trajectory", action="store_true", help="leave the trajectory out, as many scanners do")
    add("--seed", type=int, default=1, help="the same seed and options give the same file")


def run(arguments: argparse.Namespace) -> int:
    """Simulate and write."""
    from fetalt2prep.io.ismrmrd import truth_beside, write_ismrmrd
    from fetalt2prep.io.kt_files import save_series, stack_affine
    from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic

    a = arguments
    out: Path = a.out
    truth = truth_beside(out)
    options = DynamicOptions(
        scene=a.scene,
        n=a.size,
        n_frames=a.frames,
        n_coils=a.coils,
        sampling=a.sampling,
        readouts_per_frame=a.readouts,
        frame_s=a.frame_time,
        states_per_frame=a.states,
        snr=a.snr,
        slices_z=heights(a.slices, DynamicOptions.thickness_mm, DynamicOptions.fov_mm),
    )
    scan = simulate_dynamic(options, a.seed)
    raw = raw_of(scan)
    affine = stack_affine(raw.affines, raw.readouts.slices, raw.thickness_mm)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_ismrmrd(raw, out, trajectory=a.sampling, store_trajectory=not a.no_trajectory)
    save_series(scan.truth.numpy().transpose(3, 2, 0, 1), affine, a.frame_time, truth)
    sys.stdout.write(f"{out}\n{truth}\n")
    return 0


def heights(n_slices: int, thickness_mm: float, fov_mm: float) -> tuple[float, ...]:
    """Heights of slices side by side about the middle, in units of half the field of view."""
    if n_slices < 1:
        raise ValueError(f"{n_slices} slices are asked for; at least 1 is needed.")
    return tuple((i - (n_slices - 1) / 2) * thickness_mm / (fov_mm / 2) for i in range(n_slices))


def raw_of(scan: DynamicScan) -> RawSeries:
    """A simulated scan as raw data: readouts in order of time, slices along z, the middle of the object at 0."""
    import numpy as np
    import torch

    from fetalt2prep.core.kt.frames import Readouts
    from fetalt2prep.io.ismrmrd import RawSeries

    options = scan.options
    n_slices, n_frames, n_coils, n_readouts, n_samples = scan.samples.shape
    counters = torch.meshgrid(torch.arange(n_slices), torch.arange(n_frames), torch.arange(n_readouts), indexing="ij")
    readouts = Readouts(
        samples=scan.samples.transpose(2, 3).reshape(-1, n_coils, n_samples),
        times_s=torch.from_numpy(scan.times_s.reshape(-1)),
        slice_idx=counters[0].reshape(-1),
        frame_idx=counters[1].reshape(-1) if n_frames > 1 else None,
        shape=(options.n, options.n),
        k_per_pixel=None if scan.k_per_pixel is None else scan.k_per_pixel.reshape(-1, n_samples, 2),
        line_idx=None if scan.lines is None else torch.from_numpy(scan.lines.reshape(-1)),
        noise=scan.noise if options.noise_readouts else None,
    )
    pixel = options.fov_mm / options.n
    affines = {}
    for s, z in enumerate(options.slices_z):
        affines[s] = np.diag([pixel, pixel, options.thickness_mm, 1.0])
        affines[s][:3, 3] = (-(options.n // 2) * pixel, -(options.n // 2) * pixel, z * options.fov_mm / 2)
    return RawSeries(readouts, affines, options.thickness_mm, None, ())
