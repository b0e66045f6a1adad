"""Where a run stands, told without disturbing it: done or not, how fast, what was refused, what failed last.

Not here: its ranking (``ranking``) and how this is shown (``show.state_tables``).
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from actsearch.evaluators.outcome import WORKER_DEATHS, Status
from actsearch.grammar.fault import UserFault, fault_text
from actsearch.search.ladder import goals_of
from actsearch.search.memory.locks import is_running
from actsearch.search.memory.records import CLIMBED, FINISHED, Record
from actsearch.search.memory.store import FILE_NAME, Store, StoreError
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.settings.reading import from_tree

RECENT = timedelta(minutes=10)  # in which the rate is counted


@dataclass(frozen=True)
class RunState:
    """One run.

    Args:
        directory: of it.
        state: ``running``, ``finished``, ``unfinished``, or why it cannot be read.
        trained: children that have an outcome, by rung.
        wanted: children that its settings ask for, by rung, at most; empty where that is not known.
        last: when the last outcome was kept; None without any.
        rate: children a minute, over the ten minutes before the last outcome.
        refused: candidates that were not trained, by reason.
        failed: trainings without a score, by status.
        fault: the last of these, in a sentence.
        retries: workers that died under children that were given up.
        best: text of the first of the ranking; empty without any.
        size: bytes of its directory.
        workers: that its settings ask for, in words.
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
        """Minutes that what is wanted will take at this rate, at most; None where nothing is known."""
        missing = sum(max(0, count - self.trained.get(rung, 0)) for rung, count in self.wanted.items())
        return None if not self.rate or not self.wanted or self.state == "finished" else missing / self.rate


def state_of(directory: Path) -> RunState:
    """Return where a run stands.

    Raises:
        StoreError: there is none, or what it holds makes no sense.
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
    settings = json.loads(store.fact("settings") or "{}")
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
    """Return the first of the ranking, as every list has it."""
    return next((entry.expression for entry in leaderboard(store, diagnostics=False).entries), "")


def _wanted(tree: dict[str, Any]) -> dict[str, int]:
    try:
        settings = from_tree(tree)
        steps = [settings.task.steps, *(rung.steps for rung in settings.ladder), settings.final.steps]
        whole = [count for count in steps if count is not None]
        if len(whole) < len(steps):  # a version that kept open values
            return {}
        found = goals_of(settings.budget.children, len(settings.baselines), settings.ladder, settings.final, whole)
        return {name: goal.children for name, goal in found.items()}
    except UserFault:  # of another version
        return {}


def run_directories(directory: Path) -> set[Path]:
    """Return the directories that hold a run, at most two folders down."""
    return {file.parent for pattern in ("", "*/", "*/*/") for file in directory.glob(f"{pattern}{FILE_NAME}")}


def runs_in(directory: Path) -> Iterator[RunState]:
    """Yield the runs below a directory, at most two folders down, the latest first; what cannot be read says why."""
    for path in sorted(run_directories(directory), key=_changed, reverse=True):
        try:
            yield state_of(path)
        except (UserFault, OSError) as fault:
            yield RunState(path, fault_text(fault) if isinstance(fault, OSError) else str(fault))


def _changed(path: Path) -> float:
    try:
        return (path / FILE_NAME).stat().st_mtime
    except OSError:  # it went meanwhile
        return 0.0


def age(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago something was, for people."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
