"""Weight files of every network: one that was changed is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fetalt2prep.io.denoiser_weights import load_denoiser, packaged_denoiser
from fetalt2prep.io.guided_weights import load_guided_net, packaged_guided_net
from fetalt2prep.io.mask_weights import load_mask_net, packaged_weights
from fetalt2prep.io.sidecar import InputError
from fetalt2prep.io.weights import card_path


@pytest.mark.parametrize(
    ("weights", "load"),
    [
        (packaged_denoiser(), load_denoiser),
        (packaged_guided_net(), load_guided_net),
        (packaged_weights(), load_mask_net),
    ],
    ids=["denoiser", "guided", "mask"],
)
def test_changed_weights_are_refused(weights: Path, load: Callable[[Path], object], tmp_path: Path) -> None:
    path = Path(shutil.copy(weights, tmp_path))
    shutil.copy(card_path(weights), tmp_path)
    load(path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        load(path)
