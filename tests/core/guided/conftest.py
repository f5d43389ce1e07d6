"""A small object with folds, fluid and a nodule: fine maps, a coarse scan of them, and guides."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fetalt2prep.core.guided.given import CoarseMaps, Guide
from fetalt2prep.core.signal import SignalModel, SpinEcho
from fetalt2prep.core.truncation import KSpaceTruncation

SHAPE, COARSE = (32, 32, 12), (16, 16, 6)
T1W, T2W = SpinEcho(te_s=0.01, tr_s=0.6), SpinEcho(te_s=0.1, tr_s=5.0)
WHITE, GREY, FLUID = (0.7, 0.8, 0.08), (0.8, 1.3, 0.11), (1.0, 4.0, 1.5)  # proton density, T1 s, T2 s


class Object:
    """Fine maps (proton density, T1 in s, T2 in s), mask and the way to the coarse grid."""

    def __init__(self) -> None:
        x, y, z = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
        radius = (x**2 + y**2 + (0.6 * z) ** 2).sqrt()
        self.mask = radius < 0.9
        folds = radius + 0.08 * torch.cos(7 * torch.atan2(y, x)) > 0.62
        fluid = (x.abs() < 0.16) & (y.abs() < 0.3)
        nodule = ((x - 0.4) ** 2 + (y + 0.2) ** 2).sqrt() < 0.12
        self.grey = self.mask & (folds | nodule)
        kinds = torch.zeros(SHAPE, dtype=torch.long)
        kinds[self.grey] = 1
        kinds[self.mask & fluid] = 2
        table = torch.tensor([WHITE, GREY, FLUID])
        self.pd, self.t1_s, self.t2_s = (table[kinds, i] * self.mask for i in range(3))
        wave = [
            torch.cos(5 * x + 3 * k) * torch.cos(4 * y - k) + 0.5 * torch.cos(23 * x + 17 * y + 9 * z + k)
            for k in (0, 1, 2)
        ]
        self.pd, self.t1_s, self.t2_s = (
            v * torch.exp(share * w)
            for v, w, share in zip((self.pd, self.t1_s, self.t2_s), wave, (0.02, 0.06, 0.06), strict=True)
        )
        self.see = KSpaceTruncation.between(SHAPE, COARSE)

    def signal(self, model: SignalModel) -> Tensor:
        r1, r2 = (torch.where(self.mask, 1.0 / t.clamp(min=1e-3), 0.0) for t in (self.t1_s, self.t2_s))
        return model(self.pd, r1, r2)

    def coarse(self, *, with_t1: bool = True) -> CoarseMaps:
        pd, t1_s, t2_s = (self.see.forward(v) for v in (self.pd, self.t1_s, self.t2_s))
        return CoarseMaps(pd=pd, t2_s=t2_s, t1_s=t1_s if with_t1 else None)

    def coarse_from_echoes(self, te_s: tuple[float, ...]) -> CoarseMaps:
        """S0 and T2 fitted to the coarse views of the echoes, as a real coarse scan gives them."""
        views = torch.stack([self.see.forward(self.signal(SpinEcho(te_s=te))) for te in te_s])
        seen = self.see.forward(self.mask.float()) > 0.3
        times = torch.tensor(te_s)
        slope = (times - times.mean()) / (times - times.mean()).square().sum()
        logs = views.clamp(min=1e-3).log()
        r2 = (-torch.tensordot(slope, logs, dims=1)).clamp(min=0.3)
        s0 = torch.exp(logs.mean(0) + times.mean() * r2)
        return CoarseMaps(pd=s0 * seen, t2_s=seen / r2, te_s=te_s)

    def guide(self, model: SignalModel, name: str = "guide", noise: float = 0.005, seed: int = 0) -> Guide:
        clean = self.signal(model)
        level = noise * float(clean[self.mask].median())
        random = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
        return Guide(name=name, image=clean + level * random, model=model, noise=level)


@pytest.fixture(scope="session")
def thing() -> Object:
    return Object()


@pytest.fixture(scope="session")
def error() -> Callable[[Tensor, Tensor, Tensor], float]:
    """Mean relative error where a mask says."""

    def measure(found: Tensor, true: Tensor, where: Tensor) -> float:
        return float(((found - true).abs() / true)[where].mean())

    return measure
