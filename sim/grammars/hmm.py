"""Random hidden Markov models over an abstract alphabet, with stopping. Tier A up to a horizon."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, NonNegative
from sim.grammars._mixture import zipf_law
from sim.grammars._stopping import Stop, lettered, listed
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.machine import shown_count
from sim.numerics import EOS, SpecificationError

MAX_ENTRIES = 10_000_000
"""Largest number of transitions (symbol, state, next state) of a model. They are stored densely."""


def hmm_automaton(
    num_states: int = 6,
    num_symbols: int = 3,
    emission_zipf: float = 4.0,
    transition_zipf: float = 4.0,
    stop: float = 0.4,
    min_length: int = 3,
    seed: int = 0,
) -> HiddenAutomaton:
    """The model of `hmm` without a horizon. Its states are copied for every number of symbols up to `min_length`."""
    S, K, copies = num_states, num_symbols, min_length + 1
    entries = (K + 1) * (S * copies) ** 2
    if entries > MAX_ENTRIES:
        raise SpecificationError(
            f"a machine of at most {MAX_ENTRIES} transitions is required, found {shown_count(entries)}; reduce "
            "num_states, min_length or num_symbols"
        )
    generator = np.random.default_rng(seed)
    moves = np.stack([_peaked(generator, (s + 1) % S, S, transition_zipf) for s in range(S)])
    emits = np.stack([_peaked(generator, s * K // S, K, emission_zipf) for s in range(S)])
    arcs = emits.T[:, :, None] * moves
    transitions = np.zeros((K + 1, copies, S, copies, S))
    for n in range(min_length):
        transitions[EOS + 1 :, n, :, n + 1] = arcs
    transitions[EOS + 1 :, min_length, :, min_length] = (1 - stop) * arcs
    stopping = np.zeros((copies, S))
    stopping[min_length] = stop
    names = [f"h{s}" + (f", {n} symbols so far" if n < min_length else "") for n in range(copies) for s in range(S)]
    return HiddenAutomaton(
        lettered(K),
        np.concatenate([np.full(S, 1 / S), np.zeros(min_length * S)]),
        transitions.reshape(K + 1, copies * S, copies * S),
        stopping.ravel(),
        tuple(names),
    )


def _peaked(generator: np.random.Generator, likeliest: int, count: int, exponent: float) -> np.ndarray:
    """Zipf's law with a random offset over `count` outcomes: `likeliest` first, then the others in random order."""
    law = np.zeros(count)
    others = generator.permutation(np.delete(np.arange(count), likeliest))
    law[[likeliest, *others.tolist()]] = zipf_law(count, exponent, generator.random())
    return law


def hmm(
    *,
    num_states: Annotated[int, AtLeast(1)] = 6,
    num_symbols: Annotated[int, AtLeast(1)] = 3,
    emission_zipf: Annotated[float, NonNegative] = 4.0,
    transition_zipf: Annotated[float, NonNegative] = 4.0,
    stop: Annotated[float, Stop] = 0.4,
    min_length: Annotated[int, AtLeast(0)] = 3,
    length: Annotated[int, AtLeast(1)] = 8,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Strings "a a c b" that hidden states emit, shorter than `length` L. The string does not determine its states.

    The first state is uniform. A state emits a symbol, and it also determines the law of the next state. After
    `min_length` symbols and after every later one the string ends with probability `stop`. All laws are Zipf's with
    random offsets. For state s of S the likeliest next state is s + 1 (modulo S), and the likeliest symbol is
    floor(s K / S) of K; the other outcomes follow in random order. So a larger `transition_zipf` (0: uniform) gives a
    state more information about the next one, and a larger `emission_zipf` gives a symbol more information about its
    state. With more states than symbols, symbols before the last one are informative too. `seed` determines the tables,
    on the host. L counts EOS: the language is P(. | |x| <= L - 1), renormalised exactly, and the note `dropped_mass` is
    the mass that this leaves out. The entropy is exact only because the strings are listed. `hmm_automaton` is the
    model without a horizon, which has bounds of the entropy. Raises `SpecificationError` for more than 10^7 transitions
    (every state counts min_length + 1 times), for more than 10^6 strings, or if no string is short enough.
    """
    model = hmm_automaton(num_states, num_symbols, emission_zipf, transition_zipf, stop, min_length, seed)
    return listed(model, length, "hmm", "num_symbols")


def label(**_: object) -> str:
    """The world in words."""
    return "hidden Markov"
