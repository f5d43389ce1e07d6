"""The rim that the reconstruction's mask has beyond the vote."""

from __future__ import annotations

import numpy as np

from fetalt2prep.core.recon.output import with_rim


def ball(radius: float) -> np.ndarray:
    return np.square(np.indices((24, 24, 24)) - 11.5).sum(0) <= radius**2


def test_the_rim_is_one_point_where_slices_see_it():
    wide = with_rim(ball(6), np.ones((24, 24, 24), bool))
    assert wide[ball(6)].all()
    assert wide[ball(6.5)].mean() > 0.98
    assert not wide[~ball(7.5)].any()


def test_what_no_slice_sees_is_left_out():
    seen = np.zeros((24, 24, 24), bool)
    seen[:12] = True
    assert not with_rim(ball(6), seen)[12:].any()


def test_single_points_at_the_border_are_no_teeth():
    voted, seen = ball(6), ball(6)
    seen[11, 11, 18] = True  # a lone point that some slice touches
    assert np.array_equal(with_rim(voted, seen), voted)
