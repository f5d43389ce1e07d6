"""Slice profiles: they integrate to one, have the asked width, and the pulse obeys the Bloch equations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fetalt2prep.sim.profile import (
    PROFILES,
    SINC_TIME_BANDWIDTH,
    boxcar_share,
    excitation,
    excited_share,
    gaussian_share,
    profile_points,
    sinc_share,
    slice_profile,
)


def test_tapered_profile_integrates_to_one_and_has_the_asked_width() -> None:
    z = np.linspace(-5, 5, 20001)
    profile = slice_profile(z, 4.5)
    assert np.trapezoid(profile, z) == pytest.approx(1.0, rel=1e-4)
    assert np.ptp(z[profile > 0.5 * profile.max()]) == pytest.approx(4.5, abs=1e-2)  # full width at half maximum
    running = np.cumsum(profile) * (z[1] - z[0]) - 0.5
    assert np.allclose(excited_share(z, 4.5), running, atol=1e-3)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("thickness_mm", [2.0, 4.5])
def test_layers_add_up_to_one_and_mirror(profile: str, thickness_mm: float) -> None:
    offset, share = profile_points(thickness_mm, 0.3, profile)
    assert share.sum() == pytest.approx(1.0)
    assert np.allclose(share, share[::-1], atol=1e-6)
    assert np.allclose(offset, -offset[::-1])
    assert np.all(share > 0)


@pytest.mark.parametrize("share", [boxcar_share, gaussian_share, sinc_share, excited_share])
def test_full_width_at_half_maximum_is_the_thickness(share) -> None:  # type: ignore[no-untyped-def]
    z = np.linspace(-4.5, 4.5, 9001)
    density = np.gradient(share(z, 3.0), z)
    assert np.ptp(z[density > 0.5 * density.max()]) == pytest.approx(3.0, abs=0.02)


def test_gaussian_layers_by_hand() -> None:
    """Half of a Gaussian of width w at half maximum lies within 0.2865 w of its middle."""
    assert gaussian_share(np.array([0.2865 * 4.0]), 4.0)[0] == pytest.approx(0.25, abs=0.006)  # it is cut off at w


def test_pulse_agrees_with_the_bloch_equations() -> None:
    """The spinor product against a numerical solution of dM/dt = M x B over the same pulse."""
    area = np.trapezoid(pulse(t := np.linspace(-0.5, 0.5, 20001)), t)

    def bloch(time: float, m: np.ndarray, offset: float) -> np.ndarray:
        b1 = pulse(np.array([time]))[0] / area * np.pi / 2
        return np.cross(m, (b1, 0.0, 2 * np.pi * offset * SINC_TIME_BANDWIDTH))

    for offset in (0.0, 0.3, 0.5, 0.8):
        end = solve_ivp(bloch, (-0.5, 0.5), (0.0, 0.0, 1.0), args=(offset,), rtol=1e-8, max_step=0.01).y[:, -1]
        assert excitation(np.array([offset]))[0] == pytest.approx(np.hypot(*end[:2]), abs=2e-3)


def pulse(time: np.ndarray) -> np.ndarray:
    return np.sinc(SINC_TIME_BANDWIDTH * time) * (0.54 + 0.46 * np.cos(2 * np.pi * time))


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="known profiles: tapered, boxcar, gaussian, sinc"):
        profile_points(3.0, profile="triangle")
