"""The answer of a run in words: what is better than the incumbent, or what it would take to know.

Not here: the tests (``significance``) and the tables (``search.show``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actsearch.grammar.notation import written
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.evidence import LEVEL, pairs_to_decide
from actsearch.search.ranking.significance import Comparison, differences_by_seed
from actsearch.search.ranking.standing import is_behind

if TYPE_CHECKING:
    from actsearch.search.ranking.leaderboard import Leaderboard

TITLES = {
    "relu": "ReLU", "silu": "SiLU", "gelu": "GELU", "elu": "ELU", "selu": "SELU", "swish": "Swish", "mish": "Mish",
    "prelu": "PReLU", "leaky_relu": "Leaky ReLU", "hardswish": "Hardswish",
}  # fmt: skip
"""Names as people write them, where those differ from the names here."""


@dataclass(frozen=True)
class Verdict:
    """What the final rung says; empty tuples where there is none yet.

    Args:
        incumbent: the entry that all are compared with; None where it was not judged.
        title: its name, for people.
        better: who is better at a family-wise level of 5 %, the best first.
        worse: who is worse.
        open: who may be better, as far as their seeds can tell, and about how many seeds more would tell; the best
            first. Who is level with the incumbent, or behind, is not among them.
        seeds: of the incumbent.
        seconds: of one more seed of all who are open and the incumbent.
        is_own: whether the incumbent stood in a network of the user's.
    """

    incumbent: "Entry | None"
    title: str
    better: tuple["Entry", ...] = ()
    worse: tuple["Entry", ...] = ()
    open: tuple[tuple["Entry", int], ...] = ()
    seeds: int = 0
    seconds: float = 0.0
    is_own: bool = False

    @property
    def state(self) -> str:
        """Return ``better`` if something is, ``open`` if more seeds could show it, else ``none``; or ``unjudged``."""
        if self.incumbent is None or not self.seeds:
            return "unjudged"
        return "better" if self.better else "open" if self.open else "none"

    @property
    def seeds_to_decide(self) -> int:
        """Return about how many seeds more of all who are open would decide."""
        return max((seeds for _, seeds in self.open), default=0)


def title_of(name: str) -> str:
    """Return a name as people write it."""
    return TITLES.get(name, name)


def name_of(entry: "Entry") -> str:
    """Return what an entry is called: its known name, or its formula as people write it."""
    if entry.names:
        return title_of(entry.names[0])
    expression = built_in_expression(entry.expression)
    return entry.expression if expression is None else written(expression).plain


def verdict_of(board: "Leaderboard", workers: int = 1) -> Verdict:
    """Return the verdict of a ranking.

    Args:
        board: of a run.
        workers: that would train further seeds, for the time they take.
    """
    incumbent = next((entry for entry in board.entries if entry.fingerprint == board.incumbent), None)
    names = incumbent.names if incumbent else ()
    title = title_of(names[0]) if names else incumbent.expression if incumbent else "the incumbent"
    losses = incumbent.losses() if incumbent else {}
    own = next((rung.task.name == "own" for rung in board.rungs if rung.name == FINAL), False)
    if incumbent is None or not losses:
        return Verdict(incumbent, title, is_own=own)
    judged = [entry for entry in board.entries if entry is not incumbent and entry.losses()]
    told = {entry.fingerprint: entry.against.get(board.reference) for entry in judged}
    better = [entry for entry in judged if _is_sure(told[entry.fingerprint]) == "better"]
    worse = [entry for entry in judged if _is_sure(told[entry.fingerprint]) == "worse"]
    possible = []
    for entry in judged:
        found = differences_by_seed(entry.losses(), losses)
        if entry in better or entry in worse or len(found) < 2 or is_behind(found) or sum(found) >= 0:
            continue
        if (needed := pairs_to_decide(found, len(judged))) is not None:
            possible.append((entry, max(1, needed)))
    seconds = [r.outcome.seconds for entry in judged for r in entry.records[FINAL]]
    each = sum(seconds) / len(seconds) * (len(possible) + 1) / workers if seconds else 0.0
    return Verdict(incumbent, title, tuple(better), tuple(worse), tuple(possible), len(losses), each, own)


def _is_sure(found: Comparison | None) -> str:
    if found is None or found.corrected is None or found.corrected > LEVEL:
        return ""
    return "better" if found.difference < 0 else "worse"


def sentences(verdict: Verdict, board: "Leaderboard", run: str, program: str = "actsearch") -> list[str]:
    """Return the verdict in words, the answer first, then what to do.

    Args:
        verdict: of the ranking.
        board: the ranking.
        run: how the run is named in commands.
        program: how the program is called.
    """
    name = verdict.title + (", your network's own activation" if verdict.is_own else "")
    refine = f"{program} refine {run}"
    if verdict.state == "unjudged":
        if verdict.incumbent is not None and FINAL in verdict.incumbent.records:
            return [f"no verdict: {name}, that everything is compared with, gave no score with some seed"]
        return ["no verdict yet: no function has been judged on the final rung"]
    if verdict.state == "better":
        best = verdict.better[0]
        count, found = len(verdict.better), sum(entry.found for entry in verdict.better)
        whose = (
            ""
            if not found
            else ", found by this search"
            if found == count
            else f", {found} of them found by this search"
        )
        sofar = "" if board.climbed else "so far, "
        said = [f"{sofar}better than {name}: {count} function{'s' * (count > 1)}{whose}; best {_told(best, board)}"]
        if verdict.open:
            said.append(f"{_open(verdict)} may be better too; {_further(verdict)} would decide: {refine}")
        return said
    if not board.climbed:
        return [f"no verdict yet: finalists are still trained, {verdict.seeds} seeds of {name} so far"]
    lead = f"nothing here is better than {name} as far as {verdict.seeds} seeds can tell"
    if verdict.state == "open":
        return [f"{lead}; {_further(verdict)} of {_open(verdict)} would decide: {refine}"]
    return [f"{lead}, and more seeds would hardly change it; more children might: --extend budget.children=N"]


def _told(entry: "Entry", board: "Leaderboard") -> str:
    found, measure = entry.against[board.reference], board.measure(FINAL)
    low, high = measure.ends(found.interval)
    unit = f" {measure.unit}" if measure.unit else ""
    ends = "" if math.isinf(high - low) else f" ({low:+.4f} to {high:+.4f})"
    cost = f", at {entry.cost.against_relu:.1f} times ReLU's cost" if entry.cost else ""
    return f"{name_of(entry)}, {measure.shown(found.difference):+.4f}{unit}{ends}{cost}"


def _open(verdict: Verdict) -> str:
    return _listed([name_of(entry) for entry, _ in verdict.open])


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{names[0]} and {len(names) - 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _further(verdict: Verdict) -> str:
    seeds = verdict.seeds_to_decide
    return f"about {seeds} more seed{'s' * (seeds > 1)} ({duration(verdict.seconds * seeds)} here)"


def duration(seconds: float) -> str:
    """Return a time for people."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, math.ceil(seconds)):d} seconds"
