"""Maps, CG-SENSE, noise of pixels, and the network on one simulated slice."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fetalt2prep.cli.simulate_sense import calibration_of, raw_of
from fetalt2prep.core.coils import Sense, whitener
from fetalt2prep.core.denoise.unet.cascade import DenoisingCascade
from fetalt2prep.core.fourier_op import MaskedFft, ifft2c
from fetalt2prep.core.kt.frames import without_oversampling
from fetalt2prep.core.sense.consistency import DataConsistency
from fetalt2prep.core.sense.learned import TrainedRange, denoise_tied
from fetalt2prep.core.sense.noise_map import border_noise, noise_amplification
from fetalt2prep.core.sense.recon import CartesianSlice, SensePlan, cg_sense_image, shading
from fetalt2prep.core.sense.sampling import Sampling
from fetalt2prep.sim.cartesian_scan import CartesianOptions, CartesianScan, simulate_cartesian

OPTIONS = CartesianOptions(shape=(65, 48), n_coils=6, acceleration=2, n_calibration=16, snr=20)
PLAN = SensePlan()


def piece_of(scan: CartesianScan, s: int = 0) -> CartesianSlice:
    n_y, n_x = scan.options.shape
    samples = torch.zeros(scan.options.n_coils, n_y, n_x, dtype=torch.complex64)
    samples[:, torch.from_numpy(scan.lines)] = without_oversampling(scan.samples[s], n_x)
    return CartesianSlice(samples, samples.abs().sum(0) > 0)


def error_of(image: torch.Tensor, truth: torch.Tensor) -> float:
    inside = truth > 0.1 * truth.max()
    return float((image - truth)[inside].norm() / truth[inside].norm())


@pytest.fixture(scope="module")
def scan() -> CartesianScan:
    return simulate_cartesian(OPTIONS, 1)


def test_cg_sense_is_far_below_zero_filling() -> None:
    scan = simulate_cartesian(replace(OPTIONS, acceleration=3, snr=100), 1)
    piece = piece_of(scan)
    maps, n_calibration = piece.calibrate()
    assert n_calibration >= 16
    truth = scan.truth[0].abs()
    zero_filled = torch.linalg.vector_norm(ifft2c(piece.samples), dim=0)
    scale = float((zero_filled * truth).sum() / zero_filled.square().sum())
    image = cg_sense_image(piece, maps, PLAN).abs()
    assert error_of(image, truth) < 0.4 * error_of(scale * zero_filled, truth)


def test_whitening_is_worth_it_and_leaves_the_shading(scan: CartesianScan) -> None:
    """Coils that share their noise: less of it is left, and the image keeps its scale and shading."""
    uneven = simulate_cartesian(replace(OPTIONS, coil_noise=1.5, snr=8), 2)
    truth, piece = uneven.truth[0].abs(), piece_of(uneven)
    maps, _ = piece.calibrate()
    plain = cg_sense_image(piece, maps, PLAN).abs() * shading(maps, None)
    matrix = whitener(uneven.noise)
    white = piece.whitened(matrix)
    maps, _ = white.calibrate()
    whitened = cg_sense_image(white, maps, PLAN).abs() * shading(maps, matrix)
    assert error_of(whitened, truth) < 0.7 * error_of(plain, truth)
    inside = truth > 0.1 * truth.max()
    assert float(whitened[inside].mean() / truth[inside].mean()) == pytest.approx(1, abs=0.05)


def test_noise_of_pixels_is_that_of_the_closed_form() -> None:
    """Standard deviation of ``(A^H A + r I)^-1 A^H n`` of a small dense operator, averaged over the map."""
    scan = simulate_cartesian(replace(OPTIONS, shape=(16, 12), n_calibration=8, n_coils=4), 3)
    n_y, n_x = scan.options.shape
    maps = torch.ones(4, n_y, n_x) * torch.exp(
        1j * torch.linspace(0, 6, 4)[:, None, None] * torch.linspace(-1, 1, n_y)[:, None]
    )
    piece = piece_of(scan)
    sense = Sense(MaskedFft(piece.mask[None].float()), maps / 2)
    pixels = torch.eye(n_y * n_x, dtype=torch.complex64).reshape(-1, n_y, n_x)
    a = torch.stack([sense.forward(pixel[None]).flatten() for pixel in pixels], 1)
    estimator = torch.linalg.solve(a.mH @ a + 0.05 * torch.eye(n_y * n_x), a.mH)
    expected = torch.linalg.vector_norm(estimator * piece.mask.repeat(4, 1, 1).flatten(), dim=1)
    found = noise_amplification(sense, 0.05, 30, n_replicas=64)
    assert float(found.mean() / expected.mean()) == pytest.approx(1, abs=0.03)
    again = noise_amplification(sense, 0.05, 30, n_replicas=64)
    assert torch.equal(found, again)


def test_noise_at_the_border_of_k_space(scan: CartesianScan) -> None:
    """A scan a little more than there is, because of the signal that is left there; a scan without noise little."""
    piece = piece_of(simulate_cartesian(replace(OPTIONS, coil_noise=0.0), 1))
    level = float(simulate_cartesian(replace(OPTIONS, coil_noise=0.0), 1).noise.abs().square().mean() / 2) ** 0.5
    assert 0.95 * level < border_noise(piece.samples, piece.mask) < 1.25 * level
    silent = piece_of(simulate_cartesian(replace(OPTIONS, snr=float("inf")), 1))
    assert border_noise(silent.samples, silent.mask) < 0.7 * level


def test_without_calibration_lines_there_is_an_image_still() -> None:
    scan = simulate_cartesian(replace(OPTIONS, n_calibration=0), 1)
    piece = piece_of(scan)
    maps, n_calibration = piece.calibrate()
    assert n_calibration == 0
    assert float(cg_sense_image(piece, maps, PLAN).abs().max()) > 0


def test_an_untrained_network_gives_the_image_tied_to_the_samples(scan: CartesianScan) -> None:
    """Its last layer is 0: without a tie the image comes back; with one, that of the tie, twice."""
    piece = piece_of(scan)
    maps, _ = piece.calibrate()
    image = cg_sense_image(piece, maps, PLAN)
    sigma = 0.05 * (maps.abs().sum(0) > 0).float()
    network = DenoisingCascade()
    torch.testing.assert_close(denoise_tied(network, image, sigma, None), image.abs())
    tie = DataConsistency(piece.sense(maps), piece.samples[None], 0.5)
    once = tie(image[None])[0]
    along = (torch.sgn(image).conj() * once).real.clamp(min=0)
    again = (torch.sgn(image).conj() * tie((along * torch.sgn(image))[None])[0]).real.clamp(min=0)
    found = denoise_tied(network, image, sigma, tie)
    inside = sigma > 0
    torch.testing.assert_close(found[inside], again[inside], rtol=1e-3, atol=1e-3)


def test_a_tie_mends_what_a_network_spoils(scan: CartesianScan) -> None:
    """Random weights instead of training: k-space brings most of the image back."""
    piece, truth = piece_of(scan), scan.truth[0].abs()
    maps, _ = piece.calibrate()
    image = cg_sense_image(piece, maps, PLAN)
    torch.manual_seed(0)
    network = DenoisingCascade()
    torch.nn.init.normal_(network.residual.head.weight, std=10.0)
    sigma = torch.full_like(truth, 0.02)
    spoilt = error_of(denoise_tied(network, image, sigma, None), truth)
    tied = denoise_tied(network, image, sigma, DataConsistency(piece.sense(maps), piece.samples[None], 0.02))
    assert error_of(tied, truth) < 0.5 * spoilt


def test_what_a_network_was_not_trained_for() -> None:
    trained = TrainedRange(acceleration=(1.5, 3.0), snr=(5.0, 40.0), matrix=(64, 512))
    usual = Sampling(acceleration=3.0, net_acceleration=2.1, calibration=24, partial_fourier=0.7)
    assert trained.reasons_against(usual, 24, (97, 131), 80.0) == []
    reasons = trained.reasons_against(replace(usual, acceleration=8.0), 0, (40, 200), 2.0)
    for word in ("acceleration of 8 is beyond", "no calibration lines", "40 x 200", "ratio of 2 is below"):
        assert any(word in reason for reason in reasons), word
    assert len(reasons) == 4


def test_calibration_lines_are_marked_in_the_raw_data(scan: CartesianScan) -> None:
    marks = calibration_of(scan)
    assert int(marks.sum()) == 16
    assert len(marks) == len(raw_of(scan).readouts.samples)
