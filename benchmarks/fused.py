"""A transformer block as one Pallas kernel for the forward and one for the backward pass. No run uses it.

A kernel works on a tile of whole strings. It reads the activations at the start of the block and writes those at its
end. Everything between stays on the chip, and the backward pass computes it again. Attention within a tile is a product
of all its positions with all its positions, under a mask that is causal and block-diagonal. So all products have two
dimensions, as Triton requires. The code has never run on a GPU: Pallas interprets it on a CPU, where tests compare it
with the plain model. A path that has never run on its device must not be the default of a run, so it is not in `sim/`.
Source: T. Dao et al., 2022, "FlashAttention: fast and memory-efficient exact attention with IO-awareness" (recompute
in the backward pass what is cheaper to compute than to read).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from sim.models.transformer import Block, Transformer
from sim.typing import Array, NextLogProbs, Params, PRNGKey, Tokens

EPSILON = 1e-6
"""What flax adds to the variance in a layer norm."""

TOLERANCE = 5e-6
"""Largest difference from the plain model in float32 with the highest precision of products, because sums have another
order: of logits, relative to the largest logit; of each leaf of a gradient, relative to the leaf's largest entry."""

ROWS = 64
"""Number of tokens in a tile."""

CHUNK = 32
"""Largest number of hidden units that are computed at a time. With 64, case B needs more memory than a core has."""

LEAST = 16
"""Least size of each dimension of a product in Triton. All sizes must be powers of two, too."""


class Weights(NamedTuple):
    """The parameters of a block, with width D and M hidden units."""

    attention_norm: Array  # [D]
    qkv: Array  # [D, 3 D]
    out: Array  # [D, D]
    hidden_norm: Array  # [D]
    up: Array  # [D, M]
    up_bias: Array  # [M]
    down: Array  # [D, M]
    down_bias: Array  # [D]

    @classmethod
    def of(cls, block: Block) -> "Weights":
        """Return the parameters of a block of the plain model."""
        norms = [norm.scale[...] for norm in (block.attention_norm, block.hidden_norm)]
        up, down = (block.up.kernel, block.up.bias), (block.down.kernel, block.down.bias)
        return cls(
            norms[0], block.qkv.kernel[...], block.out.kernel[...], norms[1], *(one[...] for one in (*up, *down))
        )


@dataclass(frozen=True)
class Tile:
    """How a block is cut. A tile has `rows` tokens, which are whole strings of `length` tokens.

    chunk: number of hidden units that are computed at a time; interpret: whether Pallas interprets the kernel.
    """

    rows: int
    length: int
    heads: int
    chunk: int
    interpret: bool

    @classmethod
    def fit(cls, shape: tuple[int, int], width: int, heads: int, hidden: int, rows: int, interpret: bool) -> "Tile":
        """Return a tile of at most `rows` tokens (at least one string) for `shape` = (strings, length). All are full.

        It raises ValueError if a size is not a power of two from 16 on, as Triton needs it, unless it is interpreted.
        """
        strings, length = shape
        chunk = math.gcd(hidden, CHUNK)
        tile = cls(length * math.gcd(strings, max(1, rows // length)), length, heads, chunk, interpret)
        sizes = {"tokens of a tile": tile.rows, "width of a head": width // heads, "width": width, "chunk": chunk}
        for name, size in {} if interpret else sizes.items():
            if size < LEAST or size & (size - 1):
                raise ValueError(
                    f"{name}: a power of two from {LEAST} on is required, found {size}; use the plain model"
                )
        return tile


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def block(tile: Tile, h: Array, weights: Weights) -> Array:
    """Return the activations [N, D] after a block. The N tokens are those of whole strings, one after the other."""
    return _call(tile, _forward, h, [h], weights, [])[0]


def _kept(tile: Tile, h: Array, weights: Weights) -> tuple[Array, tuple[Array, Weights]]:
    return block(tile, h, weights), (h, weights)


def _pulled(tile: Tile, kept: tuple[Array, Weights], given: Array) -> tuple[Array, Weights]:
    """Return the gradients with respect to the activations at the start of the block, and to its parameters."""
    h, weights = kept
    found, *parts = _call(tile, _backward, h, [h, given], weights, list(weights))
    return found, Weights(*(_total(part) for part in parts))


block.defvjp(_kept, _pulled)


def _total(parts: Array) -> Array:
    """Sum over tiles in an order that the program fixes: the first half plus the second, until one is left."""
    while len(parts) > 1:
        half = len(parts) // 2
        pairs = parts[:half] + parts[half : 2 * half]
        parts = jnp.concatenate([pairs, parts[2 * half :]]) if len(parts) % 2 else pairs
    return parts[0]


def _call(
    tile: Tile, kernel: Callable[..., None], h: Array, rows: list[Array], weights: Weights, summed: list[Array]
) -> list[Array]:
    """Call a kernel once per tile. It writes activations, and one array like each of `summed` per tile."""
    num_tiles, width = len(h) // tile.rows, h.shape[1]
    tokens = pl.BlockSpec((tile.rows, width), lambda at: (at, 0))
    whole = [pl.BlockSpec(one.shape, lambda at, axes=one.ndim: (0,) * axes) for one in weights]
    own = [pl.BlockSpec((None, *one.shape), lambda at, axes=one.ndim: (at,) + (0,) * axes) for one in summed]
    shapes = [h.shape, *((num_tiles, *one.shape) for one in summed)]
    return pl.pallas_call(
        functools.partial(kernel, tile),
        grid=(num_tiles,),
        in_specs=[tokens] * len(rows) + whole,
        out_specs=[tokens, *own],
        out_shape=[jax.ShapeDtypeStruct(shape, h.dtype) for shape in shapes],
        interpret=tile.interpret,
        compiler_params=None if tile.interpret else triton.CompilerParams(num_warps=8, num_stages=1),
        name=kernel.__name__.strip("_"),
    )(*rows, *weights)


# -- the parts of a block; their gradients are jax's own --------------------------------------------------------------


def _norm(h: Array, scale: Array) -> Array:
    centred = h - h.mean(axis=1, keepdims=True)
    return centred * (lax.rsqrt((centred * centred).mean(axis=1, keepdims=True) + EPSILON) * scale[None])


def _head(seen: Array, x: Array, query: Array, key: Array, value: Array, out: Array) -> Array:
    """What one head adds to the activations [N, D]. `seen` [N, N] is true where the row sees the column."""
    scores = jnp.dot(jnp.dot(x, query), jnp.dot(x, key).T) * query.shape[1] ** -0.5
    scores = jnp.where(seen, scores, -jnp.inf)
    odds = jnp.exp(scores - lax.stop_gradient(scores.max(axis=1, keepdims=True)))
    weights = odds * (1.0 / odds.sum(axis=1, keepdims=True))
    return jnp.dot(jnp.dot(weights, jnp.dot(x, value)), out)


def _hidden(x: Array, up: Array, bias: Array, down: Array) -> Array:
    """What some hidden units add to the activations [N, D]."""
    return jnp.dot(jax.nn.gelu(jnp.dot(x, up) + bias[None]), down.T)


# -- the kernels ------------------------------------------------------------------------------------------------------


def _seen(tile: Tile) -> Array:
    """Which columns each row of a tile sees: those of the same string that are not later."""
    at = lax.iota(jnp.int32, tile.rows)
    string = lax.div(at, jnp.full_like(at, tile.length))
    return (string[:, None] == string[None]) & (at[:, None] >= at[None])


def _places(tile: Tile, width: int, head: Any) -> list[Any]:
    """Columns of a head's query, key and value in `qkv`; then its rows in `out`."""
    size = width // tile.heads
    return [pl.ds(part * width + head * size, size) for part in (0, 1, 2)] + [pl.ds(head * size, size)]


def _of_head(tile: Tile, weights: Weights, head: Any) -> list[Array]:
    *columns, rows = _places(tile, weights.out.shape[0], head)
    return [*(weights.qkv[:, one] for one in columns), weights.out[rows, :]]


def _of_chunk(tile: Tile, weights: Weights, chunk: Any) -> list[Array]:
    units = pl.ds(chunk * tile.chunk, tile.chunk)
    return [weights.up[:, units], weights.up_bias[units], weights.down[:, units]]


def _attended(tile: Tile, weights: Weights, h: Array, x: Array) -> Array:
    """Activations after the attention, from those before it and their norm."""
    seen = _seen(tile)
    return lax.fori_loop(0, tile.heads, lambda head, h: h + _head(seen, x, *_of_head(tile, weights, head)), h)


def _forward(tile: Tile, h_ref: Any, *refs: Any) -> None:
    *given, found_ref = refs
    weights, h = Weights(*given), h_ref[...]
    h = _attended(tile, weights, h, _norm(h, weights.attention_norm[...]))
    x = _norm(h, weights.hidden_norm[...])
    chunks = weights.up.shape[1] // tile.chunk
    found = lax.fori_loop(0, chunks, lambda chunk, h: h + _hidden(x, *_of_chunk(tile, weights, chunk)), h)
    found_ref[...] = found + weights.down_bias[...][None]


def _backward(tile: Tile, h_ref: Any, given_ref: Any, *refs: Any) -> None:
    size = len(Weights._fields)
    weights, found_ref, grads = Weights(*refs[:size]), refs[size], Weights(*refs[size + 1 :])
    h, given, seen = h_ref[...], given_ref[...], _seen(tile)
    x, from_attention = jax.vjp(_norm, h, weights.attention_norm[...])
    y, from_hidden = jax.vjp(_norm, _attended(tile, weights, h, x), weights.hidden_norm[...])

    def chunk(at: Any, dy: Array) -> Array:
        _, pull = jax.vjp(_hidden, y, *_of_chunk(tile, weights, at))
        units = pl.ds(at * tile.chunk, tile.chunk)
        more, grads.up[:, units], grads.up_bias[units], grads.down[:, units] = pull(given)
        return dy + more

    dy = lax.fori_loop(0, weights.up.shape[1] // tile.chunk, chunk, jnp.zeros_like(y))
    more, grads.hidden_norm[...] = from_hidden(dy)
    grads.down_bias[...] = given.sum(axis=0)
    middle = given + more  # the gradient between attention and perceptron

    def head(at: Any, dx: Array) -> Array:
        _, pull = jax.vjp(functools.partial(_head, seen), x, *_of_head(tile, weights, at))
        *columns, rows = _places(tile, weights.out.shape[0], at)
        more, *parts, grads.out[rows, :] = pull(middle)
        for one, part in zip(columns, parts, strict=True):
            grads.qkv[:, one] = part
        return dx + more

    more, grads.attention_norm[...] = from_attention(lax.fori_loop(0, tile.heads, head, jnp.zeros_like(x)))
    found_ref[...] = middle + more


@struct.dataclass
class Fused:
    """A transformer whose blocks are such kernels. Parameters and logits are those of the plain model.

    rows: about how many tokens a tile has; interpret: whether Pallas interprets the kernels, as it must on a CPU.
    """

    model: Transformer
    rows: int = struct.field(pytree_node=False, default=ROWS)
    interpret: bool = struct.field(pytree_node=False, default=False)

    @property
    def length(self) -> int:
        """Horizon L, EOS included."""
        return self.model.length

    @property
    def vocab_size(self) -> int:
        """Number of tokens V, EOS included."""
        return self.model.vocab_size

    def init(self, key: PRNGKey) -> Params:
        """Return fresh parameters. The key is used up."""
        return self.model.init(key)

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """Logits at every position. Up to rounding they are those of the plain model."""
        flat, spec = tokens.reshape(-1, tokens.shape[-1]), self.model
        decoder, hidden = spec.bind(params), spec.mlp_ratio * spec.width
        tile = Tile.fit(flat.shape, spec.width, spec.heads, hidden, self.rows, self.interpret)
        bos = jnp.full((flat.shape[0], 1), spec.vocab_size, flat.dtype)
        h = decoder.embed(jnp.concatenate([bos, flat[:, :-1]], axis=1)) + decoder.position[...][None]
        h = h.reshape(-1, spec.width)
        for one in decoder.blocks:
            h = block(tile, h, Weights.of(one))
        return decoder.read_out(h).reshape(*tokens.shape, -1)
