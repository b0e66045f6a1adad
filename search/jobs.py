"""The jobs as functions: start or resume a search, and transfer its finalists to another task.

The command line and the scripts both call these. Not here: more seeds (``refining``), scoring given expressions
(``evaluating``), and printing (``show.display``).
"""

import functools
import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.looks.cost import measure
from actsearch.evaluators.pools.pool import Pool, PoolSettings, SerialPool
from actsearch.evaluators.printable import printable
from actsearch.evaluators.sentences import BadSettings
from actsearch.evaluators.task import Task
from actsearch.grammar.fault import NotInstalled, UserFault
from actsearch.search.core import Block, Core, train_all
from actsearch.search.memory.behaviours import Behaviours
from actsearch.search.memory.decisions import Say, decided, settled, unsaid
from actsearch.search.memory.kept_settings import as_kept, check_same, extended, settings_in, to_be_kept
from actsearch.search.memory.locks import LOCK_NAME, Held, held
from actsearch.search.memory.provenance import provenance
from actsearch.search.memory.records import ASKED, CLIMBED, FINAL, FINISHED, RACED
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.plan import Plan, Transfer
from actsearch.search.progress import Goal, Listener, Meter, silent
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.run import Search
from actsearch.search.settings.reading import to_json
from actsearch.search.trainings import Trainings

if TYPE_CHECKING:
    from actsearch.search.show.event_files import EventFiles
    from actsearch.search.show.trackers import Name, Tracker


class Busy(UserFault):
    """Another process is working on the run."""


class NotReady(UserFault):
    """The run has not got far enough for this job."""


def open_pool(task: Task, settings: PoolSettings, vocabulary: Vocabulary = BUILT_IN) -> Pool:
    """Start the workers that the settings name.

    Args:
        task: task of the children, prepared and settled.
        settings: kind and number of the workers.
        vocabulary: primitives that expressions are read with.
    """
    if settings.kind == "serial":
        return SerialPool(task, settings, vocabulary)
    from actsearch.evaluators.pools.ray_pool import RayPool  # noqa: PLC0415  importing Ray takes two seconds that serial runs save

    return RayPool(task, settings, vocabulary)


def prepare(what: Plan | Task, say: Say) -> None:
    """Try a plan or a task before any training, and pass on its notes for the user.

    Raises:
        BadTask, BadData, BadOwnTask: a task cannot be trained.
    """
    for sentence in what.prepare():
        say(sentence)


def prepared(task: Task, say: Say = unsaid) -> Task:
    """Return a task ready to train outside of a run: tried, with its kernel and its stack decided.

    Raises:
        BadTask, BadData, BadOwnTask: the task cannot be trained.
    """
    prepare(task, say)
    return settled(task)


def begin(plan: Plan, store: Store, say: Say = unsaid, *, extend: bool = False, asked: str = "") -> tuple[Plan, bool]:
    """Store the settings of a new run, or check that a resumed run has the same ones.

    Args:
        plan: plan of the search.
        store: store of the run, which no other process writes to.
        say: callback for notes to the user.
        extend: whether the plan may have a larger budget than the run.
        asked: arguments of the command, for the next steps that users paste.

    Returns:
        The plan with the run's own numbers, and whether a failed training may be tried again.

    Raises:
        BadSettings: the run has other settings.
    """
    stored = settings_in(store)
    plan = as_kept(plan, stored)
    store.describe({"settings": to_json(plan.settings), **provenance()} | ({ASKED: printable(asked)} if asked else {}))
    new = json.loads(to_json(plan.settings))
    old = stored or new
    changed = extended(old, new) if extend else {}
    check_same(old | changed, new, store.path.parent)
    if changed:
        store.extend(to_be_kept(plan, old), [CLIMBED, FINISHED])
        if "final" in changed and not plan.final.race:
            store.describe({RACED: "yes"})
            say("seeds were added after a look at the list: from now on its tests are those that allow for it")
    rung_names = {rung.name for rung in (*plan.rungs, *(further.rung for further in plan.transfers))}
    may_retry = any(key.rung in rung_names and r.outcome.may_be_tried_again for key, r in store.outcomes().items())
    return plan, may_retry


def launch(
    plan: Plan,
    directory: Path,
    listener: Listener = silent,
    say: Say = unsaid,
    starts: Callable[[], None] = lambda: None,
    extend: bool = False,
    track: "Name | None" = None,
    asked: str = "",
) -> None:
    """Start a search, or resume the run in this directory.

    Args:
        plan: plan of the search.
        directory: directory of the run.
        listener: callback that gets the progress after every outcome.
        say: callback for notes to the user before training; each note comes once.
        starts: callback after all checks, if something is left to train.
        extend: whether the plan may have a larger budget than the run.
        track: tracker that gets the results as well, ``mlflow`` or ``wandb``, through its own client.
        asked: arguments of the command, for the next steps that users paste.

    Raises:
        BadSettings: the directory's run has other settings, or the directory is a file.
        NotInstalled: the tracker's package is not installed.
        NotTheSame: this machine cannot resume the run.
        BadTask, BadData, BadOwnTask: a task, including one of a transfer, cannot be trained.
        Busy: another process is working on the run.
        NothingScored: all baselines failed.
    """
    say = functools.cache(say)
    if directory.exists() and not directory.is_dir():
        raise BadSettings(f"'{directory}' is a file; expected a directory for the run (--run)")
    if track is not None and importlib.util.find_spec(track) is None:
        raise NotInstalled(f"'--track {track}' needs the package {track}: pip install {track}")
    has_begun = (directory / FILE_NAME).exists()
    if not has_begun:  # a fault must show before the store keeps a run and its settings
        prepare(plan, say)
    directory.mkdir(parents=True, exist_ok=True)
    with alone_in(directory), Store(directory, create=True, say=say) as store:
        plan, may_retry = begin(plan, store, say, extend=extend, asked=asked)
        if store.fact(FINISHED) and not may_retry:
            return  # nothing is left to train: no worker needs to start
        starts()
        if has_begun:
            prepare(plan, say)
        if may_retry or not store.fact(CLIMBED):
            _search(plan, store, listener, say, track)
        for further in plan.transfers:
            _transfer(store, further, plan.pool, plan.vocabulary, listener, say)
        store.describe({FINISHED: "yes"})


def _search(plan: Plan, store: Store, listener: Listener, say: Say, track: "Name | None") -> None:
    """Search with the workers of a plan, and rank the finalists."""
    task, client = decided(store, plan.task, say), _tracker(track, plan, store, say)
    with open_pool(task, plan.pool, plan.vocabulary) as workers, closing(events_of(store)) as events:

        def log(batch: int, metrics: Mapping[str, float]) -> None:
            for log_target in (events, client) if client else (events,):
                log_target.add(batch, metrics)

        train_all(Search(plan, store, listener, log, task.settings.stack or 1).core(), workers)
        add_costs(store, plan.vocabulary)  # while no worker is busy
        store.describe({CLIMBED: "yes"})
        board = leaderboard(store)
        events.add_finalists(board)
    if client:
        client.finish(board)


def transfer(
    directory: Path,
    further: Transfer,
    pool: PoolSettings,
    vocabulary: Vocabulary = BUILT_IN,
    listener: Listener = silent,
    say: Say = unsaid,
) -> None:
    """Train a run's finalists and baselines on another task, and add the outcomes to the run.

    Raises:
        StoreError: there is no run.
        NotReady: the run has no finalists yet.
        Busy: another process is working on the run.
    """
    Store(directory).close()
    with alone_in(directory), Store(directory, create=True, say=say) as store:
        if not store.fact(CLIMBED):
            raise NotReady(f"the run in '{directory}' has no finalists yet: finish it with 'actsearch search' first")
        say = functools.cache(say)
        prepare(further.task, say)
        _transfer(store, further, pool, vocabulary, listener, say)


def _transfer(
    store: Store,
    further: Transfer,
    pool: PoolSettings,
    vocabulary: Vocabulary,
    listener: Listener,
    say: Say,
) -> None:
    rung = further.rung
    finalists = [entry for entry in leaderboard(store).entries if FINAL in entry.records]
    candidates = [entry for entry in finalists if entry.found]
    chosen = [*candidates[: further.top], *(entry for entry in finalists if entry.baseline)]
    known = sum(entry.baseline for entry in chosen)
    goal = Goal(len(chosen) * rung.seeds, rung.task.steps, known * rung.seeds)
    meter = Meter({rung.name: goal}, listener)
    done = [[r for r in entry.records.get(rung.name, ()) if not r.outcome.may_be_tried_again] for entry in chosen]
    if all(len(records) >= rung.seeds for records in done):
        return  # nothing is left to train: no worker needs to start
    with open_pool(decided(store, further.task, say), pool, vocabulary) as workers:
        store.add_rungs([rung])
        rung = next(known for known in store.rungs() if known.name == rung.name)  # with the stored key of its seeds
        run_seed = json.loads(store.fact("settings") or "{}")["seed"]
        trainings = Trainings(store, run_seed, Behaviours(store.behaviours()), vocabulary, meter)
        missing = trainings.missing(rung, [entry.fingerprint for entry in chosen])
        train_all(Core(trainings, iter([Block(missing)])), workers)


def add_costs(store: Store, vocabulary: Vocabulary = BUILT_IN) -> None:
    """Measure the cost of each finalist that has no stored cost yet."""
    finalists = {record.key.fingerprint: record.request.expression
                 for record in store.outcomes().values() if record.key.rung == FINAL}  # fmt: skip
    texts = {name: text for name, text in finalists.items() if name not in store.costs()}
    costs = measure([vocabulary.read_kept(text) for text in texts.values()])
    store.add_costs({name: costs[text] for name, text in texts.items()})


def _tracker(name: "Name | None", plan: Plan, store: Store, say: Say) -> "Tracker | None":
    if name is None:
        return None
    from actsearch.search.show.trackers import tracker  # noqa: PLC0415  only users of a tracker need it

    return tracker(name, store.path.parent.name, json.loads(to_json(plan.settings)), say)


def events_of(store: Store) -> "EventFiles":
    """Return the event files of a run, for TensorBoard."""
    from actsearch.search.show.event_files import EventFiles  # noqa: PLC0415  it takes half a second that readers of a run save

    return EventFiles(store.path.parent, store.updates())


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold the lock that keeps other processes from working on a run.

    Raises:
        Busy: another process holds it.
    """
    try:
        with held(directory / LOCK_NAME):
            yield
    except Held as fault:
        raise Busy(f"another process is already searching in '{directory}'") from fault
