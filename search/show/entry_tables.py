"""The tables of one candidate of a run: its seeds, comparisons and layers; the same as plain values.

Not here: the tables of the whole ranking (``run_tables``).
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from actsearch.evaluators.outcome import CURVE, LEARNED
from actsearch.search.ranking.columns import row
from actsearch.search.ranking.entry import Entry, judged
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.learned import by_layer, parameters_of
from actsearch.search.ranking.measure import NATS, Measure, number
from actsearch.search.ranking.pairing import Pair
from actsearch.search.ranking.significance import Tally
from actsearch.search.show.display import slim

LAYER_FACTS = (
    "dead_share", "saturated_share", "sparsity", "output_mean", "output_variance", "largest_output", "not_finite_share"
)  # fmt: skip
"""Facts of a layer. A fact that is 0 in every layer is hidden, except ``dead_share``."""
TASKS = "tasks won, tied, lost (p)"


def entry_facts(entry: Entry, board: Leaderboard) -> dict[str, Any]:
    """Return an entry as plain values: its row, then further facts, in which a lower loss is better."""
    return {
        **row(board, entry),
        "unit": board.measure().unit,
        "higher_is_better": board.measure().sign < 0,
        "twins": list(entry.twins),
        "against": {name: dataclasses.asdict(one) for name, one in entry.against.items()},
        "elsewhere": {name: dataclasses.asdict(one) for name, one in entry.elsewhere.items()},
        "across_tasks": {name: dataclasses.asdict(one) for name, one in entry.across.items()},
        "nanoseconds": None if entry.cost is None else {"forward": entry.cost.forward, "backward": entry.cost.backward},
        "fronts": list(entry.fronts),
        "rungs": {rung: {"loss": entry.mean(rung), "interval": entry.interval(rung)} for rung in entry.records},
        "outcomes": outcome_facts(entry),
    }


def outcome_facts(entry: Entry) -> list[dict[str, Any]]:
    """Return the outcome of every seed of an entry, rung by rung, as plain values."""
    return [
        {
            "rung": record.key.rung, "seed": record.request.seed, "steps": record.request.steps,
            "status": record.outcome.status.value, "score": record.outcome.score, "reason": record.outcome.reason,
            "seconds": record.outcome.seconds, **record.outcome.metrics, "diagnostics": record.outcome.diagnostics,
        }
        for records in entry.records.values()
        for record in records
    ]  # fmt: skip


def rung_table(entry: Entry, board: Leaderboard) -> Table:
    """Return a table of an entry's rungs: mean, lowest and highest score over the seeds."""
    table = slim("rung", "steps", "seeds", "mean (95 %)", "from", "to", "accuracy", "seconds")
    for rung, records in entry.records.items():
        measure, outcomes = board.measure(rung), [record.outcome for record in records]
        losses = sorted(measure.shown(loss) for outcome in outcomes if (loss := judged(outcome)) is not None)
        mean, interval = entry.mean(rung), entry.interval(rung)
        failed = next((outcome for outcome in outcomes if outcome.score is None), None)
        if mean is None:
            shown = f"{entry.failures(rung)} {failed.status.value}: {failed.reason}" if failed else ""
        else:
            half = "" if interval is None else f" ±{number((interval[1] - interval[0]) / 2, like=mean)}"
            shown = f"{number(measure.shown(mean))}{half}"
        accuracies = [entry.mean(rung, name) for name in ("test_accuracy", "validation_accuracy")]
        accuracy = next((one for one in accuracies if one is not None), None)
        table.add_row(
            rung, str(records[0].request.steps), str(len(records)), shown,
            *([number(losses[0]), number(losses[-1])] if losses else ["", ""]),
            "" if accuracy is None else f"{accuracy:.1%}", f"{statistics.fmean(o.seconds for o in outcomes):.2g}",
        )  # fmt: skip
    return table


def seed_table(entry: Entry, board: Leaderboard) -> Table:
    """Return a table with the outcome of every seed of an entry."""
    table = slim("rung", "seed", "status", "validation", "accuracy", "test", "accuracy", "seconds")
    for facts in outcome_facts(entry):
        measure = board.measure(facts["rung"])
        losses = [None if facts.get(name) is None else measure.shown(facts[name]) for name in ("score", "test_loss")]
        numbers = [losses[0], facts.get("validation_accuracy"), losses[1], facts.get("test_accuracy")]
        status = facts["status"] + (f": {facts['reason']}" if facts["reason"] else "")
        cells = ["" if value is None else number(value) for value in numbers]
        table.add_row(facts["rung"], str(facts["seed"]), status, *cells, f"{facts['seconds']:.2g}")
    return table


def comparison_table(entry: Entry, measure: Measure = NATS) -> Table:
    """Return a table that compares a finalist with the references, on its own task and over all tasks."""
    table = slim("against", "pairs", "difference (95 %)", "effect", "p, Holm", TASKS)
    for name, one in entry.against.items():
        low, high = measure.ends(one.interval)
        like = entry.mean()
        shown = [number(value, like=like, signed=True) for value in (measure.shown(one.difference), low, high)]
        ends = "" if math.isinf(high - low) else f" ({shown[1]}, {shown[2]})"
        table.add_row(
            name, str(one.pairs), f"{shown[0]}{ends}", f"{measure.shown(one.effect):+.2f}",
            one.missing if one.corrected is None else f"{one.corrected:.3g}", tally_cell(entry.across.get(name)),
        )  # fmt: skip
    return table


def tally_cell(tally: Tally | None) -> str:
    """Return wins, ties, losses and p over the tasks, in the order of the heading ``TASKS``."""
    return "" if tally is None else f"{tally.wins}, {tally.ties}, {tally.losses} ({tally.p_value:.3g})"


def layer_table(entry: Entry) -> Table | None:
    """Return a table of the activation layers after the entry's longest training; None without layer facts."""
    facts = entry.records[entry.furthest][-1].outcome.diagnostics
    parameters = parameters_of(entry)
    layers = by_layer(facts.get(LEARNED, []), parameters)
    names = [n for n in LAYER_FACTS if any(facts.get(n, [])) or (n in facts and n == "dead_share")]
    count = max([len(layers), *(len(facts[name]) for name in names)])
    if not count:
        return None
    learned = [f"{one.name}: least, mean, most" for one in parameters] if layers else []
    table = slim("layer", *(name.replace("_", " ") for name in names), *learned)
    for layer in range(count):
        values = [" ".join(f"{value:.2f}" for value in layers[layer][n : n + 3]) for n in range(0, 3 * len(learned), 3)]
        table.add_row(str(layer + 1), *(f"{facts[name][layer]:.2g}" for name in names), *values)
    return table


def course_lines(entry: Entry) -> list[str]:
    """Return lines on the entry's longest training: the losses over the steps, and the gradient norms by weight."""
    facts = entry.records[entry.furthest][-1].outcome.diagnostics
    courses = [
        ("training loss over the steps", facts.get(CURVE, [])),
        ("gradient norm by weight, at the start", facts.get("gradient_norm_start", [])),
        ("gradient norm by weight, at the end", facts.get("gradient_norm_end", [])),
    ]
    return [f"{what}: {' '.join(f'{one:.2g}' for one in numbers)}" for what, numbers in courses if numbers]


def pairs_table(pairs: Sequence[Pair], measure: Measure, width: int | None) -> Table:
    """Return a table of pairwise comparisons.

    Args:
        pairs: comparisons of two entries each.
        measure: measure of the run's scores.
        width: characters in a line; None gives a table without rules.
    """
    names = ("first", "second", "seeds", "difference (95 %)", "p, Holm", "verdict")
    table = Table(*names, box=box.SIMPLE_HEAD if width else None, show_edge=False, pad_edge=False)
    for pair in pairs:
        low, high = measure.ends(pair.interval)
        seeds = f"{pair.seeds[0]} pairs" if pair.paired else f"{pair.seeds[0]} and {pair.seeds[1]}"
        one, *ends = (number(value, signed=True) for value in (measure.shown(pair.difference), low, high))
        shown = f"{one} ({', '.join(ends)})"
        table.add_row(pair.first, pair.second, seeds, shown, f"{pair.p_value:.2g}", pair.verdict)
    return table
