"""Lists fit their page, say what is wanted of them, and take no program for a condition."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from actsearch.search.command_line import main
from actsearch.search.memory.store import Store
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.show.frames import frame
from actsearch.search.show.listing import BadChoice, Choice, chosen, table
from tests.search.made_runs import make_run

GOLDEN = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("listed") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        make_run(directory, patch)
    return directory


@pytest.fixture(scope="module")
def board(run: Path) -> Leaderboard:
    with Store(run) as store:
        return leaderboard(store)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_list_is_as_wide_as_its_terminal_at_most(width: int, board: Leaderboard) -> None:
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None, legacy_windows=False)
    console.print(table(frame(board), Choice(count=8), board, width))
    found = console.file.getvalue()  # type: ignore[attr-defined]  # of a StringIO
    lines = [line.rstrip() for line in found.splitlines()]
    assert max(map(cell_len, lines)) <= width
    assert "\n".join(lines) + "\n" == (GOLDEN / f"list_{width}.txt").read_text(encoding="utf-8")


def test_in_a_pipe_nothing_is_dropped_or_drawn(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["top", str(run)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("use Swish, a known function: 0.")
    head = next(line for line in lines if line.startswith(" #"))
    assert all(
        name in head for name in ("standing", "formula", "loss", "against ReLU", "p", "cost", "size", "seeds", "id")
    )
    assert not any(sign in "".join(lines) for sign in "─│┃━")


def test_every_form_has_the_same_numbers(run: Path, board: Leaderboard, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {}
    for form in ("--json", "--csv", "--markdown", "--latex"):
        main(["top", str(run), "-n", "3", form])
        answers[form] = capsys.readouterr().out
    entries = json.loads(answers["--json"])["entries"]
    rows = list(csv.DictReader(io.StringIO(answers["--csv"])))
    assert [row["expression"] for row in rows] == [entry["expression"] for entry in entries]
    assert [float(row["score"]) for row in rows] == [entry.mean() for entry in board.entries[:3]]
    assert "| x·σ(βx) |" in answers["--markdown"]
    assert r"$x \sigma{\left(\beta x \right)}$" in answers["--latex"]
    assert r"50.0\%" in answers["--latex"]


def test_conditions_orders_and_columns_choose(board: Leaderboard) -> None:
    rows = frame(board)
    few = chosen(rows, Choice(where="size <= 2 and not baseline or loss < 0.9", count=None))
    expected = rows[((rows["size"] <= 2) & ~rows.baseline) | (rows.score < 0.9)]
    assert list(few.position) == list(expected.position)
    ordered = chosen(rows, Choice(sort="-size", count=5))
    assert list(ordered["size"]) == sorted(rows["size"].dropna(), reverse=True)[:5]
    best = chosen(rows, Choice(pareto=("loss", "cost"), count=None))
    for one in rows[["score", "cost"]].dropna().itertuples(index=False):
        dominated = any(
            a <= one.score and b <= one.cost and (a, b) != (one.score, one.cost)
            for a, b in zip(best.score, best.cost, strict=True)
        )
        assert dominated or ((best.score == one.score) & (best.cost == one.cost)).any()


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(where="__import__('os').system('true')"), "expected columns, numbers, comparisons"),
        (Choice(where="expression.str.len() > 3"), "expected columns, numbers"),
        (Choice(where="loss <"), "no condition"),
        (Choice(where="lose < 1"), "did you mean"), (Choice(where="@loss < 1"), "no condition"),
        (Choice(where="[x for x in loss]"), "expected columns"), (Choice(where="name > 3"), "cannot be compared"),
        (Choice(where="expression > 3"), "cannot be compared"), (Choice(sort="sizes"), "did you mean 'size'"),
        (Choice(pareto=("loss", "price")), "unknown column 'price'"),
        (Choice(where="1/0 < loss"), "cannot be compared"),
        (Choice(pareto=("known_as", "loss")), "no column of numbers"),
        (Choice(where="loss := 3"), "no condition|expected"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_is_said_in_a_sentence(choice: Choice, said: str, board: Leaderboard) -> None:
    with pytest.raises(BadChoice, match=said):
        chosen(frame(board), choice)


def test_everything_that_was_tried_is_listed_with_its_reason(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["top", str(run), "--all"])
    out = capsys.readouterr().out
    with Store(run) as store:
        tried = {key.fingerprint for key in store.outcomes()}
    assert sum(line.lstrip()[:1].isdigit() for line in out.splitlines()) == len(tried)
    assert "rejected: " in out


def test_runs_and_their_states_are_listed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = run.parent / "broken"
    broken.mkdir()
    (broken / "run.sqlite").write_bytes(b"no store")
    main(["runs", str(run.parent)])
    out = capsys.readouterr().out
    assert "mine" in out
    assert "finished" in out
    assert "is not a run's store" in out
    main(["status", str(run), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "finished"
    assert found["trained"]["search"] == found["wanted"]["search"] + found["refused"].get("nothing", 0)
    main(["status", str(run)])
    assert f"{run}: finished" in capsys.readouterr().out
    (broken / "run.sqlite").unlink()


def test_candidates_are_compared_two_by_two(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", str(run), "swish", "relu", "tanh"])
    assert capsys.readouterr().out.count("cannot be told apart") == 3  # by Holm, and tanh left the race with two seeds
    main(["compare", str(run), "swish", "relu"])
    assert "swish is better" in capsys.readouterr().out
    main(["compare", str(run), "swish", "relu", "--json"])
    (pair,) = json.loads(capsys.readouterr().out)
    assert pair["paired"]
    assert pair["p_value"] <= 0.05
    with pytest.raises(SystemExit) as stopped:
        main(["compare", str(run), "swish"])
    assert stopped.value.code == 2


def test_a_card_shows_the_function_and_where_it_stands(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", str(run), "swish"])
    out = capsys.readouterr().out
    assert "f(x) = x·σ(βx)" in out
    assert "⠀" in out or "⡠" in out
    assert "beside it in the list: " in out
    main(["show", str(run), "x·σ(βx)"])
    assert capsys.readouterr().out == out


def test_the_front_of_accuracies_is_of_high_ones(board: Leaderboard) -> None:
    rows = frame(board).assign(accuracy=[n / 100 for n in range(len(board.entries))])
    best = chosen(rows, Choice(pareto=("accuracy", "accuracy"), count=None))
    assert list(best.accuracy) == [rows.accuracy.max()]


def test_where_more_is_better_the_front_is_of_high_scores(board: Leaderboard) -> None:
    rows = frame(board)
    rows.attrs["sign"] = -1
    assert list(chosen(rows, Choice(pareto=("loss",), count=None)).score) == [rows.score.max()]


def test_a_list_without_rows_is_a_list(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("--markdown", "--latex", "--csv"):
        main(["top", str(run), "--where", "loss < 0", form])
        assert capsys.readouterr().out.strip()


def test_a_list_needs_no_torch(run: Path) -> None:
    program = (
        "import sys\nfrom actsearch.search.command_line import main\n"
        "main(['top', sys.argv[1]])\nprint({'torch', 'scipy.stats', 'ray', 'sympy'} & {*sys.modules})"
    )
    told = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True, check=True)
    assert told.stdout.rstrip().endswith("set()")
