"""The tables of a run: its ranking, what every seed of one candidate gave, its rungs; the same as plain values.

Not here: how entries are ranked (``leaderboard``).
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from search.ranking.leaderboard import REFERENCES, Entry, Leaderboard
from search.ranking.rung_facts import agreements, facts
from search.ranking.significance import Comparison, Tally
from search.records import FINAL, SEARCH

LAYER_FACTS = (
    "dead_share", "saturated_share", "sparsity", "output_mean", "output_variance", "largest_output", "not_finite_share"
)  # fmt: skip
TASKS = "tasks: wins, ties, losses (p)"
CAPTION = (
    "losses in nats, lower is better. Finalists: mean test loss over fresh seeds, ± 95 % interval; rank: what paired\n"
    "tests leave open; against ReLU and Swish: mean difference by seed, exact signed-rank p (Holm); cost: value and\n"
    "gradient in torch, times ReLU's; size: nodes; *: on the Pareto front of loss and that.\n"
    "Others: in the order of their furthest rung and their validation loss there"
)


def ranking_table(entries: Sequence[Entry], title: str) -> Table:
    """Return the ranked list as a table."""
    table = Table(title=title, box=box.SIMPLE_HEAD, caption=CAPTION, caption_justify="left")
    for name, justify in (
        ("place", "right"), ("rank", "right"), ("id", "left"), ("expression", "left"), ("known as", "left"),
        ("loss", "right"), ("accuracy", "right"), *((f"against {name}", "right") for name in REFERENCES),
        ("cost", "right"), ("size", "right"), ("search loss", "right"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for entry in entries:
        accuracy = entry.mean(FINAL, "test_accuracy")
        table.add_row(
            str(entry.place), _ranks(entry), entry.fingerprint[:8], entry.expression,
            ", ".join(entry.names) + (" (baseline)" if entry.baseline else ""), _loss(entry),
            "" if accuracy is None else f"{accuracy:.1%}", *(_against(entry.against.get(name)) for name in REFERENCES),
            "" if entry.cost is None else f"{entry.cost.against_relu:.1f}{_star(entry, 'cost')}",
            "" if entry.size is None else f"{entry.size}{_star(entry, 'size')}", _searched(entry),
        )  # fmt: skip
    return table


def _star(entry: Entry, front: str) -> str:
    return "*" if front in entry.fronts else ""


def _ranks(entry: Entry) -> str:
    if entry.ranks is None:
        return ""
    low, high = entry.ranks
    return str(low) if low == high else f"{low}-{high}"


def _loss(entry: Entry) -> str:
    furthest = entry.furthest
    if furthest != SEARCH and entry.failures(furthest):
        return f"{entry.failures(furthest)} of {len(entry.records[furthest])} seeds failed"
    mean, interval = entry.mean(furthest), entry.interval(furthest)
    if mean is None or furthest == SEARCH:
        return ""
    if furthest != FINAL:
        return f"{furthest}: {mean:.4f}"
    return f"{mean:.4f}" + (f" ±{interval[1] - mean:.4f}" if interval else "")


def _searched(entry: Entry) -> str:
    outcome = entry.records[SEARCH][0].outcome if SEARCH in entry.records else None
    return "" if outcome is None else outcome.status.value if outcome.score is None else f"{outcome.score:.4f}"


def _against(found: Comparison | None) -> str:
    if found is None:
        return ""
    return f"{found.difference:+.4f}" + ("" if found.corrected is None else f" p {found.corrected:.2g}")


def remarks(board: Leaderboard) -> list[str]:
    """Return what must be said besides the table: tests that were not possible, seeds that failed, that all failed."""
    finalists = [entry for entry in board.entries if FINAL in entry.records]
    found = [f"ranks: {board.missing}"] if board.missing and finalists else []
    for name in REFERENCES:
        missing = {entry.against[name].missing for entry in finalists if name in entry.against} - {""}
        found += [f"against {name}: {sentence}" for sentence in sorted(missing)]
    for entry in finalists:
        failed = [r.outcome for r in entry.records[FINAL] if r.outcome.score is None]
        if failed:
            share = f"{len(failed)} of {len(entry.records[FINAL])} seeds failed"
            found.append(f"{entry.expression}: {share} ({failed[0].reason}), so it has no mean and no rank")
    candidates = [entry for entry in board.entries if not entry.baseline]
    if candidates and not any(r.outcome.score is not None for e in candidates for r in e.records.get(SEARCH, ())):
        reasons = [r.outcome.reason or r.outcome.status.value for e in candidates for r in e.records.get(SEARCH, ())]
        commonest = max(set(reasons), key=reasons.count)
        found.append(f"none of {len(candidates)} candidates has a score; the commonest reason: {commonest}")
    return found


def entry_facts(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values."""
    interval = entry.interval()
    return {
        "place": entry.place,
        "rank": entry.ranks,
        "id": entry.fingerprint,
        "expression": entry.expression,
        "names": list(entry.names),
        "baseline": entry.baseline,
        "twins": list(entry.twins),
        "loss": entry.mean(),
        "loss_interval": interval,
        "validation_loss": entry.mean(FINAL, "validation_loss"),
        "test_accuracy": entry.mean(FINAL, "test_accuracy"),
        "failed_seeds": entry.failures(),
        "against": {name: dataclasses.asdict(found) for name, found in entry.against.items()},
        "across_tasks": {name: dataclasses.asdict(found) for name, found in entry.across.items()},
        "cost": None if entry.cost is None else dataclasses.asdict(entry.cost),
        "size": entry.size,
        "fronts": list(entry.fronts),
        "rungs": {rung: {"loss": entry.mean(rung), "interval": entry.interval(rung)} for rung in entry.records},
        "outcomes": [
            {
                "rung": record.key.rung,
                "seed": record.request.seed,
                "steps": record.request.steps,
                "status": record.outcome.status.value,
                "score": record.outcome.score,
                "reason": record.outcome.reason,
                "seconds": record.outcome.seconds,
                **record.outcome.metrics,
                "diagnostics": record.outcome.diagnostics,
            }
            for records in entry.records.values()
            for record in records
        ],
    }


def outcome_table(entry: Entry) -> Table:
    """Return what every seed of one entry gave."""
    names = ("rung", "seed", "steps", "status", "loss", "accuracy", "test loss", "test accuracy", "seconds")
    table = Table(*names, box=box.SIMPLE_HEAD)
    for found in entry_facts(entry)["outcomes"]:
        numbers = [found["score"], *map(found.get, ("validation_accuracy", "test_loss", "test_accuracy"))]
        status = found["status"] + (f": {found['reason']}" if found["reason"] else "")
        cells = ["" if number is None else f"{number:.4f}" for number in numbers]
        start = (found["rung"], str(found["seed"]), str(found["steps"]), status)
        table.add_row(*start, *cells, f"{found['seconds']:.2f}")
    return table


def comparison_table(entry: Entry) -> Table:
    """Return how a finalist compares with the references, on its own task and over all."""
    table = Table("against", "pairs", "difference (95 %)", "effect", "ties", "p", "p, Holm", TASKS,
                  box=box.SIMPLE_HEAD)  # fmt: skip
    for name, one in entry.against.items():
        tested = (one.missing, "") if one.p_value is None else (f"{one.p_value:.3g}", f"{one.corrected:.3g}")
        table.add_row(
            name, str(one.pairs), f"{one.difference:+.4f} ({one.interval[0]:+.4f}, {one.interval[1]:+.4f})",
            f"{one.effect:+.2f}", str(one.ties), *tested, _tally(entry.across.get(name)),
        )  # fmt: skip
    return table


def transfer_table(board: Leaderboard, rung: str) -> Table:
    """Return what finalists and baselines came to on another task, best first, beside what they were at home."""
    trained = [entry for entry in board.entries if rung in entry.records]
    names = ("expression", "known as", f"loss on {rung} (95 %)", "rank at home")
    table = Table(*names, *(f"against {name}, {TASKS}" for name in REFERENCES), box=box.SIMPLE_HEAD)
    for entry in sorted(trained, key=lambda e: (e.mean(rung) is None, e.mean(rung) or 0.0)):
        mean, interval = entry.mean(rung), entry.interval(rung)
        loss = f"{entry.failures(rung)} of {len(entry.records[rung])} seeds failed" if mean is None else f"{mean:.4f}"
        table.add_row(
            entry.expression, ", ".join(entry.names),
            loss + (f" ({interval[0]:.4f}, {interval[1]:.4f})" if interval else ""), _ranks(entry),
            *(_tally(entry.across.get(name)) for name in REFERENCES),
        )  # fmt: skip
    return table


def _tally(found: Tally | None) -> str:
    return "" if found is None else f"{found.wins}, {found.ties}, {found.losses} ({found.p_value:.3g})"


def diagnostic_tables(entry: Entry) -> list[Table]:
    """Return how the layers fared in the entry's longest training: by activation layer, and the gradients by weight."""
    found = entry.records[entry.furthest][-1].outcome.diagnostics
    if not found:
        return []
    curve = " ".join(f"{loss:.3g}" for loss in found["learning_curve"])
    layers = Table("activation layer", *(name.replace("_", " ") for name in LAYER_FACTS), "beta: least, mean, most",
                   box=box.SIMPLE_HEAD, title=f"training loss: {curve}")  # fmt: skip
    betas = found.get("betas", [])
    for number in range(len(found[LAYER_FACTS[0]])):
        layers.add_row(
            str(number + 1), *(f"{found[name][number]:.3g}" for name in LAYER_FACTS),
            " ".join(f"{beta:.3g}" for beta in betas[3 * number : 3 * number + 3]),
        )  # fmt: skip
    columns = map(str, range(1, len(found["gradient_norm_end"]) + 1))
    gradients = Table("gradient norm by weight", *columns, box=box.SIMPLE_HEAD)
    for name in ("start", "end"):
        gradients.add_row(name, *(f"{norm:.2g}" for norm in found[f"gradient_norm_{name}"]))
    return [layers, gradients]


def rung_facts(board: Leaderboard) -> dict[str, Any]:
    """Return what each rung did, as plain values."""
    return {
        "rungs": [
            {
                "name": one.rung.name, "task": one.rung.task.name, "steps": one.rung.task.steps,
                "seeds": one.rung.seeds, "behaviours": one.behaviours, "failed": one.failed,
            }
            for one in facts(board)
        ],
        "agreements": [
            {
                "below": one.below, "above": one.above, "functions": one.functions,
                "tau": one.tau.overall, "tau_interval": one.tau.overall_interval,
                "tau_best_third": one.tau.best, "tau_best_third_interval": one.tau.best_interval,
            }
            for one in agreements(board)
        ],
    }  # fmt: skip


def rung_tables(board: Leaderboard) -> list[Table]:
    """Return what each rung did, and Kendall's tau between them."""
    found = rung_facts(board)
    rungs = Table("rung", "task", "steps", "seeds", "behaviours", "with a failed seed", box=box.SIMPLE_HEAD)
    for row in found["rungs"]:
        rungs.add_row(*map(str, row.values()))
    taus = Table(
        "from", "to", "functions", "Kendall's tau (95 %)", "best third of the latter (95 %)", box=box.SIMPLE_HEAD
    )
    for row in found["agreements"]:
        cells = [f"{row[name]:.2f} ({row[f'{name}_interval'][0]:.2f} to {row[f'{name}_interval'][1]:.2f})"
                 for name in ("tau", "tau_best_third")]  # fmt: skip
        taus.add_row(row["below"], row["above"], str(row["functions"]), *cells)
    return [rungs, taus]
