"""The n-gram table: one free softmax for each position and the n - 1 tokens before it."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from sim.config import AtLeast
from sim.languages.contexts import contexts
from sim.languages.device import walk
from sim.languages.trie import Trie
from sim.typing import Array, Float, Int, NextLogProbs, Params, PRNGKey, Tokens


@struct.dataclass
class TabularNgram:
    """log q(a | h) = log softmax(table[c(h)])_a, with a free row for every context c(h) of a prefix of supp P.

    The context is the position and the last n - 1 tokens, so it is not a stationary n-gram. Prefixes with one context
    share a row. So the model cannot express every S: its SFT rests at the best law of this class and not at S, and
    writes strings that S, and even P, lacks. `sim.theory.ngram.fit` is this law in closed form. Rows of contexts that S
    never visits get no gradient. Prefixes with a context that P lacks share one untrained row.
    """

    context: Int[Array, "M1"]  # the row of each trie node; the dead row C for the dead node
    following: Int[Array, "C1 V"]  # the context after each token
    scale: float = struct.field(pytree_node=False, default=0.0)
    length: int = struct.field(pytree_node=False, default=0)

    @property
    def vocab_size(self) -> int:
        """Number of tokens V."""
        return self.following.shape[-1]

    def init(self, key: PRNGKey) -> Params:
        """Return Gaussian logits. At scale 0 all are zero: the conditionals are uniform."""
        return {"logits": self.scale * jax.random.normal(key, self.following.shape)}

    def logits(self, params: Params, tokens: Tokens) -> NextLogProbs:
        """The row of the table for every prefix."""
        return params["logits"][walk(self.following, tokens)]

    def node_logits(self, params: Params) -> Float[Array, "M1 V"]:
        """The rows of all trie nodes."""
        return params["logits"][self.context]


def tabular_ngram(trie: Trie, *, order: Annotated[int, AtLeast(1)] = 2, scale: float = 0.0) -> TabularNgram:
    """Construct the n-gram table on the support of P.

    order: n; 2 is a table by position and previous token, 1 by the position alone; scale: the standard deviation of the
    initial logits [nat].
    """
    context, following = contexts(trie, order)
    rows = np.append(context, len(following) - 1)
    return TabularNgram(jnp.asarray(rows, jnp.int32), jnp.asarray(following), scale, trie.length)


def label(*, order: int = 2, **_: object) -> str:
    """Name the model for people."""
    return f"{order}-gram table by position"
