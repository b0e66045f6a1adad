"""Compare finished runs: behaviours trained, children a minute, and where the best swish-like candidate ranks.

python -m scripts.studies.runs runs/reinforce-0 runs/random-0 ...
"""

import argparse
from datetime import datetime
from pathlib import Path

from rich.table import Table

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.behaviour.properties import properties
from actsearch.search.memory.records import FINAL, SEARCH
from actsearch.search.memory.store import Store, StoreError
from actsearch.search.ranking.entry import Entry
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.show.display import console

TOP = 40


def row(directory: Path) -> list[str]:
    """Return one run's line."""
    with Store(directory) as store:
        entries = leaderboard(store).entries
        proposals = len(store.proposals())
        proposed = {proposal.fingerprint for proposal in store.proposals()}
        moments = [datetime.fromisoformat(moment) for moment in store.moments(SEARCH)]
    trained = [entry for entry in entries if entry.fingerprint in proposed and not entry.is_refused]
    minutes = (max(moments) - min(moments)).total_seconds() / 60
    losses = sorted(loss for entry in trained if (loss := entry.mean(SEARCH)) is not None)
    by_search = sorted(trained, key=_search_loss)
    found = next((n for n, entry in enumerate(by_search, 1) if _is_swish_like(entry)), 0)
    best = by_search[found - 1].expression if found else "-"
    finalists = [entry for entry in entries if FINAL in entry.records]
    final = next((n for n, entry in enumerate(finalists, 1) if _is_swish_like(entry)), 0)
    mean = sum(losses[:TOP]) / max(1, len(losses[:TOP]))
    numbers = [str(proposals), str(len(trained)), f"{len(trained) / minutes:.0f}", f"{losses[0]:.3f}", f"{mean:.3f}"]
    ranks = [f"{found or '-'} of {len(by_search)}: {best}", f"{final or '-'} of {len(finalists)}"]
    leader = next((entry for entry in finalists if entry.fingerprint in proposed), None)
    return [str(directory), *numbers, *ranks, "" if leader is None else _with_loss(leader)]


def _with_loss(entry: Entry) -> str:
    mean, interval = entry.mean(), entry.interval()
    noise = "" if mean is None or interval is None else f" ± {interval[1] - mean:.4f}"
    return f"{entry.expression} " + ("failed with a seed" if mean is None else f"{mean:.4f}{noise}")


def _is_swish_like(entry: Entry) -> bool:
    expression = BUILT_IN.read(entry.expression).expression
    return expression is not None and properties(expression).swish_like


def _search_loss(entry: Entry) -> float:
    loss = entry.mean(SEARCH)
    return float("inf") if loss is None else loss


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    names = ("run", "proposals", "trained", "a minute", "best", f"mean of best {TOP}")
    table = Table(*names, "best swish-like by search loss", "by final loss", "best of the proposed, fresh seeds")
    try:
        for directory in parser.parse_args().runs:
            table.add_row(*row(directory))
    except StoreError as fault:
        parser.error(str(fault))
    console().print(table)


if __name__ == "__main__":
    main()
