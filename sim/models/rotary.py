"""Decoder-only transformer with rotary positions: queries and keys are turned by angles that grow with the position."""

import functools
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, struct

from sim.config import AtLeast, Positive
from sim.languages.trie import Trie
from sim.models._attention import Tree, causal_attention, path_attention
from sim.models._base import Pieces
from sim.models.transformer import Decoder, Transformer
from sim.models.transformer import transformer as with_learned_positions
from sim.typing import Array, Float, Int, Params

BASE = 10_000.0
"""The pair i of C/2 turns by BASE^(-2i/C) radians a token. Source: J. Su et al., 2021, equation 15."""


def turned(heads: Float[Array, "... H C"], position: Int[Array, "..."]) -> Float[Array, "... H C"]:
    """Turn the pairs (i, i + C/2) of every head by angles in proportion to the position.

    The product of a query and a key depends on their positions only by the difference of these. Source: J. Su et al.,
    2021, "RoFormer: enhanced transformer with rotary position embedding", equation 34; pairs as in GPT-NeoX.
    """
    half = heads.shape[-1] // 2
    rate = jnp.asarray(BASE ** (-np.arange(half) / half), heads.dtype)
    angle = jnp.multiply.outer(position.astype(heads.dtype), rate)[..., None, :]
    angle = angle.reshape((1,) * (heads.ndim - angle.ndim) + angle.shape)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    first, second = heads[..., :half], heads[..., half:]
    return jnp.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)


class RotaryDecoder(Decoder):
    """From tokens to logits. Nothing is added to an embedding, so every length has the same parameters."""

    def __init__(self, spec: "Rotary", rngs: nnx.Rngs) -> None:
        super().__init__(spec, rngs)
        del self.position

    def residual(self, tokens: Int[Array, "B L"]) -> list[Float[Array, "R D"]]:
        """The residual stream after the embedding and after each block, with a row for each token of each string."""
        bos = jnp.full((tokens.shape[0], 1), self.embed.num_embeddings - 1, tokens.dtype)
        h = self.embed(jnp.concatenate([bos, tokens[:, :-1]], axis=1).reshape(-1))
        position = jnp.arange(tokens.shape[1])
        found = [h]
        for block in self.blocks:
            query, key, value = (part.reshape(*tokens.shape, *part.shape[1:]) for part in block.heads_of(h))
            h = block.finish(h, causal_attention(turned(query, position), turned(key, position), value))
            found.append(h)
        return found

    def tree(self, tree: Tree, pieces: Pieces) -> Float[Array, "K C V"]:
        """Compute the logits of trie nodes layer by layer. In each layer, all nodes have keys and values already."""
        h = pieces.map(self.embed, tree.token)
        for block in self.blocks:

            def heads(h: Array, depth: Array, block: Any = block) -> list[Array]:
                query, key, value = block.heads_of(h)
                return [turned(query, depth), turned(key, depth), value]

            query, *own = pieces.map(heads, h, tree.depth)
            key, value = (every.reshape(-1, *every.shape[2:]) for every in pieces.gather(own))

            def finished(
                h: Array, query: Array, ancestors: Array, block: Any = block, key: Array = key, value: Array = value
            ) -> Array:
                return block.finish(h, path_attention(query, key, value, ancestors))

            h = pieces.map(finished, h, query, tree.ancestors)
        logits: Float[Array, "K C V"] = pieces.gather(pieces.map(self.read_out, h))
        return logits


@struct.dataclass
class Rotary(Transformer):
    """The shape of the model; all fields are static."""

    def bind(self, params: Params) -> Decoder:
        """Return the module with these parameters. It must only be used inside a traced function."""
        graph, state = _abstract_leaves(self)
        state = jax.tree.map(lambda leaf: leaf, state)  # a copy, because replacing must not change the cached one
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)

    def init(self, key: Any) -> Params:
        """Return fresh parameters as a plain dictionary. The key is used up."""
        return nnx.to_pure_dict(nnx.state(RotaryDecoder(self, nnx.Rngs(params=key)), nnx.Param))


@functools.lru_cache(maxsize=64)
def _abstract_leaves(spec: Rotary) -> tuple[nnx.GraphDef[RotaryDecoder], nnx.State[Any, Any]]:
    module = nnx.eval_shape(lambda: RotaryDecoder(spec, nnx.Rngs(params=0)))
    return nnx.split(module)


def rotary(
    trie: Trie,
    *,
    width: Annotated[int, Positive] = 64,
    depth: Annotated[int, Positive] = 2,
    heads: Annotated[int, Positive] = 2,
    mlp_ratio: Annotated[int, AtLeast(1)] = 4,
    tied: bool = False,
) -> Rotary:
    """Construct the decoder of `transformer`, but with rotary positions, which no parameter learns.

    The arguments are those of `transformer`. It raises ValueError if `heads` does not divide `width`, or if a head has
    an odd size. Source: J. Su et al., 2021, "RoFormer: enhanced transformer with rotary position embedding".
    """
    if width % (2 * heads):
        raise ValueError(
            f"heads: twice a divisor of width {width} is required, so that a head is made of pairs, found {heads}"
        )
    spec = with_learned_positions(trie, width=width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, tied=tied)
    return Rotary(spec.vocab_size, spec.length, width, depth, heads, mlp_ratio, tied)


def label(**_: object) -> str:
    """Name the model for people."""
    return "transformer with rotary positions"
