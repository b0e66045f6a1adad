"""Replays of searches on the panel: in how many trainings does each rival meet one of a problem's best functions?

``python -m scripts.panel.rivals`` prints medians over searches, by problem. Not here: a search (``contest``).
"""

import argparse
import math
import statistics

import joblib

from scripts.panel.contest import RIVALS, readouts, search
from scripts.panel.problems import ASIDE, MNIST1D
from scripts.panel.tables import loaded

TRAININGS = 100  # of a search


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("problems", nargs="*", help="names; all that are tabulated where none is given")
    parser.add_argument("--only", nargs="+", choices=RIVALS, default=list(RIVALS))
    parser.add_argument("--seeds", type=int, default=100, help="searches of each rival")
    parser.add_argument("--trainings", type=int, default=TRAININGS)
    parser.add_argument(
        "--anchors", action="store_true", help="tell surrogates the known activations first, as a run does"
    )
    parser.add_argument("--upside-down", action="store_true", help="the worst functions shall be the best")
    chosen = parser.parse_args()
    problems = chosen.problems or [*loaded(), *MNIST1D]
    for problem in problems:
        readouts(problem)
    print(f"| rival | {' | '.join(name + (' (aside)' if name in ASIDE else '') for name in problems)} |")
    print((len(problems) + 1) * "|---" + "|")
    for rival in chosen.only:
        cells = []
        for problem in problems:
            needed = joblib.Parallel(n_jobs=2)(
                joblib.delayed(search)(
                    problem, rival, seed, chosen.trainings, anchors=chosen.anchors, upside_down=chosen.upside_down
                )
                for seed in range(chosen.seeds)
            )
            middle = statistics.median(needed)
            cells.append(f"{'never' if math.isinf(middle) else f'{middle:g}'}")
        print(f"| {rival} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
