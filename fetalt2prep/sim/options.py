"""Options of the simulator: one frozen record, checked when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from fetalt2prep.sim.acquisition import PLANES
from fetalt2prep.sim.motion import LEVELS


@dataclass(frozen=True, kw_only=True)
class CaseOptions:
    """What is simulated. Seconds, millimetres, tesla, weeks."""

    gestational_age_weeks: float = 30.0  # age; sets size, folds and cortical thickness
    brain_length_mm: float | None = None  # front to back; None: what the age says
    field_t: float = 0.55  # field strength; one that tissue.tsv knows
    te_s: tuple[float, ...] = (0.300, 0.397, 0.600)  # echo times; every plane is acquired at each
    planes: tuple[str, ...] = ("ax", "cor", "sag")  # one stack per entry; a repeated plane is a second run
    in_plane_mm: float = 1.48  # pixel size
    thickness_mm: float = 4.5  # slice thickness
    spacing_mm: float = 4.5  # distance between slice centres; larger than the thickness leaves gaps
    margin_mm: float = 16.0  # field of view around the brain, in-plane, on each side
    slice_margin_mm: float = 6.0  # the same along the slice axis: room for motion
    repetition_time_s: float = 2.0  # time from one slice to the next
    motion: str = "moderate"  # none, mild, moderate or severe; numbers in motion.LEVELS
    motion_scale: float = 1.0  # multiplies all motion
    void_probability: float = 0.06  # share of slices with a signal void
    gain_sd: float = 0.03  # relative standard deviation of the gain from slice to slice
    coil_sd: float = 0.15  # standard deviation of the log coil sensitivity over the head
    snr: float = 25.0  # white-matter signal at the shortest echo time over the noise's standard deviation; inf: none
    truth_mm: float = 0.8  # voxel of the truth; the phantom is laid down at half of it
    units_per_m0: float = 1500.0  # scanner units of fluid's M0

    @classmethod
    def demo(cls) -> CaseOptions:
        """A brain of 52 mm with nine small stacks: seconds to simulate, about a minute to reconstruct."""
        return cls(gestational_age_weeks=25.0, brain_length_mm=52.0, in_plane_mm=1.5, margin_mm=12.0, motion="mild")

    @classmethod
    def fetal_055t(cls) -> CaseOptions:
        """A 32-week fetus at 0.55 T with moderate motion."""
        return cls(gestational_age_weeks=32.0)

    @classmethod
    def fetal_15t(cls) -> CaseOptions:
        """A 30-week fetus at 1.5 T, echo times 220, 500, 690 ms, 0.8 mm pixels."""
        return cls(gestational_age_weeks=30.0, field_t=1.5, te_s=(0.220, 0.500, 0.690), in_plane_mm=0.8)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> CaseOptions:
        """Options from names and values; an unknown name is an error that lists the known ones."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ValueError(f"unknown option {name!r}; known options: {', '.join(known)}.")
        return cls(**values)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        positive = (
            "in_plane_mm",
            "thickness_mm",
            "spacing_mm",
            "repetition_time_s",
            "truth_mm",
            "snr",
            "units_per_m0",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive.")
        for name in ("margin_mm", "slice_margin_mm", "motion_scale"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if not self.te_s or any(not 0 < te < 5 for te in self.te_s):
            raise ValueError(f"te_s is {self.te_s}; echo times are seconds between 0 and 5, at least one.")
        if len(set(self.te_s)) != len(self.te_s):
            raise ValueError(f"te_s is {self.te_s}; to repeat an echo time, repeat its planes instead.")
        unknown = [plane for plane in self.planes if plane not in PLANES]
        if unknown or not self.planes:
            raise ValueError(f"planes are {self.planes}; name at least one of {', '.join(PLANES)}.")
        if self.motion not in LEVELS:
            raise ValueError(f"motion is {self.motion!r}; known levels: {', '.join(LEVELS)}.")


PRESETS: dict[str, Callable[[], CaseOptions]] = {
    "demo": CaseOptions.demo,
    "fetal-0.55T-32w": CaseOptions.fetal_055t,
    "fetal-1.5T-30w": CaseOptions.fetal_15t,
}
