"""A small pre-norm transformer (Vaswani et al. 2017; Xiong et al. 2020 for the place of the normalisation).

The candidate is in the feed-forward blocks, which are four times as wide as the stream. Not here: data.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from actsearch.evaluators.layers import MakeActivation

WIDTH, LAYERS, HEADS = 48, 2, 4


class Block(nn.Module):
    """Attention and a feed-forward block, each added to the stream."""

    def __init__(self, width: int, make: MakeActivation, *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.activation, self.narrow = (
            nn.Linear(width, 4 * width),
            make(4 * width, -1),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, T, width)`` to the same shape."""
        query, key, value = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2) for part in self.attention(self.norm1(x)).chunk(3, -1)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        x = x + self.projection(mixed.transpose(1, 2).flatten(2))
        return x + self.narrow(self.activation(self.widen(self.norm2(x))))  # type: ignore[no-any-return]


class _Stream(nn.Module):
    """Positions, blocks and a normalisation; the linear layer is for the caller."""

    def __init__(self, positions: int, outputs: int, make: MakeActivation, width: int, *, causal: bool) -> None:
        super().__init__()
        if width % HEADS:
            raise ValueError(f"key 'width': must be a multiple of {HEADS} for this child, found {width}")
        self.positions = nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*(Block(width, make, causal=causal) for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, outputs)

    def forward(self, embedded: Tensor) -> Tensor:
        """Map ``(B, T, width)`` to the normalised stream of that shape."""
        indices = torch.arange(embedded.shape[1], device=embedded.device)
        return self.norm(self.blocks(embedded + self.positions(indices)))  # type: ignore[no-any-return]


class SequenceClassifier(nn.Module):
    """A transformer that maps ``(B, T) float`` to logits ``(B, classes)``; its tokens are patches of four numbers."""

    PATCH = 4

    def __init__(self, length: int, classes: int, make: MakeActivation, width: int = WIDTH) -> None:
        super().__init__()
        self.embedding = nn.Linear(self.PATCH, width)
        self.stream = _Stream(length // self.PATCH, classes, make, width, causal=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, classes)``."""
        length = x.shape[1] // self.PATCH * self.PATCH
        tokens = x[:, :length].reshape(len(x), -1, self.PATCH)
        return self.stream.linear(self.stream(self.embedding(tokens)).mean(1))  # type: ignore[no-any-return]


class CharacterModel(nn.Module):
    """A transformer that maps characters ``(B, T) int64`` to logits of the next ones, ``(B, characters, T)``."""

    def __init__(self, length: int, characters: int, make: MakeActivation, width: int = WIDTH) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.stream = _Stream(length, characters, make, width, causal=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(B, characters, T)``."""
        return self.stream.linear(self.stream(self.embedding(x))).transpose(1, 2)  # type: ignore[no-any-return]
