"""The core of a search: whoever asks it, in whatever order answers come, every training is asked for once."""

import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.evaluators.outcome import CURVE, Outcome, Request
from actsearch.search.core import Core, train_all
from actsearch.search.memory.records import FINAL, Key
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve
from actsearch.search.run import Search
from actsearch.search.settings.reading import from_tree
from actsearch.search.trainings import Training
from tests.search.test_runs import TREE, FakePool

PLAN = resolve(from_tree({**TREE, "proposer": {"name": "random"}}))
SPEEDS = (0.0, 0.001, 0.004)  # seconds a training, by worker


def answer(request: Request) -> Outcome:
    return dict(FakePool().evaluate([request]))[0]


def on_a_pool(directory: Path) -> tuple[object, ...]:
    with Store(directory, create=True) as store:
        train_all(Search(PLAN, store).core(), FakePool())
        return held_by(store)


def held_by(store: Store) -> tuple[object, ...]:
    scores = {key: record.outcome.score for key, record in store.outcomes().items()}
    return scores, store.proposals(), store.updates()


class Threads:
    """A toy driver: workers of different speeds, each of which asks for one training at a time."""

    def __init__(self, core: Core, most: int = 10**6) -> None:
        self.core, self.left = core, most
        self.trained: Counter[Key] = Counter()
        self.lock = threading.Lock()

    def run(self) -> None:
        workers = [threading.Thread(target=self._work, args=(speed,)) for speed in SPEEDS]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, seconds: float) -> None:
        while not self.core.is_finished and self.left > 0:
            asked = self.core.ask(1)
            if not asked:
                time.sleep(0.0005)  # what another worker has decides what comes next
            for training in asked:
                time.sleep(seconds)
                self.core.tell(training, answer(training.request))
                with self.lock:
                    self.left -= 1
                    self.trained[training.key] += 1


def test_threads_of_different_speeds_end_like_a_pool(tmp_path: Path) -> None:
    with Store(tmp_path / "threads", create=True) as store:
        driver = Threads(Search(PLAN, store).core())
        driver.run()
        assert set(driver.trained.values()) == {1}
        found = held_by(store)
    assert found == on_a_pool(tmp_path / "pool")


def test_nobody_waits_for_the_proposer_where_learning_may_come_late(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        core = Search(PLAN, store, asynchronous=True).core()
        driver = Threads(core)
        baselines = core.ask()
        assert core.ask(1) == []  # rewards are measured by the baselines
        for training in baselines:
            core.tell(training, answer(training.request))
        first = core.ask(1)
        others = [core.ask(1) for _ in range(8)]
        assert all(others)  # of the next batch, too, though the first one is out
        for training in (*first, *(one for asked in others for one in asked)):
            core.tell(training, answer(training.request))
        driver.run()
        assert set(driver.trained.values()) == {1}
        assert {*store.updates()} == {proposal.batch for proposal in store.proposals()}
        finalists = [key for key in store.outcomes() if key.rung == FINAL]
        assert len(finalists) == len({*finalists}) >= 2 * 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_search_whose_threads_were_killed_goes_on_and_repeats_nothing(tmp_path: Path, asynchronous: bool) -> None:
    trained: Counter[Key] = Counter()
    for most in (3, 4, 5, 10**6):
        with Store(tmp_path, create=True) as store:
            driver = Threads(Search(PLAN, store, asynchronous=asynchronous).core(), most)
            driver.run()
            trained += driver.trained
    assert set(trained.values()) == {1}
    with Store(tmp_path) as store:
        assert {*trained} <= {*store.outcomes()}
        assert {*store.updates()} == {proposal.batch for proposal in store.proposals()}


@given(data=st.data())
@settings(max_examples=15)
def test_the_order_of_the_answers_changes_nothing(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out: list[Training] = []
    with Store(tmp_path_factory.mktemp("core"), create=True) as store:
        core = Search(PLAN, store).core()
        while not core.is_finished:
            count = data.draw(st.sampled_from([1, 2, 7, None]))
            out += core.ask(count)
            gives_back = data.draw(st.booleans())
            if out and gives_back:
                core.give_back(out.pop())  # who asks again has it
            elif out:
                training = out.pop(data.draw(st.integers(0, len(out) - 1)))
                core.tell(training, answer(training.request))
                core.tell(training, answer(training.request))  # a second one is passed over
        found = held_by(store)
    assert found == on_a_pool(tmp_path_factory.mktemp("pool"))


def test_every_event_has_a_number_of_its_own(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        core = Search(PLAN, store).core()
        trainings = core.ask()
        before = store.sequence
        for number, training in enumerate(trainings, start=1):
            core.tell(training, answer(training.request))
            assert store.sequence == before + number


def test_a_driver_that_keeps_no_curve_reports_losses_and_the_outcome_gets_one(tmp_path: Path) -> None:
    with Store(tmp_path, create=True) as store:
        core = Search(PLAN, store).core()
        first, second = core.ask()
        for step in (1, 0, 1):  # in any order, and a step twice
            core.report(first, step, 2.0 - step)
            core.report(second, step, 2.0 - step)
        own = replace(answer(second.request), diagnostics={CURVE: [7.0]})
        core.tell(first, answer(first.request))
        core.tell(second, own)
        (third,) = core.ask(1)
        core.tell(third, answer(third.request))
        curves = [store.outcomes()[one.key].outcome.diagnostics.get(CURVE) for one in (first, second, third)]
    assert curves == [[2.0, 1.0], [7.0], None]
