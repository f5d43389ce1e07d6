"""What the user chose, as frozen dataclasses. The file in which each run records it: ``bids_app.config_file``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from fetalt2prep.core.bias.options import BIASES
from fetalt2prep.core.denoise.options import DEFAULT_DENOISER, DENOISERS
from fetalt2prep.core.quality.options import MODES
from fetalt2prep.core.recon.options import ReconOptions
from fetalt2prep.core.t2.options import T2Options

MASK_METHODS = ("network", "classical")
LEVELS = ("participant", "group")
OUTPUT_LEVELS = ("minimal", "full")
STEPS = ("masks", "recon", "all")
IGNORABLE = ("slicetiming", "thickness")
FORCIBLE = ("missing-masks",)
SWITCH = ("on", "off")
SLOPPY_RESOLUTION_MM = 2.0


class OptionError(ValueError):
    """Options that contradict each other, the data set or the machine; the message is for the user."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is carried out; none of these changes a result."""

    work_dir: Path
    """Intermediate results; a run that finds them there resumes."""
    nprocs: int = 1
    """CPU cores for the whole run."""
    omp_nthreads: int = 1
    """CPU threads of one step."""
    mem_mb: int | None = None
    """Memory for the whole run, MB; None: 90 % of what the machine, the container or the batch job has."""
    low_mem: bool = False
    """One session after the other, whatever the memory."""
    use_plugin: Path | None = None
    """YAML or TOML file with Nipype's plugin and its arguments, e.g. of a cluster; None: this machine."""
    clean_workdir: bool = False
    """Remove this version's intermediate results of the participants before the run."""
    skip_bids_validation: bool = False
    """Do not let the BIDS validator look at the data set beside the run."""
    stop_on_first_crash: bool = False
    """Stop when the first participant fails."""
    resource_monitor: bool = False
    """Record memory and CPU of each step while it runs."""
    write_graph: bool = False
    """Draw the workflow of each session into the log folder."""
    dry_run: bool = False
    """Only say what would be done."""
    reports_only: bool = False
    """Only write the reports again."""
    boilerplate_only: bool = False
    """Only write the methods text."""
    single_file: bool = False
    """Reports hold their pictures: one file each, to be handed on."""
    no_viewer: bool = False
    """Reports without the interactive viewer and its volumes."""
    md_only_boilerplate: bool = False
    """Methods text as Markdown only, without HTML and TeX."""
    verbose: int = 0
    """0: one line per stage; 1: more; 2: Nipype's messages too."""

    def __post_init__(self) -> None:
        for name, value in (("nprocs", self.nprocs), ("omp_nthreads", self.omp_nthreads), ("mem_mb", self.mem_mb)):
            if value is not None and value < 1:
                raise OptionError(f"{name} is {value}; it must be at least 1.")


@dataclass(frozen=True, kw_only=True)
class Options:
    """All choices of one run."""

    bids_dir: Path
    """Raw BIDS data set."""
    output_dir: Path
    """Derivatives data set to write."""
    analysis_level: str = "participant"
    """``participant`` or ``group``."""
    participants: tuple[str, ...] = ()
    """Labels without ``sub-``; empty: all."""
    sessions: tuple[str, ...] = ()
    """Labels without ``ses-``; empty: all."""
    filter_file: Path | None = None
    """JSON with entities that images must have; None: all T2w and MESE images."""
    database_dir: Path | None = None
    """Folder of pybids' index of the data set, made when it is not there; None: indexed anew."""
    masks: Path | None = None
    """Folder with a brain mask per stack; None: masks are estimated."""
    mask_method: str = "network"
    """How the brain is looked for where no mask is given: ``network`` (falls back on classical) or ``classical``."""
    mask_model: Path | None = None
    """Another network than the package's: safetensors, TorchScript or ONNX."""
    reconstructions: Path | None = None
    """Derivatives data set with one reconstructed T2w volume per echo time; only T2 is computed."""
    ignore: tuple[str, ...] = ()
    """Metadata not to use: ``slicetiming``, ``thickness``."""
    force: tuple[str, ...] = ()
    """``missing-masks``: estimate the masks that the masks data set lacks."""
    level: str = "full"
    """``minimal``: without the stacks as they entered the reconstruction, and their masks; ``full``."""
    steps: str = "all"
    """The last step: ``masks``, ``recon``, or ``all``."""
    sloppy: bool = False
    """A coarse grid and no denoising: for trying things out."""
    select: str = "auto"
    """``auto``: without clearly broken stacks; ``all``: all that have a mask; or the path of a table."""
    mask_consensus: str = "off"
    """``on``: each mask is replaced by what the masks of all stacks agree on; ``off``."""
    denoise: str = DEFAULT_DENOISER
    """One of ``DENOISERS``."""
    bias: str = "n4"
    """``n4``: the stacks are divided by the field of the coils; ``none``."""
    recon: ReconOptions = field(default_factory=ReconOptions)
    """The joint reconstruction."""
    t2: T2Options = field(default_factory=T2Options)
    """The T2 fit."""
    segmentation: Path | None = None
    """Derivatives data set with a ``_dseg`` per session, in the space of the reconstruction."""
    guide: tuple[str, ...] = ("none",)
    """``none``; ``auto``: stacks of a clinical scan at one echo time, when there are any; or files: refine T2."""
    sample_mm: tuple[float, ...] = ()
    """Further spacings, mm, at which the fitted field is sampled."""
    save_field: bool = False
    """Store the fitted field, to be sampled later."""
    run: RunOptions
    """How the work is carried out."""

    @property
    def selection(self) -> Path | None:
        """The table with the user's choice of stacks, if there is one."""
        return None if self.select in MODES else Path(self.select)

    def __deepcopy__(self, memo: object) -> Options:
        return self  # nothing in it changes, and Nipype copies every node several times

    def __post_init__(self) -> None:
        for name, value, known in (
            ("analysis_level", self.analysis_level, LEVELS),
            ("mask_method", self.mask_method, MASK_METHODS),
            ("denoise", self.denoise, DENOISERS),
            ("bias", self.bias, BIASES),
            ("mask_consensus", self.mask_consensus, SWITCH),
            ("level", self.level, OUTPUT_LEVELS),
            ("steps", self.steps, STEPS),
            *(("ignore", item, IGNORABLE) for item in self.ignore),
            *(("force", item, FORCIBLE) for item in self.force),
        ):
            if value not in known:
                raise OptionError(f"{name} is {value!r}; choose one of {', '.join(known)}.")
        if not self.guide or (len(self.guide) > 1 and {"none", "auto"} & set(self.guide)):
            raise OptionError(f"guide is {' '.join(self.guide)!r}; give none, auto, or files.")
        if self.mask_model is not None and self.mask_method != "network":
            raise OptionError("mask_model names a network, but mask_method is classical; leave one of them out.")


def made_sloppy(options: Options) -> Options:
    """The options with a grid of at least 2 mm, without denoising and bias correction."""
    coarse = max(options.recon.resolution_mm, SLOPPY_RESOLUTION_MM)
    return dataclasses.replace(
        options,
        denoise="none",
        bias="none",
        sample_mm=(),
        recon=dataclasses.replace(options.recon, resolution_mm=coarse),
    )
