"""What the ``train-*`` commands share: arguments, training in chunks that are stored, and the card of the weights."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from fetalt2prep.core.fit import Method
    from fetalt2prep.core.train_state import Network, TrainState

CHUNK = 50
"""Steps, after which the state is stored, so that the next call of the same command can go on."""
SMOKE_HELP = "a run of seconds that shows that all works; its weights are of no use"


def add_training_arguments(parser: argparse.ArgumentParser, *, drawn: str, n_workers: int) -> None:
    """Seed, processes, device and first weights; ``drawn``: what the command draws, in the plural."""
    add = parser.add_argument
    add("--seed", type=int, default=0, help=f"seed of network, {drawn} and batches")
    add("--workers", type=int, default=n_workers, metavar="N", help=f"processes that draw {drawn} meanwhile (0: none)")
    add("--device", default="cpu", help="cpu, cuda or cuda:n")
    add("--start-from", type=Path, metavar="FILE", help="weights to begin with (None: random ones)")


def start_from(state: TrainState[Any], weights: Path | None, load: Callable[[Path], nn.Module]) -> None:
    """Give a new network the weights of a file, where one is named."""
    if weights is not None:
        state.network.load_state_dict(load(weights).state_dict())


def train_in_chunks(
    method: Callable[[TrainState[Network]], Method[TrainState[Network]]],
    state: TrainState[Network],
    n_steps: int,
    checkpoint: Path,
    options: object,
    *,
    score: str,
    every_chunk: Callable[[TrainState[Network]], dict[str, float]] | None = None,
) -> tuple[TrainState[Network], list[dict[str, float]]]:
    """Go on from the checkpoint, or from ``state`` where there is none, until ``n_steps`` steps are taken.

    ``method`` makes the method that goes on from a state; ``score`` is the word for the state's score in the bar;
    ``every_chunk`` measures more. Returns the state and the curve: step, loss, score and what was measured.

    Raises
    ------
    ValueError
        The checkpoint is of a run with other options, or the loss is no longer finite.
    """
    import torch

    from fetalt2prep.cli.progress_bar import ProgressBar
    from fetalt2prep.core.fit import Stop, fit
    from fetalt2prep.core.train_state import load_state, state_dict

    curve: list[dict[str, float]] = []
    if checkpoint.exists():
        stored = torch.load(checkpoint, weights_only=True, map_location=next(state.network.parameters()).device)
        if stored["options"] != repr(options):
            raise ValueError(f"{checkpoint}: is of a run with other options; name another folder, or remove it.")
        state, curve = load_state(stored, state), list(stored["curve"])
    with ProgressBar() as bar:
        while state.step < n_steps:
            n = min(CHUNK, n_steps - state.step)
            done = fit(method(state), n, check_every=n)
            if done.stop is Stop.NON_FINITE:
                raise ValueError(f"step {state.step}: {done.stop.value}")
            state = done.state
            row: dict[str, Any] = {"step": state.step, "loss": done.losses[-1], "score": state.score}
            curve.append(row | (every_chunk(state) if every_chunk is not None else {}))
            partial = checkpoint.with_suffix(".part")
            torch.save({**state_dict(state), "options": repr(options), "curve": curve}, partial)
            partial.replace(checkpoint)
            bar(f"loss {done.losses[-1]:.3f}, {score} {state.score:.3f}", state.step, n_steps)
    return state, curve


def training_card(
    arguments: argparse.Namespace, options: Any, curve: list[dict[str, float]], *, command: str, smoke: bool
) -> dict[str, Any]:
    """How the weights were made: script, command with its arguments, first weights, options, last loss.

    ``command``: name and arguments that differ between the commands; ``options``: of the training.
    """
    import dataclasses

    first = None if arguments.start_from is None else arguments.start_from.name
    full = f"fetalt2 {command} --seed {options.seed} --device {options.device}"
    return {
        "script": f"fetalt2prep/cli/{command.split()[0].replace('-', '_')}.py",
        "command": "smoke run" if smoke else full + (f" --start-from {first}" if first else ""),
        "started_from": first,
        "options": dataclasses.asdict(options),
        "loss_last": curve[-1]["loss"] if curve else None,
    }
