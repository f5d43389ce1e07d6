"""The methods text and its references as Markdown, HTML, TeX and BibTeX."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from bids_app.methods.references import CITED, Reference, cited, numbered

TEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": "\\textasciitilde{}", "°": "\\textdegree{}", "ü": '{\\"u}'}
)


def as_markdown(paragraphs: Sequence[str]) -> str:
    """Paragraphs and numbered list of references."""
    texts, references = numbered(paragraphs)
    body = "\n\n".join(texts)
    listed = "\n".join(f"{n}. {item.text} <{item.link}>" for n, item in enumerate(references, start=1))
    return f"# Methods\n\n{body}\n\n# References\n\n{listed}\n"


def as_html(paragraphs: Sequence[str]) -> str:
    """A page that loads nothing; numbers in the text lead to the list."""
    texts, references = numbered(paragraphs)
    body = "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)
    body = re.sub(r"\[(\d+)\]", r'[<a href="#ref\1">\1</a>]', body)
    listed = "\n".join(
        f'<li id="ref{n}">{html.escape(item.text)} <a href="{html.escape(item.link)}">{html.escape(item.link)}</a></li>'
        for n, item in enumerate(references, start=1)
    )
    head = '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Methods</title></head>\n'
    return f"{head}<body>\n<h1>Methods</h1>\n{body}\n<h1>References</h1>\n<ol>\n{listed}\n</ol>\n</body>\n</html>\n"


def as_tex(paragraphs: Sequence[str]) -> str:
    r"""A section that cites the entries of CITATION.bib with ``\cite``."""
    body = "\n\n".join(CITED.sub(r"\\cite{\1}", text.translate(TEX)) for text in paragraphs)
    return f"\\section{{Methods}}\n{body}\n\n\\bibliographystyle{{unsrt}}\n\\bibliography{{CITATION}}\n"


def as_bib(paragraphs: Sequence[str]) -> str:
    """BibTeX entries of what the paragraphs cite, in that order."""
    return "\n".join(bib_entry(reference) for reference in cited(paragraphs))


def bib_entry(reference: Reference) -> str:
    """``@misc{key, author = ...}``."""
    authors, title, where, year = split_reference(reference.text)
    fields = {"author": authors, "title": f"{{{title}}}", "howpublished": where, "year": year, "url": reference.link}
    lines = "".join(
        f"  {name} = {{{value if name == 'title' else value.translate(TEX)}}},\n" for name, value in fields.items()
    )
    return f"@misc{{{reference.key},\n{lines}}}\n"


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
