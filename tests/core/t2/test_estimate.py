"""The estimator that was chosen, its floor and its noise."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.estimate import estimate_t2, find_noise
from fetalt2prep.core.t2.fit import T2Reason
from fetalt2prep.core.t2.options import MODELS, T2Options

from .conftest import with_noise

TE_S = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)


def options(model: str, **more: object) -> T2Options:
    train = {"echo_spacing_s": 0.1, "refocusing_deg": 180.0} if model.startswith("epg") else {}
    return T2Options(model=model, **train, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_reached(model: str) -> None:
    echoes = monoexponential(torch.full((3,), 100.0).double(), torch.tensor([0.1, 0.2, 0.4]).double(), TE_S)
    fit = estimate_t2(echoes, TE_S, options(model), stderr=torch.full_like(echoes, 1e-4))
    assert fit.t2_s.tolist() == pytest.approx([0.1, 0.2, 0.4], rel=5e-3)


@pytest.mark.parametrize("model", ["weighted", "nlls", "rician"])
def test_the_noise_floor_follows_the_errors_voxel_by_voxel(model: str) -> None:
    echoes = monoexponential(torch.full((2,), 100.0).double(), torch.full((2,), 0.1).double(), TE_S)
    error = torch.stack((torch.full((4,), 0.5), torch.full((4,), 10.0)), dim=1).double()
    fit = estimate_t2(echoes, TE_S, options(model, noise_floor=2.0), stderr=error)
    assert fit.reason.tolist() == [T2Reason.OK, T2Reason.BELOW_NOISE]
    assert int(fit.n_echoes[0]) == 4


def test_what_cannot_be_done_is_refused() -> None:
    echoes = torch.ones(4, 2)
    with pytest.raises(ValueError, match="needs the noise"):
        estimate_t2(echoes, TE_S, options("rician"))
    with pytest.raises(ValueError, match="noise floor needs the noise"):
        estimate_t2(echoes, TE_S, options("nlls", noise_floor=2.0))
    with pytest.raises(ValueError, match="B1 map"):
        estimate_t2(echoes, TE_S, options("nlls"), b1=torch.ones(2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "magic"}, "choose one of"),
        ({"t2_bounds_s": (10.0, 5000.0)}, "milliseconds"),
        ({"t2_bounds_s": (0.2, 0.1)}, "larger upper"),
        ({"floor": -1.0}, "floor"),
        ({"noise_floor": -1.0}, "noise floor"),
        ({"noise_sigma": 0.0}, "positive"),
        ({"model": "epg"}, "needs the echo spacing"),
    ],
)
def test_options_that_make_no_sense_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        T2Options(**values)  # type: ignore[arg-type]


def test_noise_is_given_or_found_outside_or_inside() -> None:
    clean = monoexponential(torch.full((4000,), 1000.0).double(), torch.full((4000,), 0.25).double(), TE_S)
    clean[:, :2000] = 0.0
    echoes = with_noise(clean, 10.0, magnitude=True)
    inside = torch.arange(4000) >= 2000
    given = find_noise(echoes, TE_S, inside, T2Options(noise_sigma=3.0))
    around = find_noise(echoes, TE_S, inside, T2Options())
    within = find_noise(torch.where(inside, echoes, 0.0), TE_S, inside, T2Options())
    assert given is not None
    assert around is not None
    assert within is not None
    assert (given.source, around.source, within.source) == ("given", "background", "residuals")
    assert around.sigma == pytest.approx(10.0, rel=0.03)
    assert within.sigma == pytest.approx(10.0, rel=0.1)
    assert find_noise(torch.where(inside, echoes, 0.0)[:2], TE_S[:2], inside, T2Options()) is None
