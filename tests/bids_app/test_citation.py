"""What a run says of itself in ``logs/CITATION.*``."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_app.citation import planned, write_citation
from bids_app.main import run
from bids_app.methods.text import paragraphs
from bids_app.parser import parse_args

TRIAD = ["raw", "out", "participant"]


@pytest.mark.parametrize(
    ("extra", "said", "unsaid"),
    [
        ([], ["non-local means [@buades2005]", "estimated by a network", "0.8 mm", "T2 and S0 were fitted"], ["given"]),
        (
            ["-d", "masks=m", "--denoise", "none", "--bias", "none"],
            ["masks were given.", "not denoised."],
            ["buades2005", "N4", "noise level"],
        ),
        (["--mask-method", "classical"], ["estimated by a classical method"], ["trained", "where it was not sure"]),
        (
            ["-d", "masks=m", "--force", "missing-masks"],
            ["were given, or, where there was none, estimated by a network", "where it was not sure"],
            [],
        ),
        (["--mask-consensus", "on"], ["what the masks of all stacks agree on"], []),
        (["--denoise", "tv", "--bias", "n4"], ["chambolle2004", "N4 [@tustison2010]", "same at every"], ["buades2005"]),
        (["--denoise", "unet"], ["[@yu2024]", "where that could not be used, with non-local means"], []),
        (["--masks-only", "--bias", "n4"], ["estimated"], ["N4"]),
        (["--masks-only"], ["Stacks were prepared", "estimated"], ["reconstructed", "fitted", "T2 maps", "slice is"]),
        (
            ["--recon-only", "--recon-model", "sc"],
            ["Each echo time was reconstructed by itself"],
            ["fitted", "T2 maps"],
        ),
        (["--t2-model", "rician"], ["Rician maximum likelihood"], ["weighted by the signal", "Gaussian whose"]),
        (["--t2-noise-floor", "2"], ["at or below 2 times their noise"], []),
        (["-d", "recon=r", "--t2-model", "nlls"], ["bounded non-linear least squares"], ["weighted by the signal"]),
        (["--recon-profile", "gaussian"], ["a Gaussian whose full width"], ["rounded edges"]),
        (
            ["--recon-motion", "siren", "--recon-coil-field", "off"],
            ["sine activations [@sitzmann2020]"],
            ["receive coils, fixed"],
        ),
        (["--recon-field", "hash"], ["[@mueller2022]"], ["sitzmann2020"]),
        (["--guide", "auto"], ["Where there was a guide, the T2 map was also refined"], []),
        (["--guide", "g.nii.gz"], [" The T2 map was also refined".strip()], ["Where there was a guide"]),
        (["--guide", "auto", "--recon-only"], [], ["guide"]),
        (["--sloppy"], ["2 mm", "not denoised"], ["N4"]),
        (["-d", "recon=r"], ["volumes were given", "fitted"], ["stacks", "0.8 mm", "slices"]),
    ],
)
def test_it_says_what_was_done_and_nothing_else(extra: list[str], said: list[str], unsaid: list[str]) -> None:
    text = " ".join(paragraphs(planned(parse_args([*TRIAD, *extra]))))
    assert [words for words in said if words not in text] == [], text
    assert [words for words in unsaid if words in text] == [], text


def test_the_text_alone(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    assert run([str(tmp_path / "raw"), str(tmp_path / "out"), "participant", "--boilerplate-only"]) == 0
    written = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {f"CITATION.{ending}" for ending in ("md", "html", "tex", "bib")}
    options = parse_args([str(tmp_path / "raw"), str(tmp_path / "md"), "participant", "--md-only-boilerplate"])
    assert [path.name for path in write_citation(options)] == ["CITATION.md"]
