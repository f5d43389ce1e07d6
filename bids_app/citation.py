"""logs/CITATION.{md,html,tex,bib}: how the derivatives were made, and what to cite."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from bids_app.options import Options
from bids_app.report.methods import (
    CITED,
    DENOISED,
    FIELDS,
    GUIDED,
    MODELS,
    T2_MODELS,
    UNBIASED,
    Reference,
    numbered,
    slice_model,
)
from bids_app.whole_file import put
from fetalt2prep import __version__

MASKS = {
    "network": "were estimated by a network trained on simulated images, or, where it was not sure, classically",
    "classical": "were estimated by a classical method",
}
MADE = {"masks": "Stacks were prepared", "recon": "Volumes were reconstructed", "all": "T2 maps were computed"}
"""What a run makes, by its last step."""
TEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"~": "\\textasciitilde{}", "°": "\\textdegree{}"})


def methods_text(options: Options) -> str:
    """One paragraph on what a run does; numbers in brackets point into ``REFERENCES``."""
    recon = options.recon
    first = f"{MADE[options.steps]} with fetalt2prep {__version__}."
    if options.reconstructions:
        return (
            f"{first} T2 was fitted to reconstructed volumes that were given, by {T2_MODELS[options.t2.model]}."
            f"{_guided(options)} The workflow ran in Nipype [5]."
        )
    masks = "were given" if options.masks else MASKS[options.mask_method]
    text = (
        f"{first} Each slice of the T2-weighted stacks of a session {DENOISED[options.denoise]}; brain masks {masks}."
    )
    if options.steps != "masks":
        text += f" {UNBIASED}" if options.bias == "n4" else ""
        text += (
            f" The stacks were reconstructed with the method of [1] on a grid of {recon.resolution_mm:g} mm, with "
            f"{FIELDS[recon.field]} (model {recon.model!r}, random seed {recon.seed}), one rigid motion, gain and "
            f"robust weight per slice [3].{slice_model(recon.profile, recon.motion, recon.coil_field)}"
            f" {MODELS[recon.model]}"
        )
    if options.steps == "all":
        text += f" T2 was fitted by {T2_MODELS[options.t2.model]}.{_guided(options)}"
    return text + " The workflow ran in Nipype [5]."


def _guided(options: Options) -> str:
    return "" if options.guide == ("none",) else f" {GUIDED.replace('The T2 map', 'Where there was a guide, the map')}"


def as_markdown(text: str, references: Sequence[Reference]) -> str:
    """Paragraph and numbered list of references."""
    listed = "\n".join(f"{n}. {item.text} <{item.link}>" for n, item in enumerate(references, start=1))
    return f"# Methods\n\n{text}\n\n# References\n\n{listed}\n"


def as_html(text: str, references: Sequence[Reference]) -> str:
    """A page that loads nothing; numbers in the text lead to the list."""
    body = CITED.sub(r'[<a href="#ref\1">\1</a>]', html.escape(text))
    listed = "\n".join(
        f'<li id="ref{n}">{html.escape(item.text)} <a href="{html.escape(item.link)}">{html.escape(item.link)}</a></li>'
        for n, item in enumerate(references, start=1)
    )
    head = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Methods</title></head>\n'
    return (
        f"{head}<body>\n<h1>Methods</h1>\n<p>{body}</p>\n<h1>References</h1>\n<ol>\n{listed}\n</ol>\n</body>\n</html>\n"
    )


def as_tex(text: str) -> str:
    r"""A section that cites the entries of CITATION.bib with ``\cite``."""
    body = CITED.sub(r"\\cite{fetalt2prep\1}", text.translate(TEX))
    return f"\\section{{Methods}}\n{body}\n\n\\bibliographystyle{{unsrt}}\n\\bibliography{{CITATION}}\n"


def as_bib(references: Sequence[Reference]) -> str:
    """BibTeX entries ``fetalt2prep1`` and so on, in the order of the references."""
    entries = []
    for n, item in enumerate(references, start=1):
        authors, title, where, year = split_reference(item.text)
        fields = {"author": authors, "title": f"{{{title}}}", "howpublished": where, "year": year, "url": item.link}
        lines = "".join(
            f"  {name} = {{{value.translate(TEX) if name != 'title' else value}}},\n" for name, value in fields.items()
        )
        entries.append(f"@misc{{fetalt2prep{n},\n{lines}}}\n")
    return "\n".join(entries)


def split_reference(text: str) -> tuple[str, str, str, str]:
    """``A B, C D, et al. Title. Journal 1(2), 2020.`` -> authors for BibTeX, title, where, year.

    Raises
    ------
    ValueError
        The text is not of that form.
    """
    found = re.fullmatch(r"(.+?)\. (.+)\. (.+?),? (\d{4})\.", text)
    if not found:
        raise ValueError(f"{text!r}: a reference reads 'Authors. Title. Where, year.'")
    authors = [name.strip() for name in found[1].split(",")]
    names = ["others" if name == "et al" else ", ".join(name.rsplit(" ", 1)) for name in authors]
    return " and ".join(names), found[2], found[3], found[4]


def write_citation(options: Options) -> list[Path]:
    """Write logs/CITATION.md into the output folder, and HTML, TeX and BibTeX unless only Markdown is asked for."""
    folder = options.output_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    (text,), references = numbered([methods_text(options)])
    files = {"md": as_markdown(text, references)}
    if not options.run.md_only_boilerplate:
        files |= {"html": as_html(text, references), "tex": as_tex(text), "bib": as_bib(references)}
    for ending, content in files.items():
        put(content, folder / f"CITATION.{ending}")
    return [folder / f"CITATION.{ending}" for ending in files]
