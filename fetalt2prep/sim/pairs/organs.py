"""Other parts of the body, as bent ellipsoids of textured tissue: not anatomy, but its edges, sizes and contrasts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.sim.pictures.noise_field import draw_partition
from fetalt2prep.sim.pictures.place import Doubles, Lattice, draw_rotation
from fetalt2prep.sim.pictures.womb import Painter

Labels = NDArray[np.uint8]
TISSUES = {
    "fat": (0.30, 0.075, 0.95),
    "muscle": (0.95, 0.045, 0.80),
    "marrow": (0.45, 0.065, 0.75),
    "cortical_bone": (0.50, 0.015, 0.15),
    "cartilage": (1.05, 0.040, 0.75),
    "fluid": (3.50, 1.200, 1.00),
    "liver": (0.60, 0.050, 0.75),
    "spleen": (1.10, 0.080, 0.80),
    "kidney": (1.05, 0.095, 0.85),
    "vessel": (1.40, 0.220, 0.90),
    "bowel": (0.90, 0.080, 0.80),
    "prostate": (1.20, 0.095, 0.85),
    "wall": (1.00, 0.070, 0.80),
    "cord": (0.90, 0.080, 0.75),
    "disc": (1.00, 0.110, 0.80),
}
"""T1 (s), T2 (s) and density against water at 1.5 T: round numbers of the size that is measured, assumed."""
FIRST = 64
"""Labels of these tissues: below it are the phantom's."""
LABEL = {name: FIRST + n for n, name in enumerate(TISSUES)}


def draw_organs(rng: np.random.Generator, lattice: Lattice, part: str) -> Labels:
    """Labels (x, y, sub-slice) of one part of the body, a different one each time; 0 is air."""
    paint = Painter(rng, lattice)
    _trunk(paint, rng.uniform(0.55, 1.15, 2) * lattice.half_mm[:2])
    DRAW[part](paint)
    return paint.labels


def _trunk(paint: Painter, semi_mm: Doubles) -> None:
    """Skin and fat around muscle, long across the slices, with a few vessels."""
    rng, half = paint.rng, paint.lattice.half_mm
    turn, centre = np.eye(3), np.append(rng.uniform(-0.15, 0.15, 2) * half[:2], 0.0)
    semi = np.append(semi_mm, 10 * half[2] + 100.0)
    paint.ellipsoid(centre, semi, turn, LABEL["fat"], bend=0.06)
    paint.ellipsoid(centre, semi * [rng.uniform(0.75, 0.95), rng.uniform(0.75, 0.95), 1.0], turn, LABEL["muscle"])
    for _ in range(int(rng.integers(2, 9))):
        _blob(paint, "vessel", (1.5, 6.0), reach=0.7)


def _spine(paint: Painter) -> None:
    """A row of vertebrae and discs beside a tube of fluid with the cord in it."""
    rng, half = paint.rng, paint.lattice.half_mm
    height, width = rng.uniform(12, 22), rng.uniform(12, 20)
    at = float(rng.uniform(-0.2, 0.2) * half[0])
    n = int(2 * half[1] / height) + 2
    for k in range(n):  # vertebrae with a disc below each
        y = (k - n / 2) * height * 1.25
        lean = at + rng.uniform(-1.5, 1.5)
        middle = np.array([lean, y, 0.0])
        paint.ellipsoid(middle, np.array([width, 0.58 * height, 25.0]), np.eye(3), LABEL["cortical_bone"], bend=0.03)
        paint.ellipsoid(middle, np.array([width - 1.5, 0.58 * height - 1.5, 25.0]), np.eye(3), LABEL["marrow"])
        below = np.array([lean, y + 0.62 * height, 0.0])
        paint.ellipsoid(below, np.array([width * 0.95, 0.14 * height + 1.0, 25.0]), np.eye(3), LABEL["disc"])
    long = np.array([rng.uniform(5, 9), 3 * half[1], 20.0])
    behind = np.array([at + width + long[0], 0.0, 0.0])
    paint.ellipsoid(behind, long, np.eye(3), LABEL["fluid"], bend=0.05)
    paint.ellipsoid(behind, long * [0.55, 1.0, 1.0], np.eye(3), LABEL["cord"], bend=0.05)


def _abdomen(paint: Painter) -> None:
    """Liver with vessels, spleen, kidneys, bowel, a vertebra."""
    rng = paint.rng
    _blob(paint, "liver", (35.0, 70.0), reach=0.5)
    for _ in range(int(rng.integers(4, 15))):
        _blob(paint, "vessel", (1.0, 4.0), reach=0.6, only="liver")
    _blob(paint, "spleen", (18.0, 35.0), reach=0.6)
    for _ in range(2):
        _blob(paint, "kidney", (15.0, 30.0), reach=0.6)
    _pieces(paint, ("bowel", "fat", "fluid", "wall"), rng.uniform(25, 55), rng.uniform(5, 12))
    _blob(paint, "cortical_bone", (15.0, 22.0), reach=0.3)
    _blob(paint, "fluid", (5.0, 9.0), reach=0.2)


def _pelvis(paint: Painter) -> None:
    """Bladder, prostate or uterus in a wall, hip bones, bowel."""
    rng = paint.rng
    for _ in range(2):
        _blob(paint, "cortical_bone", (16.0, 30.0), reach=0.8, then="marrow", rim_mm=2.0)
    _pieces(paint, ("bowel", "fat", "muscle"), rng.uniform(20, 50), rng.uniform(6, 14))
    _blob(paint, "wall", (18.0, 42.0), reach=0.3, then="fluid", rim_mm=float(rng.uniform(2, 5)))
    _blob(paint, "wall", (14.0, 28.0), reach=0.3, then="prostate", rim_mm=float(rng.uniform(1.5, 4)))


def _knee(paint: Painter) -> None:
    """Ends of two bones with cartilage, a gap of fluid, ligaments."""
    rng, half = paint.rng, paint.lattice.half_mm
    for side in (-1, 1):
        semi = np.array([rng.uniform(25, 40), rng.uniform(30, 50), 40.0])
        middle = np.array([rng.uniform(-8, 8), side * (semi[1] + rng.uniform(1, 4)), 0.0])
        paint.ellipsoid(middle, semi + np.array([2.5, 2.5, 0.0]), np.eye(3), LABEL["cartilage"], bend=0.06)
        paint.ellipsoid(middle, semi, np.eye(3), LABEL["cortical_bone"], bend=0.06)
        paint.ellipsoid(middle, semi - np.array([2.0, 2.0, 0.0]), np.eye(3), LABEL["marrow"], bend=0.06)
    gap = np.array([rng.uniform(20, 45), rng.uniform(1.0, 3.0), 20.0])
    paint.ellipsoid(np.zeros(3), gap, np.eye(3), LABEL["fluid"], bend=0.1)
    for _ in range(int(rng.integers(1, 4))):
        semi = np.array([rng.uniform(1.5, 4), rng.uniform(15, 40), 15.0])
        paint.ellipsoid(rng.uniform(-0.4, 0.4, 3) * half, semi, draw_rotation(rng), LABEL["cortical_bone"])


DRAW: dict[str, Callable[[Painter], None]] = {
    "spine": _spine,
    "abdomen": _abdomen,
    "pelvis": _pelvis,
    "knee": _knee,
}


def _blob(
    paint: Painter, tissue: str, size_mm: tuple[float, float], *,
    reach: float, only: str | None = None, then: str | None = None, rim_mm: float = 0.0,
) -> None:  # fmt: skip
    """A bent ellipsoid somewhere within ``reach`` of the view, and another tissue inside its rim."""
    rng = paint.rng
    semi = rng.uniform(*size_mm) * np.exp(0.2 * rng.standard_normal(3))
    centre = np.append(rng.uniform(-reach, reach, 2) * paint.lattice.half_mm[:2], rng.uniform(-4, 4))
    turn = draw_rotation(rng)
    paint.ellipsoid(centre, semi, turn, LABEL[tissue], bend=0.15, only=None if only is None else LABEL[only])
    if then is not None:
        paint.ellipsoid(centre, np.maximum(semi - rim_mm, 1.0), turn, LABEL[then], bend=0.15)


def _pieces(paint: Painter, tissues: tuple[str, ...], radius_mm: float, piece_mm: float) -> None:
    """A region of small irregular pieces of several tissues."""
    rng, shape = paint.rng, paint.lattice.shape
    number = draw_partition(rng, shape, paint.lattice.spacing_mm, piece_mm, len(tissues))
    names = np.array([LABEL[name] for name in tissues], np.uint8)
    x, y, _ = paint.lattice.axes_mm()
    centre = rng.uniform(-0.5, 0.5, 2) * paint.lattice.half_mm[:2]
    inside = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius_mm**2) & (paint.labels == LABEL["muscle"])
    paint.labels[inside] = names[number][inside]
