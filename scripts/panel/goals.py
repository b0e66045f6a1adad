"""What searches of few trainings are worth on the panel: against known activations, random search, and each other.

``python -m scripts.panel.goals`` reads the searches of ``run``, trains what they named with the fresh seeds of its
``judge``, and prints a table. The random search of 300 whole trainings comes from the panel's tables: its six best by
one seed are compared by their other seeds. Not here: the searches (``run``) and the tables (``tables``).
"""

import argparse
import itertools
import random
import statistics
from collections.abc import Iterator, Mapping

from actsearch.evaluators.activation import BUILT_IN
from actsearch.grammar.rows.known import USUAL
from scripts.panel.problems import ASIDE
from scripts.panel.run import FRESH, TRAININGS, WRONG, Said, effect, kept, mean, said, train, wanted
from scripts.panel.tables import WHOLE, loaded

RANDOM, FINALISTS = 300, 6  # whole trainings of the random search, and how many of its functions get more seeds
Losses = Mapping[str, dict[int, float]]
HEAD = (
    "problem", "runs", "no worse than the best known", "than random's {random}", "runs that agree",
    "find of {sixty} trainings against random's",
)  # fmt: skip


def leader(answer: Said) -> str:
    """Return the function that an answer tells to use."""
    return answer.named[0] if answer.named else answer.incumbent


def of_random(problem: str, seed: int) -> str:
    """Return the best function of a random search, by the seeds that it was not chosen by."""
    table = {text: mine[WHOLE] for text, mine in loaded()[problem].items()}
    drawn = random.Random(seed).sample(sorted(table), min(RANDOM, len(table)))
    finalists = sorted(drawn, key=lambda text: table[text][0])[:FINALISTS]
    return min(finalists, key=lambda text: statistics.fmean(table[text][1:]))


def is_no_worse(one: str, other: str, losses: Losses) -> bool:
    """Return whether fresh seeds do not show that a function is worse than another."""
    return one == other or effect(losses[other], losses[one])[1] > WRONG


def row(problem: str, trainings: int, sixty: int) -> Iterator[str]:
    """Yield the cells of a problem behind its name."""
    answers = [*said([problem], trainings)]
    pairs = [
        (ours.best, its.best)
        for ours in said([problem], sixty)
        for its in said([problem], sixty, "random")
        if ours.seed == its.seed
    ]
    rivals = [of_random(problem, answer.seed) for answer in answers] if problem in loaded() else []
    texts = {*map(leader, answers), *itertools.chain(*pairs), *rivals} - {""}
    train(problem, texts, FRESH)
    losses = {text: mine for (name, text), mine in kept().items() if name == problem and len(mine) == FRESH}
    known = [text for text in (BUILT_IN.read(usual).text for usual in USUAL) if text in losses]
    best = min(known, key=lambda text: mean(losses[text].values()))
    couples = [*itertools.combinations(map(leader, answers), 2)]
    agreeing = [is_no_worse(one, other, losses) and is_no_worse(other, one, losses) for one, other in couples]
    yield str(len(answers))
    yield str(sum(is_no_worse(leader(answer), best, losses) for answer in answers))
    yield str(sum(is_no_worse(leader(one), rival, losses) for one, rival in zip(answers, rivals, strict=False)))
    yield f"{sum(agreeing)} of {len(agreeing)}"
    better = [
        bool(ours) and (not its or mean(losses[ours].values()) < mean(losses[its].values())) for ours, its in pairs
    ]
    yield f"{sum(better)} of {sum(one != other for one, other in pairs)}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("problems", nargs="*", help="names; all that are not aside where none is given")
    parser.add_argument("--trainings", type=int, default=TRAININGS, help="of the searches that answer")
    parser.add_argument("--sixty", type=int, default=67, help="trainings of a search with 60 children")
    parser.add_argument("--aside", action="store_true", help="those that were put aside, for the final figures")
    chosen = parser.parse_args()
    print(f"| {' | '.join(HEAD).format(random=RANDOM, sixty=chosen.sixty)} |\n|{'---|' * len(HEAD)}")
    for name in wanted(chosen):
        cells = row(name, chosen.trainings, chosen.sixty)
        print(f"| {name}{' (aside)' if name in ASIDE else ''} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
