"""The evidence behind fingerprint and screen, on the one-unit space of 2017.

python -m scripts.studies.space fingerprint         # what the tolerance merges and what it misses (half a minute)
python -m scripts.studies.space screen --train 200  # refusals by reason; trains refused ones (minutes)
"""

import argparse
import itertools
from collections import Counter

import numpy as np
import torch
from scipy.spatial.distance import cdist

from actsearch.evaluators.outcome import Request, child_seed
from actsearch.evaluators.pools.pool import PoolSettings
from actsearch.evaluators.registry import resolve
from actsearch.evaluators.settings import TaskSettings
from actsearch.grammar.behaviour.census import distinct_expressions
from actsearch.grammar.behaviour.fingerprint import behaviour, fingerprint
from actsearch.grammar.behaviour.screening import refusal
from actsearch.grammar.expression import Expression
from actsearch.grammar.function import function_of
from actsearch.grammar.rows.swish2017 import BINARY, UNARY
from actsearch.grammar.shape import core_units
from actsearch.grammar.space import Space
from actsearch.search.jobs import open_pool, prepared

SPACE = Space(core_units(1), UNARY, BINARY)


def examine_fingerprint() -> None:
    """Compare members of a class on points that the fingerprint never saw, and the classes with each other."""
    groups = distinct_expressions(SPACE)
    fresh = torch.empty(400, dtype=torch.float64).uniform_(-7, 7, generator=torch.Generator().manual_seed(1))
    scalars = torch.tensor([-2.0, -0.3, 0.9, 1.3, 2.6, 7.0], dtype=torch.float64)[:, None]  # none of the fingerprint's
    merged = []
    for members in groups.values():
        functions = [function_of(member, held=False) for member in members]
        points = fresh.expand(len(scalars), -1)
        values = [function(points, *([scalars] * len(function.parameters))) for function in functions]
        for value, member in zip(values[1:], members[1:], strict=True):
            both = value.isfinite() & values[0].isfinite()
            gaps = (value - values[0]).abs()[both] / (1 + values[0].abs()[both])
            merged.append((float(gaps.max()), str(members[0]), str(member)))
    merged.sort(reverse=True)
    print(f"{len(groups)} classes; {len(merged)} merged strings; the least alike on fresh points and betas:")
    for gap, first, second in merged[:5]:
        print(f"  {gap:.1e}  {first}  {second}")
    vectors = np.stack([behaviour(members[0]).flatten().numpy() for members in groups.values()])
    vectors = np.arcsinh(vectors)  # relative for large numbers, absolute for small ones
    texts = [str(members[0]) for members in groups.values()]
    near = []
    for start in range(0, len(vectors), 250):
        gaps = cdist(vectors[start : start + 250], vectors, "chebyshev")
        for row in range(len(gaps)):
            gaps[row, : start + row + 1] = np.inf
            best = int(gaps[row].argmin())
            near.append((gaps[row, best], texts[start + row], texts[best]))
    near.sort()
    edges = [0, 1e-12, 1e-10, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, np.inf]
    print("distance of a class to its nearest other class:")
    for low, high in itertools.pairwise(edges):
        print(f"  {low:.0e} to {high:.0e}: {sum(low <= gap < high for gap, _, _ in near)}")
    for gap, first, second in near[:8]:
        print(f"  {gap:.1e}  {first}  {second}")


def examine_screen(train: int, seed: int) -> None:
    """Count refusals by reason over the distinct behaviours, and train as many refused as kept ones."""
    distinct = [members[0] for members in distinct_expressions(SPACE).values()]
    reasons = {expression: refusal(expression) for expression in distinct}
    counts = Counter(str(found.reason) if found else "kept" for found in reasons.values())
    for reason, count in counts.most_common():
        print(f"{reason:15s} {count:5d}  {count / len(distinct):.1%}")
    if not train:
        return
    order = torch.randperm(len(distinct), generator=torch.Generator().manual_seed(seed)).tolist()
    refused = [distinct[i] for i in order if reasons[distinct[i]]][:train]
    kept = [distinct[i] for i in order if not reasons[distinct[i]]][:train]
    losses = _train([*refused, *kept])
    quarter = np.quantile([losses[expression] for expression in kept], 0.25)
    print(f"trained {len(refused)} refused and {len(kept)} kept; best quarter of the kept: loss under {quarter:.3f}")
    print(f"refused in it: {sum(losses[expression] < quarter for expression in refused)}; the best refused:")
    for expression in sorted(refused, key=lambda e: losses[e])[:5]:
        print(f"  {losses[expression]:.3f}  {expression}  {reasons[expression]}")
    median = np.median([losses[expression] for expression in kept])
    print(f"median of the kept {median:.3f}, of the refused {np.median([losses[e] for e in refused]):.3f}")


def _train(expressions: list[Expression]) -> dict[Expression, float]:
    task = resolve(TaskSettings())
    requests = [Request(str(e), child_seed(0, fingerprint(e), 0), task.settings.steps) for e in expressions]
    losses = {}
    with open_pool(prepared(task), PoolSettings()) as pool:
        for index, outcome in pool.evaluate(requests):
            losses[expressions[index]] = float("inf") if outcome.score is None else outcome.score
    return losses


def main() -> None:
    """Print the evidence."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["fingerprint", "screen"])
    parser.add_argument("--train", type=int, default=0, help="how many refused and how many kept functions to train")
    parser.add_argument("--seed", type=int, default=0, help="which of them")
    words = parser.parse_args()
    if words.what == "fingerprint":
        examine_fingerprint()
    else:
        examine_screen(words.train, words.seed)


if __name__ == "__main__":
    main()
