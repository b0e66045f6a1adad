"""What is known of a function of a run, for the head of a file. Not here: the file (``grammar.formats``)."""

import statistics
from importlib import metadata
from pathlib import Path

from actsearch.grammar.behaviour.properties import properties
from actsearch.grammar.expression import Expression
from actsearch.grammar.formats.discovery import Discovery
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import title_of

Layers = tuple[tuple[float, float, float], ...]


def learned(entry: Entry) -> Layers:
    """Return (least, mean, largest) beta of each layer at the end of training, the mean over the furthest rung's seeds.

    Empty where there is no beta, or where the seeds had networks of different depths.
    """
    found = [record.outcome.diagnostics.get("betas", []) for record in entry.records[entry.furthest]]
    rows = [list(map(float, row)) for row in found if row]
    if not rows or len({*map(len, rows)}) > 1:
        return ()
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    return tuple((means[n], means[n + 1], means[n + 2]) for n in range(0, len(means) - 2, 3))


def start_of(layers: Layers) -> float:
    """Return the mean learned beta over the layers."""
    return statistics.fmean(mean for _, mean, _ in layers)


def discovery_of_run(
    entry: Entry, expression: Expression, run: Path, board: Leaderboard, *, name: str = "Activation",
    start_learned: bool = False,
) -> Discovery:  # fmt: skip
    """Return a function of a run with what the run knows of it.

    Args:
        entry: of the run.
        expression: that it stands for.
        run: its directory.
        board: its ranking.
        name: of the class.
        start_learned: whether betas start at the mean of what was learned, instead of as in the search.
    """
    rung, measure = entry.furthest, board.measure(entry.furthest)
    task = next((one.task for one in board.rungs if one.name == rung), None)
    called = " ".join(run.resolve().name.encode("utf-8", "replace").decode().split())
    mean, interval, seeds = entry.mean(rung), entry.interval(rung), len(entry.records[rung])
    facts: dict[str, object] = {"run": called, "rung": rung, "seeds": seeds, "baseline": entry.baseline}
    kind = "A baseline" if entry.baseline else "Found"
    notes = [f"{kind} in the run {called}" + (f", task {task.name}." if task else ".")]
    if task:
        facts["task"] = task.name
    if mean is not None:
        score = f"{measure.noun.capitalize()} {measure.shown(mean):.4f}" + (f" {measure.unit}" if measure.unit else "")
        facts |= {"score": measure.shown(mean), "unit": measure.unit}
        if interval:
            low, high = measure.ends(interval)
            facts["interval"] = [low, high]
            score += f", 95 % of its mean {low:.4f} to {high:.4f}"
        notes.append(f"{score}; {seeds} seed{'s' * (seeds != 1)} of the rung '{rung}'.")
    if rung != FINAL:
        notes.append("It was not judged on the final rung: among many, the best of few seeds is mostly luck.")
    against = entry.against.get(board.reference)
    if against is not None and rung == FINAL:
        facts["against"] = {"reference": board.reference, "difference": against.difference, "p": against.corrected}
        p = "" if against.corrected is None else f", p = {against.corrected:.2g}"
        notes.append(
            f"Against {title_of(board.reference)}: {measure.shown(against.difference):+.4f}, {against.pairs} pairs{p}."
        )
    layers = learned(entry) if expression.uses_beta else ()
    if start_learned and layers:
        notes.append("Its betas start at the mean of what was learned.")
    plain = discovery(expression, name=name)
    return Discovery(
        expression, name, start_of(layers) if start_learned and layers else plain.beta,
        (*notes, *plain.notes), {**facts, **plain.facts}, layers,
    )  # fmt: skip


def discovery(expression: Expression, *, name: str = "Activation") -> Discovery:
    """Return a function with what can be said of it without any run: versions, properties, gain."""
    found = properties(expression)
    versions = {package: metadata.version(package) for package in ("actsearch", "torch")}
    facts: dict[str, object] = {"versions": versions, "gain": found.gain}
    words = [
        "bounded" if found.bounded_above and found.bounded_below else
        "bounded below" if found.bounded_below else "bounded above" if found.bounded_above else "unbounded",
        "smooth" if found.smooth else "not smooth",
        "monotone" if found.monotone else "not monotone",
        *(word for word, holds in (("odd", found.odd), ("even", found.even), ("convex", found.convex)) if holds),
    ]  # fmt: skip
    notes = [f"{', '.join(words).capitalize()}."]
    if found.gain is not None:
        notes.append(
            f"Recommended gain {found.gain:.4f}: weights of variance gain^2/fan_in keep the second moment of the "
            "outputs."
        )
    notes.append(f"Written by actsearch {versions['actsearch']}, torch {versions['torch']}.")
    return Discovery(expression, name, notes=tuple(notes), facts=facts)
