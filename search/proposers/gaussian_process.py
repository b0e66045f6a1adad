"""The surrogate's model: a Gaussian process (scikit-learn's) over what is known of functions without training them.

Its parameters are fixed: a dozen outcomes cannot choose them. Not here: who asks (``surrogate``).
"""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Array = np.ndarray[Any, np.dtype[np.float64]]
FARTHEST = 4.0  # standard deviations: what lies beyond says no more
SMOOTHNESS = 2.5  # of the Matern kernel (Snoek et al. 2012, section 3.1, for tuning)
REFITS = 4  # for one batch


def choose(
    told: Array, rewards: Array, candidates: Array, count: int, *, optimism: float, length: float, noise: float
) -> list[tuple[int, float]]:
    """Return indices of the best candidates, with the rewards expected of them, the best first.

    Each is chosen as if those before it had come as expected (the believer of Ginsbourger et al. 2010, section 4.2), so
    that a batch does not crowd in one place; of a larger batch, a quarter is chosen at a time.

    Args:
        told: what is known of trained functions, ``(n, d)``.
        rewards: what they came to, ``(n,)``, higher is better.
        candidates: what is known of the others, ``(m, d)``.
        count: how many to choose.
        optimism: see ``SurrogateSettings``.
        length: the same.
        noise: the same.
    """
    chosen: list[tuple[int, float]] = []
    left = list(range(len(candidates)))
    at_once = max(1, count // REFITS)
    while left and len(chosen) < count:
        indices = [index for index, _ in chosen]
        mean, spread = predict(
            np.concatenate([told, candidates[indices]]), np.concatenate([rewards, [reward for _, reward in chosen]]),
            candidates, length, noise,
        )  # fmt: skip
        best = sorted(left, key=lambda index: -(mean[index] + optimism * spread[index]))
        chosen += [(index, float(mean[index])) for index in best[: min(at_once, count - len(chosen))]]
        left = [index for index in left if index not in {done for done, _ in chosen}]
    return chosen


def predict(told: Array, rewards: Array, wanted: Array, length: float, noise: float) -> tuple[Array, Array]:
    """Return mean and standard deviation of the rewards of ``wanted``, each ``(m,)``, in units of a reward."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415  an extra: a plain install lacks it
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    scaler = StandardScaler().fit(np.concatenate([told, wanted]))
    known, asked = (np.clip(scaler.transform(part), -FARTHEST, FARTHEST) for part in (told, wanted))
    size = max(float(rewards.std()), 1e-6)
    kernel = Matern(length * np.sqrt(told.shape[1]), "fixed", nu=SMOOTHNESS) + WhiteKernel(noise, "fixed")
    with _pools().limit(limits=1):  # threads that wait for a core that trains children cost more than they give
        model = GaussianProcessRegressor(kernel, optimizer=None).fit(known, (rewards - rewards.mean()) / size)
        mean, spread = model.predict(asked, return_std=True)
    return mean * size + rewards.mean(), spread * size


@functools.cache
def _pools() -> "ThreadpoolController":
    """Look for the libraries that start threads, once: it takes longer than a prediction."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  as scikit-learn

    return ThreadpoolController()
