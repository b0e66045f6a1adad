"""The base of proposers that draw strings: it proposes each behaviour once, and learns from each string once.

Not here: how a proposer draws and learns (``chance``, ``evolution``, ``reinforce``, ...).
"""

import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.space import Space
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

PATIENCE, LEAST_DRAWS = 24, 400  # limit of draws per proposal, and least limit of a batch; then draws are uniform
LISTED = 20_000  # largest number of strings for which all of them are listed


class DrawingProposer(ABC):
    """A ``Proposer`` that draws strings until their behaviours are new.

    A subclass draws (``draws``), learns (``learn``), and adds its own state to ``state`` and ``restore``.

    Args:
        space: space of the candidates.
        seed: seed of every draw.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.generator = torch.Generator().manual_seed(seed)
        self._proposed: set[str] = set()  # fingerprints of the proposals
        self._rewarded: set[Tokens] = set()
        self._share_new = math.nan
        self._is_exhausted = False
        self._read = functools.lru_cache(maxsize=LISTED)(self._behaviour)

    @abstractmethod
    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield legal strings of new or known behaviours while the caller asks; it needs about ``count`` new ones."""

    @abstractmethod
    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from one or more new rewards, each finite; return numbers for the log."""

    def ask(self, count: int) -> list[Proposal]:
        """Return ``count`` legal proposals of behaviours never proposed before; fewer when no more are left."""
        if count < 1 or self._is_exhausted:
            return []
        batch: list[Proposal] = []
        draws = itertools.islice(self.draws(count), max(LEAST_DRAWS, PATIENCE * count))
        seen = self._collect(map(self._read, draws), count, batch)
        self._share_new = len(batch) / max(seen, 1)
        if len(batch) < count:
            self._collect(self._uniform_draws(), count, batch)
            self._is_exhausted = len(batch) < count and self.space.count(()) <= LISTED
        return batch

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from the rewards of strings that are new here, and skip the others."""
        pairs = list(zip(proposals, rewards, strict=True))
        new = {p.tokens: (p, float(r) if math.isfinite(r) else 0.0) for p, r in pairs if p.tokens not in self._rewarded}
        self._rewarded |= new.keys()
        if not new:
            return {}
        fresh, values = [proposal for proposal, _ in new.values()], [reward for _, reward in new.values()]
        self._proposed |= {fingerprint(proposal.expression) for proposal in fresh}
        summary = {"reward_mean": sum(values) / len(values), "reward_best": max(values)}
        summary |= {} if math.isnan(self._share_new) else {"share_new": self._share_new}
        return summary | self.learn(fresh, values)

    def forget(self, proposals: Sequence[Proposal]) -> None:
        """Forget proposals that will not be trained, so that their behaviours may be proposed again."""
        self._proposed -= {fingerprint(proposal.expression) for proposal in proposals}
        self._is_exhausted &= not proposals

    def proposal(self, tokens: Tokens) -> Proposal:
        """Return the proposal of a string."""
        return self._read(tokens)[0]

    def state(self) -> dict[str, Any]:
        """Return the random state, the proposed behaviours, and the strings with a reward."""
        return {
            "generator": self.generator.get_state(),
            "asked": sorted(self._proposed),
            "told": sorted(self._rewarded),
            "share_new": self._share_new,
            "exhausted": self._is_exhausted,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        self.generator.set_state(state["generator"])
        self._proposed, self._rewarded = set(state["asked"]), set(state["told"])
        self._share_new = state["share_new"]
        self._is_exhausted = state.get("exhausted", False)  # runs of version 0.4 do not say it

    def _collect(self, strings: Iterator[tuple[Proposal, str]], count: int, batch: list[Proposal]) -> int:
        """Add proposals of new behaviour to a list until it has ``count``; return the number of strings examined."""
        seen = 0
        for proposal, behaviour in strings:
            seen += 1
            if behaviour not in self._proposed:
                self._proposed.add(behaviour)
                batch.append(proposal)
                if len(batch) == count:
                    break
        return seen

    def _behaviour(self, tokens: Tokens) -> tuple[Proposal, str]:
        """Return the proposal of a string, and its fingerprint."""
        expression = self.space.decode(tokens)
        return Proposal(tokens, expression), fingerprint(expression)

    def _uniform_draws(self) -> Iterator[tuple[Proposal, str]]:
        """Yield uniform strings: of a small space every one, in random order; of a large space, many draws."""
        strings = self.space.count(())
        if strings <= LISTED:
            order = torch.randperm(strings, generator=self.generator).tolist()
            yield from (self._read(self.space.string(number)) for number in order)
        else:
            yield from (self._read(self.space.draw(self.generator)) for _ in range(LISTED))
