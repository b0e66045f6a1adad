"""The tables of one candidate of a run: every seed, the comparisons, how its layers fared; the same as plain values.

Not here: the ranking that it stands in (``run_tables``).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.ranking.columns import row
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.measure import NATS, Measure, number
from actsearch.search.ranking.pairing import Pair
from actsearch.search.ranking.significance import Tally

LAYER_FACTS = (
    "dead_share", "saturated_share", "sparsity", "output_mean", "output_variance", "largest_output", "not_finite_share"
)  # fmt: skip
TASKS = "tasks: wins, ties, losses (p)"


def entry_facts(entry: Entry, board: Leaderboard) -> dict[str, Any]:
    """Return an entry as plain values: its row, then what a row has no room for, in which lower losses are better."""
    return {
        **row(board, entry),
        "unit": board.measure().unit,
        "higher_is_better": board.measure().sign < 0,
        "twins": list(entry.twins),
        "against": {name: dataclasses.asdict(found) for name, found in entry.against.items()},
        "elsewhere": {name: dataclasses.asdict(found) for name, found in entry.elsewhere.items()},
        "across_tasks": {name: dataclasses.asdict(found) for name, found in entry.across.items()},
        "nanoseconds": None if entry.cost is None else {"forward": entry.cost.forward, "backward": entry.cost.backward},
        "fronts": list(entry.fronts),
        "rungs": {rung: {"loss": entry.mean(rung), "interval": entry.interval(rung)} for rung in entry.records},
        "outcomes": outcome_facts(entry),
    }


def outcome_facts(entry: Entry) -> list[dict[str, Any]]:
    """Return what every seed of an entry gave, rung by rung."""
    return [
        {
            "rung": record.key.rung, "seed": record.request.seed, "steps": record.request.steps,
            "status": record.outcome.status.value, "score": record.outcome.score, "reason": record.outcome.reason,
            "seconds": record.outcome.seconds, **record.outcome.metrics, "diagnostics": record.outcome.diagnostics,
        }
        for records in entry.records.values()
        for record in records
    ]  # fmt: skip


def outcome_table(entry: Entry, measure: Measure = NATS) -> Table:
    """Return what every seed of one entry gave."""
    noun = measure.noun
    names = ("rung", "seed", "steps", "status", noun, "accuracy", f"test {noun}", "test accuracy", "seconds")
    table = Table(*names, box=box.SIMPLE_HEAD)
    ladder = {rung for rung in entry.records if rung in {SEARCH, FINAL} or rung.startswith("rung ")}
    for found in outcome_facts(entry):
        sign = measure.sign if found["rung"] in ladder else 1
        losses = [None if found.get(name) is None else sign * found[name] for name in ("score", "test_loss")]
        numbers = [losses[0], found.get("validation_accuracy"), losses[1], found.get("test_accuracy")]
        status = found["status"] + (f": {found['reason']}" if found["reason"] else "")
        cells = ["" if value is None else number(value) for value in numbers]
        start = (found["rung"], str(found["seed"]), str(found["steps"]), status)
        table.add_row(*start, *cells, f"{found['seconds']:.2f}")
    return table


def comparison_table(entry: Entry, measure: Measure = NATS) -> Table:
    """Return how a finalist compares with the references, on its own task and over all."""
    table = Table("against", "pairs", "difference (95 %)", "effect", "ties", "p", "p, Holm", TASKS,
                  box=box.SIMPLE_HEAD)  # fmt: skip
    for name, one in entry.against.items():
        tested = (one.missing, "") if one.p_value is None else (f"{one.p_value:.3g}", f"{one.corrected:.3g}")
        low, high = measure.ends(one.interval)
        like = entry.mean()
        shown = [number(value, like=like, signed=True) for value in (measure.shown(one.difference), low, high)]
        ends = "" if math.isinf(high - low) else f" ({shown[1]}, {shown[2]})"
        table.add_row(
            name, str(one.pairs), f"{shown[0]}{ends}",
            f"{measure.shown(one.effect):+.2f}", str(one.ties), *tested, tally_cell(entry.across.get(name)),
        )  # fmt: skip
    return table


def tally_cell(found: Tally | None) -> str:
    """Return wins, ties, losses and p over the tasks, as ``TASKS`` says."""
    return "" if found is None else f"{found.wins}, {found.ties}, {found.losses} ({found.p_value:.3g})"


def diagnostic_tables(entry: Entry) -> list[Table]:
    """Return how the layers fared in the entry's longest training: by activation layer, and the gradients by weight."""
    found = entry.records[entry.furthest][-1].outcome.diagnostics
    if not found:
        return []
    curve = " ".join(f"{loss:.3g}" for loss in found.get("learning_curve", []))
    layers = Table("activation layer", *(name.replace("_", " ") for name in LAYER_FACTS), "beta: least, mean, most",
                   box=box.SIMPLE_HEAD, title=f"training loss: {curve}")  # fmt: skip
    betas = found.get("betas", [])
    for layer in range(max(len(found.get(LAYER_FACTS[0], [])), len(betas) // 3)):
        layers.add_row(
            str(layer + 1), *(f"{found[name][layer]:.3g}" if name in found else "" for name in LAYER_FACTS),
            " ".join(f"{beta:.3g}" for beta in betas[3 * layer : 3 * layer + 3]),
        )  # fmt: skip
    if "gradient_norm_end" not in found:  # a loop of the user's does not tell them
        return [layers]
    columns = map(str, range(1, len(found["gradient_norm_end"]) + 1))
    gradients = Table("gradient norm by weight", *columns, box=box.SIMPLE_HEAD)
    for name in ("start", "end"):
        gradients.add_row(name, *(f"{norm:.2g}" for norm in found[f"gradient_norm_{name}"]))
    return [layers, gradients]


def pairs_table(pairs: Sequence[Pair], measure: Measure, width: int | None) -> Table:
    """Return comparisons two by two, plain where there is no width."""
    names = ("first", "second", "seeds", "difference (95 %)", "p, Holm", "verdict")
    table = Table(*names, box=box.SIMPLE_HEAD if width else None, show_edge=False, pad_edge=False)
    for pair in pairs:
        low, high = measure.ends(pair.interval)
        seeds = f"{pair.seeds[0]} pairs" if pair.paired else f"{pair.seeds[0]} and {pair.seeds[1]}"
        one, *ends = (number(value, signed=True) for value in (measure.shown(pair.difference), low, high))
        shown = f"{one} ({', '.join(ends)})"
        table.add_row(pair.first, pair.second, seeds, shown, f"{pair.p_value:.2g}", pair.verdict)
    return table
