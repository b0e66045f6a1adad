"""A finished run goes on: with more seeds, or with more children; and its answer is told in words."""

import json
from pathlib import Path

import pytest

from actsearch.evaluators.outcome import Status
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.sentences import BadSettings
from actsearch.search.command_line import main
from actsearch.search.jobs import NotReady, launch
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve as plan_of
from actsearch.search.plan import without_open_values
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.finding import NotFound
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.refining import refine
from actsearch.search.settings.reading import from_tree
from tests.search.made_runs import Noisy, offer

TREE = {
    "seed": 3,
    "pool": {"kind": "serial"},
    "proposer": {"name": "random"},
    "task": {"kernel": "torch"},
    "budget": {"children": 8, "batch": 4},
    "ladder": [],
    "final": {"top": 2, "seeds": 6},
    "baselines": ["relu", "swish"],
}
GAINS = {"mul(x,sigmoid(scale(x)))": 2.2}  # in standard deviations of the noise


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Noisy:
    made = Noisy(dict(GAINS))
    offer(made, monkeypatch)
    return made


def _launch(directory: Path, *, extend: bool = False, **changes: dict[str, object]) -> None:
    tree: dict[str, object] = {**TREE}
    for section, values in changes.items():
        tree[section] = {**TREE[section], **values}  # type: ignore[dict-item]
    launch(plan_of(from_tree(tree)), directory, extend=extend)


def _board(directory: Path) -> Leaderboard:
    with Store(directory) as store:
        return leaderboard(store)


def _said(directory: Path) -> list[str]:
    board = _board(directory)
    return sentences(verdict_of(board, 2), board, "runs/mine")


def _seeds(directory: Path) -> dict[str, int]:
    return {entry.expression: len(entry.records.get(FINAL, ())) for entry in _board(directory).entries}


def test_more_seeds_decide_what_a_short_race_left_open(tmp_path: Path, pool: Noisy) -> None:
    _launch(tmp_path)
    verdict = verdict_of(_board(tmp_path))
    assert verdict.state == "open"
    assert next(entry.names for entry, _ in verdict.open) == ("swish",)
    first, *_, last = _said(tmp_path)
    assert first.startswith(("keep ReLU: after ", "very likely better than ReLU"))
    assert first.endswith(" yet, but Swish may be") or first.startswith("very")
    assert last.endswith(" would decide: actsearch refine runs/mine")
    before, trained = _seeds(tmp_path), pool.trained

    refine(tmp_path, pool=PoolSettings(kind="serial"))
    after = _seeds(tmp_path)
    assert pool.trained - trained == sum(after.values()) - sum(before.values())  # nothing was repeated
    assert "use Swish, a known function: 0." in _said(tmp_path)[0]
    assert after["relu(x)"] == max(after.values())
    refined = _board(tmp_path)
    with pytest.raises(NotReady, match=r"nothing is open .* \(--which A,B\)"):
        refine(tmp_path, pool=PoolSettings(kind="serial"))
    assert _seeds(tmp_path) == after
    _launch(tmp_path)  # the search itself is finished, and stays as it was
    assert _board(tmp_path).entries == refined.entries


def test_who_is_named_gets_seeds_though_it_was_no_finalist(tmp_path: Path, pool: Noisy) -> None:
    _launch(tmp_path)
    other = next(entry for entry in _board(tmp_path).entries if FINAL not in entry.records)
    (chosen,) = refine(tmp_path, [other.fingerprint], 1e-9, PoolSettings(kind="serial"))
    assert (chosen.expression, _seeds(tmp_path)[other.expression]) == (other.expression, 0)  # there was no time
    pool.gains[other.expression] = 5.0
    refine(tmp_path, [other.expression], pool=PoolSettings(kind="serial"))
    assert "use x − sin(x), a find of this search: " in _said(tmp_path)[0]
    with pytest.raises(NotFound):
        refine(tmp_path, ["nobody(x)"], pool=PoolSettings(kind="serial"))


def test_a_run_without_finalists_cannot_be_refined(tmp_path: Path) -> None:
    Store(tmp_path, create=True).close()
    with pytest.raises(NotReady, match="no finalists yet"):
        refine(tmp_path)
    board = _board(tmp_path)
    assert sentences(verdict_of(board), board, "RUN") == [
        "no verdict yet: no function has been judged on the final rung"
    ]


def test_a_finished_run_goes_on_with_more_children_and_repeats_nothing(tmp_path: Path, pool: Noisy) -> None:
    _launch(tmp_path / "grown")
    first = pool.trained
    with Store(tmp_path / "grown") as store:
        early = store.outcomes()
    _launch(tmp_path / "grown", extend=True, budget={"children": 16}, final={"top": 3})
    grown = pool.trained - first
    with Store(tmp_path / "grown") as store:
        late = store.outcomes()
        assert json.loads(store.fact("settings before 1") or "")["budget"]["children"] == 8
        assert json.loads(store.fact("settings") or "")["budget"]["children"] == 16
    assert {key: late[key] for key in early} == early
    assert grown == sum(
        record.outcome.status is not Status.REJECTED for key, record in late.items() if key not in early
    )
    _launch(tmp_path / "whole", budget={"children": 16}, final={"top": 3})
    with Store(tmp_path / "whole") as store:
        at_once = {key for key in store.outcomes() if key.rung == SEARCH}
    assert at_once == {key for key in late if key.rung == SEARCH}  # as if it had been so long from the start


def test_a_run_is_extended_in_its_budget_alone(tmp_path: Path, pool: Noisy) -> None:
    _launch(tmp_path)
    with pytest.raises(BadSettings, match=r"budget.children: 8 -> 9.*or a larger budget with --extend"):
        _launch(tmp_path, budget={"children": 9})
    with pytest.raises(BadSettings, match="can be extended, not shortened: expected 8 or more, found 7"):
        _launch(tmp_path, extend=True, budget={"children": 7})
    with pytest.raises(BadSettings, match=r"proposer.name: random -> evolution"):
        _launch(tmp_path, extend=True, proposer={"name": "evolution"})
    with Store(tmp_path) as store:
        every = [record.outcome.status for record in store.outcomes().values()]
    assert pool.trained == sum(status is not Status.REJECTED for status in every)


def test_the_incumbent_is_what_the_network_had(tmp_path: Path) -> None:
    assert plan_of(from_tree({"incumbent": "gelu", "baselines": ["relu"]})).baselines == ("gelu", "relu")
    own = {"name": "own", "own": {"build": "f.py:build", "replace": ["torch.nn.LeakyReLU"]}}
    assert without_open_values(from_tree({"task": own})).incumbent == "leaky_relu"
    assert plan_of(from_tree({})).incumbent == "relu"
    with pytest.raises(BadSettings, match="key 'incumbent'"):
        plan_of(from_tree({"incumbent": "rellu"}))


def test_nothing_can_be_extended_where_nothing_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["search", "configs/quickstart.yaml", "--run", str(tmp_path / "no"), "--extend", "budget.children=600"])
    assert stopped.value.code == 2
    assert "holds none; leave it out, or use --set" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_the_incumbent_alone_gets_no_seeds_and_changes_no_tests(tmp_path: Path, pool: Noisy) -> None:
    _launch(tmp_path, final={"race": False})
    with pytest.raises(NotReady, match="the incumbent gets its seeds with those"):
        refine(tmp_path, ["relu"], pool=PoolSettings(kind="serial"))
    assert not _board(tmp_path).raced
    _launch(tmp_path, extend=True, final={"race": False, "seeds": 8})
    assert _board(tmp_path).raced  # a look came before these seeds
