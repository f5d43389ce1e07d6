"""Progress of a long step: a line of the log per stage, and a live line when someone is watching."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Self

REDRAW_SECONDS = 0.2


class Progress:
    """The callback ``on_step(stage, step, n_steps, loss)`` of a long step, by default the reconstruction.

    Each stage gives one line in the log of ``nipype.interface`` when it ends. When standard error is a
    terminal, a line with the step and the loss is redrawn there.
    """

    def __init__(self, name: str = "recon") -> None:
        self._name = name
        self._log = logging.getLogger("nipype.interface")
        self._live = sys.stderr.isatty()
        self._stage = ""
        self._last = (0, 0, 0.0)
        self._started = self._drawn = time.monotonic()

    def __call__(self, stage: str, step: int, n_steps: int, loss: float) -> None:
        """Take note of a step."""
        now = time.monotonic()
        if stage != self._stage:
            self._end_stage(now)
            self._stage, self._started = stage, now
        self._last = (step, n_steps, float(loss))
        if self._live and now - self._drawn > REDRAW_SECONDS:
            self._drawn = now
            sys.stderr.write(f"\r\033[K{stage}: step {step} of {n_steps}, loss {loss:.4g}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_stage(time.monotonic())

    def _end_stage(self, now: float) -> None:
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
        if self._stage:
            step, n_steps, loss = self._last
            self._log.info(
                "%s, %s: %d of %d steps, loss %.4g, %.1f s",
                self._name,
                self._stage,
                step,
                n_steps,
                loss,
                now - self._started,
            )
        self._stage = ""
