"""What proposers that draw strings have in common: each behaviour is asked for once, and learned from once.

Not here: how strings are drawn and learned from (``chance``, ``evolution``, ``reinforce``, ...).
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from actsearch.grammar.behaviour.fingerprint import fingerprint
from actsearch.grammar.space import Space
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

PATIENCE, LEAST_DRAWS = 24, 400  # strings looked at for each one wanted, and at least, before the rest is drawn evenly
LISTED = 20_000  # strings up to which what is left can be listed


class DrawingProposer(ABC):
    """A ``Proposer`` that draws strings until their behaviours are new.

    A subclass draws (``draws``), learns (``learn``), and adds what it keeps to ``state`` and ``restore``.

    Args:
        space: what may be proposed.
        seed: of every draw.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self.space = space
        self.generator = torch.Generator().manual_seed(seed)
        self._asked: set[str] = set()  # fingerprints
        self._told: set[Tokens] = set()
        self._share_new = math.nan

    @abstractmethod
    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield legal strings, known behaviours among them or not, until nobody asks; about ``count`` are wanted."""

    @abstractmethod
    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Learn from at least one new reward, each finite; return numbers for the log."""

    def ask(self, count: int) -> list[Proposal]:
        """Return ``count`` legal proposals whose behaviours were never asked for; fewer when no more are left."""
        if count < 1:
            return []
        found: list[Proposal] = []
        drawn = self._collect(itertools.islice(self.draws(count), max(LEAST_DRAWS, PATIENCE * count)), count, found)
        self._share_new = len(found) / max(drawn, 1)
        if len(found) < count:
            self._collect(self._drawn_evenly(), count, found)
        return found

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Pass over what was told before, and learn from the rest."""
        told = list(zip(proposals, rewards, strict=True))
        new = {p.tokens: (p, float(r) if math.isfinite(r) else 0.0) for p, r in told if p.tokens not in self._told}
        self._told |= new.keys()
        if not new:
            return {}
        fresh, found = [proposal for proposal, _ in new.values()], [reward for _, reward in new.values()]
        self._asked |= {fingerprint(proposal.expression) for proposal in fresh}
        summary = {"reward_mean": sum(found) / len(found), "reward_best": max(found)}
        summary |= {} if math.isnan(self._share_new) else {"share_new": self._share_new}
        return summary | self.learn(fresh, found)

    def forget(self, proposals: Sequence[Proposal]) -> None:
        """Take back what was asked for and will not be trained, so that it may be asked for again."""
        self._asked -= {fingerprint(proposal.expression) for proposal in proposals}

    def state(self) -> dict[str, Any]:
        """Return the random state and what was asked for and told."""
        return {
            "generator": self.generator.get_state(),
            "asked": sorted(self._asked),
            "told": sorted(self._told),
            "share_new": self._share_new,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self.generator.set_state(state["generator"])
        self._asked, self._told = set(state["asked"]), set(state["told"])
        self._share_new = state["share_new"]

    def _collect(self, strings: Iterator[Tokens], count: int, found: list[Proposal]) -> int:
        """Add strings of new behaviour until there are ``count``; return how many were looked at."""
        looked_at = 0
        for tokens in strings:
            looked_at += 1
            proposal = Proposal(tokens, self.space.decode(tokens))
            name = fingerprint(proposal.expression)
            if name not in self._asked:
                self._asked.add(name)
                found.append(proposal)
                if len(found) == count:
                    break
        return looked_at

    def _drawn_evenly(self) -> Iterator[Tokens]:
        """Yield strings evenly: every one of a small space, in random order; of a large one, many."""
        strings = self.space.count(())
        if strings <= LISTED:
            order = torch.randperm(strings, generator=self.generator)
            yield from (self.space.string(number) for number in order.tolist())
        else:
            yield from (self.space.draw(self.generator) for _ in range(LISTED))
