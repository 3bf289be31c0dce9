"""Exact evaluation: compute the logits at every distinct prefix once, against scoring every string from its start."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.harness import Result, alternate, ratios, seconds
from sim.languages.trie import Trie
from sim.models.transformer import Transformer, transformer
from sim.training.trie_logits import trie_logits, trie_plan
from sim.typing import Array, Params

TOLERANCE = 1e-5
"""Largest allowed difference between the logits of the two methods."""

CHUNKS = (256, 4096)
"""Numbers of strings that naive scoring takes at a time. In each round, the faster one is used."""


@dataclass(frozen=True)
class World:
    """All strings of `length` symbols. `ended` adds an end of string, which is one more position to predict.

    If all strings have the same length, the end need not be predicted, but this project always predicts it. The goals
    were measured without an end, so both are measured. Without an end, the trie omits the last symbol of each string,
    because there is nothing to predict after it.
    """

    num_symbols: int
    length: int
    ended: bool
    reach: float | None = None
    stretch: float | None = None

    @property
    def name(self) -> str:
        """A name such as "4^8" or "4^8 and the end"."""
        return f"{self.num_symbols}^{self.length}" + (" and the end" if self.ended else "")

    def strings(self, length: int) -> np.ndarray:
        """All strings of `length` symbols, EOS-terminated: int32[N, length + 1]."""
        symbols = np.array(list(product(range(1, self.num_symbols + 1), repeat=length)), np.int32)
        return np.pad(symbols, ((0, 0), (0, 1)))

    def trie(self) -> Trie:
        """The trie of the prefixes at which a token is predicted."""
        return Trie.of(self.strings(self.length if self.ended else self.length - 1), self.num_symbols + 1)[0]

    def scored(self) -> np.ndarray:
        """The strings that naive scoring scores: int32[N, L]."""
        return self.strings(self.length)[:, : None if self.ended else -1]


WORLDS = (
    World(4, 8, False, 12, 20),
    World(2, 16, False, 6, 12),
    World(4, 8, True),
    World(2, 16, True),
)


def naive(model: Transformer, params: Params, strings: np.ndarray, chunk: int) -> Callable[[], Array]:
    """Return a function that scores all strings, one chunk at a time, in one compiled program."""
    chunks = jnp.asarray(strings.reshape(-1, min(chunk, len(strings)), strings.shape[1]))

    @jax.jit
    def score(params: Params, chunks: Array) -> Array:
        with jax.default_matmul_precision("highest"):  # as in the evaluator; else a GPU would round to ten bits
            return jax.lax.map(lambda each: model.logits(params, each), chunks)

    return lambda: score(params, chunks).block_until_ready()


def difference(logits: np.ndarray, trie: Trie, scores: np.ndarray, strings: np.ndarray) -> float:
    """Return the largest difference between logits float[M, V] at nodes and scores float[N, L, V] of strings."""
    node, worst = np.zeros(len(strings), np.int64), 0.0
    for position in range(strings.shape[1]):
        worst = max(worst, float(np.abs(logits[node] - scores[:, position]).max()))
        node = trie.next_node[node, strings[:, position]]
    return worst


def measure(world: World, width: int, rounds: int) -> Result:
    """Measure the ratio for one world. It raises ArithmeticError if the two methods disagree."""
    trie, strings = world.trie(), world.scored()
    model = transformer(trie, width=width, depth=2, heads=2)
    params, plan = jax.jit(model.init)(jax.random.key(0)), trie_plan(trie)
    ways = {f"naive {chunk}": naive(model, params, strings, chunk) for chunk in CHUNKS}
    ways["trie"] = lambda: trie_logits(model, params, plan).block_until_ready()
    scores = np.asarray(ways["naive 256"]()).reshape(*strings.shape, -1)
    off = difference(np.asarray(ways["trie"]()), trie, scores, strings)
    if not off <= TOLERANCE:
        raise ArithmeticError(f"{world.name}: equal logits are required, found a difference of {off:g} > {TOLERANCE:g}")
    found = alternate({name: partial(seconds, way) for name, way in ways.items()}, rounds + 1)
    found = {name: values[1:] for name, values in found.items()}  # the first round compiles
    best = [min(each) for each in zip(*(found[f"naive {chunk}"] for chunk in CHUNKS), strict=True)]
    return Result(
        "evaluator",
        f"trie against naive scoring, {world.name}",
        **ratios(best, found["trie"]),
        reach=world.reach,
        stretch=world.stretch,
        note=f"{strings.size:,} and {trie.num_nodes:,} node evaluations, width {width}",
        measured={"naive s": float(np.median(best)), "trie s": float(np.median(found["trie"])), "difference": off},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure all worlds."""
    if quick:
        return [measure(World(2, 5, ended), 8, 1) for ended in (False, True)]
    return [measure(world, 64, 7) for world in WORLDS]
