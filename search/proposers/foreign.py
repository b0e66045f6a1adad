"""A proposer of somebody else's, held to what every proposer promises; what it does otherwise is said in a sentence.

Not here: the promise (``proposer``), and proposers of this project.
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
    """A user's proposer cannot be found or does not do what it should; the message says what was expected."""


class ForeignProposer:
    """A ``Proposer`` that passes everything on to a user's.

    Args:
        inner: proposer of the user's.
        space: expressions that may be proposed.

    Raises:
        BadProposer: a method is missing.
    """

    def __init__(self, inner: Proposer, space: Space) -> None:
        self.inner, self.space, self.name = inner, space, type(inner).__name__
        missing = [name for name in METHODS if not callable(getattr(inner, name, None))]
        if missing:
            raise BadProposer(
                f"the proposer '{self.name}' has no method {' and no '.join(missing)}: expected "
                f"{', '.join(METHODS)}, as in actsearch.Proposer"
            )

    def ask(self, count: int) -> list[Proposal]:
        """Return what it proposes, each a string of the space.

        Raises:
            BadProposer: it proposes something else.
        """
        found = self._called("ask", count)
        if not isinstance(found, (list, tuple)) or not all(isinstance(one, Proposal) for one in found):
            raise BadProposer(f"{self.name}.ask: expected a list of actsearch.Proposal, found {_shown(found)}")
        if len(found) > count:
            raise BadProposer(f"{self.name}.ask({count}): expected {count} proposals at most, found {len(found)}")
        return [self._checked(one) for one in found]

    def _checked(self, one: Proposal) -> Proposal:
        """Return a proposal whose tokens are plain whole numbers, as NumPy's and torch's are not."""
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
        """Tell it rewards; return its numbers for the log.

        Raises:
            BadProposer: it raises, or returns no numbers.
        """
        found = self._called("tell", proposals, rewards)
        try:
            return {str(name): float(value) for name, value in ({} if found is None else dict(found)).items()}
        except (TypeError, ValueError) as fault:
            raise BadProposer(
                f"{self.name}.tell: expected numbers by name, or nothing, found {_shown(found)}"
            ) from fault

    def state(self) -> dict[str, Any]:
        """Return its state.

        Raises:
            BadProposer: it is no dictionary of tensors and plain values, which alone can be read back.
        """
        found = self._called("state")
        if not isinstance(found, dict) or not _is_readable(found):
            raise BadProposer(
                f"{self.name}.state: expected a dictionary of tensors, numbers, texts, lists and dictionaries, which "
                f"alone are read back; found {_shown(found)}"
            )
        return found

    def restore(self, state: dict[str, Any]) -> None:
        """Give it a state.

        Raises:
            BadProposer: it cannot take it over.
        """
        self._called("restore", state)

    def _called(self, method: str, *arguments: Any) -> Any:
        try:
            return getattr(self.inner, method)(*arguments)
        except Exception as fault:  # whatever a proposer of the user's raises
            raise BadProposer(f"{self.name}.{method} raises {fault_text(fault)}") from fault


def _is_readable(state: dict[str, Any]) -> bool:
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
    except Exception:  # whatever its values raise while they are written
        return False
    return True


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
