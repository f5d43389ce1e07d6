"""Refusals before any work is done: folders, labels, device."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bids_app.options import OptionError, Options


def check_inputs(options: Options) -> None:
    """Refuse folders that cannot work, before anything is written.

    Raises
    ------
    OptionError
        Input absent; output equal to input; work folder inside the data set.
    """
    bids_dir, output_dir, work_dir = (p.resolve() for p in (options.bids_dir, options.output_dir, options.run.work_dir))
    if not bids_dir.is_dir():
        raise OptionError(
            f"BIDS_DIR {options.bids_dir} is not a folder. In a container, was the folder that holds it mounted?"
        )
    if output_dir == bids_dir:
        raise OptionError(
            f"OUTPUT_DIR is the same as BIDS_DIR ({bids_dir}); raw data and derivatives are kept apart. "
            f"Try {bids_dir / 'derivatives' / 'fetalt2prep'}."
        )
    if work_dir.is_relative_to(bids_dir):
        raise OptionError(
            f"The work folder {work_dir} is inside BIDS_DIR; its files would be taken for data. Choose "
            f"another with --work-dir."
        )
    given = {"masks": options.masks, "recon": options.reconstructions, "segmentation": options.segmentation}
    for name, path in given.items():
        if path is not None and not path.is_dir():
            raise OptionError(f"The {name} folder {path} (--derivatives {name}=...) is not a folder.")
    if options.selection is not None:
        from fetalt2prep.io.selection import read_selection
        from fetalt2prep.io.sidecar import InputError

        try:
            read_selection(options.selection)
        except InputError as error:
            raise OptionError(f"--select: {error}") from error
    if options.run.resource_monitor and importlib.util.find_spec("psutil") is None:
        raise OptionError("--resource-monitor needs the package psutil: pip install psutil, or leave the option out.")
    if options.reconstructions is not None and options.reconstructions.resolve() == bids_dir:
        raise OptionError(f"--derivatives recon={bids_dir} is BIDS_DIR itself: raw stacks are no reconstructions.")


def check_outputs(options: Options) -> None:
    """Make the output and work folders; OptionError when they cannot be written."""
    check_writable(options.output_dir, "OUTPUT_DIR")
    if options.analysis_level == "participant" and not (options.run.reports_only or options.run.boilerplate_only):
        check_writable(options.run.work_dir, "The work folder (--work-dir)")


def check_writable(folder: Path, what: str) -> None:
    """Make ``folder`` and write a file in it once; OptionError when the system refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OptionError(
            f"{what} {folder} cannot be written ({error.strerror}). Choose another folder, or change its permissions."
        ) from error


def choose_labels(wanted: Iterable[str], known: Iterable[str], what: str, prefix: str) -> list[str]:
    """``wanted``, or all ``known`` when nothing is wanted; OptionError when a label is unknown."""
    known = list(known)
    unknown = [label for label in wanted if label not in known]
    if unknown:
        raise OptionError(
            f"Unknown {what} {', '.join(unknown)}; the data set holds: "
            f"{', '.join(f'{prefix}-{label}' for label in known) or 'none'}."
        )
    return list(wanted) or known


def resolve_device(device: str) -> str:
    """``auto`` becomes ``cuda`` when torch sees a GPU, else ``cpu``; an absent GPU is refused."""
    if device == "cpu":
        return device
    import torch

    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if n_gpus else "cpu"
    index = int(device.partition(":")[2] or 0)
    if index >= n_gpus:
        raise OptionError(f"--device {device}: torch sees {n_gpus} GPU(s). Use --device cpu, or auto.")
    return device
