"""The tables of a run: captions and remarks for its ranking, results on other tasks, its rungs.

Not here: how entries are ranked (``leaderboard``) and the tables of one entry (``entry_tables``).
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
    """Return the lines that explain a list's columns."""
    measure, judged = board.measure(), "test" if is_held_out(board) else "validation"
    others = f"; candidates below the final rung: validation {measure.noun} on their furthest rung"
    return [
        f"{measure.sentence}; finalists: mean over their seeds on the {judged} split ± 95 %{others}",
        f"against {title_of(board.reference)}: mean difference over shared seeds, p corrected for the other functions",
        "cost: value and gradient, times ReLU's; * marks the mirror image of what was trained",
    ]


def is_held_out(board: Leaderboard) -> bool:
    """Whether finalists are judged by test data, which no choice used; true while there are no finalists."""
    outcomes = [
        r.outcome for entry in board.entries for r in entry.records.get(FINAL, ()) if r.outcome.score is not None
    ]
    return not outcomes or any("test_loss" in outcome.metrics for outcome in outcomes)


def remarks(board: Leaderboard) -> list[str]:
    """Return the sentences under a ranking: impossible tests, failed seeds, lost workers, a search without scores."""
    finalists = [entry for entry in board.entries if FINAL in entry.records]
    sentences = _unfinished(board, finalists)
    if FINAL in board.partly_tested:
        sentences.append("only some finalists were tested: all are judged by the validation data")
    elif finalists and not is_held_out(board):
        sentences.append(
            "nothing was held out for judging: finalists are judged by the validation data, which chose them too"
        )
    for name in () if board.raced else board.references:
        missing = {entry.against[name].missing for entry in finalists if name in entry.against} - {""}
        sentences += [f"against {name}: {sentence}" for sentence in sorted(missing)]
    for entry in finalists:
        failed = [r.outcome for r in entry.records[FINAL] if r.outcome.score is None]
        if failed:
            share = f"{len(failed)} of {len(entry.records[FINAL])} seeds failed"
            sentences.append(f"{entry.expression}: {share} ({failed[0].reason}), so it has no mean")
    every = [record.outcome for entry in board.entries for records in entry.records.values() for record in records]
    lost = sum(outcome.may_be_tried_again for outcome in every)
    sentences += [f"{lost} trainings lost their workers; the same search command tries them again"] if lost else []
    candidates = [entry for entry in board.entries if not entry.baseline]
    if candidates and not any(r.outcome.score is not None for e in candidates for r in e.records.get(SEARCH, ())):
        reasons = [r.outcome.reason or r.outcome.status.value for e in candidates for r in e.records.get(SEARCH, ())]
        commonest = max(set(reasons), key=reasons.count)
        sentences.append(f"none of {len(candidates)} candidates has a score; the commonest reason: {commonest}")
    return sentences


def _unfinished(board: Leaderboard, finalists: Sequence[Entry]) -> list[str]:
    goal = next((rung.seeds for rung in board.rungs if rung.name == FINAL), 0)
    short = sum(len(entry.records[FINAL]) < goal for entry in finalists)
    if not short or board.raced:
        return []
    common = len(shared_seeds(losses for entry in finalists if (losses := entry.losses())))
    seeds = f"the {common} that all share" if common else "each one's own, as they share none yet"
    lack = f"{short} of {len(finalists)} have fewer than {goal} seeds"
    return [f"the final rung is not finished: {lack}; positions are by {seeds}"]


def transfer_table(board: Leaderboard, rung: str) -> Table:
    """Return the results of finalists and baselines on another task, best first, with their standing at home.

    Where some entries have extra seeds, the order uses the seeds that all entries share.
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
    """Return the counts of each rung and the agreements between rungs, as plain values."""
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
    """Return a table of the rungs, and one of Kendall's tau between them."""
    plain_facts = rung_facts(board)
    rungs = slim("rung", "task", "steps", "seeds", "trained", "refused", "with a failed seed")
    for row in plain_facts["rungs"]:
        trained = row["behaviours"] - row["rejected"]
        shown = (row["name"], row["task"], row["steps"], row["seeds"], trained, row["rejected"], row["failed"])
        rungs.add_row(*map(str, shown))
    taus = slim("from", "to", "functions", "Kendall's tau (95 %)", "best third (95 %)")
    for row in plain_facts["agreements"]:
        cells = [_tau(row[name], row[f"{name}_interval"]) for name in ("tau", "tau_best_third")]
        taus.add_row(row["below"], row["above"], str(row["functions"]), *cells)
    return [rungs, taus] if plain_facts["agreements"] else [rungs]


def _tau(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "too few functions, or all equal"
    return f"{value:.2f} " + ("(no interval)" if interval is None else f"({interval[0]:.2f} to {interval[1]:.2f})")
