"""More seeds for a finished run: for functions that are still open, or that the user names.

The tests of a race stay valid whatever the reason for another look, so seeds may be added at any time. Not here: the
race of the search itself (``race``) and more children for a finished search (``jobs.launch``).
"""

import functools
import json
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from actsearch.evaluators import registry
from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.search.core import Block, Core, train_all
from actsearch.search.jobs import NotReady, add_costs, alone_in, open_pool, prepare
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.decisions import Say, decided, unsaid
from actsearch.search.memory.records import CLIMBED, FINAL, INCUMBENT, Key
from actsearch.search.memory.store import Store
from actsearch.search.progress import Goal, Listener, Meter, silent
from actsearch.search.race import LOOK, Race, enter, look_of
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.trainings import Trainings

MINUTES = 10.0
FOR_EVER = 10**9  # budget of trainings without limit: time alone ends the race


class Refinement:
    """More seeds for finalists of a run.

    Args:
        store: store of the run.
        which: names of the functions, for ``finding.find``; empty is all that may still be better than the incumbent.
        vocabulary: primitives of the expressions.

    Raises:
        NotReady: the run has no finalists yet, or nothing is open.
        NotFound: the run has no function of one of the names.
    """

    def __init__(self, store: Store, which: Sequence[str] = (), vocabulary: Vocabulary = BUILT_IN) -> None:
        self.store, self.vocabulary, self.is_named = store, vocabulary, bool(which)
        board, directory = leaderboard(store), store.path.parent
        if not store.fact(CLIMBED) or not board.incumbent:
            raise NotReady(f"the run in '{directory}' has no finalists yet: finish it with 'actsearch search' first")
        chosen = [find(board.entries, text, vocabulary) for text in which] or _open_entries(board, directory)
        self.chosen = [*{one.fingerprint: one for one in chosen if one.fingerprint != board.incumbent}.values()]
        """Entries that get seeds."""
        if not self.chosen:
            raise NotReady(
                "the incumbent gets its seeds with those it is compared with: name one of these (--which A,B)"
            )
        self.rung = next(rung for rung in board.rungs if rung.name == FINAL)
        store.describe({INCUMBENT: board.incumbent})
        finds, known = ([e.fingerprint for e in self.chosen if e.baseline is is_known] for is_known in (False, True))
        self.entrants = enter(store, finds, known)
        self.began = {entry.fingerprint: len(entry.records.get(FINAL, ())) for entry in board.entries}
        """Number of seeds of each function when the refinement began; a rebuilt core continues from there."""

    def core(
        self, until: float, look: int = LOOK, listener: Listener = silent, elsewhere: Collection[Key] = ()
    ) -> Core:
        """Return the core of the further trainings.

        Args:
            until: time of ``time.monotonic`` after which no further block begins.
            look: number of seeds between two looks.
            listener: callback that gets the progress after every outcome.
            elsewhere: keys of trainings in other processes.
        """
        store, board = self.store, leaderboard(self.store)
        seeds = {entry.fingerprint: len(entry.records.get(FINAL, ())) for entry in board.entries}
        meter = Meter({FINAL: Goal(sum(seeds.values()), self.rung.task.steps)}, listener)
        behaviours, run_seed = Behaviours(store.behaviours()), json.loads(store.fact("settings") or "{}")["seed"]
        trainings = Trainings(store, run_seed, behaviours, self.vocabulary, meter)
        names = [entry.fingerprint for entry in self.chosen]
        others = [entry for entry in board.entries if entry.fingerprint not in {board.incumbent, *names}]
        beside = {entry.fingerprint: losses for entry in others if (losses := entry.losses())}
        race = Race(
            trainings, self.rung, board.incumbent, self.entrants, names, beside, together=self.is_named, look=look
        )
        race.seeds |= {name: self.began[name] for name in race.seeds}
        return Core(trainings, _blocks(race, meter, until, named=self.is_named), elsewhere=elsewhere)


def refine(
    directory: Path,
    which: Sequence[str] = (),
    minutes: float = MINUTES,
    pool: PoolSettings | None = None,
    vocabulary: Vocabulary = BUILT_IN,
    listener: Listener = silent,
    say: Say = unsaid,
) -> list[Entry]:
    """Train more seeds on the final rung until the question is decided or the time is out.

    Args:
        directory: directory of the run.
        which: names of the functions; see ``Refinement``.
        minutes: minutes after which no further block begins.
        pool: settings of the workers; None is Ray on every core.
        vocabulary: primitives of the expressions.
        listener: callback that gets the progress after every outcome.
        say: callback for notes to the user.

    Returns:
        Entries that got seeds.

    Raises:
        StoreError: there is no run.
        NotReady, NotFound: see ``Refinement``.
        Busy: another process is working on the run.
    """
    say = functools.cache(say)
    Store(directory).close()
    with alone_in(directory), Store(directory, create=True, say=say) as store:
        refinement = Refinement(store, which, vocabulary)
        task = decided(store, registry.resolve(refinement.rung.task), say)
        prepare(task, say)
        with open_pool(task, pool or PoolSettings(), vocabulary) as workers:
            until = time.monotonic() + 60 * minutes
            train_all(refinement.core(until, look_of(task.settings.stack or 1), listener), workers)
        add_costs(store, vocabulary)
    return refinement.chosen


def _blocks(race: Race, meter: Meter, deadline: float, *, named: bool) -> Iterator[Block]:
    """Yield blocks of seeds until no function is left or time is out; named functions stay until they are decided."""
    staying = ("racing", "costly", "behind") if named else ("racing",)  # costly: hundreds of seeds might not decide
    while time.monotonic() < deadline and (seeds := race.next_seeds(FOR_EVER)):
        more = sum(count - race.seeds[name] for name, count in seeds.items())
        meter.expect(FINAL, meter.done[FINAL] + more)
        yield race.block(seeds)
        if not race.losses(race.incumbent):
            return
        race.settle(FOR_EVER, staying)


def _open_entries(board: Leaderboard, directory: Path) -> list[Entry]:
    """Return the entries for which more seeds may change the answer.

    Raises:
        NotReady: there is no such entry.
    """
    verdict = verdict_of(board)
    if verdict.open:
        return [entry for entry, _ in verdict.open]
    raise NotReady(
        f"nothing is open in '{directory}': more seeds would hardly change who is better than {verdict.title}; name "
        "who should get some (--which A,B), or search on (actsearch search CONFIG --run RUN --extend budget.children=N)"
    )
