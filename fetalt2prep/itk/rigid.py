"""Rigid registration: one descent, and what its result is as a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from fetalt2prep.itk.volume import Doubles, Volume, to_itk

RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TURN_RAD = 0.26  # 15 degrees


@dataclass(frozen=True)
class Descent:
    """How one descent goes: shrink factor and smoothing in mm of each level, longest and shortest step in mm."""

    levels: tuple[tuple[int, float], ...]
    longest_mm: float
    shortest_mm: float


@dataclass(frozen=True)
class Images:
    """Fixed and moving image, where the fixed one counts, and a metric: what a descent needs besides a start."""

    fixed: sitk.Image
    moving: sitk.Image
    weight: sitk.Image
    n_bins: int = 0
    """Of the histograms of mutual information (Mattes 2003, doi:10.1109/TMI.2003.809072); 0: squared correlation."""

    @classmethod
    def of(cls, fixed: Volume, moving: Volume, mask: NDArray[np.bool_], *, n_bins: int = 0) -> Images:
        """From volumes, and a mask on the grid of the fixed one."""
        weight = sitk.Cast(to_itk(Volume(mask.astype(np.float32), fixed.affine)), sitk.sitkUInt8)
        return cls(to_itk(fixed), to_itk(moving), weight, n_bins)


def turned_starts(centre: Doubles, shift: Doubles) -> list[sitk.Euler3DTransform]:
    """Starts about ``centre`` (3,), ITK's world: shifted, then straight and turned by 15 deg about every axis."""
    turns = np.concatenate((np.zeros((1, 3)), TURN_RAD * np.eye(3), -TURN_RAD * np.eye(3)))
    return [sitk.Euler3DTransform(centre.tolist(), *turn.tolist(), shift.tolist()) for turn in turns]


def descend(images: Images, start: sitk.Euler3DTransform, how: Descent) -> tuple[sitk.Euler3DTransform, float] | None:
    """Gradient descent from a start; the transform fixed -> moving and its likeness, None where nothing overlaps."""
    method = _method(images, [shrink for shrink, _ in how.levels], [sigma_mm for _, sigma_mm in how.levels])
    method.SetOptimizerAsRegularStepGradientDescent(how.longest_mm, how.shortest_mm, 200, 0.6, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    transform = sitk.Euler3DTransform(start)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(images.fixed, images.moving)
    except RuntimeError:  # all samples outside the moving image: this start says nothing
        return None
    return transform, -float(method.GetMetricValue())


def likeness(images: Images, transform: sitk.Euler3DTransform, sigma_mm: float = 0.0) -> float:
    """The metric under a transform, of images smoothed by ``sigma_mm``, larger is better; minus infinity where nothing
    overlaps.
    """
    method = _method(images, [1], [0.0])
    if sigma_mm > 0:
        smooth = [sitk.SmoothingRecursiveGaussian(image, sigma_mm) for image in (images.fixed, images.moving)]
        images = Images(smooth[0], smooth[1], images.weight, images.n_bins)
    method.SetInitialTransform(sitk.Euler3DTransform(transform), inPlace=True)
    try:
        return -float(method.MetricEvaluate(images.fixed, images.moving))
    except RuntimeError:
        return -np.inf


def matrix_ras(transform: sitk.Euler3DTransform) -> Doubles:
    """The transform as a matrix of world points in RAS millimetres, (4, 4): fixed -> moving."""
    rotation = np.asarray(transform.GetMatrix(), float).reshape(3, 3)
    centre = np.asarray(transform.GetCenter(), float)
    lps = np.eye(4)
    lps[:3, :3] = rotation
    lps[:3, 3] = np.asarray(transform.GetTranslation(), float) + centre - rotation @ centre
    return np.asarray(RAS_LPS @ lps @ RAS_LPS)


def _method(images: Images, shrinks: list[int], sigmas_mm: list[float]) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    if images.n_bins:
        method.SetMetricAsMattesMutualInformation(images.n_bins)
    else:
        method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(images.weight)
    method.SetMetricSamplingStrategy(method.NONE)  # every voxel of the mask: the same answer every time
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(shrinks)
    method.SetSmoothingSigmasPerLevel(sigmas_mm)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    return method
