"""The command line: what is accepted, what is refused, and how soon it answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bids_app.parser import build_parser, parse_args, with_dashes

TRIAD = ["raw", "out", "participant"]


def test_defaults_and_paths_are_absolute() -> None:
    options = parse_args(TRIAD)
    assert options.bids_dir == Path("raw").absolute()
    assert options.run.work_dir == Path("work").absolute()
    assert options.participants == ()
    assert options.masks is None
    assert (options.recon.model, options.recon.device, options.denoise) == ("decay", "auto", "nlm")


@pytest.mark.parametrize("flag", ["--participant-label", "--participant_label", "--session-label", "--session_label"])
def test_labels_lose_their_prefix_and_repeats(flag: str) -> None:
    prefix = "sub" if "participant" in flag else "ses"
    options = parse_args([*TRIAD, flag, f"{prefix}-01", "02", "01"])
    assert (options.participants if prefix == "sub" else options.sessions) == ("01", "02")


def test_an_option_that_is_given_again_adds_to_what_was_said(tmp_path: Path) -> None:
    options = parse_args([*TRIAD, "-d", "masks=m", "-d", "segmentation=s", "--participant-label", "01"])
    assert (options.masks, options.segmentation) == (Path("m").absolute(), Path("s").absolute())
    (tmp_path / "run.toml").write_text('participants = ["09"]\nguide = ["auto"]\n')
    file = ["--config-file", str(tmp_path / "run.toml")]
    assert parse_args([*TRIAD, *file]).participants == ("09",)
    twice = [["--participant-label", "01"], ["--participant-label", "02"], ["--guide", "a.nii"], ["--guide", "b.nii"]]
    twice += [["--recon-resolution", "0.8"], ["--recon-resolution", "0.5"]]
    options = parse_args([*TRIAD, *file, *(word for words in twice for word in words)])
    assert options.participants == ("01", "02")  # the command line goes before the file
    assert [Path(text).name for text in options.guide] == ["a.nii", "b.nii"]
    assert (options.recon.resolution_mm, options.sample_mm) == (0.8, (0.5,))


def test_every_long_option_takes_underscores() -> None:
    names = [n for action in build_parser()._actions for n in action.option_strings if n.startswith("--")]
    assert len(names) > 12
    for name in names:
        assert with_dashes("--" + name[2:].replace("-", "_")) == name


def test_underscores_in_values_stay() -> None:
    options = parse_args([*TRIAD, "--work_dir=my_work", "-d", "masks=some_masks"])
    assert options.run.work_dir.name == "my_work"
    assert options.masks == Path("some_masks").absolute()


def test_the_first_resolution_is_the_fits_and_the_others_are_sampled() -> None:
    options = parse_args([*TRIAD, "--recon-resolution", "0.8", "0.5", "1", "0.5", "0.8"])
    assert options.recon.resolution_mm == 0.8
    assert options.sample_mm == (0.5, 1.0)
    assert parse_args(TRIAD).sample_mm == ()


def test_threads_of_a_step_do_not_exceed_the_run() -> None:
    assert parse_args([*TRIAD, "--nprocs", "2", "--omp-nthreads", "6"]).run.omp_nthreads == 2


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["--no-such-option"], "unrecognized arguments"),
        (["--denois", "nlm"], "unrecognized arguments"),
        (["--recon-model", "magic"], "invalid choice"),
        (["--recon-resolution", "0.01"], "0.3 to 4.0 mm"),
        (["--recon-resolution", "0.8", "9"], "9.0 mm; give 0.3 to 4.0 mm"),
        (["--device", "gpu"], "choose auto, cpu, cuda or cuda:n"),
        (["--nprocs", "0"], "whole number of at least 1"),
        (["--participant-label", "a_b"], "not a BIDS label"),
        (["-d", "lesions=x"], "NAME is one of: masks, segmentation, recon"),
        (["--mem-mb", "much"], "not an amount of memory"),
        (["--masks-only", "--recon-only"], "not allowed with argument"),
        (["--dry-run", "--reports-only"], "not allowed with argument"),
        (["--masks-only", "-d", "recon=x"], "begins after the masks"),
        (["--ignore", "everything"], "invalid choice"),
    ],
)
def test_wrong_command_lines_leave_with_code_2(extra: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leave:
        parse_args([*TRIAD, *extra])
    assert leave.value.code == 2
    assert said in capsys.readouterr().err


def test_what_belongs_to_participants_is_refused_for_the_group(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--dry-run", "--reports-only", "--boilerplate-only"):
        with pytest.raises(SystemExit):
            parse_args(["raw", "out", "group", flag])
        assert f"{flag} belongs to the participant level" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from bids_app.parser import build_parser; build_parser().format_help();"
        "heavy = {'torch', 'nipype', 'bids', 'numpy', 'nibabel', 'niworkflows'} & set(sys.modules);"
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_is_grouped_and_soon() -> None:
    """The limit of half a second is not asserted: machines differ. What is imported decides, see above."""
    text = build_parser().format_help()
    for group in ("inputs:", "what is computed and stored:", "resources:", "running:", "instead of a run:"):
        assert group in text


@pytest.mark.parametrize(
    ("text", "mem_mb"), [("4000", 4000), ("8G", 8000), ("500M", 500), ("1.5gb", 1500), ("1T", 10**6)]
)
def test_memory_with_units_and_under_its_other_names(text: str, mem_mb: int) -> None:
    for flag in ("--mem-mb", "--mem", "--mem_mb"):
        assert parse_args([*TRIAD, flag, text]).run.mem_mb == mem_mb
    assert parse_args([*TRIAD, "--n_cpus", "3"]).run.nprocs == parse_args([*TRIAD, "--nthreads", "3"]).run.nprocs == 3


def test_module_form_gives_the_version() -> None:
    from fetalt2prep import __version__

    done = subprocess.run([sys.executable, "-m", "bids_app", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"fetalt2prep {__version__}"
