"""The ranking as a list of chosen columns: sorted, filtered, as wide as there is room; in a terminal or as a file.

The numbers are those of ``frames``. Not here: one entry (``entry_tables``) and the rungs (``run_tables``).
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas
from pandas import DataFrame
from rich import box
from rich.cells import cell_len
from rich.table import Table

from actsearch.grammar.fault import UserFault
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.measure import Measure
from actsearch.search.ranking.verdict import title_of
from actsearch.search.show.frames import formulas, latex_formulas

SHOWN = (
    "position", "rank", "formula", "name", "score", "difference", "p", "cost", "size", "seeds", "accuracy",
    "search_score", "id",
)  # fmt: skip
"""Columns of the list, where there is room for all of them."""
DROPPED = ("id", "search_score", "accuracy", "seeds", "size", "p", "name", "cost", "rank")
"""Which go first where there is not."""
SIGNED = ("score", "search_score", "difference", "interval_low", "interval_high")  # in the user's numbers
MADE = ("rank", "formula", "name")  # columns of texts, made of others
LEAST_FORMULA = 16  # letters of a formula that are left, whatever the room
ALIASES = {"loss": "score", "search_loss": "search_score", "name": "known_as", "rank": "rank_low"}
"""Words of the list, and of the search beside the user's."""
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Lt, ast.LtE, ast.Gt,
    ast.GtE, ast.Eq, ast.NotEq, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div,
)  # fmt: skip


class BadChoice(UserFault):
    """A column or a condition that the list does not have; the message names the nearest."""


@dataclass(frozen=True)
class Choice:
    """What of a list is wanted.

    Args:
        sort: a column, the smallest first; ``-loss`` turns it round; empty leaves the order of the ranking.
        where: a condition on columns, such as ``loss < 0.07 and size <= 5``.
        pareto: two columns or more; only those stay that nothing beats in all of them.
        columns: in their order; empty are the usual ones.
        count: how many rows; None are all.
    """

    sort: str = ""
    where: str = ""
    pareto: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    count: int | None = 10


def chosen(frame: DataFrame, choice: Choice) -> DataFrame:
    """Return the rows that are wanted, with all columns.

    Raises:
        BadChoice: a column is unknown, or the condition is none.
    """
    found, sign = frame, frame.attrs.get("sign", 1)
    if choice.where:
        found = found[_mask(found, choice.where)]
    if choice.pareto:
        names = [*dict.fromkeys(_known(found, name) for name in choice.pareto)]
        found = found[_is_best(found, names, sign)]
    if choice.sort:
        name = _known(frame, choice.sort.lstrip("-"))
        found = found.sort_values(name, ascending=not choice.sort.startswith("-"), kind="stable", na_position="last")
    return found if choice.count is None else found.head(choice.count)


def _columns(frame: DataFrame, choice: Choice) -> tuple[str, ...]:
    """Return the columns that are listed; some are made of others."""
    return tuple(name if name in MADE else _known(frame, name) for name in choice.columns) or SHOWN


def _known(frame: DataFrame, name: str) -> str:
    import difflib  # noqa: PLC0415  only what is wrong needs it

    name = ALIASES.get(name.strip(), name.strip())
    if name in frame.columns:
        return name
    near = difflib.get_close_matches(name, [*ALIASES, *MADE, *frame.columns], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known columns: {', '.join([*MADE, *frame.columns])}"
    raise BadChoice(f"unknown column '{name}'; {hint}")


def _mask(frame: DataFrame, text: str) -> "pandas.Series[bool]":
    """Return which rows hold; a condition is taken apart first, and nothing but numbers and columns may be in it."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        raise BadChoice(f"'{text}' is no condition, such as: loss < 0.07 and size <= 5") from fault
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            found = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise BadChoice(f"in '{text}': expected columns, numbers, comparisons, and, or, not; found '{found}'")
        if isinstance(node, ast.Name):
            node.id = _known(frame, node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_zero(node.right):
            raise BadChoice(f"'{text}' compares what cannot be compared: it divides by 0")
    try:
        held = frame.query(ast.unparse(tree), engine="python").index
    except (TypeError, ValueError, KeyError, NotImplementedError, ArithmeticError) as fault:
        raise BadChoice(f"'{text}' compares what cannot be compared: {fault}") from fault
    return pandas.Series(frame.index.isin(held), index=frame.index)


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _is_best(frame: DataFrame, names: Sequence[str], sign: int) -> "pandas.Series[bool]":
    """Return which rows nothing is as good as in all of these columns and better in one.

    Smaller is better, but for accuracies, and for scores and differences where the user said so (``sign``).
    """
    turned = {}
    for name in names:
        if not pandas.api.types.is_numeric_dtype(frame[name]):
            raise BadChoice(f"'{name}' is no column of numbers, which a front is made of")
        higher = -1 if "accuracy" in name else sign if name in SIGNED or name.startswith("against_") else 1
        turned[name] = higher * frame[name]
    known = DataFrame(turned).dropna().sort_values([*names], kind="stable")
    kept: list[tuple[float, ...]] = []
    held = []
    for index, *row in known.itertuples():
        mine = tuple(float(one) for one in row)
        if not any(other != mine and all(a <= b for a, b in zip(other, mine, strict=True)) for other in kept):
            kept.append(mine)
            held.append(index)
    return pandas.Series(frame.index.isin(held), index=frame.index)


def cells(frame: DataFrame, measure: Measure, reference: str) -> dict[str, list[str]]:
    """Return column -> title and texts, of the columns that may be listed.

    Args:
        frame: some rows of ``frames.frame``.
        measure: what is scored.
        reference: the name of the incumbent.
    """
    interval = [(low, high) for low, high in zip(frame.interval_low, frame.interval_high, strict=True)]
    texts: dict[str, list[str]] = {
        "rank": [_range(low, high) for low, high in zip(frame.rank_low, frame.rank_high, strict=True)],
        "name": [name + " (baseline)" * base for name, base in zip(frame.known_as, frame.baseline, strict=True)],
        "score": [
            _number(value, ".4f") + ("" if _missing(low) else f" ±{(high - low) / 2:.4f}")
            for value, (low, high) in zip(frame.score, interval, strict=True)
        ],
    }
    formats = {"difference": "+.4f", "p": ".2g", "cost": ".1f", "accuracy": ".1%", "search_score": ".4f"}
    titles = {
        "position": "#", "score": measure.noun, "difference": f"against {title_of(reference)}",
        "search_score": f"search {measure.noun}",
    }  # fmt: skip
    found: dict[str, list[str]] = {}
    for name in frame.columns:
        rows = texts.get(name) or [_number(value, formats.get(name, "")) for value in frame[name]]
        found[name] = [titles.get(name, name.replace("_", " ")), *(row[:8] if name == "id" else row for row in rows)]
    found |= {name: [name, *rows] for name, rows in texts.items() if name not in found}
    return found


def _missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124  what is not a number is not itself


def _number(value: object, form: str) -> str:
    if _missing(value):
        return ""
    if isinstance(value, float) and not form:
        return f"{value:.4g}"
    return format(value, form) if form else str(value)


def _range(low: object, high: object) -> str:
    if _missing(low):
        return ""
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def table(frame: DataFrame, choice: Choice, board: Leaderboard, width: int | None) -> Table:
    """Return the list as a table.

    Args:
        frame: of the ranking.
        choice: what of it is wanted.
        board: the ranking.
        width: letters of a line; None has room for all columns, and needs no lines around them.

    Raises:
        BadChoice: see ``chosen``.
    """
    rows = chosen(frame, choice)
    columns = cells(rows.assign(formula=formulas(list(rows.expression))), board.measure(), board.reference)
    names = fitted(columns, _columns(frame, choice), None if choice.columns else width)
    return table_of(columns, names, width)


def fitted(columns: Mapping[str, Sequence[str]], wanted: Sequence[str], width: int | None) -> list[str]:
    """Return which columns have room, those of ``DROPPED`` going first.

    Args:
        columns: of ``cells``.
        wanted: in their order.
        width: letters of a line; None has room for all.
    """
    is_empty = not any(len(rows) > 1 for rows in columns.values())
    kept = [name for name in wanted if name in columns and (any(columns[name][1:]) or is_empty)]
    for name in DROPPED:
        if width is None or _width(columns, kept) <= width:
            break
        kept = [one for one in kept if one != name]
    return kept


def _width(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> int:
    return sum(2 + max(map(cell_len, columns[name])) for name in names)


def table_of(columns: Mapping[str, Sequence[str]], names: Sequence[str], width: int | None) -> Table:
    """Return the list as a table; a formula is shortened where nothing else helps, plain where there is no width."""
    room = (
        None if width is None else max(LEAST_FORMULA, width - _width(columns, [n for n in names if n != "formula"]) - 2)
    )
    style = box.SIMPLE_HEAD if width is not None else None
    table = Table(box=style, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for name in names:
        is_text = name in {"formula", "name", "expression", "reason", "id", "rung"}
        table.add_column(columns[name][0], justify="left" if is_text else "right", no_wrap=True,
                         max_width=room if name == "formula" else None, overflow="ellipsis")  # fmt: skip
    for row in zip(*(columns[name][1:] for name in names), strict=True):
        table.add_row(*row)
    return table


def markdown(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    """Return the list as a table of Markdown."""
    if not names:
        return "no rows"
    rows = list(zip(*([text.replace("|", "\\|") for text in columns[name]] for name in names), strict=True))
    rule = "|" + "---|" * len(names)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], rule, *lines[1:]])


def as_text(frame: DataFrame, choice: Choice, board: Leaderboard, form: str) -> str:
    """Return the list for a file: ``csv`` with every number, ``markdown`` or ``latex`` as it is shown.

    Raises:
        BadChoice: see ``chosen``.
    """
    rows = chosen(frame, choice)
    if form == "csv":
        names = [_known(frame, name) for name in choice.columns]
        return str((rows[names] if names else rows).to_csv(index=False))
    expressions = list(rows.expression)
    written = formulas(expressions)
    columns = cells(rows.assign(formula=written), board.measure(), board.reference)
    names = fitted(columns, _columns(frame, choice), None)
    if form == "markdown":
        return markdown(columns, names) + "\n"
    columns["formula"] = ["formula", *(f"${text}$" for text in latex_formulas(expressions))]
    plain = {name: [_escaped(text) for text in columns[name]] for name in names if name != "formula"}
    texts = {name: plain.get(name, columns[name]) for name in names}
    return str(DataFrame({rows[0]: rows[1:] for rows in texts.values()}).to_latex(index=False))


def _escaped(text: str) -> str:
    """Return a text that LaTeX prints as it is."""
    return "".join(f"\\{letter}" if letter in "#$%&_{}" else letter for letter in text)
