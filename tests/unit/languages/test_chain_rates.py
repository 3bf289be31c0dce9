"""KL rates and the excess entropy of chains that never stop: closed forms, long blocks, periods and classes."""

import math

import numpy as np
import pytest

from sim.languages.chain import Chain
from sim.languages.chain_rates import excess_entropy, kl_rate
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

AB = Vocabulary(("<eos>", "a", "b"))


def chain(rows: list[dict[int, tuple[int, float]]], start: int = 0) -> Chain:
    """rows[s] = {token: (next state, p)}."""
    table, log_prob = np.full((len(rows), 3), -1), np.full((len(rows), 3), -np.inf)
    for s, row in enumerate(rows):
        for a, (t, p) in row.items():
            table[s, a], log_prob[s, a] = t, math.log(p)
    return Chain(AB, table, log_prob, start)


def markov(stay_a: float, stay_b: float) -> Chain:
    """The state is the last symbol."""
    return chain([{1: (0, stay_a), 2: (1, 1 - stay_a)}, {1: (0, 1 - stay_b), 2: (1, stay_b)}])


def coin(p: float) -> Chain:
    return chain([{1: (0, p), 2: (0, 1 - p)}])


def h(*law: float) -> float:
    return -sum(p * math.log(p) for p in law if p)


def kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def test_the_kl_rate_is_the_stationary_mean() -> None:
    p, q = markov(0.75, 0.9), markov(0.5, 0.6)
    assert kl_rate(p, q) == pytest.approx(2 / 7 * kl(0.75, 0.5) + 5 / 7 * kl(0.9, 0.6), rel=1e-14)
    assert kl_rate(q, p) == pytest.approx(4 / 9 * kl(0.5, 0.75) + 5 / 9 * kl(0.6, 0.9), rel=1e-14)
    assert kl_rate(p, p) == 0.0


def test_the_kl_rate_is_the_growth_of_the_kl_of_blocks() -> None:
    """Blocks are automata, and their KL comes from another function."""
    p, q = markov(0.75, 0.9), coin(0.3)
    growth = p.blocks(61).kl(q.blocks(61)) - p.blocks(60).kl(q.blocks(60))
    assert kl_rate(p, q) == pytest.approx(growth, rel=1e-9)


def test_the_kl_rate_is_infinite_if_a_symbol_is_lacking() -> None:
    assert kl_rate(coin(0.5), chain([{1: (0, 1.0)}])) == math.inf
    assert kl_rate(chain([{1: (0, 1.0)}]), coin(0.5)) == pytest.approx(math.log(2), rel=1e-15)
    passing = chain([{1: (1, 0.5), 2: (1, 0.5)}, {1: (1, 1.0)}])  # only its first symbol may be b
    assert kl_rate(passing, chain([{1: (0, 1.0)}])) == math.inf


def test_other_symbols_are_refused() -> None:
    other = Chain(Vocabulary(("<eos>", "a", "c")), np.array([[-1, 0, 0]]), np.log([[1e-300, 0.5, 0.5]]), 0)
    with pytest.raises(SpecificationError, match="two chains with the same vocabulary are required"):
        kl_rate(coin(0.5), other)


def test_the_excess_entropy_of_a_markov_chain() -> None:
    """E = H(X_1) - h for order 1, in the stationary law, wherever the chain starts."""
    pi, rate = (2 / 7, 5 / 7), 2 / 7 * h(0.75, 0.25) + 5 / 7 * h(0.1, 0.9)
    assert excess_entropy(markov(0.75, 0.9)).value == pytest.approx(h(*pi) - rate, rel=1e-13)


def test_independent_symbols_have_none() -> None:
    assert excess_entropy(coin(0.3)).value == 0.0
    twice = chain([{1: (1, 0.3), 2: (0, 0.7)}, {1: (0, 0.3), 2: (1, 0.7)}])  # two states of equal futures
    assert excess_entropy(twice).value == 0.0


def test_a_period_is_information() -> None:
    """abab... has E = log 2: the past tells the phase. It is not 0, although the chain starts in a known phase."""
    assert excess_entropy(chain([{1: (1, 1.0)}, {2: (0, 1.0)}])).value == pytest.approx(math.log(2), rel=1e-15)


def test_several_classes_are_averaged() -> None:
    """With probability 1/4 the chain ends in abab..., else in aaa..."""
    rows = [{1: (3, 0.75), 2: (1, 0.25)}, {1: (2, 1.0)}, {2: (1, 1.0)}, {1: (3, 1.0)}]
    assert excess_entropy(chain(rows)).value == pytest.approx(math.log(2) / 4, rel=1e-15)


def test_states_that_words_never_determine_give_bounds_or_a_limit() -> None:
    """The even process (Weiss): a loops in state 0; b b leads from it to itself. E is known in closed form.

    Runs of a's leave both states possible only in state 0; runs of b's leave two states for ever. E = H(S) here,
    because the future also determines the state: E = h(2/3, 1/3).
    """
    even = chain([{1: (0, 0.5), 2: (1, 0.5)}, {2: (0, 1.0)}])
    assert excess_entropy(even).value == pytest.approx(h(2 / 3, 1 / 3), rel=1e-12)
    swapped = chain([{1: (0, 0.3), 2: (1, 0.7)}, {1: (1, 0.3 + 1e-6), 2: (0, 0.7 - 1e-6)}])
    found = excess_entropy(swapped)  # both states are nearly alike, so that no word of 200 symbols tells them apart
    assert not found.exact
    assert 0.0 <= found.lower < 1e-9 < found.upper <= math.log(2) * (1 + 1e-12)
