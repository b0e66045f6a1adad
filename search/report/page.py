"""A run as one self-contained page, or several runs beside each other. The only door to Jinja2.

The page loads nothing: style, program, figures and all numbers are in the file. Everything from a store is text and is
escaped. Not here: the contents of the page (``table``, ``overview``) and the server (``serving``).
"""

import base64
import gzip
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from actsearch.evaluators.printable import printable
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.columns import shown_in, titles
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.report.overview import overview
from actsearch.search.report.table import refused, rows
from actsearch.search.show.entry_tables import entry_facts
from actsearch.search.show.frames import frame
from actsearch.search.show.plain import plain
from actsearch.search.show.run_tables import remarks

HERE = Path(__file__).parent
DRAWN = {"formula": "picture", "difference": "interval"}  # column -> drawing in the column before it
TITLES = {
    "picture": "f, f′",
    "formula": "function",
    "interval": "95 %",
}  # titles that a page adds or changes
_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """The contents of a page about one run.

    Args:
        name: name of the run.
        board: ranking of the run.
        context: variables of the template.
    """

    name: str
    board: Leaderboard
    context: dict[str, Any]


def _columns() -> list[str]:
    """Return the names of the table's columns, including drawings."""
    return [name for column in shown_in("page") for name in (DRAWN.get(column.name), column.name) if name]


def run_of(directory: Path, command: str = "actsearch") -> Shown:
    """Return the contents of the page about a run.

    Args:
        directory: directory of the run.
        command: name of the program in the commands that the page shows.

    Raises:
        StoreError: the directory has no run, or the run cannot be read.
    """
    with Store(directory) as store:
        board = leaderboard(store)
        figures = overview(board, store)
        facts = store.facts()
        about = {name: printable(facts.get(name, "unknown")) for name in ("created", "machine", "processor", "commit")}
        settings, versions = (json.loads(facts.get(name, "{}")) for name in ("settings", "versions"))
        versions = {printable(str(name)): printable(str(version)) for name, version in versions.items()}
    name, path = directory.name, shlex.quote(str(directory))
    measure, verdict = board.measure(), verdict_of(board, os.cpu_count() or 1)
    context = {
        "name": name, "path": path, "sentences": sentences(verdict, board, path, command), "state": verdict.state,
        "counted": board.counted, "measure": measure.sentence, "remarks": remarks(board),
        "titles": titles(board) | TITLES,
        "rows": rows(board), "total": len(board.entries), "figures": list(figures.values()),
        "refused": refused(board),
        "settings": json.dumps(settings, indent=1, sort_keys=True), "versions": versions, "about": about,
        "command": command, "data": _packed(_numbers(board)), "csv": _packed(frame(board).to_csv(index=False)),
    }  # fmt: skip
    return Shown(name, board, context)


def _numbers(board: Leaderboard) -> str:
    """Return the ranking as ``top --json`` prints it, but with diagnostics for finalists only."""
    numbers = []
    for entry in board.entries:
        row = entry_facts(entry, board)
        if FINAL not in entry.records:
            row["outcomes"] = [{k: v for k, v in outcome.items() if k != "diagnostics"} for outcome in row["outcomes"]]
        numbers.append(row)
    return json.dumps(plain(numbers), allow_nan=False)


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def render(runs: Sequence[Shown], *, live: bool = False) -> str:
    """Return a page of HTML.

    Args:
        runs: contents of one run, or of several to compare.
        live: whether a server sends the page, so that the page asks it for updates.
    """
    style, program = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return _PAGES.get_template("page.html").render(
        runs=[run.context for run in runs], style=style, program=program, live=live, columns=_columns(),
        title=", ".join(run.name for run in runs),
    )  # fmt: skip
