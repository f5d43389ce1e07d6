"""Worth of fitting parts of frames: of a heart that beats within a frame, the field says more between frames."""

from __future__ import annotations

import torch

from fetalt2prep.cli.simulate_kt import raw_of
from fetalt2prep.core.kt.frames import Frames, bin_for_fit, bin_frames
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.recon import KtPlan, reconstruct_series
from fetalt2prep.sim.dynamic_scan import DynamicOptions, simulate_dynamic

PLAN = KtPlan(interpolate_time=2, inr=KtOptions(n_steps=80))


def test_parts_of_frames_follow_the_motion_within() -> None:
    """Frames of 0.16 s, in which the left ventricle contracts by half: they are blurred, parts less."""
    options = DynamicOptions(
        n=32, n_frames=6, n_coils=4, readouts_per_frame=16, frame_s=0.16, states_per_frame=16, snr=200.0
    )
    scan = simulate_dynamic(options, 2)
    readouts = raw_of(scan).readouts
    whole = bin_frames(readouts, 0)
    middle_s = (whole.times_s[1:] + whole.times_s[:-1]) / 2
    truth = torch.stack([scan.scene.truth(0.0, float(time_s)).abs() for time_s in middle_s])

    def error(frames: Frames, *, interpolated: bool = False) -> float:
        found = reconstruct_series(frames, PLAN, maps=scan.maps, at_s=whole.times_s).frames
        middle = (found[2::2] + found[:-2:2]).abs() / 2 if interpolated else found[1::2].abs()
        return float((middle - truth).norm() / truth.norm())

    ours = error(bin_for_fit(readouts, 0, 4))
    assert ours < 0.85 * error(whole, interpolated=True)  # by more than 1 dB
    assert ours < 0.9 * error(whole)
