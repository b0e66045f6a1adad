"""Compare finished runs: behaviours trained, children a minute, and where the best swish-like candidate ranks.

python scripts/report_runs.py runs/reinforce-0 runs/random-0 ...
"""

import argparse
from datetime import datetime
from pathlib import Path

from rich.table import Table

from evaluators.activation import is_layer
from evaluators.outcome import Status
from grammar.known import read
from grammar.properties import properties
from search.display import console
from search.leaderboard import Entry, leaderboard
from search.run import SEARCH
from search.store import Store

TOP = 40


def row(directory: Path) -> list[str]:
    """Return one run's line."""
    with Store(directory) as store:
        entries = leaderboard(store)
        proposals = len(store.proposals())
        proposed = {proposal.fingerprint for proposal in store.proposals()}
        moments = [datetime.fromisoformat(moment) for moment in store.moments(SEARCH)]
    trained = [
        entry
        for entry in entries
        if entry.fingerprint in proposed and entry.search and entry.search.outcome.status is not Status.REJECTED
    ]
    minutes = (max(moments) - min(moments)).total_seconds() / 60
    losses = sorted(entry.search.outcome.score for entry in trained if entry.search and entry.search.outcome.score)
    by_search = sorted(trained, key=_search_loss)
    found = next((n for n, entry in enumerate(by_search, 1) if _is_swish_like(entry)), 0)
    best = by_search[found - 1].expression if found else "-"
    finalists = [entry for entry in entries if entry.final]
    final = next((n for n, entry in enumerate(finalists, 1) if _is_swish_like(entry)), 0)
    mean = sum(losses[:TOP]) / max(1, len(losses[:TOP]))
    numbers = [str(proposals), str(len(trained)), f"{len(trained) / minutes:.0f}", f"{losses[0]:.3f}", f"{mean:.3f}"]
    ranks = [f"{found or '-'} of {len(by_search)}: {best}", f"{final or '-'} of {len(finalists)}"]
    leader = next((entry for entry in finalists if entry.fingerprint in proposed), None)
    return [str(directory), *numbers, *ranks, "" if leader is None else _with_loss(leader)]


def _with_loss(entry: Entry) -> str:
    mean, error = entry.final_mean(), entry.final_error()
    noise = "" if error is None else f" ± {error:.4f}"
    return f"{entry.expression} " + ("failed with a seed" if mean is None else f"{mean:.4f}{noise}")


def _is_swish_like(entry: Entry) -> bool:
    return not is_layer(entry.expression) and properties(read(entry.expression)).swish_like


def _search_loss(entry: Entry) -> float:
    score = entry.search.outcome.score if entry.search else None
    return float("inf") if score is None else score


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    names = ("run", "proposals", "trained", "a minute", "best", f"mean of best {TOP}")
    table = Table(*names, "best swish-like by search loss", "by final loss", "best of the proposed, fresh seeds")
    for directory in parser.parse_args().runs:
        table.add_row(*row(directory))
    console().print(table)


if __name__ == "__main__":
    main()
