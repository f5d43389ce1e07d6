"""The one rigid transform from the truth to the reconstruction."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from scipy import ndimage

from fetalt2prep.itk.rigid import Descent, Images, descend, turned_starts
from fetalt2prep.itk.volume import Volume, centroid_lps

GOOD_START = 0.93  # squared correlation from which on no further start is tried
COARSE = Descent(((4, 2.0),), 2.0, 0.01)
FINE = Descent(((2, 1.0), (1, 0.0)), 1.0, 0.0001)


def register(fixed: Volume, moving: Volume, mask: NDArray[np.bool_]) -> sitk.Euler3DTransform:
    """Rigid transform fixed -> moving by correlation inside the mask less two voxels of rim.

    Starts at the given frames and at the centres of mass, each straight and turned by 15 deg about every axis, on
    images shrunk by 4, until one ends well; the best of these is refined on images shrunk by 2 and on the full ones.
    """
    bright = moving.values > 0.05 * moving.values.max()
    if not bright.any():
        raise ValueError("the first echo of the reconstruction is empty: nothing can be registered.")
    images, centre = Images.of(fixed, moving, inner(mask)), centroid_lps(mask, fixed.affine)
    best: tuple[sitk.Euler3DTransform, float] | None = None
    for shift in (np.zeros(3), centroid_lps(bright, moving.affine) - centre):
        for start in turned_starts(centre, shift):
            found = descend(images, start, COARSE)
            if found is not None and (best is None or found[1] > best[1]):
                best = found
            if best is not None and best[1] > GOOD_START:
                break
        if best is not None and best[1] > GOOD_START:
            break
    refined = None if best is None else descend(images, best[0], FINE)
    if refined is None:
        raise ValueError("the reconstruction does not overlap the truth's brain from any start: is its affine right?")
    return refined[0]


def inner(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask less two voxels of rim."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=2))
