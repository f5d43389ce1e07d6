"""Share of fluid in a voxel, and T2 of regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.t2_estimators import auc
from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.csf import CsfOptions, csf_share
from fetalt2prep.core.t2.fit import T2Reason
from fetalt2prep.core.t2.regions import T2Maps, region_columns, t2_classes, tissue_reference, weighted_median
from fetalt2prep.core.t2.weighted_loglinear import fit_weighted_loglinear

from .conftest import with_noise

FETAL_S = torch.tensor([0.300, 0.397, 0.600], dtype=torch.float64)
CORTEX_S, S0 = 0.247, 880.0


def mixture(share: torch.Tensor, t2_s: torch.Tensor | float = CORTEX_S) -> torch.Tensor:
    """Echoes of cortex with a share of fluid, (voxel,) -> (echo, voxel)."""
    t2 = torch.as_tensor(t2_s, dtype=torch.float64).expand_as(share)
    fluid = monoexponential(1000.0 * share, torch.full_like(share, 1.9), FETAL_S)
    return monoexponential(S0 * (1 - share), t2, FETAL_S) + fluid


def test_five_per_cent_of_fluid_moves_t2_by_a_fifth() -> None:
    echoes = mixture(torch.tensor([0.0, 0.05], dtype=torch.float64))
    t2 = fit_weighted_loglinear(echoes, FETAL_S).t2_s
    assert float(t2[0]) == pytest.approx(0.247, rel=1e-4)
    assert 0.295 < float(t2[1]) < 0.31


@pytest.mark.parametrize("snr", [20.0, 50.0])
def test_the_flag_finds_voxels_with_five_per_cent_of_fluid(snr: float) -> None:
    generator = torch.Generator().manual_seed(0)
    share = torch.cat((torch.zeros(4000), 0.05 + 0.45 * torch.rand(4000, generator=generator))).double()
    t2 = CORTEX_S * torch.exp(0.06 * torch.randn(8000, generator=generator, dtype=torch.float64))
    sigma = 1000.0 / snr
    echoes = with_noise(mixture(share, t2), sigma, magnitude=True)
    found = csf_share(echoes, FETAL_S, sigma, tissue_t2_s=CORTEX_S, tissue_s0=S0)
    assert auc(found.probability, share >= 0.05) > 0.9
    t2_alone = fit_weighted_loglinear(echoes, FETAL_S).t2_s.nan_to_num(5.0)
    assert auc(found.probability, share >= 0.05) > auc(t2_alone, share >= 0.05)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_without_noise_the_share_is_found(share: float) -> None:
    found = csf_share(
        mixture(torch.tensor([share], dtype=torch.float64)),
        FETAL_S,
        1.0,
        tissue_t2_s=CORTEX_S,
        tissue_s0=S0,
        options=CsfOptions(fluid_t2_s=1.9, fluid_m0=1000.0 / S0, tissue_log_sd=0.01, s0_spread=0.01),
    )
    assert float(found.share) == pytest.approx(share, abs=0.01)
    assert float(found.probability) == pytest.approx(float(share >= 0.05), abs=1e-3)


def test_where_nothing_is_known_nothing_is_said() -> None:
    echoes = mixture(torch.zeros(4, dtype=torch.float64))
    echoes[1, 0] = torch.nan
    echoes[:, 1] = 0.0
    tissue = torch.tensor([CORTEX_S, CORTEX_S, torch.nan, CORTEX_S])
    found = csf_share(echoes, FETAL_S, 5.0, tissue_t2_s=tissue, tissue_s0=S0)
    assert torch.isfinite(found.probability).tolist() == [False, False, False, True]


def test_options_of_the_share_are_checked() -> None:
    with pytest.raises(ValueError, match="pure"):
        CsfOptions(pure=1.0)
    with pytest.raises(ValueError, match="fluid_t2_s"):
        CsfOptions(fluid_t2_s=0.0)


def maps_of(t2_s: np.ndarray, stderr: float = 0.01, **extra: np.ndarray) -> T2Maps:
    return T2Maps(t2_s=t2_s, stderr_s=np.full_like(t2_s, stderr), **extra)


def test_regions_by_hand() -> None:
    t2 = np.array([0.1, 0.2, 0.3, np.nan, 1.0, 1.0]).reshape(6, 1, 1)
    labels = np.array([1, 1, 1, 1, 2, 2]).reshape(6, 1, 1)
    found = region_columns(labels, {1: "one", 2: "two", 3: "none"}, maps_of(t2), voxel_mm3=2.0)
    assert found["name"] == ["one", "two", "none"]
    assert found["n_voxels"] == [4, 2, 0]
    assert found["volume_mm3"] == [8.0, 4.0, 0.0]
    assert found["valid_fraction"][:2] == [0.75, 1.0]
    assert found["t2_median_s"][:2] == pytest.approx([0.2, 1.0])
    assert found["t2_q25_s"][0] == pytest.approx(0.15)
    assert found["t2_q75_s"][0] == pytest.approx(0.25)
    # weights T2^2: (1 x 0.1 + 4 x 0.2 + 9 x 0.3) / 14
    assert found["t2_mean_s"][0] == pytest.approx(3.6 / 14)
    assert found["t2_mean_stderr_s"][1] == pytest.approx(0.0)
    assert np.isnan(found["t2_median_s"][2])
    assert np.isnan(found["t2_tissue_median_s"][0])


def test_the_standard_error_of_a_mean_is_its_spread() -> None:
    rng = np.random.default_rng(0)
    means, errors = [], []
    for _ in range(300):
        t2 = rng.normal(0.25, 0.03, (8, 8, 8))
        row = region_columns(np.ones(t2.shape, int), {1: "a"}, maps_of(t2), voxel_mm3=1.0)
        means.append(row["t2_mean_s"][0])
        errors.append(row["t2_mean_stderr_s"][0])
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


def test_voxels_that_are_not_independent_widen_the_error() -> None:
    t2 = np.random.default_rng(0).normal(0.25, 0.03, (8, 8, 8))
    args = (np.ones(t2.shape, int), {1: "a"}, maps_of(t2))
    alone = region_columns(*args, voxel_mm3=1.0)["t2_mean_stderr_s"][0]
    shared = region_columns(*args, voxel_mm3=1.0, element_mm3=9.0)["t2_mean_stderr_s"][0]
    assert shared == pytest.approx(3.0 * alone)


def test_the_core_leaves_out_what_touches_another_region() -> None:
    labels = np.ones((8, 8, 8), int)
    labels[4:] = 2
    t2 = np.where(labels == 1, 0.2, 0.4)
    t2[3] = 0.3  # partial volume
    row = region_columns(labels, {1: "a"}, maps_of(t2), voxel_mm3=1.0)
    assert row["core_n_voxels"] == [3 * 64]
    assert row["core_t2_median_s"] == pytest.approx([0.2])


def test_fluid_is_weighed_out_of_the_median() -> None:
    t2 = np.r_[np.full(60, 0.25), np.full(40, 0.5)].reshape(100, 1, 1)
    probability = np.where(t2 > 0.3, 0.99, 0.01)
    row = region_columns(np.ones(t2.shape, int), {1: "a"}, maps_of(t2, csf_probability=probability), voxel_mm3=1.0)
    assert row["t2_tissue_median_s"][0] == pytest.approx(0.25)
    assert row["csf_flagged_fraction"][0] == pytest.approx(0.4)


def test_weighted_median() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert weighted_median(values, np.ones(3)) == pytest.approx(2.0)
    assert weighted_median(values, np.array([10.0, 1.0, 1.0])) > 2.5
    assert np.isnan(weighted_median(values, np.zeros(3)))


def test_classes_of_t2() -> None:
    t2 = np.array([0.2, 0.7, 1.5, np.nan, np.nan, 0.2]).reshape(6, 1, 1)
    reason = np.array([0, 0, 0, T2Reason.RISING, T2Reason.BELOW_NOISE, 0]).reshape(6, 1, 1)
    inside = np.array([1, 1, 1, 1, 1, 0], bool).reshape(6, 1, 1)
    assert t2_classes(t2, reason, inside).ravel().tolist() == [1, 2, 3, 3, 0, 0]


def test_pure_tissue_is_the_mode_and_partial_volume_does_not_move_it() -> None:
    rng = np.random.default_rng(0)
    t2 = 0.25 * np.exp(0.08 * rng.standard_normal((16, 16, 16)))
    t2[:6] *= rng.uniform(1.0, 1.9, (6, 16, 16))  # more than a third with fluid
    s0 = np.linspace(800, 1000, 16)[:, None, None] * np.ones(t2.shape)
    regions = np.ones(t2.shape, np.int32)
    regions[:, :, :2] = 0
    found = tissue_reference(maps_of(t2, stderr=1e-4), s0, regions, np.array([2.0, 2.0, 2.0]))
    assert float(np.nanmedian(found.t2_s)) == pytest.approx(0.25, rel=0.05)
    assert found.log_sd == pytest.approx(0.08, rel=0.25)
    assert np.isnan(found.t2_s[:, :, 0]).all()
    assert float(found.s0[2].mean()) < float(found.s0[13].mean())
