"""The facts about a function that the head of a file tells. Not here: the file itself (``grammar.formats``)."""

from importlib import metadata
from pathlib import Path

from actsearch.grammar.behaviour.properties import properties
from actsearch.grammar.expression import Expression
from actsearch.grammar.formats.discovery import Discovery
from actsearch.grammar.function import function_of
from actsearch.search.memory.records import FINAL
from actsearch.search.ranking.columns import row, text_of
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.learned import learned, starts_of
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.verdict import title_of


def discovery_of_run(
    entry: Entry, expression: Expression, run: Path, board: Leaderboard, *, name: str = "Activation",
    start_learned: bool = False,
) -> Discovery:  # fmt: skip
    """Return a function of a run with the facts that the run has about it.

    Args:
        entry: entry of the run's ranking.
        expression: expression of the entry.
        run: directory of the run.
        board: ranking of the run.
        name: name of the class.
        start_learned: whether parameters start at the mean of their learned values, instead of as in the search.
    """
    rung, measure, values = entry.furthest, board.measure(entry.furthest), row(board, entry)
    task = next((one.task for one in board.rungs if one.name == rung), None)
    title = " ".join(run.resolve().name.encode("utf-8", "replace").decode().split())
    score, seeds = values["score"], values["seeds"]
    facts: dict[str, object] = {"run": title, "rung": rung, "seeds": seeds, "baseline": entry.baseline}
    kind = "A baseline" if entry.baseline else "Found"
    notes = [f"{kind} in the run {title}" + (f", task {task.name}." if task else ".")]
    if task:
        facts["task"] = task.name
    if score is not None:
        sentence = f"{measure.noun.capitalize()} {number(score)}{measure.behind}"
        facts |= {"score": score, "unit": measure.unit}
        if values["interval_low"] is not None:
            facts["interval"] = [values["interval_low"], values["interval_high"]]
            low, high = (number(values[f"interval_{end}"], like=score) for end in ("low", "high"))
            sentence += f", 95 % of its mean {low} to {high}"
        notes.append(f"{sentence}; {seeds} seed{'s' * (seeds != 1)} of the rung '{rung}'.")
    if rung != FINAL:
        notes.append("It was not judged on the final rung: among many, the best of few seeds is mostly luck.")
    if values["standing"]:
        facts["standing"] = values["standing"]
    if values["difference"] is not None and rung == FINAL:
        against = entry.against[board.reference]
        facts["against"] = {"reference": board.reference, "difference": values["difference"], "p": values["p"]}
        p = "" if values["p"] is None else f", p = {values['p']:.2g}"
        notes.append(
            f"Against {title_of(board.reference)}: {number(values['difference'], like=score, signed=True)}, "
            f"{against.pairs} pairs{p}; {text_of('standing', values)}."
        )
    layers = learned(entry, function_of(expression))
    if start_learned and layers:
        names = " and ".join(parameter.name for parameter in expression.parameters)
        notes.append(f"Where {names} starts is the mean of what was learned.")
    plain = discovery(expression, name=name)
    return Discovery(
        expression, name, starts_of(layers) if start_learned and layers else (),
        (*notes, *plain.notes), {**facts, **plain.facts}, layers,
    )  # fmt: skip


def discovery(expression: Expression, *, name: str = "Activation") -> Discovery:
    """Return a function with the facts that need no run: versions, properties, gain."""
    traits = properties(expression)
    versions = {package: metadata.version(package) for package in ("actsearch", "torch")}
    facts: dict[str, object] = {"versions": versions, "gain": traits.gain}
    words = [
        "bounded" if traits.bounded_above and traits.bounded_below else
        "bounded below" if traits.bounded_below else "bounded above" if traits.bounded_above else "unbounded",
        "smooth" if traits.smooth else "not smooth",
        "monotone" if traits.monotone else "not monotone",
        *(word for word, holds in (("odd", traits.odd), ("even", traits.even), ("convex", traits.convex)) if holds),
    ]  # fmt: skip
    notes = [f"{', '.join(words).capitalize()}."]
    if traits.gain is not None:
        notes.append(
            f"Recommended gain {traits.gain:.4f}: weights of variance gain^2/fan_in keep the second moment of the "
            "outputs."
        )
    notes.append(f"Written by actsearch {versions['actsearch']}, torch {versions['torch']}.")
    return Discovery(expression, name, notes=tuple(notes), facts=facts)
