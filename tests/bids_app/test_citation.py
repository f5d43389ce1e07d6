"""The methods text and its references, in four formats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_app.citation import as_bib, as_html, as_tex, methods_text, split_reference, write_citation
from bids_app.main import run
from bids_app.parser import parse_args
from bids_app.report.methods import REFERENCES, Reference, numbered

TRIAD = ["raw", "out", "participant"]


@pytest.mark.parametrize(
    ("extra", "said", "unsaid"),
    [
        ([], ["non-local means [4]", "estimated by a network", "0.8 mm", "T2 was fitted"], []),
        (["-d", "masks=m", "--denoise", "none", "--bias", "none"], ["masks were given", "not denoised"], ["[4]", "N4"]),
        (["--mask-method", "classical"], ["estimated by a classical method"], ["trained"]),
        (["--denoise", "tv", "--bias", "n4"], ["total variation [7]", "N4 [9]", "same at every echo time"], ["[4]"]),
        (["--masks-only", "--bias", "n4"], ["estimated"], ["N4"]),
        (["--masks-only"], ["Stacks were prepared", "estimated"], ["reconstructed", "fitted", "T2 maps"]),
        (
            ["--recon-only", "--recon-model", "sc"],
            ["Each echo time was reconstructed by itself"],
            ["fitted", "T2 maps"],
        ),
        (["--t2-model", "rician"], ["Rician maximum likelihood"], ["weighted by the signal", "Gaussian whose"]),
        (["-d", "recon=r", "--t2-model", "nlls"], ["bounded non-linear least squares"], ["weighted by the signal"]),
        (["--recon-profile", "gaussian"], ["a Gaussian whose full width"], ["rounded edges"]),
        (["--recon-motion", "siren", "--recon-coil-field", "off"], ["sine activations [2]"], ["receive coils, fixed"]),
        (["-d", "recon=r"], ["volumes that were given", "fitted"], ["stacks", "0.8 mm"]),
    ],
)
def test_it_says_what_was_done_and_nothing_else(extra: list[str], said: list[str], unsaid: list[str]) -> None:
    text = methods_text(parse_args([*TRIAD, *extra]))
    assert all(words in text for words in said), text
    assert not [words for words in unsaid if words in text], text


def test_what_is_cited_is_listed_in_that_order_and_nothing_else() -> None:
    (text,), references = numbered([methods_text(parse_args(TRIAD))])
    first_use = list(dict.fromkeys(re.findall(r"\[(\d+)\]", text)))
    assert first_use == [str(n) for n in range(1, len(references) + 1)]
    assert "non-local means [1]" in text
    assert references[0].text.startswith("Buades")
    assert not [item for item in references if item.text.startswith(("Sitzmann", "Chambolle"))]
    bib = as_bib(references)
    keys = re.findall(r"@misc\{(\w+),", bib)
    assert bib.count("{") == bib.count("}")
    assert set(re.findall(r"\\cite\{(\w+)\}", as_tex(text))) == set(keys)
    page = as_html(text, references)
    assert set(re.findall(r'href="#(ref\d+)"', page)) == set(re.findall(r'id="(ref\d+)"', page))
    assert 'src="' not in page


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_reference_can_become_an_entry(reference: Reference) -> None:
    assert as_bib([reference]).startswith("@misc{fetalt2prep1,")


def test_a_reference_is_taken_apart() -> None:
    authors, title, where, year = split_reference(REFERENCES[0].text)
    assert authors == "Bulut, B and Dannecker, M and others"
    assert title.startswith("Physics-informed joint")
    assert (where, year) == ("arXiv 2508.10680", "2025")
    with pytest.raises(ValueError, match="a reference reads"):
        split_reference("nothing of the kind")


def test_special_characters_of_tex_are_escaped() -> None:
    assert "50 \\% of A\\_B \\& C \\cite{fetalt2prep1}" in as_tex("50 % of A_B & C [1]")


def test_the_text_alone(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    assert run([str(tmp_path / "raw"), str(tmp_path / "out"), "participant", "--boilerplate-only"]) == 0
    written = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {f"CITATION.{ending}" for ending in ("md", "html", "tex", "bib")}
    options = parse_args([str(tmp_path / "raw"), str(tmp_path / "md"), "participant", "--md-only-boilerplate"])
    assert [path.name for path in write_citation(options)] == ["CITATION.md"]
