"""What a guide is good for, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fetalt2prep.core.guided.given import CoarseMaps, Guide
from fetalt2prep.core.guided.held import OTHER_SCAN
from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.trust import Trust

KNOWN_GAIN = 0.05  # a gain that is said to be one may be off by this share in the comparison
BELIEVED = 0.5  # median belief inside the mask below which a guide is not used at all
TIGHT, LOOSE = 0.05, 0.15  # spread of log(guide / expected): up to the first its values are data, the second its edges
TIGHT_WITH_T1 = 0.12  # the first, where T1 is mapped too: density is then held from two sides
FOREIGN_AT_FIRST = 0.3  # the same, before edges are known: mixed voxels of a coarse scan spread it


def is_foreign(trust: Trust, mask: Tensor, loose: float = LOOSE) -> bool:
    """No gain explains the guide, or it disagrees nearly everywhere: it shows something else, or is out of place."""
    return float(trust.belief[mask].median()) < BELIEVED or trust.spread > loose


def use_of(guide: Guide, trust: Trust, coarse: CoarseMaps, mask: Tensor, options: GuidedOptions) -> str:
    """``signal``, ``edges`` or ``none`` for a guide.

    One guide gives one number per voxel and cannot tell density from T2 by itself, so a wrong gain turns into a wrong
    T2 everywhere. The signal is used where one gain explains the guide on the coarse grid and that gain is known: the
    coarse maps predict it at the guide's own echo time without extrapolation (T1 is mapped too, or the echo time lies
    between those of the coarse scan), or the scale is said to be that of the coarse data and the comparison agrees. A
    guide that is not explained by any gain shows something else, or is out of place, and is not used.
    """
    if is_foreign(trust, mask):
        return "none"
    if options.use != "auto":
        return options.use
    known = bool(gain_known(guide, coarse, trust.gain))
    return "signal" if known and trust.spread < tight(coarse) else "edges"


def gain_known(guide: Guide, coarse: CoarseMaps, gain: float) -> str:
    """Why the gain that was found is the guide's, in words; empty: nobody knows."""
    if coarse.t1_s is not None:
        return "the maps predict its contrast"
    if len(coarse.te_s) > 1 and min(coarse.te_s) <= getattr(guide.model, "te_s", 0.0) <= max(coarse.te_s):
        return "its echo time lies between those of the maps, which predict it"
    if guide.same_scale and abs(gain - 1.0) < KNOWN_GAIN:
        return "it has the maps' scale, and they agree"
    return ""


def tight(coarse: CoarseMaps) -> float:
    """Spread up to which a guide's values are data."""
    return TIGHT if coarse.t1_s is None else TIGHT_WITH_T1


def reason_of(
    guide: Guide, coarse: CoarseMaps, options: GuidedOptions, row: Mapping[str, Any], answer: float | None = None
) -> str:
    """One sentence for the choice of :func:`use_of`, or of the network.

    ``row``: the guide's of :func:`fetalt2prep.core.guided.refine.account`. ``answer``: what the network made of a guide
    that was not used had this distance from the coarse maps, see :class:`fetalt2prep.core.guided.held.Held`.
    """
    use, gain, spread = str(row["use"]), float(row["gain"]), float(row["gain_spread"])
    how = f"gain {gain:.3g}, spread of its logarithm {spread:.3f}"
    how += f", believed in {100 * float(row['believed_fraction']):.0f} % of the mask"
    if use == "none" and answer is not None:
        limit = f"up to {OTHER_SCAN:g}, and only the nearest answer, is taken"
        return f"not used: the network's answer with it is {answer:.2f} from the coarse maps ({limit}; {how})"
    if use == "none":
        limit = f"a spread up to {LOOSE:g} and a median belief of {BELIEVED:g} were needed"
        return f"not used: no one gain explains it beside the maps ({how}; {limit})"
    if options.use != "auto":
        return f"{use}, as asked ({how})"
    if use == "signal":
        return f"its values are data: {gain_known(guide, coarse, gain)} ({how})"
    if misfit := row.get("misfit"):
        numbers = f"misfit {misfit['with_its_values']:.2f} per datum; up to {misfit['allowed']:.2f} is allowed"
        return f"only its edges count: with its values the maps do not explain the coarse data ({numbers}; {how})"
    most = tight(coarse)
    why = f"the spread is above {most:g}" if spread >= most else "its gain cannot be told from the maps"
    return f"only its edges count: {why} ({how})"
