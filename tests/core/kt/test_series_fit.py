"""Fitting a series: worth against simple methods, frames in pieces, seeds, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from fetalt2prep.core.coils import Sense
from fetalt2prep.core.fit import Stop
from fetalt2prep.core.kt.baselines import adjoint, cg_sense, low_rank_plus_sparse, temporal_tv
from fetalt2prep.core.kt.field import axes_of, finer_in_time
from fetalt2prep.core.kt.options import KtOptions
from fetalt2prep.core.kt.series_fit import SeriesResult, fit_series

SHORT = KtOptions(n_steps=20)


@pytest.fixture(scope="module")
def fitted(cine: Any) -> SeriesResult:
    return fit_series(cine.sense, cine.samples, KtOptions(n_steps=100, low_rank=1e-4))


def test_the_field_beats_adjoint_by_5_db_and_cg_sense(cine: Any, fitted: SeriesResult) -> None:
    """At 10 times: 5 spokes of 32 pixels."""
    ours = cine.psnr(fitted.frames)
    assert fitted.stop is Stop.MAX_STEPS
    assert ours > cine.psnr(adjoint(cine.sense, cine.samples)) + 5
    unit = cine.samples / fitted.scale
    assert ours > max(cine.psnr(fitted.scale * cg_sense(cine.sense, unit, w, 20)) for w in (0.003, 0.03))


def test_the_field_beats_an_image_that_stands_still(cine: Any, fitted: SeriesResult) -> None:
    still = fit_series(cine.sense, cine.samples, KtOptions(n_steps=40, temporal_tv=100.0)).frames
    assert cine.psnr(fitted.frames) > cine.psnr(still) + 0.5


def test_every_term_is_logged(fitted: SeriesResult) -> None:
    assert {name: len(values) for name, values in fitted.losses.items()} == dict.fromkeys(
        ("data", "temporal_tv", "spatial_tv", "low_rank"), 10
    )
    assert fitted.losses["data"][-1] < 0.8 * fitted.losses["data"][0]


def test_querying_agrees_with_the_frames(cine: Any, fitted: SeriesResult) -> None:
    assert torch.equal(fitted.query(axes_of((8, 32, 32))), fitted.frames)
    assert torch.allclose(fitted.query(finer_in_time((8, 32, 32), 2))[::2], fitted.frames, atol=1e-5)


def test_frames_in_pieces_give_the_same(cine: Any) -> None:
    whole = fit_series(cine.sense, cine.samples, SHORT).frames
    pieces = fit_series(cine.sense, cine.samples, replace(SHORT, frames_at_once=3)).frames
    assert float((whole - pieces).norm() / whole.norm()) < 1e-3


@pytest.mark.parametrize("kind", ["hash", "siren"])
def test_other_fields_learn_from_the_samples(cine: Any, kind: str) -> None:
    result = fit_series(cine.sense, cine.samples, replace(SHORT, field=kind))
    assert result.losses["data"][-1] < result.losses["data"][0]
    assert torch.equal(result.frames, fit_series(cine.sense, cine.samples, replace(SHORT, field=kind)).frames)


def test_the_relative_error_fits_too(cine: Any) -> None:
    result = fit_series(cine.sense, cine.samples, replace(SHORT, data_term="relative"))
    assert result.losses["data"][-1] < result.losses["data"][0]


def test_the_scale_of_the_samples_is_that_of_the_result(cine: Any) -> None:
    once = fit_series(cine.sense, cine.samples, SHORT).frames
    thousand = fit_series(cine.sense, 1024 * cine.samples, SHORT).frames
    assert float((thousand / 1024 - once).norm() / once.norm()) < 1e-3


def test_classical_methods_beat_the_adjoint(cine: Any) -> None:
    unit = cine.samples / adjoint(cine.sense, cine.samples).abs().max()
    scale = adjoint(cine.sense, cine.samples).abs().max()
    floor = cine.psnr(adjoint(cine.sense, cine.samples))
    assert cine.psnr(scale * cg_sense(cine.sense, unit, 0.01, 20)) > floor + 1
    assert cine.psnr(scale * temporal_tv(cine.sense, unit, 0.004, 30)) > floor + 5
    assert cine.psnr(scale * low_rank_plus_sparse(cine.sense, unit, 0.05, 0.01, 30)) > floor + 5


def test_one_frame_is_told(cine: Any) -> None:
    one = cine.sense.select(torch.tensor([0]))
    result = fit_series(one, cine.samples[:1], SHORT)
    assert "one frame" in result.notes[0]
    assert set(result.losses) == {"data", "spatial_tv"}


def test_what_cannot_be_fitted_is_refused(cine: Any) -> None:
    broken = cine.samples.clone()
    broken[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="1 samples are NaN"):
        fit_series(cine.sense, broken, SHORT)
    with pytest.raises(ValueError, match="4 coils, the maps 3"):
        fit_series(Sense(cine.sense.fourier, cine.sense.maps[:3]), cine.samples, SHORT)
    with pytest.raises(ValueError, match="with a frame at least"):
        fit_series(cine.sense, cine.samples[:0], SHORT)
    with pytest.raises(ValueError, match="zero everywhere"):
        fit_series(cine.sense, 0 * cine.samples, SHORT)
    with pytest.raises(ValueError, match="field is 'wavelet'"):
        KtOptions(field="wavelet")
