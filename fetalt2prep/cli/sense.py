"""``fetalt2 sense KSPACE.h5 OUT.nii.gz``: the image of undersampled Cartesian slices of several coils."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fetalt2prep.core.sense.options import CONSISTENCY_WEIGHT, METHODS

DESCRIPTION = (
    "Reconstruct undersampled Cartesian multi-slice raw data (ISMRMRD): coils whitened by the noise scan, coil maps "
    "from the calibration lines, CG-SENSE, then the trained network, tied to the measured k-space after each of its "
    "stages. Writes the magnitude, and OUT.json with what was found and done. What the network was not trained for "
    "gets the CG-SENSE image, and a note says why."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    parser.formatter_class = argparse.HelpFormatter
    add("kspace", type=Path, metavar="KSPACE.h5", help="ISMRMRD file (.h5, .hdf5, .mrd)")
    add("out", type=Path, metavar="OUT.nii.gz", help="image to write; OUT.json is written beside it")
    add("--denoise", choices=METHODS, default="unet", help="what follows CG-SENSE (default: unet)")
    add(
        "--consistency", type=float, metavar="W",
        help=f"weight of the network against the samples (default: {CONSISTENCY_WEIGHT:g})",
    )  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="of train-denoiser (default: the package's)")
    add("--contrast", type=int, metavar="N", help="which contrast, where the file has several")
    add("--repetition", type=int, metavar="N", help="which repetition, where the file has several")
    add("--noise-map", action="store_true", help="write OUT_noise.nii.gz, the noise of every pixel")
    add("--seed", type=int, default=0, metavar="N", help="of the noise map's replicas (default: 0)")
    add("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> int:
    """Reconstruct, write, print the files."""
    from fetalt2prep.cli.paths import need_files, refuse_to_replace
    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.io.sense_scan import SenseRequest, reconstruct_sense, written_beside

    a = arguments
    need_files(a.kspace, a.weights)
    if a.denoise == "none" and not (a.weights is None and a.consistency is None):
        raise ValueError("--weights and --consistency are of the network; leave them out with --denoise none.")
    refuse_to_replace(written_beside(a.out, a.noise_map), force=a.force, another="file")
    request = SenseRequest(
        denoise=a.denoise,
        weights=a.weights,
        contrast=a.contrast,
        repetition=a.repetition,
        consistency=CONSISTENCY_WEIGHT if a.consistency is None else a.consistency,
        noise_map=a.noise_map,
        seed=a.seed,
    )
    with ProgressBar() as bar:
        written = reconstruct_sense(a.kspace, a.out, request, on_stage=bar.line, on_step=bar)
    sys.stderr.write("".join(f"note: {note}\n" for note in written.notes))
    files = [written.image, written.account, written.noise_map]
    sys.stdout.write("".join(f"{path}\n" for path in files if path is not None))
    return 0
