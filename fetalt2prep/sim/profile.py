"""Slice profiles: what share of the signal comes from where along the slice normal.

Every profile is known by its running integral, so that the share of a layer is exact however thick the layer is.
Offsets along the normal, from the middle of the slice, are arrays of any shape in millimetres; shares have that shape.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Doubles = NDArray[np.float64]

PROFILES = ("tapered", "boxcar", "gaussian", "sinc")
EDGE_SHARE = 0.25  # width of the tapered profile's soft edges as a share of the thickness
GAUSSIAN_SUPPORT = 2.0  # thicknesses within which the Gaussian is followed: 2.35 standard deviations on each side
SINC_SUPPORT = 2.0  # the same for the windowed-sinc pulse
SINC_TIME_BANDWIDTH = 4.0  # zero crossings of the pulse, the two at its ends included
FWHM_TO_SIGMA = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


def slice_profile(offset_mm: Doubles, thickness_mm: float) -> Doubles:
    """The tapered profile along the slice normal, per mm: flat, raised-cosine edges; integrates to one."""
    edge = EDGE_SHARE * thickness_mm
    into_edge = np.clip((np.abs(offset_mm) - (thickness_mm - edge) / 2) / edge, 0.0, 1.0)
    return np.asarray(0.5 * (1.0 + np.cos(np.pi * into_edge)) / thickness_mm)


def excited_share(offset_mm: Doubles, thickness_mm: float) -> Doubles:
    """Integral of :func:`slice_profile` from the middle of the slice to an offset, -1/2 .. 1/2."""
    edge = EDGE_SHARE * thickness_mm
    distance = np.abs(offset_mm)
    into_edge = np.clip((distance - (thickness_mm - edge) / 2) / edge, 0.0, 1.0)
    flat = np.minimum(distance, (thickness_mm - edge) / 2)
    tapered = edge * (into_edge / 2 + np.sin(np.pi * into_edge) / (2 * np.pi))
    return np.asarray(np.sign(offset_mm) * (flat + tapered) / thickness_mm)


def boxcar_share(offset_mm: Doubles, thickness_mm: float) -> Doubles:
    """Integral of a box from its middle to an offset, -1/2 .. 1/2."""
    return np.asarray(np.clip(offset_mm / thickness_mm, -0.5, 0.5))


def gaussian_share(offset_mm: Doubles, thickness_mm: float) -> Doubles:
    """Integral of a Gaussian of full width at half maximum ``thickness_mm``, cut off at its support."""
    sigma = FWHM_TO_SIGMA * thickness_mm
    reach = GAUSSIAN_SUPPORT * thickness_mm / 2
    cut = np.clip(offset_mm, -reach, reach) / (sigma * math.sqrt(2))
    return np.asarray(0.5 * special.erf(cut) / math.erf(reach / (sigma * math.sqrt(2))))


def sinc_share(offset_mm: Doubles, thickness_mm: float) -> Doubles:
    """Integral of what a Hamming-windowed sinc pulse of 90 degrees excites; thickness: full width at half maximum."""
    position, share = _sinc_table()
    return np.asarray(np.interp(np.asarray(offset_mm) / thickness_mm, position, share))


def profile_points(thickness_mm: float, step_mm: float = 0.5, profile: str = "tapered") -> tuple[Doubles, Doubles]:
    """Layers that stand for a profile: offsets in mm and the exact share of each, both (layer,)."""
    shares = {
        "tapered": (1.0 + EDGE_SHARE, excited_share),
        "boxcar": (1.0, boxcar_share),
        "gaussian": (GAUSSIAN_SUPPORT, gaussian_share),
        "sinc": (SINC_SUPPORT, sinc_share),
    }
    if profile not in shares:
        raise ValueError(f"slice profile is {profile!r}; known profiles: {', '.join(PROFILES)}.")
    width, share = shares[profile]
    support = thickness_mm * width
    n_layers = max(3, int(np.ceil(support / step_mm)))
    borders = np.linspace(-support / 2, support / 2, n_layers + 1)
    return (borders[:-1] + borders[1:]) / 2, np.diff(share(borders, thickness_mm))


def excitation(frequency: Doubles, time_bandwidth: float = SINC_TIME_BANDWIDTH, n_steps: int = 400) -> Doubles:
    """Transverse magnetisation, 0 .. 1, after a Hamming-windowed sinc pulse of 90 degrees on resonance.

    ``frequency``: offset in units of the pulse's nominal bandwidth, any shape. The pulse is cut into short hard pulses
    with precession between them, and every step is a rotation of a two-component spinor (Pauly 1991,
    doi:10.1109/42.75611): this is no small-angle approximation. Relaxation during the pulse is left out.
    """
    time = (np.arange(n_steps) + 0.5) / n_steps - 0.5
    shape = np.sinc(time_bandwidth * time) * (0.54 + 0.46 * np.cos(2 * np.pi * time))
    angles = shape / shape.sum() * np.pi / 2
    precession = np.exp(1j * np.pi * time_bandwidth * np.asarray(frequency) / n_steps)
    alpha, beta = np.ones_like(precession), np.zeros_like(precession)
    for angle in angles:  # in time: each rotation acts on what the one before left
        cosine, sine = np.cos(angle / 2), 1j * np.sin(angle / 2)
        alpha, beta = cosine * alpha + sine * beta, sine * alpha + cosine * beta
        beta = beta * precession**2
    return np.asarray(2 * np.abs(alpha) * np.abs(beta))


@cache
def _sinc_table() -> tuple[Doubles, Doubles]:
    """Offsets in thicknesses and the running integral there, -1/2 .. 1/2."""
    frequency = np.linspace(-2.0, 2.0, 2001)
    profile = excitation(frequency)
    width = np.ptp(frequency[profile > 0.5 * profile.max()])
    position = frequency / width
    inside = np.abs(position) <= SINC_SUPPORT / 2
    position, profile = position[inside], profile[inside]
    running = np.concatenate(([0.0], np.cumsum((profile[1:] + profile[:-1]) / 2 * np.diff(position))))
    return position, running / running[-1] - 0.5
