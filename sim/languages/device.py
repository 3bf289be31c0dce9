"""Turn an exact language into float32 tables on the device, to sample from and to score with.

This is the only module of the room that imports jax.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.languages.alias import alias_table
from sim.languages.finite import FiniteLanguage
from sim.numerics import EOS
from sim.typing import Array, Bool, Float, Int, NextLogProbs, PRNGKey, Tokens, UInt32

CIRCLE = 1 << 31
"""The number of points on the circle of a distribution function, from which systematic sampling draws."""


def put(values: Array | np.ndarray | np.generic | Sequence[int] | int, dtype: type[np.generic] | None = None) -> Array:
    """Return numbers of the host as an array on the device, a copy of them; `dtype` is its type if it is another one.

    `jnp.asarray` would first compile a program for each shape, which takes longer than all else.
    """
    return jax.device_put(np.array(values, dtype))


def alive(tokens: Tokens) -> Bool[Array, "*B L"]:
    """Whether a position carries probability: True up to and including the first EOS."""
    ended = jnp.cumsum(tokens == EOS, axis=-1) - (tokens == EOS)
    return ended == 0


def prompt_length(tokens: Tokens, prompt_end: int | None) -> Int[Array, "*B"]:
    """The number of tokens up to and including the first `prompt_end`; 0 if the world has no prompts.

    A model may write a string that never closes its prompt. All of it counts as prompt, so the number is L.
    """
    if prompt_end is None:
        return jnp.zeros(tokens.shape[:-1], jnp.int32)
    closes = tokens == prompt_end
    length = jnp.where(jnp.any(closes, axis=-1), jnp.argmax(closes, axis=-1) + 1, tokens.shape[-1])
    return length.astype(jnp.int32)


def walk(next_node: Int[Array, "M1 V"], tokens: Tokens) -> Int[Array, "*B L"]:
    """The trie node at which each token is predicted: int[..., L]; the dead node off the trie and after EOS."""

    def step(node: Int[Array, "*B"], token: Int[Array, "*B"]) -> tuple[Int[Array, "*B"], Int[Array, "*B"]]:
        return next_node[node, token], node

    root = jnp.zeros(tokens.shape[:-1], jnp.int32)
    return jnp.moveaxis(jax.lax.scan(step, root, jnp.moveaxis(tokens, -1, 0))[1], 0, -1)


@struct.dataclass
class Listed:
    """A finite language as tables: a trie to score strings and an alias table to sample them.

    It is a pytree, and its arrays are leaves. Rows of `log_prob` are -inf throughout for prefixes of probability zero
    and for the dead node. `start` is the law's distribution function: floor(2^31 P(rows before a row) + 1/2).
    """

    next_node: Int[Array, "M1 V"]
    log_prob: Float[Array, "M1 V"]
    strings: Int[Array, "N L"]
    probability: Float[Array, "N"]
    keep: Float[Array, "N"]
    alias: Int[Array, "N"]
    start: UInt32[Array, "N"]
    prompt_end: int | None = struct.field(pytree_node=False)

    @property
    def length(self) -> int:
        """The horizon L, EOS included."""
        return self.strings.shape[-1]

    @property
    def vocab_size(self) -> int:
        """The number of tokens V, EOS included."""
        return self.log_prob.shape[-1]

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = ()) -> Int[Array, "*B L"]:
        """Draw independent strings, `shape` of them. The key is consumed.

        This is Walker's alias method: it draws one uniform index and one uniform number per string. The probability of
        each string is exact to 2^-23 / N.
        Source: A. J. Walker, 1977, "An efficient method for generating discrete random variables"; M. Vose, 1991.
        """
        which, coin = jax.random.split(key)  # one pair for all strings: a key per string would triple the cost
        row = jax.random.randint(which, shape, 0, self.keep.shape[0])
        row = jnp.where(jax.random.uniform(coin, shape) < self.keep[row], row, self.alias[row])
        return self.strings[row]

    def sample_evenly(self, key: PRNGKey, number: int) -> Int[Array, "B L"]:
        """Draw strings by systematic sampling: one uniform number, and `number` points at equal distances from it.

        The points lie on the circle of the distribution function. So each of them is uniform: each string has its
        probability, exact to 2^-31, and is drawn floor(n P) or ceil(n P) times, up to the same rounding. But the
        strings are not independent, and their order is not random. The key is consumed.
        Source: W. G. Madow and L. H. Madow, 1944, "On the theory of systematic sampling".
        """
        distance = jnp.asarray([i * CIRCLE // number for i in range(number)], jnp.uint32)
        point = (jax.random.bits(key, (), jnp.uint32) + distance) % jnp.uint32(CIRCLE)
        row = jnp.searchsorted(self.start, point, side="right") - 1
        return self.strings[row]

    def next_log_probs(self, tokens: Tokens) -> NextLogProbs:
        """log P(. | x_<t) [nat] at every position t."""
        return self.log_prob[walk(self.next_node, tokens)]

    def prompt_length(self, tokens: Tokens) -> Int[Array, "*B"]:
        """The number of leading tokens that are the prompt."""
        return prompt_length(tokens, self.prompt_end)


def on_device(language: FiniteLanguage) -> Listed:
    """The device form of an exact language: the same conditionals in float32, and all strings of its trie.

    Strings of probability zero stay in the tables, so that all languages on one trie have arrays of the same shape.
    """
    trie = language.trie
    log_prob = np.full((trie.num_nodes + 1, trie.vocab_size), -np.inf, np.float32)
    log_prob[trie.edge_node, trie.edge_token] = language.edge_log_prob
    probability = np.exp(language.log_p)
    keep, alias = alias_table(probability)
    upto = np.cumsum(probability)
    start = np.floor(CIRCLE * np.concatenate([[0.0], upto[:-1] / upto[-1]]) + 0.5)
    return Listed(
        put(trie.next_node),
        put(log_prob),
        put(trie.strings),
        put(probability, np.float32),
        put(keep, np.float32),
        put(alias, np.int32),
        put(start, np.uint32),
        language.vocabulary.prompt_end,
    )
