"""The verdict in words: first the answer, for finds of the search and for known functions, then what to do.

Not here: the verdict itself (``verdict``) and where it is printed (``search.show``).
"""

import math
from collections.abc import Sequence

from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.rung_facts import short_sight
from actsearch.search.ranking.verdict import Verdict, name_of

CERTAIN = 1e6  # larger odds are only called over a million
SURE_ENOUGH = 10.0  # from these odds on, the likeliest function is the answer
NAMED = 3  # most functions that a sentence names


def sentences(verdict: Verdict, board: Leaderboard, run: str, program: str = "actsearch") -> list[str]:
    """Return the sentences of a verdict: first the answer, then what to do.

    Args:
        verdict: verdict of the ranking.
        board: ranking of the run.
        run: name of the run in commands.
        program: name of the program in commands.
    """
    name = verdict.title + (", your network's own activation" if verdict.is_own else "")
    if verdict.state == "unjudged":
        if verdict.incumbent is not None and FINAL in verdict.incumbent.records:
            return [f"no verdict: the reference, {name}, failed on at least one seed"]
        return ["no verdict yet: no function has been judged on the final rung"]
    if not verdict.better and not board.climbed:
        return [f"no verdict yet: finalists are still trained, {seeds_of(verdict.seeds)} of {name} so far"]
    lines = [_what_to_use(verdict, board) if verdict.better else _keep_or_likely(verdict, name)]
    if again := [name_of(entry) for entry in verdict.finds if entry.names]:
        lines.append(f"known before, and proposed by the search again: {', '.join(again)}")
    if verdict.known and lines[0].count("a find of this search:"):
        best = min(verdict.known, key=lambda entry: entry.against[board.reference].difference)
        lines.append(f"the best known function: {_difference(best, board)}")
    if not verdict.finds:
        lines += _nearest(verdict, board, [e for e in board.entries if e.found], f"of {_tried(board)}")
        lines += _lost_on_the_way(verdict)
    if not verdict.known:
        known = [e for e in board.entries if e.baseline and e is not verdict.incumbent]
        lines += _nearest(verdict, board, known, f"of {len(known)} known functions" if len(known) > 1 else "")
    if verdict.likely is not None and (verdict.better or verdict.likely.odds < SURE_ENOUGH):
        lines.append(f"most likely better, not shown: {_odds(verdict)}")
    lines += _elsewhere(verdict, board)
    if board.climbed and (sight := short_sight(board)) is not None:
        lines.append(
            f"of functions trained in full, the order after {sight.short:,} steps says little of that after "
            f"{sight.long:,} (Kendall's tau {sight.tau:.2f} over {sight.functions} functions): they start unlike, or "
            "differ less than seeds do"
        )
    lines += _next_step(verdict, board, run, program) if board.climbed else []
    return lines


def _what_to_use(verdict: Verdict, board: Leaderboard) -> str:
    """Return the function to use, and the other functions that are better than the incumbent."""
    best, *others = sorted(verdict.better, key=lambda entry: entry.against[board.reference].difference)
    comparison, measure = best.against[board.reference], board.measure(FINAL)
    kind = "a find of this search" if best.found else "a known function"
    size = number(abs(measure.shown(comparison.difference)), like=best.mean())
    kinds = {True: " (a find)", False: " (known)"}
    names = [name_of(entry) + kinds[entry.found] * (entry.found != best.found) for entry in others]
    too = f"; {listed(names)} too" if names else ""
    return (
        f"{'' if board.climbed else 'so far, '}use {name_of(best)}, {kind}: {size}{measure.behind} better than "
        f"{verdict.title} ({seeds_of(comparison.pairs)}){_cost(best, verdict)}{too}"
    )


def _cost(entry: Entry, verdict: Verdict) -> str:
    mine, theirs = entry.cost, verdict.incumbent.cost if verdict.incumbent else None
    if mine is None:
        return ""
    if theirs is None:
        return f", at {mine.against_relu:.1f} times ReLU's cost"
    return f", at {mine.against_relu / theirs.against_relu:.1f} times its cost"


def _keep_or_likely(verdict: Verdict, name: str) -> str:
    """Return the answer if nothing is shown to be better: a very likely function, or keeping the incumbent."""
    if verdict.likely is not None and verdict.likely.odds >= SURE_ENOUGH:
        return f"very likely better than {name}, not yet shown: {_odds(verdict)}"
    nothing = f"after {seeds_of(verdict.seeds)} nothing is shown to be better"
    return f"keep {name}: {nothing}" + (f" yet, but {_open_names(verdict)} may be" if verdict.open else "")


def _tried(board: Leaderboard) -> str:
    """Return how many functions the search tried, in words."""
    count = sum(entry.found and not entry.is_refused for entry in board.entries)
    return f"{count} function{'s' * (count != 1)} that the search tried"


def _nearest(verdict: Verdict, board: Leaderboard, entries: Sequence[Entry], of: str) -> list[str]:
    """Return which of these functions, none of them shown to be better, came nearest."""
    judged = [entry for entry in entries if board.reference in entry.against]
    if not judged:
        return [f"{of} none was trained at full length"] if of and entries else []
    count = f" ({len(judged)} {'was' if len(judged) == 1 else 'were'} trained at full length)"
    lead = (
        f"{of} none is shown to be better than {verdict.title}{count}; nearest " if of else "not shown to be better: "
    )
    return [lead + _difference(judged[0], board)]


def _difference(entry: Entry, board: Leaderboard) -> str:
    """Return a function's name, difference, standing (also that it left the race) and number of seeds."""
    comparison, measure = entry.against[board.reference], board.measure(FINAL)
    unit = measure.behind
    difference = number(measure.shown(comparison.difference), like=entry.mean(), signed=True)
    seeds = seeds_of(comparison.pairs)
    where = f"dropped after {seeds}" if entry.standing == "dropped" else f"{entry.standing or 'open'}, {seeds}"
    return f"{name_of(entry)}, {difference}{unit} ({where})"


def worth(entry: Entry, board: Leaderboard) -> str:
    """Return a sentence that compares one entry of a run with the incumbent."""
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
    """Return how many finds were ahead after few steps and after many, if the share fell."""
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
    assert verdict.likely is not None  # the callers checked this
    likely = verdict.likely
    word = "lower" if likely.lower_is_better else "higher"
    odds = (
        "over a million"
        if likely.odds > CERTAIN
        else f"{likely.odds:,.0f}"
        if likely.odds >= 10
        else f"{likely.odds:.1f}"
    )
    whose = "a find" if likely.entry.found else "a known function"
    return (
        f"{name_of(likely.entry)}, {whose}, {word} with {likely.lower} of {likely.pairs} seeds (odds {odds} to 1, by a "
        "paired t-test corrected for all functions compared)"
    )


def _elsewhere(verdict: Verdict, board: Leaderboard) -> list[str]:
    """Return the results on other tasks of the functions that are better here, then of the best finds."""
    every = [*verdict.better[: NAMED - 1], *(entry for entry in board.entries if entry.found)]
    shown = [*{entry.fingerprint: entry for entry in every if entry.elsewhere}.values()][:NAMED]
    lines = []
    for rung in board.rungs:
        measure, words, pairs = board.measure(rung.name), [], 0
        for entry in shown:
            comparison = entry.elsewhere.get(rung.name)
            if comparison is not None:
                difference = number(measure.shown(comparison.difference), like=entry.mean(rung.name), signed=True)
                words.append(f"{name_of(entry)} {comparison.verdict.replace('tied', 'not told apart')} ({difference})")
                pairs = max(pairs, comparison.pairs)
        if words:
            lines.append(f"on {rung.name}, against {verdict.title} with {pairs} seeds: {'; '.join(words)}")
    return lines


def _next_step(verdict: Verdict, board: Leaderboard, run: str, program: str) -> list[str]:
    refine = "loop over study.refine()" if board.is_loop else f"{program} refine {run}"
    if verdict.open:
        may = " may be better too;" if verdict.better else ":"
        return [f"{_open_names(verdict)}{may} {_further_seeds(verdict)} would decide: {refine}"]
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


def _open_names(verdict: Verdict) -> str:
    return listed([name_of(entry) for entry, _ in verdict.open])


def listed(names: Sequence[str]) -> str:
    """Return names joined by commas and ``and``; of many names, the first and the number of others."""
    if len(names) > NAMED:
        return f"{names[0]} and {len(names) - 1} others"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _further_seeds(verdict: Verdict) -> str:
    seeds = verdict.seeds_to_decide
    return f"about {seeds} more seed{'s' * (seeds > 1)} ({duration(verdict.seconds * seeds)} here)"


def seeds_of(number: int) -> str:
    """Return a number of seeds in words."""
    return f"{number} seed{'s' * (number != 1)}"


def duration(seconds: float) -> str:
    """Return a duration in words, in the largest unit that fits."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1, math.ceil(seconds)):d} seconds"
