"""Coil maps and CG-SENSE on measured data: eight coils, a brain, an eighth of k-space; what was held back judges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fetalt2prep.core.coils import Sense, espirit_maps
from fetalt2prep.core.fourier_op import MaskedFft, fft2c, ifft2c
from fetalt2prep.core.kt.baselines import cg_sense

pytestmark = pytest.mark.shared
CENTRE, HALF = (115, 90), 12  # the middle of k-space is fully sampled so far


def test_maps_of_the_centre_predict_samples_that_were_held_back(shared: Path) -> None:
    """A tenth of the samples outside the centre: the error is a third of their size, with exchanged coils all of it."""
    samples = torch.from_numpy(np.load(shared / "data" / "kspace-brain" / "cartesian_ksp.npy"))
    samples = samples / ifft2c(samples).abs().max()
    y, x = (slice(middle - HALF, middle + HALF) for middle in CENTRE)
    measured = samples.abs().sum(0) > 0
    outer = measured.clone()
    outer[y, x] = False
    held = outer & (torch.rand(measured.shape, generator=torch.Generator().manual_seed(0)) < 0.1)
    used = (measured & ~held).float()[None]
    centre = torch.zeros_like(samples)
    centre[:, y, x] = samples[:, y, x]
    maps = espirit_maps(ifft2c(centre))

    def error(maps: torch.Tensor) -> float:
        image = cg_sense(Sense(MaskedFft(used), maps), samples[None] * used, 0.01, 20)
        predicted = fft2c(image * maps)
        return float((predicted - samples)[:, held].norm() / samples[:, held].norm())

    assert error(maps) < 0.4
    assert error(maps.roll(1, 0)) > 1.0
