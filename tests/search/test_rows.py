"""One number everywhere: a printed loss is a mean of measured losses, and no place says another of one function."""

import csv
import dataclasses
import io
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.grammar.function import function_of
from actsearch.grammar.notation import written
from actsearch.grammar.rows.known import read
from actsearch.run import open_run
from actsearch.search.command_line import main
from actsearch.search.memory.records import FINAL, SEARCH, Key, Record
from actsearch.search.memory.store import Store
from actsearch.search.ranking import columns
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.columns import COLUMNS, EVERY, FORMULA, Column, row, shown_in, text_of
from actsearch.search.ranking.curve import curve
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.report import page
from actsearch.search.show import listing, trackers
from actsearch.search.show.event_files import EventFiles
from tests.search.made_runs import write_run

SEEDS = np.random.default_rng(5)
NOISE = SEEDS.normal(0, 0.002, 14)
SPIRALS = {  # a deep network: ReLU fails to train with one seed, and the race gave others fewer seeds
    "relu(x)": [0.001, 0.002, 1.3, 0.0015, 0.002, 0.001, 0.003, 0.001],
    "add(x,abs(x))": [0.0011, 0.001, 0.0009, 0.002],
    "tanh(x)": [0.19, 0.2, 0.18, 0.19],
    "mul(x,sigmoid(scale(x)))": [0.0007, 0.0009, 0.0011, 0.0008],
}
KNOWN_LEAD = {
    "relu(x)": [0.073 + n for n in NOISE],
    "mul(x,sigmoid(scale(x)))": [0.062 + n for n in NOISE * 1.1],
    "add(softplus(x),relu(x))": [0.074 + n for n in NOISE[:4] * 0.9],
    "sin(x)": [0.2 + n for n in NOISE * 1.2],
}
FINDS_LEAD = {  # 6 of 6 seeds, three standard deviations and more, and no bet on signs reaches 5 % for three
    "relu(x)": [0.0782 + n for n in SEEDS.normal(0, 0.006, 6)],
    "sub(square(x),abs(x))": [0.0514 + n for n in SEEDS.normal(0, 0.006, 6)],
    "gelu(x)": [0.24 + n for n in SEEDS.normal(0, 0.02, 6)],
}


def _board(directory: Path) -> Leaderboard:
    with Store(directory) as store:
        return leaderboard(store)


def _said(directory: Path) -> list[str]:
    board = _board(directory)
    return sentences(verdict_of(board), board, "RUN")


@pytest.fixture(params=[SPIRALS, KNOWN_LEAD, FINDS_LEAD], ids=["spirals", "known lead", "finds lead"])
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    write_run(tmp_path / "run", request.param, ["relu(x)", "tanh(x)", "mul(x,sigmoid(scale(x)))", "gelu(x)"])
    return tmp_path / "run"


def test_a_printed_loss_is_the_mean_of_what_was_measured_with_its_own_interval(run: Path) -> None:
    for entry in _board(run).entries:
        losses = [*entry.losses().values()]
        values = row(_board(run), entry)
        assert values["score"] == pytest.approx(np.mean(losses))
        low, high = stats.t.interval(0.95, len(losses) - 1, np.mean(losses), stats.sem(losses))
        assert (values["interval_low"], values["interval_high"]) == pytest.approx((low, high))
        assert min(losses) <= values["score"] <= max(losses)


def test_everybody_says_the_same_numbers(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    board, told = _board(run), dict[str, dict[str, object]]()
    main(["top", str(run), "--json", "--all"])
    answers = json.loads(capsys.readouterr().out)["entries"]
    main(["top", str(run), "--csv", "-n", "50"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    texts = {entry.expression: text_of("score", row(board, entry)) for entry in board.entries}
    shown = page.render([page.run_of(run)])
    for answer, line, entry in zip(answers, rows, board.entries, strict=True):
        values = row(board, entry)
        names = [column.name for column in COLUMNS if column.name != FORMULA]
        assert [answer[name] for name in names] == [values[name] for name in names]
        numbers = ("score", "interval_low", "interval_high", "difference", "p", "cost")
        assert [float(line[n]) if line[n] else None for n in numbers] == [values[n] for n in numbers]
        main(["export", str(run), entry.fingerprint, "--to", "json", "-o", str(tmp_path / f"{entry.position}.json")])
        facts = json.loads((tmp_path / f"{entry.position}.json").read_text())["facts"]
        assert facts["score"] == values["score"]
        assert facts.get("against", {}).get("difference") == values["difference"]
        cell = re.search(rf'data-id="{entry.fingerprint}".*?<td class="score">([^<]*)<', shown, re.S)
        assert cell is not None
        assert cell[1] == texts[entry.expression]
        told[entry.expression] = {column.name: values[column.name] for column in shown_in("tracker")}
    capsys.readouterr()
    main(["top", str(run)])
    listed = capsys.readouterr().out
    assert all(text in listed for text in texts.values())
    assert {one["expression"]: one for one in trackers._finalists(board)} == told
    events = EventFiles(tmp_path / "events", {})
    noted: list[float] = []
    monkeypatch.setattr("tensorboardX.SummaryWriter.add_scalar", lambda _, name, value, *__: noted.append(value))
    events.add_finalists(board)
    events.close()
    assert {one["score"] for one in told.values()} <= {*noted}


def test_the_dot_of_a_page_lies_in_its_bar(run: Path) -> None:
    shown = page.render([page.run_of(run)])
    bars = re.findall(r'<path d="M([\d.]+) 6H([\d.]+)"/><circle cx="([\d.]+)"', shown)
    assert len(bars) == len(_board(run).entries)
    assert all(float(left) <= float(dot) <= float(right) for left, right, dot in bars)


def test_no_place_in_the_list_contradicts_the_verdict(run: Path) -> None:
    board = _board(run)
    verdict, order = verdict_of(board), {"better": 0, "worse": 2}
    groups = [order.get(entry.standing, 1) for entry in board.entries]
    assert groups == sorted(groups)
    assert {e.fingerprint for e in verdict.better} == {e.fingerprint for e in board.entries if e.standing == "better"}
    assert {e.fingerprint for e in verdict.worse} == {e.fingerprint for e in board.entries if e.standing == "worse"}
    middle = [row(board, e)["difference"] or 0.0 for e in board.entries if order.get(e.standing, 1) == 1]
    assert all(one <= other for one, other in pairwise(middle))  # what orders them stands in the list


def test_who_has_fewer_seeds_than_the_incumbent_is_marked_where_it_stands(run: Path) -> None:
    board = _board(run)
    most = max(len(entry.losses()) for entry in board.entries)
    for entry in board.entries:
        values = row(board, entry)
        assert values["fewer_seeds"] == (values["seeds"] < most)
        said = text_of("standing", values)
        assert said.endswith(f"after {values['seeds']} seeds") == values["fewer_seeds"]


def test_where_known_functions_lead_the_answer_says_so_and_what_the_finds_are_worth(tmp_path: Path) -> None:
    known = ["relu(x)", "mul(x,sigmoid(scale(x)))"]
    write_run(tmp_path, KNOWN_LEAD, known, {text: losses[:6] for text, losses in KNOWN_LEAD.items()})
    verdict, (first, second, *further) = verdict_of(_board(tmp_path)), _said(tmp_path)
    assert (verdict.state, verdict.finds) == ("known", ())
    assert re.fullmatch(r"use Swish, a known function: 0.0110 nats better than ReLU \(\d+ seeds\).*", first)
    assert re.fullmatch(
        r"of \d functions? that the search tried none is shown to be better than ReLU "
        r"\(\d w\w+ trained at full length\); nearest "
        r"softplus\(x\) \+ max\(x, 0\), \+0.0011 nats \(dropped after 4 seeds\)",
        second,
    )
    assert any(
        sentence.startswith("on mnist1d_mlp, 500 steps, against ReLU with 6 seeds: Swish") for sentence in further
    )


def test_where_finds_lead_without_being_shown_better_the_likeliest_is_named_with_its_odds(tmp_path: Path) -> None:
    write_run(tmp_path, FINDS_LEAD, ["relu(x)", "gelu(x)"])
    verdict, said = verdict_of(_board(tmp_path)), _said(tmp_path)
    assert verdict.state in {"open", "none"}
    assert said[0].startswith("very likely better than ReLU, not yet shown: ")
    assert "(odds " in said[0]
    found = np.subtract(FINDS_LEAD["sub(square(x),abs(x))"], FINDS_LEAD["relu(x)"])
    p = 2 * stats.ttest_1samp(found, 0, alternative="less").pvalue  # two functions were compared
    assert verdict.likely is not None
    assert verdict.likely.odds == pytest.approx((1 - p) / p)
    assert "a find, lower with 6 of 6 seeds (odds " in said[0]


def test_where_finds_are_better_known_functions_are_told_apart(tmp_path: Path) -> None:
    lead = {**KNOWN_LEAD, "sub(x,cos(x))": [0.05 + n for n in NOISE * 0.7]}
    write_run(tmp_path, lead, ["relu(x)", "mul(x,sigmoid(scale(x)))"])
    first, *_ = _said(tmp_path)
    assert verdict_of(_board(tmp_path)).state == "better"
    assert first.startswith("use x + cos(x), a find of this search: 0.02")
    assert first.endswith("; Swish (known) too")


def test_a_known_function_that_the_search_proposes_is_called_known(tmp_path: Path) -> None:
    losses = {"relu(x)": [0.2 + n for n in NOISE], "abs(x)": [0.1 + n for n in NOISE * 1.1]}
    write_run(tmp_path / "run", losses, ["relu(x)"])
    first, second, *_ = _said(tmp_path / "run")
    assert first.startswith("use abs, a find of this search: ")
    assert "known" in second
    assert second.endswith("abs")


@pytest.mark.parametrize("columns", ["position,formula,loss,cost", "name,standing,fewer_seeds,failed_seeds"])
def test_every_column_can_be_had_in_every_form(columns: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("--csv", "--markdown", "--latex"):
        main(["top", str(run), form, "--columns", columns])
        main(["top", str(run), form, "--all"])
    assert "formula" in capsys.readouterr().out


@pytest.mark.parametrize(
    "condition", ['"a"*1000000000 == known_as', "-baseline * p < 1", "-known_as < 1", "known_as * 99999999 == 'a'"]
)
def test_a_condition_computes_with_numbers_alone(condition: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["top", str(run), "--where", condition])
    assert stopped.value.code == 2
    assert "compares what cannot be compared" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0742, "0.0742"), (6.970974402301918e26, "6.971e+26"), (34.98, "34.980"), (1.2e-05, "1.200e-05"),
        (0.00123, "0.00123"), (-0.000412, "-0.000412"), (1234.56, "1234.6"), (0.0, "0.0000"),
    ],
)  # fmt: skip
def test_a_number_has_three_to_five_significant_digits(value: float, text: str) -> None:
    assert number(value) == text
    assert 3 <= len(re.sub(r"e.*|[.+-]", "", number(value)).lstrip("0") or "000") <= 5
    assert float(text) == pytest.approx(value, rel=5e-3)


@pytest.mark.parametrize("text", ["neg(mul(x,sigmoid(scale(x))))", "mix(relu(x),sin(x))", "exp(neg(x))"])
def test_a_picture_shows_what_is_named_at_the_beta_that_was_learned(text: str) -> None:
    expression, betas = read(text), [0.1, 0.5, 0.9, 0.2, 0.7, 0.8]
    outcome = Outcome(Status.SCORED, 0.1, diagnostics={"betas": betas})
    record = Record(Key("a", FINAL, 0), Request(text, 0, 1), outcome)
    entry = Entry(1, "a", text, (), baseline=False, proposed=True, records={FINAL: (record,)})
    shown = written(expression)
    drawn = curve(entry, function_of(expression), shown.image, 2.0, 9)
    formula = shown.plain.replace("·", "*").replace("−", "-")
    values = {"beta": 0.6, "sigma": lambda a: 1 / (1 + np.exp(-a)), "sin": np.sin, "exp": np.exp, "max": np.maximum}
    python = re.sub(r"β(?=x)", "beta*", formula).replace("β", "beta").replace("σ", "sigma")

    def named(x: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = eval(python, {**values, "x": x})
        return found

    x, step = drawn.x.numpy(), 1e-6
    assert drawn.values.numpy() == pytest.approx(named(x))
    smooth = x != 0
    slopes = (named(x + step) - named(x - step)) / (2 * step)
    assert drawn.slopes.numpy()[smooth] == pytest.approx(slopes[smooth], abs=1e-5)
    assert drawn.parameters == ({"beta": pytest.approx(0.6)} if "beta" in python else {})


def test_one_seed_shows_nothing_and_the_next_step_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "run", {"relu(x)": [0.9], "sin(x)": [0.1]}, ["relu(x)"])
    *_, last = _said(tmp_path / "run")
    assert last.startswith("one seed shows nothing")
    assert last.endswith("refine RUN --which found")


def test_a_column_is_added_in_one_place(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Column("luck", "of the seeds", lambda entry, _: 0.125 + entry.position, views=EVERY, stays=20, alias="fate")
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, mine))
    monkeypatch.setattr(listing, "COLUMNS", columns.COLUMNS)
    monkeypatch.setenv("COLUMNS", "200")

    def printed(*words: str) -> str:
        main(["top", str(run), *words])
        return capsys.readouterr().out

    assert " luck" in printed()
    assert "1.125" in printed("--sort", "-fate")
    assert json.loads(printed("--json"))["entries"][0]["luck"] == 1.125
    assert printed("--csv").splitlines()[1].count(",1.125") == 1
    assert "| luck |" in printed("--markdown")
    shown = page.render([page.run_of(run)])
    assert 'data-column="luck"' in shown
    assert '<td class="luck">1.1250</td>' in shown
    assert "luck" in open_run(run)._repr_html_()
    assert {one["luck"] for one in trackers._finalists(_board(run))} >= {1.125}
    noted: list[str] = []
    monkeypatch.setattr("tensorboardX.SummaryWriter.add_scalar", lambda _, name, *__: noted.append(name))
    events = EventFiles(tmp_path / "events", {})
    events.add_finalists(_board(run))
    events.close()
    assert "final/luck" in noted
    assert "| `luck`, `fate` | of the seeds |" in columns.glossary()


def test_the_glossary_of_the_manual_has_every_column() -> None:
    assert columns.glossary() in Path("search/README.md").read_text(encoding="utf-8")


def test_an_answer_without_a_judged_find_says_so(tmp_path: Path) -> None:
    finals = {"relu(x)": [0.5, 0.51, 0.52, 0.5, 0.49, 0.5], "gelu(x)": [0.49, 0.52, 0.5, 0.51, 0.5, 0.5]}
    write_run(tmp_path, finals, baselines=("relu(x)", "gelu(x)"))
    board = _board(tmp_path)
    found = dataclasses.replace(
        board.entries[0], fingerprint="f" * 16, expression="sin(x)", names=(), baseline=False, proposed=True,
        records={SEARCH: next(iter(board.entries[0].records.values()))}, against={}, standing="",
    )  # fmt: skip
    board = dataclasses.replace(board, entries=[*board.entries, found])
    said = sentences(verdict_of(board), board, "RUN")
    assert "of 1 function that the search tried none was trained at full length" in said
