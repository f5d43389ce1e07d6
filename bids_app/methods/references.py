"""What the methods text cites, by the key that stands in the text as ``[@key]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

CITED = re.compile(r"\[@(\w+)\]")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An entry of the list of references."""

    key: str
    text: str
    """``Authors. Title. Where, year.``"""
    link: str


REFERENCES = {
    "bulut2025": (
        "Bulut B, Dannecker M, et al. Physics-informed joint multi-TE super-resolution with implicit neural"
        " representation for robust fetal T2 mapping. arXiv 2508.10680, 2025.",
        "https://arxiv.org/abs/2508.10680",
    ),
    "kuklisova2012": (
        "Kuklisova-Murgasova M, Quaghebeur G, Rutherford MA, Hajnal JV, Schnabel JA. Reconstruction of fetal brain MRI"
        " with intensity matching and complete outlier removal. Med Image Anal 16(8), 2012.",
        "https://doi.org/10.1016/j.media.2012.07.004",
    ),
    "sitzmann2020": (
        "Sitzmann V, Martel J, Bergman A, Lindell D, Wetzstein G. Implicit neural representations with periodic"
        " activation functions. NeurIPS 33, 2020.",
        "https://arxiv.org/abs/2006.09661",
    ),
    "mueller2022": (
        "Müller T, Evans A, Schied C, Keller A. Instant neural graphics primitives with a multiresolution hash"
        " encoding. ACM Trans Graph 41(4), 2022.",
        "https://doi.org/10.1145/3528223.3530127",
    ),
    "buades2005": (
        "Buades A, Coll B, Morel JM. A non-local algorithm for image denoising. CVPR, 2005.",
        "https://doi.org/10.1109/CVPR.2005.38",
    ),
    "koay2006": (
        "Koay CG, Basser PJ. Analytically exact correction scheme for signal extraction from noisy magnitude MR"
        " signals. J Magn Reson 179(2), 2006.",
        "https://doi.org/10.1016/j.jmr.2006.01.016",
    ),
    "chambolle2004": (
        "Chambolle A. An algorithm for total variation minimization and applications. J Math Imaging Vis 20(1), 2004.",
        "https://doi.org/10.1023/B:JMIV.0000011325.36760.1e",
    ),
    "mihcak1999": (
        "Mihcak MK, Kozintsev I, Ramchandran K, Moulin P. Low-complexity image denoising based on statistical modeling"
        " of wavelet coefficients. IEEE Signal Process Lett 6(12), 1999.",
        "https://doi.org/10.1109/97.803428",
    ),
    "yu2024": (
        "Yu HJ, Miao ZZ, Li RY, Chen FJ, Chu ZF, Guo HY, Li YS, Li Y, Liang XY. A fast MR imaging technique with decent"
        " generalization performance based on deep neural networks. J China Clin Med Imaging 35(1), 2024.",
        "https://doi.org/10.12117/jccmi.2024.01.012",
    ),
    "tustison2010": (
        "Tustison NJ, Avants BB, Cook PA, Zheng Y, Egan A, Yushkevich PA, Gee JC. N4ITK: improved N3 bias correction."
        " IEEE Trans Med Imaging 29(6), 2010.",
        "https://doi.org/10.1109/TMI.2010.2046908",
    ),
    "weigel2015": (
        "Weigel M. Extended phase graphs: dephasing, RF pulses, and echoes - pure and simple. J Magn Reson Imaging"
        " 41(2), 2015.",
        "https://doi.org/10.1002/jmri.24619",
    ),
    "samadifardheris2025": (
        "Samadifardheris A, Poot DHJ, Wiesinger F, Klein S, Hernandez-Tamames JA. Self-supervised weighted image guided"
        " quantitative MRI super-resolution. arXiv 2512.17612, 2025.",
        "https://arxiv.org/abs/2512.17612",
    ),
    "gorgolewski2011": (
        "Gorgolewski K, et al. Nipype: a flexible, lightweight and extensible neuroimaging data processing framework in"
        " Python. Front Neuroinform 5:13, 2011.",
        "https://doi.org/10.3389/fninf.2011.00013",
    ),
}
"""Text and link of each."""


def cited(paragraphs: Sequence[str]) -> list[Reference]:
    """The references of the paragraphs, in the order in which they come first.

    Raises
    ------
    KeyError
        A paragraph cites what is not in ``REFERENCES``.
    """
    keys = dict.fromkeys(key for text in paragraphs for key in CITED.findall(text))
    return [Reference(key=key, text=REFERENCES[key][0], link=REFERENCES[key][1]) for key in keys]


def numbered(paragraphs: Sequence[str]) -> tuple[list[str], list[Reference]]:
    """The paragraphs with ``[1]`` for ``[@key]``, numbered as they first come, and the references in that order."""
    references = cited(paragraphs)
    number = {reference.key: n for n, reference in enumerate(references, start=1)}
    return [CITED.sub(lambda found: f"[{number[found[1]]}]", text) for text in paragraphs], references
