"""A wrapper around a proposer: it takes many proposals, and has only the promising and the uncertain trained.

A model predicts scores from knowledge that needs no training. Candidates wait in a room: a later batch may take those
that this one leaves. Not here: the knowledge (``knowledge``) and the model (``gaussian_process``).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.expression import Expression
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.gaussian_process import Features, Model, normal_scores
from actsearch.search.proposers.knowledge import Knowledge
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

LESSONS = 1000  # most trained functions that the model learns from: its time grows with their cube


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class SurrogateSettings:
    """Settings of the surrogate, a model that chooses among the proposals.

    Args:
        use: whether to use a surrogate; auto is to use one behind every proposer of this project that learns.
        candidates: number of proposals before the first training.
        fresh: number of fresh proposals for each training, beside those that wait.
        looks: number of candidates whose untrained networks are examined, for each training; 0 is none.
        room: number of candidates that wait at most; the least promising are dropped, and may be proposed again.
        optimism: number of standard deviations added to a candidate's expected score, as a mean over candidates.
        length: length of the model's kernel, in typical distances between functions.
        noise: variance between seeds, as a share of the variance of scores.
    """

    use: Literal["auto", True, False] = "auto"
    candidates: Annotated[int, Field(ge=1)] = 512
    fresh: Annotated[int, Field(ge=1)] = 4
    looks: Annotated[int, Field(ge=0)] = 4
    room: Annotated[int, Field(ge=1)] = 1000
    optimism: Annotated[float, Field(ge=0)] = 1.0
    length: Annotated[float, Field(gt=0)] = 0.7
    noise: Annotated[float, Field(gt=0)] = 0.2


def lessons(rewards: Mapping[Tokens, float], most: int = LESSONS) -> dict[Tokens, float]:
    """Return rewards spread evenly over the ranks of all, the best and the worst among them; all if they are few."""
    order = sorted(rewards, key=rewards.__getitem__)
    if len(order) > most:
        order = [order[place * (len(order) - 1) // (most - 1)] for place in range(most)]
    kept = set(order)
    return {tokens: reward for tokens, reward in rewards.items() if tokens in kept}


class Surrogate:
    """A ``Proposer`` that passes on the proposals that a model of the outcomes finds promising or uncertain.

    Args:
        inner: proposer that makes the proposals.
        settings: settings of the choice.
        knowledge: what is known of a function without training.
    """

    def __init__(self, inner: DrawingProposer, settings: SurrogateSettings, knowledge: Knowledge) -> None:
        self.inner, self.settings, self.knowledge = inner, settings, knowledge
        self.room: list[Tokens] = []
        self.pending: dict[Tokens, float] = {}  # proposed, without a reward yet -> expected score
        self.rewards: dict[Tokens, float] = {}
        self.readouts: dict[Tokens, float] = {}
        self.others: dict[Expression, float] = {}

    def meet(self, rewards: dict[Expression, float]) -> None:
        """Take rewards of functions that were not proposed, as the run's baselines; they are no part of the state."""
        self.others = rewards

    def ask(self, count: int) -> list[Proposal]:
        """Return the best of room and fresh proposals; each choice takes earlier ones as known."""
        if count < 1:
            return []
        is_first = not (self.room or self.pending or self.rewards)
        fresh = max(count * self.settings.fresh, self.settings.candidates if is_first else 0)
        self.room += [proposal.tokens for proposal in self.inner.ask(fresh)]
        if not self.room:
            return []
        if self.settings.looks:
            self._look(count * self.settings.looks)
        model, order = self._ranked(count)
        waiting = [*self.pending, *self.room]
        expected = {waiting[index]: float(model.mean[index]) for index in order[:count]}
        staying = [waiting[index] for index in sorted(order[count : count + self.settings.room])]
        dropped = [waiting[index] for index in order[count + self.settings.room :]]
        self.inner.forget([self.inner.proposal(tokens) for tokens in dropped])
        for tokens in dropped:
            self.readouts.pop(tokens, None)
        self.pending |= expected
        self.room = staying
        return [self.inner.proposal(tokens) for tokens in expected]

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from rewards, and pass them to the inner proposer."""
        metrics = self.inner.tell(proposals, rewards)
        expected: dict[Tokens, float] = {}
        for proposal, reward in zip(proposals, rewards, strict=True):
            tokens = proposal.tokens
            if tokens not in self.rewards:
                self.rewards[tokens] = float(reward) if math.isfinite(reward) else 0.0
                if tokens in self.pending:
                    expected[tokens] = self.pending.pop(tokens)
        self.room = [tokens for tokens in self.room if tokens not in self.rewards]
        if expected:
            scores = dict(zip(self.rewards, normal_scores(np.array(list(self.rewards.values()))), strict=True))
            errors = [scores[tokens] - score for tokens, score in expected.items()]
            metrics["prediction_error"] = math.sqrt(math.fsum(error * error for error in errors) / len(errors))
        return metrics

    def state(self) -> dict[str, Any]:
        """Return the inner proposer's state with rewards, expected scores, room and readouts."""
        strings = [*self.rewards, *self.pending, *self.room]
        return {
            "inner": self.inner.state(),
            "strings": torch.tensor(strings),
            "rewards": list(self.rewards.values()),
            "pending": list(self.pending.values()),
            "readouts": [self.readouts.get(tokens) for tokens in strings],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        self.inner.restore(state["inner"])
        strings = [tuple(row) for row in state["strings"].tolist()]
        if "learned" in state:  # of version 0.4: the rewards stay, candidates are proposed anew
            self.rewards = {strings[index]: reward for index, reward in state["learned"]}
            self.pending = {strings[index]: 0.0 for index, _ in state["expected"]}
            self.inner.forget([self.inner.proposal(strings[index]) for index in state["room"]])
            return
        told, known = len(state["rewards"]), len(state["rewards"]) + len(state["pending"])
        self.rewards = dict(zip(strings[:told], state["rewards"], strict=True))
        self.pending = dict(zip(strings[told:known], state["pending"], strict=True))
        self.room = strings[known:]
        readouts = zip(strings, state["readouts"], strict=True)
        self.readouts = {tokens: readout for tokens, readout in readouts if readout is not None}

    def _look(self, count: int) -> None:
        """Examine the untrained networks of the most promising candidates that nobody examined yet."""
        _, order = self._ranked(0)
        waiting = [*self.pending, *self.room]
        unseen = [waiting[index] for index in order if waiting[index] not in self.readouts]
        for tokens in unseen[:count]:
            self.readouts[tokens] = self.knowledge.readout(self.inner.proposal(tokens).expression)

    def _ranked(self, count: int) -> tuple[Model, list[int]]:
        """Return the model, and the candidates in its order, as indices among the pending and the waiting ones."""
        learned = lessons(self.rewards)
        strings = [*learned, *self.pending, *self.room]
        expressions = [*self.others, *(self.inner.proposal(tokens).expression for tokens in strings)]
        others = [self.knowledge.readout(one) if self.settings.looks else math.nan for one in self.others]
        features = Features(
            np.array([self.knowledge.profile(expression) for expression in expressions]),
            np.array([self.knowledge.elsewhere(expression) for expression in expressions]),
            np.array([*others, *(self.readouts.get(tokens, math.nan) for tokens in strings)]),
        )
        rewards = np.array([*self.others.values(), *learned.values()])
        model = Model(features, rewards, self.settings.length, self.settings.noise)
        number = len(self.rewards) + len(self.pending)
        return model, model.order(count, len(self.pending), self.settings.optimism, number)
