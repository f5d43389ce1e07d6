"""What lies around the head: mother, uterus, fluid, placenta, the rest of the fetus, and round things that mislead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.phantom import Label
from fetalt2prep.sim.pictures.head import Head
from fetalt2prep.sim.pictures.noise_field import draw_partition
from fetalt2prep.sim.pictures.place import Doubles, Lattice, distances, draw_rotation
from fetalt2prep.sim.pictures.tissues import FIRST_CLUTTER, N_LEVELS

Labels = NDArray[np.uint8]
CLEAN = 0.18
"""Share of pictures with nothing but fluid around the head."""


class Painter:
    """Lays bent ellipsoids over each other and gives each new stuff a free label."""

    def __init__(self, rng: np.random.Generator, lattice: Lattice) -> None:
        self.rng, self.lattice = rng, lattice
        self.labels: Labels = np.zeros(lattice.shape, np.uint8)
        self._next = FIRST_CLUTTER

    def new(self, n: int = 1) -> int:
        """First of ``n`` labels that nothing has yet; they go round when used up."""
        if self._next + n > N_LEVELS:
            self._next = FIRST_CLUTTER
        first, self._next = self._next, self._next + n
        return first

    def ellipsoid(
        self, centre_mm: Doubles, semi_mm: Doubles, rotation: Doubles, label: int, *,
        bend: float = 0.1, inner: float = 0.0, only: int | None = None, parts: int = 0, part_mm: float = 15.0,
    ) -> None:  # fmt: skip
        """One bent ellipsoid, or the shell outside ``inner``; of ``parts`` irregular regions when given."""
        box = self.lattice.box(centre_mm, float(1.4 * semi_mm.max()))
        if box is None:
            return
        radius = distances(self.rng, self.lattice, box, centre_mm, (semi_mm, rotation), bend)
        where = (radius < 1) & (radius >= inner)
        view = self.labels[box]
        if only is not None:
            where &= view == only
        if parts:
            view[where] = label + draw_partition(self.rng, view.shape, self.lattice.spacing_mm, part_mm, parts)[where]
        else:
            view[where] = label


def draw_womb(rng: np.random.Generator, lattice: Lattice, head: Head | None) -> Labels:
    """Labels (x, y, sub-slice) of everything but the head."""
    paint = Painter(rng, lattice)
    if rng.random() < CLEAN:
        _fluid_alone(paint, head)
        return paint.labels
    _mother(paint)
    if rng.random() < 0.9:
        _uterus(paint, head)
    if head is not None and rng.random() < 0.85:
        _body(paint, head.centre_mm, head.towards_body, float(head.semi_mm[1]))
    elif head is None and rng.random() < 0.7:  # a body without its head in view
        direction = draw_rotation(rng)[0]
        _body(paint, rng.uniform(-0.7, 0.7, 3) * lattice.half_mm, direction, float(rng.uniform(25, 55)))
    for _ in range(int(rng.integers(1, 9))):
        _round_thing(paint)
    if head is not None:
        for _ in range(int(rng.integers(0, 6))):
            _beside(paint, head)
    return paint.labels


def _fluid_alone(paint: Painter, head: Head | None) -> None:
    """A head in a bag of fluid, and air around: how a simulator without a mother shows it."""
    rng = paint.rng
    semi, centre = rng.uniform(55, 130, 3), rng.uniform(-20, 20, 3)
    turn = draw_rotation(rng)
    if head is not None and rng.random() < 0.8:  # all of the head in the bag
        semi = np.maximum(semi, head.semi_mm.max() * rng.uniform(1.3, 2.0))
        centre = head.centre_mm + turn @ (rng.uniform(-0.6, 0.6, 3) * (semi - 1.2 * head.semi_mm.max()))
    if rng.random() < 0.5:
        paint.ellipsoid(centre, semi + rng.uniform(3, 20), turn, paint.new(), bend=0.05)
    paint.ellipsoid(centre, semi, turn, int(Label.AMNIOTIC_FLUID), bend=0.05)


def _beside(paint: Painter, head: Head) -> None:
    """A hand, a shoulder, the cord, the placenta: what touches the head and must not be taken for a part of it."""
    rng = paint.rng
    outward = draw_rotation(rng)[0]
    surface = np.linalg.norm(head.head_to_stack.T @ outward / head.semi_mm) ** -1 + 5.0
    size = np.exp(rng.uniform(np.log(4), np.log(30))) * np.exp(0.35 * rng.standard_normal(3))
    n = int(rng.integers(1, 6))
    centre = head.centre_mm + outward * (surface + rng.uniform(0.4, 1.1) * size.min())
    paint.ellipsoid(centre, size, draw_rotation(rng), paint.new(n), bend=0.2, parts=n if n > 1 else 0,
                    part_mm=float(rng.uniform(4, 15)))  # fmt: skip


def _mother(paint: Painter) -> None:
    """Irregular organs everywhere; in half of the pictures the outline of the belly: skin, fat, air."""
    rng, lattice = paint.rng, paint.lattice
    n, scale_mm = int(rng.integers(4, 13)), float(np.exp(rng.uniform(np.log(12), np.log(90))))
    paint.labels[...] = paint.new(n) + draw_partition(rng, lattice.shape, lattice.spacing_mm, scale_mm, n)
    if rng.random() < 0.5:  # bowel: small irregular pieces in one region
        n = int(rng.integers(3, 7))
        centre, semi = rng.uniform(-1, 1, 3) * lattice.half_mm, rng.uniform(30, 80, 3)
        paint.ellipsoid(centre, semi, draw_rotation(rng), paint.new(n), parts=n, part_mm=float(rng.uniform(6, 14)))
    for _ in range(int(rng.integers(0, 4))):  # muscles, vertebrae, vessels: long things
        semi = np.array([rng.uniform(4, 20), rng.uniform(4, 25), rng.uniform(40, 150)])
        paint.ellipsoid(rng.uniform(-1, 1, 3) * lattice.half_mm, semi, draw_rotation(rng), paint.new())
    if rng.random() < 0.5:
        belly = rng.uniform(85, 170, 3)
        belly[2] *= 2
        turn, centre = draw_rotation(rng) if rng.random() < 0.3 else np.eye(3), rng.uniform(-30, 30, 3)
        box = (slice(None), slice(None), slice(None))
        radius = distances(rng, lattice, box, centre, (belly, turn), 0.06)
        fat = float(rng.uniform(0.7, 0.97))
        paint.labels[radius > fat] = paint.new()
        paint.labels[radius > 1] = Label.EMPTY


def _uterus(paint: Painter, head: Head | None) -> None:
    """A wall, placenta on a part of it, and fluid: around the head closely, or wide."""
    rng, half = paint.rng, paint.lattice.half_mm
    turn = draw_rotation(rng)
    if head is None:
        centre, semi = rng.uniform(-0.5, 0.5, 3) * half, rng.uniform(50, 130, 3)
    else:
        tight = rng.random() < 0.4
        semi = head.semi_mm.max() * rng.uniform(1.05, 1.4 if tight else 2.6, 3) + 4.0
        reach = np.maximum(semi - head.semi_mm.max(), 0) * 0.9
        centre = head.centre_mm + turn @ (rng.uniform(-1, 1, 3) * reach)
    wall = float(rng.uniform(3, 14))
    paint.ellipsoid(centre, semi + wall, turn, paint.new(), bend=0.08)
    n = int(rng.integers(2, 5))
    if rng.random() < 0.7:  # placenta
        aside = turn @ (rng.standard_normal(3) * semi * 0.6)
        size = semi * rng.uniform(0.4, 1.0, 3) + wall
        paint.ellipsoid(centre + aside, size, turn, paint.new(n), parts=n, part_mm=float(rng.uniform(8, 25)))
    inner = rng.uniform(0.85, 1.0)
    paint.ellipsoid(centre, semi * inner, turn, int(Label.AMNIOTIC_FLUID), bend=0.12)
    for _ in range(int(rng.integers(0, 9))):  # loops of the cord, hands, feet, membranes
        place = centre + turn @ (rng.uniform(-0.8, 0.8, 3) * semi)
        paint.ellipsoid(place, rng.uniform(3, 14, 3), draw_rotation(rng), paint.new(), bend=0.2)


def _body(paint: Painter, head_mm: Doubles, direction: Doubles, size_mm: float) -> None:
    """Trunk with organs, spine, fluid-filled organs, and limbs; the trunk begins where the head ends."""
    rng = paint.rng
    sideways = np.cross(direction, draw_rotation(rng)[0])
    direction = direction + rng.uniform(0, 0.6) * sideways
    direction = direction / np.linalg.norm(direction)
    length = size_mm * rng.uniform(1.0, 1.7)
    semi = np.array([size_mm * rng.uniform(0.55, 0.95), size_mm * rng.uniform(0.55, 0.95), length])
    turn = _along(direction, rng)
    centre = head_mm + direction * (0.85 * size_mm + 0.9 * length)
    skin, n = paint.new(), int(rng.integers(4, 10))
    paint.ellipsoid(centre, semi, turn, skin, bend=0.12)
    paint.ellipsoid(centre, semi * rng.uniform(0.75, 0.95), turn, paint.new(n), parts=n,
                    part_mm=float(rng.uniform(8, 25)))  # fmt: skip
    back = turn[:, 0] * semi[0] * 0.6
    bone, cord = paint.new(), paint.new()
    paint.ellipsoid(centre + back, np.array([6.0, 6.0, length]), turn, bone)
    paint.ellipsoid(centre + back, np.array([3.0, 3.0, length]), turn, cord)
    for _ in range(int(rng.integers(0, 5))):  # bladder, stomach, heart, kidneys
        place = centre + turn @ (rng.uniform(-0.6, 0.6, 3) * semi)
        paint.ellipsoid(place, rng.uniform(4, 0.4 * size_mm, 3), draw_rotation(rng), paint.new())
    for _ in range(int(rng.integers(0, 9))):  # limbs: flesh, often with bone within
        start = centre + turn @ (rng.uniform(-1.3, 1.3, 3) * semi)
        limb, thick = draw_rotation(rng), rng.uniform(5, 13)
        semi_limb = np.array([thick, thick, rng.uniform(18, 45)])
        paint.ellipsoid(start, semi_limb, limb, skin, bend=0.15)
        paint.ellipsoid(start, semi_limb * [0.4, 0.4, 0.9], limb, bone)


def _round_thing(paint: Painter) -> None:
    """A ball of fluid, flesh or patches, bare or in a shell: bladder, kidney, vertebra, belly in cross-section."""
    rng = paint.rng
    centre = rng.uniform(-1, 1, 3) * paint.lattice.half_mm * 1.1
    semi = float(np.exp(rng.uniform(np.log(7), np.log(50)))) * np.exp(0.25 * rng.standard_normal(3))
    turn, bend = draw_rotation(rng), float(rng.uniform(0, 0.15))
    n = int(rng.integers(0, 7)) if rng.random() < 0.5 else 0
    fluid = rng.random() < 0.25
    label = int(Label.AMNIOTIC_FLUID) if fluid else paint.new(max(n, 1))
    if rng.random() < 0.5:
        paint.ellipsoid(centre, semi + rng.uniform(1.5, 8), turn, paint.new(), bend=bend)
    paint.ellipsoid(centre, semi, turn, label, bend=bend, parts=0 if fluid or n < 2 else n,
                    part_mm=float(rng.uniform(5, 20)))  # fmt: skip


def _along(direction: Doubles, rng: np.random.Generator) -> Doubles:
    """A rotation whose third column is the direction."""
    first = np.cross(direction, rng.standard_normal(3))
    first /= np.linalg.norm(first)
    return np.stack((first, np.cross(direction, first), direction), axis=1)
