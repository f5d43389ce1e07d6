"""The reconstruction on an accelerator gives what it gives on the processor."""

from __future__ import annotations

import numpy as np
import pytest

from fetalt2prep.core.recon.joint import reconstruct


@pytest.mark.gpu
def test_reconstruction_on_the_device_agrees_with_the_processor(device, phantom, options):
    stacks = phantom.session((0.08, 0.14, 0.26))
    found, expected = (reconstruct(stacks, options(device=name)) for name in (device, "cpu"))
    assert found.info["device"] == device
    assert found.echoes.shape == expected.echoes.shape
    inside = found.mask & expected.mask
    assert inside.sum() > 0.95 * expected.mask.sum()
    difference = np.abs(found.echoes - expected.echoes)[:, inside]
    assert difference.mean() < 0.02 * expected.echoes[:, inside].mean()
    assert np.isfinite(found.echoes).all()
