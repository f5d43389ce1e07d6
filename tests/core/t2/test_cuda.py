"""Every estimator gives on an accelerator what it gives on the processor."""

from __future__ import annotations

import pytest
import torch

from fetalt2prep.core.signal import monoexponential
from fetalt2prep.core.t2.csf import csf_share

from .conftest import ESTIMATORS, TE_S, Estimator, with_noise


@pytest.mark.gpu
@pytest.mark.parametrize("estimator", list(ESTIMATORS.values()), ids=list(ESTIMATORS))
def test_estimators_on_the_device(device: str, estimator: Estimator) -> None:
    t2 = torch.linspace(0.05, 1.0, 5000, dtype=torch.float64)
    echoes = with_noise(monoexponential(torch.full_like(t2, 1000.0), t2, TE_S), 10.0, magnitude=True)
    error = torch.full_like(echoes, 10.0)
    here = estimator(echoes, TE_S, stderr=error)
    there = estimator(echoes.to(device), TE_S.to(device), stderr=error.to(device))
    assert there.t2_s.device.type == "cuda"
    agree = (there.reason.cpu() == here.reason).double().mean()
    assert float(agree) > 0.999
    both = here.ok & there.ok.cpu()
    for name in ("t2_s", "s0", "t2_stderr_s", "rmse"):
        mine, other = getattr(here, name)[both], getattr(there, name).cpu()[both]
        assert float(((other / mine - 1).abs() < 1e-3).double().mean()) > 0.999, name


@pytest.mark.gpu
def test_share_of_fluid_on_the_device(device: str) -> None:
    t2 = torch.linspace(0.2, 0.6, 2000, dtype=torch.float64)
    echoes = monoexponential(torch.full_like(t2, 1000.0), t2, TE_S)
    here = csf_share(echoes, TE_S, 10.0, tissue_t2_s=0.25, tissue_s0=1000.0)
    there = csf_share(echoes.to(device), TE_S.to(device), 10.0, tissue_t2_s=0.25, tissue_s0=1000.0)
    torch.testing.assert_close(there.probability.cpu(), here.probability, rtol=1e-3, atol=1e-4)
