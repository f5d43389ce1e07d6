"""What a mask of k-space tells."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.sense.sampling import Sampling, calibration_region


def lines_mask(lines: list[int], n_y: int = 64, n_x: int = 10) -> torch.Tensor:
    mask = torch.zeros(n_y, n_x, dtype=torch.bool)
    mask[lines] = True
    return mask


@pytest.mark.parametrize("acceleration", [2, 3, 4])
@pytest.mark.parametrize("n_y", [64, 65])
def test_regular_lines_with_calibration(acceleration: int, n_y: int) -> None:
    centre = n_y // 2
    lines = [y for y in range(n_y) if (y - centre) % acceleration == 0 or abs(y - centre) < 6]
    found = Sampling.of(lines_mask(lines, n_y))
    assert found.acceleration == pytest.approx(acceleration, rel=0.05)
    assert 1 < found.net_acceleration < acceleration
    assert found.calibration >= 11
    assert found.partial_fourier == 1.0


def test_all_lines() -> None:
    found = Sampling.of(lines_mask(list(range(64))))
    assert (found.acceleration, found.net_acceleration, found.calibration) == (1, 1, 64)


def test_partial_fourier_is_seen_beside_undersampling() -> None:
    lines = [y for y in range(16, 64) if y % 2 == 0 or 26 <= y < 38]
    found = Sampling.of(lines_mask(lines))
    assert found.acceleration == pytest.approx(2, rel=0.05)
    assert found.partial_fourier == pytest.approx(0.75, abs=0.03)


def test_a_pattern_of_points_has_a_square() -> None:
    mask = torch.zeros(33, 33, dtype=torch.bool)
    mask[::4, ::2] = True
    mask[12:21, 12:21] = True
    found = Sampling.of(mask)
    assert found.calibration == 9
    assert int(calibration_region(mask).sum()) == 81
    assert found.acceleration == pytest.approx(8, rel=0.2)


@pytest.mark.parametrize(("lines", "message"), [([], "no line were"), ([40, 41], "lines 40 to 41 were measured")])
def test_without_a_centre_it_is_refused(lines: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling.of(lines_mask(lines))
