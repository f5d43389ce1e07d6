"""Options of the simulator: one frozen record, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fetalt2prep.sim.acquisition import PLANES, plane_axes
from fetalt2prep.sim.echo_train import EchoTrain
from fetalt2prep.sim.known_names import refuse_unknown
from fetalt2prep.sim.motion import LEVELS
from fetalt2prep.sim.profile import PROFILES
from fetalt2prep.sim.tissue import LIVES

MAX_TRUTH_MM = 5.0


@dataclass(frozen=True, kw_only=True)
class CaseOptions:
    """What is simulated. Seconds, millimetres, tesla, weeks.

    Who: an analytic fetal head, unless ``labels_file`` gives a label map or ``life`` is ``adult``, which takes the
    head of the MNI152 template. Signal: a spin echo, unless ``echo_train`` describes a fast spin echo.
    """

    gestational_age_weeks: float = 30.0  # age; sets size, folds and cortical thickness
    brain_length_mm: float | None = None  # front to back; None: what the age says
    ventricle_scale: float = 1.0  # width of the phantom's lateral ventricles; 0.6 is normal, 1 is wide
    life: str = "fetal"  # fetal or adult: whose tissue values, and whose head where no label map is given
    labels_file: str | None = None  # NIfTI label map of the head; needs labels_lut
    labels_lut: str | None = None  # TSV with the columns index and tissue (names as in tissue.tsv, or empty)
    field_t: float = 0.55  # field strength; one that tissue.tsv knows
    age_dependent_tissue: bool = False  # T1, T2, M0 at the gestational age; otherwise those of 30 weeks at any age
    echo_train: EchoTrain | None = None  # single-shot fast spin echo; None: a spin echo of the same echo time
    te_s: tuple[float, ...] = (0.300, 0.397, 0.600)  # echo times; every plane is acquired at each
    planes: tuple[str, ...] = ("ax", "cor", "sag")  # one stack per entry; a repeated plane is a second run
    in_plane_mm: float = 1.48  # pixel size
    thickness_mm: float = 4.5  # slice thickness
    spacing_mm: float = 4.5  # distance between slice centres; larger than the thickness leaves gaps
    slice_profile: str = "tapered"  # tapered (flat, soft edges), boxcar, gaussian or sinc (windowed-sinc pulse)
    acquired_mm: float | None = None  # pixel before zero filling; None: in_plane_mm
    margin_mm: float = 16.0  # field of view around the brain, in-plane, on each side
    slice_margin_mm: float = 6.0  # the same along the slice axis: room for motion
    repetition_time_s: float = 2.0  # time from one slice to the next
    interleave: int = 2  # slices between one slice and the next in time; 1: sequential
    pause_s: float = 5.0  # time between two stacks; only recorded motion notices
    motion: str = "moderate"  # none, mild, moderate, severe or fabian-slight, -moderate, -strong; see motion.LEVELS
    motion_file: str | None = None  # npz of recorded trajectories, which take the place of ``motion``
    motion_step_s: float = 7.0  # time from one recorded pose to the next
    motion_track: str | None = None  # name of the trajectory; None: one that is long enough is drawn
    motion_scale: float = 1.0  # multiplies all motion
    void_probability: float = 0.06  # share of slices with a signal void
    gain_sd: float = 0.03  # relative standard deviation of the gain from slice to slice
    coil_sd: float = 0.15  # standard deviation of the log coil sensitivity over the head
    snr: float = 25.0  # white-matter signal at the shortest echo time over the noise's standard deviation; inf: none
    truth_mm: float = 0.8  # voxel of the truth; the phantom is laid down at half of it
    units_per_m0: float = 1500.0  # scanner units of fluid's M0

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> CaseOptions:
        """Options from names and values; an unknown name is an error that lists the known ones."""
        refuse_unknown(values, cls)
        given = dict(values)
        train = given.get("echo_train")
        if isinstance(train, Mapping):
            given["echo_train"] = EchoTrain.from_mapping(train)
        return cls(**given)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        positive = (
            "in_plane_mm",
            "thickness_mm",
            "spacing_mm",
            "repetition_time_s",
            "motion_step_s",
            "truth_mm",
            "snr",
            "units_per_m0",
        )
        for name in positive:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be positive.")
        if self.truth_mm > MAX_TRUTH_MM:
            raise ValueError(f"truth_mm is {self.truth_mm}; above {MAX_TRUTH_MM:g} mm a voxel holds no anatomy.")
        for name in ("margin_mm", "slice_margin_mm", "motion_scale", "pause_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more.")
        if not self.te_s or any(not 0 < te < 5 for te in self.te_s):
            raise ValueError(f"te_s is {self.te_s}; echo times are seconds between 0 and 5, at least one.")
        if len(set(self.te_s)) != len(self.te_s):
            raise ValueError(f"te_s is {self.te_s}; to repeat an echo time, repeat its planes instead.")
        if not self.planes:
            raise ValueError(f"planes are {self.planes}; name at least one of {', '.join(PLANES)}.")
        for plane in self.planes:
            plane_axes(plane)
        for name, known in (("motion", LEVELS), ("slice_profile", PROFILES), ("life", LIVES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; known: {', '.join(known)}.")
        if self.acquired_mm is not None and not self.acquired_mm >= self.in_plane_mm:
            raise ValueError(
                f"acquired_mm is {self.acquired_mm} and in_plane_mm {self.in_plane_mm}; zero filling makes pixels "
                "smaller, so acquired_mm is the larger one."
            )
        if self.interleave < 1:
            raise ValueError(f"interleave is {self.interleave}; it must be 1 (sequential) or more.")
        if (self.labels_file is None) != (self.labels_lut is None):
            raise ValueError(
                f"labels_file is {self.labels_file!r} and labels_lut {self.labels_lut!r}; a label map needs its "
                "table, and the other way round."
            )
