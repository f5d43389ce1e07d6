"""What one session offers: its stacks, and what had to be left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_app.entities import stem, with_echo

MIN_SPAN_S = 0.02
"""Echo times that lie closer together cannot tell T2: at 250 ms the signal falls by 8 % in 20 ms, at an SNR of 30 the
standard error of the T2 of a voxel is 60 %."""


@dataclass(frozen=True, kw_only=True)
class StackInput:
    """One stack that can be read, with the parameters of its acquisition."""

    image: Path
    mask: Path | None
    te_s: float
    thickness_mm: float
    slice_times_s: tuple[float, ...] | None
    entities: Mapping[str, str]
    """Entities in the file name, by their long BIDS names."""
    shape: tuple[int, ...]
    voxel_mm: tuple[float, ...]
    orientation: str
    """``axial``, ``coronal`` or ``sagittal``: the scanner plane nearest to the slices."""
    field_t: float | None = None
    """Magnetic field strength, tesla, when the sidecar gives it."""
    slice_direction: str = "k"
    """SliceEncodingDirection: array axis of the slices, ``i``, ``j`` or ``k``, with ``-`` when reversed."""
    volume: int | None = None
    """Index of the volume in a file with several echo times; None: the file is the stack."""
    note: str = ""
    """What was assumed, or empty."""

    @property
    def name(self) -> str:
        """File name without extension; with ``echo-<n>`` for a volume of a file with several echo times."""
        return stem(self.image) if self.volume is None else with_echo(stem(self.image), self.volume + 1)


@dataclass(frozen=True, kw_only=True)
class StackProblem:
    """A stack that was left out, and why."""

    image: Path
    message: str

    @property
    def name(self) -> str:
        """File name without extension."""
        return stem(self.image)


@dataclass(frozen=True, kw_only=True)
class GivenEcho:
    """A reconstructed volume that another run or program made."""

    image: Path
    te_s: float


@dataclass(frozen=True, kw_only=True)
class SessionGuide:
    """What refines the T2 map of a session: stacks to be reconstructed by themselves, or volumes."""

    stacks: tuple[StackInput, ...] = ()
    te_s: float | None = None
    """Echo time of the stacks."""
    images: tuple[GivenEcho, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SessionInputs:
    """All T2-weighted stacks of one session, or its reconstructed volumes; sessions are never pooled."""

    subject: str
    session: str | None
    stacks: tuple[StackInput, ...] = ()
    problems: tuple[StackProblem, ...] = ()
    rec: str = "inr"
    """Label of the reconstruction in the names of its derivatives."""
    echoes: tuple[GivenEcho, ...] = ()
    """Reconstructed volumes, by ascending echo time, when they are given; there are no stacks then."""
    recon_mask: Path | None = None
    """Brain mask of the given volumes."""
    guide: SessionGuide | None = None
    """What refines the T2 map; its stacks are not among ``stacks``."""
    guide_note: str = ""
    """What was chosen for a guide and why, or empty."""

    def __deepcopy__(self, memo: object) -> SessionInputs:
        return self  # nothing in it changes, and Nipype copies every node several times

    @property
    def usable(self) -> bool:
        """Whether there is anything to compute from."""
        return bool(self.stacks or self.echoes)

    @property
    def amount(self) -> str:
        """``9 stack(s)``, or ``3 reconstructed volume(s)``."""
        return f"{len(self.echoes)} reconstructed volume(s)" if self.echoes else f"{len(self.stacks)} stack(s)"

    @property
    def label(self) -> str:
        """``sub-01_ses-02``, or ``sub-01`` when the data set has no sessions."""
        return f"sub-{self.subject}" + (f"_ses-{self.session}" if self.session else "")

    @property
    def echo_times_s(self) -> tuple[float, ...]:
        """Distinct echo times, ascending, told apart to a microsecond."""
        times_s = [stack.te_s for stack in self.stacks] + [echo.te_s for echo in self.echoes]
        return tuple(sorted({round(te_s, 6) for te_s in times_s}))

    @property
    def acquisition(self) -> str | None:
        """The ``acq-`` label when it is the same for all stacks."""
        if self.echoes:
            return None
        labels = {stack.entities.get("acquisition") for stack in self.stacks}
        return labels.pop() if len(labels) == 1 else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the echo times and the planes of the stacks allow, in words for the log and the report."""
        of_guide = (self.guide_note,) if self.guide_note else ()
        return (*self._notes_on_echo_times(), *(self._notes_on_planes() if self.stacks else ()), *of_guide)

    def _notes_on_planes(self) -> tuple[str, ...]:
        planes = {stack.orientation for stack in self.stacks}
        if len(self.stacks) == 1:
            return (
                "One stack only: nothing tells motion between its slices from anatomy, nor what lies between them.",
            )
        if len(planes) == 1:
            return (f"All stacks are {planes.pop()}: expect less detail across the slices than within them.",)
        return ()

    def _notes_on_echo_times(self) -> tuple[str, ...]:
        times_ms = ", ".join(f"{1000 * te:g}" for te in self.echo_times_s)
        if len(self.echo_times_s) > 1 and (span_s := self.echo_times_s[-1] - self.echo_times_s[0]) < MIN_SPAN_S:
            return (
                f"The echo times ({times_ms} ms) span {1000 * span_s:g} ms, too little to tell T2: do not believe the "
                "T2 map, and use the reconstruction alone (--recon-only).",
            )
        match len(self.echo_times_s):
            case 0:
                return ()
            case 1:
                return (f"All stacks have the same echo time ({times_ms} ms): reconstruction without T2 map.",)
            case 2:
                return (
                    f"Two echo times ({times_ms} ms): the decay penalty is zero, and the T2 fit has no degrees of "
                    "freedom left, so its residual says nothing.",
                )
            case _:
                return ()

    def table(self) -> str:
        """Stacks by echo time, orientation, voxel and thickness, as text; given volumes by echo time."""
        if self.echoes:
            return "\n".join(f"{1000 * echo.te_s:g} ms  {echo.image.name}" for echo in self.echoes)
        rows = [("stack", "TE (ms)", "plane", "matrix", "voxel (mm)", "thickness (mm)", "mask")]
        for s in (*self.stacks, *(self.guide.stacks if self.guide else ())):
            matrix, voxel = (" x ".join(f"{v:.4g}" for v in values) for values in (s.shape, s.voxel_mm))
            mask = "given" if s.mask else "to estimate"
            rows.append((s.name, f"{1000 * s.te_s:g}", s.orientation, matrix, voxel, f"{s.thickness_mm:g}", mask))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)
