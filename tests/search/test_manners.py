"""What people see of a run at work: short reprs, figures that are kept, estimates that know what else runs."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

import actsearch
from actsearch.search.memory.records import ASKED
from actsearch.search.memory.store import Store
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.show.display import print_line
from actsearch.search.show.frames import frame
from actsearch.search.show.listing import Choice, cells, fitted, table
from actsearch.search.speed import busy
from tests.search.made_runs import make_run, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> actsearch.Run:
    directory = tmp_path_factory.mktemp("manners") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        make_run(directory, patch)
    return actsearch.open_run(directory)


def test_what_is_typed_in_a_notebook_is_short(run: actsearch.Run) -> None:
    things = [run, run.board, run.entries[0], run.plot("cost"), actsearch.read("gelu"), actsearch.read("rrelu"),
              actsearch.read("x*sigmoid(x)").as_expression(), actsearch.Vocabulary()]  # fmt: skip
    assert all(len(repr(thing)) < 800 for thing in things)
    assert repr(actsearch.read("gelu")) == "Activation('gelu(x)')"
    assert repr(actsearch.read("tanh").as_expression()) == "Expression('tanh(x)')"
    assert "mine'): 1 Swish" in repr(run)
    assert run.verdict[0] in repr(run)


def test_a_figure_is_saved_as_svg_or_as_a_page(run: actsearch.Run, tmp_path: Path) -> None:
    figure = run.plot("cost")
    drawn = figure.save(tmp_path / "cost.svg")
    root = ElementTree.parse(drawn).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert figure.save(str(tmp_path / "cost.html")).read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("load", "workers", "cores", "times"), [(1.0, 2, 2, 1.0), (0.1, 1, 2, 1.0), (5.0, 2, 2, 3.0), (3.0, 2, 8, 1.0)]
)
def test_an_estimate_knows_what_else_runs(load: float, workers: int, cores: int, times: float) -> None:
    assert busy(load, workers, cores) == times


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_number_is_cut_in_any_width_and_known_functions_are_told_from_finds(
    width: int, run: actsearch.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = frame(run.board).head(6)
    columns = cells(rows, run.board)
    names = fitted(columns, [name for name in columns if name in {"position", "standing", "formula", "score"}], width)
    assert {"position", "standing", "formula", "score"} == {*names}
    console = Console(width=width, force_terminal=True, color_system=None)
    console.print(table(frame(run.board), Choice(count=6), run.board, width))
    shown = capsys.readouterr().out
    assert all(text in shown for text in columns["score"])
    assert "swish" in shown
    assert "relu" in shown


LIVING = """
import sys, threading, time
from actsearch.search import command_line
sys.argv = ["actsearch", "evaluate", "relu", "--seeds=1", "--pool=serial", "--set=task.name=own",
            f"--set=task.own.score={sys.argv[1]}:score"]
command_line.program()
"""


def test_the_command_ends_though_a_training_left_living_threads(tmp_path: Path) -> None:
    path = tmp_path / "threads.py"
    path.write_text(
        "import threading, time\n"
        "def score(make, seed, budget):\n"
        "    for _ in range(20):\n        threading.Thread(target=time.sleep, args=(3600,)).start()\n"
        "    return 1.0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", LIVING, str(path)], capture_output=True, text=True, timeout=120, env=dict(os.environ),
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "relu" in done.stdout
    assert "threads that a training left are ended" in done.stderr


def test_a_next_step_that_searches_on_can_be_pasted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    write_run(tmp_path, {"relu(x)": [0.1, 0.12, 0.11, 0.13], "sin(x)": [0.2, 0.25, 0.3, 0.22]})
    with Store(tmp_path, create=True) as store:
        store.describe({ASKED: "c.yaml --set seed=3"})
        board = leaderboard(store)
    last = sentences(verdict_of(board), board, "runs/a")[-1]
    assert last.endswith("actsearch search c.yaml --set seed=3 --run runs/a --extend budget.children=0")


@pytest.mark.parametrize("program", ["actsearch", "/home/somebody/.venv/bin/actsearch", "'/a b/actsearch'"])
def test_a_command_behind_a_sentence_is_one_line_that_a_shell_takes(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = Console(width=40, force_terminal=True, color_system=None)
    monkeypatch.setattr("actsearch.search.show.display.console", lambda: narrow)
    command = f"{program} search configs/quickstart.yaml --run runs/other --extend budget.children=600"
    print_line(f"more seeds would hardly change it; more children might: {command}")
    *sentence, printed = capsys.readouterr().out.splitlines()
    assert printed == command
    assert all(len(line) <= 40 for line in sentence)
