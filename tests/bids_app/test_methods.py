"""The methods text: words for every option, references, formats, and that plan and report say the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bids_app.citation import planned
from bids_app.config_file import write_toml
from bids_app.methods import text as words
from bids_app.methods.account import Account
from bids_app.methods.formats import as_bib, as_html, as_markdown, as_tex, bib_entry, split_reference
from bids_app.methods.references import CITED, REFERENCES, cited, numbered
from bids_app.methods.text import paragraphs
from bids_app.options import MASK_METHODS, STEPS, Options
from bids_app.parser import parse_args
from bids_app.report.derivatives import Session, read_options
from bids_app.report.done import done
from fetalt2prep import __version__
from fetalt2prep.core.bias.options import BIASES
from fetalt2prep.core.denoise.options import DENOISERS
from fetalt2prep.core.recon import options as recon
from fetalt2prep.core.slice_op import IN_PLANE_FWHM
from fetalt2prep.core.t2.options import MODELS as T2_MODELS

TRIAD = ["raw", "out", "participant"]


@pytest.mark.parametrize(
    ("known", "told", "silent"),
    [
        (words.MADE, STEPS, ()),
        (words.MASK_SOURCES, ("given", *MASK_METHODS), ()),
        (words.DENOISED, DENOISERS, ()),
        (words.UNBIASED, BIASES, ("none",)),
        (words.FIELDS, recon.FIELDS, ()),
        (words.MODELS, recon.MODELS, ()),
        (words.PROFILES, recon.PROFILES, ()),
        (words.MOTIONS, recon.MOTIONS, ("free",)),
        (words.COIL_FIELDS, recon.COIL_FIELDS, ("off",)),
        (words.T2_MODELS, T2_MODELS, ()),
    ],
)
def test_every_choice_has_words_or_needs_none(known: dict[str, str], told: tuple[str, ...], silent) -> None:
    assert set(known) | set(silent) == set(told)
    assert not set(known) & set(silent)


def test_the_width_in_the_plane_is_that_of_the_model() -> None:
    assert f"a Gaussian of {IN_PLANE_FWHM:.1f} pixels" in words.IN_PLANE


def session_of(options: Options, root: Path) -> Session:
    """What a run with these options leaves of a session, as far as the methods text reads it."""
    write_toml(options, root / "logs" / "run-1.toml", run_uuid="1", command_line="fetalt2prep")
    start = root / f"sub-01_rec-{'other' if options.reconstructions else 'inr'}"
    if options.steps == "all":
        Path(f"{start}_T2map.nii.gz").touch()
    if options.guide != ("none",):
        Path(f"{start}_desc-guided_T2map.nii.gz").touch()
    account = dataclasses.asdict(options.recon)
    facts = {**account, "options": account, "before": {"denoise": options.denoise, "bias": options.bias}}
    facts["versions"] = {"fetalt2prep": __version__}
    if options.reconstructions:
        facts = {"given": ["a.nii.gz", "b.nii.gz"], "te_s": [0.1, 0.2]}
    return Session(
        subject="01",
        label=None,
        anat=root,
        prefix="sub-01",
        rec="other" if options.reconstructions else "inr",
        stacks={
            "stack": ["a", "b", "c"],
            "te_s": ["0.1", "0.2", "0.3"],
            "status": ["used", "used", "set-aside"],
            "mask_source": ["given" if options.masks else options.mask_method] * 3,
        },
        facts=facts if options.steps != "masks" else {},
    )


@pytest.mark.parametrize(
    "extra",
    [
        ["--denoise", "unet", "--bias", "none", "--mask-method", "classical", "--mask-consensus", "on"],
        ["--recon-model", "bridge", "--recon-field", "siren", "--recon-motion", "siren", "--recon-profile", "gaussian"],
        ["--recon-resolution", "1.2", "--random-seed", "7", "--recon-coil-field", "off", "-d", "masks=m"],
        ["--t2-model", "rician", "--t2-bounds", "0.02", "2", "--t2-noise-floor", "2", "--guide", "g.nii.gz"],
        ["--masks-only", "--mask-method", "classical"],
        ["--recon-only", "--sloppy", "--mask-method", "classical"],
        ["-d", "recon=r", "--t2-model", "loglinear"],
    ],
)
def test_the_report_of_a_run_says_what_its_citation_file_says(extra: list[str], tmp_path: Path) -> None:
    """But for what only one of them knows: stacks, echo times and files; in a report of masks, the version."""
    options = parse_args([*TRIAD, *extra])
    plan, report = planned(options), done(session_of(options, tmp_path), read_options(tmp_path, "01", "1"))
    assert report.n_stacks == (None if plan.given else 2)
    assert report.te_ms == pytest.approx((100, 200))
    known = {"n_stacks": None, "te_ms": (), "given_files": (), "version": __version__}
    known |= {"masks": plan.masks} if "network" in plan.masks else {}
    same = dataclasses.replace(report, **known)
    assert paragraphs(same) == paragraphs(plan)
    assert {text for text in paragraphs(plan) if "Nipype" in text} <= set(paragraphs(report))


def test_a_report_names_the_volumes_that_were_given(tmp_path: Path) -> None:
    options = parse_args([*TRIAD, "-d", "recon=r"])
    first, *_ = paragraphs(done(session_of(options, tmp_path), {}))
    assert "volumes at 100 and 200 ms were given (a.nii.gz, b.nii.gz)" in first


def test_a_report_says_which_masks_were_given_and_which_were_not(tmp_path: Path) -> None:
    session = session_of(parse_args(TRIAD), tmp_path)
    mixed = session.stacks | {"mask_source": ["given", "classical", "network"]}
    text = " ".join(paragraphs(done(dataclasses.replace(session, stacks=mixed), {})))
    assert "Brain masks were given, or, where there was none, estimated by a classical method." in text  # two in use


def test_what_the_reconstruction_wrote_down_comes_before_the_options_of_a_later_run(tmp_path: Path) -> None:
    session = session_of(parse_args([*TRIAD, "--denoise", "tv", "--random-seed", "3"]), tmp_path)
    account = done(session, {"denoise": "none", "recon": {"seed": 4, "model": "sc"}})
    assert (account.denoise, account.seed, account.model) == ("tv", 3, "decay")


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert paragraphs(Account(last="masks")) == ["Stacks were prepared with fetalt2prep.", words.NIPYPE]


def test_what_is_cited_is_listed_in_that_order_and_nothing_else() -> None:
    text = paragraphs(planned(parse_args(TRIAD)))
    texts, references = numbered(text)
    first_use = list(dict.fromkeys(re.findall(r"\[(\d+)\]", " ".join(texts))))
    assert first_use == [str(n) for n in range(1, len(references) + 1)]
    assert "non-local means [1]" in texts[0]
    assert references[0].text.startswith("Buades")
    assert not [item for item in references if item.text.startswith(("Sitzmann", "Chambolle"))]
    keys = re.findall(r"@misc\{(\w+),", as_bib(text))
    assert as_bib(text).count("{") == as_bib(text).count("}")
    assert keys == [item.key for item in references]
    assert set(re.findall(r"\\cite\{(\w+)\}", as_tex(text))) == set(keys)
    page = as_html(text)
    assert set(re.findall(r'href="#(ref\d+)"', page)) == set(re.findall(r'id="(ref\d+)"', page))
    assert 'src="' not in page
    listed = as_markdown(text).partition("# References")[2]
    assert re.findall(r"^(\d+)\.", listed, re.MULTILINE) == first_use


def test_everything_that_can_be_cited_is_cited_somewhere_and_is_known() -> None:
    source = Path(words.__file__).read_text("utf-8")
    assert {key for key in CITED.findall(source) if key != "key"} == set(REFERENCES)


@pytest.mark.parametrize("key", REFERENCES)
def test_every_reference_can_become_an_entry(key: str) -> None:
    (reference,) = cited([f"[@{key}]"])
    assert bib_entry(reference).startswith(f"@misc{{{key},")
    assert reference.text.rstrip(".")[-4:] == key[-4:]  # the year


def test_a_reference_is_taken_apart() -> None:
    authors, title, where, year = split_reference(REFERENCES["bulut2025"][0])
    assert authors == "Bulut, B and Dannecker, M and others"
    assert title.startswith("Physics-informed joint")
    assert (where, year) == ("arXiv 2508.10680", "2025")
    with pytest.raises(ValueError, match="a reference reads"):
        split_reference("nothing of the kind")


def test_special_characters_of_tex_are_escaped() -> None:
    assert "50 \\% of A\\_B \\& C \\cite{yu2024}" in as_tex(["50 % of A_B & C [@yu2024]"])


def test_the_method_that_the_software_asks_to_cite_is_the_one_that_a_run_cites() -> None:
    asked = (Path(__file__).parents[2] / "CITATION.cff").read_text("utf-8")
    links = re.findall(r"https://arxiv\.org/abs/[\d.]+", asked)
    links += [f"https://doi.org/{doi}" for doi in re.findall(r'doi: "(.+)"', asked)]
    assert links
    assert set(links) <= {link for _, link in REFERENCES.values()}
