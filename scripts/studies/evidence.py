"""Which evidence claims too much, and which needs the fewest seeds: bets on signs, and forms of the t-statistic.

``python -m scripts.studies.evidence`` prints three tables in a minute on one core. The level: in how many of 100
paths of 30 seeds, looked at after each, evidence of 40 is reached though no function is better. The power: how many
seeds it takes, the middle path and nine of ten. Forms compared: the bets of ``search.ranking.evidence``; those of
version 0.3; the scale-invariant mixture over effects of Perez-Ortiz, Lardy, de Heide & Grunwald (2022, arXiv
2208.07610), one sided; and the mean of that with the bets. Not here: several functions at once
(``tests/search/test_race.py``).
"""

import argparse
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from actsearch.search.ranking.evidence import CAPITAL, FIRST, LEVEL, SHOWN, STAKES
from scripts.replays.replay import file_of, load_table

Array = NDArray[np.float64]
SEEDS, OLD_STAKES, EFFECTS = 30, (0.25, 0.5, 1.0, 2.0, 4.0), (1.0, 2.0, 3.0)
OFTEN = 10  # seeds of the functions of a table whose noise is drawn
TOO_FEW = 5  # seeds before which the t-form, of which nobody knows the level there, says nothing


def bets(rows: Array, stakes: tuple[float, ...] = STAKES, shares: tuple[float, ...] = CAPITAL) -> Array:
    """Return log evidence ``(paths, seeds)`` of bets on the signs of differences; below 0 wins."""
    scale = np.sqrt((rows[:, :FIRST] ** 2).mean(1, keepdims=True))
    growth = np.stack([math.log(2) - np.logaddexp(0, 2 * stake * rows / scale) for stake in stakes])
    found = special.logsumexp(np.cumsum(growth, 2) + np.log(shares)[:, None, None], 0)
    return np.where(np.arange(rows.shape[1]) < FIRST - 1, 0.0, found)


def t_form(rows: Array, effects: tuple[float, ...] = EFFECTS) -> Array:
    """Return log evidence ``(paths, seeds)`` of the t-statistic: a mixture of effects, the scale integrated out."""
    seeds, grid = rows.shape[1], np.linspace(1e-3, 14, 400)
    ratio = -np.cumsum(rows, 1) / np.sqrt(np.cumsum(rows**2, 1) + np.finfo(float).tiny)
    found = np.zeros((len(effects), *rows.shape))
    for count in range(2, seeds + 1):
        weights = (count - 1) * np.log(grid) - grid**2 / 2
        weights -= special.logsumexp(weights)
        for row, effect in enumerate(effects):
            terms = weights + effect * grid * ratio[:, count - 1, None]
            found[row, :, count - 1] = special.logsumexp(terms, 1) - count * effect**2 / 2
    mixed = special.logsumexp(found, 0) - math.log(len(effects))
    return np.where(np.arange(seeds) < TOO_FEW - 1, 0.0, mixed)


FORMS: dict[str, Callable[[Array], Array]] = {
    "bets on signs": bets,
    "bets of version 0.3": lambda rows: bets(rows, OLD_STAKES, (0.2,) * 5),
    "t-form": t_form,
    "mean of bets and t-form": lambda rows: np.logaddexp(bets(rows), t_form(rows)) - math.log(2),
}


def _rare(rng: np.random.Generator, shape: tuple[int, int], sign: int) -> Array:
    """Return differences of which one of twenty is far off to one side; the others make the mean 0."""
    rows = rng.standard_normal(shape)
    return np.asarray(sign * (rows + 1 - 20 * (rng.random(shape) < 0.05)))


def _of_table(task: str) -> Callable[[np.random.Generator, tuple[int, int]], Array]:
    """Return what draws differences of two functions of a table, less those of their means, of as many seeds each."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        table = load_table(file_of(task))
        kept = [row for row in table.losses.values() if len(row) >= OFTEN and None not in row]
        losses = np.array([row[:OFTEN] for row in kept], float)
        noise = losses - losses.mean(1, keepdims=True)
        first, second = (
            noise[rng.integers(len(noise), size=(shape[0], 1)), rng.integers(OFTEN, size=shape)] for _ in range(2)
        )
        return np.asarray(first - second)

    return draw


NULLS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "Student's t, 3": lambda rng, shape: rng.standard_t(3, shape),
    "two values": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "failures on both sides": lambda rng, shape: (
        rng.standard_normal(shape) + 20 * rng.choice([-1, 0, 1], shape, p=[0.025, 0.95, 0.025])
    ),
    "skewed, median 0": lambda rng, shape: math.log(2) - rng.exponential(size=shape),
    "skewed, mean 0": lambda rng, shape: rng.exponential(size=shape) - 1,
    "incumbent fails, mean 0": lambda rng, shape: _rare(rng, shape, 1),
    "function fails, mean 0": lambda rng, shape: _rare(rng, shape, -1),
    "seed noise of the table mnist1d": _of_table("mnist1d"),
    "seed noise of the table mnist1d_mlp": _of_table("mnist1d_mlp"),
}


def first(evidence: Array, wanted: float = SHOWN) -> NDArray[np.int64]:
    """Return after how many seeds each path has evidence enough; more than there are where it never has."""
    reached = evidence >= math.log(wanted)
    return np.asarray(np.where(reached.any(1), reached.argmax(1) + 1, evidence.shape[1] + 1))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--paths", type=int, default=6000, help="of each kind of difference")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    print("wrong claims of 100 (2.5 are allowed)    " + "  ".join(FORMS))
    for name, draw in NULLS.items():
        rows = draw(rng, (chosen.paths, SEEDS))
        shares = [100 * float((first(form(rows)) <= SEEDS).mean()) for form in FORMS.values()]
        print(f"{name:40s} " + "  ".join(f"{share:{len(form)}.1f}" for share, form in zip(shares, FORMS, strict=True)))
    print("\nseeds to a claim, half and 90 of 100 paths")
    for effect in (0.7, 1.0, 1.5, 2.0, 2.5, 4.0):
        rows = rng.standard_normal((chosen.paths // 4, 2 * SEEDS)) - effect
        cells = []
        for form in FORMS.values():
            half, most = np.quantile(first(form(rows)), [0.5, 0.9], method="higher")
            cells.append(f"{half:.0f}, {most:.0f}" if most <= 2 * SEEDS else f"{half:.0f}, over {2 * SEEDS}")
        row = "  ".join(f"{cell:>{len(form)}s}" for cell, form in zip(cells, FORMS, strict=True))
        print(f"{effect} standard deviations{'':17s} " + row)
    print("\nseeds to a claim as the leader of ten functions: by the closed test, by Holm as in version 0.3")
    for effect in (1.0, 1.5, 2.5, 3.2, 4.0, 8.5):
        rows = rng.standard_normal((chosen.paths // 4, 2 * SEEDS)) - effect
        now = first(bets(rows), 2 * SHOWN)  # no more than twice what one alone needs: the others weigh 1/2, 1/4, ...
        before = first(FORMS["bets of version 0.3"](rows), 10 / LEVEL)
        print(f"{effect} standard deviations: {np.median(now):.0f}, {np.median(before):.0f}")


if __name__ == "__main__":
    main()
