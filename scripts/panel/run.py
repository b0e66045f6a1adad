"""Search on small problems, and judge what was said by fresh seeds.

``python -m scripts.panel.run search --seeds 0:10`` asks for a recommendation with 100 trainings on each problem and run
seed, in ``runs/panel/100``, on one core; ``judge`` trains what was named, the best finds and the incumbent with 50
fresh seeds, with ``--known`` also those of the twenty that ten seeds put first; ``report`` prints how often the answer
was right. The prior of a search knows neither the problem nor its relatives. Each goes on where it was stopped; what
a search takes of the processors is that of its last sitting. Those put aside are left out unless ``--aside`` names
them. Not here: the problems (``problems``), and a verdict (``search.ranking``).
"""

import argparse
import csv
import math
import resource
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from scipy import stats

from actsearch.evaluators.activation import BUILT_IN
from actsearch.evaluators.outcome import Request
from actsearch.grammar.rows.known import USUAL
from actsearch.search.commands.recommending import settings_for
from actsearch.search.jobs import launch, open_pool, prepared
from actsearch.search.memory.records import FINAL
from actsearch.search.memory.store import Store
from actsearch.search.plan import resolve
from actsearch.search.proposers.prior import shipped
from actsearch.search.proposers.registry import ProposerSettings
from actsearch.search.ranking.answer import sentences
from actsearch.search.ranking.entry import judged
from actsearch.search.ranking.leaderboard import leaderboard
from actsearch.search.ranking.verdict import verdict_of
from actsearch.search.settings.classes import SearchSettings
from scripts.panel.problems import REPLACED, names, relatives

RUNS = Path("runs/panel")
RESULTS = RUNS / "judged.csv"
CPU = "cpu_seconds"  # a file of a search, that says what it took
TRAININGS = 100  # of a search
STEPS, FRESH, FIRST_FRESH = 800, 50, 10**6  # of a whole training; seeds that judge, and their first
FEW, BEST = 10, 5  # fresh seeds of every known activation, and how many of these have all
WRONG = 0.05  # p of a paired t-test of the fresh seeds, from where on a claim is wrong
LARGE = 1.5  # standard deviations of paired differences, from where on something should be named


def settings_of(
    problem: str, seed: int, trainings: int = TRAININGS, proposer: str = ProposerSettings.name
) -> SearchSettings:
    """Return the settings of one search."""
    build = f"scripts.panel.problems:{problem}"
    changes = [f"seed={seed}", f"budget.trainings={trainings}", "task.batch=32", "pool.kind=serial"]
    changes.append(f"proposer.name={proposer}")
    if problem in REPLACED:
        changes.append(f"task.own.replace=[{', '.join(REPLACED[problem])}]")
    return settings_for(build, STEPS, changes)


def folder(trainings: int, proposer: str = ProposerSettings.name) -> Path:
    """Return where searches of so many trainings with a proposer are kept."""
    return RUNS / (str(trainings) if proposer == ProposerSettings.name else f"{trainings}-{proposer}")


def wanted(chosen: argparse.Namespace) -> list[str]:
    """Return the names of the problems that are asked for."""
    return [name for name in names(aside=chosen.aside) if not chosen.problems or name in chosen.problems]


def cpu_seconds() -> float:
    """Return what this process, which trains, took of the processors, in seconds."""
    taken = resource.getrusage(resource.RUSAGE_SELF)
    return taken.ru_utime + taken.ru_stime


def search(chosen: argparse.Namespace) -> None:
    """Search with every seed on every problem."""
    first, last = map(int, chosen.seeds.split(":"))
    for seed in range(first, last):
        for name in wanted(chosen):
            directory, before = folder(chosen.trainings, chosen.proposer) / f"{name}-{seed}", cpu_seconds()
            unseen = shipped().without(*relatives(name))
            with patch("actsearch.search.run.shipped", lambda unseen=unseen: unseen):
                launch(resolve(settings_of(name, seed, chosen.trainings, chosen.proposer)), directory)
            if not (directory / CPU).exists():
                (directory / CPU).write_text(str(cpu_seconds() - before))
            with Store(directory) as store:
                board = leaderboard(store)
            print(f"{directory}: {sentences(verdict_of(board), board, str(directory))[0]}", flush=True)


@dataclass(frozen=True)
class Said:
    """What one search said.

    Args:
        problem: its name.
        seed: of the run.
        incumbent: what the network has.
        named: what is called better, the best first.
        best: the find of the lowest loss, by the furthest rung.
        steps: of all children.
        seconds: of the processors, of the whole search.
    """

    problem: str
    seed: int
    incumbent: str
    named: tuple[str, ...]
    best: str
    steps: int
    seconds: float

    @property
    def texts(self) -> set[str]:
        """What must be judged."""
        return {text for text in (*self.named, self.incumbent, self.best) if text}


def said(names: Sequence[str], trainings: int, proposer: str = ProposerSettings.name) -> Iterator[Said]:
    """Yield what every search of so many trainings that is finished said."""
    for name in names:
        directories = folder(trainings, proposer).glob(f"{name}-[0-9]*")
        for directory in sorted(directories, key=lambda path: int(path.name.rpartition("-")[2])):
            with Store(directory) as store:
                board, outcomes = leaderboard(store), store.outcomes(diagnostics=False).values()
            if not board.climbed:
                continue
            verdict = verdict_of(board)
            named = sorted(verdict.better, key=lambda entry: entry.against[board.reference].difference)
            find = next((entry.expression for entry in board.entries if entry.found and FINAL in entry.records), "")
            yield Said(
                name, int(directory.name.rpartition("-")[2]), verdict.incumbent.expression if verdict.incumbent else "",
                tuple(entry.expression for entry in named), find,
                sum(record.request.steps for record in outcomes if record.outcome.trained_by),
                float((directory / CPU).read_text()),
            )  # fmt: skip


def kept() -> dict[tuple[str, str], dict[int, float]]:
    """Return the losses that judge: (problem, expression) -> seed -> test loss."""
    found: dict[tuple[str, str], dict[int, float]] = {}
    if RESULTS.exists():
        with RESULTS.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault((row["problem"], row["expression"]), {})[int(row["seed"])] = float(row["loss"])
    return found


def judge(chosen: argparse.Namespace) -> None:
    """Train with fresh seeds what was named, the best finds and the incumbent; of known activations the best."""
    known = [BUILT_IN.read(name).text for name in USUAL]
    for name in wanted(chosen):
        answers = [*said([name], chosen.trainings, chosen.proposer)]
        if not answers:
            continue
        train(name, {text for one in answers for text in one.texts}, FRESH)
        if chosen.known:
            train(name, known, FEW)
            losses = {text: mine for (where, text), mine in kept().items() if where == name}
            seeds = range(FIRST_FRESH, FIRST_FRESH + FEW)
            order = sorted(known, key=lambda text: mean(losses[text][seed] for seed in seeds))
            train(name, order[:BEST], FRESH)


def mean(losses: Iterable[float]) -> float:
    """Return the mean loss; endless where one diverged."""
    return statistics.fmean(loss if math.isfinite(loss) else math.inf for loss in losses)


def train(name: str, texts: Iterable[str], count: int) -> None:
    """Train functions on a problem with so many fresh seeds each, those that they do not have yet."""
    done = kept()
    missing = [
        (text, seed)
        for text in sorted(texts)
        for seed in range(FIRST_FRESH, FIRST_FRESH + count)
        if seed not in done.get((name, text), {})
    ]
    if not missing:
        return
    plan = resolve(settings_of(name, 0))
    requests = [Request(text, seed, STEPS, test=True, patient=True) for text, seed in missing]
    is_new = not RESULTS.exists()
    with RESULTS.open("a", encoding="utf-8", newline="") as file, open_pool(prepared(plan.task), plan.pool) as pool:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["problem", "expression", "seed", "loss"])
        for index, outcome in pool.evaluate(requests):
            loss = judged(outcome)
            writer.writerow([name, *missing[index], float("nan") if loss is None else loss])
            file.flush()
    print(f"{name}: {len(missing)} trainings", flush=True)


def effect(losses: dict[int, float], incumbent: dict[int, float]) -> tuple[float, float]:
    """Return the mean paired difference in standard deviations, and the p of a paired t-test that it is below 0."""
    pairs = [losses[seed] - incumbent[seed] for seed in losses if seed in incumbent]
    pairs = [one for one in pairs if math.isfinite(one)]  # a seed that diverged is no number
    if len(pairs) < 2 or len(set(pairs)) == 1:
        return 0.0, 1.0
    return statistics.fmean(pairs) / statistics.stdev(pairs), float(
        stats.ttest_1samp(pairs, 0, alternative="less").pvalue
    )


HEAD = (
    "problem", "runs", "right", "named something", "wrong claims", "large effects named",
    "the named beats all known, where the best find does", "whole trainings", "CPU s",
)  # fmt: skip


def report(chosen: argparse.Namespace) -> None:
    """Print, for each problem, how often the answer was right, and what it cost, as medians over runs."""
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for name in wanted(chosen):
        answers = [*said([name], chosen.trainings, chosen.proposer)]
        done = {text for (where, text), losses in kept().items() if where == name and len(losses) == FRESH}
        if answers and all(done.issuperset(one.texts) for one in answers):
            print(f"| {name} | {' | '.join(_row(name, answers))} |")


def _row(name: str, answers: Sequence[Said]) -> Iterator[str]:
    """Yield the cells of one problem behind its name."""
    losses = {text: mine for (where, text), mine in kept().items() if where == name and len(mine) == FRESH}
    means = {text: mean(mine.values()) for text, mine in losses.items()}
    known = [text for text in (BUILT_IN.read(usual).text for usual in USUAL) if text in losses]
    against = {text: effect(mine, losses[answers[0].incumbent]) for text, mine in losses.items()}
    claims = [text for one in answers for text in one.named]
    best = min((means[text] for text in known), default=float("inf"))
    large = [one for one in answers if min(against[text][0] for text in {*one.texts, *known}) <= -LARGE]
    beating = [one for one in answers if one.best and means[one.best] < best]
    right = [all(against[text][1] <= WRONG for text in one.named) if one.named else one not in large for one in answers]
    yield str(len(answers))
    yield str(sum(right))
    yield str(sum(bool(one.named) for one in answers))
    yield f"{sum(against[text][1] > WRONG for text in claims)} of {len(claims)}"
    yield f"{sum(bool(one.named) for one in large)} of {len(large)}"
    yield f"{sum(bool(one.named) and means[one.named[0]] < best for one in beating)} of {len(beating)}"
    yield f"{statistics.median(one.steps for one in answers) / STEPS:.0f}"
    yield f"{statistics.median(one.seconds for one in answers):.0f}"


def main() -> None:
    """Do what is named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=["search", "judge", "report"])
    parser.add_argument("problems", nargs="*", help="names; all that are not aside where none is given")
    parser.add_argument("--seeds", default="0:10", help="of runs, first and behind the last")
    parser.add_argument("--trainings", type=int, default=TRAININGS)
    parser.add_argument("--proposer", default=ProposerSettings.name)
    parser.add_argument("--known", action="store_true", help="judge the best of the known activations, too")
    parser.add_argument("--aside", action="store_true", help="those that were put aside, for the final figures")
    chosen = parser.parse_args()
    {"search": search, "judge": judge, "report": report}[chosen.what](chosen)


if __name__ == "__main__":
    main()
