"""Methods text of the report, in the words of the run: what was used is said, what was not is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bids_app.report.words import Counts

FIELDS = {
    "grid": "a multi-resolution grid encoding with a small network",
    "hash": "a multi-resolution hash encoding with a small network",
    "siren": "a network with sine activations (SIREN) [2]",
    "siren-compact": "a small network with sine activations (SIREN) [2]",
}
MODELS = {
    "sc": "Each echo time was reconstructed by itself.",
    "mc": "All echo times were reconstructed together, with one channel per echo time and shared motion.",
    "mcreg": (
        "All echo times were reconstructed together, with one channel per echo time, shared motion, and a"
        " penalty on the departure of the logarithm of the signal from a straight line in echo time."
    ),
    "bridge": (
        "All echo times were reconstructed together: the field holds log S0 and log R2, from which the echoes follow"
        " by S = S0 exp(-TE R2), and a small departure from that decay per echo, which a quadratic penalty holds back."
    ),
    "decay": (
        "All echo times were reconstructed together: the field holds log S0 and log R2, and the echoes follow"
        " from them by S = S0 exp(-TE R2)."
    ),
}
PROFILES = {
    "box": "even over the thickness of the slice, with rounded edges,",
    "gaussian": "a Gaussian whose full width at half maximum is the thickness of the slice,",
}
"""How a slice sees what lies along its normal."""
IN_PLANE = "and in its plane a Gaussian of 1.1 pixels full width at half maximum."
MOTIONS = {"siren": " The motion of all slices was the output of one small network with sine activations [2]."}
"""What is said of a model of motion beyond 'one rigid motion per slice'."""
COIL_FIELDS = {"on": " A smooth factor of the receive coils, fixed to the scanner, was estimated beside the volumes."}
DENOISED = {
    "none": "was not denoised",
    "nlm": "was denoised with non-local means [4]",
    "nlm-rician": "was denoised with non-local means [4], and the bias of magnitude noise was taken off [6]",
    "tv": "was denoised by total variation [7]",
    "wavelet": "was denoised by local shrinkage of its shift-invariant Haar coefficients [8]",
    "unet": "was denoised by a residual U-Net with a fidelity network [10], trained on simulated slices",
}
"""What was done to each slice, by the name of the denoiser."""
UNBIASED = (
    "All stacks were divided by one smooth field of the receive coils in scanner space, the same at every echo time,"
    " found by N4 [9] in their geometric mean."
)
GUIDED = (
    "The T2 map was also refined by weighted images of the same session, which were registered to it by mutual"
    " information and not believed where they disagreed with it, as a maximum a posteriori estimate after"
    " arXiv:2512.17612."
)
T2_MODELS = {
    "weighted": "least squares on the logarithm of the signal, weighted by the signal",
    "loglinear": "least squares on the logarithm of the signal, every echo alike",
    "nlls": "bounded non-linear least squares",
    "rician": "Rician maximum likelihood, with the standard errors of the echoes for noise",
    "epg": "least squares on an echo train computed by extended phase graphs, B1 taken as 1",
    "epg-b1": "least squares on an echo train computed by extended phase graphs, B1 fitted",
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An entry of the list of references."""

    text: str
    link: str


REFERENCES = (
    Reference(
        text=(
            "Bulut B, Dannecker M, et al. Physics-informed joint multi-TE super-resolution with implicit"
            " neural representation for robust fetal T2 mapping. arXiv 2508.10680, 2025."
        ),
        link="https://arxiv.org/abs/2508.10680",
    ),
    Reference(
        text=(
            "Sitzmann V, Martel J, Bergman A, Lindell D, Wetzstein G. Implicit neural representations with"
            " periodic activation functions. NeurIPS 33, 2020."
        ),
        link="https://arxiv.org/abs/2006.09661",
    ),
    Reference(
        text=(
            "Kuklisova-Murgasova M, Quaghebeur G, Rutherford MA, Hajnal JV, Schnabel JA. Reconstruction of"
            " fetal brain MRI with intensity matching and complete outlier removal. Med Image Anal 16(8),"
            " 2012."
        ),
        link="https://doi.org/10.1016/j.media.2012.07.004",
    ),
    Reference(
        text="Buades A, Coll B, Morel JM. A non-local algorithm for image denoising. CVPR, 2005.",
        link="https://doi.org/10.1109/CVPR.2005.38",
    ),
    Reference(
        text=(
            "Gorgolewski K, et al. Nipype: a flexible, lightweight and extensible neuroimaging data"
            " processing framework in Python. Front Neuroinform 5:13, 2011."
        ),
        link="https://doi.org/10.3389/fninf.2011.00013",
    ),
    Reference(
        text=(
            "Koay CG, Basser PJ. Analytically exact correction scheme for signal extraction from noisy magnitude MR"
            " signals. J Magn Reson 179(2), 2006."
        ),
        link="https://doi.org/10.1016/j.jmr.2006.01.016",
    ),
    Reference(
        text=(
            "Chambolle A. An algorithm for total variation minimization and applications. J Math Imaging Vis 20(1),"
            " 2004."
        ),
        link="https://doi.org/10.1023/B:JMIV.0000011325.36760.1e",
    ),
    Reference(
        text=(
            "Mihcak MK, Kozintsev I, Ramchandran K, Moulin P. Low-complexity image denoising based on statistical"
            " modeling of wavelet coefficients. IEEE Signal Process Lett 6(12), 1999."
        ),
        link="https://doi.org/10.1109/97.803428",
    ),
    Reference(
        text=(
            "Tustison NJ, Avants BB, Cook PA, Zheng Y, Egan A, Yushkevich PA, Gee JC. N4ITK: improved N3 bias"
            " correction. IEEE Trans Med Imaging 29(6), 2010."
        ),
        link="https://doi.org/10.1109/TMI.2010.2046908",
    ),
    Reference(
        text=(
            "Yu HJ, Miao ZZ, Li RY, Chen FJ, Chu ZF, Guo HY, Li YS, Li Y, Liang XY. A fast MR imaging technique with"
            " decent generalization performance based on deep neural networks. J China Clin Med Imaging 35(1), 2024."
        ),
        link="https://doi.org/10.12117/jccmi.2024.01.012",
    ),
)


CITED = re.compile(r"\[(\d+)\]")


def numbered(paragraphs: Sequence[str]) -> tuple[list[str], list[Reference]]:
    """Paragraphs with citations numbered as they first come, and the references that they cite, in that order."""
    cited = list(dict.fromkeys(number for text in paragraphs for number in CITED.findall(text)))
    texts = [CITED.sub(lambda found: f"[{cited.index(found[1]) + 1}]", text) for text in paragraphs]
    return texts, [REFERENCES[int(number) - 1] for number in cited]


def slice_model(profile: str, motion: str, coil_field: str) -> str:
    """How a slice sees the volume, how it moves, and what the coils do; sentences that follow another one.

    Nothing is said of what has no words here.
    """
    seen = f" The profile of a slice is {PROFILES[profile]} {IN_PLANE}" if profile in PROFILES else ""
    return seen + MOTIONS.get(motion, "") + COIL_FIELDS.get(coil_field, "")


def _fitted(options: dict[str, Any]) -> str:
    """How T2 was fitted, and what was measured on it."""
    t2 = options.get("t2", {})
    low, high = t2.get("t2_bounds_s", (None, None))
    within = f" outside {1000 * low:g} to {1000 * high:g} ms" if low and high else " out of range"
    return (
        f"T2 and S0 were fitted to the reconstructed echoes in each voxel by"
        f" {T2_MODELS.get(t2.get('model', 'weighted'), t2.get('model'))}; voxels whose signal does not fall with"
        f" echo time, or gives a T2{within}, were left without a value. The standard error of T2 is that of the"
        " reconstructed echoes, passed through the fit. Voxels of tissue were tested for 5 % fluid or more by the"
        " posterior probability of a two-compartment model, and T2 was summarised by region."
    )


def find(content: dict[str, Any], key: str) -> Any:
    """First value of a key in nested facts, the outermost first; None when absent."""
    if key in content:
        return content[key]
    for value in content.values():
        if isinstance(value, dict) and (found := find(value, key)) is not None:
            return found
    return None


def methods(
    counts: Counts, facts: dict[str, Any], options: dict[str, Any], *, has_t2: bool, guided: bool = False
) -> list[str]:
    """Paragraphs for one session; numbers in brackets point into ``REFERENCES``. ``guided``: T2 was refined too."""
    from bids_app.report.words import milliseconds  # with it come the figures, which a run needs at its end only

    if facts.get("given"):
        times = milliseconds([1000 * float(te_s) for te_s in facts.get("te_s", [])])
        return [
            f"Reconstructed volumes at {times} were given ({', '.join(map(str, facts['given']))}); how they were made"
            " is said where they come from.",
            *([_fitted(options)] if has_t2 else []),
            *([GUIDED] if guided else []),
            "The steps ran as a Nipype workflow [5].",
        ]
    te = milliseconds(list(counts.te_ms)) if counts.te_ms else "unknown echo time"
    known = {"run": options, "reconstruction": facts}  # apart: both may hold a table of the same name
    denoise = find(known, "denoise")
    first = f"{counts.n_used_stacks} stacks of thick slices at {te} were used."
    if denoise in DENOISED:
        level = "" if denoise == "none" else ", with one noise level estimated per stack"
        first += f" Each slice {DENOISED[denoise]}{level}."
    if not facts:
        return [first]
    if find(known, "bias") == "n4":
        first += f" {UNBIASED}"
    second = (
        "One volume per echo time was reconstructed from the slices by a slice-to-volume method in the family"
        " of [3] that follows [1]: a rigid motion, a gain and a robust weight for each slice."
    )
    profile, motion, coils, field_name, model = (
        str(find(facts, key)) for key in ("profile", "motion", "coil_field", "field", "model")
    )
    second += slice_model(profile, motion, coils)
    if field_name in FIELDS:
        second += f" The volume is {FIELDS[field_name]}."
    if model in MODELS:
        second += f" {MODELS[model]}"
    resolution, seed = find(known, "resolution_mm"), find(known, "seed")
    if isinstance(resolution, int | float):
        second += f" The result was sampled at {resolution:g} mm."
    if seed is not None:
        second += f" The random seed was {seed}."
    said = [first, second]
    if has_t2:
        said.append(_fitted(options))
    if guided:
        said.append(GUIDED)
    said.append("The steps ran as a Nipype workflow [5].")
    return said
