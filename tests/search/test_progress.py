"""What a person is told while a search runs."""

import io

import pytest
from rich.console import Console

from actsearch.search.progress import Progress
from actsearch.search.show.display import ProgressLine


def test_the_time_left_is_estimated_anew_for_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, clock = io.StringIO(), [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    line = ProgressLine(Console(file=shown, width=200))

    def tell(second: float, stage: str, children: int, goal: int) -> str:
        clock[0] = 100 + second
        line(Progress(stage, children, goal, 500 * children, 500 * goal, "relu(x)", 0.5))
        return shown.getvalue().splitlines()[-1]

    assert "estimating time" in tell(0, "search", 1, 101)
    assert "80 s left" in tell(20, "search", 21, 101)
    tell(100, "search", 101, 101)
    assert "estimating time" in tell(120, "digits", 1, 41)  # nothing is known of it yet: workers start, data is made
    assert "digits: 11/41 trained · 30 s left · best 0.500 relu(x)" in tell(130, "digits", 11, 41)
