"""A model is a pair of pure functions, `init` and `logits`. With parameters it becomes a `Language`."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from flax import struct

from sim.languages.device import prompt_length
from sim.models._attention import Tree
from sim.typing import Array, Float, Int, NextLogProbs, Params, PRNGKey, PyTree, Tokens


@runtime_checkable
class Model(Protocol):
    """A model without its parameters. It is a pytree: shapes are static fields, tables are leaves."""

    @property
    def length(self) -> int:
        """Horizon L, EOS included."""
        ...

    @property
    def vocab_size(self) -> int:
        """Number of tokens V, EOS included."""
        ...

    def init(self, key: PRNGKey) -> Params:
        """Return fresh parameters. The key is used up."""
        ...

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """log q(. | x_<t) [nat] at every position t, up to a constant per position. -inf is allowed."""
        ...


@runtime_checkable
class Pieces(Protocol):
    """Pieces of work that are done one after the other, or on several devices, each of which does some of them."""

    def map(self, function: Callable[..., PyTree], *arrays: Array) -> PyTree:
        """Return the results of a function on the rows of arrays, stacked. Rows of other devices are zeros."""
        ...

    def gather(self, stacked: PyTree) -> PyTree:
        """Return results of `map` with the rows of all devices."""
        ...


@runtime_checkable
class SharesPrefixes(Model, Protocol):
    """A model that scores a trie node from what it has computed of its ancestors, so each prefix once."""

    def tree_logits(self, params: Params, tree: Tree, pieces: Pieces) -> Float[Array, "K C V"]:
        """Return the logits of all nodes. Chunks are computed by `pieces`, which may spread them over devices."""
        ...


@runtime_checkable
class TakesParts(Model, Protocol):
    """A model whose gradients are faster for parts of a batch, because the activations of a part fit a CPU cache."""

    @property
    def part_rows(self) -> int | None:
        """Number of tokens in a part on this backend; None if the whole batch is faster."""
        ...


@runtime_checkable
class Tabulates(Model, Protocol):
    """A model that holds its logits at all trie nodes in a table."""

    def node_logits(self, params: Params) -> Float[Array, "M1 V"]:
        """Logits at every node, with a last row for the dead node off the trie."""
        ...


@runtime_checkable
class HasFeatures(Model, Protocol):
    """A model whose logits are a fixed linear function of features: an output matrix times a vector."""

    def features(self, params: Params, tokens: Tokens) -> Float[Array, "*B L D"]:
        """Return the vector that the output matrix multiplies, at every position t; it depends on x_<t."""
        ...


@runtime_checkable
class NamesMatrices(Model, Protocol):
    """A model that says what its matrices are for, by their names (`sim.training.flat`)."""

    def part(self, name: str) -> str:
        """Return the part of the model: embedding, attention, mlp or output."""
        ...

    def inputs_first(self, name: str) -> bool:
        """Return whether the first axis of a matrix is the input of its layer, and the last one the output."""
        ...


@runtime_checkable
class ShowsStates(Model, Protocol):
    """A model with hidden states."""

    def states(self, params: Params, tokens: Tokens) -> Float[Array, "K *B L D"]:
        """Return the hidden state of every layer at every position; the last layer is what the output matrix reads."""
        ...


@struct.dataclass
class Bound:
    """q_theta, the language of a model with given parameters."""

    model: Model
    params: Params
    prompt_end: int | None = struct.field(pytree_node=False, default=None)

    @property
    def length(self) -> int:
        """Horizon L, EOS included."""
        return self.model.length

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.model.vocab_size

    def next_log_probs(self, tokens: Tokens) -> NextLogProbs:
        """log q(. | x_<t) [nat] at every position."""
        return jax.nn.log_softmax(self.model.logits(self.params, tokens))

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = (), prefix: Int[Array, "T"] | None = None) -> Tokens:
        """Draw independent strings by ancestral sampling: int32[*shape, L]. The key is used up.

        All begin with the prefix, if there is one. They are cut at the horizon and padded with EOS after their end.
        """
        begun = jnp.zeros(self.length, jnp.int32)
        num_given = 0 if prefix is None else prefix.shape[0]
        begun = begun if prefix is None else begun.at[:num_given].set(prefix)

        def step(carry: tuple[Tokens, Array], at: tuple[Array, PRNGKey]) -> tuple[tuple[Tokens, Array], None]:
            (tokens, ended), (t, token_key) = carry, at
            logits: Float[Array, "*B V"] = self.model.logits(self.params, tokens)[..., t, :]
            token = jnp.where(ended, 0, jax.random.categorical(token_key, logits))
            token = jnp.where(t < num_given, begun[t], token).astype(tokens.dtype)
            return (tokens.at[..., t].set(token), ended | (token == 0)), None

        start = (jnp.zeros((*shape, self.length), jnp.int32), jnp.zeros(shape, bool))
        keys = jax.random.split(key, self.length)
        return jax.lax.scan(step, start, (jnp.arange(self.length), keys))[0][0]

    def prompt_length(self, tokens: Tokens) -> Int[Array, "*B"]:
        """Number of leading tokens that form the prompt."""
        return prompt_length(tokens, self.prompt_end)
