"""The denoising network with what its card says it was trained for."""

from __future__ import annotations

from pathlib import Path

from fetalt2prep.core.sense.learned import Learned, TrainedRange
from fetalt2prep.io.denoiser_weights import load_denoiser, packaged_denoiser
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.weights import card_path, read_card, sha256_of

KEYS = ("acceleration", "snr", "matrix")


def load_learned(weights: Path | None = None) -> Learned | None:
    """Network and ranges of a weights file; None: those of the package, and None where it holds none.

    Raises
    ------
    InputError
        The file is not what its card says; or there is no card with ranges of acceleration, SNR and matrix: without
        them nobody knows what the network may be used for.
    """
    path = packaged_denoiser() if weights is None else weights
    if weights is None and not path.is_file():
        return None
    ranges = read_card(path).get("ranges", {})
    missing = [key for key in KEYS if key not in ranges]
    if missing:
        raise InputError(
            f"{path.name}: {card_path(path).name} beside it has no ranges of {', '.join(missing)}. Keep the card that "
            "train-denoiser writes with the weights."
        )
    acceleration, snr, matrix = ((float(low), float(high)) for low, high in (ranges[key] for key in KEYS))
    trained = TrainedRange(acceleration=acceleration, snr=snr, matrix=(int(matrix[0]), int(matrix[1])))
    return Learned(load_denoiser(path), trained, f"{path.name}, SHA-256 {sha256_of(path)}")
