"""The verdict in words: the answer first, of the search's finds and of known functions apart, then what to do.

Not here: the verdict itself (``verdict``) and where it is printed (``search.show``).
"""

import math
from collections.abc import Sequence

from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.verdict import Verdict, name_of

CERTAIN = 1e6  # odds beyond which nobody tells them apart
NAMED = 3  # functions that a sentence names


def sentences(verdict: Verdict, board: Leaderboard, run: str, program: str = "actsearch") -> list[str]:
    """Return the verdict in words, the answer first, then what to do.

    Args:
        verdict: of the ranking.
        board: the ranking.
        run: how the run is named in commands.
        program: how the program is called.
    """
    name = verdict.title + (", your network's own activation" if verdict.is_own else "")
    if verdict.state == "unjudged":
        if verdict.incumbent is not None and FINAL in verdict.incumbent.records:
            return [f"no verdict: the reference, {name}, failed on at least one seed"]
        return ["no verdict yet: no function has been judged on the final rung"]
    if not verdict.better and not board.climbed:
        return [f"no verdict yet: finalists are still trained, {seeds_of(verdict.seeds)} of {name} so far"]
    so_far = "" if board.climbed else "so far, "
    said = []
    if verdict.finds:
        count = len(verdict.finds)
        whose = "a find" if count == 1 else f"{count} finds"
        best = "" if count == 1 else "best "
        said.append(f"{so_far}{whose} of this search better than {name}: {best}{_told(verdict.finds[0], board)}")
        if again := [name_of(entry) for entry in verdict.finds if entry.names]:
            said.append(f"known before, and proposed by the search again: {', '.join(again)}")
    elif verdict.known:
        said.append(f"{so_far}no find of this search is shown to be better than {name}, but known functions are")
    else:
        said.append(f"nothing is shown to be better than {name} after {seeds_of(verdict.seeds)}")
    if verdict.known:
        count = len(verdict.known)
        lead = "a known function is better" if count == 1 else f"{count} known functions are better; best"
        said.append(f"{lead}: {_told(verdict.known[0], board)}")
    if not verdict.finds:
        said += _best_find(verdict, board)
    if verdict.likely is not None:
        said.append(_likely(verdict, board))
    said += _elsewhere(verdict, board)
    said += _next(verdict, board, run, program) if board.climbed else []
    return said


def _told(entry: Entry, board: Leaderboard) -> str:
    found, measure = entry.against[board.reference], board.measure(FINAL)
    low, high = measure.ends(found.interval)
    unit, like = measure.behind, entry.mean()
    ends = ""
    if not math.isinf(high - low):
        ends = f" ({number(low, like=like, signed=True)} to {number(high, like=like, signed=True)})"
    cost = f", at {entry.cost.against_relu:.1f} times ReLU's cost" if entry.cost else ""
    difference = number(measure.shown(found.difference), like=like, signed=True)
    return f"{name_of(entry)}, {difference}{unit}{ends}{cost}"


def _difference(entry: Entry, board: Leaderboard) -> str:
    """Return a function with its difference, its seeds and, where it left the race, that."""
    found, measure = entry.against[board.reference], board.measure(FINAL)
    unit = measure.behind
    difference = number(measure.shown(found.difference), like=entry.mean(), signed=True)
    seeds = seeds_of(found.pairs)
    where = f"dropped after {seeds}" if entry.standing == "dropped" else f"{entry.standing or 'open'}, {seeds}"
    return f"{name_of(entry)}, {difference}{unit} ({where})"


def worth(entry: Entry, board: Leaderboard) -> str:
    """Return what one entry of a run is worth against the incumbent, in a sentence."""
    kind = "a baseline" if entry.baseline else "a find of this search"
    incumbent = next((one for one in board.entries if one.fingerprint == board.incumbent), None)
    name = name_of(incumbent) if incumbent else "the incumbent"
    if entry.standing == "incumbent":
        return "it is the incumbent, what all are compared with"
    if board.reference not in entry.against:
        return f"it is {kind}, and was not judged against {name}: the best of few seeds is mostly luck"
    words = {"better": f"better than {name}", "worse": f"worse than {name}"}
    shown = words.get(entry.standing, f"not shown to be better than {name}")
    return f"it is {kind}, {shown}: {_difference(entry, board).removeprefix(name_of(entry) + ', ')}"


def _best_find(verdict: Verdict, board: Leaderboard) -> list[str]:
    """Return what the search's finalists are worth, and what they lost on their way."""
    finds = [e for e in board.entries if e.found and board.reference in e.against]
    if not finds:
        return []
    said = [f"the best find: {_difference(finds[0], board)}"]
    if len(verdict.ahead) == 2 and all(one.trained for one in verdict.ahead):
        before, after = verdict.ahead
        if before.ahead and before.ahead * after.trained > after.ahead * before.trained:
            said.append(
                f"in the mean {before.ahead} of {before.trained} finds were ahead of {verdict.title} after "
                f"{before.steps:,} steps, {after.ahead} of the {after.trained} finalists after {after.steps:,}"
            )
    return said


def _likely(verdict: Verdict, board: Leaderboard) -> str:
    assert verdict.likely is not None  # asked before
    found, measure = verdict.likely, board.measure(FINAL)
    word = "lower" if measure.sign > 0 else "higher"
    odds = (
        "over a million" if found.odds > CERTAIN else f"{found.odds:,.0f}" if found.odds >= 10 else f"{found.odds:.1f}"
    )
    whose = "a find" if found.entry.found else "a known function"
    return (
        f"most likely better, not shown: {name_of(found.entry)}, {whose}, {word} with {found.lower} of {found.pairs} "
        f"seeds (odds {odds} to 1, by a paired t-test corrected for all functions compared)"
    )


def _elsewhere(verdict: Verdict, board: Leaderboard) -> list[str]:
    """Return what became, on other tasks, of those that are better here, or of the best find."""
    every = [*verdict.better[: NAMED - 1], *(entry for entry in board.entries if entry.found)]
    asked = [*{entry.fingerprint: entry for entry in every if entry.elsewhere}.values()][:NAMED]
    said = []
    for rung in board.rungs:
        measure, words, pairs = board.measure(rung.name), [], 0
        for entry in asked:
            found = entry.elsewhere.get(rung.name)
            if found is not None:
                difference = number(measure.shown(found.difference), like=entry.mean(rung.name), signed=True)
                words.append(f"{name_of(entry)} {found.verdict.replace('tied', 'not told apart')} ({difference})")
                pairs = max(pairs, found.pairs)
        if words:
            said.append(f"on {rung.name}, against {verdict.title} with {pairs} seeds: {'; '.join(words)}")
    return said


def _next(verdict: Verdict, board: Leaderboard, run: str, program: str) -> list[str]:
    if verdict.open:
        may = " may be better too;" if verdict.better else ":"
        return [f"{_open(verdict)}{may} {_further(verdict)} would decide: {program} refine {run}"]
    if verdict.finds:
        return []
    if verdict.seeds == 1 and any(entry.found and board.reference in entry.against for entry in board.entries):
        return [f"one seed shows nothing, whatever the difference; more of them: {program} refine {run} --which found"]
    more = f"budget.children={2 * board.children}"
    more = f": {program} search {board.asked} --run {run} --extend {more}" if board.asked else f" ({more})"
    return [f"more seeds would hardly change it; more children might{more}"]


def _open(verdict: Verdict) -> str:
    return listed([name_of(entry) for entry, _ in verdict.open])


def listed(names: Sequence[str]) -> str:
    """Return names as a person lists them, the first and a number where there are many."""
    if len(names) > NAMED:
        return f"{names[0]} and {len(names) - 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _further(verdict: Verdict) -> str:
    seeds = verdict.seeds_to_decide
    return f"about {seeds} more seed{'s' * (seeds > 1)} ({duration(verdict.seconds * seeds)} here)"


def seeds_of(number: int) -> str:
    """Return how many seeds, in words."""
    return f"{number} seed{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """Return a time for people."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, math.ceil(seconds)):d} seconds"
