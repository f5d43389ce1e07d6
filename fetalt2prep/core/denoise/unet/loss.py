"""What the cascade is trained to make small: absolute difference less similarity, at the end of every network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

WINDOW = 7  # pixels along each side, as in core.metrics.ssim
WEIGHT_L1 = 10.0
"""Weight of the mean absolute difference, so that both terms are of one order of magnitude (it is not published)."""
DECAY = 0.8
"""Weight of a stage relative to the one after it."""


def ssim(reference: Tensor, image: Tensor, data_range: float | Tensor) -> Tensor:
    """Structural similarity (doi:10.1109/TIP.2003.819861) of each picture, (b,).

    reference, image: (b, 1, x, y), sides of 7 or more. Uniform window of 7 x 7 pixels, unbiased variances, mean over
    the windows that fit: the numbers of scikit-image. With ``C3 = C2 / 2`` the product of luminance, contrast and
    structure is the fraction computed here.
    """
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mean_r, mean_i = _mean(reference), _mean(image)
    var_r = unbiased * (_mean(reference * reference) - mean_r * mean_r)
    var_i = unbiased * (_mean(image * image) - mean_i * mean_i)
    shared = unbiased * (_mean(reference * image) - mean_r * mean_i)
    above = (2 * mean_r * mean_i + c1) * (2 * shared + c2)
    below = (mean_r * mean_r + mean_i * mean_i + c1) * (var_r + var_i + c2)
    return (above / below).mean((1, 2, 3))


def _mean(x: Tensor) -> Tensor:
    """Means over windows that fit, first along one axis, then along the other: 14 additions in place of 49."""
    return functional.avg_pool2d(functional.avg_pool2d(x, (WINDOW, 1), stride=1), (1, WINDOW), stride=1)


def stage_loss(
    reference: Tensor, image: Tensor, weight_l1: float = WEIGHT_L1, per_picture: Tensor | None = None
) -> Tensor:
    """``weight_l1 * mean |x - x^| - SSIM(x, x^)`` for pictures whose bright level is 1; scalar.

    ``per_picture``: (b,) further weights of the pictures' differences.
    """
    apart = (image - reference).abs().mean((1, 2, 3))
    apart = apart if per_picture is None else apart * per_picture
    return weight_l1 * apart.mean() - ssim(reference, image, 1.0).mean()


def cascade_loss(
    reference: Tensor, estimates: Sequence[Tensor], n_stages: int, weight_l1: float = WEIGHT_L1,
    per_picture: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Mean of :func:`stage_loss` over all estimates, those of stage k of n with weight ``DECAY^(n - k)``."""
    per_stage = len(estimates) // n_stages
    weights = [DECAY ** (n_stages - 1 - n // per_stage) for n in range(len(estimates))]
    losses = [w * stage_loss(reference, x, weight_l1, per_picture) for w, x in zip(weights, estimates, strict=True)]
    total: Tensor = sum(losses[1:], losses[0]) / sum(weights)
    return total
