"""The methods text and its references, in four formats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bids_app.citation import as_bib, as_html, as_tex, methods_text, split_reference, write_citation
from bids_app.main import run
from bids_app.parser import parse_args
from bids_app.report.methods import REFERENCES

TRIAD = ["raw", "out", "participant"]


@pytest.mark.parametrize(
    ("extra", "said", "unsaid"),
    [
        ([], ["non-local means [4]", "estimated by a network", "0.8 mm", "T2 was fitted"], []),
        (["-d", "masks=m", "--denoise", "none", "--bias", "none"], ["masks were given", "not denoised"], ["[4]", "N4"]),
        (["--mask-method", "classical"], ["estimated by a classical method"], ["trained"]),
        (["--denoise", "tv", "--bias", "n4"], ["total variation [7]", "N4 [9]", "same at every echo time"], ["[4]"]),
        (["--masks-only", "--bias", "n4"], ["estimated"], ["N4"]),
        (["--masks-only"], ["estimated"], ["reconstructed", "fitted"]),
        (["--recon-only", "--recon-model", "sc"], ["Each echo time was reconstructed by itself"], ["fitted"]),
        (["-d", "recon=r"], ["volumes that were given", "fitted"], ["stacks", "0.8 mm"]),
    ],
)
def test_it_says_what_was_done_and_nothing_else(extra: list[str], said: list[str], unsaid: list[str]) -> None:
    text = methods_text(parse_args([*TRIAD, *extra]))
    assert all(words in text for words in said), text
    assert not [words for words in unsaid if words in text], text


def test_every_reference_becomes_an_entry_and_every_citation_has_one() -> None:
    text = methods_text(parse_args(TRIAD))
    bib = as_bib()
    keys = re.findall(r"@misc\{(\w+),", bib)
    assert keys == [f"fetalt2prep{n}" for n in range(1, len(REFERENCES) + 1)]
    assert bib.count("{") == bib.count("}")
    cited = set(re.findall(r"\\cite\{(\w+)\}", as_tex(text)))
    assert cited
    assert cited <= set(keys)
    page = as_html(text)
    assert set(re.findall(r'href="#(ref\d+)"', page)) <= set(re.findall(r'id="(ref\d+)"', page))
    assert 'src="' not in page


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
