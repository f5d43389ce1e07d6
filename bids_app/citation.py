"""logs/CITATION.md: how the derivatives were made, and what to cite."""

from __future__ import annotations

from pathlib import Path

from bids_app.options import Options
from bids_app.report.methods import FIELDS, MODELS, REFERENCES
from bids_app.whole_file import put
from fetalt2prep import __version__

DENOISED = {"nlm": "denoised slice by slice with non-local means [4]", "none": "used without denoising"}


def citation(options: Options) -> str:
    """Methods text and references in Markdown; the report has the text of each session."""
    recon = options.recon
    masks = "were given" if options.masks else "were estimated by a classical method"
    text = (
        f"T2 maps were computed with fetalt2prep {__version__}. The T2-weighted stacks of each session were "
        f"{DENOISED[options.denoise]}; brain masks {masks}. The stacks were reconstructed with the method of [1] on a "
        f"grid of {recon.resolution_mm:g} mm, with {FIELDS[recon.field]} (model {recon.model!r}, random seed "
        f"{recon.seed}), one rigid motion, gain and robust weight per slice [3]. {MODELS[recon.model]} T2 was fitted "
        "by log-linear least squares weighted by the signal. The workflow ran in Nipype [5]."
    )
    references = "\n".join(f"{n}. {item.text} <{item.link}>" for n, item in enumerate(REFERENCES, start=1))
    return f"# Methods\n\n{text}\n\n# References\n\n{references}\n"


def write_citation(options: Options) -> Path:
    """Write logs/CITATION.md into the output folder."""
    path = options.output_dir / "logs" / "CITATION.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    put(citation(options), path)
    return path
