"""Target-registration error of slices, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from fetalt2prep.itk.rigid import matrix_ras
from fetalt2prep.sim.score.slice_scores import SlicePoses, slice_errors, slice_summary

POINTS = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 10.0, 0.0]])


def rigid(degrees: float, shift_mm: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift_mm
    return matrix


def test_a_shift_is_an_error_of_its_length_and_a_turn_of_chord_length() -> None:
    poses = SlicePoses()
    poses.add("ax", 0, POINTS, np.eye(4), rigid(0, (0, 3, 4)))
    poses.add("ax", 1, POINTS, np.eye(4), rigid(60, (0, 0, 0)))  # 10 mm from the axis the chord is 10 mm
    table = slice_errors(poses, np.eye(4))
    assert table["error_mm"] == pytest.approx([5.0, 20.0 / 3.0])
    assert table["uncorrected_mm"] == pytest.approx([0.0, 0.0])
    assert table["n_pixels"] == [3, 3]
    summary = slice_summary(table)
    assert (summary["n_slices"], summary["mean_mm"]) == (2, pytest.approx((5 + 20 / 3) / 2, abs=1e-3))


def test_a_common_frame_is_no_error() -> None:
    """When the reconstruction lies elsewhere by the transform that was registered, the error is 0."""
    frame, motion = rigid(20, (5, -3, 2)), rigid(-10, (1, 2, 3))
    poses = SlicePoses()
    poses.add("ax", 0, POINTS, motion, frame @ motion)
    assert slice_errors(poses, frame)["error_mm"] == pytest.approx([0.0], abs=1e-9)


def test_matrix_of_a_transform_moves_points_as_the_transform_does() -> None:
    transform = sitk.Euler3DTransform((4.0, -2.0, 7.0), 0.1, -0.2, 0.3, (1.0, 2.0, 3.0))
    flip = np.array([-1.0, -1.0, 1.0])
    for point in POINTS:
        expected = flip * np.asarray(transform.TransformPoint((flip * point).tolist()))
        assert (matrix_ras(transform) @ [*point, 1.0])[:3] == pytest.approx(expected)
