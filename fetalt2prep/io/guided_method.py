"""Which way maps are refined: the fit of one subject, or a trained network; and whether it may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fetalt2prep.core.guided.given import without_t1
from fetalt2prep.core.guided.options import METHODS, GuidedOptions
from fetalt2prep.core.guided.refine import Refined, refine
from fetalt2prep.core.guided.refine_network import N_PASSES, refine_by_network
from fetalt2prep.core.guided.trained_on import INSTEAD, TrainedOn, check_answerable, check_trained
from fetalt2prep.io.guided_request import ERROR, GuidedRequest
from fetalt2prep.io.guided_weights import load_guided_net, packaged_guided_net
from fetalt2prep.io.sidecar import InputError, read_json
from fetalt2prep.io.weights import card_path, sha256_of

SLOT_OF = {"t1w": "t1", "t2w": "t2"}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to refine maps, ready to run."""

    name: str
    refine: Callable[..., Refined]
    """As :func:`fetalt2prep.core.guided.refine.refine`."""
    n_steps: int
    """Of each pass, for progress."""
    account: dict[str, Any]
    """For the record: its name, the weights if there are any, and the options that count in it."""


def method_of(request: GuidedRequest, factors: Sequence[float]) -> Method:
    """The method that was asked for; ``factors``: fine voxels per coarse one along each axis.

    What the network cannot do, or was not trained for, is refused and never done by the fit instead: who asks for a
    method gets that one.

    Raises
    ------
    InputError
        An unknown method; weights for the fit, or guides that need a T1 map where there is none; options of the fit for
        the network; weights that cannot be used; maps, guides or a grid that the network was not trained for.
    """
    if request.method not in METHODS:
        raise InputError(f"the method is {request.method!r}; take one of {', '.join(METHODS)}.")
    if request.method == "fit":
        if request.weights is not None:
            raise InputError(f"{request.weights.name}: the fit has no weights. Leave them out, or take method network.")
        if request.t1map is None:
            _check_without_t1(request)
        options = {"relative_error": request.error, "options": {**vars(request.options)}}
        return Method(name="fit", refine=refine, n_steps=request.options.n_steps, account={"method": "fit", **options})
    path = packaged_guided_net() if request.weights is None else request.weights
    models = [guide.model for guide in request.guides]
    network, switches = load_guided_net(path)
    trained, limits = _card(path)
    try:
        check_answerable(models, request.options, with_t1=request.t1map is not None)
        _check_options(request)
        check_trained(models, factors, trained)
    except ValueError as error:
        names = ", ".join(guide.path.name for guide in request.guides)
        raise InputError(f"{request.t2map.name}, {names}: {error}") from error
    weights = {"file": path.name, "sha256": sha256_of(path), "limits": limits}
    return Method(
        name="network",
        refine=partial(refine_by_network, network=network, switches=switches),
        n_steps=N_PASSES,
        account={"method": "network", "weights": weights, "options": {"use": request.options.use}},
    )


def _card(path: Path) -> tuple[TrainedOn, str]:
    """What the network was trained for and its limits in words, from the card beside the weights."""
    card = card_path(path)
    stored = read_json(card) if card.is_file() else {}
    names = stored.get("options", {}).get("guides", [])
    if not names or not set(names) <= set(SLOT_OF):
        raise InputError(
            f"{path.name}: {card.name} beside it does not say with which guides the network was trained. Keep the card "
            "that train-guided writes with the weights."
        )
    return TrainedOn(slots=tuple(SLOT_OF[name] for name in names)), str(stored.get("limits", ""))


def _check_without_t1(request: GuidedRequest) -> None:
    """Raise where a guide needs the T1 map that is not there: before anything is registered, which takes minutes."""
    for guide in request.guides:
        try:
            without_t1(guide.model)
        except ValueError as error:
            raise InputError(f"{guide.path.name}: {error}") from error


def _check_options(request: GuidedRequest) -> None:
    """Raise where something is asked for that counts in the fit alone."""
    fit = GuidedOptions()
    asked = {
        "echo times of the maps": bool(request.te_s),
        "error of the maps": request.error != ERROR,
        "scale of the guides": any(guide.same_scale for guide in request.guides),
        "weight of the edges": request.options.edges != fit.edges,
        "steps": request.options.n_steps != fit.n_steps,
    }
    if idle := [name for name, there in asked.items() if there]:
        raise ValueError(f"the network takes no {' and no '.join(idle)}; leave that out, or {INSTEAD}.")
