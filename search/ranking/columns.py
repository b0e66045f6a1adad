"""The columns that describe an entry: every number that is reported of it, and how each number is written.

Lists, files, data frames, pages, trackers and the heads of exported files use these columns. A printed score is the
mean of the measured losses with its own interval; beside it stands the difference from the incumbent over shared seeds.
Not here: which columns and rows a list has (``show.listing``).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from actsearch.grammar.notation import Written, written
from actsearch.search.memory.records import SEARCH
from actsearch.search.ranking.entry import Entry, built_in_expression
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.measure import number
from actsearch.search.ranking.significance import Comparison
from actsearch.search.ranking.verdict import title_of

MARK = " *"  # stands behind a formula that is a mirror image of the trained function
KEPT = {"validation_loss", "test_loss"}  # metrics that already have a column
FORMULA = "formula"  # a slow column, computed only for rows that are shown
Row = Mapping[str, Any]
View = Literal["list", "page", "notebook", "tracker", "tensorboard"]
"""Places that show columns: terminal and Markdown; the page of a run; a notebook; MLflow and W&B; TensorBoard."""
EVERY: frozenset[View] = frozenset(get_args(View))
DATA: frozenset[View] = frozenset({"tracker", "tensorboard"})
PEOPLE: frozenset[View] = frozenset({"list", "page", "notebook"})


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        name: name of the column in data frames, CSV, JSON and commands.
        meaning: meaning in a few words, for the glossary.
        value: function from an entry and its ranking to the value; it returns None if there is no value.
        text: function from a whole row to the text for people; None writes the value as it is.
        title: title above a list; empty stands for the name.
        direction: 1 if a lower number is better, -1 if a higher one is, 0 if neither is; ``score`` if the user decides.
        unit: unit of the number; ``score`` stands for the unit of the run's scores; empty if there is none.
        alias: second name, which a user may type.
        views: places that show the column by default; files and data frames have every column.
        stays: priority in a list that is too wide: the column of the lowest number goes first; None always stays.
        is_text: whether the values are words, which are aligned left.
    """

    name: str
    meaning: str
    value: Callable[[Entry, Leaderboard], Any]
    text: Callable[[Row], str] | None = None
    title: str = ""
    direction: int | str = 0
    unit: str = ""
    alias: str = ""
    views: frozenset[View] = frozenset()
    stays: int | None = None
    is_text: bool = False


def is_missing(value: object) -> bool:
    """Return whether a value is missing: None, or the NaN that pandas writes for it."""
    return value is None or value != value  # noqa: PLR0124  NaN differs from itself


def plain(value: object) -> str:
    """Return a value as text, for a column without a ``text`` of its own."""
    if is_missing(value):
        return ""
    return number(value) if isinstance(value, float) else str(value)


def _formatted(name: str, form: str) -> Callable[[Row], str]:
    return lambda row: "" if is_missing(row[name]) else format(row[name], form)


def _score(row: Row) -> str:
    score, low, high = row["score"], row["interval_low"], row["interval_high"]
    if is_missing(score):
        return ""
    return number(score) + ("" if is_missing(low) else f" ±{number((high - low) / 2, like=score)}")


def _difference(row: Row) -> str:
    difference = row["difference"]
    return "" if is_missing(difference) else number(difference, like=row["score"], signed=True)


def _standing(row: Row) -> str:
    """Return the standing of a finalist, with its seeds if it has fewer than the incumbent."""
    seeds = f" after {row['seeds']} seed{'s' * (row['seeds'] > 1)}" if row["standing"] and row["fewer_seeds"] else ""
    return f"{row['standing']}{seeds}"


def _known_as(row: Row) -> str:
    return f"{row['known_as']}{' (baseline)' * row['baseline']}".strip()


def _end(which: int) -> Callable[[Entry, Leaderboard], float | None]:
    def end(entry: Entry, board: Leaderboard) -> float | None:
        interval = entry.interval(entry.furthest)
        return None if interval is None else board.measure().ends(interval)[which]

    return end


def _of_difference(value: Callable[[Comparison, Leaderboard], Any]) -> Callable[[Entry, Leaderboard], Any]:
    def value_of_entry(entry: Entry, board: Leaderboard) -> Any:
        comparison = entry.against.get(board.reference)
        return None if comparison is None else value(comparison, board)

    return value_of_entry


def _difference_end(comparison: Comparison, board: Leaderboard, which: int) -> float | None:
    """Return one end of a difference's interval; None if there are too few seeds for an interval."""
    end = board.measure().ends(comparison.interval)[which]
    return end if math.isfinite(end) else None


def _in_users_numbers(value: float | None, board: Leaderboard) -> float | None:
    return None if value is None else board.measure().shown(value)


def _accuracy(entry: Entry, _: Leaderboard) -> float | None:
    for name in ("test_accuracy", "validation_accuracy"):
        if any(name in record.outcome.metrics for record in entry.records[entry.furthest]):
            return entry.mean(entry.furthest, name)
    return None


def _reason(entry: Entry, _: Leaderboard) -> str:
    failed = next((r.outcome for r in entry.records[entry.furthest] if r.outcome.score is None), None)
    return "" if failed is None else f"{failed.status.value}: {failed.reason}"


COLUMNS = (
    Column("position", "in the list, from 1", lambda e, _: e.position, title="#", views=PEOPLE | {"tracker"}),
    Column("standing", "of a finalist, beside the incumbent: better, worse, open, dropped, incumbent, failed",
           lambda e, _: e.standing, _standing, views=EVERY, stays=9, is_text=True),
    Column(FORMULA, "as people write it", lambda e, _: formula(e.expression), views=PEOPLE, is_text=True),
    Column("expression", "the text that was trained", lambda e, _: e.expression, views=DATA, is_text=True),
    Column("known_as", "names of known functions that behave so", lambda e, _: ", ".join(e.names), _known_as,
           "known as", alias="name", views=EVERY, stays=7, is_text=True),
    Column("score", "mean loss over these seeds, in your numbers; none where a seed failed",
           lambda e, b: _in_users_numbers(e.mean(e.furthest), b), _score, direction="score", unit="score",
           alias="loss", views=EVERY),
    Column("interval_low", "95 % of that mean, from", _end(0), title="interval low", direction="score", unit="score",
           views=DATA),
    Column("interval_high", "95 % of that mean, to", _end(1), title="interval high", direction="score", unit="score",
           views=DATA),
    Column("difference", "from the incumbent, over the seeds that both have",
           _of_difference(lambda one, b: b.measure().shown(one.difference)), _difference, direction="score",
           unit="score", views=EVERY, stays=8),
    Column("difference_low", "95 % of that difference, from",
           _of_difference(lambda one, b: _difference_end(one, b, 0)), direction="score", unit="score"),
    Column("difference_high", "95 % of that difference, to",
           _of_difference(lambda one, b: _difference_end(one, b, 1)), direction="score", unit="score"),
    Column("p", "of the difference, corrected for the other functions", _of_difference(lambda one, _: one.corrected),
           _formatted("p", ".2g"), direction=1, views=EVERY, stays=5),
    Column("cost", "of value and gradient, times ReLU's",
           lambda e, _: None if e.cost is None else e.cost.against_relu, _formatted("cost", ".1f"), direction=1,
           unit="times ReLU's", views=EVERY, stays=6),
    Column("size", "nodes of the expression", lambda e, _: e.size, _formatted("size", ".0f"), direction=1,
           views=EVERY - {"notebook"}, stays=4),
    Column("seeds", "on the furthest rung", lambda e, _: len(e.records[e.furthest]), views=EVERY, stays=3),
    Column("fewer_seeds", "whether these are fewer than the incumbent's on the final rung", lambda e, _: e.fewer,
           title="fewer seeds"),
    Column("failed_seeds", "of these, that gave no score", lambda e, _: e.failures(e.furthest), title="failed seeds"),
    Column("accuracy", "share of right answers", _accuracy, _formatted("accuracy", ".1%"), direction=-1,
           views=frozenset({"list"}), stays=2),
    Column("search_score", "in the search, one seed", lambda e, b: _in_users_numbers(e.mean(SEARCH), b),
           direction="score", unit="score", alias="search_loss", views=frozenset({"list"}), stays=1),
    Column("id", "the fingerprint", lambda e, _: e.fingerprint, lambda row: row["id"][:8], views=frozenset({"list"}),
           stays=0, is_text=True),
    Column("baseline", "whether the run added it for comparison", lambda e, _: e.baseline),
    Column("found", "whether the search proposed it, and it is no baseline", lambda e, _: e.found,
           views=frozenset({"tracker"})),
    Column("rung", "the furthest rung of the ladder that it was trained on", lambda e, _: e.furthest, is_text=True),
    Column("reason", "why a seed gave no score", _reason, is_text=True),
)  # fmt: skip


def column_of(name: str) -> Column | None:
    """Return the column of a name or an alias; None if there is none."""
    return next((column for column in COLUMNS if name in {column.name, column.alias} - {""}), None)


def shown_in(view: View) -> list[Column]:
    """Return the columns that a view shows by default, in their order."""
    return [column for column in COLUMNS if view in column.views]


def row(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    """Return the values of an entry by column name, in the user's numbers, without the formula.

    Metrics follow by name (``metric_...`` if a column has that name), then ``against_NAME`` and ``against_NAME_p`` for
    every reference.
    """
    values: dict[str, Any] = {column.name: column.value(entry, board) for column in COLUMNS if column.name != FORMULA}
    metrics = {name for record in entry.records[entry.furthest] for name in record.outcome.metrics} - KEPT
    for name in sorted(metrics):
        key = f"metric_{name}" if name in {*values, FORMULA} or name.startswith("against_") else name
        values[key] = entry.mean(entry.furthest, name)
    for name, one in entry.against.items():
        values |= {f"against_{name}": board.measure().shown(one.difference), f"against_{name}_p": one.corrected}
    return values


def text_of(name: str, values: Row) -> str:
    """Return the text that a list prints for a row in a column."""
    column = column_of(name)
    return plain(values[name]) if column is None or column.text is None else column.text(values)


def titles(board: Leaderboard) -> dict[str, str]:
    """Return the title of each column by its name."""
    noun = board.measure().noun
    return {column.name: column.title or column.name for column in COLUMNS} | {
        "score": noun, "search_score": f"search {noun}", "difference": f"against {title_of(board.reference)}",
    }  # fmt: skip


def glossary() -> str:
    """Return the meaning of every column, as rows of a Markdown table."""
    names = [f"`{column.name}`" + f", `{column.alias}`" * bool(column.alias) for column in COLUMNS]
    units = {"score": ", in the unit of the loss", "": ""}
    return "\n".join(
        f"| {name} | {column.meaning}{units.get(column.unit, '')} |"
        for name, column in zip(names, COLUMNS, strict=True)
    )


def formula(text: str) -> str:
    """Return the formula of an expression, marked if it is a mirror image; the text itself if it is no expression."""
    notation = _written(text)
    return text if notation is None else notation.plain + MARK * bool(notation.note)


def latex_formula(text: str) -> str:
    """Return the formula in LaTeX, without dollar signs."""
    notation = _written(text)
    if notation is None:
        return r"\mathtt{" + text.replace("_", r"\_") + "}"
    return notation.latex + "^{*}" * bool(notation.note)


def _written(text: str) -> Written | None:
    expression = built_in_expression(text)
    return None if expression is None else written(expression)
