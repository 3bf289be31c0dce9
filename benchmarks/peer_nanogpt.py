"""The peer: a small GPT in torch, one process on one core, which trains on request.

It has the architecture of `sim.models.transformer` (pre-norm, learned positions, untied head), written in the usual
torch style: `scaled_dot_product_attention`, `torch.optim.Adam`, eager. Four variants are tried first and the fastest is
kept: exact or tanh GELU, fused or multi-tensor Adam. Lines on standard input are commands: `train <seconds>` answers
tokens per second, `sgemm` the best GFLOP/s of one core. It needs torch and is started by benchmarks/training.py.
"""

import itertools
import os
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.cases import Case


class Layer(nn.Module):
    """Attention and perceptron, each after a layer norm."""

    def __init__(self, width: int, heads: int, gelu: str) -> None:
        super().__init__()
        self.heads, self.gelu = heads, gelu
        self.norm_in, self.norm_hidden = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, h: Tensor) -> Tensor:
        """The residual stream after this layer."""
        batch, length, width = h.shape
        qkv = self.qkv(self.norm_in(h)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        h = h + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return h + self.down(functional.gelu(self.up(self.norm_hidden(h)), approximate=self.gelu))


class Gpt(nn.Module):
    """A small GPT that returns the mean cross-entropy of the next token."""

    def __init__(self, case: Case, gelu: str) -> None:
        super().__init__()
        self.embed = nn.Embedding(case.vocab_size + 1, case.width)
        self.position = nn.Parameter(torch.randn(case.length, case.width) / case.width**0.5)
        self.layers = nn.Sequential(*(Layer(case.width, case.heads, gelu) for _ in range(case.depth)))
        self.norm = nn.LayerNorm(case.width, bias=False)
        self.head = nn.Linear(case.width, case.vocab_size, bias=False)

    def forward(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a batch [nat per token]."""
        logits = self.head(self.norm(self.layers(self.embed(inputs) + self.position)))
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Trainer:
    """A model with its optimiser. Every step draws a new batch."""

    def __init__(self, case: Case, gelu: str, **adam: Any) -> None:
        self.case, self.model = case, Gpt(case, gelu)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, **adam)
        strings = torch.randint(1, case.vocab_size, (1024, case.length))
        bos = torch.full((1024, 1), case.vocab_size)
        self.inputs, self.targets = torch.cat([bos, strings[:, :-1]], dim=1), strings

    def step(self) -> None:
        """One optimiser step on a sampled batch."""
        rows = torch.randint(0, len(self.inputs), (self.case.batch_size,))
        self.optimizer.zero_grad(set_to_none=True)
        self.model(self.inputs[rows], self.targets[rows]).backward()
        self.optimizer.step()

    def tokens_per_second(self, seconds: float) -> float:
        """Return the rate of a training that takes about `seconds`."""
        steps, began = 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds or not steps:
            self.step()
            steps += 1
        return steps * self.case.batch_size * self.case.length / taken


def fastest(case: Case, seconds: float) -> tuple[Trainer, str]:
    """Return the fastest variant and its name. The best trial of each variant counts."""
    adams: dict[str, dict[str, Any]] = {"fused": {"fused": True}, "foreach": {"foreach": True}}
    trainers = {
        f"{gelu}-{name}": Trainer(case, gelu, **adams[name])
        for gelu, name in itertools.product(("none", "tanh"), adams)
    }
    rates = dict.fromkeys(trainers, 0.0)
    for _ in range(3):  # the first is a warm-up
        for name, trainer in trainers.items():
            rates[name] = max(rates[name], trainer.tokens_per_second(seconds))
    best = max(rates, key=rates.__getitem__)
    return trainers[best], best


def sgemm() -> float:
    """Return the GFLOP/s of a square matrix product on this core: the best over several sizes."""
    best = 0.0
    for size in (512, 1024):
        a, b = torch.rand(size, size), torch.rand(size, size)
        for _ in range(4):
            began = time.perf_counter()
            torch.mm(a, b)
            best = max(best, 2 * size**3 / (time.perf_counter() - began) / 1e9)
    return best


def main(arguments: list[str]) -> None:
    """Answer the commands on standard input. Usage: peer_nanogpt <core> <seconds per trial> <numbers of a Case>."""
    core, trial, *numbers = arguments
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    trainer, name = fastest(Case(*map(int, numbers)), float(trial))
    print(name, flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        print(trainer.tokens_per_second(float(rest[0])) if command == "train" else sgemm(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
