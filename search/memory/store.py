"""The store: all proposals, outcomes and updates of a run, in one SQLite file that others may read meanwhile.

Every method is one transaction, so killing the driver never leaves the file half written. Not here: the file itself
(``file``), the meaning of the numbers (``leaderboard``) and the order of the search (``run``).
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

# an outcome stays, unless it may have been the machine's fault: worker deaths
_FORGET_WORKER_DEATHS = (
    "DELETE FROM outcomes WHERE fingerprint = ? AND rung = ? AND repeat = ? "
    f"AND json_extract(metrics, '$.{WORKER_DEATHS}') IS NOT NULL"
)
_GIVE_BACK = "DELETE FROM taken WHERE fingerprint = ? AND rung = ? AND repeat = ?"
IGNORE, REPLACE = "INSERT OR IGNORE", "INSERT OR REPLACE"


class Store:
    """The stored data of one run.

    Args:
        directory: directory of the run, or the file in it.
        create: whether to create the file if it is absent, and to write to it; otherwise the store is opened for
            reading, which also works in a directory without write permission.
        say: function that gets a message while another program has locked the file.

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
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def describe(self, facts: dict[str, str]) -> None:
        """Store facts of the run (settings, versions, commit); a stored fact is never changed."""
        self._file.write("facts", [self._file.insertion("run", list(facts.items()), IGNORE)])

    def extend(self, settings: str, forget: Sequence[str]) -> None:
        """Replace the run's settings, keep the old ones as ``settings before N``, and delete the facts to forget."""
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
        """Return every fact by its key."""
        return {str(key): str(value) for key, value in self._file.rows("run")}

    def fact(self, key: str) -> str | None:
        """Return the value of one fact; None if there is none."""
        return self.facts().get(key)

    def add_baselines(self, baselines: Iterable[Behaviour]) -> None:
        """Store the baselines of the run."""
        self._file.write(
            "baselines", [self._file.insertion("behaviours", [behaviour.row for behaviour in baselines], IGNORE)]
        )

    def add_rungs(self, rungs: Iterable[Rung]) -> None:
        """Store rungs; a rung that is already stored keeps the larger number of seeds."""
        stored = {row[0]: row for row in self._file.rows("rungs", order="place")}
        new, more = [], []
        for rung in rungs:
            task = json.dumps(dataclasses.asdict(rung.task))
            if rung.name not in stored:
                new.append((rung.name, task, rung.seeds, int(rung.test), rung.key or rung.name))
            elif stored[rung.name][2] < rung.seeds:
                more.append((*stored[rung.name][:2], rung.seeds, *stored[rung.name][3:]))
        _, sealed = self._file.insertion("rungs", more)
        steps = [self._file.insertion("rungs", new)]
        steps += [("UPDATE rungs SET seeds = ?, digest = ? WHERE name = ?", [[r[2], r[-1], r[0]] for r in sealed])]
        self._file.write("rungs", steps)

    def rungs(self) -> list[Rung]:
        """Return every rung in the order of the ladder, then the other tasks."""
        task, rows = TypeAdapter(CompleteSettings).validate_json, self._file.rows("rungs", order="place")
        with self._file.guarded():
            return [Rung(n, task(t), s, bool(test), key if key != n else "") for n, t, s, test, key in rows]

    def add_costs(self, costs: Mapping[str, Cost]) -> None:
        """Store the costs of functions by fingerprint; an earlier measurement stays."""
        rows = [(fingerprint, *dataclasses.astuple(cost)) for fingerprint, cost in costs.items()]
        self._file.write("costs", [self._file.insertion("costs", rows, IGNORE)])

    def costs(self) -> dict[str, Cost]:
        """Return the measured costs by fingerprint."""
        return {printable(fingerprint): Cost(*numbers) for fingerprint, *numbers in self._file.rows("costs")}

    def add_proposals(self, behaviours: Sequence[Behaviour], proposals: Sequence[StoredProposal], state: bytes) -> None:
        """Store a batch, its new behaviours (known ones stay as they are), and the proposer's state after it."""
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
        """Store one outcome at once; it replaces an earlier one only if that one was due to worker deaths."""
        key, request, outcome = record.key, record.request, record.outcome
        finished = datetime.now(UTC).isoformat(timespec="milliseconds")
        child = (key.fingerprint, key.rung, key.repeat, request.seed, request.steps)
        result = (outcome.status.value, outcome.score, outcome.reason, outcome.seconds)
        details = (json.dumps(outcome.metrics), json.dumps(outcome.diagnostics))
        row = (*child, *result, *details, finished, outcome.trained_by)
        self._file.write(
            "outcome",
            [(_FORGET_WORKER_DEATHS, [child[:3]]), self._file.insertion("outcomes", [row]), (_GIVE_BACK, [child[:3]])],
        )

    def add_update(self, batch: int, metrics: dict[str, float], state: bytes) -> None:
        """Store the proposer's update on a batch, together with its state after it."""
        self._file.write(
            "update",
            [
                self._file.insertion("updates", [(batch, json.dumps(metrics))]),
                self._file.insertion("proposer", [(0, state)], REPLACE),
            ],
        )

    @property
    def sequence(self) -> int:
        """Number of the last event; every transaction is one event."""
        return self._file.sequence()

    def take(self, keys: Iterable[Key], owner: str) -> None:
        """Store the trainings that a process with the user's own loop has taken."""
        rows = [(*dataclasses.astuple(key), owner) for key in keys]
        self._file.write("taken", [("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?)", rows)])

    def taken(self) -> dict[Key, str]:
        """Return the owner of each taken training."""
        return {
            Key(printable(name), printable(rung), repeat): owner for name, rung, repeat, owner in self._file.taken()
        }

    def give_back(self, owner: str) -> None:
        """Delete the trainings that a process has taken."""
        self._file.write("given back", [("DELETE FROM taken WHERE owner = ?", [(owner,)])])

    def proposer_state(self) -> bytes | None:
        """Return the last stored state of the proposer; None if there is none."""
        return next((bytes(state) for _, state in self._file.rows("proposer")), None)

    def updates(self) -> dict[int, dict[str, float]]:
        """Return the metrics of every update by batch."""
        rows = self._file.rows("updates", order="batch")
        with self._file.guarded():
            return {batch: json.loads(metrics) for batch, metrics in rows}

    def proposals(self) -> list[StoredProposal]:
        """Return every proposal in the order of asking."""
        rows = self._file.rows("proposals", order="number")
        with self._file.guarded():
            return [StoredProposal(b, tuple(json.loads(t)), printable(e), printable(f)) for b, t, e, f in rows]

    def behaviours(self) -> list[Behaviour]:
        """Return all behaviours of the run in the order in which they were added."""
        rows = self._file.rows("behaviours")
        return [Behaviour(printable(f), printable(e), bool(b), t, printable(a)) for f, e, b, t, a in rows]

    def proposed(self, behaviours: Sequence[Behaviour] | None = None) -> list[str]:
        """Return the behaviours that proposals were trained as, in the order of their first proposal.

        Args:
            behaviours: behaviours of the store, if they were read already.
        """
        rows = self.behaviours() if behaviours is None else behaviours
        trained_as = {row.fingerprint: row.trained_as for row in rows}
        fingerprints = (trained_as.get(row[3]) for row in self._file.rows("proposals", order="number"))
        return [*dict.fromkeys(fingerprint for fingerprint in fingerprints if fingerprint is not None)]

    def moments(self, rung: str) -> list[str]:
        """Return the time at which each outcome of a rung was stored, in UTC, ISO 8601."""
        return [str(row[11]) for row in self._file.rows("outcomes", large=False) if row[1] == rung]

    def outcomes(self, behaviours: Sequence[Behaviour] | None = None, *, diagnostics: bool = True) -> dict[Key, Record]:
        """Return the record of every outcome.

        Args:
            behaviours: behaviours of the store, if they were read already.
            diagnostics: whether to read the diagnostics as well.
        """
        by_fingerprint = {row.fingerprint: row for row in (self.behaviours() if behaviours is None else behaviours)}
        tested = {row[0]: bool(row[3]) for row in self._file.rows("rungs")}
        records: dict[Key, Record] = {}
        rows = self._file.rows("outcomes", large=diagnostics)
        with self._file.guarded():
            for name, rung, repeat, seed, steps, status, score, reason, seconds, metrics, facts, _, by in rows:
                if name not in by_fingerprint or rung not in tested:
                    continue
                behaviour = by_fingerprint[name]
                patient = rung != SEARCH or behaviour.baseline
                request = Request(behaviour.expression, seed, steps, test=tested[rung], patient=patient)
                layer_facts = json.loads(facts) if facts != "{}" else {}
                outcome = Outcome(Status(status), score, reason, seconds, json.loads(metrics), layer_facts, by)
                key = Key(printable(name), printable(rung), repeat)
                records[key] = Record(key, request, outcome)
        return records
