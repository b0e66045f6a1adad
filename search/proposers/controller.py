"""The recurrent controller: an LSTM that writes expressions token by token, each choice fed back into the next step.

One function samples and scores, so a scored string has exactly its probability of being drawn. Not here: the learning
(``policy`` and the proposers that hold one).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from actsearch.grammar.space import Space


@dataclass(frozen=True)
class Scores:
    """Log-probabilities and entropies of ``n`` strings of length ``L``, in nats.

    Args:
        log_probability: log-probability of each string, ``(n,)``.
        entropy: entropy of each choice, given the choices before, ``(n, L)``.
        logs: log-probability of every token at every choice, ``(n, L, vocabulary)``; -inf for an illegal token.
    """

    log_probability: Tensor
    entropy: Tensor
    logs: Tensor


class Controller(nn.Module):
    """Distribution over the strings of a space.

    Args:
        space: space of the strings, whose mask leaves only legal tokens.
        hidden: width of the LSTM.
        embedding: width of a token's embedding.
        generator: source of the initial weights, uniform in +-0.3 (Zoph & Le 2017, section 4.1, use +-0.08 for
            thousands of updates; a few dozen learn faster from wider ones).
    """

    def __init__(self, space: Space, hidden: int, embedding: int, generator: torch.Generator) -> None:
        super().__init__()
        self.space = space
        self.embed: nn.Embedding = _unset(nn.Embedding, space.vocabulary + 1, embedding)  # the last starts a string
        self.lstm = _unset(nn.LSTMCell, embedding, hidden)
        self.head = _unset(nn.Linear, hidden, space.vocabulary)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.3, 0.3, generator=generator)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw ``(count, L) int64`` strings at random; never take the arg-max."""
        return self._run(count, None, generator)[0]

    def score(self, tokens: Tensor) -> Scores:
        """Return the scores of ``(n, L) int64`` strings."""
        return self._run(len(tokens), tokens, None)[1]

    def _run(self, count: int, fixed: Tensor | None, generator: torch.Generator | None) -> tuple[Tensor, Scores]:
        tokens = torch.empty(count, 0, dtype=torch.int64)
        current = torch.full((count,), self.space.vocabulary)
        state: tuple[Tensor, Tensor] | None = None
        chosen, entropies, every = [], [], []
        for position in range(self.space.length):
            state = self.lstm(self.embed(current), state)
            logits = self.head(state[0]).masked_fill(~self.space.mask(tokens), -torch.inf)
            logs = torch.log_softmax(logits, dim=1)
            probabilities = logs.exp()
            if fixed is None:
                current = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
            else:
                current = fixed[:, position]
            chosen.append(logs.gather(1, current[:, None]).squeeze(1))
            entropies.append(-(probabilities * logs.masked_fill(probabilities == 0, 0.0)).sum(1))
            every.append(logs)
            tokens = torch.cat([tokens, current[:, None]], dim=1)
        return tokens, Scores(torch.stack(chosen, 1).sum(1), torch.stack(entropies, 1), torch.stack(every, 1))


def _unset(kind: type[nn.Module], *sizes: int) -> Any:
    """Build a layer without initial weights, since drawing these would use torch's global generator."""
    return skip_init(kind, *sizes)  # type: ignore[no-untyped-call]
