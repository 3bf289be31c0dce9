"""Markov chains of any order over an abstract alphabet, with random tables and stopping. Tier A up to a horizon."""

from itertools import product
from typing import Annotated

import numpy as np

from sim.config import AtLeast, HalfOpenFraction, NonNegative
from sim.grammars._stopping import Stop, lettered, listed, num_words, refuse_states, stopping
from sim.grammars._tables import random_law
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError


def ngram_automaton(
    num_symbols: int = 4,
    order: int = 2,
    zeros: float = 0.25,
    zipf: float = 1.0,
    stop: float = 0.4,
    min_length: int = 3,
    seed: int = 0,
) -> Automaton:
    """The chain of `ngram` without a horizon. The states of the automaton are the last `order` symbols.

    It starts in the empty context and passes through the shorter ones, so that the entropy of the first symbols counts.
    """
    how = "order, num_symbols or min_length"
    refuse_states(num_words(num_symbols, order), how)
    possible = num_symbols - round(zeros * num_symbols)
    if possible < 1:
        raise SpecificationError(
            f"zeros: at least one symbol must stay possible after every context, found {zeros} of {num_symbols} "
            "forbidden; lower it"
        )
    generator = np.random.default_rng(seed)
    contexts = [context for n in range(order + 1) for context in product(range(num_symbols), repeat=n)]
    laws = np.stack([random_law(generator, num_symbols, possible, zipf) for _ in contexts])
    number = {context: s for s, context in enumerate(contexts)}
    longer = [[(*context, a) for a in range(num_symbols)] for context in contexts]
    next_state = np.array([[number[tail[max(len(tail) - order, 0) :]] for tail in row] for row in longer])
    vocabulary = lettered(num_symbols)
    names = ["after " + " ".join(vocabulary.symbols[a + 1] for a in context) for context in contexts]
    stops = np.full(len(contexts), stop)
    return stopping(vocabulary, laws, next_state, ["the start", *names[1:]], stops, min_length, how)


def ngram(
    *,
    num_symbols: Annotated[int, AtLeast(1)] = 4,
    order: Annotated[int, AtLeast(0)] = 2,
    zeros: Annotated[float, HalfOpenFraction] = 0.25,
    zipf: Annotated[float, NonNegative] = 1.0,
    stop: Annotated[float, Stop] = 0.4,
    min_length: Annotated[int, AtLeast(0)] = 3,
    length: Annotated[int, AtLeast(1)] = 7,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Strings "c a a d b" of a Markov chain of order `order` (0: independent symbols), shorter than `length` L.

    After `min_length` symbols and after every later one the string ends with probability `stop`. Otherwise the next
    symbol is drawn given the last `order` symbols, or given all symbols if there are fewer. Every such law forbids
    round(zeros K) of the K = `num_symbols` symbols, drawn at random. Over the others it is Zipf's law with exponent
    `zipf` and a random offset, in random order. `seed` determines the table, on the host. L counts EOS: the language is
    P(. | |x| <= L - 1), renormalised exactly, and the note `dropped_mass` is the mass that this leaves out.
    `ngram_automaton` is the chain without a horizon. Raises `SpecificationError` if zeros leave no symbol, for more
    than 1000 states or 10^6 strings, or if no string is short enough.
    """
    chain = ngram_automaton(num_symbols, order, zeros, zipf, stop, min_length, seed)
    return listed(chain, length, "ngram", "num_symbols")


def label(*, order: int = 1, **_: object) -> str:
    """The world in words."""
    return "Markov chain" if order == 1 else f"Markov chain of order {order}"
