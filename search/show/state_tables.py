"""The state of runs, as tables and as plain values. Not here: reading the state (``search.states``)."""

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from actsearch.search.ranking.columns import formula
from actsearch.search.states import RunState, age


def state_facts(state: RunState) -> dict[str, Any]:
    """Return the state of a run as plain values."""
    return {
        "run": str(state.directory), "state": state.state, "trained": state.trained, "wanted": state.wanted,
        "last": None if state.last is None else state.last.isoformat(), "children_per_minute": state.rate,
        "minutes_left": state.left, "workers": state.workers, "refused": state.refused, "failed": state.failed,
        "last_fault": state.fault, "worker_deaths": state.retries, "best": state.best, "bytes": state.size,
    }  # fmt: skip


def runs_table(states: Sequence[RunState], width: int | None) -> Table:
    """Return a table of runs.

    Args:
        states: states of the runs.
        width: characters in a line; None gives a table without rules.
    """
    table = Table("run", "state", "age", "trained", "best", "size", box=box.SIMPLE_HEAD if width else None,
                  show_edge=False, pad_edge=False)  # fmt: skip
    for column in table.columns:
        column.overflow, column.no_wrap = "ellipsis", width is None
    for state in states:
        best = formula(state.best) if state.best else ""
        table.add_row(
            str(state.directory), state.state, "" if state.last is None else age(state.last),
            str(sum(state.trained.values())), best, f"{state.size / 1e6:.1f} MB",
        )  # fmt: skip
    return table


def status_lines(state: RunState) -> list[str]:
    """Return the state of one run as lines."""

    def counted(counts: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))

    rungs = [f"{rung}: {state.trained.get(rung, 0)} of at most {count}" for rung, count in state.wanted.items()]
    others = [f"{rung}: {count}" for rung, count in state.trained.items() if rung not in state.wanted]
    lines = [f"{state.directory}: {state.state}", f"trained    {'; '.join([*rungs, *others]) or 'nothing yet'}"]
    if state.last is not None:
        lines.append(f"last       {age(state.last)} ago; {state.rate:.0f} children a minute in the ten minutes before")
    if state.left is not None:
        lines.append(f"left       {state.left:.0f} minutes at most, at that rate")
    lines.append(f"workers    {state.workers or 'unknown'}")
    if state.best:
        lines.append(f"best       {formula(state.best)}")
    if state.refused:
        lines.append(f"refused    {counted(state.refused)}")
    if state.failed:
        lines.append(f"failed     {counted(state.failed)}")
        lines.append(f"last fault {state.fault}")
    if state.retries:
        lines.append(f"workers that died under children that were given up: {state.retries}")
    return lines
