"""The stacks in one image of a data set: one, or one per volume of a file with several echo times."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_app.entities import stem
from bids_app.inheritance import inherited_metadata
from bids_app.masks import FindMask, NoMaskError
from bids_app.session import StackInput
from fetalt2prep.io.sidecar import InputError, echo_time_s, slice_direction, slice_times_s, thickness_mm
from fetalt2prep.io.volume import open_image

PLANES = ("sagittal", "coronal", "axial")


def read_stacks(
    image: Path, entities: Mapping[str, str], root: Path, *,
    find_mask: FindMask | None = None, ignore: Collection[str] = (), force: Collection[str] = (),
) -> list[StackInput]:  # fmt: skip
    """Sidecar and header of an image; no pixel is read.

    The echo time is that of the sidecar, in seconds; the ``echo-`` entity is an index and is not used. A file with
    four axes and as many echo times in its sidecar gives one stack per volume.

    Parameters
    ----------
    image, entities
        The file and its entities.
    root
        Root of the data set, where sidecars that apply to all begin.
    find_mask
        Gives the mask of a stack by its name and entities; None: masks are estimated.
    ignore, force
        See :class:`bids_app.options.Options`.

    Raises
    ------
    InputError
        The image cannot be used; the text names it.
    """
    meta = inherited_metadata(image, root)
    if "thickness" in ignore:
        meta.pop("SliceThickness", None)
    if "slicetiming" in ignore:
        meta.pop("SliceTiming", None)
    _, shape, affine = open_image(image)
    if len(shape) < 3:
        raise InputError(f"{image.name}: has {len(shape)} axes; a stack of slices has three. Give the whole stack.")
    times = _echo_times_s(meta, shape, entities, image.name)
    if find_mask is None:
        mask, said = None, ""
    else:
        mask, said = _mask(find_mask, stem(image), entities, force)
    common = _geometry(meta, shape, affine, image.name)
    common["note"] = "; ".join(note for note in (common["note"], said) if note)
    if len(times) == 1:
        return [StackInput(image=image, mask=mask, te_s=times[0], entities=entities, **common)]
    return [
        StackInput(image=image, mask=mask, te_s=te_s, entities={**entities, "echo": str(n)}, volume=n - 1, **common)
        for n, te_s in enumerate(times, start=1)
    ]


def _echo_times_s(
    meta: Mapping[str, Any], shape: tuple[int, ...], entities: Mapping[str, str], name: str
) -> list[float]:
    """One echo time per stack in a file."""
    n_volumes = int(np.prod(shape[3:]))
    listed = meta.get("EchoTime")
    if not isinstance(listed, list):
        if n_volumes > 1:
            raise InputError(
                f"{name}: holds {n_volumes} volumes (shape {' x '.join(map(str, shape))}) and one echo time. Give "
                "EchoTime as a list with one time per volume, or split it into one file per echo time."
            )
        return [echo_time_s(meta, name)]
    if len(listed) != n_volumes:
        raise InputError(f"{name}: EchoTime lists {len(listed)} times for {n_volumes} volume(s). Correct the sidecar.")
    if n_volumes > 1 and "echo" in entities:
        raise InputError(
            f"{name}: holds {n_volumes} echo times and says echo-{entities['echo']} in its name. Leave echo- out."
        )
    return [echo_time_s({"EchoTime": te}, f"{name}, volume {n}") for n, te in enumerate(listed, start=1)]


def _mask(
    find_mask: FindMask, name: str, entities: Mapping[str, str], force: Collection[str]
) -> tuple[Path | None, str]:
    try:
        return find_mask(name, entities), ""
    except NoMaskError:
        if "missing-masks" in force:
            return None, "no mask given: it is estimated"
        raise


def _geometry(
    meta: Mapping[str, Any], shape: tuple[int, ...], affine: NDArray[np.float64], name: str
) -> dict[str, Any]:
    direction = slice_direction(meta, name)
    slice_axis = "ijk".index(direction[0])
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    thickness, note = thickness_mm(meta, float(spacing_mm[slice_axis]), name)
    times = slice_times_s(meta, shape[slice_axis], name)
    return {
        "thickness_mm": thickness,
        "slice_times_s": None if times is None else tuple(float(t) for t in times),
        "shape": shape[:3],
        "voxel_mm": tuple(float(v) for v in spacing_mm),
        "orientation": PLANES[int(np.argmax(np.abs(affine[:3, slice_axis])))],
        "field_t": _number_or_none(meta.get("MagneticFieldStrength")),
        "slice_direction": direction,
        "note": note,
    }


def _number_or_none(value: object) -> float | None:
    """A number that is only reported, never computed with; anything else counts as absent."""
    return float(value) if isinstance(value, int | float) else None
