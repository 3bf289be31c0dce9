"""Draw strings from a transformer with a cache of keys and values: a token costs one position, not a whole string."""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from sim.models._attention import attention
from sim.models._base import Model
from sim.models.rotary import Rotary, turned
from sim.models.transformer import Transformer
from sim.numerics import EOS
from sim.typing import Array, Int, Params, PRNGKey

Carry: TypeAlias = tuple[Array, Array, list[tuple[Array, Array]]]
"""The last tokens, which rows have ended, and the keys and values of every layer."""


@functools.partial(jax.jit, static_argnums=3)
def drawn(model: Model, params: Params, key: PRNGKey, number: int) -> Int[Array, "B L"]:
    """Draw independent rows of a model: int32[number, L], with EOS behind their end. The key is used up."""
    return continued(model, params, key, jnp.zeros((number, model.length), jnp.int32), jnp.zeros(number, jnp.int32))


@functools.partial(jax.jit, static_argnames="number")
def continued(
    model: Model,
    params: Params,
    key: PRNGKey,
    rows: Int[Array, "B L"],
    known: Int[Array, "B"],
    place: Int[Array, "B"] | None = None,
    number: int = 0,
) -> Int[Array, "B L"]:
    """Draw the tokens of every row behind its first `known` ones, which stay. The key is used up.

    If the rows are those at some places of `number` rows, they get the random numbers that they get among all of these.
    A model that is no transformer computes every prefix anew.
    """
    token_of = functools.partial(_drawn_token, place=place, number=number)
    if not isinstance(model, Transformer):
        return _anew(model, params, key, rows, known, token_of)
    B, length = rows.shape
    module, rotary = model.bind(params), isinstance(model, Rotary)
    shape = (B, length, model.heads, model.width // model.heads)
    start = model.vocab_size  # the row of the embedding for the begin of a string
    empty = [(jnp.zeros(shape), jnp.zeros(shape)) for _ in module.blocks]
    begun = jnp.full(B, start, jnp.int32), jnp.zeros(B, bool), empty

    def step(carry: Carry, at: tuple[Array, PRNGKey]) -> tuple[Carry, Array]:
        (token, ended, cache), (position, token_key) = carry, at
        h = module.embed(token)
        h = h if rotary else h + module.position[...][position][None]
        seen = jnp.broadcast_to(jnp.arange(length) <= position, (B, 1, length))
        kept = []
        for block, (keys, values) in zip(module.blocks, cache, strict=True):
            query, key, value = block.heads_of(h)
            query, key = (turned(part, position) if rotary else part for part in (query, key))
            keys, values = keys.at[:, position].set(key), values.at[:, position].set(value)
            h = block.finish(h, attention(query[:, None], keys, values, seen)[:, 0])
            kept.append((keys, values))
        found = _next(rows, known, position, ended, token_of(token_key, module.read_out(h)))
        return (found, ended | (found == EOS), kept), found

    steps = jnp.arange(length), jax.random.split(key, length)
    return jax.lax.scan(step, begun, steps)[1].T


def _drawn_token(key: PRNGKey, logits: Array, place: Array | None, number: int) -> Array:
    """A token for every row: the largest of its logits with Gumbel noise, as in `jax.random.categorical`."""
    if place is None:
        return jax.random.categorical(key, logits)
    noise = jax.random.gumbel(key, (number, logits.shape[-1]), logits.dtype)
    return jnp.argmax(logits + noise[place], axis=-1)


def _next(rows: Array, known: Array, position: Array, ended: Array, drawn_token: Array) -> Array:
    """The tokens at a position: those of the rows where they are known, EOS behind an end, else those drawn."""
    found = jnp.where(ended, EOS, drawn_token)
    return jnp.where(position < known, rows[:, position], found).astype(jnp.int32)


def _anew(
    model: Model,
    params: Params,
    key: PRNGKey,
    rows: Array,
    known: Array,
    token_of: Callable[[PRNGKey, Array], Array] = jax.random.categorical,
) -> Array:
    def step(carry: tuple[Array, Array], at: tuple[Array, PRNGKey]) -> tuple[tuple[Array, Array], None]:
        (tokens, ended), (position, token_key) = carry, at
        logits = model.logits(params, tokens)[:, position]
        found = _next(rows, known, position, ended, token_of(token_key, logits))
        return (tokens.at[:, position].set(found), ended | (found == EOS)), None

    length = rows.shape[1]
    begun = jnp.zeros_like(rows), jnp.zeros(rows.shape[0], bool)
    return jax.lax.scan(step, begun, (jnp.arange(length), jax.random.split(key, length)))[0][0]
