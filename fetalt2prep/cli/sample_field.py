"""``fetalt2 sample-field FIELD OUT``: volumes of a fitted field at any resolution and orientation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DESCRIPTION = (
    "Sample the field of a reconstruction at other resolutions (--resolution) or on the grid of another volume, "
    "however it is turned (--like). Writes echoes, mask, T2 (s), S0 and the standard error of T2 (s) into OUT; the "
    "files of one resolution begin with res-, e.g. res-0p5mm_T2map.nii.gz. A finer grid shows the field, it adds no "
    "measurement."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.formatter_class = argparse.HelpFormatter
    parser.add_argument("field", type=Path, metavar="FIELD", help="a *_field.safetensors file of a reconstruction")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; made when it is not there")
    parser.add_argument("--resolution", type=float, nargs="+", default=[], metavar="MM", help="isotropic voxel sizes")
    parser.add_argument("--like", type=Path, metavar="VOLUME", help="NIfTI whose grid is taken, oblique or not")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def run(arguments: argparse.Namespace) -> int:
    """Sample grid by grid and write."""
    from fetalt2prep.cli.paths import refuse_to_replace
    from fetalt2prep.core.recon.fitted import sample
    from fetalt2prep.io.field_file import load_field
    from fetalt2prep.io.sampled import res_label, save_sampled
    from fetalt2prep.io.volume import check_affine, open_image

    out: Path = arguments.out
    if not arguments.resolution and arguments.like is None:
        raise ValueError("Nothing is asked of the field: give --resolution MM, or --like VOLUME.")
    fitted = load_field(arguments.field)
    grids = [(f"res-{res_label(mm)}_", *fitted.grid_at(mm)) for mm in dict.fromkeys(arguments.resolution)]
    if arguments.like is not None:
        _, shape, affine = open_image(arguments.like)
        check_affine(affine, arguments.like.name)
        nx, ny, nz = (*shape, 1, 1, 1)[:3]
        grids.append(("", (nx, ny, nz), affine))
    firsts = [out / f"{prefix}echo-1_T2w.nii.gz" for prefix, _, _ in grids]
    refuse_to_replace(firsts, force=arguments.force, another="folder")
    out.mkdir(parents=True, exist_ok=True)
    for prefix, shape, affine in grids:
        sampled = sample(fitted, shape, affine)
        if not sampled.mask.any():
            raise ValueError(f"{arguments.like}: its grid holds no voxel of the brain. Is it of the same session?")
        for path in save_sampled(sampled, out, prefix).all():
            sys.stdout.write(f"{path}\n")
    return 0
