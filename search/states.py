"""The state of a run, read without disturbing it: progress, speed, rejected candidates, the last failure.

Not here: the ranking (``ranking``), and the tables of states (``show.state_tables``).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from actsearch.evaluators.outcome import WORKER_DEATHS, Status
from actsearch.grammar.fault import UserFault, fault_text
from actsearch.search.ladder import goals_of
from actsearch.search.memory.kept_settings import settings_in
from actsearch.search.memory.locks import is_running
from actsearch.search.memory.records import CLIMBED, FINISHED, Record
from actsearch.search.memory.store import FILE_NAME, Store, StoreError
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.settings.reading import from_tree

RECENT = timedelta(minutes=10)  # time over which the rate is measured


@dataclass(frozen=True)
class RunState:
    """The state of one run.

    Args:
        directory: directory of the run.
        state: ``running``, ``finished``, ``unfinished``, or the reason why the run cannot be read.
        trained: rung -> number of children with an outcome.
        wanted: rung -> largest number of children by the settings; empty if unknown.
        last: time of the last outcome; None without outcomes.
        rate: children a minute, over the ten minutes before the last outcome.
        refused: reason -> number of candidates that were rejected untrained.
        failed: status -> number of trainings without a score.
        fault: last training without a score, in one sentence; empty without any.
        retries: number of worker deaths on children that were given up.
        best: expression at the top of the ranking; empty without any.
        size: bytes of the directory.
        workers: number of workers by the settings, in words.
    """

    directory: Path
    state: str
    trained: dict[str, int] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    last: datetime | None = None
    rate: float = 0.0
    refused: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    retries: int = 0
    best: str = ""
    size: int = 0
    workers: str = ""

    @property
    def left(self) -> float | None:
        """Minutes until the run ends at this rate, at most; None if unknown or finished."""
        missing = sum(max(0, count - self.trained.get(rung, 0)) for rung, count in self.wanted.items())
        return None if not self.rate or not self.wanted or self.state == "finished" else missing / self.rate


def state_of(directory: Path) -> RunState:
    """Return the state of a run.

    Raises:
        StoreError: there is no run, or its store is damaged.
    """
    path = directory if directory.is_dir() else directory.parent
    with Store(directory) as store:
        try:
            return _state_of(path, store)
        except (ValueError, TypeError, KeyError, AttributeError) as fault:
            if isinstance(fault, UserFault):
                raise
            raise StoreError(f"'{store.path}' is damaged: {fault_text(fault)}") from fault


def _state_of(path: Path, store: Store) -> RunState:
    outcomes = store.outcomes()
    times = sorted(datetime.fromisoformat(moment) for rung in store.rungs() for moment in store.moments(rung.name))
    settings = settings_in(store)
    finished = store.fact(FINISHED) is not None or (store.fact(CLIMBED) is not None and not settings.get("transfer"))
    state = "running" if is_running(path) else "finished" if finished else "unfinished"
    records = [*outcomes.values()]
    trained = Counter(r.key.rung for r in records if r.outcome.status is not Status.REJECTED)
    bad = [r for r in records if r.outcome.score is None and r.outcome.status is not Status.REJECTED]
    refused = Counter(_kind(r) for r in records if r.outcome.status is Status.REJECTED)
    pool = settings.get("pool", {})
    return RunState(
        path, state, dict(trained), {name: max(count, trained[name]) for name, count in _wanted(settings).items()},
        times[-1] if times else None, _rate(times), dict(refused),
        dict(Counter(r.outcome.status.value for r in bad)),
        f"{bad[-1].request.expression}: {bad[-1].outcome.status.value}: {bad[-1].outcome.reason}" if bad else "",
        int(sum(r.outcome.metrics.get(WORKER_DEATHS, 0) for r in records)), _best(store),
        sum(part.stat().st_size for part in path.rglob("*") if part.is_file()),
        "this process alone" if pool.get("kind") == "serial" else str(pool.get("workers") or "one a core"),
    )  # fmt: skip


def _kind(record: Record) -> str:
    return record.outcome.reason.partition(":")[0]


def _rate(times: Sequence[datetime]) -> float:
    recent = [moment for moment in times if times[-1] - moment <= RECENT]
    if len(recent) < 2 or recent[0] == recent[-1]:
        return 0.0
    return 60 * (len(recent) - 1) / (recent[-1] - recent[0]).total_seconds()


def _best(store: Store) -> str:
    """Return the expression at the top of the ranking; empty without one."""
    return next((entry.expression for entry in leaderboard(store, diagnostics=False).entries), "")


def _wanted(tree: dict[str, Any]) -> dict[str, int]:
    try:
        settings = from_tree(tree)
        steps = [settings.task.steps, *(rung.steps for rung in settings.ladder), settings.final.steps]
        known = [count for count in steps if count is not None]
        if len(known) < len(steps):  # a store of a version that kept open values
            return {}
        goals = goals_of(settings.budget.children, len(settings.baselines), settings.ladder, settings.final, known)
        return {name: goal.children for name, goal in goals.items()}
    except UserFault:  # settings of another version
        return {}


def run_directories(directory: Path) -> set[Path]:
    """Return the directories that hold a run, at most two folders down."""
    return {file.parent for pattern in ("", "*/", "*/*/") for file in directory.glob(f"{pattern}{FILE_NAME}")}


def runs_in(directory: Path) -> Iterator[RunState]:
    """Yield the states of runs at most two folders down, the latest first; for an unreadable run, the reason."""
    for path in sorted(run_directories(directory), key=_changed, reverse=True):
        try:
            yield state_of(path)
        except (UserFault, OSError) as fault:
            yield RunState(path, fault_text(fault) if isinstance(fault, OSError) else str(fault))


def _changed(path: Path) -> float:
    try:
        return (path / FILE_NAME).stat().st_mtime
    except OSError:  # the run was deleted meanwhile
        return 0.0


def age(moment: datetime, now: datetime | None = None) -> str:
    """Return the age of a moment as text, such as ``5 min``."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
