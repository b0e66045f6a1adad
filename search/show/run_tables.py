"""The tables of a run: its ranking, what finalists came to elsewhere, its rungs.

Not here: how entries are ranked (``leaderboard``) and the tables of one of them (``entry_tables``).
"""

import math
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard, fair_means
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.rung_facts import agreements, facts
from actsearch.search.ranking.significance import shared_seeds
from actsearch.search.ranking.verdict import title_of
from actsearch.search.show.display import slim
from actsearch.search.show.entry_tables import TASKS, tally_cell


def caption(board: Leaderboard) -> list[str]:
    """Return what the columns of a list are, a line each."""
    measure, judged = board.measure(), "test" if is_held_out(board) else "validation"
    others = f"; candidates below the final rung: validation {measure.noun} on their furthest rung"
    return [
        f"{measure.sentence}; finalists: mean over their seeds on the {judged} split ± 95 %{others}",
        f"against {title_of(board.reference)}: mean difference over shared seeds, p corrected for the other functions",
        "cost: value and gradient, times ReLU's; * marks the mirror image of what was trained",
    ]


def is_held_out(board: Leaderboard) -> bool:
    """Whether finalists are judged by test data, which chose nothing; true while there are none."""
    outcomes = [
        r.outcome for entry in board.entries for r in entry.records.get(FINAL, ()) if r.outcome.score is not None
    ]
    return not outcomes or any("test_loss" in outcome.metrics for outcome in outcomes)


def remarks(board: Leaderboard) -> list[str]:
    """Return what must be said besides the table: tests that were not possible, seeds that failed, that all failed."""
    finalists = [entry for entry in board.entries if FINAL in entry.records]
    found = _unfinished(board, finalists)
    if FINAL in board.partly_tested:
        found.append("only some finalists were tested: all are judged by the validation data")
    elif finalists and not is_held_out(board):
        found.append(
            "nothing was held out for judging: finalists are judged by the validation data, which chose them too"
        )
    for name in () if board.raced else board.references:
        missing = {entry.against[name].missing for entry in finalists if name in entry.against} - {""}
        found += [f"against {name}: {sentence}" for sentence in sorted(missing)]
    for entry in finalists:
        failed = [r.outcome for r in entry.records[FINAL] if r.outcome.score is None]
        if failed:
            share = f"{len(failed)} of {len(entry.records[FINAL])} seeds failed"
            found.append(f"{entry.expression}: {share} ({failed[0].reason}), so it has no mean")
    every = [record.outcome for entry in board.entries for records in entry.records.values() for record in records]
    lost = sum(outcome.may_be_tried_again for outcome in every)
    found += [f"{lost} trainings lost their workers; the same search command tries them again"] if lost else []
    candidates = [entry for entry in board.entries if not entry.baseline]
    if candidates and not any(r.outcome.score is not None for e in candidates for r in e.records.get(SEARCH, ())):
        reasons = [r.outcome.reason or r.outcome.status.value for e in candidates for r in e.records.get(SEARCH, ())]
        commonest = max(set(reasons), key=reasons.count)
        found.append(f"none of {len(candidates)} candidates has a score; the commonest reason: {commonest}")
    return found


def _unfinished(board: Leaderboard, finalists: Sequence[Entry]) -> list[str]:
    wanted = next((rung.seeds for rung in board.rungs if rung.name == FINAL), 0)
    behind = sum(len(entry.records[FINAL]) < wanted for entry in finalists)
    if not behind or board.raced:
        return []
    common = len(shared_seeds(losses for entry in finalists if (losses := entry.losses())))
    seeds = f"the {common} that all share" if common else "each one's own, as they share none yet"
    lack = f"{behind} of {len(finalists)} have fewer than {wanted} seeds"
    return [f"the final rung is not finished: {lack}; positions are by {seeds}"]


def transfer_table(board: Leaderboard, rung: str) -> Table:
    """Return what finalists and baselines came to on another task, best first, beside what they were at home.

    Where seeds were added for some alone, the order is that over the seeds that all share.
    """
    trained = [entry for entry in board.entries if rung in entry.records]
    means, measure = fair_means(trained, rung), board.measure(rung)
    heads = ("expression", "known as", f"{measure.noun} on {rung} (95 %)", "seeds", "on the final rung")
    table = slim(*heads, *(f"against {name}, {TASKS}" for name in board.references))
    for entry in sorted(trained, key=lambda e: means.get(e.fingerprint, math.inf)):
        mean, interval = entry.mean(rung), entry.interval(rung)
        loss = (
            f"{entry.failures(rung)} of {len(entry.records[rung])} seeds failed"
            if mean is None
            else number(measure.shown(mean))
        )
        ends = [number(end, like=mean) for end in measure.ends(interval)] if interval else None
        table.add_row(
            entry.expression, ", ".join(entry.names),
            loss + (f" ({ends[0]}, {ends[1]})" if ends else ""), str(len(entry.records[rung])),
            entry.standing,
            *(tally_cell(entry.across.get(name)) for name in board.references),
        )  # fmt: skip
    return table


def rung_facts(board: Leaderboard) -> dict[str, Any]:
    """Return what each rung did, as plain values."""
    return {
        "rungs": [
            {
                "name": one.rung.name, "task": one.rung.task.name, "steps": one.rung.task.steps,
                "seeds": one.rung.seeds, "behaviours": one.behaviours, "rejected": one.rejected, "failed": one.failed,
            }
            for one in facts(board)
        ],
        "agreements": [
            {
                "below": one.below, "above": one.above, "functions": one.functions,
                "tau": _known(one.tau.overall), "tau_interval": _known_both(one.tau.overall_interval),
                "tau_best_third": _known(one.tau.best), "tau_best_third_interval": _known_both(one.tau.best_interval),
            }
            for one in agreements(board)
        ],
    }  # fmt: skip


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _known_both(interval: tuple[float, float]) -> tuple[float, float] | None:
    return None if math.isnan(interval[0]) else interval


def rung_tables(board: Leaderboard) -> list[Table]:
    """Return what each rung did, and Kendall's tau between them."""
    found = rung_facts(board)
    rungs = slim("rung", "task", "steps", "seeds", "trained", "refused", "with a failed seed")
    for row in found["rungs"]:
        trained = row["behaviours"] - row["rejected"]
        shown = (row["name"], row["task"], row["steps"], row["seeds"], trained, row["rejected"], row["failed"])
        rungs.add_row(*map(str, shown))
    taus = slim("from", "to", "functions", "Kendall's tau (95 %)", "best third (95 %)")
    for row in found["agreements"]:
        cells = [_tau(row[name], row[f"{name}_interval"]) for name in ("tau", "tau_best_third")]
        taus.add_row(row["below"], row["above"], str(row["functions"]), *cells)
    return [rungs, taus] if found["agreements"] else [rungs]


def _tau(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "too few functions, or all equal"
    return f"{value:.2f} " + ("(no interval)" if interval is None else f"({interval[0]:.2f} to {interval[1]:.2f})")
