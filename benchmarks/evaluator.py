"""Exact evaluation: the logits at every prefix, each computed once, against scoring every string from its start."""

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
"""Largest difference between the logits of the two ways."""

CHUNKS = (256, 4096)
"""Strings that naive scoring takes at a time: the fastest of these counts."""


@dataclass(frozen=True)
class World:
    """All strings of `length` symbols. ended: an end of string follows, which is one more position to predict.

    Where strings have one length the end need not be predicted; this project predicts it always. The performance goals
    were measured without, so both are measured: without an end, the trie is that of the strings but for their last
    symbol, since there is nothing to predict after it.
    """

    num_symbols: int
    length: int
    ended: bool
    reach: float | None = None
    stretch: float | None = None

    @property
    def name(self) -> str:
        """Such as 4^8, or 4^8 with its end."""
        return f"{self.num_symbols}^{self.length}" + (" and the end" if self.ended else "")

    def strings(self, length: int) -> np.ndarray:
        """All strings of so many symbols, EOS-terminated: int32[N, L]."""
        symbols = np.array(list(product(range(1, self.num_symbols + 1), repeat=length)), np.int32)
        return np.pad(symbols, ((0, 0), (0, 1)))

    def trie(self) -> Trie:
        """The prefixes at which a token is predicted."""
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
    """Scoring of all strings, a chunk at a time in one program."""
    chunks = jnp.asarray(strings.reshape(-1, min(chunk, len(strings)), strings.shape[1]))

    @jax.jit
    def score(params: Params, chunks: Array) -> Array:
        with jax.default_matmul_precision("highest"):  # as in the evaluator; a GPU would round to ten bits
            return jax.lax.map(lambda each: model.logits(params, each), chunks)

    return lambda: score(params, chunks).block_until_ready()


def difference(logits: np.ndarray, trie: Trie, scores: np.ndarray, strings: np.ndarray) -> float:
    """The largest difference between logits float[M, V] at nodes and scores float[N, L, V] of strings."""
    node, worst = np.zeros(len(strings), np.int64), 0.0
    for position in range(strings.shape[1]):
        worst = max(worst, float(np.abs(logits[node] - scores[:, position]).max()))
        node = trie.next_node[node, strings[:, position]]
    return worst


def measure(world: World, width: int, rounds: int) -> Result:
    """The ratio for one world; raises ArithmeticError if the two ways disagree."""
    trie, strings = world.trie(), world.scored()
    model = transformer(trie, width=width, depth=2, heads=2)
    params, plan = jax.jit(model.init)(jax.random.key(0)), trie_plan(trie)
    ways = {f"naive {chunk}": naive(model, params, strings, chunk) for chunk in CHUNKS}
    ways["trie"] = lambda: trie_logits(model, params, plan).block_until_ready()
    scores = np.asarray(ways["naive 256"]()).reshape(*strings.shape, -1)
    off = difference(np.asarray(ways["trie"]()), trie, scores, strings)
    if not off <= TOLERANCE:
        raise ArithmeticError(f"{world.name}: the two ways differ by {off:g}, at most {TOLERANCE:g} is required")
    found = alternate({name: partial(seconds, way) for name, way in ways.items()}, rounds + 1)
    found = {name: values[1:] for name, values in found.items()}  # the first compiles
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
    """All worlds."""
    if quick:
        return [measure(World(2, 5, ended), 8, 1) for ended in (False, True)]
    return [measure(world, 64, 7) for world in WORLDS]
