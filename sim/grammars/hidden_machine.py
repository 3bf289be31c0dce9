"""A random hidden machine of many states and a few latent styles, whose strings are not listed."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from sim.config import AtLeast
from sim.grammars._stopping import lettered
from sim.grammars._unlisted import seen
from sim.languages.hidden import HiddenAutomaton
from sim.languages.unlisted import Unlisted, unlisted
from sim.numerics import SpecificationError


@unlisted
def hidden_machine(
    *,
    num_states: Annotated[int, AtLeast(2)] = 100,
    num_symbols: Annotated[int, AtLeast(1)] = 26,
    branching: Annotated[int, AtLeast(1)] = 3,
    styles: Sequence[float] = (2.0, 0.0),
    mean_length: float = 20.0,
    seed: int = 0,
    length: Annotated[int | None, AtLeast(2)] = 48,
) -> Unlisted:
    """A walk that begins in one of the states `start 0`, `start 1`, ..., with equal probability, and emits symbols.

    The states are divided equally among the starts, and a walk stays among those of its start, so a start is a latent
    style. A state has `branching` arcs to random states, each with a random symbol; so a symbol may lead to several
    states. The probabilities of the arcs follow Zipf's law, in random order, with the exponent that `styles` has for
    the style: the larger it is, the narrower is the style. No arc leads back to a start. From the second symbol on, a
    walk stops with probability 1 / mean_length before each. `restriction=sub_grammar` with `states: ["start 0"]` leaves
    a style out. `length` is the horizon of the model [tokens, the end included]; null is refused, because there is no
    longest string. Raises SpecificationError for fewer than two states a style, and for a mean below 1.
    """
    _check(num_states, styles, mean_length)
    generator = np.random.default_rng(seed)
    own = num_states // len(styles)
    transitions = np.zeros((num_symbols + 1, num_states, num_states))
    stopping = np.full(num_states, 1.0 / mean_length)
    for style, exponent in enumerate(styles):
        first = style * own
        end = num_states if style == len(styles) - 1 else first + own
        stopping[first] = 0.0
        for state in range(first, end):
            weights = np.arange(1, branching + 1.0) ** -exponent
            weights = generator.permutation(weights / weights.sum()) * (1.0 - stopping[state])
            symbols = generator.integers(1, num_symbols + 1, branching)
            targets = generator.integers(first + 1, end, branching)
            np.add.at(transitions[:, state], (symbols, targets), weights)
    initial = np.zeros(num_states)
    starts = np.arange(len(styles)) * own
    initial[starts] = 1.0 / len(styles)
    names = [f"state {state}" for state in range(num_states)]
    for style, state in enumerate(starts.tolist()):
        names[state] = f"start {style}"
    machine = HiddenAutomaton(lettered(num_symbols), initial, transitions, stopping, tuple(names))
    return seen(machine, length, "grammar")


def _check(num_states: int, styles: Sequence[float], mean_length: float) -> None:
    if not styles or num_states < 2 * len(styles):
        raise SpecificationError(
            f"grammar.styles: at least one style, and two of the {num_states} states for each, are required, found "
            f"{len(styles)} styles; give fewer, or more states"
        )
    if not 1.0 <= mean_length < np.inf:
        raise SpecificationError(f"grammar.mean_length: a number from 1 up is required, found {mean_length:g}")


def label(*, num_states: int = 100, styles: Sequence[float] = (2.0, 0.0), **_: object) -> str:
    """The world in words."""
    return f"hidden machine of {num_states} states in {len(styles)} styles"
