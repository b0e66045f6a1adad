"""The command as a person meets it: wrong input is one sentence and exit code 2."""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actsearch.evaluators.activation import BASELINES
from actsearch.evaluators.registry import TASKS
from actsearch.grammar.rows.known import KNOWN
from actsearch.search.command_line import main
from actsearch.search.commands.shared import called
from actsearch.search.memory.store import Store
from actsearch.search.run import Search
from tests.test_tiny import TINY

RUN = ["--set=pool.kind=serial", "--set=task.steps=2"]
SMALL = ["--task=digits", "--seeds=1", "--steps=2", "--pool=serial"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["search", "configs/none.yaml"], "cannot read the config"),
        (
            ["search", "configs/quickstart.yaml", "--set", "task.stes=1"],
            "unknown key 'task.stes'; did you mean 'steps'?",
        ),
        (["top", "nowhere"], "'nowhere' holds no run"),
        (["show", "nowhere", "1"], "'nowhere' holds no run"),
        (["export", "nowhere", "1", "-o", "x.py"], "'nowhere' holds no run"),
        (["evaluate", "mul(x,sigmod(x))"], "did you mean 'sigmoid'?"),
        (["evaluate", "relu", "--task", "mnist"], "key 'task.name': unknown task 'mnist'; did you mean 'mnist1d'?"),
        (["evaluate"], "name EXPRESSIONS or --baselines"),
        (
            ["evaluate", "relu", "--task", "cifar10"],
            "key 'task.directory': expected the directory of the Python version",
        ),
        (["evaluate", "relu", "--task", "fashion_mnist", "--set", "task.directory=nowhere"], "'nowhere' is not one"),
        (
            ["evaluate", "relu", "--task", "text", "--set", "task.directory=nowhere"],
            "the text 'nowhere' cannot be read",
        ),
        (["evaluate", "relu", "--task", "own"], "key 'task.own': the task 'own'"),
        (["evaluate", "relu", "--baselines", "reluu"], "did you mean 'relu'?"),
        (["evaluate", "relu", "--set", "task.augment=true"], "key 'task.augment': only images can be shifted"),
        (["evaluate", "relu", "--set", "task.own.score=a:b"], "'mnist1d' contradicts 'a:b' of task.own"),
        (["evaluate", "relu", "--task", "digits", "--set", "task.kernel=native"], "key 'task.kernel': only the 1-D"),
        (["evaluate", "relu", "--set", "task.kernel=native", "--set", "task.batch=20"], "found 20, 8 and 40"),
        (["evaluate", "relu", "--set", "task.init=hee"], "key 'task.init': expected"),
        (["evaluate", "relu", "--set", "task.batch=1"], "key 'task.batch': at least 2 examples are needed, found 1"),
        (["evaluate", "relu", "--seeds", "0"], "0 is not in the range"),
        (["tip"], "No such command 'tip'"),
        (["search", "configs/quickstart.yaml", "--run", ""], "expected a path, found an empty text"),
        (["search", "configs/quickstart.yaml", "--run", "README.md"], "'README.md' is a file; expected a directory"),
        (["search", "configs/quickstart.yaml", "--run", "/proc/foo"], "'/proc/foo': No such file or directory"),
        (["evaluate", "--baselines", "all,reluu"], "unknown name 'reluu', did you mean 'relu'?"),
        (["describe", "maxout"], "'maxout' is a layer, no function of one number"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert sentence in printed.err
    assert "Traceback" not in printed.err


def test_the_next_commands_are_written_so_that_they_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/actsearch"])
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert called() == ".venv/bin/actsearch"
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/actsearch")
    assert called() == "actsearch"


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        main(["top", "nowhere", "--debug"])


def test_a_fault_of_ours_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("actsearch.search.ranking.leaderboard.leaderboard", lambda _, **__: 1 / 0)
    monkeypatch.setattr("actsearch.search.memory.store.Store", lambda _: contextlib.nullcontext())
    with pytest.raises(SystemExit) as exit_:
        main(["top", "anywhere"])
    assert exit_.value.code == 1
    assert "a fault of actsearch itself: ZeroDivisionError" in capsys.readouterr().err


def test_an_interrupted_search_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: Search) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "core", interrupt)
    with pytest.raises(SystemExit) as exit_:
        main(["search", "configs/quickstart.yaml", "--run", str(tmp_path), *RUN])
    assert exit_.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_first_ctrl_c_may_be_swallowed_and_one_more_at_the_end_disturbs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swallow(_: Search) -> None:
        with contextlib.suppress(KeyboardInterrupt):  # as a library does that calls back
            signal.raise_signal(signal.SIGINT)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as interrupted:  # and then says it in its own way
            raise ConnectionError("the workers are gone") from interrupted

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Search, "core", swallow)
    try:
        with pytest.raises(SystemExit) as exit_:
            main(["search", "configs/quickstart.yaml", "--run", str(tmp_path), *RUN])
        signal.raise_signal(signal.SIGINT)  # while the process ends
    finally:
        signal.signal(signal.SIGINT, before)
    assert exit_.value.code == 130
    assert capsys.readouterr().err.count("the same command goes on") == 1


def test_evaluate_scores_known_names_and_expressions(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "evaluate",
        "silu",
        "mul(x,sigmoid(x))",
        "exp(exp(exp(square(x))))",
        "--seeds=2",
        "--steps=3",
        "--pool=serial",
    ]
    main([*words, "--json"])
    silu, same, broken = json.loads(capsys.readouterr().out)
    assert silu["scores"] == same["scores"]
    assert len(set(silu["scores"])) == 2
    assert silu["loss"] == pytest.approx(sum(silu["scores"]) / 2)
    assert (broken["loss"], broken["scores"]) == (None, [None, None])
    assert "not finite" in broken["reasons"][0]
    main(words)
    assert "silu" in capsys.readouterr().out


def test_a_run_without_outcomes_says_to_look_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path, create=True).close()
    main(["top", str(tmp_path)])
    assert "nothing was trained yet" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["launch_search", "show_candidates", "export_activation"])
def test_the_scripts_are_doors_to_the_same_commands(script: str) -> None:
    answer = subprocess.run(
        [sys.executable, f"scripts/{script}.py", "--help"], capture_output=True, text=True, check=True
    )
    assert "Usage: actsearch" in answer.stdout


def test_no_known_name_is_also_a_rank_or_an_id() -> None:
    assert not any(name.isdecimal() for name in KNOWN)


def test_every_task_is_listed_with_what_it_is_good_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(TASKS)
    assert all(row["purpose"] and row["steps"] > 0 for row in rows)
    main(["tasks"])
    assert "ResNet-20" in capsys.readouterr().out


def test_baselines_are_scored_by_name_beside_expressions(capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "sin(x)", "--baselines", "relu, maxout", *SMALL, "--json"])
    assert [row["expression"] for row in json.loads(capsys.readouterr().out)] == ["sin(x)", "relu", "maxout"]
    main(["evaluate", "--baselines", "all", *SMALL, "--json"])
    assert [row["expression"] for row in json.loads(capsys.readouterr().out)] == list(BASELINES)


def test_a_candidate_is_shown_with_how_its_layers_fared_and_a_layer_cannot_be_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*TINY, "--set=baselines=[relu, maxout]"]
    main(["search", "configs/quickstart.yaml", "--run", str(tmp_path / "run"), *words])
    main(["show", str(tmp_path / "run"), "relu"])
    printed = capsys.readouterr().out
    assert "dead share" in printed
    assert "gradient norm by weight" in printed
    main(["show", str(tmp_path / "run"), "maxout"])
    assert "f(x) = max(w1.x + b1, w2.x + b2) over all channels" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["export", str(tmp_path / "run"), "maxout", "-o", str(tmp_path / "a.py")])
    assert "'maxout' is a layer, no function of one number" in capsys.readouterr().err
