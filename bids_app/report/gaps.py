"""Where too few slices measure the brain, in words; the reconstruction lists such regions in its account."""

from __future__ import annotations

from typing import Any

WORTH_A_WARNING = 0.02  # of the brain, all regions together


def gap_sentences(regions: Any) -> tuple[str, ...]:
    """One sentence per region: echo times, size, place."""
    return tuple(
        f"At {times(region)}: {region['volume_mm3']:.0f} mm³ around ({place(region)}) mm, "
        f"{100 * region['share_of_mask']:.1f} % of the brain mask."
        for region in regions or ()
    )


def gap_warning(regions: Any) -> tuple[str, ...]:
    """One sentence for the verdict when the regions are 2 % of the brain mask or more, else none."""
    share = sum(region["share_of_mask"] for region in regions or ())
    if share < WORTH_A_WARNING:
        return ()
    return (f"Too few slices measure {100 * share:.0f} % of the brain mask at some echo time; see Reconstruction.",)


def times(region: dict[str, Any]) -> str:
    """Echo times that lack data, in ms."""
    return " and ".join(f"{1000 * te_s:g}" for te_s in region["te_s"]) + " ms"


def place(region: dict[str, Any]) -> str:
    """Centre in scanner coordinates, mm."""
    return ", ".join(str(round(value)) for value in region["centre_mm"])
