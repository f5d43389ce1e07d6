"""logs/CITATION.{md,html,tex,bib}: how the derivatives are made, and what to cite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bids_app.methods.account import Account
from bids_app.methods.formats import as_bib, as_html, as_markdown, as_tex
from bids_app.methods.text import paragraphs
from bids_app.options import Options
from bids_app.whole_file import put
from fetalt2prep import __version__


def planned(options: Options) -> Account:
    """What a run with these options is to do."""
    guide = options.guide[0]
    fit: dict[str, Any] = {
        "version": __version__,
        "t2_model": options.t2.model,
        "t2_bounds_s": options.t2.t2_bounds_s,
        "t2_noise_floor": options.t2.noise_floor,
        "guided": guide if guide in ("none", "auto") else "given",
    }
    if options.reconstructions:
        return Account(last="all", given=True, **fit)
    recon = options.recon
    return Account(
        last=options.steps,
        masks=_mask_sources(options),
        mask_consensus=options.mask_consensus,
        denoise=options.denoise,
        bias=options.bias,
        resolution_mm=recon.resolution_mm,
        field=recon.field,
        model=recon.model,
        profile=recon.profile,
        motion=recon.motion,
        coil_field=recon.coil_field,
        seed=recon.seed,
        **fit,
    )


def _mask_sources(options: Options) -> frozenset[str]:
    """Where masks may come from: a network that is not sure leaves a stack to the classical method."""
    estimated = {"network", "classical"} if options.mask_method == "network" else {"classical"}
    if options.masks is None:
        return frozenset(estimated)
    return frozenset({"given"} | (estimated if "missing-masks" in options.force else set()))


def write_citation(options: Options) -> list[Path]:
    """Write logs/CITATION.md into the output folder, and HTML, TeX and BibTeX unless only Markdown is asked for."""
    folder = options.output_dir / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    text = paragraphs(planned(options))
    files = {"md": as_markdown(text)}
    if not options.run.md_only_boilerplate:
        files |= {"html": as_html(text), "tex": as_tex(text), "bib": as_bib(text)}
    for ending, content in files.items():
        put(content, folder / f"CITATION.{ending}")
    return [folder / f"CITATION.{ending}" for ending in files]
