"""The head in a picture: the phantom at any age and angle, bent, and moving between slices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fetalt2prep.sim.anatomy import draw_anatomy
from fetalt2prep.sim.phantom import LAST_BRAIN_LABEL, HeadGrid, Label, head_labels
from fetalt2prep.sim.pictures.noise_field import Floats, draw_smooth
from fetalt2prep.sim.pictures.place import Doubles, Lattice, draw_rotation
from fetalt2prep.sim.subject import wrap_brain

GRID_MM = 1.25
AGES_WEEKS = (18.5, 40.0)


@dataclass(frozen=True, kw_only=True)
class Head:
    """Labels in the head's frame and where the head lies."""

    labels: NDArray[np.uint8]
    grid: HeadGrid
    centre_mm: Doubles  # (3,) in the stack's frame
    head_to_stack: Doubles  # (3, 3)
    radius_mm: float
    """Everything of the head is nearer to its centre than this."""
    semi_mm: Doubles  # (3,) of the cerebrum

    @property
    def towards_body(self) -> Doubles:
        """Unit vector of the neck, (3,)."""
        return np.asarray(self.head_to_stack @ [0.0, -0.25, -0.97])


def draw_head(rng: np.random.Generator, centre_mm: Doubles) -> Head:
    """A head of any age; folds, fluid and ventricles vary more than in one that is simulated for its T2."""
    age = float(rng.uniform(*AGES_WEEKS))
    anatomy = draw_anatomy(rng, age, None, float(np.exp(rng.uniform(np.log(0.3), np.log(2.0)))))
    stretch = np.exp(0.07 * rng.standard_normal(3)) * np.exp(0.05 * rng.standard_normal())
    x, y, z = (float(a) for a in np.asarray(anatomy.semi_axes_mm) * stretch)
    anatomy = replace(
        anatomy,
        semi_axes_mm=(x, y, z),
        sulcal_depth_mm=anatomy.sulcal_depth_mm * float(rng.uniform(0.3, 1.4)),
        csf_mm=anatomy.csf_mm * float(np.exp(rng.uniform(np.log(0.1), np.log(2.5)))),
        ventricle_scale=anatomy.ventricle_scale * float(np.exp(rng.uniform(0.0, 0.4))),
    )
    grid = HeadGrid.around(anatomy, GRID_MM)
    labels = head_labels(anatomy, grid)
    kind, (skull_mm, scalp_mm) = rng.random(), rng.uniform((0.5, 1.0), (3.5, 4.5))
    if kind < 0.3:
        labels = _tight(rng, labels, skull_mm, scalp_mm)
    elif kind < 0.65:
        labels = _rewrapped(labels, skull_mm, scalp_mm)
    return Head(
        labels=labels,
        grid=grid,
        centre_mm=centre_mm,
        head_to_stack=draw_rotation(rng),
        radius_mm=1.9 * max(x, y, z) + 8.0,
        semi_mm=np.array([x, y, z]),
    )


def _rewrapped(labels: NDArray[np.uint8], skull_mm: float, scalp_mm: float) -> NDArray[np.uint8]:
    """The same brain in a skull and a scalp of other thickness; face and neck stay where they are."""
    brain = np.where(labels <= LAST_BRAIN_LABEL, labels, 0).astype(np.uint8)
    wrapped = wrap_brain(brain, GRID_MM, skull_mm, scalp_mm)
    outside = (wrapped > 0) & (wrapped <= LAST_BRAIN_LABEL) & (brain == 0)
    wrapped[outside] = Label.SKULL  # what closing fills between brainstem and base is no brain
    face = (labels == Label.SCALP) | (labels == Label.AMNIOTIC_FLUID)
    return np.asarray(np.where((wrapped == 0) & face, labels, wrapped), np.uint8)


def _tight(rng: np.random.Generator, labels: NDArray[np.uint8], skull_mm: float, scalp_mm: float) -> NDArray[np.uint8]:
    """A skull that follows the brain, base and all, with fluid only in places: cortex lies against the bone.

    So are heads that are made of atlases, whose labels end with the cortex. Half of them have no face.
    """
    scale_mm = float(rng.uniform(15.0, 40.0))
    dry = draw_smooth(rng, labels.shape, (GRID_MM,) * 3, scale_mm) > rng.uniform(-1.5, 1.0)
    brain = np.where(labels <= LAST_BRAIN_LABEL, labels, 0).astype(np.uint8)
    brain[dry & (brain == Label.EXTRA_AXIAL_CSF)] = Label.EMPTY
    wrapped = wrap_brain(brain, GRID_MM, skull_mm, scalp_mm)
    if rng.random() < 0.5:
        return wrapped
    face = (labels == Label.SCALP) | (labels == Label.AMNIOTIC_FLUID)
    return np.asarray(np.where((wrapped == 0) & face, labels, wrapped), np.uint8)


def paint_head(rng: np.random.Generator, head: Head, lattice: Lattice, n_sub: int, out: NDArray[np.uint8]) -> None:
    """Write the head's labels over ``out`` (x, y, sub-slice); every ``n_sub`` sub-slices have one pose."""
    box = lattice.box(head.centre_mm, head.radius_mm)
    if box is None:
        return
    first, last = box[2].start // n_sub, -(-box[2].stop // n_sub)
    box = (box[0], box[1], slice(first * n_sub, min(last * n_sub, lattice.shape[2])))
    full = lattice.axes_mm()
    parts = [axis[tuple(box[n] if m == n else slice(None) for m in range(3))] for n, axis in enumerate(full)]
    points = np.stack(np.broadcast_arrays(*parts)) - head.centre_mm.astype(np.float32)[:, None, None, None]
    shape = points.shape[1:]
    bend_mm = rng.uniform(0, 2.0) if rng.random() < 0.7 else rng.uniform(2.0, 4.5)
    for axis in range(3):
        points[axis] += np.float32(rng.uniform(0.3, 1.0) * bend_mm) * draw_smooth(rng, shape, lattice.spacing_mm, 35.0)
    rotations, shifts = _draw_motion(rng, last - first)
    origin = np.asarray(head.grid.origin_mm, np.float32)
    view = out[box]
    limits = np.asarray(head.labels.shape)
    for n in range(last - first):  # slices: each has its own pose
        sub = slice(n * n_sub, (n + 1) * n_sub)
        turn = (rotations[n] @ head.head_to_stack).T.astype(np.float32)
        local = np.tensordot(turn, points[..., sub] - shifts[n].astype(np.float32)[:, None, None, None], 1)
        index = np.rint((local - origin[:, None, None, None]) / np.float32(GRID_MM)).astype(np.int32)
        inside = np.all((index >= 0) & (index < limits[:, None, None, None]), axis=0)
        labels = head.labels[tuple(index[:, inside])]
        target = view[..., sub]
        target[inside] = np.where(labels > 0, labels, target[inside])


def _draw_motion(rng: np.random.Generator, n_slices: int) -> tuple[Doubles, Floats]:
    """Rotations (slice, 3, 3) and shifts (slice, 3), mm: drift, and now and then a jump."""
    strength = rng.choice([0.0, 0.5, 1.5])
    steps = rng.standard_normal((n_slices, 6)) * strength
    jumps = (rng.random((n_slices, 1)) < 0.06) * rng.standard_normal((n_slices, 6)) * 4.0 * strength
    pose = np.cumsum(steps * 0.6 + jumps, axis=0)
    pose -= pose.mean(0)
    turns = Rotation.from_rotvec(np.deg2rad(np.clip(pose[:, :3], -25, 25))).as_matrix()
    return np.asarray(turns), np.clip(pose[:, 3:], -12, 12).astype(np.float32)
