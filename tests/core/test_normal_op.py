"""``A^H w A`` as a convolution against the operators it stands for; in pieces; for all frames together."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core import normal_op
from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fourier_op import Fourier, MaskedFft, Nufft
from fetalt2prep.core.kt.trajectory import golden_angle_spokes

SHAPE = (24, 31)
KINDS = ("scattered", "spokes", "cartesian")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def operator(kind: str) -> Fourier:
    generator = torch.Generator().manual_seed(3)
    if kind == "scattered":
        return Nufft(torch.rand(3, 70, 2, generator=generator) - 0.5, SHAPE)
    if kind == "spokes":
        return Nufft(golden_angle_spokes(6, 31).reshape(3, -1, 2), SHAPE)
    return MaskedFft((torch.rand(3, *SHAPE, generator=generator) < 0.4).float())


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_adjoint_of_the_weighted_samples(kind: str) -> None:
    fourier, x = operator(kind), random(3, 2, *SHAPE)
    samples = fourier.forward(x)
    assert off(fourier.normal()(x), fourier.adjoint(samples)) < 1e-5
    weight = torch.rand(samples.shape, generator=torch.Generator().manual_seed(4))[:, :1]
    assert off(fourier.normal(weight)(x), fourier.adjoint(weight * samples)) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_hermitian_and_not_negative(kind: str) -> None:
    normal, x, y = operator(kind).normal(), random(3, 1, *SHAPE), random(3, 1, *SHAPE, seed=1)
    left, right = (normal(x) * y.conj()).sum(), (x * normal(y).conj()).sum()
    assert float((left - right).abs() / left.abs()) < 1e-5
    assert float((normal(x) * x.conj()).sum().real) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_of_all_frames_together_it_is_the_sum(kind: str) -> None:
    fourier, x = operator(kind), random(1, 2, *SHAPE)
    expected = fourier.adjoint(fourier.forward(x.expand(3, 2, *SHAPE))).sum(0, keepdim=True)
    assert off(fourier.normal().together()(x), expected) < 1e-5


@pytest.mark.parametrize(("frames_at_once", "most_bytes"), [(0, 2**23), (2, 2**23), (0, 1), (0, 100_000)])
def test_pieces_do_not_change_what_coils_see(
    frames_at_once: int, most_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(normal_op.PIECE_BYTES, "cpu", most_bytes)
    sense, x = Sense(operator("spokes"), random(5, *SHAPE)), random(3, *SHAPE, seed=2)
    found = sense.normal(frames_at_once=frames_at_once)(x)
    assert off(found, sense.adjoint(sense.forward(x))) < 1e-5


@pytest.mark.gpu
def test_on_the_device(device: str) -> None:
    x = random(3, 2, *SHAPE)
    there = Nufft(golden_angle_spokes(6, 31).reshape(3, -1, 2).to(device), SHAPE).normal()(x.to(device)).cpu()
    assert off(there, operator("spokes").normal()(x)) < 1e-5
