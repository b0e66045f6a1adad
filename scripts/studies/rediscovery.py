"""Was Swish rediscovered? ``runs`` reports finished runs, ``replay`` a hundred searches on the table of the space.

python -m scripts.studies.rediscovery runs runs/rediscovery-1 runs/rediscovery-2
python -m scripts.studies.rediscovery report        # the study of the README, from scripts/studies/results

With ``--json`` the first two print what ``report`` reads.
"""

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
from pydantic import RootModel

from actsearch.search.memory.store import StoreError
from actsearch.search.ranking.evidence import LEVEL
from actsearch.search.ranking.significance import compare, mean_interval
from scripts.replays.contest import CONTESTANTS, readouts_for, table_for
from scripts.replays.contest import search as search_table
from scripts.studies.finished import finished_run
from scripts.studies.rediscovery_searches import (
    PAPER,
    TOP,
    Finalist,
    Search,
    agreement_with_paper,
    correlation_by_seed,
    first_in,
    is_swish_like,
    overlaps,
    pooled,
    relu_loss,
    search_of,
)
from scripts.studies.repeatability import expected_overlap, spread

RUNS = Path("scripts/studies/results/rediscovery_runs.json")
SURROGATE = Path("scripts/studies/results/rediscovery_surrogate.json")  # the same behind a surrogate, one core unit
REPLAYS = Path("scripts/studies/results/rediscovery_replays.json")
TASK = "mnist1d"
FIRST_SEED = 1000  # those below were for tuning
BEST, SEEDS = (25, 40), (14, 50, 200)  # functions and seeds for which a repetition is simulated
COMPARED = ("relu", "gelu", "mish", "swish")
Searches = RootModel[list[Search]]


def replay(proposers: Sequence[str], seeds: range) -> dict[str, Any]:
    """Return, by proposer, at which training each search found a swish-like function; and how many there are."""
    table = table_for(TASK)
    readouts_for(TASK)  # made once, not by each worker
    jobs = [(name, seed) for name in proposers for seed in seeds]
    found = joblib.Parallel(n_jobs=-1, verbose=1)(joblib.delayed(search_table)(TASK, *job) for job in jobs)
    firsts: dict[str, list[tuple[int | None, int | None]]] = {name: [] for name in proposers}
    for (name, _), trained in zip(jobs, found, strict=True):
        firsts[name].append(first_in(table, [one.name for one in trained]))
    relu = relu_loss(table)
    alike = [name for name in table.means if is_swish_like(table.texts[name])]
    return {
        "functions": len(table.means),
        "swish_like": len(alike),
        "swish_like_and_better": sum(table.means[name] < relu for name in alike),
        "first": {name: [pair[0] for pair in pairs] for name, pairs in firsts.items()},
        "first_better": {name: [pair[1] for pair in pairs] for name, pairs in firsts.items()},
    }


def print_replays(found: Mapping[str, Any]) -> None:
    """Print how soon replayed searches find one."""
    print(f"Of {found['functions']} functions {found['swish_like']} are swish-like, "
          f"{found['swish_like_and_better']} of these truly better than ReLU.\n")  # fmt: skip
    print("| replayed | searches | first swish-like function, training | first one truly better than ReLU |")
    print("|---|---|---|---|")
    for name, firsts in found["first"].items():
        print(f"| {name} | {len(firsts)} | {_quartiles(firsts)} | {_quartiles(found['first_better'][name])} |")


def _quartiles(numbers: Sequence[int | None]) -> str:
    known = sorted(math.inf if number is None else number for number in numbers)
    low, middle, high = (known[round(share * (len(known) - 1))] for share in (0.25, 0.5, 0.75))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def print_searches(searches: Sequence[Search]) -> None:
    """Print a line a run, then what they say together."""
    print("| units, seed | first swish-like, training | below ReLU's loss | share of all | first of the final list: "
          "distance to Swish, learned beta | first that the search proposed: place, distance, learned beta | "
          "tied with the first: swish-like |")  # fmt: skip
    print(7 * "|---" + "|")
    for one in searches:
        tied = one.tied
        print(f"| {one.units}, {one.seed} | {one.first or 'none'} | {one.first_better or 'none'} | {one.share:.0%} | "
              f"{_shown(one.leader)} | {_shown(one.found, place=True)} | "
              f"{sum(like.swish_like for like in tied)} of {len(tied)} |")  # fmt: skip
    count = len(searches)
    print(f"\nSwish-like: the first of the list in {sum(one.leader.swish_like for one in searches)} of {count}, "
          f"the first or one tied with it in {sum(any(like.swish_like for like in one.tied) for one in searches)}, "
          f"the first of the proposed in {sum(one.found.swish_like for one in searches)}.")  # fmt: skip
    found = overlaps(searches)
    if found:
        print(f"Top {TOP} shared by two runs over the same space: {statistics.fmean(found):.1f} on average, "
              f"{min(found)} to {max(found)}, over {len(found)} pairs.")  # fmt: skip
    better = [(one, like) for one in searches for like in one.finalists if like.proposed and _beats(like)]
    tested = [like for one in searches for like in one.finalists if like.proposed and like.against_swish is not None]
    print(f"Of {len(tested)} comparisons of a proposed finalist with Swish, {sum(map(_beats, tested))} found it better "
          f"(corrected p <= {LEVEL}); {sum(map(_lower, tested))} had a lower mean.")  # fmt: skip
    for one, like in better:
        print(f"  {one.units}, {one.seed}: {like.expression}")


def _shown(one: Finalist, place: bool = False) -> str:
    name = f"`{one.expression}`" + (f" ({one.names[0]})" if one.names else "")
    distance = "far" if one.swish_distance is None else f"{one.swish_distance:.2f}"
    betas = "none" if one.betas is None else "{1:.2f} ({0:.2f} to {2:.2f})".format(*one.betas)
    return (
        f"{name}{'' if one.swish_like else ', not swish-like'}: {f'{one.place}, ' if place else ''}{distance}, {betas}"
    )


def _lower(one: Finalist) -> bool:
    return one.against_swish is not None and one.against_swish[0] < 0


def _beats(one: Finalist) -> bool:
    return _lower(one) and one.against_swish is not None and one.against_swish[1] <= LEVEL


def print_repeatability(searches: Sequence[Search]) -> None:
    """Print what two lists would share that miss nobody."""
    for best in BEST:
        found = spread(searches, best)
        shared = ", ".join(f"{expected_overlap(found, seeds):.1f} with {seeds}" for seeds in SEEDS)
        print(f"Best {best} functions of one unit, estimated over all runs: true losses differ by {found.truth:.4f} "
              f"nats (standard deviation), a seed's noise is {found.noise:.4f}. Of {TOP}, two lists over all of them "
              f"would share {shared} seeds.")  # fmt: skip


def print_known(searches: Sequence[Search]) -> None:
    """Print how the known functions compare, over the seeds of all runs, and the paper's eight in both orders."""
    losses = pooled(searches)
    by_seed = {name: dict(enumerate(mine)) for name, mine in losses.items()}
    swish, relu = ({name: mine for name, mine in by_seed.items() if name != other} for other in ("swish", "relu"))
    against_swish, against_relu = compare(swish, by_seed["swish"]), compare(relu, by_seed["relu"])
    accuracy = {name: statistics.fmean(PAPER[name]) for name in PAPER if name in losses}
    theirs = {name: place for place, name in enumerate(sorted(accuracy, key=lambda n: -accuracy[n]), start=1)}
    ours = sorted(losses, key=lambda name: statistics.fmean(losses[name]))
    eight = {name: place for place, name in enumerate((name for name in ours if name in PAPER), start=1)}
    print("| function | loss (95 %) | against ReLU: difference, effect, p | against Swish: difference, effect, p | "
          "place among the eight, here and in the paper |")  # fmt: skip
    print(5 * "|---" + "|")
    for name in ours:
        low, high = mean_interval(losses[name])
        tests = [
            "" if one is None else f"{one.difference:+.4f}, {one.effect:+.2f}, {one.corrected:.2g}"
            for one in (against_relu.get(name), against_swish.get(name))
        ]
        places = f"{eight[name]}, {theirs[name]}" if name in eight else ""
        print(f"| {name} | {statistics.fmean(losses[name]):.4f} ({low:.4f} to {high:.4f}) | {tests[0]} | {tests[1]} | "
              f"{places} |")  # fmt: skip
    tau, p_value = agreement_with_paper(losses)
    seeds = len(losses["swish"])
    print(f"\n{seeds} seeds each. Order of the eight here and in the paper: Kendall's tau {tau:.2f} (p {p_value:.2g}). "
          f"Losses of two functions with the same seed correlate by "
          f"{correlation_by_seed({name: losses[name] for name in COMPARED}):.2f}.")  # fmt: skip


def _search_in(directory: Path) -> Search:
    with finished_run(directory) as store:
        return search_of(store)


def main() -> None:
    """Report, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    runs = jobs.add_parser("runs", help="report finished runs")
    runs.add_argument("runs", nargs="+", type=Path, help="run directories")
    replays = jobs.add_parser("replay", help="search the table of the space many times")
    replays.add_argument("--seeds", type=int, default=100, help="searches of each proposer")
    replays.add_argument("--proposers", nargs="+", choices=CONTESTANTS, default=["random", "reinforce"])
    for job in (runs, replays):
        job.add_argument("--json", action="store_true", help="print what report reads")
    jobs.add_parser("report", help="print the study of the README")
    words = parser.parse_args()
    match words.job:
        case "runs":
            try:
                searches = [_search_in(directory) for directory in words.runs]
            except StoreError as fault:
                parser.error(str(fault))
            if words.json:
                print(Searches(searches).model_dump_json(indent=1))
            else:
                print_searches(searches)
                print()
                print_known(searches)
        case "replay":
            found = replay(words.proposers, range(FIRST_SEED, FIRST_SEED + words.seeds))
            print(json.dumps(found)) if words.json else print_replays(found)
        case "report":
            searches = Searches.model_validate_json(RUNS.read_text()).root
            print_replays(json.loads(REPLAYS.read_text()))
            print()
            print_searches(searches)
            print()
            behind_surrogate = Searches.model_validate_json(SURROGATE.read_text()).root
            print_searches(behind_surrogate)
            print()
            print_repeatability([one for one in [*searches, *behind_surrogate] if one.units == 1])
            print()
            print_known(searches)


if __name__ == "__main__":
    main()
