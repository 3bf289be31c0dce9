"""A language of which an objective sees only what the host has prepared: the exact next-token laws along a batch."""

from typing import Any, NoReturn

import jax.numpy as jnp

from sim.languages.device import Listed
from sim.numerics import SpecificationError
from sim.typing import Array, Float, Int, NextLogProbs, PRNGKey, Tokens


class OfBatch(Listed):
    """The part of a `Listed` that is known of a language whose strings are not listed: its laws along one batch.

    It lives inside of a traced function, so it is no pytree. Everything else that an objective may ask a `Listed` for
    raises SpecificationError, when the program is traced, so before anything is computed.
    """

    def __init__(self, law: Float[Array, "B L V"] | None) -> None:
        object.__setattr__(self, "law", law)  # a Listed is frozen

    def next_log_probs(self, tokens: Tokens) -> NextLogProbs:
        """log P(. | x_<t) [nat] at every position of the batch; other tokens are refused."""
        law: Float[Array, "B L V"] | None = self.law
        if law is None or law.shape[:-1] != tokens.shape:
            _refuse("the next-token laws of other strings")
        return law

    def prompt_length(self, tokens: Tokens) -> Int[Array, "*B"]:
        """0, because such a language has no prompts."""
        return jnp.zeros(tokens.shape[:-1], jnp.int32)

    def sample(self, key: PRNGKey, shape: tuple[int, ...] = ()) -> Int[Array, "*B L"]:
        """Refused: strings are drawn on the host."""
        _refuse("strings beside those of its batch")

    def sample_evenly(self, key: PRNGKey, number: int) -> Int[Array, "B L"]:
        """Refused: strings are drawn on the host."""
        _refuse("strings beside those of its batch")

    def __getattr__(self, name: str) -> Any:
        """Refuse the tables of a listed language."""
        if name.startswith("__"):
            raise AttributeError(name)
        _refuse(f"a list of all strings ({name})")


def _refuse(what: str) -> NoReturn:
    raise SpecificationError(
        "objective: one that reads the strings of its batch and the next-token laws along them, such as sft, is "
        f"required for a language that is not listed, found one that needs {what}; choose another objective, or a "
        "listed grammar"
    )
