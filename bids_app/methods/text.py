"""The sentences of the methods text: what was used is said, what was not is not. ``[@key]`` cites a reference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bids_app.methods.account import Account

MADE = {"masks": "Stacks were prepared", "recon": "Volumes were reconstructed", "all": "T2 maps were computed"}
"""What a run makes, by its last step."""
MASK_SOURCES = {
    "given": "given",
    "network": "estimated by a network trained on simulated images",
    "classical": "estimated by a classical method",
}
OTHERWISE = {"given": "where there was none", "network": "where it was not sure"}
"""When the next source of masks takes the place of one."""
CONSENSUS = {"on": "Each mask was replaced by what the masks of all stacks agree on."}
DENOISED = {
    "none": "was not denoised",
    "nlm": "was denoised with non-local means [@buades2005]",
    "nlm-rician": (
        "was denoised with non-local means [@buades2005], and the bias of magnitude noise was taken off [@koay2006]"
    ),
    "tv": "was denoised by total variation [@chambolle2004]",
    "wavelet": "was denoised by local shrinkage of its shift-invariant Haar coefficients [@mihcak1999]",
    "unet": (
        "was denoised by a residual U-Net with a fidelity network [@yu2024], trained on simulated slices, or, where"
        " that could not be used, with non-local means [@buades2005]"
    ),
}
UNBIASED = {
    "n4": (
        "All stacks were divided by one smooth field of the receive coils in scanner space, the same at every echo"
        " time, found by N4 [@tustison2010] in their geometric mean."
    )
}
PROFILES = {
    "box": "even over the thickness of the slice, with rounded edges,",
    "gaussian": "a Gaussian whose full width at half maximum is the thickness of the slice,",
}
"""How a slice sees what lies along its normal."""
IN_PLANE = "and in its plane a Gaussian of 1.1 pixels full width at half maximum."
MOTIONS = {
    "siren": "The motion of all slices was the output of one small network with sine activations [@sitzmann2020]."
}
"""What is said of a model of motion beyond 'a rigid motion for each slice'."""
COIL_FIELDS = {"on": "A smooth factor of the receive coils, fixed to the scanner, was estimated beside the volumes."}
FIELDS = {
    "grid": "a multi-resolution grid encoding with a small network",
    "hash": "a multi-resolution hash encoding [@mueller2022] with a small network",
    "siren": "a network with sine activations (SIREN) [@sitzmann2020]",
    "siren-compact": "a small network with sine activations (SIREN) [@sitzmann2020]",
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
T2_MODELS = {
    "weighted": "least squares on the logarithm of the signal, weighted by the signal",
    "loglinear": "least squares on the logarithm of the signal, every echo alike",
    "nlls": "bounded non-linear least squares",
    "rician": "Rician maximum likelihood, with the standard errors of the echoes for noise",
    "epg": "least squares on an echo train computed by extended phase graphs [@weigel2015], B1 taken as 1",
    "epg-b1": "least squares on an echo train computed by extended phase graphs [@weigel2015], B1 fitted",
}
GUIDED = {"auto": "Where there was a guide, the T2 map was also refined", "given": "The T2 map was also refined"}
GUIDED_BY = (
    "by weighted images of the same session, which were registered to it by mutual information and not believed where"
    " they disagreed with it, as a maximum a posteriori estimate after [@samadifardheris2025]."
)
NIPYPE = "The steps ran as a Nipype workflow [@gorgolewski2011]."


def paragraphs(account: Account) -> list[str]:
    """The methods text of a run or of a session."""
    parts = [
        _given(account) if account.given else _prepared(account),
        _reconstructed(account) if account.last != "masks" and not account.given else [],
        _fitted(account) if account.last == "all" else [],
        [f"{GUIDED[account.guided]} {GUIDED_BY}"] if account.guided in GUIDED and account.last == "all" else [],
        [NIPYPE],
    ]
    return [" ".join(sentences) for sentences in parts if sentences]


def milliseconds(te_ms: Sequence[float]) -> str:
    """``300, 397 and 600 ms``."""
    texts = [f"{te:g}" for te in te_ms]
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]])) + " ms"


def _made(account: Account) -> str:
    return f"{MADE[account.last]} with fetalt2prep{f' {account.version}' if account.version else ''}."


def _given(account: Account) -> list[str]:
    times = f" at {milliseconds(account.te_ms)}" if account.te_ms else ""
    files = f" ({', '.join(account.given_files)})" if account.given_files else ""
    said = f"Reconstructed volumes{times} were given{files}; how they were made is said where they come from."
    return [_made(account), said] if account.last == "all" else [said]


def _prepared(account: Account) -> list[str]:
    """Stacks, their denoising, their masks, and the field of the coils."""
    said = [_made(account)]
    if account.n_stacks is not None:
        times = milliseconds(account.te_ms) if account.te_ms else "unknown echo time"
        stacks, were = ("1 stack", "was") if account.n_stacks == 1 else (f"{account.n_stacks} stacks", "were")
        said.append(f"{stacks} of thick slices at {times} {were} used.")
    if account.denoise in DENOISED:
        level = "" if account.denoise == "none" else ", with one noise level estimated per stack"
        said.append(f"Each slice of the stacks {DENOISED[account.denoise]}{level}.")
    if masks := _masks(account.masks):
        said.append(masks)
    said += _of(account.mask_consensus, CONSENSUS)
    return said + (_of(account.bias, UNBIASED) if account.last != "masks" else [])


def _masks(sources: frozenset[str]) -> str:
    """``Brain masks were given, or, where there was none, estimated by ...``."""
    known = [source for source in MASK_SOURCES if source in sources]
    if not known:
        return ""
    others = (f", or, {OTHERWISE[source]}, {MASK_SOURCES[other]}" for source, other in pairwise(known))
    return f"Brain masks were {MASK_SOURCES[known[0]]}{''.join(others)}."


def _reconstructed(account: Account) -> list[str]:
    """The volumes: acquisition of a slice, representation, model of the echoes, grid, seed."""
    said = [
        "One volume per echo time was reconstructed from the slices by a slice-to-volume method in the family of"
        " [@kuklisova2012] that follows [@bulut2025]: a rigid motion, a gain and a robust weight for each slice."
    ]
    if account.profile in PROFILES:
        said.append(f"The profile of a slice is {PROFILES[account.profile]} {IN_PLANE}")
    said += [*_of(account.motion, MOTIONS), *_of(account.coil_field, COIL_FIELDS)]
    if account.field in FIELDS:
        said.append(f"The volume is {FIELDS[account.field]}.")
    said += _of(account.model, MODELS)
    if account.resolution_mm is not None:
        said.append(f"The result was sampled at {account.resolution_mm:g} mm.")
    if account.seed is not None:
        said.append(f"The random seed was {account.seed}.")
    return said


def _fitted(account: Account) -> list[str]:
    """How T2 was fitted, and what was measured on it."""
    model, bounds_s = account.t2_model, account.t2_bounds_s
    by = f" by {T2_MODELS[model]}" if model in T2_MODELS else ""
    within = f" outside {1000 * bounds_s[0]:g} to {1000 * bounds_s[1]:g} ms" if bounds_s else " out of range"
    said = [
        f"T2 and S0 were fitted to the reconstructed echoes in each voxel{by}; voxels whose signal does not fall with"
        f" echo time, or gives a T2{within}, were left without a value."
    ]
    if account.t2_noise_floor:
        said.append(f"Echoes at or below {account.t2_noise_floor:g} times their noise were left out of the fit.")
    said.append(
        "The standard error of T2 is that of the reconstructed echoes, passed through the fit. Voxels of tissue were"
        " tested for 5 % fluid or more by the posterior probability of a two-compartment model, and T2 was summarised"
        " by region."
    )
    return said


def _of(name: str | None, words: dict[str, str]) -> list[str]:
    """The sentence for a choice; none for what is unknown, or needs no words."""
    return [words[name]] if name in words else []
