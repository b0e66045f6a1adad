"""The figures of a whole run: finalists, the best score so far, the ladder, the proposer.

Not here: figures of one finalist (``finalist``).
"""

import math

from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.store import Store
from actsearch.search.ranking.leaderboard import Leaderboard
from actsearch.search.ranking.verdict import title_of
from actsearch.search.report.answer_figure import answer_figure
from actsearch.search.report.figures import Series, chart, heat

FRESH = 24  # batches in a heat map of the proposer's probabilities


def overview(board: Leaderboard, store: Store) -> dict[str, str]:
    """Return kind -> figure of the run, without empty figures."""
    figures = {"answer": answer_figure(board)}
    axes = (("cost", "cost, times ReLU's"), ("size", "nodes"))
    figures |= {name: _against(board, name, title) for name, title in axes}
    figures |= {"best": _best_so_far(board, store), "ladder": _slopes(board), **_controller(store)}
    return {kind: figure for kind, figure in figures.items() if figure}


def _against(board: Leaderboard, name: str, title: str) -> str:
    """Return a figure of the finalists' loss against cost or size; a ring marks those better than the incumbent."""
    measure, better = board.measure(), f"better than {title_of(board.reference)}"
    groups: dict[str, list[tuple[float, float, str]]] = {"found": [], "known": [], better: []}
    for entry in (e for e in board.entries if FINAL in e.records and e.losses()):
        value = entry.cost.against_relu if name == "cost" and entry.cost else entry.size if name == "size" else None
        mean = entry.mean()
        if value is None or mean is None:
            continue
        label = title_of(entry.names[0]) if entry.names else entry.expression
        dot = (float(value), measure.shown(mean), label)
        groups["found" if entry.found else "known"].append(dot)
        if entry.standing == "better":
            groups[better].append(dot)
    series = [
        Series(group, [(x, y) for x, y, _ in groups[group]], "dots", role, [label for _, _, label in groups[group]])
        for group, role in ((better, "ring"), ("found", "first"), ("known", "second"))
    ]
    return chart(f"Finalists: {measure.noun} against {name}", series, title, measure.noun)


def _best_so_far(board: Leaderboard, store: Store) -> str:
    measure, best = board.measure(), math.inf
    points = []
    losses = {e.fingerprint: e.records[SEARCH][0].outcome.score for e in board.entries if SEARCH in e.records}
    scored = [losses[name] for name in store.proposed() if losses.get(name) is not None]
    for number, loss in enumerate(scored, start=1):
        best = min(best, loss if loss is not None else math.inf)
        points.append((float(number), measure.shown(best)))
    return chart(f"Best search {measure.noun} so far", [Series("", points)], "trainings", measure.noun)


def _slopes(board: Leaderboard) -> str:
    """Return a figure of the finalists' validation losses from rung to rung."""
    ladder = [rung.name for rung in board.rungs if rung.name in {SEARCH, FINAL} or rung.name.startswith("rung ")]
    finalists = [entry for entry in board.entries if FINAL in entry.records]
    series = []
    for entry in finalists:
        means = [
            (float(n), entry.mean(rung, "validation_loss")) for n, rung in enumerate(ladder) if rung in entry.records
        ]
        points = [(x, board.measure().shown(y)) for x, y in means if y is not None]
        series.append(Series("", points, role="first" if entry.found else "second"))
    positive = all(y > 0 for one in series for _, y in one.points)
    return chart(
        f"The ladder: validation {board.measure().noun} of finalists, from {' to '.join(ladder)}", series, "rung",
        board.measure().noun, log_y=positive,
    )  # fmt: skip


def _controller(store: Store) -> dict[str, str]:
    """Return the proposer's figures: entropy, share of new behaviours, probability of each primitive by position."""
    updates = store.updates()
    batches, figures = [*updates], dict[str, str]()
    for name in ("entropy", "share_new"):
        points = [(float(batch), updates[batch][name]) for batch in batches if name in updates[batch]]
        words = name.replace("_", " ")
        figures[name] = chart(f"The proposer: {words} by batch", [Series("", points)], "batch", words)
    sampled = batches[:: max(1, len(batches) // FRESH)]
    last = updates[batches[-1]] if batches else {}
    for position in sorted({name.split("/")[1] for name in last if name.startswith("probability/")}):
        shares = {
            name.rpartition("/")[2]: [updates[batch].get(name, 0.0) for batch in sampled]
            for name in last
            if name.startswith(f"probability/{position}/")
        }
        shown = {name: row for name, row in shares.items() if max(row) > 0.08}
        title = f"The proposer: probability of each primitive, {position.replace('_', ' ')}"
        figures[f"words_{position}"] = heat(title, shown, "batches")
    return figures
