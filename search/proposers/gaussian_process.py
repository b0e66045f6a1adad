"""The surrogate's model: scikit-learn's Gaussian process over features of functions that need no training.

Its parameters are fixed: a dozen outcomes cannot choose them. Not here: the features (``knowledge``), and the use of
the model (``surrogate``).
"""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Array = np.ndarray[Any, np.dtype[np.float64]]
FARTHEST = 4.0  # standard deviations at which features are clipped: larger values say no more
SMOOTHNESS = 2.5  # nu of the Matern kernel (Snoek et al. 2012, section 3.1, for tuning)
REFITS = 4  # number of fits for one batch


def choose(
    trained: Array, rewards: Array, candidates: Array, count: int, *, optimism: float, length: float, noise: float
) -> list[tuple[int, float]]:
    """Return indices of the best candidates with their expected rewards, the best first.

    Each choice takes the expected rewards of those before it as observed (the believer of Ginsbourger et al. 2010,
    section 4.2), so that a batch does not crowd in one place. A larger batch is chosen a quarter at a time.

    Args:
        trained: features of the trained functions, ``(n, d)``.
        rewards: rewards of the trained functions, ``(n,)``, higher is better.
        candidates: features of the candidates, ``(m, d)``.
        count: number of candidates to choose.
        optimism: number of standard deviations added to the mean; see ``SurrogateSettings``.
        length: length of the kernel; see ``SurrogateSettings``.
        noise: variance of the noise; see ``SurrogateSettings``.
    """
    chosen: list[tuple[int, float]] = []
    remaining = list(range(len(candidates)))
    at_once = max(1, count // REFITS)
    while remaining and len(chosen) < count:
        indices = [index for index, _ in chosen]
        mean, spread = predict(
            np.concatenate([trained, candidates[indices]]), np.concatenate([rewards, [reward for _, reward in chosen]]),
            candidates, length, noise,
        )  # fmt: skip
        best = sorted(remaining, key=lambda index: -(mean[index] + optimism * spread[index]))
        chosen += [(index, float(mean[index])) for index in best[: min(at_once, count - len(chosen))]]
        remaining = [index for index in remaining if index not in {taken for taken, _ in chosen}]
    return chosen


def predict(trained: Array, rewards: Array, candidates: Array, length: float, noise: float) -> tuple[Array, Array]:
    """Return mean and standard deviation of the candidates' rewards, each ``(m,)``, in units of a reward."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415  an extra: a plain install lacks it
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    scaler = StandardScaler().fit(np.concatenate([trained, candidates]))
    inputs, queries = (np.clip(scaler.transform(part), -FARTHEST, FARTHEST) for part in (trained, candidates))
    size = max(float(rewards.std()), 1e-6)
    kernel = Matern(length * np.sqrt(trained.shape[1]), "fixed", nu=SMOOTHNESS) + WhiteKernel(noise, "fixed")
    with _pools().limit(limits=1):  # the cores are busy with children: more threads cost more than they give
        model = GaussianProcessRegressor(kernel, optimizer=None).fit(inputs, (rewards - rewards.mean()) / size)
        mean, spread = model.predict(queries, return_std=True)
    return mean * size + rewards.mean(), spread * size


@functools.cache
def _pools() -> "ThreadpoolController":
    """Find the libraries that start threads, once: the search takes longer than a prediction."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  the same extra

    return ThreadpoolController()
