"""The store: everything a run asked and learned, in one SQLite file that others may read while it is written.

Every method is one transaction, so the file is whole whenever the driver is killed. Not here: the file itself
(``file``), what the numbers mean (``leaderboard``) and the order of the search (``run``).
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from actsearch.evaluators.outcome import WORKER_DEATHS, Cost, Outcome, Request, Status
from actsearch.evaluators.printable import printable
from actsearch.evaluators.settings import CompleteSettings
from actsearch.search.memory.file import FILE_NAME, StoreError, StoreFile
from actsearch.search.memory.records import SEARCH, Behaviour, Key, Record, Rung, StoredProposal

__all__ = ["FILE_NAME", "Store", "StoreError"]

# an outcome stays, but for one that may have been the machine's fault
_FORGET_PASSING = (
    "DELETE FROM outcomes WHERE fingerprint = ? AND rung = ? AND repeat = ? "
    f"AND json_extract(metrics, '$.{WORKER_DEATHS}') IS NOT NULL"
)
_BACK = "DELETE FROM taken WHERE fingerprint = ? AND rung = ? AND repeat = ?"
IGNORE, REPLACE = "INSERT OR IGNORE", "INSERT OR REPLACE"


class Store:
    """One run's memory.

    Args:
        directory: the run's directory, or the file in it.
        create: make the file when it is absent; without it, the store is opened for reading, also where nobody may
            write.
        say: is told while another program keeps the file locked.

    Raises:
        StoreError: there is no readable store of this version.
    """

    def __init__(
        self, directory: Path, *, create: bool = False, say: Callable[[str], None] = lambda sentence: None
    ) -> None:
        if directory.name == FILE_NAME and directory.is_file():  # the file itself was named
            directory = directory.parent
        self.path = directory / FILE_NAME
        if create:
            directory.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_file():
            near = sorted(str(file.parent) for file in directory.glob(f"*/{FILE_NAME}"))[:3]
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise StoreError(f"'{directory}' holds no run: expected a file {FILE_NAME} in it{hint}")
        self._file = StoreFile(directory, create=create, say=say)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "Store":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def describe(self, facts: dict[str, str]) -> None:
        """Keep facts of the run (settings, versions, commit); a fact once kept is never changed."""
        self._file.write("facts", [self._file.insertion("run", list(facts.items()), IGNORE)])

    def extend(self, settings: str, forget: Sequence[str]) -> None:
        """Replace the settings of the run, which stay under ``settings before N``, and forget that parts are done."""
        facts = self.facts()
        number = 1 + sum(key.startswith("settings before ") for key in facts)
        before = [(f"settings before {number}", facts["settings"])] if "settings" in facts else []
        self._file.write(
            "extension",
            [
                self._file.insertion("run", [*before, ("settings", settings)], REPLACE),
                ("DELETE FROM run WHERE key = ?", [(key,) for key in forget]),
            ],
        )

    def facts(self) -> dict[str, str]:
        """Return every fact."""
        return {str(key): str(value) for key, value in self._file.rows("run")}

    def fact(self, key: str) -> str | None:
        """Return one fact."""
        return self.facts().get(key)

    def add_baselines(self, baselines: Iterable[Behaviour]) -> None:
        """Add what the run compares with."""
        self._file.write(
            "baselines", [self._file.insertion("behaviours", [behaviour.row for behaviour in baselines], IGNORE)]
        )

    def add_rungs(self, rungs: Iterable[Rung]) -> None:
        """Add ways of training; of one that is there already, the larger number of seeds is kept."""
        known = {row[0]: row for row in self._file.rows("rungs", order="place")}
        new, more = [], []
        for rung in rungs:
            task = json.dumps(dataclasses.asdict(rung.task))
            if rung.name not in known:
                new.append((rung.name, task, rung.seeds, int(rung.test), rung.key or rung.name))
            elif known[rung.name][2] < rung.seeds:
                more.append((*known[rung.name][:2], rung.seeds, *known[rung.name][3:]))
        _, sealed = self._file.insertion("rungs", more)
        steps = [self._file.insertion("rungs", new)]
        steps += [("UPDATE rungs SET seeds = ?, digest = ? WHERE name = ?", [[r[2], r[-1], r[0]] for r in sealed])]
        self._file.write("rungs", steps)

    def rungs(self) -> list[Rung]:
        """Return every way of training in the order of the ladder, other tasks behind it."""
        task, rows = TypeAdapter(CompleteSettings).validate_json, self._file.rows("rungs", order="place")
        with self._file.guarded():
            return [Rung(n, task(t), s, bool(test), key if key != n else "") for n, t, s, test, key in rows]

    def add_costs(self, costs: Mapping[str, Cost]) -> None:
        """Keep what functions cost, by fingerprint; what was measured once stays."""
        rows = [(fingerprint, *dataclasses.astuple(cost)) for fingerprint, cost in costs.items()]
        self._file.write("costs", [self._file.insertion("costs", rows, IGNORE)])

    def costs(self) -> dict[str, Cost]:
        """Return what was measured, by fingerprint."""
        return {printable(fingerprint): Cost(*numbers) for fingerprint, *numbers in self._file.rows("costs")}

    def add_proposals(self, behaviours: Sequence[Behaviour], proposals: Sequence[StoredProposal], state: bytes) -> None:
        """Keep a batch, the behaviours it brought (known ones stay as they are), and the proposer's state after it."""
        rows = [(p.batch, json.dumps(p.tokens), p.expression, p.fingerprint) for p in proposals]
        self._file.write(
            "proposals",
            [
                self._file.insertion("behaviours", [behaviour.row for behaviour in behaviours], IGNORE),
                self._file.insertion("proposals", rows),
                self._file.insertion("proposer", [(0, state)], REPLACE),
            ],
        )

    def add_outcome(self, record: Record) -> None:
        """Keep one outcome as soon as it is there; one that may be tried again gives way to what came of that."""
        key, request, outcome = record.key, record.request, record.outcome
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        asked = (key.fingerprint, key.rung, key.repeat, request.seed, request.steps)
        found = (outcome.status.value, outcome.score, outcome.reason, outcome.seconds)
        details = (json.dumps(outcome.metrics), json.dumps(outcome.diagnostics))
        row = (*asked, *found, *details, finished, outcome.trained_by)
        self._file.write(
            "outcome", [(_FORGET_PASSING, [asked[:3]]), self._file.insertion("outcomes", [row]), (_BACK, [asked[:3]])]
        )

    def add_update(self, batch: int, metrics: dict[str, float], state: bytes) -> None:
        """Keep that the proposer has learned from a batch, together with its state after it."""
        self._file.write(
            "update",
            [
                self._file.insertion("updates", [(batch, json.dumps(metrics))]),
                self._file.insertion("proposer", [(0, state)], REPLACE),
            ],
        )

    @property
    def sequence(self) -> int:
        """Number of the last event; every transaction is one."""
        return self._file.sequence()

    def take(self, keys: Iterable[Key], owner: str) -> None:
        """Keep which trainings a process has that trains in a loop of the user's."""
        rows = [(*dataclasses.astuple(key), owner) for key in keys]
        self._file.write("taken", [("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?)", rows)])

    def taken(self) -> dict[Key, str]:
        """Return who has which training."""
        return {
            Key(printable(name), printable(rung), repeat): owner for name, rung, repeat, owner in self._file.taken()
        }

    def give_back(self, owner: str) -> None:
        """Forget what a process has."""
        self._file.write("given back", [("DELETE FROM taken WHERE owner = ?", [(owner,)])])

    def proposer_state(self) -> bytes | None:
        """Return the last kept state of the proposer."""
        return next((bytes(state) for _, state in self._file.rows("proposer")), None)

    def updates(self) -> dict[int, dict[str, float]]:
        """Return the log of every update by batch."""
        rows = self._file.rows("updates", order="batch")
        with self._file.guarded():
            return {batch: json.loads(metrics) for batch, metrics in rows}

    def proposals(self) -> list[StoredProposal]:
        """Return every proposal in the order of asking."""
        rows = self._file.rows("proposals", order="number")
        with self._file.guarded():
            return [StoredProposal(b, tuple(json.loads(t)), printable(e), printable(f)) for b, t, e, f in rows]

    def behaviours(self) -> list[Behaviour]:
        """Return everything that was or will be trained, in the order of its coming."""
        rows = self._file.rows("behaviours")
        return [Behaviour(printable(f), printable(e), bool(b), t, printable(a)) for f, e, b, t, a in rows]

    def proposed(self, behaviours: Sequence[Behaviour] | None = None) -> list[str]:
        """Return the behaviours that proposals were trained as, in the order in which they were first asked for.

        Args:
            behaviours: those of the store, where they were read before.
        """
        known = self.behaviours() if behaviours is None else behaviours
        trained_as = {row.fingerprint: row.trained_as for row in known}
        asked = (trained_as.get(row[3]) for row in self._file.rows("proposals", order="number"))
        return [*dict.fromkeys(fingerprint for fingerprint in asked if fingerprint is not None)]

    def moments(self, rung: str) -> list[str]:
        """Return when each outcome of a rung was kept, UTC, ISO 8601."""
        return [str(row[11]) for row in self._file.rows("outcomes", large=False) if row[1] == rung]

    def outcomes(self, behaviours: Sequence[Behaviour] | None = None, *, diagnostics: bool = True) -> dict[Key, Record]:
        """Return every outcome.

        Args:
            behaviours: those of the store, where they were read before.
            diagnostics: whether each comes with its diagnostics.
        """
        known = {row.fingerprint: row for row in (self.behaviours() if behaviours is None else behaviours)}
        tested = {row[0]: bool(row[3]) for row in self._file.rows("rungs")}
        found: dict[Key, Record] = {}
        rows = self._file.rows("outcomes", large=diagnostics)
        with self._file.guarded():
            for name, rung, repeat, seed, steps, status, score, reason, seconds, metrics, facts, _, by in rows:
                if name not in known or rung not in tested:
                    continue
                behaviour = known[name]
                patient = rung != SEARCH or behaviour.baseline
                request = Request(behaviour.expression, seed, steps, test=tested[rung], patient=patient)
                told = json.loads(facts) if facts != "{}" else {}
                outcome = Outcome(Status(status), score, reason, seconds, json.loads(metrics), told, by)
                key = Key(printable(name), printable(rung), repeat)
                found[key] = Record(key, request, outcome)
        return found
