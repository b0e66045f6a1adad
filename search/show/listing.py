"""The ranking as a list of chosen columns, sorted, filtered and fitted to a width, for a terminal or a file.

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
from actsearch.search.ranking.columns import (
    COLUMNS,
    FORMULA,
    column_of,
    formula,
    latex_formula,
    shown_in,
    text_of,
    titles,
)
from actsearch.search.ranking.leaderboard import Leaderboard

LEAST_FORMULA, USUAL_FORMULA = 16, 30  # width kept for a formula: always, and while columns can go
LAST = 8  # columns whose ``stays`` is this or more go only after the formula was shortened to the least
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Lt, ast.LtE, ast.Gt,
    ast.GtE, ast.Eq, ast.NotEq, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div,
)  # fmt: skip


class BadChoice(UserFault):
    """A column or condition that cannot be used; the message names the nearest column."""


@dataclass(frozen=True)
class Choice:
    """The user's choice of rows and columns.

    Args:
        sort: column to sort by, smallest first, or largest first as ``-loss``; empty keeps the order of the ranking.
        where: condition on columns, such as ``loss < 0.07 and size <= 5``; empty keeps all rows.
        pareto: two or more columns whose Pareto front is kept; empty keeps all rows.
        columns: names of the columns in their order; empty takes the usual ones.
        count: number of rows; None takes all.
    """

    sort: str = ""
    where: str = ""
    pareto: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    count: int | None = 10


def chosen(frame: DataFrame, choice: Choice) -> DataFrame:
    """Return the chosen rows with all columns.

    Raises:
        BadChoice: a column is unknown, or the condition cannot be used.
    """
    rows, sign = frame, frame.attrs.get("sign", 1)
    if choice.where:
        rows = rows[_mask(rows, choice.where)]
    if choice.pareto:
        names = [*dict.fromkeys(_known(rows, name) for name in choice.pareto)]
        rows = rows[_is_best(rows, names, sign)]
    if choice.sort:
        name = _known(frame, choice.sort.lstrip("-"))
        rows = rows.sort_values(name, ascending=not choice.sort.startswith("-"), kind="stable", na_position="last")
    return rows if choice.count is None else rows.head(choice.count)


def _columns(frame: DataFrame, choice: Choice) -> tuple[str, ...]:
    """Return the names of the columns to list."""
    named = tuple(_known(frame, name, FORMULA) for name in choice.columns)
    return named or tuple(column.name for column in shown_in("list"))


def _known(frame: DataFrame, name: str, *further: str) -> str:
    """Return the name of the column that a name or an alias means; ``further`` names are allowed too.

    Raises:
        BadChoice: no column has this name.
    """
    import difflib  # noqa: PLC0415  only an error needs it

    column = column_of(name.strip())
    name = name.strip() if column is None else column.name
    known = [*further, *frame.columns]
    if name in known:
        return name
    if name == FORMULA:
        raise BadChoice("'formula' is written for the listed rows alone: choose and sort by another column")
    near = difflib.get_close_matches(name, [*(one.alias for one in COLUMNS if one.alias), *known], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known columns: {', '.join(known)}"
    raise BadChoice(f"unknown column '{name}'; {hint}")


def _mask(frame: DataFrame, text: str) -> "pandas.Series[bool]":
    """Return which rows meet a condition; it is parsed first, and only numbers and columns may occur in it."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as fault:
        raise BadChoice(f"'{text}' is no condition, such as: loss < 0.07 and size <= 5") from fault
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            part = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise BadChoice(f"in '{text}': expected columns, numbers, comparisons, and, or, not; found '{part}'")
        if isinstance(node, ast.Name):
            node.id = _known(frame, node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_zero(node.right):
            raise BadChoice(f"'{text}' compares what cannot be compared: it divides by 0")
        if isinstance(node, (ast.BinOp, ast.UnaryOp)) and not isinstance(getattr(node, "op", None), ast.Not):
            _check_numbers(frame, node, text)
    try:
        matches = frame.query(ast.unparse(tree), engine="python").index
    except RecursionError:
        raise
    except Exception as fault:  # pandas raises many kinds for columns that cannot be compared
        raise BadChoice(f"'{text}' compares what cannot be compared: {fault}") from fault
    return pandas.Series(frame.index.isin(matches), index=frame.index)


def _check_numbers(frame: DataFrame, node: ast.BinOp | ast.UnaryOp, text: str) -> None:
    """Refuse arithmetic with texts, which Python would repeat, and with columns of booleans.

    Raises:
        BadChoice: an operand is a text or a boolean.
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and type(part.value) not in (int, float):
            raise BadChoice(f"'{text}' compares what cannot be compared: it computes with {part.value!r:.40}")
        if isinstance(part, ast.Name):
            name = _known(frame, part.id)
            kind = frame[name].dtype
            if not pandas.api.types.is_numeric_dtype(kind) or pandas.api.types.is_bool_dtype(kind):
                raise BadChoice(f"'{text}' compares what cannot be compared: '{name}' is no column of numbers")


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _is_best(frame: DataFrame, names: Sequence[str], sign: int) -> "pandas.Series[bool]":
    """Return which rows are on the Pareto front of some columns: no row is as good in all and better in one.

    Smaller is better, except for accuracies, and for scores and differences if ``sign`` is -1.
    """
    signed = {}
    for name in names:
        if not pandas.api.types.is_numeric_dtype(frame[name]):
            raise BadChoice(f"'{name}' is no column of numbers, which a front is made of")
        signed[name] = _direction(name, sign) * frame[name]
    known = DataFrame(signed).dropna().sort_values([*names], kind="stable")
    best: list[tuple[float, ...]] = []
    front = []
    for index, *row in known.itertuples():
        numbers = tuple(float(one) for one in row)
        if not any(other != numbers and all(a <= b for a, b in zip(other, numbers, strict=True)) for other in best):
            best.append(numbers)
            front.append(index)
    return pandas.Series(frame.index.isin(front), index=frame.index)


def _direction(name: str, sign: int) -> int:
    """Return -1 if a higher number in a column is better, else 1."""
    column = column_of(name)
    if column is None:
        return -1 if "accuracy" in name else sign if name.startswith("against_") and not name.endswith("_p") else 1
    return sign if column.direction == "score" else -1 if column.direction == -1 else 1


def cells(rows: DataFrame, board: Leaderboard) -> dict[str, list[str]]:
    """Return column -> its title, then its text in every row, for all columns that may be listed.

    Args:
        rows: rows of ``frames.frame`` to list.
        board: ranking of the run.
    """
    names, values = titles(board), [dict(zip(rows.columns, one, strict=True)) for one in rows.itertuples(index=False)]
    texts = {
        name: [names.get(name, name.replace("_", " ")), *(text_of(name, row) for row in values)]
        for name in rows.columns
    }
    return texts | {FORMULA: [FORMULA, *map(formula, rows.expression)]}


def table(frame: DataFrame, choice: Choice, board: Leaderboard, width: int | None) -> Table:
    """Return the list as a table.

    Args:
        frame: all rows of the ranking.
        choice: chosen rows and columns.
        board: ranking of the run.
        width: characters in a line; None gives all columns, without rules.

    Raises:
        BadChoice: see ``chosen``.
    """
    rows = chosen(frame, choice)
    columns, room = cells(rows, board), None if choice.columns else width
    names = fitted(columns, _columns(frame, choice), room)
    if not choice.columns and "known_as" not in names:  # mark known functions at any width
        known = [f"{name or 'baseline'}: " * bool(name or base) for name, base in zip(rows.known_as, rows.baseline,
                                                                                      strict=True)]  # fmt: skip
        columns[FORMULA][1:] = [one + shown for one, shown in zip(known, columns[FORMULA][1:], strict=True)]
        names = fitted(columns, names, room)
    return table_of(columns, names, width)


def fitted(columns: Mapping[str, Sequence[str]], names: Sequence[str], width: int | None) -> list[str]:
    """Return the names of the columns that fit; the columns with the lowest ``Column.stays`` are left out first.

    Args:
        columns: titles and texts, as ``cells`` returns them.
        names: names of the chosen columns, in their order.
        width: characters in a line; None has room for all.
    """
    is_empty = not any(len(rows) > 1 for rows in columns.values())
    fitting = [name for name in names if name in columns and (any(columns[name][1:]) or is_empty)]
    for stays, name in sorted((one.stays, one.name) for one in COLUMNS if one.stays is not None):
        if width is None or _width(columns, fitting, LEAST_FORMULA if stays >= LAST else USUAL_FORMULA) <= width:
            break
        fitting = [one for one in fitting if one != name]
    return fitting


def _width(columns: Mapping[str, Sequence[str]], names: Sequence[str], shortened: int | None = None) -> int:
    """Return the characters that a table line needs, with formulas cut to ``shortened`` characters if it is given."""
    wide = {name: max(map(cell_len, columns[name])) for name in names}
    if shortened is not None and FORMULA in wide:
        wide[FORMULA] = min(wide[FORMULA], shortened)
    return sum(2 + one for one in wide.values())


def table_of(columns: Mapping[str, Sequence[str]], names: Sequence[str], width: int | None) -> Table:
    """Return columns of ``cells`` as a table; formulas are cut to the width, and None gives no rules."""
    room = (
        None if width is None else max(LEAST_FORMULA, width - _width(columns, [n for n in names if n != FORMULA]) - 2)
    )
    style = box.SIMPLE_HEAD if width is not None else None
    gap = 1 if style else 2  # a box adds a blank between columns
    table = Table(box=style, pad_edge=False, padding=(0, gap, 0, 0), show_edge=False)
    for name in names:
        column = column_of(name)
        table.add_column(columns[name][0], justify="left" if column and column.is_text else "right", no_wrap=True,
                         max_width=room if name == FORMULA else None, overflow="ellipsis")  # fmt: skip
    for row in zip(*(columns[name][1:] for name in names), strict=True):
        table.add_row(*row)
    return table


def markdown(columns: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
    """Return some columns as a Markdown table."""
    if not names:
        return "no rows"
    rows = list(zip(*([text.replace("|", "\\|") for text in columns[name]] for name in names), strict=True))
    rule = "|" + "---|" * len(names)
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], rule, *lines[1:]])


def as_text(frame: DataFrame, choice: Choice, board: Leaderboard, form: str) -> str:
    """Return the list as text for a file: ``csv`` with full numbers, ``markdown`` or ``latex`` with shown ones.

    Raises:
        BadChoice: see ``chosen``.
    """
    rows = chosen(frame, choice)
    if form == "csv":
        names = list(_columns(frame, choice)) if choice.columns else list(rows.columns)
        if FORMULA in names:
            rows = rows.assign(formula=[formula(text) for text in rows.expression])
        return str(rows[names].to_csv(index=False))
    columns = cells(rows, board)
    names = fitted(columns, _columns(frame, choice), None)
    if form == "markdown":
        return markdown(columns, names) + "\n"
    plain = {name: [_escaped(text) for text in columns[name]] for name in names if name != FORMULA}
    texts = plain | {FORMULA: [FORMULA, *(f"${latex_formula(text)}$" for text in rows.expression)]}
    return str(DataFrame({texts[name][0]: texts[name][1:] for name in names}).to_latex(index=False))


def _escaped(text: str) -> str:
    """Return a text with LaTeX's special characters escaped."""
    return "".join(f"\\{letter}" if letter in "#$%&_{}" else letter for letter in text)
