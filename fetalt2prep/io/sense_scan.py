"""One undersampled Cartesian scan from file to files: coil maps, CG-SENSE, noise, network, image and its account."""

from __future__ import annotations

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from fetalt2prep import __version__
from fetalt2prep.core.coils import whitener
from fetalt2prep.core.sense.consistency import DataConsistency
from fetalt2prep.core.sense.homodyne import Homodyne
from fetalt2prep.core.sense.learned import Learned, denoise_tied
from fetalt2prep.core.sense.noise_map import border_noise, noise_amplification
from fetalt2prep.core.sense.options import CONSISTENCY_WEIGHT, METHODS
from fetalt2prep.core.sense.recon import CartesianSlice, SensePlan, cg_sense_image, shading
from fetalt2prep.core.sense.sampling import Sampling, centred
from fetalt2prep.io.sense_network import load_learned
from fetalt2prep.io.sense_raw import RawSlices, read_cartesian
from fetalt2prep.io.sidecar import InputError, sidecar_path
from fetalt2prep.io.volume import save_volume

OBJECT_LEVEL = 0.1  # of the brightest pixel
OnStep = Callable[[str, int, int], None]
OnStage = Callable[[str], None]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class SenseRequest:
    """What is asked for."""

    plan: SensePlan = field(default_factory=SensePlan)
    denoise: str = "unet"
    """unet: the network follows CG-SENSE; none: nothing does."""
    weights: Path | None = None
    """Of the network; None: those of the package."""
    contrast: int | None = None
    """None: the only one."""
    repetition: int | None = None
    consistency: float = CONSISTENCY_WEIGHT
    """Weight of the network's estimate against the samples; inf: the samples are not looked at again."""
    noise_map: bool = False
    """Write the standard deviation of the noise too."""
    seed: int = 0
    """Of the pseudo replicas of noise."""

    def __post_init__(self) -> None:
        if self.denoise not in METHODS:
            raise ValueError(f"denoise is {self.denoise!r}; known are {', '.join(METHODS)}.")
        if not self.consistency > 0:
            raise ValueError(f"the weight of the network's estimate is {self.consistency}; it must be above 0.")


@dataclass(frozen=True)
class SenseOutputs:
    """Files written."""

    image: Path
    account: Path
    noise_map: Path | None
    notes: tuple[str, ...]
    """What a user should know: out of the network's range, no noise scan, no calibration lines."""


def reconstruct_sense(
    path: Path,
    out: Path,
    request: SenseRequest | None = None,
    on_stage: OnStage | None = None,
    on_step: OnStep | None = None,
) -> SenseOutputs:
    """Reconstruct an ISMRMRD file into ``out`` (.nii or .nii.gz) and the JSON file of that name.

    What the network was not trained for gets the CG-SENSE image, and so does all where there is none; a note says why.
    ``on_stage(text)`` is told once per stage, ``on_step(stage, slice, slices)`` after each slice. Raises
    ``InputError`` or ``ValueError`` with the file, the value and the way out.
    """
    run = _Run(path, SenseRequest() if request is None else request, on_stage, on_step)
    learned = load_learned(run.request.weights) if run.request.denoise == "unet" else None
    run.find_maps()
    images = run.find_images()
    used = run.fitting(learned, images)
    sigma = run.find_noise() if used is not None or run.request.noise_map else None
    final = [image.abs() for image in images]
    if used is not None and sigma is not None:
        final = run.denoise(used, images, sigma)
    return run.write(out, final, sigma)


def written_beside(out: Path, noise_map: bool) -> tuple[Path, ...]:
    """Files that :func:`reconstruct_sense` writes for ``out``: image, account and, if asked for, the map of noise.

    Raises
    ------
    InputError
        ``out`` is no name of a NIfTI file.
    """
    if not out.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{out}: its name must end in .nii or .nii.gz.")
    account = sidecar_path(out)
    return (out, account, account.with_name(f"{account.stem}_noise.nii.gz"))[: 3 if noise_map else 2]


@dataclass(frozen=True)
class _Slice:
    """A slice of whitened coils with its maps; the shading is that of the coils as measured."""

    piece: CartesianSlice
    maps: Tensor
    shade: Tensor
    n_calibration: int
    homodyne: Homodyne | None


class _Run:
    """The stages of one scan, all slices each."""

    def __init__(self, path: Path, request: SenseRequest, on_stage: OnStage | None, on_step: OnStep | None) -> None:
        self.path, self.request = path, request
        self.on_stage, self.on_step = on_stage, on_step
        self.began = time.monotonic()
        self.raw: RawSlices = read_cartesian(path, contrast=request.contrast, repetition=request.repetition)
        self.notes = list(self.raw.notes)
        try:
            self.matrix = None if self.raw.noise is None else whitener(self.raw.noise)
        except ValueError as error:
            raise InputError(f"{path.name}: {error} Is a coil switched off? Leave out the noise scan.") from error
        try:
            found = [Sampling.of(piece.mask) for piece in self.raw.slices]
        except ValueError as error:
            raise InputError(f"{path.name}: {error}") from error
        self.sampling = max(found, key=lambda sampling: sampling.acceleration)
        self.slices: list[_Slice] = []
        self.in_range: bool | None = None
        self.network: str | None = None
        self.n_coils, self.shape = self.raw.n_coils, tuple(self.raw.slices[0].mask.shape)
        self.tell(
            f"read {len(found)} slices of {self.shape[0]} x {self.shape[1]}, {self.n_coils} coils, acceleration "
            f"{self.sampling.acceleration:.3g}, partial Fourier {self.sampling.partial_fourier:.2f}"
        )

    def tell(self, text: str) -> None:
        """One line of the log."""
        if self.on_stage is not None:
            self.on_stage(text)

    def note(self, text: str) -> None:
        """Something that a user should know; it goes into the account too."""
        self.notes.append(text)

    def each(self, items: Sequence[Item], stage: str) -> Iterator[Item]:
        """The items; says how many are done."""
        for n, item in enumerate(items):
            yield item
            if self.on_step is not None:
                self.on_step(stage, n + 1, len(items))

    def find_maps(self) -> None:
        """Whiten the coils, find the noise of a sample and the maps of every slice."""
        levels = []
        for n in self.each(range(len(self.raw.slices)), "coil maps"):
            piece = self.raw.slices[n] if self.matrix is None else self.raw.slices[n].whitened(self.matrix)
            try:
                maps, n_calibration = piece.calibrate()
            except ValueError as error:
                raise InputError(f"{self.path.name}: {error}") from error
            shade, homodyne = shading(maps, self.matrix), Homodyne.of(piece.mask)
            kept = replace(piece, calibration=None)
            self.slices.append(_Slice(kept, maps, shade, n_calibration, homodyne))
            if self.raw.noise is None:
                levels.append(border_noise(piece.samples, piece.mask))
        self.raw.slices.clear()  # memory: what follows works on the whitened samples
        self.n_calibration = min(s.n_calibration for s in self.slices)
        if not self.n_calibration:
            self.note("no calibration lines: the coil maps are made of undersampled lines around the centre")
        if self.raw.noise is None:
            self.level = float(np.median(levels))
        else:
            power = float(self.raw.noise.abs().square().mean())
            self.level = math.sqrt(power / 2 / self.raw.averages)
        how = "coils whitened" if self.matrix is not None else "no noise scan"
        self.tell(f"coil maps of {self.n_calibration} calibration lines, noise of a sample {self.level:.4g}, {how}")

    def find_images(self) -> list[Tensor]:
        """CG-SENSE images (y, x), complex, of every slice; after partial Fourier with the homodyne step."""
        images = []
        for s in self.each(self.slices, "CG-SENSE"):
            image = cg_sense_image(s.piece, s.maps, self.request.plan)
            images.append(image if s.homodyne is None else s.homodyne(image))
        partial = any(s.homodyne is not None for s in self.slices)
        self.tell(f"CG-SENSE, {self.request.plan.n_steps} steps" + (", then homodyne" if partial else ""))
        return images

    def fitting(self, learned: Learned | None, images: list[Tensor]) -> Learned | None:
        """The network, where it was trained for such a scan; a note says why not."""
        if self.request.denoise == "none":
            return None
        if learned is None:
            self.note("the package holds no weights of the network: this is the CG-SENSE image")
            return None
        stack = torch.stack(images).abs()
        signal = float(stack[stack > OBJECT_LEVEL * stack.max()].mean())
        snr = signal / max(self.level, 1e-30)
        reasons = learned.trained.reasons_against(self.sampling, self.n_calibration, self.raw.crop, snr)
        if reasons:
            self.note(f"out of the network's range ({'; '.join(reasons)}): this is the CG-SENSE image")
        self.in_range = not reasons
        self.network = None if reasons else learned.source
        return None if reasons else learned

    def find_noise(self) -> list[Tensor]:
        """Standard deviation of the noise in each part, pixel by pixel, of every slice."""
        maps = []
        for n, s in enumerate(self.each(self.slices, "noise")):
            found = noise_amplification(
                s.piece.sense(s.maps), self.request.plan.ridge, homodyne=s.homodyne, seed=self.request.seed + n
            )
            maps.append(self.level * found)
        self.tell("noise of every pixel, by pseudo replicas")
        return maps

    def denoise(self, learned: Learned, images: list[Tensor], sigma: list[Tensor]) -> list[Tensor]:
        """Magnitudes that the network makes of the images, tied to their samples."""
        weight, found = self.request.consistency, []
        for s, image, noise in self.each(list(zip(self.slices, images, sigma, strict=True)), "network"):
            tie = DataConsistency(s.piece.sense(s.maps), s.piece.samples[None], weight) if weight < math.inf else None
            found.append(denoise_tied(learned.network, image, noise, tie))
        self.tell("network" + (f", tied to the samples (weight {weight:g})" if weight < math.inf else ""))
        return found

    def write(self, out: Path, final: list[Tensor], sigma: list[Tensor] | None) -> SenseOutputs:
        """Image, its account, and the map of noise where it was asked for."""
        out.parent.mkdir(parents=True, exist_ok=True)
        _, account, *noise = written_beside(out, self.request.noise_map)
        save_volume(self._volume(final), self.raw.affine, out)
        noise_map = save_volume(self._volume(sigma), self.raw.affine, noise[0]) if noise and sigma is not None else None
        account.write_text(json.dumps(self._account(), indent=2) + "\n", "utf-8")
        self.tell(f"wrote {out.name}, {time.monotonic() - self.began:.0f} s")
        return SenseOutputs(out, account, noise_map, tuple(self.notes))

    def _volume(self, planes: list[Tensor]) -> np.ndarray:
        """Planes (y, x) on the grid -> (x, y, slice) of the image, shaded by the coils as measured."""
        rows, columns = (centred(n, kept) for n, kept in zip(self.shape, self.raw.crop, strict=True))
        shaded = [(plane * s.shade)[rows, columns] for plane, s in zip(planes, self.slices, strict=True)]
        return torch.stack(shaded).numpy().transpose(2, 1, 0)

    def _account(self) -> dict[str, object]:
        weight = self.request.consistency
        return {
            **self.raw.meta,
            "Source": self.path.name,
            "GeneratedBy": f"fetalt2prep {__version__}",
            "Versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
            "Method": "CG-SENSE, network with data consistency" if self.network is not None else "CG-SENSE",
            "Network": self.network,
            "InTrainedRange": self.in_range,
            "Options": asdict(self.request)
            | {
                "consistency": str(weight) if math.isinf(weight) else weight,
                "weights": None if self.request.weights is None else self.request.weights.name,
            },
            "Coils": self.n_coils,
            "Prewhitened": self.matrix is not None,
            "Acceleration": round(self.sampling.acceleration, 3),
            "NetAcceleration": round(self.sampling.net_acceleration, 3),
            "CalibrationLines": self.n_calibration,
            "PartialFourier": round(self.sampling.partial_fourier, 3),
            "Notes": self.notes,
        }
