"""N4 of SimpleITK on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fetalt2prep.core.bias.log_mean import LogMean

KNOTS_MM = 60.0  # between those of the finest level: what changes over less is anatomy
N_LEVELS, N_STEPS, TOLERANCE = 2, 50, 1e-4


def n4_log_field(mean: LogMean) -> NDArray[np.float32]:
    """Log-field that sharpens the histogram of the signal inside, (x, y, z), on the whole grid.

    Cubic B-splines with twice as many intervals at each level, the finest at least ``KNOTS_MM`` long (Tustison 2010,
    doi:10.1109/TMI.2010.2046908).
    """
    import SimpleITK as sitk  # noqa: N813

    signal, inside = np.where(mean.inside, np.exp(mean.values), 0.0).astype(np.float32), mean.inside.astype(np.uint8)
    image, mask = (sitk.GetImageFromArray(np.ascontiguousarray(array.T)) for array in (signal, inside))
    for volume in (image, mask):
        volume.SetSpacing([mean.grid.spacing_mm] * 3)
    extent_mm = [mean.grid.spacing_mm * (n - 1) for n in mean.grid.shape]
    first = [max(1, int(extent / (KNOTS_MM * 2 ** (N_LEVELS - 1)))) for extent in extent_mm]  # intervals at level 1
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetNumberOfControlPoints([n + 3 for n in first])
    n4.SetMaximumNumberOfIterations([N_STEPS] * N_LEVELS)
    n4.SetConvergenceThreshold(TOLERANCE)
    n4.Execute(image, mask)
    return np.asarray(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)).T, np.float32)
