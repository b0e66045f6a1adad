"""A search around a training loop of your own: ask for trials, train each as you like, say what came of it.

Not here: one of them (``trial``), and how they are asked for and shared among processes (``search.loop``).
"""

import contextlib
import dataclasses
import numbers
import weakref
from collections.abc import Generator, MutableMapping, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import nn

from actsearch.grammar.fault import UserFault
from actsearch.run import Run
from actsearch.search.loop import search_trainings
from actsearch.search.memory.file import NotBegun
from actsearch.search.memory.store import FILE_NAME, Store
from actsearch.search.plan import resolve
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.settings.classes import SearchSettings
from actsearch.search.settings.reading import settings_of
from actsearch.search.settings.space import build_space, vocabulary_of
from actsearch.trial import Trial

if TYPE_CHECKING:
    from actsearch.search.show.frames import DataFrame

_LOOPS: MutableMapping[Path, Generator["Trial", None, None]] = weakref.WeakValueDictionary()  # of this process


class Study:
    """A search around your own training loop, kept in a directory; the same study goes on where it was left.

    Several processes may open the same study and take trials from it; none is given out twice.

    Args:
        run: the directory.
        config: a YAML file with further settings: space, proposer, budget, ladder, final, baselines.
        space: a set of primitives (``space.primitives``).
        proposer: who proposes (``proposer.name``).
        seed: of every draw.
        children: behaviours to train in the search (``budget.children``).
        steps: what ``trial.steps`` is in the search; rungs above want more.
        direction: ``maximise`` where a higher number is better.
        chance: what a network that knows nothing gets, for positive losses; without it rewards are measured by the
            baselines.
        changes: further settings, ``section.key=value``, as behind ``--set``.

    Raises:
        UserFault: a setting cannot be used.
    """

    def __init__(
        self, run: str | Path, config: str | Path | None = None, *, space: str | None = None,
        proposer: str | None = None, seed: int | None = None, children: int | None = None, steps: int | None = None,
        direction: Literal["minimise", "maximise"] = "minimise", chance: float | None = None,
        changes: Sequence[str] = (),
    ) -> None:  # fmt: skip
        if not isinstance(run, (str, Path)) or not str(run):
            raise UserFault(f"Study: expected a directory for the run, found {run!r}")
        if not isinstance(config, (str, Path, type(None))):
            raise UserFault(f"Study: expected a YAML file as config, found {type(config).__name__}")
        self.run = Path(run).absolute()  # wherever the loop goes
        wanted = {
            "space.primitives": space, "proposer.name": proposer, "seed": seed, "budget.children": children,
            "task.steps": steps, "task.own.chance": chance,
        }  # fmt: skip
        told = [f"{key}={_written(value)}" for key, value in wanted.items() if value is not None]
        changes = [changes] if isinstance(changes, str) else changes
        loop = ["task.name=own", "task.own.loop=true", f"task.own.direction={direction}", "pool.kind=serial"]
        self.settings: SearchSettings = settings_of(None if config is None else Path(config), [*told, *loop, *changes])
        if self.settings.transfer:
            raise UserFault("key 'transfer': a loop of your own trains on what it likes; leave the section out")
        build_space(self.settings.space)

    def trials(self, children: int | None = None) -> Generator[Trial, None, None]:
        """Return what is to be trained: baselines, candidates, then the ladder up to the final rung.

        A process has one loop around a run: asking anew ends the one before, which an exception may have left.

        Each must be told ``trial.done(validation=...)`` or ``trial.failed(reason)`` before the next one; a loop that is
        left early, or a process that dies, leaves its trial to the next one that asks.

        Args:
            children: behaviours to train in the search, instead of the study's own number.

        Raises:
            UserFault: the run has other settings, or a trial was not told what came of it.
        """
        settings = self.settings if children is None else _with_children(self.settings, children)
        if self.run.exists() and not self.run.is_dir():
            raise UserFault(f"'{self.run}' is a file; expected a directory for the run")
        before = _LOOPS.pop(self.run.resolve(), None)
        if before is not None:
            before.close()
        _LOOPS[self.run.resolve()] = found = self._trials(settings)
        return found

    def _trials(self, settings: SearchSettings) -> Generator[Trial, None, None]:
        plan = resolve(settings)
        try:
            self.run.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise UserFault(f"the run cannot be kept in '{self.run}': {fault.strerror}") from fault
        with closing(search_trainings(plan, self.run)) as trainings:
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
