"""Why a slice does not fit: every cause is a model of the slice's pixels, and the one that leaves least is named.

The fit gives what each slice should look like. Where a slice was set aside, or counts little, the same volumes are
asked what it would look like if it had been taken elsewhere, were two slices in one, or had another echo time; and what
is left when dark pixels, or bright ones at the rim of the mask, are not looked at. A cause is named when it takes away
more than half of the residual's power; else the slice only says how large its residual is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from fetalt2prep.core.geometry import Rigid
from fetalt2prep.core.recon.field_fit import Scene, magnitude
from fetalt2prep.core.recon.slices import Slices
from fetalt2prep.core.slice_op import SliceOperator
from fetalt2prep.core.stack import Stack

SUSPECT_BELOW = 0.5  # weight of a slice
LEAST_PIXELS = 30  # of a slice whose cause is asked for
EXPLAINED = 0.5  # of the residual's power that a named cause leaves at most
GAIN_RANGE = (0.7, 1.4)  # of a slice that is otherwise as it should be
DARK = 0.5  # of the prediction: a void
BRIGHT = 1.5  # of the prediction: not the brain
RIM_PIXELS = 2.5  # from the edge of the mask, in the plane
PLACES = 6  # slice spacings along the normal, both ways, where a slice's twin is looked for
TWIN_SHARE = (
    0.2,
    0.75,
)  # of a slice's signal from another place: doubled from the first on, beyond the second not its own


@dataclass(frozen=True)
class Suspects:
    """Pixels of slices that count little, with what the fit expects of them."""

    measured: Tensor  # (pixel,)
    expected: Tensor  # (pixel,) at the slice's place and echo time, no gain
    slice_idx: Tensor  # (pixel,)
    rim: Tensor  # (pixel,) bool
    n_slices: int  # of the session

    def total(self, pixels: Tensor) -> Tensor:
        """Sum over each slice's pixels, (pixel,) -> (slice,)."""
        return pixels.new_zeros(self.n_slices).index_add_(0, self.slice_idx, pixels)

    def left(self, expected: Tensor, look: Tensor | None = None) -> Tensor:
        """Power that an expectation with the best usual gain leaves, (slice,); look: pixels that count (pixel,)."""
        look = torch.ones_like(expected) if look is None else look.to(expected)
        gain = self.total(look * expected * self.measured) / self.total(look * expected.square()).clamp(min=1e-9)
        gain = gain.clamp(*GAIN_RANGE)[self.slice_idx]
        return self.total(look * (self.measured - gain * expected).square())

    def mixed(self, other: Tensor) -> tuple[Tensor, Tensor]:
        """Power that the best sum of the expectation and another one leaves, and the share of the other, (slice,)."""
        own2, both, other2 = (self.total(a * b) for a, b in self._pairs(other))
        own_m, other_m = self.total(self.expected * self.measured), self.total(other * self.measured)
        determinant = (own2 * other2 - both.square()).clamp(min=1e-9)
        own = ((other2 * own_m - both * other_m) / determinant).clamp(min=0)
        theirs = ((own2 * other_m - both * own_m) / determinant).clamp(min=0)
        theirs = torch.where(own > 0, theirs, (other_m / other2.clamp(min=1e-9)).clamp(min=0))
        own = torch.where(theirs > 0, own, (own_m / own2.clamp(min=1e-9)).clamp(min=0))
        predicted = own[self.slice_idx] * self.expected + theirs[self.slice_idx] * other
        signal = [self.total(part) for part in (self.expected, other)]
        share = theirs * signal[1] / (own * signal[0] + theirs * signal[1]).clamp(min=1e-9)
        return self.total((self.measured - predicted).square()), share

    def _pairs(self, other: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        return (self.expected, self.expected), (self.expected, other), (other, other)


@torch.no_grad()
def likely_causes(
    scene: Scene, volumes: Tensor, slices: Slices, stacks: Sequence[Stack], poses: Rigid, slice_weight: Tensor
) -> dict[int, str]:
    """Slice -> its most likely cause, for slices that count little and whose residual has a cause that we know.

    volumes: blurred volumes (echo, x, y, z) of the fit on the scene's grid, session scale.
    """
    n_pixels = slices.sum_per_slice(torch.ones_like(slices.values))
    suspect = (slice_weight < SUSPECT_BELOW) & (n_pixels >= LEAST_PIXELS)
    which = suspect[slices.slice_idx].nonzero()[:, 0]
    if not len(which):
        return {}

    def expect(echo_of: Tensor, steps: float = 0.0) -> Tensor:
        """What the slices would show at echo times (slice,), so many slice spacings further along their normals."""
        spacing_mm = torch.tensor([float(stack.spacing_mm[2]) for stack in stacks], device=which.device)
        offset = steps * spacing_mm[slices.stack_of][:, None] * slices.normals
        operator = SliceOperator(
            scene.operator.grid,
            len(slices.te_s),
            poses,
            slices.profile(),
            points_mm=(slices.points_mm + offset[slices.slice_idx])[which],
            slice_idx=slices.slice_idx[which],
            echo_idx=echo_of[slices.slice_idx][which],
            normals=slices.normals,
        )
        return magnitude(operator.forward(volumes), scene.floor)

    own = expect(slices.echo_of)
    rim = torch.as_tensor(np.concatenate([_rim(stack) for stack in stacks]), device=which.device)[which]
    pixels = Suspects(slices.values[which], own, slices.slice_idx[which], rim, slices.n_slices)
    best = EXPLAINED * pixels.left(own)
    causes: dict[int, str] = {}

    def name(left: Tensor, sentence: list[str]) -> None:
        nonlocal best
        for number in (suspect & (left < best)).nonzero()[:, 0].tolist():
            causes[number] = sentence[number]
        best = torch.minimum(best, left)

    dark, bright = pixels.measured < DARK * own, rim & (pixels.measured > BRIGHT * own)
    seen = pixels.total(torch.ones_like(own)).clamp(min=1)
    share = (pixels.total(dark.float()) / seen).tolist()
    name(pixels.left(own, ~dark), [f"signal void in {100 * s:.0f} % of its pixels" for s in share])
    share = (pixels.total(bright.float()) / seen).tolist()
    told = [f"bright tissue at the rim of its mask, in {100 * s:.0f} % of its pixels" for s in share]
    name(pixels.left(own, ~bright), told)
    for echo, te_s in enumerate(slices.te_s.tolist()):
        other = torch.full_like(slices.echo_of, echo)
        left = torch.where(slices.echo_of == echo, torch.inf, pixels.left(expect(other)))
        name(left, [f"contrast of echo time {te_s:.3f} s"] * slices.n_slices)
    for steps in (s for s in range(-PLACES, PLACES + 1) if s):
        left, twin = pixels.mixed(expect(slices.echo_of, steps))
        left = torch.where(twin < TWIN_SHARE[0], torch.inf, left)
        place = f"{abs(steps)} slice{'s' if abs(steps) > 1 else ''} {'further on' if steps > 0 else 'further back'}"
        name(
            left,
            [
                f"shows the place {place}"
                if part > TWIN_SHARE[1]
                else f"doubled, {100 * part:.0f} % of its signal from {place}"
                for part in twin.tolist()
            ],
        )
    return causes


def _rim(stack: Stack) -> np.ndarray:
    """Which of a stack's masked pixels lie at the edge of their slice's mask, (pixel,)."""
    deep = np.stack(
        [ndimage.distance_transform_edt(np.pad(m, 1))[1:-1, 1:-1] for m in np.moveaxis(stack.mask, 2, 0)], 2
    )
    return np.asarray(deep[stack.mask] <= RIM_PIXELS)
