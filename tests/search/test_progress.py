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
        line(Progress(stage, children, goal, 4, 500 * children, 500 * goal, "relu(x)", 0.5))
        return shown.getvalue().splitlines()[-1]

    assert "estimating time" in tell(0, "search", 1, 101)
    for second in (10, 20, 30):
        assert "estimating time" in tell(second, "search", 1 + second // 10, 101)
    assert "search: 5/101 (4 of baselines) trained · 16.0 min left" in tell(40, "search", 5, 101)
    assert "15.8 min left" in tell(140, "search", 6, 101)  # the controller warmed up meanwhile: it does so once
    tell(200, "search", 101, 101)
    for second in (300, 320, 330, 340):  # nothing is known of it yet: workers start, data is made
        assert "estimating time" in tell(second, "digits", second // 10 - 29, 41)
    assert "digits: 21/41 (4 of baselines) trained · 33 s left · best 0.500 relu(x)" in tell(350, "digits", 21, 41)
