"""K-space truncation: exact adjoint, identity after zero filling, and what it does to waves."""

from __future__ import annotations

import math

import pytest
import torch

from fetalt2prep.core.operator import adjoint_mismatch
from fetalt2prep.core.truncation import KSpaceTruncation

SIZES = [((24, 20, 18), (12, 10, 9)), ((25, 21, 17), (7, 10, 17)), ((16, 15), (8, 4)), ((31,), (31,)), ((9,), (1,))]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(("fine", "coarse"), SIZES)
def test_adjoint_identity_and_mean(fine, coarse):
    see = KSpaceTruncation.between(fine, coarse)
    assert (see.shape, see.coarse) == (fine, coarse)
    x, y = noise(2, *fine), noise(2, *coarse)
    assert see.forward(x).shape == y.shape
    assert adjoint_mismatch(see, x, y) < 1e-5
    torch.testing.assert_close(see.forward(see.zero_fill(y)), y, atol=2e-6, rtol=0)
    axes = tuple(range(1, x.ndim))
    torch.testing.assert_close(see.forward(x).mean(axes), x.mean(axes), atol=1e-6, rtol=0)


@pytest.mark.parametrize("coarse", [11, 12])
def test_waves_below_the_cut_stay_and_those_above_it_vanish(coarse):
    n = 48
    see = KSpaceTruncation.between([n], [coarse])
    fine = (torch.arange(n) + 0.5) / n
    few = (torch.arange(coarse) + 0.5) / coarse
    for k in (0, 1, 5):
        torch.testing.assert_close(
            see.forward(torch.cos(2 * math.pi * k * fine + 0.3)),
            torch.cos(2 * math.pi * k * few + 0.3),
            atol=2e-6,
            rtol=0,
        )
    for k in (7, 12, 20):
        assert float(see.forward(torch.cos(2 * math.pi * k * fine + 0.3)).abs().max()) < 1e-5


def test_it_is_the_cropped_transform():
    """Odd size, centres aligned by a phase: the same as FFT, crop, inverse FFT."""
    n, few = 45, 15
    x = noise(n).double()
    lines = torch.fft.fftshift(torch.fft.fft(x))[n // 2 - few // 2 : n // 2 + few // 2 + 1]
    k = torch.arange(-(few // 2), few // 2 + 1)
    shift = 0.5 * n / few - 0.5  # of the first coarse centre, in fine voxels
    lines = lines * torch.exp(2j * math.pi * k * shift / n)
    expected = torch.fft.ifft(torch.fft.ifftshift(lines)).real * few / n
    torch.testing.assert_close(
        KSpaceTruncation.between([n], [few]).forward(x.float()).double(), expected, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("coarse", [(5, 4), (4,), (0, 4)])
def test_a_finer_or_emptier_grid_is_refused(coarse):
    with pytest.raises(ValueError, match="cannot be cut"):
        KSpaceTruncation.between((4, 4), coarse)
