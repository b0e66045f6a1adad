"""What reaches a terminal or a program: JSON alone, nothing that a terminal obeys, and a code that tells the truth."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from actsearch.evaluators.outcome import Outcome, Status
from actsearch.evaluators.printable import LONGEST, printable
from actsearch.search.command_line import main
from tests.search.made_runs import edited
from tests.test_tiny import TINY

ESCAPE = "\x1b[31m\x07\x9b2J\u202e\u200b\r\n"
FAILS = "def score(make, seed, budget):\n    raise RuntimeError('out of \\x1b[31m order')\n"
PRINTS = (
    "import os\nprint('imported')\ndef score(make, seed, budget):\n"
    "    print('training')\n    os.system('echo from a shell')\n    os.write(1, b'raw')\n    return 1.5\n"
)


def _own(path: Path, source: str) -> list[str]:
    path.write_text(source)
    return ["--pool", "serial", "--set=task.name=own", f"--set=task.own.score={path}:score", "--seeds", "2"]


def test_what_a_terminal_would_obey_is_printed_as_a_code() -> None:
    shown = printable(f"a{ESCAPE}b ü λ")
    assert shown == r"a\x1b[31m\x07\x9b2J\u202e\u200b\r\nb ü λ"
    assert shown.isprintable()


def test_a_reason_is_printable_and_no_longer_than_anybody_reads() -> None:
    reason = Outcome(Status.CRASHED, reason=ESCAPE + "x" * 2_000_000).reason
    assert reason.isprintable()
    assert LONGEST <= len(reason) < 2 * LONGEST
    assert reason.endswith(f"({len(ESCAPE) + 2_000_000} characters)")
    assert Outcome(Status.CRASHED, reason=reason).reason == reason  # read back from a store


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose store was written by somebody who wishes the reader no good."""
    run = tmp_path_factory.mktemp("hostile") / "run"
    main(["search", "configs/quickstart.yaml", "--run", str(run), *TINY])
    with edited(run) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE behaviours SET expression = expression || ? WHERE baseline = 0", (ESCAPE,))
        connection.execute("UPDATE outcomes SET reason = ?, status = 'crashed', score = NULL", (ESCAPE,))
        connection.execute("UPDATE outcomes SET rung = rung || ?", (ESCAPE,))
        connection.execute("UPDATE rungs SET name = name || ?", (ESCAPE,))
        connection.execute("UPDATE proposals SET expression = expression || ?", (ESCAPE,))
    return run


@pytest.mark.parametrize(
    "words",
    [["top", "RUN"], ["top", "RUN", "--json"], ["show", "RUN", "1"], ["show", "RUN", "relu"], ["rungs", "RUN"],
     ["export", "RUN", "1", "-o", "a.py"], ["show", "RUN", ESCAPE], ["top", f"RUN{ESCAPE}"], [f"top{ESCAPE}"],
     ["describe", f"relu(x{ESCAPE})"], ["top", "RUN", f"--{ESCAPE}"], ["top", "RUN", "-n", ESCAPE]],
    ids=lambda words: words[0][:8],
)  # fmt: skip
def test_no_command_prints_what_a_terminal_would_obey(
    words: list[str], hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(SystemExit):
        main([word.replace("RUN", str(hostile)) for word in words])
    said = "".join(capsys.readouterr())
    assert said
    assert not [letter for letter in said if not letter.isprintable() and letter != "\n"]


def test_where_nothing_has_a_score_the_command_fails_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ending:
        main(["evaluate", "relu", "gelu", *_own(tmp_path / "fails.py", FAILS)])
    assert ending.value.code == 1
    said = capsys.readouterr()
    assert (
        "not one of 4 trainings has a score; 4 times the reason was: RuntimeError: out of \\x1b[31m order" in said.err
    )
    words = ["--set=task.name=own", f"--set=task.own.score={tmp_path / 'fails.py'}:score"]
    with pytest.raises(SystemExit) as ending:
        main(["search", "configs/quickstart.yaml", "--run", str(tmp_path / "run"), *TINY, *words])
    assert ending.value.code == 1
    assert "trainings has a score" in capsys.readouterr().err


def test_where_most_functions_have_no_score_the_command_fails_behind_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = "def score(make, seed, budget):\n    return 1.0 if float(make()(ONE)) > 0.8 else float('nan')\n"
    some = "import torch\nONE = torch.ones(1, 1)\n" + some
    words = _own(tmp_path / "some.py", some)
    main(["evaluate", "relu", "gelu", "sin(x)", *words])
    with pytest.raises(SystemExit) as ending:
        main(["evaluate", "relu", "tanh", "sigmoid", *words])
    assert ending.value.code == 1
    said = capsys.readouterr()
    assert "relu" in said.out
    assert "2 of 3 functions have no score with any seed" in said.err


def test_where_one_of_them_has_a_score_it_is_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half = "def score(make, seed, budget):\n    return 1.0 if seed % 2 else float('nan')\n"
    main(["evaluate", "relu", "--seeds", "8", *_own(tmp_path / "half.py", half)[:-2], "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert {score is None for score in row["scores"]} == {True, False}


@pytest.mark.parametrize("pool", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
def test_stdout_holds_the_json_alone_whatever_the_training_prints_or_kills(pool: str, tmp_path: Path) -> None:
    source = PRINTS
    if pool == "ray":
        source = PRINTS.replace("    return 1.5", "    os._exit(9) if seed % 2 else 0\n    return 1.5")
    words = ["evaluate", "relu", "tanh", *_own(tmp_path / "prints.py", source), "--json"]
    words[words.index("serial")] = pool
    program = (
        "import actsearch.evaluators.pools.pool as pool; pool.PAUSES = (0.0,); pool.LONE_DEATHS = 1; "
        "from actsearch.search.command_line import main; main()"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    rows = json.loads(answer.stdout)
    assert [row["expression"] for row in rows] == ["relu", "tanh"]
    assert ("from a shell" in answer.stderr) == (pool == "serial")


def test_json_can_be_piped_into_a_program_that_reads_to_the_end() -> None:
    program = "from actsearch.search.command_line import main; main()"
    answer = subprocess.run(
        [sys.executable, "-c", program, "tasks", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(answer.stdout)
