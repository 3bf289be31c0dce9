"""Array aliases and the device protocols. This module computes nothing.

These axis letters are used everywhere:
B batch, L horizon (tokens of the longest string, EOS included), V vocabulary (EOS included), N strings of a support,
M nodes and E edges of its prefix trie, G prompts, Z styles, S and Q states of automata, K models of an ensemble.
"""

from typing import Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key, PyTree, UInt32

Scalar: TypeAlias = Float[Array, ""]
Tokens: TypeAlias = Int[Array, "*B L"]
NextLogProbs: TypeAlias = Float[Array, "*B L V"]
PRNGKey: TypeAlias = Key[Array, ""]
Params: TypeAlias = PyTree[Float[Array, "..."]]
Number: TypeAlias = float | np.ndarray | jax.Array  # a leaf: a plain number on the host, a traced scalar in a program
Flag: TypeAlias = bool | np.ndarray | jax.Array  # the same for a truth value


@runtime_checkable
class Source(Protocol):
    """Anything that emits strings. Training on sampled targets needs no more than this."""

    @property
    def length(self) -> int:
        """Horizon L: tokens of the longest string, EOS included."""
        ...

    @property
    def vocab_size(self) -> int:
        """Number of tokens V, EOS included."""
        ...

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = ()) -> Int[Array, "*B L"]:
        """Draw independent strings with leading axes `shape`, EOS-terminated and EOS-padded. `key` is used up."""
        ...


@runtime_checkable
class Language(Source, Protocol):
    """A distribution over strings on the device. Grammars, restricted grammars and trained models all satisfy it."""

    def next_log_probs(self, tokens: Tokens) -> NextLogProbs:
        """log p(. | x_<t) [nat] at every position t of every string; -inf off the support. Any leading axes work."""
        ...

    def prompt_length(self, tokens: Tokens) -> Int[Array, "*B"]:
        """Number of leading tokens that are the prompt (0 if the world has no prompts)."""
        ...


__all__ = [
    "Array",
    "Bool",
    "Flag",
    "Float",
    "Int",
    "Key",
    "Language",
    "NextLogProbs",
    "Number",
    "PRNGKey",
    "Params",
    "PyTree",
    "Scalar",
    "Source",
    "Tokens",
    "UInt32",
]
