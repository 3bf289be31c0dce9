"""The pretraining language of a run whose strings are too many to list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sim.languages.exact import ExactLanguage


@dataclass(frozen=True, eq=False)
class Unlisted:
    """A language P, of which a run sees the first `length` tokens of every string, its end included.

    A string of `length` or more symbols is cut, so the model and P are compared as laws of the first L tokens. No law
    of a next token depends on what is cut off.
    """

    language: ExactLanguage
    length: int  # L, the horizon of the model [tokens]


Constructor = TypeVar("Constructor", bound=Callable[..., Any])


def unlisted(constructor: Constructor) -> Constructor:
    """Mark a grammar whose constructor returns an `Unlisted`. Runs train on its laws, see `sim.running.unlisted`."""
    setattr(constructor, "unlisted", True)  # noqa: B010, mypy rejects a plain assignment to an attribute of a function
    return constructor
