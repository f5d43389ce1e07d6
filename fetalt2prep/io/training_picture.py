"""The course of a training as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


def write_training_picture(curve: Sequence[dict[str, float]], path: Path, *, score: str, validation: str) -> Path:
    """Loss of batches, and the score of training and of unseen data, against the step; returns ``path``.

    ``curve``: rows with ``step``, ``loss`` and ``score``; those with ``validation`` give the points of unseen data.
    """
    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = [row["step"] for row in curve]
    upper.plot(steps, [row["loss"] for row in curve], color="#5c677d", linewidth=0.8)
    upper.set_ylabel("loss of a batch")
    lower.plot(steps, [row["score"] for row in curve], color="#8d99ae", label="training, running mean")
    seen = [row for row in curve if "validation" in row]
    lower.plot([r["step"] for r in seen], [r["validation"] for r in seen], "o-", color="#d62828", label=validation)
    lower.set_ylabel(score)
    lower.set_xlabel("step")
    lower.legend(frameon=False)
    figure.savefig(path, dpi=110)
    return path
