"""Acquisition of thick slices from a moving head.

The default forward model is deliberately not the Gaussian one of the reconstruction: through-plane a boxcar with
raised-cosine edges, in-plane a truncated and apodised k-space, both sampled finer than the pixels. Excitation and
readout of one slice see one pose (single shot); there is no T1 weighting between repetitions and no spin history
between slices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from fetalt2prep.sim.artefacts import CoilField, VoidTable, void_factor
from fetalt2prep.sim.kspace import truncate_kspace
from fetalt2prep.sim.profile import profile_points

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

PLANES = {
    "ax": np.eye(3),
    "cor": np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]),
    "sag": np.array([[0, 0, 1.0], [1.0, 0, 0], [0, 1.0, 0]]),
    "oblique": Rotation.from_euler("xyz", (35.0, 25.0, 15.0), degrees=True).as_matrix(),
}  # columns: first in-plane axis, second in-plane axis, slice axis, in the head's axes
OVERSAMPLING = 2  # samples per pixel along each in-plane axis


@dataclass(frozen=True, kw_only=True)
class StackPlan:
    """Where and when one stack is acquired."""

    plane: str
    run: int
    echo: int  # 1 is the shortest echo time
    te_s: float
    affine: Doubles  # (4, 4) voxel index -> world mm
    shape: tuple[int, int, int]
    thickness_mm: float
    slice_times_s: Doubles  # (slice,)
    profile: str = "tapered"  # along the slice normal, one of profile.PROFILES
    acquired: tuple[int, int] | None = None  # matrix before zero filling; None: that of ``shape``

    @property
    def label(self) -> str:
        """BIDS entities that tell the stacks of a session apart."""
        return f"acq-{plane_label(self.plane)}_run-{self.run}_echo-{self.echo}"


def plane_axes(plane: str) -> Doubles:
    """Axes of a plane as columns: first and second in-plane, slice, in the head's axes.

    A plane is a name of ``PLANES``, or a name with a rotation vector in degrees about the head's x, y and z that tilts
    it: ``ax:20,0,-10``.
    """
    name, _, tilt = plane.partition(":")
    if name not in PLANES:
        raise ValueError(f"plane is {plane!r}; known planes: {', '.join(PLANES)}, or tilted as in 'ax:20,0,-10'.")
    if not tilt:
        return np.asarray(PLANES[name])
    try:
        angles = np.array([float(part) for part in tilt.split(",")])
    except ValueError:
        angles = np.empty(0)
    if angles.shape != (3,) or not np.isfinite(angles).all():
        raise ValueError(f"plane is {plane!r}; a tilt is three angles in degrees, as in 'ax:20,0,-10'.")
    return np.asarray(Rotation.from_rotvec(angles, degrees=True).as_matrix() @ PLANES[name])


def plane_label(plane: str) -> str:
    """The plane in letters and digits, as BIDS wants an ``acq-`` label: ``ax:20,0,-10.5`` is ``ax20x0xm10p5``."""
    words = {":": "", ",": "x", "-": "m", ".": "p", "+": "", " ": ""}
    return "".join(words.get(letter, letter) for letter in plane)


def plan_affine(
    plane: str,
    head_to_scanner: Doubles,
    tilt_deg: Doubles,
    centre_mm: Doubles,
    spacing_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
) -> Doubles:
    """Affine of a stack around ``centre_mm``, parallel to a plane of the head but for a tilt, (3,) deg."""
    tilt = Rotation.from_rotvec(tilt_deg, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = tilt @ head_to_scanner[:3, :3] @ plane_axes(plane) * spacing_mm
    affine[:3, 3] = centre_mm - affine[:3, :3] @ ((np.asarray(shape) - 1) / 2)
    return affine


def plan_shape(
    plane: str, extent_mm: Doubles, margin_mm: tuple[float, float], spacing_mm: tuple[float, float, float]
) -> tuple[int, int, int]:
    """Matrix that covers a box (3,) mm with a margin in-plane and through-plane; in-plane sizes are even."""
    size = np.abs(plane_axes(plane).T) @ extent_mm + 2 * np.repeat(margin_mm, (2, 1))
    nx, ny = (2 * int(np.ceil(size[k] / spacing_mm[k] / 2)) for k in range(2))
    return nx, ny, max(1, int(np.ceil(size[2] / spacing_mm[2])))


@dataclass(frozen=True)
class Head:
    """The head at rest on its grid at one echo time."""

    signal: Floats  # (x, y, z), 0 outside the head
    inside: Floats  # (x, y, z), 0..1
    brain: Floats  # (x, y, z), 0..1
    affine: Doubles  # grid index -> world at rest


class SliceSampler:
    """Samples of one stack's slices: their positions in the head's grid and in the world."""

    def __init__(self, plan: StackPlan, head_affine: Doubles, oversampling: int) -> None:
        """``oversampling``: samples per pixel along each in-plane axis, the first on its centre."""
        self.plan = plan
        self.shape = (plan.shape[0] * oversampling, plan.shape[1] * oversampling)
        self._i = np.arange(self.shape[0])[:, None] / oversampling
        self._j = np.arange(self.shape[1])[None, :] / oversampling
        offsets_mm, self.weights = profile_points(plan.thickness_mm, profile=plan.profile)
        self._k = offsets_mm / np.linalg.norm(plan.affine[:3, 2])
        self._world_to_head = np.linalg.inv(head_affine)

    def _mapped(self, affine: Doubles, slice_idx: int, offset: float) -> list[Doubles]:
        """Coordinates of one layer of the profile under an affine of voxel indices, three arrays (x, y)."""
        k = slice_idx + offset
        return [affine[r, 0] * self._i + affine[r, 1] * self._j + affine[r, 2] * k + affine[r, 3] for r in range(3)]

    def world(self, slice_idx: int, offset: float = 0.0) -> Doubles:
        """World points of a slice's middle layer, (x, y, 3)."""
        return np.stack(self._mapped(self.plan.affine, slice_idx, offset), -1)

    def layers(self, slice_idx: int, world_to_rest: Doubles) -> list[tuple[float, Doubles, Doubles]]:
        """For every layer of the profile: weight, head grid coordinates (3, x, y), world points (x, y, 3)."""
        to_head = self._world_to_head @ world_to_rest @ self.plan.affine
        return [
            (float(weight), np.stack(self._mapped(to_head, slice_idx, k)), self.world(slice_idx, k))
            for k, weight in zip(self._k, self.weights, strict=True)
        ]

    def in_plane_mm(self) -> tuple[Floats, Floats]:
        """Distance from the middle of the slice along each in-plane axis, (x, 1) and (1, y)."""
        dx, dy = np.linalg.norm(self.plan.affine[:3, :2], axis=0)
        nx, ny, _ = self.plan.shape
        x, y = (self._i - (nx - 1) / 2) * dx, (self._j - (ny - 1) / 2) * dy
        return x.astype(np.float32), y.astype(np.float32)


@dataclass(frozen=True)
class SliceEffects:
    """What happens to every slice of a session; stacks one after the other, slices in order within each."""

    world_to_rest: Doubles  # (slice, 4, 4)
    voids: VoidTable
    gains: Doubles  # (slice,)


def acquire_stack(
    plan: StackPlan,
    head: Head,
    effects: SliceEffects,
    first_row: int,
    *,
    coil: CoilField | None = None,
    background: Callable[[Doubles], Floats] | None = None,
) -> Floats:
    """Noise-free pixels (x, y, slice) of one stack, in the units of ``head.signal``.

    ``first_row``: row of the stack's first slice in ``effects``. ``background``: signal at world points (...,
    3) of what stays where it is while the head moves over it.
    """
    sampler = SliceSampler(plan, head.affine, OVERSAMPLING)
    x_mm, y_mm = sampler.in_plane_mm()
    pixels = np.empty(plan.shape, np.float32)
    for slice_idx in range(plan.shape[2]):  # memory: one slice's fine samples at a time
        row = first_row + slice_idx
        fine = np.zeros(sampler.shape, np.float32)
        for weight, index, world in sampler.layers(slice_idx, effects.world_to_rest[row]):
            fine += weight * _interpolate(head.signal, index)
            if background is not None:
                fine += weight * (1.0 - _interpolate(head.inside, index)) * background(world)
        if coil is not None:
            fine *= coil.at(sampler.world(slice_idx))
        fine *= void_factor(effects.voids, row, x_mm, y_mm) * np.float32(effects.gains[row])
        pixels[..., slice_idx] = truncate_kspace(fine, plan.shape[:2], acquired=plan.acquired)
    return pixels


def acquire_mask(plan: StackPlan, head: Head, effects: SliceEffects, first_row: int) -> NDArray[np.bool_]:
    """Pixels (x, y, slice) of which more than half is brain, where the head was during each slice."""
    sampler = SliceSampler(plan, head.affine, 1)
    mask = np.empty(plan.shape, bool)
    for slice_idx in range(plan.shape[2]):
        layers = sampler.layers(slice_idx, effects.world_to_rest[first_row + slice_idx])
        share = sum(weight * _interpolate(head.brain, index) for weight, index, _ in layers)
        mask[..., slice_idx] = np.asarray(share) > 0.5
    return mask


def _interpolate(volume: Floats, index: Doubles) -> Floats:
    """Trilinear values at grid coordinates (3, x, y); 0 outside."""
    return np.asarray(ndimage.map_coordinates(volume, index, np.float32, order=1, mode="constant", cval=0.0))
