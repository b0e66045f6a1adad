"""A check around a third-party proposer: whatever breaks the protocol raises an error of one sentence.

Not here: the protocol (``proposer``), and the proposers of this project (``registry``).
"""

import io
import operator
from collections.abc import Sequence
from typing import Any

import torch

from actsearch.grammar.expression import Expression
from actsearch.grammar.fault import UserFault, fault_text
from actsearch.grammar.space import Space
from actsearch.search.proposers.proposer import Metrics, Proposal, Proposer

METHODS = ("ask", "tell", "state", "restore")


class BadProposer(UserFault):
    """A user's proposer is missing or breaks the protocol; the message says what was expected."""


class ForeignProposer:
    """A ``Proposer`` that passes every call on to the user's, and checks the answers.

    Args:
        inner: the user's proposer.
        space: space of the candidates.

    Raises:
        BadProposer: the inner proposer lacks a method, or is a class.
    """

    def __init__(self, inner: Proposer, space: Space) -> None:
        if isinstance(inner, type):
            raise BadProposer(
                f"expected a proposer, found the class {inner.__name__}: build it, {inner.__name__}(space, seed), or "
                f"name the class, proposer.name: {inner.__module__}:{inner.__name__}"
            )
        self.inner, self.space, self.name = inner, space, type(inner).__name__
        missing = [name for name in METHODS if not callable(getattr(inner, name, None))]
        if missing:
            raise BadProposer(
                f"the proposer '{self.name}' has no method {' and no '.join(missing)}: expected "
                f"{', '.join(METHODS)}, as in actsearch.Proposer"
            )

    def ask(self, count: int) -> list[Proposal]:
        """Return the inner proposer's proposals, each a string of the space.

        Raises:
            BadProposer: the inner proposer returns something else.
        """
        proposals = self._call("ask", count)
        if not isinstance(proposals, (list, tuple)) or not all(isinstance(one, Proposal) for one in proposals):
            raise BadProposer(f"{self.name}.ask: expected a list of actsearch.Proposal, found {_shown(proposals)}")
        if len(proposals) > count:
            raise BadProposer(f"{self.name}.ask({count}): expected {count} proposals at most, found {len(proposals)}")
        return [self._check(one) for one in proposals]

    def _check(self, one: Proposal) -> Proposal:
        """Return a checked proposal, with plain integers for tokens of NumPy's or torch's types."""
        try:
            tokens = tuple(operator.index(token) for token in one.tokens)
        except TypeError as fault:
            raise BadProposer(f"{self.name}.ask: tokens are whole numbers, found {_shown(one.tokens)}") from fault
        if not self.space.is_legal(tokens):
            raise BadProposer(f"{self.name}.ask: {tokens} is no legal string of the space")
        if not isinstance(one.expression, Expression):
            raise BadProposer(f"{self.name}.ask: expected an Expression, found {_shown(one.expression)}")
        if self.space.decode(tokens) != one.expression:
            raise BadProposer(
                f"{self.name}.ask: the string {tokens} stands for {self.space.decode(tokens)}, found "
                f"{one.expression}; space.decode(tokens) gives the expression"
            )
        return Proposal(tokens, one.expression)

    def tell(self, proposals: Sequence[Proposal], rewards: Sequence[float]) -> Metrics:
        """Pass rewards on, and return the inner proposer's numbers for the log.

        Raises:
            BadProposer: the inner proposer raises, or returns no numbers.
        """
        metrics = self._call("tell", proposals, rewards)
        try:
            return {str(name): float(value) for name, value in ({} if metrics is None else dict(metrics)).items()}
        except (TypeError, ValueError) as fault:
            raise BadProposer(
                f"{self.name}.tell: expected numbers by name, or nothing, found {_shown(metrics)}"
            ) from fault

    def state(self) -> dict[str, Any]:
        """Return the inner proposer's state.

        Raises:
            BadProposer: the state is no dictionary of tensors and plain values, the only kind that can be read back.
        """
        inner_state = self._call("state")
        if not isinstance(inner_state, dict) or not _is_readable(inner_state):
            raise BadProposer(
                f"{self.name}.state: expected a dictionary of tensors, numbers, texts, lists and dictionaries, which "
                f"alone are read back; found {_shown(inner_state)}"
            )
        return inner_state

    def restore(self, state: dict[str, Any]) -> None:
        """Load a state into the inner proposer.

        Raises:
            BadProposer: the inner proposer cannot load it.
        """
        self._call("restore", state)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self.inner, method)(*arguments)
        except Exception as fault:  # whatever the user's proposer raises
            raise BadProposer(f"{self.name}.{method} raises {fault_text(fault)}") from fault


def _is_readable(state: dict[str, Any]) -> bool:
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    except Exception:  # whatever the values raise while torch writes them
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
