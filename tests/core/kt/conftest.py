"""A small scan of a beating heart, and the operator with its true maps."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import Nufft
from fetalt2prep.sim.dynamic_scan import DynamicOptions, DynamicScan, simulate_dynamic


@dataclass(frozen=True)
class Cine:
    scan: DynamicScan
    sense: Sense
    samples: torch.Tensor  # (frame, coil, sample)
    truth: torch.Tensor  # (frame, y, x)

    def psnr(self, series: torch.Tensor) -> float:
        error = (series.abs() - self.truth.abs()).square().mean()
        return float(10 * torch.log10(self.truth.abs().max() ** 2 / error))


@pytest.fixture(scope="session")
def cine() -> Cine:
    scan = simulate_dynamic(DynamicOptions(n=32, n_frames=8, n_coils=4, readouts_per_frame=5, frame_s=0.05), 1)
    assert scan.k_per_pixel is not None
    sense = Sense(Nufft(scan.k_per_pixel[0].reshape(8, -1, 2), (32, 32)), scan.maps)
    return Cine(scan, sense, scan.samples[0].flatten(2), scan.truth[0])
