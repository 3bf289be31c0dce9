"""Random deterministic automata over an abstract alphabet, with stopping. Tier A up to a horizon."""

from typing import Annotated

import numpy as np

from sim.config import AtLeast, NonNegative
from sim.grammars._stopping import Stop, lettered, listed, refuse_states, stopping
from sim.grammars._tables import random_law
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError


def pfsa_automaton(
    num_states: int = 6,
    num_symbols: int = 4,
    arcs: int = 2,
    zipf: float = 1.0,
    stop: float = 0.3,
    min_length: int = 3,
    seed: int = 0,
) -> Automaton:
    """The automaton of `pfsa` without a horizon."""
    if arcs > num_symbols:
        raise SpecificationError(
            f"arcs: at most one per symbol, so {num_symbols} (num_symbols), is required, found {arcs}; lower it"
        )
    how = "num_states or min_length"
    refuse_states(num_states, how)
    generator = np.random.default_rng(seed)
    laws = np.stack([random_law(generator, num_symbols, arcs, zipf) for _ in range(num_states)])
    next_state = generator.integers(num_states, size=laws.shape)
    for s, law in enumerate(laws):
        next_state[s, generator.choice(np.flatnonzero(law))] = (s + 1) % num_states
    names = [f"s{s}" for s in range(num_states)]
    return stopping(lettered(num_symbols), laws, next_state, names, np.full(num_states, stop), min_length, how)


def pfsa(
    *,
    num_states: Annotated[int, AtLeast(1)] = 6,
    num_symbols: Annotated[int, AtLeast(1)] = 4,
    arcs: Annotated[int, AtLeast(1)] = 2,
    zipf: Annotated[float, NonNegative] = 1.0,
    stop: Annotated[float, Stop] = 0.3,
    min_length: Annotated[int, AtLeast(0)] = 3,
    length: Annotated[int, AtLeast(1)] = 10,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Strings "b d b a" of a random deterministic automaton with one start state, shorter than `length` L.

    After `min_length` symbols and after every later one the string ends with probability `stop`. Otherwise the state
    draws the next symbol from its own `arcs` symbols, by Zipf's law with exponent `zipf` and a random offset, in random
    order. The symbol determines the next state. Next states are uniform, but one arc of every state leads to the next
    state of a cycle through all states, so every state can be reached from every other one. `seed` determines the
    tables, on the host. L counts EOS: the language is P(. | |x| <= L - 1), renormalised exactly, and the note
    `dropped_mass` is the mass that this leaves out. `pfsa_automaton` is the automaton without a horizon. Raises
    `SpecificationError` for more arcs than symbols, for more than 1000 states or 10^6 strings, or if no string is short
    enough.
    """
    automaton = pfsa_automaton(num_states, num_symbols, arcs, zipf, stop, min_length, seed)
    return listed(automaton, length, "pfsa", "arcs")


def label(**_: object) -> str:
    """The world in words."""
    return "random automaton"
