"""Hidden chains that never stop, against sums over all paths with fractions."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest

from sim.languages import hidden_chain
from sim.languages.chain import Chain
from sim.languages.exact import UnavailableError
from sim.languages.hidden_chain import HiddenChain
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles.numbers import entropy

AB = Vocabulary(("<eos>", "a", "b"), joiner="")


def law(rng, size, sparse=0.3):
    weights = [0 if rng.random() < sparse else rng.randint(1, 9) for _ in range(size)]
    weights[rng.randrange(size)] = 5
    return [Fraction(weight, sum(weights)) for weight in weights]


def drawn(seed, states=3):
    """A start and arcs {(s, symbol, t): p} of a random machine; every state is reachable from every other."""
    rng = random.Random(seed)
    arcs = {}
    for s in range(states):
        p = law(rng, 2 * states)
        share = Fraction(1, 10)
        for (a, t), weight in zip(itertools.product((1, 2), range(states)), p, strict=True):
            arcs[s, a, t] = weight * (1 - share)
        arcs[s, 1, (s + 1) % states] += share
    return law(rng, states), arcs


def as_chain(start, arcs):
    S = len(start)
    transitions = np.zeros((3, S, S))
    for (s, a, t), p in arcs.items():
        transitions[a, s, t] = float(p)
    return HiddenChain(AB, np.array([float(p) for p in start]), transitions)


def blocks(start, arcs, number):
    """{block of `number` symbols: probability}, by the sum over all paths of states."""
    found = {}
    for x in itertools.product((1, 2), repeat=number):
        total = Fraction(0)
        for path in itertools.product(range(len(start)), repeat=number + 1):
            p = start[path[0]]
            for s, a, t in zip(path, x, path[1:], strict=False):
                p *= arcs[s, a, t]
            total += p
        if total:
            found[x] = total
    return found


def stationary(arcs, states):
    """The stationary law by Cramer's rule for three states, or two: the cofactors of I - M."""
    M = [[sum(arcs[s, a, t] for a in (1, 2)) for t in range(states)] for s in range(states)]
    A = [[(s == t) - M[s][t] for t in range(states)] for s in range(states)]

    def minor(k):
        rest = [n for n in range(states) if n != k]
        if states == 2:
            return A[rest[0]][rest[0]]
        (i, j) = rest
        return A[i][i] * A[j][j] - A[i][j] * A[j][i]

    weights = [minor(k) for k in range(states)]
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("seed", range(6))
def test_blocks_and_their_entropies(seed):
    start, arcs = drawn(seed)
    chain = as_chain(start, arcs)
    known = [blocks(start, arcs, n) for n in range(5)]
    np.testing.assert_allclose(
        chain.block_entropies(4), [float(entropy(block.values())) for block in known], rtol=1e-12, atol=1e-12
    )
    strings = chain.blocks(4)
    assert strings.support_size == len(known[4])
    for x, p in known[4].items():
        assert math.exp(chain.log_prefix(x)) == pytest.approx(float(p), rel=1e-12)
        assert math.exp(strings.log_prob(x)) == pytest.approx(float(p), rel=1e-12)
    for x in itertools.product((1, 2), repeat=3):
        if x in known[3]:
            law = [float(known[4].get((*x, a), Fraction(0)) / known[3][x]) for a in (1, 2)]
            np.testing.assert_allclose(np.exp(chain.next_log_probs(x)), [0, *law], rtol=1e-12)
        else:
            assert chain.log_prefix(x) == -math.inf


@pytest.mark.parametrize("seed", range(6))
def test_the_bounds_of_the_entropy_rate(seed, monkeypatch):
    """Both bounds by hand for blocks of three symbols; longer blocks lie inside, and the rate of longer ones too."""
    _, arcs = drawn(seed, states=2)
    pi = stationary(arcs, 2)
    chain = as_chain([Fraction(1), Fraction(0)], arcs)
    monkeypatch.setattr(hidden_chain, "LONGEST_BLOCK", 3)
    found = chain.rate()

    def of(start, number):
        return entropy(blocks(start, arcs, number).values())

    ends = [[Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]]
    lower = sum(float(p) * float(of(one, 3) - of(one, 2)) for p, one in zip(pi, ends, strict=True))
    assert found.lower == pytest.approx(lower, abs=1e-12)
    assert found.upper == pytest.approx(float(of(pi, 3) - of(pi, 2)), abs=1e-12)
    monkeypatch.setattr(hidden_chain, "LONGEST_BLOCK", 11)
    longer = chain.rate()
    assert found.lower - 1e-12 <= longer.lower <= longer.upper <= found.upper + 1e-12
    monkeypatch.setattr(hidden_chain, "LONGEST_BLOCK", 100)
    assert longer.lower - 1e-12 <= chain.rate().lower <= chain.rate().upper <= longer.upper + 1e-12
    emits = [sum(pi[s] * arcs[s, a, t] for s in range(2) for t in range(2)) for a in (1, 2)]
    np.testing.assert_allclose(chain.frequencies(), [0, *map(float, emits)], rtol=1e-12)


def test_a_chain_that_shows_its_states_has_the_rate_of_its_deterministic_form():
    moves = np.array([[0.75, 0.25], [0.1, 0.9]])
    transitions = np.zeros((3, 2, 2))
    transitions[1, :, 0], transitions[2, :, 1] = moves[:, 0], moves[:, 1]
    hidden = HiddenChain(AB, np.array([1.0, 0.0]), transitions)
    with np.errstate(divide="ignore"):
        shown = Chain(AB, np.array([[-1, 0, 1]] * 2), np.log(np.column_stack([np.zeros(2), moves])), 0)
    rate = hidden.rate()
    assert rate.lower - 1e-14 <= shown.entropy_rate() <= rate.upper + 1e-14
    assert rate.width < 1e-12
    np.testing.assert_allclose(hidden.block_entropies(6), shown.block_entropies(6), atol=1e-14)


def test_several_classes_are_averaged():
    """From state 0 one third of the sequences become fair tosses, and two thirds become constant."""
    transitions = np.zeros((3, 3, 3))
    transitions[1, 0] = [0, 1 / 3, 2 / 3]
    transitions[1:, 1, 1] = 0.5
    transitions[2, 2, 2] = 1.0
    chain = HiddenChain(AB, np.array([1.0, 0, 0]), transitions)
    rate = chain.rate()
    assert rate.lower == pytest.approx(math.log(2) / 3, rel=1e-14)
    assert rate.upper == pytest.approx(math.log(2) / 3, rel=1e-14)
    np.testing.assert_allclose(chain.frequencies(), [0, 1 / 6, 5 / 6])


def test_what_is_limited_says_so(monkeypatch):
    chain = as_chain(*drawn(1))
    monkeypatch.setattr(hidden_chain, "MAX_BLOCKS", 10)
    assert len(chain.block_entropies(9)) == 4, "2^3 blocks, but not 2^4"
    monkeypatch.setattr(hidden_chain, "MAX_ENTRIES", 100)
    with pytest.raises(UnavailableError, match="blocks: 9 symbols of 3 states need more than 100 transitions; lower"):
        chain.blocks(9)


def test_there_are_no_strings():
    chain = as_chain(*drawn(2))
    assert chain.expected_length() == math.inf
    for ask in (chain.entropy, chain.collision, lambda: chain.log_prob([1])):
        with pytest.raises(UnavailableError, match="its sequences never end"):
            ask()
    assert chain.log_prefix([1, 0]) == chain.log_prefix([3]) == -math.inf
    with pytest.raises(SpecificationError, match="has probability 0"):
        chain.next_log_probs([0])
    assert chain.blocks(0).log_prob([]) == 0.0


@pytest.mark.parametrize(
    ("initial", "change", "message"),
    [
        ([1.0], None, r"initial \[S\] and transitions \[3, S, S\] are required"),
        ([0.5, 0.4], None, "initial: probabilities must sum to 1 within 1e-09, found 0.9"),
        ([1.0, 0.0], (1, 0, 0, 0.9), "state 'calm': probabilities must sum to 1"),
        ([1.0, 0.0], (1, 0, 0, math.nan), "probabilities of at least 0 are required"),
        ([1.0, 0.0], (0, 0, 0, 0.5), "none of EOS as a symbol"),
    ],
)
def test_arrays_that_are_refused(initial, change, message):
    transitions = np.zeros((3, 2, 2))
    transitions[1:] = 0.25
    if change is not None:
        transitions[change[:3]] = change[3]
    with pytest.raises(SpecificationError, match=message):
        HiddenChain(AB, np.array(initial), transitions, ("calm", "wild")[: len(initial)])
