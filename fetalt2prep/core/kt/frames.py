"""From readouts in the order of the scanner to frames: which spokes or lines make a frame, and its Fourier operator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fetalt2prep.core.fourier_op import MaskedFft, Nufft
from fetalt2prep.core.kt.trajectory import radial_acceleration


@dataclass(frozen=True, kw_only=True)
class Readouts:
    """Spokes or Cartesian lines of one slice or several, in order of time; tensors on the CPU."""

    samples: Tensor
    """(readout, coil, sample), complex."""
    times_s: Tensor
    """(readout,) double."""
    slice_idx: Tensor
    """(readout,)."""
    shape: tuple[int, int]
    """(n_y, n_x) pixels of the image."""
    k_per_pixel: Tensor | None = None
    """(readout, sample, 2), frequencies along y and x, cycles per pixel; None: Cartesian."""
    line_idx: Tensor | None = None
    """(readout,) place along y of Cartesian lines, 0..n_y-1."""
    frame_idx: Tensor | None = None
    """(readout,) the scanner's counter of frames, None when there is none."""
    noise: Tensor | None = None
    """(coil, sample) without signal."""

    def __post_init__(self) -> None:
        n = len(self.samples)
        if n == 0:
            raise ValueError("there is no readout.")
        if (self.k_per_pixel is None) == (self.line_idx is None):
            raise ValueError("readouts have a trajectory (radial) or line numbers (Cartesian): give one of the two.")
        for name in ("times_s", "slice_idx", "k_per_pixel", "line_idx", "frame_idx"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise ValueError(f"{name} has {len(value)} entries for {n} readouts.")
        if self.noise is not None and len(self.noise) != self.samples.shape[1]:
            raise ValueError(f"the noise has {len(self.noise)} coils, the samples have {self.samples.shape[1]}.")

    @property
    def slices(self) -> list[int]:
        """Numbers of the slices there are."""
        return sorted(set(self.slice_idx.tolist()))


@dataclass(frozen=True)
class Frames:
    """Samples (frame, coil, *sample) of one slice, their operator, and when each frame was measured."""

    samples: Tensor
    fourier: Nufft | MaskedFft
    times_s: Tensor  # (frame,) middle of each
    acceleration: float
    notes: tuple[str, ...]

    def to(self, device: str) -> Frames:
        """The same on another device."""
        if isinstance(self.fourier, Nufft):
            moved: Nufft | MaskedFft = Nufft(self.fourier.k_per_pixel.to(device), self.fourier.shape)
        else:
            moved = MaskedFft(self.fourier.mask.to(device))
        return replace(self, samples=self.samples.to(device), fourier=moved)


def bin_frames(
    readouts: Readouts, slice_number: int, *, n_frames: int | None = None, per_frame: int | None = None
) -> Frames:
    """Frames of one slice: ``n_frames`` equal shares, or ``per_frame`` readouts each, or as the scanner counted.

    Readouts left over at the end are not used, and the notes say how many.

    Raises
    ------
    ValueError
        No such slice; both given, or neither and no counter; more frames than readouts; a frame without readouts.
    """
    mine = torch.nonzero(readouts.slice_idx == slice_number)[:, 0]
    if len(mine) == 0:
        raise ValueError(f"slice {slice_number} has no readout; there are slices {readouts.slices}.")
    groups, notes = _groups(readouts, mine, n_frames, per_frame)
    build = _radial if readouts.k_per_pixel is not None else _cartesian
    samples, fourier, acceleration = build(readouts, groups)
    times_s = torch.stack([readouts.times_s[group].mean() for group in groups])
    return Frames(samples, fourier, times_s, acceleration, tuple(notes))


def bin_for_fit(readouts: Readouts, slice_number: int, per_time: int) -> Frames:
    """Groups of ``per_time`` readouts of one slice, shorter than a frame: a field fitted to them follows motion.

    Raises
    ------
    ValueError
        As :func:`bin_frames`; or a group with a pause of the scanner inside, whose time would be a mean of two.
    """
    frames = bin_frames(readouts, slice_number, per_frame=per_time)
    times_s = readouts.times_s[readouts.slice_idx == slice_number][: len(frames.times_s) * per_time]
    lasts_s = times_s.reshape(-1, per_time)[:, -1] - times_s.reshape(-1, per_time)[:, 0]
    usual_s, most_s = float(lasts_s.median()), float(lasts_s.max())
    if most_s > 2 * usual_s + 1e-6:
        raise ValueError(
            f"{per_time} readouts last {usual_s:.4g} s, but {most_s:.4g} s where the scanner "
            "paused between frames: take a number that divides the readouts of a frame."
        )
    return frames


def _groups(
    readouts: Readouts, mine: Tensor, n_frames: int | None, per_frame: int | None
) -> tuple[list[Tensor], list[str]]:
    if n_frames is not None and per_frame is not None:
        raise ValueError("frames are given by their number or by the readouts of each, not both.")
    if n_frames is None and per_frame is None:
        return _counted(readouts, mine)
    if n_frames is not None:
        if n_frames < 1:
            raise ValueError(f"{n_frames} frames are asked for; at least 1 is needed.")
        per_frame = len(mine) // n_frames
    assert per_frame is not None
    if not 1 <= per_frame <= len(mine):
        raise ValueError(f"{len(mine)} readouts cannot fill the frames asked for: a frame would be empty.")
    n_frames = len(mine) // per_frame if n_frames is None else n_frames
    left = len(mine) - n_frames * per_frame
    notes = [f"{left} of {len(mine)} readouts at the end fill no frame and are not used"] if left else []
    return list(mine[: n_frames * per_frame].split(per_frame)), notes


def _counted(readouts: Readouts, mine: Tensor) -> tuple[list[Tensor], list[str]]:
    if readouts.frame_idx is None:
        raise ValueError(
            "the data do not count frames: say how many there are (--frames), or the readouts of each (--readouts)."
        )
    counter = readouts.frame_idx[mine]
    groups = [mine[counter == number] for number in range(int(counter.min()), int(counter.max()) + 1)]
    sizes = [len(group) for group in groups]
    if min(sizes) == 0:
        raise ValueError(f"frame {sizes.index(0)} of {len(sizes)} is empty: no readout carries its number.")
    notes = []
    if readouts.k_per_pixel is not None and min(sizes) != max(sizes):
        notes.append(f"frames have {min(sizes)} to {max(sizes)} spokes: the first {min(sizes)} of each are used")
        groups = [group[: min(sizes)] for group in groups]
    return groups, notes


def _radial(readouts: Readouts, groups: list[Tensor]) -> tuple[Tensor, Nufft | MaskedFft, float]:
    assert readouts.k_per_pixel is not None
    samples = torch.stack([readouts.samples[group].transpose(0, 1).flatten(1) for group in groups])
    k = torch.stack([readouts.k_per_pixel[group].flatten(0, 1) for group in groups])
    return samples, Nufft(k, readouts.shape), radial_acceleration(max(readouts.shape), len(groups[0]))


def _cartesian(readouts: Readouts, groups: list[Tensor]) -> tuple[Tensor, Nufft | MaskedFft, float]:
    """A line that a frame measured more than once is averaged."""
    assert readouts.line_idx is not None
    n_y, n_x = readouts.shape
    n_coils = readouts.samples.shape[1]
    if readouts.samples.shape[-1] != n_x:
        raise ValueError(
            f"lines have {readouts.samples.shape[-1]} samples for {n_x} pixels: remove oversampling first."
        )
    samples = torch.zeros(len(groups), n_coils, n_y, n_x, dtype=readouts.samples.dtype)
    mask = torch.zeros(len(groups), n_y, n_x)
    for frame, group in enumerate(groups):  # a frame has lines of its own
        lines = readouts.line_idx[group]
        count = torch.bincount(lines, minlength=n_y)
        total = samples.new_zeros(n_y, n_coils, n_x).index_add(0, lines, readouts.samples[group])
        samples[frame] = (total / count.clamp(min=1)[:, None, None]).transpose(0, 1)
        mask[frame] = (count > 0).float()[:, None]
    return samples, MaskedFft(mask), float(n_y / mask[:, :, 0].sum(1).mean())


def without_oversampling(samples: Tensor, n_x: int) -> Tensor:
    """Cartesian readouts (..., sample) with the field of view cut to ``n_x`` pixels along the readout."""
    n = samples.shape[-1]
    if n == n_x:
        return samples
    image = torch.fft.fftshift(torch.fft.ifft(torch.fft.ifftshift(samples, dim=-1), norm="ortho"), dim=-1)
    low = n // 2 - n_x // 2
    kept = torch.fft.ifftshift(image[..., low : low + n_x], dim=-1)
    return torch.fft.fftshift(torch.fft.fft(kept, norm="ortho"), dim=-1)
