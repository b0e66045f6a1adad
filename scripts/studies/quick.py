"""Is the answer of the quick search right? Ten run seeds, and a hundred fresh seeds of what was named.

``python -m scripts.studies.quick search`` runs the quick search with each seed, in ``runs/quick``; ``judge`` trains
what it named, and ReLU, with a hundred fresh seeds at the final rung's length; ``report`` prints a line for each run.
Each goes on where it was stopped. Not here: the same on problems that nobody tuned on (``scripts.panel.run``).
"""

import argparse
import csv
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Request
from actsearch.grammar.behaviour.properties import properties
from actsearch.search.jobs import launch, open_pool, prepared
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.plan import Plan, resolve
from actsearch.search.ranking.entry import Entry, judged
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.settings.reading import settings_of

CONFIG, RUNS = Path("configs/quickstart.yaml"), Path("runs/quick")
RESULTS, SECONDS = RUNS / "judged.csv", "seconds"
FRESH, FIRST_FRESH = 100, 10**6  # fresh seeds of a function, and their first
WRONG, NEAR = 0.05, 0.05  # p of Welch's t-test from where on a claim is wrong; distance that is Swish's


def plan(seed: int) -> Plan:
    """Return the plan of the search of a seed."""
    return resolve(settings_of(CONFIG, [f"seed={seed}"]))


def search(seeds: range) -> None:
    """Search with every seed; the seconds are those of the last sitting."""
    for seed in seeds:
        started = time.perf_counter()
        launch(plan(seed), RUNS / str(seed))
        if not (RUNS / str(seed) / SECONDS).exists():
            (RUNS / str(seed) / SECONDS).write_text(f"{time.perf_counter() - started:.0f}")


@dataclass(frozen=True)
class Said:
    """What one search said: what it called better, the best first, and how near a proposed finalist is to Swish."""

    seed: int
    named: tuple[Entry, ...]
    nearest: float
    seconds: int

    @property
    def finds(self) -> list[str]:
        """What was named and the search proposed."""
        return [entry.expression for entry in self.named if entry.found]


def distance(entry: Entry) -> float:
    """Return the distance of a function to Swish."""
    apart = properties(BUILT_IN.read(entry.expression).as_expression()).swish_distance
    return math.inf if apart is None else apart


def said(seeds: range) -> Iterator[Said]:
    """Yield what every finished search said."""
    for seed in seeds:
        if not (RUNS / str(seed) / SECONDS).exists():
            continue
        with Store(RUNS / str(seed)) as store:
            board, proposed = leaderboard(store), {*store.proposed()}
        better = sorted(verdict_of(board).better, key=lambda entry: entry.against[board.reference].difference)
        finalists = [one for one in board.entries if one.fingerprint in proposed and FINAL in one.records]
        seconds = int((RUNS / str(seed) / SECONDS).read_text())
        yield Said(seed, tuple(better), min(map(distance, finalists), default=math.inf), seconds)


def kept() -> dict[str, dict[int, float]]:
    """Return the losses that judge: expression -> seed -> test loss."""
    losses: dict[str, dict[int, float]] = {}
    if RESULTS.exists():
        with RESULTS.open(encoding="utf-8", newline="") as file:
            for text, seed, loss in csv.reader(file):
                losses.setdefault(text, {})[int(seed)] = float(loss)
    return losses


def judge(seeds: range) -> None:
    """Train what was named, and ReLU, with the fresh seeds that they do not have yet."""
    texts = {BUILT_IN.read("relu").text} | {entry.expression for one in said(seeds) for entry in one.named}
    fresh = range(FIRST_FRESH, FIRST_FRESH + FRESH)
    missing = [(text, seed) for text in sorted(texts) for seed in fresh if seed not in kept().get(text, {})]
    made = plan(0)
    steps = made.rungs[-1].task.steps
    requests = [Request(text, seed, steps, test=True, patient=True) for text, seed in missing]
    with RESULTS.open("a", encoding="utf-8", newline="") as file, open_pool(prepared(made.task), made.pool) as pool:
        writer = csv.writer(file)
        for index, outcome in pool.evaluate(requests):
            loss = judged(outcome)
            writer.writerow([*missing[index], math.nan if loss is None else loss])
            file.flush()


def report(seeds: range) -> None:
    """Print what each search named first, whether fresh seeds hold it, and how near a proposed finalist is to Swish."""
    losses = kept()
    relu = [*losses[BUILT_IN.read("relu").text].values()]
    held = {text: _is_held([*mine.values()], relu) for text, mine in losses.items()}
    answers = [*said(seeds)]
    print("| seed | named first | first find named | claims held | finalist nearest to Swish | seconds |")
    print("|---" * 6 + "|")
    for one in answers:
        first = one.named[0].expression if one.named else "nothing"
        claims = [held[entry.expression] for entry in one.named]
        print(f"| {one.seed} | {first} | {(one.finds or ['none'])[0]} | {sum(claims)} of {len(claims)} "
              f"| {one.nearest:.3f} | {one.seconds} |")  # fmt: skip
    claims = [held[entry.expression] for one in answers for entry in one.named]
    print(f"\n{sum(bool(one.finds) for one in answers)} of {len(answers)} name a find, "
          f"{sum(any(held[text] for text in one.finds) for one in answers)} one that is held; "
          f"{claims.count(False)} of {len(claims)} claims wrong; "
          f"Swish or a function within {NEAR} among the proposed finalists: "
          f"{sum(one.nearest <= NEAR for one in answers)}; "
          f"median {statistics.median(one.seconds for one in answers):.0f} s")  # fmt: skip


def _is_held(mine: list[float], relu: list[float]) -> bool:
    """Return whether fresh seeds show that a function is better than ReLU; a seed that diverged is the worst number."""
    worst = max(loss for loss in [*mine, *relu] if math.isfinite(loss))
    clean = [[loss if math.isfinite(loss) else worst for loss in part] for part in (mine, relu)]
    return float(stats.ttest_ind(*clean, equal_var=False, alternative="less").pvalue) <= WRONG


def main() -> None:
    """Do what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["search", "judge", "report"])
    parser.add_argument("--seeds", default="0:10", help="of runs, first and behind the last")
    chosen = parser.parse_args()
    seeds = range(*map(int, chosen.seeds.split(":")))
    {"search": search, "judge": judge, "report": report}[chosen.what](seeds)


if __name__ == "__main__":
    main()
