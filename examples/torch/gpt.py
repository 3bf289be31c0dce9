"""A small GPT in plain PyTorch, with the shape of the simulator's transformer: pre-norm, learned positions, GELU."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Norm(nn.Module):
    """Layer norm with a gain and no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, h: Tensor) -> Tensor:
        """Normalise the last axis."""
        return functional.layer_norm(h, self.gain.shape, self.gain, None, 1e-6)


class Block(nn.Module):
    """One layer: causal attention and a two-layer perceptron, each behind a norm and a residual connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.hidden_norm = Norm(width), Norm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for matrix in (self.qkv, self.out, self.up, self.down):
            nn.init.normal_(matrix.weight, std=1 / math.sqrt(matrix.in_features))
        nn.init.zeros_(self.up.bias)
        nn.init.zeros_(self.down.bias)

    def forward(self, h: Tensor) -> Tensor:
        """From [B, L, D] to [B, L, D]."""
        rows, length, width = h.shape
        parts = self.qkv(self.attention_norm(h)).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_causal=True)
        h = h + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
        return h + self.down(functional.gelu(self.up(self.hidden_norm(h)), approximate="tanh"))


class Gpt(nn.Module):
    """From ids [B, L] to logits [B, L, V]. The logits at a position are those of the next id."""

    def __init__(self, vocab_size: int, length: int, width: int = 64, depth: int = 2, heads: int = 2) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocab_size, width)
        self.position = nn.Parameter(torch.empty(length, width))
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(depth)])
        self.norm, self.head = Norm(width), nn.Linear(width, vocab_size, bias=False)
        for matrix in (self.embed.weight, self.position, self.head.weight):
            nn.init.normal_(matrix, std=1 / math.sqrt(width))

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the next id at every position."""
        h = self.embed(ids) + self.position[: ids.shape[1]]
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))
