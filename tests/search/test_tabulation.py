"""Tables of children grow row by row and resume; rankings are compared as SciPy compares them."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.ranking.agreement import FEWEST, agreement
from scripts.replays.tabulation import Cell, Row, rows_of, tabulate
from scripts.studies.proxy import WORST, mean_by_function, stop_rules

pytestmark = pytest.mark.nightly  # a study's

SERIAL = PoolSettings(kind="serial")
CELLS = [
    Cell("tiny", text, repeat, 3) for text in ("relu(x)", "exp(exp(exp(square(x))))", "rrelu") for repeat in (0, 1)
]


def test_a_table_holds_every_cell_once_with_its_outcome(tmp_path: Path, tiny_task: TaskSettings) -> None:
    path = tmp_path / "table.csv"
    tabulate(path, CELLS, resolve(tiny_task), SERIAL)
    rows = rows_of(path)
    assert sorted((row.expression, row.repeat, row.status) for row in rows) == sorted(
        (cell.expression, cell.repeat, "diverged" if "exp" in cell.expression else "scored") for cell in CELLS
    )
    assert {(row.label, row.steps) for row in rows} == {("tiny", 3)}
    assert all((row.loss is None) == (row.status == "diverged") for row in rows)
    assert all(len(row.curve) == 3 for row in rows if row.loss is not None)
    assert len({row.loss for row in rows}) == 5  # four scored children, all different, and none for the others


@pytest.mark.parametrize("kept", [0, 1, 30, 200, 400])
def test_a_table_that_was_cut_off_anywhere_is_completed_to_the_same_rows(
    tmp_path: Path, tiny_task: TaskSettings, kept: int
) -> None:
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    tabulate(whole, CELLS, resolve(tiny_task), SERIAL)
    cut.write_bytes(whole.read_bytes()[:kept])
    told: list[int] = []
    tabulate(cut, CELLS, resolve(tiny_task), SERIAL, lambda done, goal: told.append(goal))
    expected, found = rows_of(whole), rows_of(cut)
    assert len(found) == len(expected)
    assert {(r.expression, r.repeat, r.loss, r.accuracy) for r in found} == {
        (r.expression, r.repeat, r.loss, r.accuracy) for r in expected
    }
    tabulate(cut, CELLS, resolve(tiny_task), SERIAL, lambda done, goal: told.append(-1))
    assert -1 not in told


def test_of_a_child_that_was_tried_again_the_last_row_counts(tmp_path: Path) -> None:
    head = "label,expression,repeat,steps,status,loss,accuracy,seconds,curve"
    lines = ["a,relu(x),0,5,timed out,,,9.0,", "a,relu(x),1,5,scored,0.2,0.9,1.0,", "a,relu(x),0,5,scored,0.4,0.8,1.0,"]
    path = tmp_path / "table.csv"
    path.write_text("\n".join([head, *lines, ""]))
    assert sorted((row.repeat, row.loss) for row in rows_of(path)) == [(0, 0.4), (1, 0.2)]


def _row(text: str, loss: float | None, curve: tuple[float, ...] = (2.0, 1.0)) -> Row:
    accuracy = None if loss is None else 1 / (1 + loss)
    return Row("a", text, 0, 2, "scored" if loss is not None else "diverged", loss, accuracy, 1.0, curve)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=30))
def test_agreement_is_scipys_kendall_over_all_and_over_the_best_of_the_reference(pairs: list[tuple[int, int]]) -> None:
    found = {f"f{i:02d}": float(a) for i, (a, _) in enumerate(pairs)}
    reference = {f"f{i:02d}": float(b) for i, (_, b) in enumerate(pairs)}
    ours = agreement(found, reference, resamples=2)
    texts = sorted(reference, key=lambda text: (reference[text], text))
    for part, value in ((texts, ours.overall), (texts[: round(len(texts) / 3)], ours.best)):
        expected = kendalltau([found[t] for t in part], [reference[t] for t in part]).statistic
        assert value == pytest.approx(float(expected) if len(part) >= FEWEST else math.nan, nan_ok=True)


def test_the_interval_holds_the_value_and_shrinks_with_more_functions() -> None:
    widths = []
    for count in (30, 300):
        found = {f"f{i}": float((i * 7919) % 101) + i for i in range(count)}
        reference = {f"f{i}": float(i) for i in range(count)}
        ours = agreement(found, reference)
        low, high = ours.overall_interval
        assert low <= ours.overall <= high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_an_order_that_every_resample_repeats_has_no_interval() -> None:
    same = {f"f{i}": float(i) for i in range(9)}
    ours = agreement(same, same)
    assert ours.overall == 1.0
    assert all(math.isnan(end) for end in ours.overall_interval)


def test_a_failed_child_ranks_behind_all_and_scores_point_downwards() -> None:
    rows = [_row("good", 0.1), _row("bad", 2.0), _row("broken", None)]
    assert mean_by_function(rows, "loss") == {"good": 0.1, "bad": 2.0, "broken": WORST}
    by_accuracy = mean_by_function(rows, "accuracy")
    assert by_accuracy["good"] < by_accuracy["bad"] < by_accuracy["broken"]
    assert mean_by_function(rows, "last_training_loss")["good"] == 1.0
    assert mean_by_function(rows, "mean_training_loss")["good"] == 1.5
    with pytest.raises(ValueError, match="unknown score 'luck'"):
        mean_by_function(rows, "luck")


def test_stop_rules_count_what_they_save_and_whom_they_cost() -> None:
    slow, fast = (2.3,) * 10 + (0.1,) * 10, (0.5,) * 20
    rows = [_row("late", 0.1, slow), *(_row(f"f{i}", 1.0 + i, fast) for i in range(9))]
    rules = stop_rules(rows, mean_by_function(rows, "loss"))
    for rule in rules:
        assert rule.stopped == pytest.approx(0.1)
        assert rule.saved == pytest.approx(0.1 * (1 - rule.share))
        assert rule.lost == (1, 1)
        assert rule.of == (1, 1)


@pytest.mark.parametrize(("curve", "stopped"), [((2.3, 0.1), 1.0), ((0.1, 2.3), 0.0), ((2.3,), 1.0)])
def test_of_a_short_curve_a_rule_looks_at_its_beginning(curve: tuple[float, ...], stopped: float) -> None:
    rules = stop_rules([_row("a", 0.1, curve)], {"a": 0.1})
    assert {rule.stopped for rule in rules} == {stopped}


def test_without_curves_there_are_no_rules() -> None:
    assert stop_rules([_row("a", 0.1, ())], {"a": 0.1}) == []
