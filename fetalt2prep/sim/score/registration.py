"""The one rigid transform from the truth to the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.sim.score.volume import RAS_TO_LPS, Doubles, Volume, to_itk

GOOD_START = 0.93  # squared correlation from which on no further start is tried


@dataclass(frozen=True)
class Descent:
    """How one descent goes: shrink factor and smoothing in mm of each level, longest and shortest step in mm."""

    levels: tuple[tuple[int, float], ...]
    longest_mm: float
    shortest_mm: float


COARSE = Descent(((4, 2.0),), 2.0, 0.01)
FINE = Descent(((2, 1.0), (1, 0.0)), 1.0, 0.0001)
RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def register(fixed: Volume, moving: Volume, mask: NDArray[np.bool_]) -> sitk.Euler3DTransform:
    """Rigid transform fixed -> moving by correlation inside the mask less two voxels of rim.

    Starts at the given frames and at the centres of mass, each straight and turned by 15 deg about every axis, on
    images shrunk by 4, until one ends well; the best of these is refined on images shrunk by 2 and on the full ones.
    """
    bright = moving.values > 0.05 * moving.values.max()
    if not bright.any():
        raise ValueError("the first echo of the reconstruction is empty: nothing can be registered.")
    weight = sitk.Cast(to_itk(Volume(inner(mask).astype(np.float32), fixed.affine)), sitk.sitkUInt8)
    images = to_itk(fixed), to_itk(moving), weight
    centre = _centroid_lps(mask, fixed.affine)
    best: tuple[sitk.Euler3DTransform, float] | None = None
    for shift in (np.zeros(3), _centroid_lps(bright, moving.affine) - centre):
        for turn in np.concatenate((np.zeros((1, 3)), 0.26 * np.eye(3), -0.26 * np.eye(3))):
            start = sitk.Euler3DTransform(centre.tolist(), *turn.tolist(), shift.tolist())
            found = _descend(*images, start, COARSE)
            if found is not None and (best is None or found[1] > best[1]):
                best = found
            if best is not None and best[1] > GOOD_START:
                break
        if best is not None and best[1] > GOOD_START:
            break
    refined = None if best is None else _descend(*images, best[0], FINE)
    if refined is None:
        raise ValueError("the reconstruction does not overlap the truth's brain from any start: is its affine right?")
    return refined[0]


def matrix_ras(transform: sitk.Euler3DTransform) -> Doubles:
    """The transform as a matrix of world points in RAS millimetres, (4, 4): truth -> reconstruction."""
    rotation = np.asarray(transform.GetMatrix(), float).reshape(3, 3)
    centre = np.asarray(transform.GetCenter(), float)
    lps = np.eye(4)
    lps[:3, :3] = rotation
    lps[:3, 3] = np.asarray(transform.GetTranslation(), float) + centre - rotation @ centre
    return np.asarray(RAS_LPS @ lps @ RAS_LPS)


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask less two voxels of rim."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=2))


def _descend(
    fixed: sitk.Image,
    moving: sitk.Image,
    weight: sitk.Image,
    start: sitk.Euler3DTransform,
    how: Descent,
) -> tuple[sitk.Euler3DTransform, float] | None:
    """Gradient descent on the squared masked correlation; None where nothing overlaps."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(weight)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel of the mask: the same answer every time
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(how.longest_mm, how.shortest_mm, 200, 0.6, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([shrink for shrink, _ in how.levels])
    method.SetSmoothingSigmasPerLevel([sigma_mm for _, sigma_mm in how.levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    transform = sitk.Euler3DTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:  # all samples outside the moving image: this start says nothing
        return None
    return transform, -float(method.GetMetricValue())


def _centroid_lps(mask: NDArray[np.bool_], affine: Doubles) -> Doubles:
    middle = np.argwhere(mask).mean(0)
    return np.asarray(RAS_TO_LPS @ (affine[:3, :3] @ middle + affine[:3, 3]))
