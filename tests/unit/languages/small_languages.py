"""Random languages of a handful of strings, as fractions and as the objects under test."""

from collections.abc import Mapping
from fractions import Fraction

import mpmath
import numpy as np
from hypothesis import strategies as st

from sim.languages.automaton import Automaton
from sim.languages.events import Dfa
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.hidden import HiddenAutomaton
from sim.languages.vocabulary import Vocabulary
from sim.selftest.oracles import lists, numbers
from sim.selftest.oracles.lists import Law, Symbols

PLAIN = Vocabulary(("<eos>", "a", "b", "c"))
BAR = 3
PROMPTED = Vocabulary(("<eos>", "a", "b", "|"), prompt_end=BAR)


def log(value: Fraction) -> float:
    return float(numbers.log(value))


def entropy(law: Law) -> mpmath.mpf:
    """-sum p log p with 50 digits."""
    return numbers.entropy(law.values())


def normalised(weights: Mapping[Symbols, int]) -> Law:
    """Not the oracle's: within a strategy no code may run whose types are checked, since that draws random numbers."""
    total = sum(weights.values())
    return {x: Fraction(weight, total) for x, weight in weights.items()}


def table(law: Law, length: int | None = None) -> np.ndarray:
    """Strings as int32[N, L], in the law's own order."""
    out = np.zeros((len(law), length or max(map(len, law)) + 1), np.int32)
    for row, symbols in enumerate(law):
        out[row, : len(symbols)] = symbols
    return out


def spoken(
    law: Law, vocabulary: Vocabulary = PLAIN, length: int | None = None, styles: Styles | None = None
) -> FiniteLanguage:
    return FiniteLanguage.from_strings(vocabulary, table(law, length), np.array([log(p) for p in law.values()]), styles)


def symbols_of(language: FiniteLanguage) -> list[Symbols]:
    """The strings in the order of the trie."""
    rows = zip(language.trie.strings, language.trie.lengths, strict=True)
    return [tuple(int(token) for token in row[: size - 1]) for row, size in rows]


def prompt_of(symbols: Symbols) -> Symbols:
    return lists.prompt_of(symbols, BAR)


def weights(keys: st.SearchStrategy[Symbols], max_size: int) -> st.SearchStrategy[dict[Symbols, int]]:
    """Some strings with integer weights, of which the first is positive; others may be zero."""
    return st.dictionaries(keys, st.integers(0, 20), min_size=1, max_size=max_size).map(
        lambda drawn: drawn | {next(iter(drawn)): next(iter(drawn.values())) + 1}
    )


def plain_laws(max_size: int = 12) -> st.SearchStrategy[Law]:
    """Strings of up to four of three symbols, the empty one included."""
    return weights(st.lists(st.integers(1, 3), max_size=4).map(tuple), max_size).map(normalised)


def prompted_laws(max_size: int = 12) -> st.SearchStrategy[Law]:
    """Documents with one of three prompts; answers may be empty or hold the closing symbol once more."""
    prompts = st.sampled_from([(1, BAR), (2, BAR), (2, 1, BAR), (BAR,)])
    answers = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    return weights(st.builds(lambda x, y: x + y, prompts, answers), max_size).map(normalised)


def intersection(first: Dfa, second: Dfa) -> Dfa:
    """The strings in both events. The number of states is the product of the two numbers."""
    Q = len(second.accept)
    paired = first.next_state[:, None, :] * Q + second.next_state[None, :, :]
    accept = (first.accept[:, None] & second.accept[None, :]).reshape(-1)
    return Dfa(paired.reshape(len(accept), -1), accept, first.start * Q + second.start)


def loop(stays: float) -> Automaton:
    """a^n with probability stays^n (1 - stays)."""
    with np.errstate(divide="ignore"):
        return Automaton(PLAIN, np.array([[-1, 0, -1, -1]]), np.log([[1 - stays, stays, 0, 0]]), 0)


def hidden(stays: float) -> HiddenAutomaton:
    """The same as a hidden automaton of two equal states."""
    transitions = np.zeros((4, 2, 2))
    transitions[1] = stays / 2
    return HiddenAutomaton(PLAIN, np.full(2, 0.5), transitions, np.full(2, 1 - stays))
