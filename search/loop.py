"""A run that the user's own loop trains: one training at a time, in any number of processes.

Each process has its own core of the run, and locks the run while it uses the core. It rebuilds the core if another
process has written meanwhile. The store records which process has which training; each process holds a lock that ends
with it. Not here: the user's view of a training (``actsearch.trial``), and a search on a pool (``jobs``).
"""

import functools
import json
import os
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from actsearch.evaluators.activation import Vocabulary
from actsearch.evaluators.contained import uncontained
from actsearch.evaluators.outcome import Outcome
from actsearch.search.core import Core
from actsearch.search.jobs import Busy, add_costs, alone_in, begin, events_of
from actsearch.search.memory.decisions import Say, decided, unsaid
from actsearch.search.memory.locks import is_there, presence
from actsearch.search.memory.records import CLIMBED, FINISHED, Key
from actsearch.search.memory.store import Store
from actsearch.search.plan import Plan
from actsearch.search.progress import Listener, silent
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.refining import Refinement
from actsearch.search.run import Search
from actsearch.search.settings.reading import to_json
from actsearch.search.trainings import Training

PAUSE = 0.01  # seconds between two tries, while another process holds the run or a training that must come first
PATIENCE = 600.0  # seconds that another process may hold the run
Asked = Generator[tuple[Training, Callable[[Outcome], None]], None, None]


class Loop:
    """One process's part in a run.

    Args:
        store: store of the run.
        owner: name of this process, from ``presence``.
        make: function that builds the core from the store; it gets the keys of trainings in other processes.
        end: callback once everything is trained.
    """

    def __init__(
        self, store: Store, owner: str, make: Callable[[Collection[Key]], Core], end: Callable[[], None]
    ) -> None:
        self.store, self.owner, self.make, self.end = store, owner, make, end
        self._core: Core | None = None
        self._seen = 0  # sequence number of the store that the core reflects

    def ask(self) -> tuple[Training | None, bool]:
        """Return a training that no process has, or None while there is none, and whether the search is over."""
        with alone_for_a_moment(self.store.path.parent):
            core = self._up_to_date()
            trainings = core.ask(1)
            if trainings:
                self.store.take([trainings[0].key], self.owner)
            elif core.is_finished:
                self.end()
            else:
                self._recall()
            self._seen = self.store.sequence
            return (trainings[0] if trainings else None), core.is_finished

    def tell(self, training: Training, outcome: Outcome) -> None:
        """Store the outcome of a training."""
        with alone_for_a_moment(self.store.path.parent):
            self._up_to_date().tell(training, outcome)
            self._seen = self.store.sequence

    def trainings(self) -> Asked:
        """Yield trainings, each with a callback for its outcome, until everything is trained."""
        while True:
            training, is_over = self.ask()
            if training is not None:
                yield training, functools.partial(self.tell, training)
            elif is_over:
                return
            else:
                time.sleep(PAUSE)

    def _up_to_date(self) -> Core:
        if self._core is None or self.store.sequence != self._seen:
            self._core = self.make(self.store.taken())
        return self._core

    def _recall(self) -> None:
        """Give back the trainings of processes that have ended."""
        for owner in {*self.store.taken().values()} - {self.owner}:
            if not is_there(self.store.path.parent, owner):
                self.store.give_back(owner)
                self._core = None


@contextmanager
def alone_for_a_moment(directory: Path) -> Iterator[None]:
    """Hold the lock of a run, after other processes have let go of it, with torch as this project sets it.

    Raises:
        Busy: another process holds the lock for too long.
    """
    until = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(alone_in(directory))
            except Busy:
                if time.monotonic() > until:
                    raise
                time.sleep(PAUSE)
            else:
                break
        stack.enter_context(uncontained())
        yield


@contextmanager
def _opened(directory: Path, say: Say) -> Iterator[tuple[Store, str]]:
    """Open the store of a run for one of several processes, and yield it with the name of this process."""
    with presence(directory) as owner, ExitStack() as stack:
        with alone_for_a_moment(directory):
            store = stack.enter_context(Store(directory, create=True, say=say))
        own_pid = os.getpid()
        try:
            yield store, owner
        finally:
            if os.getpid() == own_pid:  # a forked child must not give back its parent's trainings
                with alone_for_a_moment(directory):
                    store.give_back(owner)


def search_trainings(
    plan: Plan, directory: Path, listener: Listener = silent, say: Say = unsaid, *, extend: bool = False
) -> Asked:
    """Yield the trainings of a search, each with a callback for its outcome, until the search is over.

    Args:
        plan: plan of the search; an existing run must have the same.
        directory: directory of the run.
        listener: callback that gets the progress after every outcome.
        say: callback for notes to the user.
        extend: whether the plan may have a larger budget than the run.

    Raises:
        UserFault: the run has another plan, or the plan cannot be used.
    """
    plan.check_proposer()
    with _opened(directory, say) as (store, owner):
        with alone_for_a_moment(directory):
            plan, _ = begin(plan, store, say, extend=extend)
            decided(store, plan.task, say)
            events = events_of(store)
            search = Search(plan, store, listener, events.add)

        def end() -> None:
            settings = json.loads(store.fact("settings") or "{}")
            is_extended = settings.get("budget") != json.loads(to_json(plan.settings))["budget"]
            if store.fact(FINISHED) is None and not is_extended:  # else another process extends the run
                add_costs(store, plan.vocabulary)
                store.describe({CLIMBED: "yes", FINISHED: "yes"})
                events.add_finalists(leaderboard(store))

        with closing(events):
            yield from Loop(store, owner, search.core, end).trainings()


def refinement_trainings(
    directory: Path, which: Sequence[str], minutes: float, vocabulary: Vocabulary, listener: Listener = silent
) -> Asked:
    """Yield trainings of finalists with further seeds, each with a callback for its outcome, until the race decides.

    Args:
        directory: directory of the run.
        which: names of the finalists; see ``Refinement``.
        minutes: minutes after which no further block begins.
        vocabulary: primitives of the expressions.
        listener: callback that gets the progress after every outcome.

    Raises:
        StoreError: there is no run.
        NotReady, NotFound: see ``Refinement``.
    """
    Store(directory).close()
    until = time.monotonic() + 60 * minutes
    with _opened(directory, unsaid) as (store, owner):
        with alone_for_a_moment(directory):
            refinement = Refinement(store, which, vocabulary)

        def make(elsewhere: Collection[Key]) -> Core:
            return refinement.core(until, listener=listener, elsewhere=elsewhere)

        yield from Loop(store, owner, make, lambda: add_costs(store, vocabulary)).trainings()
