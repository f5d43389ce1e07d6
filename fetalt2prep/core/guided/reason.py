"""Why a guide was used as it was, in words."""

from __future__ import annotations

from fetalt2prep.core.guided.options import GuidedOptions
from fetalt2prep.core.guided.refine import BELIEVED, LOOSE, CoarseMaps, Guide, tight


def reason_of(
    guide: Guide, coarse: CoarseMaps, options: GuidedOptions, *, use: str, spread: float, believed: float, gain: float
) -> str:
    """One sentence for the choice of :func:`fetalt2prep.core.guided.refine.use_of`.

    ``spread``, ``believed`` and ``gain`` are those of the account of :func:`fetalt2prep.core.guided.refine.refine`.
    """
    how = f"gain {gain:.3g}, spread of its logarithm {spread:.3f}, believed in {100 * believed:.0f} % of the mask"
    if use == "none":
        limit = f"a spread up to {LOOSE:g} and a median belief of {BELIEVED:g} were needed"
        return f"not used: no one gain explains it beside the maps ({how}; {limit})"
    if options.use != "auto":
        return f"{use}, as asked ({how})"
    if use == "signal":
        if coarse.t1_s is not None:
            known = "the maps predict its contrast"
        elif len(coarse.te_s) > 1 and min(coarse.te_s) <= getattr(guide.model, "te_s", 0.0) <= max(coarse.te_s):
            known = "its echo time lies between those of the maps, which predict it"
        else:
            known = "it has the maps' scale, and they agree"
        return f"its values are data: {known} ({how})"
    most = tight(coarse)
    why = f"the spread is above {most:g}" if spread >= most else "its gain cannot be told from the maps"
    return f"only its edges count: {why} ({how})"
