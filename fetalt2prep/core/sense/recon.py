"""One undersampled slice of several coils: coil maps from its calibration lines, then CG-SENSE."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fetalt2prep.core.coils import CALIBRATION, KERNEL, Sense, espirit_maps, whiten
from fetalt2prep.core.fourier_op import MaskedFft, ifft2c
from fetalt2prep.core.sense.consistency import DataConsistency
from fetalt2prep.core.sense.sampling import calibration_region, centred

LEAST_CALIBRATION = KERNEL + 2  # lines; fewer leave ESPIRiT nothing to compare


@dataclass(frozen=True, kw_only=True)
class SensePlan:
    """How a slice is reconstructed."""

    ridge: float = 0.01
    """Weight of the image's own size, in units of the largest eigenvalue that A^H A can have (1)."""
    n_steps: int = 20
    """Conjugate gradients."""

    def __post_init__(self) -> None:
        if not self.ridge > 0 or self.n_steps < 1:
            raise ValueError(f"ridge is {self.ridge} and n_steps {self.n_steps}: above 0, and 1 or more, are needed.")


@dataclass(frozen=True)
class CartesianSlice:
    """Samples of one slice on its grid; lines are rows, the centre of k-space lies at ``n // 2``."""

    samples: Tensor  # (coil, y, x) complex, 0 where nothing was measured
    mask: Tensor  # (y, x) bool
    calibration: Tensor | None = None
    """(coil, y, x), what the coil maps are made of: 0 but in a region around the centre. None: the samples."""

    def calibrate(self) -> tuple[Tensor, int]:
        """Coil maps (coil, y, x), and the lines they are made of; 0 lines: there is no calibration region.

        Without such a region the maps are made of what was measured around the centre, gaps and all.
        """
        source = self.samples if self.calibration is None else self.calibration
        measured = self.mask if self.calibration is None else source.abs().sum(0) > 0
        region = calibration_region(measured)
        rows, columns = int(region.any(1).sum()), int(region.any(0).sum())
        n_y, n_x = measured.shape
        side = min(rows, columns, CALIBRATION)
        if side < LEAST_CALIBRATION:
            side, region = CALIBRATION, torch.zeros_like(measured)
            region[centred(n_y, min(side, n_y)), centred(n_x, min(side, n_x))] = True
            return espirit_maps(ifft2c(source * region), side), 0
        return espirit_maps(ifft2c(source * region), side), rows

    def whitened(self, matrix: Tensor) -> CartesianSlice:
        """The slice seen by coils with white noise; ``matrix``: of :func:`~fetalt2prep.core.coils.whitener`."""
        calibration = None if self.calibration is None else whiten(self.calibration[None], matrix)[0]
        return CartesianSlice(whiten(self.samples[None], matrix)[0], self.mask, calibration)

    def sense(self, maps: Tensor) -> Sense:
        """Forward operator of the slice."""
        return Sense(MaskedFft(self.mask[None].to(torch.float32)), maps)


def shading(maps: Tensor, matrix: Tensor | None) -> Tensor:
    """Root sum of squares of the coils as measured, (y, x), in an image of whitened coils' maps; 1 without whitening.

    An image of maps with a sum of 1 is shaded by the whitened coils. Times this it is shaded by the coils as they
    were: a noise scan changes the noise, not the image.
    """
    if matrix is None:
        return (maps.abs().sum(0) > 0).to(torch.float32)
    measured = torch.einsum("vc,cyx->vyx", torch.linalg.inv(matrix), maps)
    return torch.linalg.vector_norm(measured, dim=0)


def cg_sense_image(piece: CartesianSlice, maps: Tensor, plan: SensePlan) -> Tensor:
    """``(A^H A + ridge I)^-1 A^H b``, (y, x) complex: CG-SENSE (doi:10.1002/mrm.1241) with Tikhonov's term.

    Data consistency with an estimate of 0. Of k-space beyond the measured band (partial Fourier) the coils see next to
    nothing: it stays 0, and :class:`.homodyne.Homodyne` is the next step.
    """
    solve = DataConsistency(piece.sense(maps), piece.samples[None], plan.ridge, plan.n_steps)
    return solve(torch.zeros_like(piece.samples[:1]))[0]
