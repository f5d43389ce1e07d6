"""``fetalt2 denoise IN OUT --method nlm``: less noise in any NIfTI image or series."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fetalt2prep.core.denoise.options import DEFAULT_DENOISER, DENOISERS, SERIES_METHOD

DESCRIPTION = (
    "Denoise a NIfTI image of two to four axes, slice by slice (slices third, volumes fourth), on its own intensity "
    "scale; or a series of 20 volumes and more as a whole (mppca). Writes OUT, and a JSON file of that name with the "
    "sidecar of IN, the method and the noise found."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add = parser.add_argument
    parser.formatter_class = argparse.HelpFormatter
    add("image", type=Path, metavar="IN", help="NIfTI image, magnitude")
    add("out", type=Path, metavar="OUT", help="image to write (.nii, .nii.gz)")
    add("--method", choices=(*DENOISERS, SERIES_METHOD), default=DEFAULT_DENOISER, help="(default: %(default)s)")
    add("--mask", type=Path, metavar="NIFTI", help="its surroundings are denoised, and the noise is measured in it")
    add("--sigma", type=float, metavar="S", help="noise in the units of the image (default: estimated per volume)")
    add("--weights", type=Path, metavar="FILE", help="of train-denoiser, for unet (default: the package's)")
    add("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> int:
    """Denoise, write, print the files."""
    from fetalt2prep.cli.paths import need_files, refuse_to_replace
    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.io.denoise_file import denoise_file
    from fetalt2prep.io.sidecar import sidecar_path

    a = arguments
    need_files(a.image, a.weights)
    if a.weights is not None and a.method != "unet":
        raise ValueError(f"--weights are of the network; leave them out with --method {a.method}.")
    if not a.out.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"{a.out}: its name must end in .nii or .nii.gz.")
    account = sidecar_path(a.out)
    if account.resolve() == sidecar_path(a.image).resolve():
        raise ValueError(f"{a.out}: its {account.name} is that of {a.image.name}; name another file.")
    refuse_to_replace((a.out, account), force=a.force, another="file")
    if a.sigma is not None and not 0 < a.sigma < float("inf"):
        raise ValueError(f"--sigma is {a.sigma}; it must be above 0.")
    with ProgressBar() as bar:
        written = denoise_file(a.image, a.out, a.method, mask=a.mask, sigma=a.sigma, weights=a.weights, on_step=bar)
    sys.stderr.write("".join(f"note: {note}\n" for note in written.notes))
    sys.stdout.write(f"{written.image}\n{written.account}\n")
    return 0
