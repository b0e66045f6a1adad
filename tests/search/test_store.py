"""The store: whole after every step, readable while written, clear about files that are none."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from actsearch.evaluators.outcome import Cost, Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.search.ladder import transfer_rung
from actsearch.search.memory.records import SEARCH, Behaviour, Key, Record, Rung, StoredProposal
from actsearch.search.memory.schema import SCHEMA_VERSION
from actsearch.search.memory.store import FILE_NAME, Store, StoreError

PROPOSAL = StoredProposal(1, (0, 0, 1, 2, 30), "add(x,neg(x))", "f1")
RUNG = Rung(SEARCH, resolve(TaskSettings()).settings, 1, test=False)
FIRST, SECOND = Behaviour("f0", "relu(x)", True, "t0", "f0"), Behaviour("f1", "add(x,neg(x))", False, "t1", "f1")
RECORD = Record(Key("f1", SEARCH, 0), Request("add(x,neg(x))", 5, 3), Outcome(Status.SCORED, 0.5, metrics={"a": 1.0}))


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.describe({"settings": "{}"})
        store.add_baselines([FIRST])
        store.add_rungs([RUNG])
        store.add_proposals([SECOND, SECOND], [PROPOSAL, PROPOSAL], b"one")
        store.add_outcome(RECORD)
        store.add_update(1, {"reward_mean": 0.5}, b"two")
    with Store(tmp_path) as store:
        assert store.proposals() == [PROPOSAL, PROPOSAL]
        assert store.outcomes() == {RECORD.key: RECORD}
        assert store.behaviours() == [FIRST, SECOND]
        assert store.proposer_state() == b"two"
        assert store.updates() == {1: {"reward_mean": 0.5}}
        assert store.fact("settings") == "{}"
        assert store.fact("nothing") is None


def test_a_fact_once_kept_is_never_changed(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.describe({"commit": "old"})
        store.describe({"commit": "new"})
        assert store.fact("commit") == "old"


def test_a_reader_sees_every_outcome_while_the_writer_is_at_work(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as writer:
        writer.add_rungs([RUNG])
        writer.add_proposals([SECOND], [PROPOSAL], b"")
        with Store(tmp_path) as reader:
            assert reader.outcomes() == {}
            writer.add_outcome(RECORD)
            assert len(reader.outcomes()) == 1


def test_an_outcome_needs_a_rung_and_a_behaviour_and_comes_once(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            store.add_outcome(RECORD)
        store.add_rungs([RUNG])
        with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
            store.add_outcome(RECORD)
        store.add_proposals([SECOND], [PROPOSAL], b"")
        store.add_outcome(RECORD)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            store.add_outcome(RECORD)


def test_a_step_that_fails_halfway_leaves_nothing_behind(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.add_update(1, {}, b"first")
        with pytest.raises(sqlite3.IntegrityError):
            store.add_update(1, {}, b"second")
        assert store.proposer_state() == b"first"


def test_the_file_is_in_write_ahead_mode_with_a_schema_version(tmp_path: Path) -> None:
    with Store(tmp_path, create=True):
        connection = sqlite3.connect(tmp_path / FILE_NAME)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        connection.close()
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]  # nothing is left beside it


def test_what_is_no_store_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        Store(tmp_path)
    (tmp_path / FILE_NAME).write_text("not a database, but long enough to be taken for one" * 40)
    with pytest.raises(StoreError, match="is not a run's store"):
        Store(tmp_path)


def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema version 99, this program reads 3 to 7: it was written by a newer"):
        Store(tmp_path)


def test_rungs_come_back_in_their_order_with_everything_of_their_task(tmp_path: Path) -> None:
    elsewhere = transfer_rung(resolve(TaskSettings(name="digits", width=64, augment=False)), 4)
    with Store(tmp_path, create=True) as store:
        store.add_rungs([RUNG, elsewhere])
        assert store.rungs() == [RUNG, elsewhere]


def test_a_rung_that_is_there_keeps_the_larger_number_of_seeds(tmp_path: Path) -> None:
    task = TaskSettings(name="digits")
    with Store(tmp_path, create=True) as store:
        for seeds in (4, 6, 5):
            store.add_rungs([transfer_rung(resolve(task), seeds)])
        assert store.rungs() == [transfer_rung(resolve(task), 6)]


def test_a_cost_is_measured_once(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        store.add_baselines([FIRST])
        store.add_costs({"f0": Cost(1.0, 2.0, 1.0)})
        store.add_costs({"f0": Cost(9.0, 9.0, 9.0)})
        assert store.costs() == {"f0": Cost(1.0, 2.0, 1.0)}


@pytest.fixture
def of_somebody_else() -> Iterator[Path]:
    """A directory with a finished run that this process may read and not write; root, too, becomes somebody else."""
    with TemporaryDirectory() as name:
        with Store(Path(name), create=True) as store:
            store.describe({"settings": "{}"})
        for path, mode in ((Path(name), 0o555), (Path(name) / FILE_NAME, 0o444)):
            path.chmod(mode)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if user == 0:
                os.seteuid(user)
            Path(name).chmod(0o755)


def test_a_finished_run_is_read_where_nothing_can_be_written(of_somebody_else: Path) -> None:
    with Store(of_somebody_else) as store:
        assert store.fact("settings") == "{}"


def test_a_store_that_cannot_be_opened_is_said_so(of_somebody_else: Path) -> None:
    with pytest.raises(StoreError, match=f"{FILE_NAME}' cannot be opened here"):
        Store(of_somebody_else, create=True)
