"""A random level-wise grammar of the kind cfg3, whose strings are not listed. A run trains on its exact laws."""

from collections.abc import Sequence
from typing import Annotated

from sim.config import AtLeast, NonNegative
from sim.grammars._levels import level_grammar
from sim.grammars._unlisted import seen
from sim.languages.unlisted import Unlisted, unlisted


@unlisted
def cfg3(
    *,
    depth: Annotated[int, AtLeast(1)] = 4,
    num_symbols: Annotated[int, AtLeast(1)] = 3,
    num_rules: Annotated[int, AtLeast(1)] = 2,
    lengths: Sequence[int] = (2, 3),
    zipf: Annotated[float, NonNegative] = 0.0,
    shared: bool = False,
    seed: int = 0,
    length: Annotated[int | None, AtLeast(2)] = None,
) -> Unlisted:
    """The language of `sim.grammars._levels.level_grammar`: `depth` levels of rules over `num_symbols` symbols each.

    With the default sizes there are about 10^10 strings of 16 to 81 symbols. `length` is the horizon of the model
    [tokens, the end included]; None takes that of the longest string, so that no string is cut.
    Source: Z. Allen-Zhu and Y. Li 2023, "Physics of Language Models: Part 1", for the form of these grammars.
    """
    return seen(level_grammar(depth, num_symbols, num_rules, lengths, zipf, shared, seed), length, "grammar")


def label(*, depth: int = 4, num_symbols: int = 3, num_rules: int = 2, **_: object) -> str:
    """The world in words."""
    return f"cfg3 of {depth} levels, {num_symbols} symbols, {num_rules} rules a symbol"
