"""A search around your own training loop: take trials, train each as you like, report its loss.

Not here: one trial (``trial``), and how processes share the trials of a run (``search.loop``).
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

_LOOPS: MutableMapping[Path, Generator["Trial", None, None]] = weakref.WeakValueDictionary()  # loops of this process

os.register_at_fork(after_in_child=_LOOPS.clear)  # a forked child does not own its parent's loops


class Study:
    """A search around your own training loop, stored in a directory; opening the directory again resumes it.

    Several processes may open one study and take trials from it; each trial goes to one process only.

    Args:
        run: directory of the run.
        config: path of a YAML file with further settings: space, proposer, budget, ladder, final, baselines.
        space: set of primitives (``space.primitives``).
        proposer: name or path of a proposer (``proposer.name``), or an object with ask, tell, state and restore.
        seed: seed of every draw.
        children: number of behaviours to train in the search (``budget.children``).
        steps: value of ``trial.steps`` in the search; higher rungs have more.
        direction: ``maximise`` if a higher number is better, else ``minimise``.
        chance: loss of a network that knows nothing, for positive losses; None measures rewards by the baselines.
        changes: further settings as ``section.key=value``, as after ``--set``.
        quiet: whether to print no progress on the error stream.

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
        self.run, self.quiet = Path(run).absolute(), quiet  # the loop may change the working directory
        self._proposer = None if isinstance(proposer, str) else proposer
        arguments = {
            "space.primitives": space, "proposer.name": proposer if isinstance(proposer, str) else None,
            "seed": seed, "budget.children": children,
            "task.steps": steps, "task.own.chance": chance,
        }  # fmt: skip
        options = [f"{key}={_written(value)}" for key, value in arguments.items() if value is not None]
        changes = [changes] if isinstance(changes, str) else changes
        loop = ["task.name=own", "task.own.loop=true", f"task.own.direction={direction}", "pool.kind=serial"]
        self.settings: SearchSettings = settings_of(
            None if config is None else Path(config), [*options, *loop, *changes]
        )
        if self.settings.transfer:
            raise UserFault("key 'transfer': a loop of your own trains on what it likes; leave the section out")
        build_space(self.settings.space)

    def __repr__(self) -> str:
        """Return the run's directory and progress."""
        if not (self.run / FILE_NAME).exists():
            return f"Study('{self.run}'): nothing was trained yet"
        with contextlib.suppress(NotBegun):
            return f"Study('{self.run}'): {self.leaderboard().counted}{', finished' if self.is_finished else ''}"
        return f"Study('{self.run}'): nothing was trained yet"

    def trials(self, children: int | None = None) -> Generator[Trial, None, None]:
        """Yield the trials of the search: baselines, candidates, then the ladder up to the final rung.

        Each trial needs ``trial.done(validation=...)`` or ``trial.failed(reason)`` before the next one. If a loop is
        left early or its process dies, the next loop gets its trial. A process has one loop for each run: a new call
        ends the loop before, which an exception may have left open.

        Args:
            children: number of behaviours to train in the search, instead of the study's own; a number larger than the
                run's extends the run.

        Raises:
            UserFault: the run has other settings, or a trial ended without a result.
        """
        settings = self.settings if children is None else _with_children(self.settings, children)

        def start(plan: Plan) -> Asked:
            self.run.mkdir(parents=True, exist_ok=True)
            return search_trainings(plan, self.run, self._progress(), extend=children is not None)

        return self._begin(self._trials(settings, start))

    def refine(self, which: Sequence[str] = (), minutes: float = MINUTES) -> Generator[Trial, None, None]:
        """Yield trials with further seeds of the finalists, until it is decided which are better than the incumbent.

        Args:
            which: functions that get seeds, named as in ``module``; none stands for all that may still be better.
            minutes: time after which no further seeds begin.

        Raises:
            UserFault: there is no run yet, it has no finalists, or no finalist is open.
        """
        names = [which] if isinstance(which, str) else list(which)

        def start(plan: Plan) -> Asked:
            return refinement_trainings(self.run, names, minutes, plan.vocabulary, self._progress())

        return self._begin(self._trials(self.settings, start))

    def _begin(self, trials: Generator[Trial, None, None]) -> Generator[Trial, None, None]:
        if self.run.exists() and not self.run.is_dir():
            raise UserFault(f"'{self.run}' is a file; expected a directory for the run")
        previous = _LOOPS.pop(self.run.resolve(), None)
        if previous is not None:
            try:
                previous.close()
            except ValueError as fault:
                raise UserFault(
                    "another thread of this process is in a loop around this run: one process has one loop; tell its "
                    "trials from as many threads as you like"
                ) from fault
        _LOOPS[self.run.resolve()] = trials
        return trials

    def _trials(self, settings: SearchSettings, start: Callable[[Plan], Asked]) -> Generator[Trial, None, None]:
        plan = resolve(settings, proposer=self._proposer)
        try:
            yield from self._each_trial(plan, settings, start)
        except OSError as fault:
            raise UserFault(f"the run cannot be kept in '{self.run}': {fault.strerror}") from fault

    def _each_trial(
        self, plan: Plan, settings: SearchSettings, start: Callable[[Plan], Asked]
    ) -> Generator[Trial, None, None]:
        with closing(start(plan)) as trainings:
            for training, tell in trainings:
                text = training.request.expression
                trial = Trial(training.request, plan.vocabulary.read_kept(text), plan.task.settings, tell)
                self.settings = settings  # the settings with which the run began
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
        from actsearch.search.show.display import ProgressLine, console  # noqa: PLC0415  rich, only to print

        return ProgressLine(console(stderr=True), Measure(sign=self.settings.task.sign))

    @property
    def verdict(self) -> list[str]:
        """The answer in words: what is better than the incumbent, or what would decide it.

        Raises:
            UserFault: nothing was trained yet.
        """
        return Run(self.run, self.leaderboard()).verdict

    def plot(self, kind: str = "cost") -> Figure:
        """Return a figure of the run; see ``Run.plot``.

        Raises:
            UserFault: nothing was trained yet, or the run has no such figure.
        """
        return Run(self.run, self.leaderboard()).plot(kind)

    def leaderboard(self) -> Leaderboard:
        """Return the ranking, even while the search is running.

        Raises:
            UserFault: nothing was trained yet.
        """
        with Store(self.run) as store:
            return leaderboard(store)

    def top(self, count: int | None = None) -> "DataFrame":
        """Return the ranking as a pandas DataFrame, best first, with numbers in the direction of the study.

        Args:
            count: number of rows; None returns all.
        """
        from actsearch.search.show.frames import frame  # noqa: PLC0415  pandas takes a second

        every = frame(self.leaderboard())
        return every if count is None else every.head(count)

    def module(
        self, which: str = "found", channels: int = 1, dimension: int | None = None, *, learned: bool = False
    ) -> nn.Module:
        """Return an entry of the ranking as a torch module.

        Args:
            which: position, ``found``, id, known name or expression of the entry.
            channels: channels of the input; 1 makes one parameter for the whole layer.
            dimension: dimension of the channels in the input.
            learned: whether parameters start at the mean of their learned values on the entry's furthest rung, instead
                of as in the search.

        Raises:
            UserFault: the run has no such entry.
        """
        run = Run(self.run, self.leaderboard())
        return run.module(which, channels, dimension, learned=learned, vocabulary=vocabulary_of(self.settings.space))

    @property
    def is_finished(self) -> bool:
        """Whether every training of the run is finished."""
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
    """Return a setting as YAML text, floats without an exponent because YAML reads 1e-05 as a text."""
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)
