"""What every pool promises, held by each through one contract; and what the Ray pool survives besides."""

import math
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from actsearch.evaluators.activation import Vocabulary
from actsearch.evaluators.outcome import Outcome, Request, Status
from actsearch.evaluators.pools import ray_pool
from actsearch.evaluators.pools.pool import LONE_DEATHS, PAUSES, Pool, PoolSettings, SerialPool, Work, in_populations
from actsearch.evaluators.pools.ray_pool import RayPool
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import OwnSettings, TaskSettings
from actsearch.grammar.primitive import Primitive

# rows that behave when they prove themselves (double precision) and misbehave in training (single precision)
RAISES = Primitive("raises", 1, "a if a.dtype == torch.float64 else torch.nothing(a)", "a")
KILLS = Primitive("kills", 1, "a if a.dtype == torch.float64 else torch.os._exit(3)", "a")
OWN = Vocabulary((RAISES, KILLS))
LEAKS = """
import torch
kept = []
def score(make_activation, seed, budget):
    while seed == 2:
        kept.append(torch.ones(10_000_000))
    return float(seed)
"""

Open = Callable[..., Pool]


@pytest.fixture(scope="session")
def _ray() -> Iterator[None]:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=150 * 2**20)
    yield
    ray.shutdown()


@given(count=st.integers(0, 60), size=st.integers(1, 7), workers=st.integers(1, 5))
def test_populations_hold_every_request_once_and_fill_the_workers_evenly(count: int, size: int, workers: int) -> None:
    work = in_populations([Request("relu", seed, 2) for seed in range(count)], size, workers)
    sizes = [len(part.indices) for part in work]
    assert sorted(place for part in work for place in part.indices) == list(range(count))
    assert max(sizes, default=0) <= size
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert len(work) % workers == 0 or len(work) == count < workers * math.ceil(count / (size * workers))


class PoolContract:
    """Inherited by a test class per pool; ``open_pool`` is its fixture."""

    def test_each_request_gets_exactly_one_outcome_in_any_order(self, open_pool: Open) -> None:
        requests = [Request(text, seed, steps) for seed, text in enumerate(("relu", "tanh", "x")) for steps in (2, 3)]
        with open_pool() as pool:
            found = list(pool.evaluate(requests))
        assert sorted(place for place, _ in found) == list(range(6))
        assert all(outcome.status is Status.SCORED for _, outcome in found)

    def test_the_pool_can_be_used_again_and_without_requests(self, open_pool: Open) -> None:
        with open_pool() as pool:
            assert list(pool.evaluate([])) == []
            first, second = (dict(pool.evaluate([Request("relu", 1, 2)]))[0].score for _ in range(2))
        assert first == second

    def test_a_diverging_child_is_a_result(self, open_pool: Open) -> None:
        with open_pool() as pool:
            outcomes = dict(pool.evaluate([Request("exp(exp(exp(square(x))))", 1, 4), Request("relu", 1, 4)]))
        assert [outcomes[0].status, outcomes[1].status] == [Status.DIVERGED, Status.SCORED]

    def test_a_child_that_raises_crashes_alone(self, open_pool: Open) -> None:
        requests = [Request(text, 1, 2) for text in ("relu", "raises(x)", "tanh")]
        with open_pool() as pool:
            outcomes = dict(pool.evaluate(requests))
            alone = dict(pool.evaluate([requests[2]]))[0]
        assert [outcomes[i].status for i in range(3)] == [Status.SCORED, Status.CRASHED, Status.SCORED]
        assert "AttributeError" in outcomes[1].reason
        assert outcomes[2].score == alone.score

    def test_a_pool_left_early_can_be_closed(self, open_pool: Open) -> None:
        with open_pool() as pool:
            next(iter(pool.evaluate([Request("relu", seed, 2) for seed in range(8)])))


class TestSerialPool(PoolContract):
    @pytest.fixture
    def open_pool(self, tiny_task: TaskSettings) -> Open:
        return lambda **changes: SerialPool(
            resolve(tiny_task), PoolSettings(kind="serial", population=3, **changes), OWN
        )


@pytest.mark.usefixtures("_ray")
class TestRayPool(PoolContract):
    @pytest.fixture
    def open_pool(self, tiny_task: TaskSettings) -> Open:
        return lambda **changes: RayPool(
            resolve(tiny_task), PoolSettings(**{"workers": 2, "population": 2} | changes), OWN
        )

    def test_scores_equal_the_serial_pools_bit_for_bit(self, open_pool: Open, tiny_task: TaskSettings) -> None:
        texts = ("relu", "swish", "x_asinh_square", "sinc(x)", "tanh")
        requests = [Request(text, seed, 5, test=True) for seed, text in enumerate(texts)]
        with open_pool() as pool:
            on_ray = dict(pool.evaluate(requests))
        with SerialPool(resolve(tiny_task), PoolSettings(kind="serial", population=5)) as pool:
            serial = dict(pool.evaluate(requests))
        assert [on_ray[i].metrics for i in range(5)] == [serial[i].metrics for i in range(5)]

    @pytest.mark.slow
    def test_a_child_that_kills_its_worker_costs_its_neighbours_nothing(
        self, open_pool: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actsearch.evaluators.pools.pool.PAUSES", (0.0,))
        with open_pool(workers=1) as pool:
            outcomes = dict(pool.evaluate([Request(text, 1, 2) for text in ("relu", "kills(x)", "tanh")]))
        assert [outcomes[i].status for i in range(3)] == [Status.SCORED, Status.CRASHED, Status.SCORED]
        assert "worker died" in outcomes[1].reason

    @pytest.mark.slow
    def test_a_worker_that_is_killed_from_outside_costs_a_retry(self, open_pool: Open) -> None:
        with open_pool(workers=1) as pool:
            assert isinstance(pool, RayPool)
            found: dict[int, Outcome] = {}
            stream = pool.evaluate([Request("relu", seed, 200) for seed in range(4)])
            place, outcome = next(stream)
            found[place] = outcome
            for actor, _, _ in pool._running.values():
                ray.kill(actor)
            assert pool._running
            found |= dict(stream)
        assert [found[i].status for i in range(4)] == [Status.SCORED] * 4

    @pytest.mark.slow
    def test_a_worker_that_is_evicted_for_its_memory_costs_a_retry(
        self, open_pool: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get, evictions = ray.get, iter([True])

        def evicting(reference: Any) -> object:
            found = get(reference)
            if isinstance(found, ray_pool.Answer) and next(evictions, False):
                raise ray.exceptions.OutOfMemoryError("evicted")  # type: ignore[no-untyped-call]
            return found

        monkeypatch.setattr(ray, "get", evicting)
        with open_pool(workers=1) as pool:
            outcomes = dict(pool.evaluate([Request("relu", 1, 2)]))
        assert next(evictions, None) is None
        assert outcomes[0].status is Status.SCORED

    @pytest.mark.slow
    def test_a_training_of_ones_own_that_leaks_is_an_outcome_and_the_others_go_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ray_pool, "now", lambda: 0.0)  # however slow the machine is, nothing is late
        path = tmp_path / "leaks.py"
        path.write_text(LEAKS)
        task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
        with RayPool(resolve(task), PoolSettings(workers=1, population=1, memory=2.0)) as pool:
            found = dict(pool.evaluate([Request("relu", seed, 1) for seed in (1, 2, 3)]))
        assert [found[i].status for i in range(3)] == [Status.SCORED, Status.CRASHED, Status.SCORED]
        assert found[1].reason.startswith("over the 2 GB of pool.memory")

    @pytest.mark.slow
    def test_a_child_that_never_ends_is_timed_out_and_the_others_go_on(
        self, tiny_task: TaskSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # the pool's clock moves only when the child starts, which leaves a mark each time: so nobody else is late
        monkeypatch.setattr(ray_pool, "now", lambda: 1e6 * len(list(tmp_path.iterdir())))
        mark = f"torch.os.mkdir('{tmp_path}/' + torch.os.urandom(8).hex())"
        endless = f"{mark} or torch.os.sys.modules['time'].sleep(3600) or 1"
        row = Primitive("endless", 1, f"a if a.dtype == torch.float64 else a * ({endless})", "a")
        with RayPool(
            resolve(tiny_task), PoolSettings(workers=1, population=2, seconds=8.0), Vocabulary((row,))
        ) as pool:
            outcomes = dict(pool.evaluate([Request(text, 1, 2) for text in ("relu", "tanh", "endless(x)", "x")]))
        statuses = [outcomes[i].status for i in range(4)]
        assert statuses == [Status.SCORED, Status.SCORED, Status.TIMED_OUT, Status.SCORED]
        assert outcomes[2].reason == "not finished after 8 s"

    def test_each_child_is_told_of_before_its_worker_has_trained_the_next(self, tmp_path: Path) -> None:
        path = tmp_path / "waits.py"
        path.write_text(
            "import pathlib, time\n"
            "def score(make, seed, budget):\n"
            f"    while budget > 1 and not pathlib.Path('{tmp_path}', f'told {{seed - 1}}').exists():\n"
            "        time.sleep(0.01)\n"
            "    return float(seed)\n"
        )
        task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
        (tmp_path / "told 0").touch()
        with RayPool(resolve(task), PoolSettings(workers=1, seconds=30.0)) as pool:
            for _, outcome in pool.evaluate([Request("relu", seed, 2) for seed in (1, 2, 3)]):
                assert outcome.status is Status.SCORED
                (tmp_path / f"told {outcome.score:.0f}").touch()

    def test_a_child_that_ends_its_program_is_an_outcome_and_its_worker_lives(self, tmp_path: Path) -> None:
        path = tmp_path / "ends.py"
        path.write_text(
            "import os, sys\n"
            "def score(make, seed, budget):\n"
            "    sys.exit(0) if seed == 1 else 0\n"
            "    return os.getpid()\n"
        )
        task = TaskSettings(name="own", own=OwnSettings(score=f"{path}:score"))
        with RayPool(resolve(task), PoolSettings(workers=1, population=1)) as pool:
            found = dict(pool.evaluate([Request("relu", seed, 1) for seed in (2, 1, 3)]))
        assert found[1].status is Status.CRASHED
        assert "sys.exit(0)" in found[1].reason
        assert found[0].score == found[2].score

    @pytest.mark.slow
    def test_a_child_whose_workers_are_killed_again_and_again_is_not_at_fault(
        self, open_pool: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("actsearch.evaluators.pools.pool.PAUSES", (0.0,))
        with open_pool(workers=1, population=1) as pool:
            assert isinstance(pool, RayPool)
            hand_out, kills = pool._hand_out, iter(range(LONE_DEATHS - 1))

            def kill_what_is_handed_out(*arguments: object) -> None:
                hand_out(*arguments)  # type: ignore[arg-type]
                for actor, _, _ in pool._running.values():
                    if next(kills, None) is not None:
                        ray.kill(actor)

            monkeypatch.setattr(pool, "_hand_out", kill_what_is_handed_out)
            outcomes = dict(pool.evaluate([Request("relu", 1, 200)]))
        assert next(kills, None) is None
        assert outcomes[0].status is Status.SCORED


def test_a_population_whose_worker_died_is_halved_until_a_child_is_alone() -> None:
    parts, final = Work((0, 1, 2)).after_death("it died", 5.0, other_reason=False)
    assert ([part.indices for part in parts], final) == ([(0,), (1, 2)], [])
    parts, final = parts[1].after_death("it died", 5.0, other_reason=False)
    assert ([part.indices for part in parts], final) == ([(1,), (2,)], [])


@given(st.integers(1, 64), st.sets(st.integers(0, 63)))
def test_who_raises_costs_its_neighbours_a_training_for_each_halving_at_most(size: int, raising: set[int]) -> None:
    waiting, trained, given_up = [Work(tuple(range(size)))], dict.fromkeys(range(size), 0), set[int]()
    while waiting:
        work = waiting.pop()
        for index in work.indices:
            trained[index] += 1
        if raising.intersection(work.indices):
            more, final = work.after_failure("it raises", Status.CRASHED)
            waiting += more
            given_up |= {index for index, _ in final}
    assert given_up == {index for index in raising if index < size}
    assert max(trained.values()) <= 2 + size.bit_length()


def test_a_single_child_is_given_up_after_several_deaths_with_longer_and_longer_pauses() -> None:
    work, clock = Work((3,)), 100.0
    for pause in PAUSES[: LONE_DEATHS - 1]:
        (work,), final = work.after_death("the worker died", clock, other_reason=False)
        assert final == []
        assert work.not_before == clock + pause
        clock = work.not_before
    more, ((place, outcome),) = work.after_death("the worker died", clock, other_reason=False)
    assert (more, place, outcome.status) == ([], 3, Status.CRASHED)
    assert outcome.may_be_tried_again
    assert "4 times while it trained alone" in outcome.reason


def test_deaths_beside_other_deaths_are_excused_but_not_for_ever() -> None:
    work, count = Work((3,)), 0
    while True:
        more, final = work.after_death("the worker died", 0.0, other_reason=True)
        count += 1
        if final:
            break
        (work,) = more
    assert count == 2 * LONE_DEATHS


def test_an_interrupt_waits_until_ray_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with ray_pool._undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert ended == []
        os.kill(os.getpid(), signal.SIGINT)
    assert ended == [130]
    assert signal.getsignal(signal.SIGINT) is before
