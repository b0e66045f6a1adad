"""What was met, as what it is trained, and what was found: decided once, kept, also of runs of the schema before."""

import dataclasses
import sqlite3
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Request, child_seed, noise_seed
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.evaluators.training import train_population
from actsearch.search import jobs
from actsearch.search.ladder import transfer_rung
from actsearch.search.memory.behaviours import Behaviours, Share
from actsearch.search.memory.kept_settings import settings_in
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.schema import SCHEMA_VERSION
from actsearch.search.memory.store import FILE_NAME, Store, StoreError
from actsearch.search.plan import resolve as plan_of
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.settings.reading import from_tree

TEXTS = (
    "relu(x)",
    "neg(relu(x))",
    "relu(neg(x))",
    "add(relu(x),neg(x))",
    "tanh(x)",
    "neg(tanh(x))",
    "sin(x)",
    "maxout",
)
DATA = "data of digits a54f3ce5"  # the fact of the stored run, by its settings as they are written now
MIRRORED = "add(neg(x),relu(x))"  # of the stored run: relu(-x), which was proposed and trained as its baseline


@given(st.permutations(TEXTS), st.sampled_from(["none", "signs", "all"]), st.integers(0, len(TEXTS)))
def test_the_first_twin_is_trained_for_all_and_it_stays_so_after_a_restart(
    order: list[str], share: Share, stopped: int
) -> None:
    whole, before = Behaviours((), share), Behaviours((), share)
    rows = [whole.meet(BUILT_IN.read(text), baseline=False) for text in order]
    kept = [before.meet(BUILT_IN.read(text), baseline=False) for text in order[:stopped]]
    after = Behaviours(kept, share)
    assert kept + [after.meet(BUILT_IN.read(text), baseline=False) for text in order[stopped:]] == rows
    for row in rows:
        first = next(one for one in rows if one.twin == row.twin)
        assert row.trained_as == (row.fingerprint if share == "none" else first.fingerprint)


def test_what_was_found_was_proposed_and_is_no_baseline() -> None:
    met = Behaviours(())
    relu = met.meet(BUILT_IN.read("relu"), baseline=True)
    mirrored, sine = (met.propose(BUILT_IN.read(text)) for text in ("relu(neg(x))", "sin(x)"))
    assert mirrored.trained_as == relu.fingerprint
    assert [*met.proposed] == [relu.fingerprint, sine.fingerprint]
    assert met.baselines == [relu.fingerprint]
    assert met.is_baseline(relu.fingerprint)
    assert not met.is_baseline(sine.fingerprint)


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    connection = sqlite3.connect(tmp_path / "run" / FILE_NAME)
    connection.executescript(Path("tests/search/data/schema3.sql").read_text())
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return tmp_path / "run"


def _version(run: Path) -> int:
    connection = sqlite3.connect(run / FILE_NAME)
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()
    return found


def test_a_run_of_the_schema_before_is_read_as_it_is(old_run: Path) -> None:
    with Store(old_run) as store:
        board = leaderboard(store)
        rows = {row.expression: row for row in store.behaviours()}
        assert rows[MIRRORED].trained_as == rows["relu(x)"].fingerprint
        assert all(row.trained_as == row.fingerprint for text, row in rows.items() if text != MIRRORED)
        assert [rung.key for rung in store.rungs()] == ["", ""]  # their names
    relu = find(board.entries, "relu")
    assert (relu.baseline, relu.proposed, relu.found) == (True, True, False)
    assert find(board.entries, "found").found
    assert _version(old_run) == 3  # whoever looks changes nothing


def test_a_run_of_the_schema_before_is_gone_on_with_and_nothing_is_trained_again(old_run: Path) -> None:
    with Store(old_run) as store:
        settings, before = settings_in(store), store.outcomes()
        proposals, data = store.proposals(), store.fact(DATA)
        assert data
    jobs.launch(plan_of(from_tree(settings)), old_run)
    assert _version(old_run) == SCHEMA_VERSION
    with Store(old_run) as store:
        after = store.outcomes()
        assert store.fact(DATA) == data
        assert store.proposals()[: len(proposals)] == proposals
        assert before.items() <= after.items()
        assert {record.outcome.trained_by for key, record in after.items() if key not in before} == {"torch"}
        names = {row.fingerprint for row in store.behaviours()}
        for key, record in after.items():  # seeds are made as they were
            of = key.fingerprint if key.rung == SEARCH else key.rung
            assert record.request.seed == child_seed(settings["seed"], of, key.repeat)
            assert key.fingerprint in names
        assert sum(key.rung == FINAL for key in after) == 2 * (2 + 2)


def test_a_run_of_the_version_before_is_extended_and_gone_on_with_as_it_began(old_run: Path) -> None:
    with Store(old_run) as store:
        tree = settings_in(store)
    tree["budget"]["children"] += 1
    del tree["proposer"]["prior"], tree["proposer"]["surrogate"]  # the user names neither
    for _ in range(2):  # once more, when it is extended
        jobs.launch(plan_of(from_tree(tree)), old_run, extend=True)
    with Store(old_run) as store:
        kept = settings_in(store)
    assert kept["budget"]["children"] == tree["budget"]["children"]
    assert (kept["proposer"]["prior"], kept["proposer"]["surrogate"]["use"]) == (False, False)


def test_a_migration_that_fails_leaves_the_file_as_it_was(old_run: Path) -> None:
    connection = sqlite3.connect(old_run / FILE_NAME)
    connection.execute("UPDATE run SET value = 'no json' WHERE key = 'settings'")
    connection.commit()
    connection.close()
    with pytest.raises(ValueError, match="Expecting value"):
        Store(old_run, create=True)
    assert _version(old_run) == 3
    connection = sqlite3.connect(old_run / FILE_NAME)
    assert [row[1] for row in connection.execute("PRAGMA table_info(behaviours)")][-1] == "twin"
    connection.close()


def test_a_run_of_an_older_schema_names_the_program_that_wrote_it(old_run: Path) -> None:
    connection = sqlite3.connect(old_run / FILE_NAME)
    connection.execute("PRAGMA user_version = 2")
    commit = connection.execute("SELECT value FROM run WHERE key = 'commit'").fetchone()[0]
    connection.close()
    with pytest.raises(StoreError, match=rf"schema version 2, .* the actsearch that wrote it \(commit {commit}\)"):
        Store(old_run)


def test_a_rungs_seeds_outlive_its_wording_and_the_place_of_its_files(tmp_path: Path) -> None:
    here, there = (TaskSettings(name="fashion_mnist", directory=str(tmp_path / name / "raw")) for name in "ab")
    one, other = transfer_rung(resolve(here), 2), transfer_rung(resolve(there), 2)
    assert one.name != other.name
    assert one.key == other.key
    assert str(tmp_path) not in one.name + other.name
    assert one.seed(0, "f", 1) == dataclasses.replace(one, name="in other words").seed(0, "f", 1)
    assert (
        transfer_rung(resolve(TaskSettings(name="digits")), 2).key
        != transfer_rung(resolve(TaskSettings(name="digits", width=7)), 2).key
    )


def test_a_known_rung_keeps_the_key_of_its_first_seeds(tmp_path: Path) -> None:
    rung = transfer_rung(resolve(TaskSettings(name="digits")), 2)
    with Store(tmp_path, create=True) as store:
        store.add_rungs([dataclasses.replace(rung, key="of an older version")])
        store.add_rungs([dataclasses.replace(rung, seeds=5)])
        (known,) = store.rungs()
    assert (known.key, known.seeds) == ("of an older version", 5)


SOURCE = """
import torch
seen = {}

class Noted(torch.nn.Module):
    def __init__(self):
        super().__init__()
        seen["weights"] = torch.rand(64)
        self.linear, self.act = torch.nn.Linear(2, 2), torch.nn.ReLU()
    def forward(self, x):
        if self.training:
            seen.setdefault("noise", torch.rand(64))
        return self.linear(self.act(x))

def build(settings):
    x = torch.arange(40.0).reshape(20, 2)
    data = {name: (x, (x[:, 0] > 20).long()) for name in ("train", "validation", "test")}
    return Noted(), data
"""


def test_the_draw_of_the_batches_is_not_the_draw_of_the_weights_or_of_dropout(tmp_path: Path) -> None:
    (tmp_path / "noted.py").write_text(SOURCE)
    task = resolve(TaskSettings(name="own", own=OwnSettings(build=f"{tmp_path}/noted.py:build"), diagnostics=False))
    (outcome,) = train_population([Request("relu", 7, 2)], task)
    assert outcome.trained_by == "torch"
    expected = {seed: torch.rand(64, generator=torch.Generator().manual_seed(seed)) for seed in (7, noise_seed(7))}
    assert not torch.equal(*expected.values())
    from actsearch.evaluators.own.user_code import find as found_function  # noqa: PLC0415

    seen = found_function(f"{tmp_path}/noted.py:build").__globals__["seen"]
    for drawn in (seen["weights"], seen["noise"]):
        assert not torch.isin(drawn, expected[7]).any()
