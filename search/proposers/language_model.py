"""A proposer that asks a language model for functions: evolution whose mutations are written by a model.

It works with every server that speaks OpenAI's chat protocol (``POST /chat/completions``), also a local one. Nothing is
sent unless an address is set. FunSearch (Romera-Paredes et al. 2024) and EvoPrompting (Chen et al. 2023) mutate in this
way. Not here: what is done with a proposal (``drawing``).
"""

import http.client
import json
import os
import re
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from actsearch.grammar.fault import fault_text
from actsearch.grammar.parse import BadExpression, parse
from actsearch.grammar.space import NotInSpace, Space
from actsearch.search.proposers.drawing import DrawingProposer
from actsearch.search.proposers.foreign import BadProposer
from actsearch.search.proposers.proposer import Metrics, Proposal, Tokens

MOST = 50  # functions in one answer
MARKS = re.compile(r"^[\s\-*`]*(\d+[.)])?[\s`]*|[\s`;,]*$")  # bullets, numbers and quotes around a line of an answer


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class LanguageModelSettings:
    """Settings of ``language_model``.

    Args:
        address: address of the server up to the version, as ``http://localhost:11434/v1``; null sends nothing.
        model: name of the model on this server.
        key: environment variable that holds the server's key; without it no key is sent.
        examples: number of the best functions so far that the model is shown.
        seconds: time that an answer may take.
    """

    address: str | None = None
    model: str = "default"
    key: str = "OPENAI_API_KEY"
    examples: Annotated[int, Field(ge=1)] = 20
    seconds: Annotated[float, Field(gt=0)] = 120.0


class LanguageModel(DrawingProposer):
    """Functions that a language model writes after it has seen the best so far; random strings before there are any.

    Args:
        space: space of the candidates.
        seed: seed of the random strings, and of the model's answers if the server takes seeds.
        settings: address and name of the model.

    Raises:
        BadProposer: there is no address.
    """

    def __init__(self, space: Space, seed: int, settings: LanguageModelSettings) -> None:
        super().__init__(space, seed)
        if settings.address is None or not settings.address.startswith(("http://", "https://")):
            raise BadProposer(
                "key 'proposer.language_model.address': expected the address of a server, as "
                f"http://localhost:11434/v1, found {settings.address!r}"
            )
        self.settings, self.seed, self.asked = settings, seed, 0
        self.best: list[tuple[float, Tokens]] = []

    def draws(self, count: int) -> Iterator[Tokens]:
        """Yield the strings of one answer, then random ones."""
        if self.best:
            yield from self._strings(self._answer(min(count, MOST)))
        while True:
            yield self.space.draw(self.generator)

    def learn(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Keep the best functions for the next question."""
        self.best += [(reward, proposal.tokens) for proposal, reward in zip(proposals, rewards, strict=True)]
        self.best = sorted(self.best, reverse=True)[: self.settings.examples]
        return {}

    def state(self) -> dict[str, Any]:
        """Return the state, with the best functions."""
        return {**super().state(), "best": list(self.best), "questions": self.asked}

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state."""
        super().restore(state)
        self.best, self.asked = list(state["best"]), state["questions"]

    def _question(self, count: int) -> str:
        examples = [f"{self.space.decode(tokens)}  # reward {reward:.4g}" for reward, tokens in self.best]
        return (
            "We look for an activation function of a neural network. A function is written with these words alone: "
            f"{', '.join(row.name for row in self.space.primitives)}, and x. Its shape is {self.space.shape.text}. "
            f"These are the best so far, higher rewards are better:\n{chr(10).join(examples)}\n"
            f"Write {count} other functions that may be better, each on a line of its own, and nothing else."
        )

    def _answer(self, count: int) -> str:
        """Return what the model writes.

        Raises:
            BadProposer: the server cannot be reached, or its answer is not one of the protocol.
        """
        self.asked += 1
        content = {
            "model": self.settings.model, "messages": [{"role": "user", "content": self._question(count)}],
            "seed": self.seed + self.asked,
        }  # fmt: skip
        key = os.environ.get(self.settings.key)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        address = f"{(self.settings.address or '').rstrip('/')}/chat/completions"
        request = urllib.request.Request(address, json.dumps(content).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.settings.seconds) as reply:
                return str(json.load(reply)["choices"][0]["message"]["content"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, IndexError, TypeError) as fault:
            raise BadProposer(
                f"the language model at {address} gave no answer ({fault_text(fault)}); the run keeps all outcomes, "
                "and the same command goes on with it"
            ) from fault

    def _strings(self, answer: str) -> Iterator[Tokens]:
        """Yield the lines of an answer that are functions of the space."""
        for line in answer.splitlines():
            try:
                yield self.space.encode(parse(MARKS.sub("", line.partition("#")[0]), self.space.primitives))
            except (BadExpression, NotInSpace):
                continue
