"""The bar: drawn for a person, silent otherwise."""

from __future__ import annotations

import io

import pytest

from fetalt2prep.cli.progress_bar import ProgressBar, bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("step", "filled"), [(0, 0), (3, 10), (9, 30)])
def test_bar_fills(step: int, filled: int) -> None:
    text = bar(step, 9)
    assert text.count("#") == filled
    assert text.endswith(f"{step}/9")
    assert len(text) == len(bar(0, 9))


def test_drawn_on_a_terminal_and_wiped_at_the_end() -> None:
    stream = Terminal()
    with ProgressBar(stream) as show:
        show("sub-1", 1, 4)
        show("sub-1", 2, 4)  # too soon after the first
        show("sub-1", 4, 4)
    text = stream.getvalue()
    assert "1/4" in text
    assert "2/4" not in text
    assert "4/4" in text
    assert text.endswith("\r\033[K")


def test_silent_in_a_file() -> None:
    stream = io.StringIO()
    with ProgressBar(stream) as show:
        show("sub-1", 1, 4)
    assert stream.getvalue() == ""
