"""What a study of rediscovery says: when the first swish-like function came, who leads, how runs agree."""

import dataclasses
import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import RootModel
from scipy.stats import kendalltau

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.rows.known import read
from actsearch.search.ladder import FinalSettings, rungs
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.records import FINAL, SEARCH, Key, Record, StoredProposal
from actsearch.search.memory.store import Store
from scripts.replays.replay import Table
from scripts.studies.rediscovery_searches import (
    PAPER,
    Finalist,
    Search,
    agreement_with_paper,
    correlation_by_seed,
    first_in,
    is_swish_like,
    overlap,
    overlaps,
    pooled,
    search_of,
)

pytestmark = pytest.mark.nightly  # a study's

SEEDS = 8
SEARCH_LOSSES = {  # in the order of asking
    "abs(x)": 0.5, "mul(x,sigmoid(x))": 0.4, "max(x,tanh(x))": None, "mul(x,sigmoid(scale(x)))": 0.2
}  # fmt: skip


def test_the_definition_holds_swish_like_what_the_paper_does() -> None:
    assert all(is_swish_like(name) for name in ("swish", "silu", "gelu", "mish", "mul(neg(x),sigmoid(neg(x)))"))
    assert not any(is_swish_like(name) for name in ("relu", "softplus", "tanh", "x", "cube(x)", "maxout"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path, create=True)
    found.add_rungs(rungs(resolve(TaskSettings()), [], FinalSettings(2, SEEDS, 8)))
    found.describe({"settings": json.dumps({"seed": 3, "space": {"units": 1}})})
    texts = ["relu(x)", "div(x,x)", *SEARCH_LOSSES]
    met = Behaviours((), "none")
    rows = {text: met.meet(BUILT_IN.read(text), baseline=text == "relu(x)") for text in texts}
    asked = [StoredProposal(1, (0,), text, rows[text].fingerprint) for text in texts if text != "relu(x)"]
    found.add_baselines([rows["relu(x)"]])
    found.add_proposals(list(rows.values()), [*asked, asked[-1]], b"")
    _keep(found, "div(x,x)", SEARCH, [Outcome(Status.REJECTED, reason="constant")])
    for text, loss in {"relu(x)": 0.3, **SEARCH_LOSSES}.items():
        _keep(found, text, SEARCH, [_outcome(loss)])
    for text, shift in {"relu(x)": 0.2, "mul(x,sigmoid(scale(x)))": 0.0, "mul(x,sigmoid(x))": 0.1}.items():
        outcomes = [_outcome(shift + 0.01 * (seed + seed * shift)) for seed in range(SEEDS)]
        _keep(
            found,
            text,
            FINAL,
            [dataclasses.replace(one, diagnostics={"betas": [0, 1, 2, 1, 2, 3]}) for one in outcomes],
        )
    yield found
    found.close()


def _outcome(loss: float | None) -> Outcome:
    if loss is None:
        return Outcome(Status.DIVERGED, reason="loss is not finite")
    return Outcome(Status.SCORED, loss, metrics={"validation_loss": loss, "test_loss": loss})


def _keep(store: Store, text: str, rung: str, outcomes: list[Outcome]) -> None:
    for repeat, outcome in enumerate(outcomes):
        key = Key(fingerprint(read(text)), rung, repeat)
        store.add_outcome(Record(key, Request(text, repeat, 2, test=True), outcome))


def test_trainings_are_counted_without_refused_functions_and_repetitions(store: Store) -> None:
    found = search_of(store)
    assert (found.trainings, found.first, found.first_better) == (4, 2, 4)
    assert found.share == 0.5  # two of abs, silu, max and swish


def test_the_final_list_tells_the_leader_from_the_baselines(store: Store) -> None:
    found = search_of(store)
    assert (found.units, found.seed) == (1, 3)
    assert [one.expression for one in found.finalists] == ["mul(x,sigmoid(scale(x)))", "mul(x,sigmoid(x))", "relu(x)"]
    assert [one.proposed for one in found.finalists] == [True, True, False]
    assert found.leader == found.found == found.tied[0]
    assert found.leader.swish_distance == pytest.approx(0, abs=1e-6)
    assert found.leader.betas == (0, 1.5, 3)
    assert found.finalists[1].betas is None  # there is no beta in silu
    assert found.finalists[1].against_swish is not None
    assert [*found.finalists[1].against_swish] == pytest.approx([0.1035, 2 * 2 / 2**SEEDS])


def test_a_study_survives_json(store: Store) -> None:
    kept = RootModel[list[Search]]([search_of(store)])
    assert RootModel[list[Search]].model_validate_json(kept.model_dump_json()) == kept


def _search(seed: int, names: dict[str, tuple[float, ...]], units: int = 1) -> Search:
    finalists = tuple(
        Finalist(name, name.lower(), name, (name,), False, place, None, losses, False, None, None, None, None)
        for place, (name, losses) in enumerate(names.items(), start=1)
    )
    return Search(units, seed, 4, None, None, 0.0, finalists)


def test_runs_over_the_same_space_are_compared_by_whom_their_tops_share() -> None:
    one, other = _search(0, {"a": (), "b": (), "c": ()}), _search(1, {"b": (), "a": (), "d": (), "c": ()})
    assert overlap(one, other, top=2) == 2
    assert overlap(one, other, top=3) == 2
    assert overlaps([one, other, _search(0, {"a": ()}, units=2)], top=3) == [2]


def test_mirror_images_are_the_same_member_of_two_tops() -> None:
    assert overlap(_search(0, {"a": (), "b": ()}), _search(1, {"B": (), "c": ()})) == 1


def test_each_seed_is_pooled_once_and_a_failure_leaves_a_function_out() -> None:
    first = _search(0, {"swish": (0.1, 0.2), "gelu": (0.3, 0.4), "mish": (0.5, 0.6)})
    again = _search(0, {"swish": (0.1, 0.2), "gelu": (0.3, 0.4)}, units=2)
    second = _search(1, {"gelu": (0.7, 0.8), "swish": (0.5, 0.6), "mish": ()})
    assert pooled([first, again, second]) == {"gelu": (0.3, 0.4, 0.7, 0.8), "swish": (0.1, 0.2, 0.5, 0.6)}


def test_the_order_of_the_paper_is_that_of_mean_accuracy() -> None:
    same = {name: [-statistics.fmean(accuracies)] for name, accuracies in PAPER.items()}
    assert agreement_with_paper(same)[0] == pytest.approx(1)
    assert agreement_with_paper({name: [-loss] for name, (loss,) in same.items()})[0] == pytest.approx(-1)
    assert agreement_with_paper(same)[1] == kendalltau(range(8), range(8)).pvalue


def test_a_seed_that_is_hard_for_both_functions_makes_their_losses_correlate() -> None:
    assert correlation_by_seed({"a": (1, 2, 3), "b": (2, 4, 6)}) == pytest.approx(1)
    assert correlation_by_seed({"a": (1, 2, 3), "b": (3, 2, 1), "c": (1, 2, 3)}) == pytest.approx(-1 / 3)


def test_a_replay_is_judged_by_what_is_truly_better_than_relu() -> None:
    r, s, g, a = (fingerprint(read(name)) for name in ("relu", "silu", "gelu", "abs"))
    texts = {r: "max(x,relu(x))", s: "silu(x)", g: "gelu(x)", a: "abs(x)"}
    losses = {r: (0.2,), s: (0.3,), g: (0.1,), a: (0.1,)}
    table = Table({k: (v[0],) for k, v in losses.items()}, texts, frozenset(), dict.fromkeys(texts, 1.0), 2.3)
    assert first_in(table, [a, r, s, g]) == (3, 4)
    assert first_in(table, [a, s]) == (2, None)
