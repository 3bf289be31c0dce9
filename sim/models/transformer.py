"""Decoder-only transformer with pre-norm, learned positions and GELU. The flax nnx modules are used functionally."""

import functools
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from flax import nnx, struct

from sim.config import AtLeast, Positive
from sim.languages.trie import Trie
from sim.models._attention import Tree, causal_attention, path_attention
from sim.models._base import Pieces
from sim.typing import Array, Float, Int, NextLogProbs, Params, PRNGKey, Tokens

PART_ROWS = 256
"""Number of tokens in a part of a batch on a CPU, see `sim.models._base.TakesParts`."""


PARTS = {
    "embed": "embedding", "position": "embedding", "head": "output",
    "qkv": "attention", "out": "attention", "up": "mlp", "down": "mlp",
}  # fmt: skip
"""The parts to which matrices belong, by a word of their names."""


class Block(nnx.Module):
    """One layer: attention and a two-layer perceptron, each behind a layer norm and a residual connection."""

    def __init__(self, width: int, heads: int, hidden: int, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.attention_norm = nnx.LayerNorm(width, use_bias=False, rngs=rngs)
        self.qkv = nnx.Linear(width, 3 * width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.hidden_norm = nnx.LayerNorm(width, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(width, hidden, rngs=rngs)
        # Stored as [out, in]. Then the narrow matrix is the first factor of the gradient: twice as fast on a CPU.
        self.down = nnx.Einsum(
            "...i,oi->...o", (width, hidden), (width,), kernel_init=nnx.initializers.lecun_normal(-1, -2), rngs=rngs
        )

    def heads_of(self, h: Float[Array, "... D"]) -> list[Float[Array, "... H C"]]:
        """Return queries, keys and values, split into heads."""
        qkv = self.qkv(self.attention_norm(h))
        return [part.reshape(*part.shape[:-1], self.heads, -1) for part in jnp.split(qkv, 3, axis=-1)]

    def finish(self, h: Float[Array, "... D"], mixed: Float[Array, "... H C"]) -> Float[Array, "... D"]:
        """Compute the rest of the layer from the output of the attention."""
        h = h + self.out(mixed.reshape(h.shape))
        return h + self.down(jax.nn.gelu(self.up(self.hidden_norm(h))))


class Decoder(nnx.Module):
    """From tokens to logits. The embedding has one row more than the vocabulary, for BOS, which is only an input."""

    def __init__(self, spec: "Transformer", rngs: nnx.Rngs) -> None:
        normal = nnx.initializers.normal
        self.embed = nnx.Embed(spec.vocab_size + 1, spec.width, embedding_init=normal(1 / spec.width**0.5), rngs=rngs)
        self.position = nnx.Param(normal(1 / spec.width**0.5)(rngs.params(), (spec.length, spec.width)))
        self.blocks = nnx.List(
            [Block(spec.width, spec.heads, spec.mlp_ratio * spec.width, rngs) for _ in range(spec.depth)]
        )
        self.norm = nnx.LayerNorm(spec.width, use_bias=False, rngs=rngs)
        self.head = None if spec.tied else nnx.Linear(spec.width, spec.vocab_size, use_bias=False, rngs=rngs)

    def read_out(self, h: Float[Array, "... D"]) -> Float[Array, "... V"]:
        """Logits of the next token."""
        h = self.norm(h)
        return h @ self.embed.embedding[...][:-1].T if self.head is None else self.head(h)

    def residual(self, tokens: Int[Array, "B L"]) -> list[Float[Array, "R D"]]:
        """The residual stream after the embedding and after each block, with a row for each token of each string."""
        bos = jnp.full((tokens.shape[0], 1), self.embed.num_embeddings - 1, tokens.dtype)
        h = self.embed(jnp.concatenate([bos, tokens[:, :-1]], axis=1)) + self.position[...][None]
        # One row per token. With two batch axes, XLA's gradients of products transpose the wide factor, which is four
        # times slower on a CPU (see benchmarks/README.md).
        h = h.reshape(-1, h.shape[-1])
        found = [h]
        for block in self.blocks:
            query, key, value = (part.reshape(*tokens.shape, *part.shape[1:]) for part in block.heads_of(h))
            h = block.finish(h, causal_attention(query, key, value))
            found.append(h)
        return found

    def __call__(self, tokens: Int[Array, "B L"]) -> Float[Array, "B L V"]:
        """Logits at every position of every string."""
        return self.read_out(self.residual(tokens)[-1]).reshape(*tokens.shape, -1)

    def tree(self, tree: Tree, pieces: Pieces) -> Float[Array, "K C V"]:
        """Compute the logits of trie nodes layer by layer. In each layer, all nodes have keys and values already."""
        h = pieces.map(lambda token, depth: self.embed(token) + self.position[...][depth], tree.token, tree.depth)
        for block in self.blocks:
            query, *own = pieces.map(block.heads_of, h)
            key, value = (every.reshape(-1, *every.shape[2:]) for every in pieces.gather(own))

            def finished(
                h: Array, query: Array, ancestors: Array, block: Block = block, key: Array = key, value: Array = value
            ) -> Array:
                return block.finish(h, path_attention(query, key, value, ancestors))

            h = pieces.map(finished, h, query, tree.ancestors)
        logits: Float[Array, "K C V"] = pieces.gather(pieces.map(self.read_out, h))
        return logits


@struct.dataclass
class Transformer:
    """The shape of the model; all fields are static."""

    vocab_size: int = struct.field(pytree_node=False)
    length: int = struct.field(pytree_node=False)
    width: int = struct.field(pytree_node=False)
    depth: int = struct.field(pytree_node=False)
    heads: int = struct.field(pytree_node=False)
    mlp_ratio: int = struct.field(pytree_node=False)
    tied: bool = struct.field(pytree_node=False)

    @property
    def part_rows(self) -> int | None:
        """Tokens in a part: on a CPU as many as have activations that fit its cache, see benchmarks/README.md."""
        return PART_ROWS if jax.default_backend() == "cpu" else None

    def part(self, name: str) -> str:
        """Return the part of a matrix. A tied output matrix is the embedding; the position is part of it too."""
        return PARTS[next(word for word in PARTS if word in name.split("."))]

    def inputs_first(self, name: str) -> bool:
        """Return whether a matrix is stored as [in, out]. All are, but for the second one of the perceptron."""
        return "down" not in name.split(".")

    def init(self, key: PRNGKey) -> Params:
        """Return fresh parameters as a plain dictionary. The key is used up."""
        return nnx.to_pure_dict(nnx.state(Decoder(self, nnx.Rngs(params=key)), nnx.Param))

    def bind(self, params: Params) -> Decoder:
        """Return the module with these parameters. It must only be used inside a traced function."""
        graph, state = _abstract(self)
        nnx.replace_by_pure_dict(state, params)
        return nnx.merge(graph, state)

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """Logits at every position. Leading axes are flattened into one batch."""
        flat = tokens.reshape(-1, tokens.shape[-1])
        return self.bind(params)(flat).reshape(*tokens.shape, self.vocab_size)

    def features(self, params: Params, tokens: Tokens) -> Float[Array, "*B L D"]:
        """Return what the output matrix multiplies: the residual stream after the last layer norm."""
        return self.states(params, tokens)[-1]

    def states(self, params: Params, tokens: Tokens) -> Float[Array, "K *B L D"]:
        """The residual stream after the embedding and each block, and what the output matrix reads of the last one."""
        module, flat = self.bind(params), tokens.reshape(-1, tokens.shape[-1])
        found = module.residual(flat)
        return jnp.stack([*found, module.norm(found[-1])]).reshape(len(found) + 1, *tokens.shape, self.width)

    def tree_logits(self, params: Params, tree: Tree, pieces: Pieces) -> Float[Array, "K C V"]:
        """Logits of trie nodes with prefix sharing. Up to rounding they agree with `logits`."""
        return self.bind(params).tree(tree, pieces)


@functools.lru_cache(maxsize=64)
def _abstract_leaves(spec: Transformer) -> tuple[nnx.GraphDef[Decoder], nnx.State[Any, Any]]:
    module = nnx.eval_shape(lambda: Decoder(spec, nnx.Rngs(params=0)))
    return nnx.split(module)


def _abstract(spec: Transformer) -> tuple[nnx.GraphDef[Decoder], nnx.State[Any, Any]]:
    graph, state = _abstract_leaves(spec)
    return graph, jax.tree.map(lambda leaf: leaf, state)  # a copy, because replacing must not change the cached one


def transformer(
    trie: Trie,
    *,
    width: Annotated[int, Positive] = 64,
    depth: Annotated[int, Positive] = 2,
    heads: Annotated[int, Positive] = 2,
    mlp_ratio: Annotated[int, AtLeast(1)] = 4,
    tied: bool = False,
) -> Transformer:
    """Construct a pre-norm decoder of `depth` layers, with the vocabulary and the horizon of the language.

    width: size of the residual stream; heads: number of attention heads, a divisor of the width; mlp_ratio: hidden
    units of the perceptron per unit of width; tied: whether the output matrix is the embedding. It raises ValueError if
    `heads` does not divide `width`. Source: A. Vaswani et al., 2017, "Attention is all you need"; R. Xiong et al.,
    2020, "On layer normalization in the transformer architecture".
    """
    if width % heads:
        raise ValueError(f"heads: a divisor of width {width} is required, found {heads}")
    return Transformer(trie.vocab_size, trie.length, width, depth, heads, mlp_ratio, tied)


def label(**_: object) -> str:
    """Name the model for people."""
    return "transformer"
