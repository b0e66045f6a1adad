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
SURE_ENOUGH = 10.0  # odds from which on the likeliest function is the answer
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
    said = [_use(verdict, board) if verdict.better else _keep_or_likely(verdict, name)]
    if again := [name_of(entry) for entry in verdict.finds if entry.names]:
        said.append(f"known before, and proposed by the search again: {', '.join(again)}")
    if verdict.known and said[0].count("a find of this search:"):
        best = min(verdict.known, key=lambda entry: entry.against[board.reference].difference)
        said.append(f"the best known function: {_difference(best, board)}")
    if not verdict.finds:
        said += _nearest(verdict, board, [e for e in board.entries if e.found], f"of {_tried(board)}")
        said += _lost_on_the_way(verdict)
    if not verdict.known:
        known = [e for e in board.entries if e.baseline and e is not verdict.incumbent]
        said += _nearest(verdict, board, known, f"of {len(known)} known functions" if len(known) > 1 else "")
    if verdict.likely is not None and (verdict.better or verdict.likely.odds < SURE_ENOUGH):
        said.append(f"most likely better, not shown: {_odds(verdict)}")
    said += _elsewhere(verdict, board)
    said += _next(verdict, board, run, program) if board.climbed else []
    return said


def _use(verdict: Verdict, board: Leaderboard) -> str:
    """Return what to use, and who is better too."""
    best, *others = sorted(verdict.better, key=lambda entry: entry.against[board.reference].difference)
    found, measure = best.against[board.reference], board.measure(FINAL)
    kind = "a find of this search" if best.found else "a known function"
    size = number(abs(measure.shown(found.difference)), like=best.mean())
    kinds = {True: " (a find)", False: " (known)"}
    names = [name_of(entry) + kinds[entry.found] * (entry.found != best.found) for entry in others]
    too = f"; {listed(names)} too" if names else ""
    return (
        f"{'' if board.climbed else 'so far, '}use {name_of(best)}, {kind}: {size}{measure.behind} better than "
        f"{verdict.title} ({seeds_of(found.pairs)}){_cost(best, verdict)}{too}"
    )


def _cost(entry: Entry, verdict: Verdict) -> str:
    mine, theirs = entry.cost, verdict.incumbent.cost if verdict.incumbent else None
    if mine is None:
        return ""
    if theirs is None:
        return f", at {mine.against_relu:.1f} times ReLU's cost"
    return f", at {mine.against_relu / theirs.against_relu:.1f} times its cost"


def _keep_or_likely(verdict: Verdict, name: str) -> str:
    """Return the answer where nobody is shown to be better: who very likely is, or what there is already."""
    if verdict.likely is not None and verdict.likely.odds >= SURE_ENOUGH:
        return f"very likely better than {name}, not yet shown: {_odds(verdict)}"
    nothing = f"after {seeds_of(verdict.seeds)} nothing is shown to be better"
    return f"keep {name}: {nothing}" + (f" yet, but {_open(verdict)} may be" if verdict.open else "")


def _tried(board: Leaderboard) -> str:
    """Return how many functions the search tried, in words."""
    count = sum(entry.found and not entry.is_refused for entry in board.entries)
    return f"{count} function{'s' * (count != 1)} that the search tried"


def _nearest(verdict: Verdict, board: Leaderboard, entries: Sequence[Entry], of: str) -> list[str]:
    """Return which of functions that are not shown to be better came nearest."""
    judged = [entry for entry in entries if board.reference in entry.against]
    if not judged:
        return [f"{of} none was trained at full length"] if of and entries else []
    count = f" ({len(judged)} {'was' if len(judged) == 1 else 'were'} trained at full length)"
    lead = (
        f"{of} none is shown to be better than {verdict.title}{count}; nearest " if of else "not shown to be better: "
    )
    return [lead + _difference(judged[0], board)]


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


def _lost_on_the_way(verdict: Verdict) -> list[str]:
    """Return how many finds were ahead after few steps and how many of these after many, where that fell."""
    if len(verdict.ahead) != 2 or not all(one.trained for one in verdict.ahead):
        return []
    before, after = verdict.ahead
    if not before.ahead or before.ahead * after.trained <= after.ahead * before.trained:
        return []
    return [
        f"in the mean {before.ahead} of {before.trained} finds were ahead of {verdict.title} after "
        f"{before.steps:,} steps, {after.ahead} of the {after.trained} finalists after {after.steps:,}"
    ]


def _odds(verdict: Verdict) -> str:
    assert verdict.likely is not None  # asked before
    found = verdict.likely
    word = "lower" if found.lower_is_better else "higher"
    odds = (
        "over a million" if found.odds > CERTAIN else f"{found.odds:,.0f}" if found.odds >= 10 else f"{found.odds:.1f}"
    )
    whose = "a find" if found.entry.found else "a known function"
    return (
        f"{name_of(found.entry)}, {whose}, {word} with {found.lower} of {found.pairs} seeds (odds {odds} to 1, by a "
        "paired t-test corrected for all functions compared)"
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
    refine = "loop over study.refine()" if board.is_loop else f"{program} refine {run}"
    if verdict.open:
        may = " may be better too;" if verdict.better else ":"
        return [f"{_open(verdict)}{may} {_further(verdict)} would decide: {refine}"]
    if verdict.finds:
        return []
    if verdict.seeds == 1 and any(entry.found and board.reference in entry.against for entry in board.entries):
        which = refine.replace("()", "('found')") if board.is_loop else f"{refine} --which found"
        return [f"one seed shows nothing, whatever the difference; more of them: {which}"]
    key, number = board.budget
    if board.is_loop:
        more = f": loop over study.trials(children={2 * number})" if key == "children" else ""
    else:
        asked = board.asked if board.asked.startswith(("search ", "recommend ")) else f"search {board.asked}"
        more = f"budget.{key}={2 * number}"
        more = f": {program} {asked} --run {run} --extend {more}" if board.asked else f" ({more})"
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
