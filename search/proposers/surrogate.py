"""A wrapper around a proposer: it takes many proposals, and has only the promising and the uncertain trained.

A model predicts rewards from features that need no training. Candidates wait in a room: a later batch may take those
that this one leaves. Not here: the features (``knowledge``) and the model (``gaussian_process``).
"""

import importlib.util
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.fault import NotInstalled
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.gaussian_process import choose, predict
from actsearch.search.proposers.proposer import Describe, Metrics, Proposal, Tokens


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class SurrogateSettings:
    """Settings of the surrogate, a model that chooses among the proposals.

    Args:
        use: whether to use a surrogate.
        first: number of outcomes before the model is used; until then the first feature chooses.
        candidates: number of fresh proposals for each ask, beside those that wait.
        room: number of candidates that wait at most; the least promising are dropped, and may be proposed again.
        optimism: number of standard deviations added to a candidate's expected reward.
        length: length of the model's kernel, in typical distances between functions.
        noise: variance between seeds, as a share of the variance of rewards.
    """

    use: bool = False
    first: Annotated[int, Field(ge=2)] = 8
    candidates: Annotated[int, Field(ge=1)] = 128
    room: Annotated[int, Field(ge=1)] = 1000
    optimism: Annotated[float, Field(ge=0)] = 1.0
    length: Annotated[float, Field(gt=0)] = 0.7
    noise: Annotated[float, Field(gt=0)] = 0.05


def check_installed(settings: SurrogateSettings) -> None:
    """Check before any training that the model is installed; a plain install lacks scikit-learn.

    Raises:
        NotInstalled: the settings use a surrogate, and scikit-learn is not installed.
    """
    if settings.use and importlib.util.find_spec("sklearn") is None:
        raise NotInstalled(
            "a surrogate (proposer.surrogate.use) needs scikit-learn, which is not installed; "
            "install it with: pip install 'actsearch[surrogate]'"
        )


class Surrogate:
    """A ``Proposer`` that passes on the proposals that a model of the outcomes finds promising or uncertain.

    Args:
        inner: proposer that makes the proposals.
        settings: settings of the choice.
        describe: function that computes features without training.
    """

    def __init__(self, inner: DrawingProposer, settings: SurrogateSettings, describe: Describe) -> None:
        self.inner, self.settings, self.describe = inner, settings, describe
        self.room: list[Tokens] = []
        self.expected: dict[Tokens, float] = {}  # proposed, without a reward yet -> expected reward
        self.learned: dict[Tokens, float] = {}
        self.known: dict[Tokens, list[float]] = {}  # features of all of these

    def ask(self, count: int) -> list[Proposal]:
        """Return the best of room and fresh proposals; each choice assumes the expected rewards of earlier ones."""
        if count < 1:
            return []
        self._admit(self.inner.ask(max(count, self.settings.candidates)))
        if len(self.learned) < self.settings.first:
            mean = sum(self.learned.values()) / len(self.learned) if self.learned else 0.0
            chosen = [(index, mean) for index in self._by_promise()[:count]]
        else:
            chosen = self._by_model(count)
        strings = [self.room[index] for index, _ in chosen]
        self.expected |= {self.room[index]: reward for index, reward in chosen}
        self.room = [tokens for tokens in self.room if tokens not in self.expected]
        self._make_room()
        return self._proposals(strings)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from rewards, and pass them to the inner proposer."""
        metrics = self.inner.tell(proposals, rewards)
        errors = []
        for proposal, reward in zip(proposals, rewards, strict=True):
            tokens = proposal.tokens
            if tokens in self.learned:
                continue
            self.learned[tokens] = float(reward) if math.isfinite(reward) else 0.0
            self.known.setdefault(tokens, list(self.describe(proposal.expression)))
            if tokens in self.expected:
                errors.append(self.learned[tokens] - self.expected.pop(tokens))
        self.room = [tokens for tokens in self.room if tokens not in self.learned]
        if errors:
            metrics["prediction_error"] = math.sqrt(sum(error * error for error in errors) / len(errors))
        return metrics

    def state(self) -> dict[str, Any]:
        """Return the inner proposer's state with the room and both kinds of rewards; each string is stored once."""
        index = {tokens: number for number, tokens in enumerate(self.known)}
        return {
            "inner": self.inner.state(),
            "strings": torch.tensor(list(self.known)),
            "numbers": torch.tensor(list(self.known.values()), dtype=torch.float64),
            "room": [index[tokens] for tokens in self.room],
            "expected": [(index[tokens], reward) for tokens, reward in self.expected.items()],
            "learned": [(index[tokens], reward) for tokens, reward in self.learned.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        self.inner.restore(state["inner"])
        strings = [tuple(row) for row in state["strings"].tolist()]
        self.known = dict(zip(strings, state["numbers"].tolist(), strict=True))
        self.room = [strings[index] for index in state["room"]]
        self.expected = {strings[index]: reward for index, reward in state["expected"]}
        self.learned = {strings[index]: reward for index, reward in state["learned"]}

    def _admit(self, proposals: Iterable[Proposal]) -> None:
        for proposal in proposals:
            self.known[proposal.tokens] = list(self.describe(proposal.expression))
            self.room.append(proposal.tokens)

    def _by_promise(self) -> list[int]:
        """Return indices in the room, in falling order of the first feature."""
        return sorted(range(len(self.room)), key=lambda index: -self.known[self.room[index]][0])

    def _by_model(self, count: int) -> list[tuple[int, float]]:
        """Return the model's choice of indices in the room, with their expected rewards."""
        rewards = {**self.learned, **self.expected}  # outcomes under way count as expected
        settings = self.settings
        return choose(
            self._numbers(rewards), np.array(list(rewards.values())), self._numbers(self.room), count,
            optimism=settings.optimism, length=settings.length, noise=settings.noise,
        )  # fmt: skip

    def _make_room(self) -> None:
        """Drop the least promising candidates if the room is too full; the model ranks them once it is used."""
        if len(self.room) <= self.settings.room:
            return
        order = self._by_promise()
        if len(self.learned) >= self.settings.first:
            numbers, rewards = self._numbers(self.learned), np.array(list(self.learned.values()))
            mean, spread = predict(
                numbers, rewards, self._numbers(self.room), self.settings.length, self.settings.noise
            )
            order = np.argsort(-(mean + self.settings.optimism * spread), kind="stable").tolist()
        staying = {self.room[index] for index in order[: self.settings.room]}
        dropped = [tokens for tokens in self.room if tokens not in staying]
        self.inner.forget(self._proposals(dropped))
        for tokens in dropped:
            del self.known[tokens]
        self.room = [tokens for tokens in self.room if tokens in staying]

    def _numbers(self, strings: Iterable[Tokens]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([self.known[tokens] for tokens in strings])

    def _proposals(self, strings: Iterable[Tokens]) -> list[Proposal]:
        return [Proposal(tokens, self.inner.space.decode(tokens)) for tokens in strings]
