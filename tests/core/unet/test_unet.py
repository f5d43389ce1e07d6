"""The residual U-Net with its fidelity network: laws that hold for any weights, and the loss against scikit-image."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.denoise.unet.denoise import Ranges, denoise_unet, out_of_range
from fetalt2prep.core.denoise.unet.loss import WINDOW, cascade_loss, ssim
from fetalt2prep.core.denoise.unet.network import mirrored

SIGMA = 0.1


def shaken(widths: tuple[int, ...] = (16, 32, 64, 128), n_stages: int = 2) -> DenoisingCascade:
    """A cascade of random weights, its last layers too."""
    torch.manual_seed(0)
    network = DenoisingCascade(widths, n_stages)
    nn.init.normal_(network.residual.head.weight, std=0.2)
    for layer in network.fidelity.layers:
        nn.init.normal_(layer.weight, std=0.2)
    return network.requires_grad_(False)


def picture(*shape: int) -> Tensor:
    return torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (97, 131), (64, 64)])
def test_any_size_comes_back_as_it_went_in(shape: tuple[int, int]) -> None:
    found = shaken()(picture(*shape), torch.tensor([SIGMA]))
    assert all(x.shape == (1, 1, *shape) and bool(torch.isfinite(x).all()) for x in found)


@pytest.mark.parametrize("gain", [1e-3, 0.37, 812.0])
def test_a_gain_of_image_and_noise_is_a_gain_of_the_result(gain: float) -> None:
    network, image = shaken(), picture(97, 131)
    one = network(image, torch.tensor([SIGMA]))[-1]
    scaled = network(gain * image, torch.tensor([gain * SIGMA]))[-1]
    assert not torch.allclose(one, image, atol=1e-3)
    torch.testing.assert_close(scaled / gain, one, rtol=1e-5, atol=1e-5)


def test_a_map_of_one_value_is_that_value() -> None:
    network, image = shaken(), picture(20, 24)
    a = network(image, torch.tensor([SIGMA]))[-1]
    torch.testing.assert_close(network(image, torch.full_like(image, SIGMA))[-1], a)
    assert not torch.allclose(network(image, torch.tensor([2 * SIGMA]))[-1], a)


def test_an_untrained_network_changes_nothing() -> None:
    image = picture(33, 40)
    for found in DenoisingCascade()(image, torch.tensor([SIGMA])):
        torch.testing.assert_close(found, image)


def test_about_half_a_million_weights() -> None:
    assert sum(p.numel() for p in DenoisingCascade().parameters()) == pytest.approx(0.5e6, rel=0.1)


def test_the_fidelity_network_stays_between_its_two_images() -> None:
    network, measured, estimate = shaken(), picture(30, 30), 2 - picture(30, 30).flip(-1)
    found = network.fidelity(measured, estimate, torch.full_like(measured, SIGMA))
    low, high = torch.minimum(measured, estimate), torch.maximum(measured, estimate)
    assert bool(((found >= low - 1e-6) & (found <= high + 1e-6)).all())
    assert not torch.allclose(found, estimate)


def test_each_stage_ends_with_the_tie_to_k_space() -> None:
    network, image = shaken((4, 8)), picture(16, 16)
    seen: list[Tensor] = []

    def tie(x: Tensor) -> Tensor:
        seen.append(x)
        return 0.5 * (x + image)

    found = network(image, torch.tensor([SIGMA]), tie)
    assert len(seen) == 2
    assert len(found) == 6
    torch.testing.assert_close(found[-1], 0.5 * (seen[1] + image))
    assert len(network(image, torch.tensor([SIGMA]))) == 4


def test_every_output_sends_its_own_gradient() -> None:
    target = picture(24, 24)
    outputs = [(target + 0.1 * n).requires_grad_(True) for n in range(1, 5)]
    cascade_loss(target, outputs, 2).backward()
    sizes = [float(x.grad.abs().sum()) for x in outputs if x.grad is not None]
    assert len(sizes) == 4
    assert min(sizes) > 0
    alike = [target.clone().add(0.1).requires_grad_(True) for _ in range(4)]
    cascade_loss(target, alike, 2).backward()
    first, last = (float(alike[n].grad.abs().sum()) for n in (0, 3))  # type: ignore[union-attr]
    assert first == pytest.approx(0.8 * last, rel=1e-4)


@pytest.mark.parametrize("data_range", [1.0, 3.5])
def test_similarity_is_that_of_scikit_image(data_range: float) -> None:
    a, b = data_range * picture(31, 40), data_range * (0.8 * picture(31, 40) + 0.1 * picture(40, 31).mT)
    expected = structural_similarity(a[0, 0].numpy(), b[0, 0].numpy(), data_range=data_range)
    assert float(ssim(a, b, data_range)) == pytest.approx(expected, abs=1e-5)
    assert float(ssim(a, a, data_range)) == pytest.approx(1, abs=1e-6)


def test_luminance_times_contrast_times_structure_is_the_fraction_of_two() -> None:
    a, b = picture(15, 17)[0, 0].double().numpy(), picture(17, 15)[0, 0].T.double().numpy()
    c1, c2 = 0.01**2, 0.03**2
    products = []
    for i, j in itertools.product(range(15 - WINDOW + 1), range(17 - WINDOW + 1)):
        p, q = (x[i : i + WINDOW, j : j + WINDOW].ravel() for x in (a, b))
        (vp, s), (_, vq) = np.cov(p, q)
        light = (2 * p.mean() * q.mean() + c1) / (p.mean() ** 2 + q.mean() ** 2 + c1)
        contrast = (2 * np.sqrt(vp * vq) + c2) / (vp + vq + c2)
        products.append(light * contrast * (s + c2 / 2) / (np.sqrt(vp * vq) + c2 / 2))
    found = ssim(*(torch.from_numpy(x)[None, None] for x in (a, b)), 1.0)
    assert float(found) == pytest.approx(np.mean(products), abs=1e-9)


def test_an_image_is_continued_by_its_mirror() -> None:
    row = torch.arange(5.0)[None]
    assert mirrored(row, 1, 8).tolist() == [[0, 1, 2, 3, 4, 3, 2, 1]]
    assert mirrored(torch.ones(1, 1), 1, 8).shape == (1, 8)
    assert mirrored(torch.arange(2.0)[None], 1, 4).tolist() == [[0, 1, 0, 1]]


def test_slices_are_denoised_alone_and_only_around_the_mask() -> None:
    network = shaken((4, 8), 1)
    pixels = np.random.default_rng(0).uniform(50, 150, (60, 50, 3)).astype(np.float32)
    mask = np.zeros(pixels.shape, bool)
    mask[20:30, 20:26, :2] = True
    found = denoise_unet(pixels, 10.0, mask, network)
    assert found.dtype == np.float32
    changed = found != pixels
    assert changed[20:30, 20:26, :2].mean() > 0.9
    assert not changed[:, :, 2].any()
    assert not changed[45:].any()
    alone = denoise_unet(pixels[:, :, :1], 10.0, mask[:, :, :1], network)
    np.testing.assert_array_equal(alone, found[:, :, :1])
    np.testing.assert_array_equal(denoise_unet(pixels, 0.0, mask, network), pixels)


def test_what_the_network_does_not_know_is_named() -> None:
    pixels, mask = np.full((64, 64, 2), 100, np.float32), np.ones((64, 64, 2), bool)
    ranges = Ranges(snr=(3, 200), matrix=(32, 512))
    assert out_of_range(pixels, 10, mask, ranges) == ""
    assert out_of_range(pixels, 0, mask, ranges) == ""
    assert "ratio 2.0" in out_of_range(pixels, 50, mask, ranges)
    assert "ratio 1000.0" in out_of_range(pixels, 0.1, None, ranges)
    assert "20 x 64" in out_of_range(pixels[:20], 10, mask[:20], ranges)


def test_a_cascade_has_a_stage_and_takes_one_channel() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        DenoisingCascade(n_stages=0)
    with pytest.raises(ValueError, match=r"\(b, 1, x, y\)"):
        DenoisingCascade((4, 8))(torch.ones(8, 8), torch.ones(1))
