"""The results of a run for Python and notebooks, as ``actsearch.open_run`` returns them.

Not here: how a search is launched (``jobs``) and the user's own loop (``study``).
"""

import html
import os
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from actsearch.evaluators.activation import BUILT_IN, Vocabulary
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.outcome import CURVE
from actsearch.grammar.fault import UserFault
from actsearch.search.memory.store import Store
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.columns import formula, shown_in
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.finding import find
from actsearch.search.ranking.leaderboard import Leaderboard, leaderboard
from actsearch.search.ranking.learned import learned as layers_of
from actsearch.search.ranking.learned import starts_of
from actsearch.search.ranking.verdict import name_of, verdict_of
from actsearch.search.report.overview import overview
from actsearch.search.report.page import HERE
from actsearch.search.show import frames, listing
from actsearch.search.show.frames import DataFrame


@dataclass(frozen=True, repr=False)
class Figure:
    """A figure of a run; a notebook shows it.

    Args:
        svg: HTML of the SVG and its caption.
    """

    svg: str

    def save(self, path: str | Path) -> Path:
        """Write the figure: as SVG if the name ends with ``.svg``, else as a page of HTML.

        Args:
            path: path of the file; an existing file is replaced.

        Returns:
            The path.
        """
        target = Path(path)
        svg = self.svg[self.svg.find("<svg") : self.svg.rfind("</svg>") + len("</svg>")]
        is_svg = target.suffix.lower() == ".svg"
        page = f'<!doctype html><meta charset="utf-8">{self._repr_html_()}'
        style = f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style>"
        head, _, rest = svg.partition(">")
        root = head if "xmlns=" in head else f'{head} xmlns="http://www.w3.org/2000/svg"'
        target.write_text(f"{root}>{style}{rest}" if is_svg else page, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        """Return the figure's size and how to save it."""
        return f"Figure of {len(self.svg):,} letters; save('figure.svg') writes it"

    def _repr_html_(self) -> str:
        style = (HERE / "page.css").read_text(encoding="utf-8")
        return f"<style>{style}</style>{self.svg}"


@dataclass(frozen=True, repr=False)
class Run:
    """The results of a run at the time it was opened.

    Args:
        directory: directory of the run.
        board: ranking of the run.
    """

    directory: Path
    board: Leaderboard

    def __repr__(self) -> str:
        """Return the first three entries and the answer."""
        rows = [f"{entry.position} {name_of(entry)}" for entry in self.entries[:3]]
        more = f", and {len(self.entries) - 3} more" if len(self.entries) > 3 else ""
        return "\n".join([f"Run('{self.directory}'): {', '.join(rows) or 'nothing yet'}{more}", *self.verdict])

    @property
    def entries(self) -> list[Entry]:
        """Entries of the ranking, one for each behaviour with an outcome, best first."""
        return self.board.entries

    @property
    def verdict(self) -> list[str]:
        """The answer in words: what is better than the incumbent, or what would decide it."""
        return sentences(verdict_of(self.board, os.cpu_count() or 1), self.board, str(self.directory))

    def top(self, count: int | None = None, *, where: str = "", sort: str = "", found: bool = False) -> DataFrame:
        """Return the ranking as a data frame with all columns and scores in the direction of the user's numbers.

        Args:
            count: number of rows; None returns all.
            where: condition on columns, such as ``loss < 0.07 and size <= 5``; empty keeps all rows.
            sort: column to sort by, smallest first, or largest first as ``-loss``; empty keeps the ranking.
            found: whether to leave out the baselines.

        Raises:
            UserFault: a column is unknown, or the condition cannot be used.
        """
        rows = frames.frame(self.board)
        rows = rows[rows.found] if found and len(rows) else rows
        return listing.chosen(rows, listing.Choice(sort, where, count=count)) if len(rows) else rows

    def curves(self, which: str = "1", rung: str = "") -> DataFrame:
        """Return the training losses of one entry: one row for each span of steps, one column for each seed.

        Args:
            which: position, ``found``, id, known name or expression of the entry.
            rung: name of the rung; empty takes the furthest rung of the entry.

        Raises:
            UserFault: the run has no such entry.
        """
        entry = find(self.entries, which)
        records = entry.records.get(rung or entry.furthest, ())
        curves = {r.request.seed: r.outcome.diagnostics.get(CURVE, []) for r in records}
        longest = max(map(len, curves.values()), default=0)
        steps = records[0].request.steps if records else 0
        index = [round(steps * (n + 1) / longest) for n in range(longest)]
        return DataFrame({seed: row for seed, row in curves.items() if len(row) == longest}, index=index)

    def plot(self, kind: str = "cost") -> Figure:
        """Return a figure of the run, as in its report.

        Args:
            kind: ``answer``, ``cost``, ``size``, ``best``, ``ladder``, ``entropy`` or ``share_new``.

        Raises:
            UserFault: the run has no such figure.
        """
        with Store(self.directory) as store:
            figures = overview(self.board, store)
        if kind not in figures:
            raise UserFault(f"no figure '{kind}' of this run; expected one of: {', '.join(figures)}")
        return Figure(figures[kind])

    def module(
        self, which: str = "found", channels: int = 1, dimension: int | None = None, *, learned: bool = False,
        vocabulary: Vocabulary = BUILT_IN,
    ) -> nn.Module:  # fmt: skip
        """Return an entry of the ranking as a torch module.

        Args:
            which: position, ``found``, id, known name or expression of the entry.
            channels: channels of the input; 1 makes one parameter for the whole layer.
            dimension: dimension of the channels in the input.
            learned: whether parameters start at the mean of their learned values on the entry's furthest rung, instead
                of as in the search.
            vocabulary: vocabulary with the primitives of the run.

        Raises:
            UserFault: the run has no such entry.
        """
        entry = find(self.entries, which, vocabulary)
        activation = vocabulary.read_kept(entry.expression)
        if learned and activation.function is not None and (layers := layers_of(entry, activation.function)):
            return ActivationLayer(activation.function.starting_at(starts_of(layers)), channels, dimension)
        return activation.make(channels, dimension)

    def _repr_html_(self) -> str:
        answer = "".join(f"<p><b>{html.escape(sentence)}</b></p>" for sentence in self.verdict)
        rows = self.top(10)
        if not len(rows):
            return answer
        rows = rows.assign(formula=[formula(text) for text in rows.expression])
        rows = rows[[column.name for column in shown_in("notebook")]]
        return answer + str(rows.to_html(index=False, escape=True, float_format="{:.4g}".format, na_rep=""))


def open_run(run: str | Path) -> Run:
    """Return the results of a run, even while its search is running.

    Args:
        run: directory of the run.

    Raises:
        UserFault: the directory has no run.
    """
    with Store(Path(run)) as store:
        return Run(Path(run), leaderboard(store))
