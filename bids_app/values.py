"""What a word of the command line means: text in, a checked value out."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bids_app.limits import megabytes
from fetalt2prep.core.quality.options import MODES
from fetalt2prep.core.recon.options import ReconOptions

DERIVATIVES = {"masks": "masks", "segmentation": "segmentation", "recon": "reconstructions"}
"""Names for ``--derivatives`` and the options they set."""


def folder(text: str) -> Path:
    """An absolute path, ``~`` expanded, that need not exist yet."""
    return Path(text).expanduser().absolute()


def label(prefix: str) -> Callable[[str], str]:
    """A reader of BIDS labels that strips ``prefix-``."""

    def read(text: str) -> str:
        value = text.removeprefix(f"{prefix}-")
        if not re.fullmatch(r"[0-9a-zA-Z+]+", value):
            raise argparse.ArgumentTypeError(f"{text!r} is not a BIDS label: letters and digits only.")
        return value

    return read


def named_folder(text: str) -> tuple[str, Path]:
    """``masks=PATH`` -> ``("masks", PATH)``."""
    name, equals, path = text.partition("=")
    if not equals or not path or name not in DERIVATIVES:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=PATH, where NAME is one of: {', '.join(DERIVATIVES)}.")
    return name, folder(path)


def selection(text: str) -> str:
    """``auto``, ``all``, or the absolute path of a table."""
    return text if text in MODES else str(folder(text))


def guide(text: str) -> str:
    """``none``, ``auto``, or the absolute path of a file."""
    return text if text in ("none", "auto") else str(folder(text))


def device(text: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:n``."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r}: choose auto, cpu, cuda or cuda:n.")
    return text


def positive(text: str) -> int:
    """A whole number of at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1.")
    return int(text)


def further_resolutions(spacings_mm: Sequence[float]) -> tuple[float, ...]:
    """All but the first, each once; ValueError for a voxel size that a reconstruction could not have either."""
    for spacing_mm in spacings_mm[1:]:
        ReconOptions(resolution_mm=spacing_mm)
    return tuple(mm for mm in dict.fromkeys(spacings_mm) if mm != spacings_mm[0])


def memory(text: str) -> int:
    """Megabytes, from a number with or without a unit."""
    try:
        return megabytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
