"""A store that somebody or something damaged is one sentence, hides no other run, and loses as little as can be."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import actsearch
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.command_line import main
from actsearch.search.memory import file as files
from actsearch.search.memory.locks import Held, held, is_held
from actsearch.search.memory.records import SEARCH, Key, Record, Rung
from actsearch.search.memory.store import FILE_NAME, Store, StoreError
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.states import runs_in, state_of
from tests.search.made_runs import edited, make_run
from tests.search.test_store import FIRST, PROPOSAL, SECOND

FLIPS = 150
RUNG = Rung(SEARCH, resolve(TaskSettings()).settings, 1, test=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("damage") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        make_run(directory, patch)
    return directory


def _everything(directory: Path) -> tuple[object, ...]:
    with Store(directory) as store:
        board = leaderboard(store)
        return (
            board,
            store.facts(),
            store.updates(),
            store.proposals(),
            store.proposer_state(),
            state_of(directory).trained,
        )


def test_a_bit_that_flipped_changes_nothing_or_is_one_sentence(run: Path, tmp_path: Path) -> None:
    whole, draw = (run / FILE_NAME).read_bytes(), random.Random(3)
    expected, told = _everything(run), 0
    directory = tmp_path / "flipped"
    directory.mkdir()
    for _ in range(FLIPS):
        place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= bit
        (directory / FILE_NAME).write_bytes(flipped)
        try:
            found = _everything(directory)
        except StoreError:
            told += 1
        else:
            assert found == expected, f"byte {place}, bit {bit}"
    assert told > FLIPS / 2


@pytest.mark.parametrize("command", ["top", "show", "status", "report", "rungs", "export"])
def test_every_command_says_a_damaged_store_in_a_sentence(
    command: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "mine")
    with sqlite3.connect(tmp_path / "mine" / FILE_NAME) as connection:
        connection.execute("UPDATE outcomes SET score = score / 2 WHERE rung = 'final'")  # without a new digest
    connection.close()
    further = {"show": ["1"], "export": ["1", "-o", "a.py"], "report": ["-o", "a.html"]}.get(command, [])
    with pytest.raises(SystemExit) as stopped:
        main([command, "mine", *further])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "is damaged: a row of outcomes" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE run SET value = 'yesterday' WHERE key = 'finished'",
        "UPDATE run SET value = '{' WHERE key = 'settings'",
        "UPDATE run SET value = '[1, 2]' WHERE key = 'settings'",
        "UPDATE outcomes SET finished = 'yesterday'",
        "UPDATE outcomes SET status = 'happy'",
        "UPDATE outcomes SET metrics = '[]'",
        "UPDATE rungs SET task = '{}'",
        "DROP TABLE costs",
        "DROP TABLE outcomes",
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_one_bad_run_hides_no_other(
    damage: str, sealed: bool, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "bad"):
        shutil.copytree(run, tmp_path / name)
    if sealed and "DROP" not in damage:
        with edited(tmp_path / "bad") as connection:
            connection.execute(damage)
    else:
        with sqlite3.connect(tmp_path / "bad" / FILE_NAME) as connection:
            connection.execute(damage)
        connection.close()
    main(["runs", str(tmp_path)])
    listed = capsys.readouterr().out
    assert "good" in listed
    assert "bad" in listed
    states = {state.directory.name: state.state for state in runs_in(tmp_path)}
    assert states["good"] == "finished"
    assert "damaged" in states["bad"] or states["bad"] == "finished" or "cannot be read here" in states["bad"]


def _writer(directory: Path, say: object = None) -> Store:
    store = Store(directory, create=True, say=say or (lambda sentence: None))  # type: ignore[arg-type]
    store.add_rungs([RUNG])
    store.add_baselines([FIRST])
    store.add_proposals([SECOND], [PROPOSAL], b"one")
    return store


def _keep(store: Store, repeat: int) -> None:
    outcome = Outcome(Status.SCORED, 0.5 + repeat, metrics={"a": 1.0})
    store.add_outcome(Record(Key("f1", SEARCH, repeat), Request("add(x,neg(x))", repeat, 3), outcome))


@pytest.mark.parametrize("gone", ["deleted", "replaced"])
def test_a_store_that_is_taken_away_while_it_is_written_is_said_at_once_and_rescued(gone: str, tmp_path: Path) -> None:
    with _writer(tmp_path) as store:
        _keep(store, 0)
        (tmp_path / FILE_NAME).unlink()
        if gone == "replaced":
            (tmp_path / FILE_NAME).write_text("somebody else's")
        with pytest.raises(
            StoreError, match=rf"was {gone} while the search wrote it; all that it held is in '.*rescued"
        ):
            _keep(store, 1)
    (tmp_path / "run.rescued.sqlite").replace(tmp_path / FILE_NAME)
    for further in ("-wal", "-shm"):
        (tmp_path / f"{FILE_NAME}{further}").unlink(missing_ok=True)
    with Store(tmp_path, create=True) as store:
        assert [key.repeat for key in store.outcomes()] == [0]
        _keep(store, 1)


def test_a_lock_of_another_program_is_waited_for_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAIT", 0.1)
    said: list[str] = []
    with _writer(tmp_path, said.append) as store:
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            while not said:
                time.sleep(0.01)
            other.execute("ROLLBACK")

        thread = threading.Thread(target=let_go)
        thread.start()
        _keep(store, 0)
        thread.join()
        assert len(store.outcomes()) == 1
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(files, "PATIENCE", 2)
        with pytest.raises(StoreError, match=r"is held by another program for .* all that was kept is whole"):
            _keep(store, 1)
        other.close()
    assert "holds" in said[0]
    assert "locked; waiting" in said[0]


def test_a_full_disk_is_one_sentence_and_what_was_kept_stays(tmp_path: Path) -> None:
    with _writer(tmp_path) as store:
        _keep(store, 0)
        store._file._connection.execute("PRAGMA max_page_count = 1")  # as small as it is
        with contextlib.suppress(StoreError):
            for repeat in range(1, 2000):
                _keep(store, repeat)
        with pytest.raises(StoreError, match="cannot be written here: database or disk is full"):
            _keep(store, 2000)
    with Store(tmp_path) as store:
        assert len(store.outcomes()) >= 1


def test_a_copy_is_kept_and_named_when_the_store_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "COPIED_EVERY", 0.0)
    store = _writer(tmp_path)
    _keep(store, 0)
    copy = tmp_path / "run.copy.sqlite"
    shutil.copy(copy, tmp_path / "kept")
    store.close()
    assert not copy.exists()  # of a store that was closed in good order
    (tmp_path / "kept").replace(copy)
    broken = bytearray((tmp_path / FILE_NAME).read_bytes())
    broken[4096:8192] = bytes(4096)
    (tmp_path / FILE_NAME).write_bytes(broken)
    with pytest.raises(StoreError, match=r"is damaged: .*run.copy.sqlite' is a copy of \d{4}-"):
        Store(tmp_path)
    copy.replace(tmp_path / FILE_NAME)
    with Store(tmp_path) as opened:
        assert len(opened.outcomes()) == 1


def test_a_reader_of_a_finished_run_leaves_nothing_behind(run: Path) -> None:
    before = sorted(path.name for path in run.iterdir())
    with Store(run) as store:
        store.outcomes()
    assert sorted(path.name for path in run.iterdir()) == before
    assert not [name for name in before if name.endswith(("-wal", "-shm"))]


def test_who_looks_whether_a_run_is_held_never_stands_in_a_drivers_way(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    path.touch()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            is_held(path)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(2000):
            with held(path):
                pass
    finally:
        stop.set()
        looker.join()
    with held(path):
        assert is_held(path)
        with pytest.raises(Held), held(path):
            pass
        assert is_held(path)  # a second look lets go of nothing


FORKS = """
import os, pathlib, sys, time
from actsearch.search.memory.locks import held
with held(pathlib.Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        time.sleep(120)
        os._exit(0)
    time.sleep(120)
"""


def test_a_child_that_was_forked_keeps_no_lock_of_a_parent_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", FORKS, str(path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert is_held(path)
            parent.kill()
            parent.wait()
            assert not is_held(path)
            with held(path):
                pass
        finally:
            os.kill(child, 9)


def test_a_backup_that_the_same_process_makes_lets_go_of_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    path.parent.mkdir()
    asks = (
        "import pathlib, sys; from actsearch.search.memory.locks import is_held; "
        "sys.exit(not is_held(pathlib.Path(sys.argv[1])))"
    )
    with held(path):
        shutil.copytree(path.parent, tmp_path / "backup")
        assert subprocess.run([sys.executable, "-c", asks, str(path)], check=False).returncode == 0


def _record(score: float, place: int = 0) -> Record:
    request = Request("relu(x)", place, 1)
    return Record(
        Key(FIRST.fingerprint, SEARCH, place), request, Outcome(Status.SCORED, score=score, metrics={"loss": score})
    )


@pytest.mark.parametrize("score", [-0.0, 0.0, 1e-320, -1e300, 3.0])
def test_every_score_is_read_as_it_was_written(score: float, tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.add_rungs([RUNG])
        store.add_baselines([FIRST])
        store.add_outcome(_record(score))
    with Store(tmp_path) as store:
        (record,) = store.outcomes().values()
    assert record.outcome.score == score


def test_who_finds_its_store_replaced_takes_nothing_from_the_new_one(tmp_path: Path) -> None:
    old = Store(tmp_path / "run", create=True)
    (tmp_path / "run" / FILE_NAME).rename(tmp_path / "away.sqlite")
    for beside in ("-wal", "-shm"):
        (tmp_path / "run" / f"{FILE_NAME}{beside}").unlink(missing_ok=True)
    new = Store(tmp_path / "run", create=True)
    new.describe({"settings": "{}"})
    with pytest.raises(StoreError, match="was replaced"):
        old.describe({"settings": "old"})
    old.close()
    assert (tmp_path / "run" / f"{FILE_NAME}-wal").stat().st_size > 0, "what the new driver wrote is there alone"
    with Store(tmp_path / "run") as reader:
        assert reader.fact("settings") == "{}"
    new.close()


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_copy_stays_where_the_file_is_no_longer_whole(
    is_noticed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actsearch.search.memory.file.COPIED_EVERY", -1.0)
    said: list[str] = []
    store = Store(tmp_path, create=True, say=said.append)
    store.describe({"settings": "{}"})
    assert (tmp_path / files.COPY_NAME).is_file()
    path = tmp_path / FILE_NAME
    if is_noticed:
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)
        with (tmp_path / f"{FILE_NAME}-wal").open("r+b") as file:
            file.truncate(0)
        with contextlib.suppress(StoreError):
            store.describe({"seed": "1"})
            store.outcomes()
    else:
        with (tmp_path / f"{FILE_NAME}-wal").open("r+b") as file:
            file.truncate(0)
    store.close()
    try:
        with Store(tmp_path) as again:
            whole = again.fact("settings") == "{}"
    except StoreError:
        whole = False
    assert whole or (tmp_path / files.COPY_NAME).is_file()


@pytest.mark.parametrize("damage", ["deleted", "replaced"])
def test_a_store_that_goes_while_a_loop_of_the_users_trains_is_one_sentence_there(damage: str, tmp_path: Path) -> None:
    small = ("ladder=[]", "proposer.name=random", "baselines=[relu]")
    with torch.random.fork_rng(devices=[]):
        trials = actsearch.Study(tmp_path / "run", children=3, changes=small).trials()
        next(trials).done(validation=1.0)
        path = tmp_path / "run" / FILE_NAME
        path.unlink()
        if damage == "replaced":
            path.write_bytes(b"")
        with pytest.raises(StoreError, match=f"'{path}' was {damage} .* all that it held is in"):
            next(trials)


def test_names_of_metrics_that_no_file_can_hold_are_kept_as_codes() -> None:
    outcome = Outcome(Status.SCORED, 0.5, metrics={"f1 \udcff": 1.0, "a\u202eb": 2.0, "\x1b[31m": 3.0})
    assert "".join(outcome.metrics).isprintable()
    assert "".join(outcome.metrics).encode("utf-8")
    assert Outcome(Status.SCORED, 0.5, metrics=outcome.metrics) == outcome
