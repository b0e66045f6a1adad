"""A search around a training loop of your own: ask for trials, train each as you like, say what came of it.

Not here: one of them (``trial``), and how they are asked for and shared among processes (``search.loop``).
"""

import contextlib
import dataclasses
import numbers
import os
import weakref
from collections.abc import Callable, Generator, MutableMapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import nn

from actsearch.grammar.fault import UserFault
from actsearch.run import Figure, Run
from actsearch.search.loop import Asked, refinement_trainings, search_trainings
from actsearch.search.memory.file import NotBegun
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.plan import Plan, resolve
from actsearch.search.progress import Listener, silent
from actsearch.search.proposers.proposer import Proposer
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.measure import Measure
from actsearch.search.refining import MINUTES
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import settings_of
from actsearch.search.settings.space import build_space, vocabulary_of
from actsearch.trial import Trial

if TYPE_CHECKING:
    from actsearch.search.show.frames import DataFrame

_LOOPS: MutableMapping[Path, Generator["Trial", None, None]] = weakref.WeakValueDictionary()  # of this process

os.register_at_fork(after_in_child=_LOOPS.clear)  # the parent's loops are its own


class Study:
    """A search around your own training loop, kept in a directory; the same study goes on where it was left.

    Several processes may open the same study and take trials from it; none is given out twice.

    Args:
        run: the directory.
        config: a YAML file with further settings: space, proposer, budget, ladder, final, baselines.
        space: a set of primitives (``space.primitives``).
        proposer: who proposes: a name or path (``proposer.name``), or an object with ask, tell, state and restore.
        seed: of every draw.
        children: behaviours to train in the search (``budget.children``).
        steps: what ``trial.steps`` is in the search; rungs above want more.
        direction: ``maximise`` where a higher number is better.
        chance: what a network that knows nothing gets, for positive losses; without it rewards are measured by the
            baselines.
        changes: further settings, ``section.key=value``, as behind ``--set``.
        quiet: whether no progress is printed on the error stream.

    Raises:
        UserFault: a setting cannot be used.
    """

    def __init__(
        self, run: str | Path, config: str | Path | None = None, *, space: str | None = None,
        proposer: str | Proposer | None = None, seed: int | None = None, children: int | None = None,
        steps: int | None = None,
        direction: Literal["minimise", "maximise"] = "minimise", chance: float | None = None,
        changes: Sequence[str] = (), quiet: bool = False,
    ) -> None:  # fmt: skip
        if not isinstance(run, (str, Path)) or not str(run):
            raise UserFault(f"Study: expected a directory for the run, found {run!r}")
        if not isinstance(config, (str, Path, type(None))):
            raise UserFault(f"Study: expected a YAML file as config, found {type(config).__name__}")
        self.run, self.quiet = Path(run).absolute(), quiet  # wherever the loop goes
        self._proposer = None if isinstance(proposer, str) else proposer
        wanted = {
            "space.primitives": space, "proposer.name": proposer if isinstance(proposer, str) else None,
            "seed": seed, "budget.children": children,
            "task.steps": steps, "task.own.chance": chance,
        }  # fmt: skip
        told = [f"{key}={_written(value)}" for key, value in wanted.items() if value is not None]
        changes = [changes] if isinstance(changes, str) else changes
        loop = ["task.name=own", "task.own.loop=true", f"task.own.direction={direction}", "pool.kind=serial"]
        self.settings: SearchSettings = settings_of(None if config is None else Path(config), [*told, *loop, *changes])
        if self.settings.transfer:
            raise UserFault("key 'transfer': a loop of your own trains on what it likes; leave the section out")
        build_space(self.settings.space)

    def __repr__(self) -> str:
        """Say where the run is, and how far."""
        if not (self.run / FILE_NAME).exists():
            return f"Study('{self.run}'): nothing was trained yet"
        with contextlib.suppress(NotBegun):
            return f"Study('{self.run}'): {self.leaderboard().counted}{', finished' if self.is_finished else ''}"
        return f"Study('{self.run}'): nothing was trained yet"

    def trials(self, children: int | None = None) -> Generator[Trial, None, None]:
        """Return what is to be trained: baselines, candidates, then the ladder up to the final rung.

        Each trial needs ``trial.done(validation=...)`` or ``trial.failed(reason)`` before the next one. A loop that is
        left early, or a process that dies, leaves its trial to the next one that asks. A process has one loop around a
        run: asking anew ends the one before, which an exception may have left.

        Args:
            children: behaviours to train in the search, instead of the study's own number; a larger one than that of
                the run goes on with it.

        Raises:
            UserFault: the run has other settings, or a trial was left without a word.
        """
        settings = self.settings if children is None else _with_children(self.settings, children)

        def asked(plan: Plan) -> Asked:
            self.run.mkdir(parents=True, exist_ok=True)
            return search_trainings(plan, self.run, self._progress(), extend=children is not None)

        return self._begin(self._trials(settings, asked))

    def refine(self, which: Sequence[str] = (), minutes: float = MINUTES) -> Generator[Trial, None, None]:
        """Return further seeds of the finalists, until it is decided which are better than the incumbent.

        Args:
            which: functions that get them, as in ``module``; none stands for those that may still be better.
            minutes: after which no further seeds begin.

        Raises:
            UserFault: there is no run yet, it has no finalists, or nothing is open.
        """
        named = [which] if isinstance(which, str) else list(which)

        def asked(plan: Plan) -> Asked:
            return refinement_trainings(self.run, named, minutes, plan.vocabulary, self._progress())

        return self._begin(self._trials(self.settings, asked))

    def _begin(self, trials: Generator[Trial, None, None]) -> Generator[Trial, None, None]:
        if self.run.exists() and not self.run.is_dir():
            raise UserFault(f"'{self.run}' is a file; expected a directory for the run")
        before = _LOOPS.pop(self.run.resolve(), None)
        if before is not None:
            try:
                before.close()
            except ValueError as fault:
                raise UserFault(
                    "another thread of this process is in a loop around this run: one process has one loop; tell its "
                    "trials from as many threads as you like"
                ) from fault
        _LOOPS[self.run.resolve()] = trials
        return trials

    def _trials(self, settings: SearchSettings, asked: Callable[[Plan], Asked]) -> Generator[Trial, None, None]:
        plan = resolve(settings, proposer=self._proposer)
        try:
            yield from self._given(plan, settings, asked)
        except OSError as fault:
            raise UserFault(f"the run cannot be kept in '{self.run}': {fault.strerror}") from fault

    def _given(
        self, plan: Plan, settings: SearchSettings, asked: Callable[[Plan], Asked]
    ) -> Generator[Trial, None, None]:
        with closing(asked(plan)) as trainings:
            for training, tell in trainings:
                text = training.request.expression
                trial = Trial(training.request, plan.vocabulary.read_kept(text), plan.task.settings, tell)
                self.settings = settings  # with which the run was begun
                with trial:
                    yield trial
                if trial.outcome is None:
                    raise UserFault(
                        f"the trial of '{text}' ended without a word: call trial.done(validation=...), "
                        "or trial.failed(reason)"
                    )

    def _progress(self) -> Listener:
        if self.quiet:
            return silent
        from actsearch.search.show.display import ProgressLine, console  # noqa: PLC0415  rich, for whoever looks on

        return ProgressLine(console(stderr=True), Measure(sign=self.settings.task.sign))

    @property
    def verdict(self) -> list[str]:
        """The answer in words: what is better than the incumbent, or what it would take to know.

        Raises:
            UserFault: nothing was trained yet.
        """
        return Run(self.run, self.leaderboard()).verdict

    def plot(self, kind: str = "cost") -> Figure:
        """Return a figure of the run; see ``Run.plot``.

        Raises:
            UserFault: nothing was trained yet, or there is no such figure.
        """
        return Run(self.run, self.leaderboard()).plot(kind)

    def leaderboard(self) -> Leaderboard:
        """Return the ranking, also while it is searched.

        Raises:
            UserFault: nothing was trained yet.
        """
        with Store(self.run) as store:
            return leaderboard(store)

    def top(self, count: int | None = None) -> "DataFrame":
        """Return the ranking as a pandas DataFrame, best first, numbers in the direction of the study.

        Args:
            count: how many rows; None is all.
        """
        from actsearch.search.show.frames import frame  # noqa: PLC0415  pandas takes a second

        every = frame(self.leaderboard())
        return every if count is None else every.head(count)

    def module(
        self, which: str = "found", channels: int = 1, dimension: int | None = None, *, learned: bool = False
    ) -> nn.Module:
        """Return one of the ranking as a torch module.

        Args:
            which: a position, ``found``, an id, a known name or an expression.
            channels: of its input; 1 makes one parameter for the whole layer.
            dimension: where the channels are.
            learned: start at the mean of what was learned in its furthest rung, instead of as in the search.

        Raises:
            UserFault: the run has no such entry.
        """
        run = Run(self.run, self.leaderboard())
        return run.module(which, channels, dimension, learned=learned, vocabulary=vocabulary_of(self.settings.space))

    @property
    def is_finished(self) -> bool:
        """Whether everything was trained."""
        if not (self.run / FILE_NAME).exists():
            return False
        with contextlib.suppress(NotBegun), Store(self.run) as store:
            return bool(store.fact("finished"))
        return False


def _with_children(settings: SearchSettings, children: int) -> SearchSettings:
    if isinstance(children, bool) or not isinstance(children, numbers.Integral) or children < 1:
        raise UserFault(f"Study.trials: children must be a whole number, 1 at least, found {children!r}")
    return dataclasses.replace(settings, budget=dataclasses.replace(settings.budget, children=int(children)))


def _written(value: object) -> str:
    """Return a setting as YAML reads it: it takes 1e-05 for a text."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
