"""``fetalt2 COMMAND ...``: choose the command, load its file, turn what goes wrong into one line.

A command is a module of this package with three names: ``DESCRIPTION``, ``add_arguments(parser)``, and
``run(arguments) -> int``. Its file imports what is heavy inside ``run``, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from fetalt2prep import __version__

COMMANDS = {
    "simulate": "write a simulated BIDS dataset with its truth",
    "evaluate": "score a reconstruction against a truth",
    "sample-field": "volumes of a fitted field at other resolutions",
    "t2map": "T2 of co-registered echoes, without BIDS",
    "protocol": "echo times that measure T2 best",
    "guided-sr": "finer maps by weighted images of the same anatomy",
    "train-mask": "train the network that finds the brain",
    "train-denoiser": "train the network that denoises slices",
    "train-guided": "train the network of guided super-resolution",
    "kt-recon": "image series from undersampled dynamic raw data",
    "simulate-kt": "raw data of a simulated moving slice",
    "sense": "image from undersampled Cartesian raw data",
    "simulate-sense": "raw data of simulated undersampled slices",
    "denoise": "less noise in any NIfTI image or series",
}
"""Name of the command, which is that of its module with - for _, and what the list of commands says of it."""


def cli() -> None:
    """Entry point of the command ``fetalt2``."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Carry out one command line; returns the exit code.

    0: done. 1: a file or value was refused, or nothing could be written. 2: the command line is wrong. 130:
    interrupted. 141: nobody reads the output.
    """
    name = "fetalt2"
    try:
        arguments = build_parser(argv).parse_args(argv)
        name += f" {arguments.command}"
        code = importlib.import_module(module_of(arguments.command)).run(arguments)
        sys.stdout.flush()
        return int(code)
    except SystemExit as leave:
        return int(leave.code or 0)
    except BrokenPipeError:  # the reader of our output left, e.g. head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{name}: error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted.\n")
        return 130


def build_parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of all commands; only the file of the command that ``argv`` names is loaded."""
    parser = argparse.ArgumentParser(
        prog="fetalt2",
        description="Tools around T2 maps of the fetal brain that need no BIDS dataset. Research use only.",
        epilog="fetalt2 COMMAND --help says more. BIDS datasets are processed by the command fetalt2prep.",
    )
    parser.add_argument("--version", action="version", version=f"fetalt2 {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        if name in argv:
            module = importlib.import_module(module_of(name))
            sub.description = module.DESCRIPTION
            module.add_arguments(sub)
    return parser


def module_of(command: str) -> str:
    """Module that holds a command."""
    return f"fetalt2prep.cli.{command.replace('-', '_')}"
