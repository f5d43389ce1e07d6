"""Inputs of interfaces that take the stacks of a session, and one entry per stack."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, InputMultiObject, traits


class MaskedStacksInputSpec(BaseInterfaceInputSpec):
    """Stacks as they are after the check, each with a mask."""

    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="stacks, slices last, one intensity scale")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="brain mask of each stack")
    echo_times_s = traits.List(traits.Float, mandatory=True, desc="echo time of each stack, s")


class SliceFactsInputSpec(BaseInterfaceInputSpec):
    """What a stack's sidecar says of its slices."""

    thicknesses_mm = traits.List(
        traits.Either(None, traits.Float),
        desc="slice thickness of each stack, mm; None or empty: slice spacing",
    )
    slice_times_s = traits.List(
        traits.Either(None, traits.List(traits.Float)),
        desc="time of each slice of each stack, s; None or an empty list: unknown",
    )


def one_per_stack(inputs: Any, name: str, n_stacks: int) -> list[Any]:
    """A list input with one entry per stack; None for each when it was not given.

    Raises
    ------
    ValueError
        The list is of another length.
    """
    values = getattr(inputs, name)
    if not isinstance(values, list) or not values:
        return [None] * n_stacks
    if len(values) != n_stacks:
        raise ValueError(f"{name} has {len(values)} entries for {n_stacks} stacks; give one for each.")
    return list(values)
