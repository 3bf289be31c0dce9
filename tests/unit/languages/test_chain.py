"""Chains that never stop: closed forms, spanning trees, all short blocks, and changes that leave a chain as it is."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.languages.chain import Chain, stationary
from sim.languages.exact import UnavailableError
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles import numbers

ABC = Vocabulary(("<eos>", "a", "b", "c"), joiner="")
HALF = Fraction(1, 2)
ONE = Fraction(1)


def chain(rows, start=0, names=()):
    """rows[s] = {symbol: (next, p)}."""
    next_state, log_prob = np.full((len(rows), 4), -1), np.full((len(rows), 4), -np.inf)
    for s, row in enumerate(rows):
        for a, (t, p) in row.items():
            next_state[s, a], log_prob[s, a] = t, float(numbers.log(p))
    return Chain(ABC, next_state, log_prob, start, names)


def two_state(a, b):
    """Symbol a leads to state 0 and symbol b to state 1."""
    return [{1: (0, 1 - a), 2: (1, a)}, {1: (0, b), 2: (1, 1 - b)}]


def coin(p):
    return float(numbers.entropy([p, 1 - p]))


def trees(moves):
    """The stationary law of an irreducible chain, in fractions, by the Markov chain tree theorem.

    A state weighs as much as all spanning trees that lead to it, a tree being one way out of every other state.
    """
    S, weight = len(moves), []
    for root in range(S):
        total = Fraction(0)
        for ways in itertools.product(range(S), repeat=S):
            if ways[root] != root:
                continue
            ends = list(range(S))
            for _ in range(S):
                ends = [ways[s] for s in ends]
            if set(ends) == {root}:
                total += math.prod((moves[s][t] for s, t in enumerate(ways) if s != root), start=ONE)
        weight.append(total)
    return [w / sum(weight) for w in weight]


def blocks_of(rows, number, start=0):
    """{block: probability} of all blocks of `number` symbols."""
    found = {(): (start, ONE)}
    for _ in range(number):
        found = {(*x, a): (t, p * q) for x, (s, p) in found.items() for a, (t, q) in rows[s].items()}
    return {x: p for x, (_, p) in found.items()}


@st.composite
def weights(draw, sizes=(0, 1, 2, 5), max_states=4):
    """For each state a weight and a next state for each symbol; one symbol at least has a weight."""
    S, size = draw(st.integers(1, max_states)), st.sampled_from(sizes)
    rows = []
    for _ in range(S):
        row = {a: (draw(st.integers(0, S - 1)), draw(size)) for a in (1, 2, 3)}
        sure = draw(st.sampled_from((1, 2, 3)))
        rows.append({a: (t, w or int(a == sure)) for a, (t, w) in row.items()})
    return rows


def rows_of(drawn):
    totals = [sum(w for _, w in row.values()) for row in drawn]
    return [
        {a: (t, Fraction(w, total)) for a, (t, w) in row.items() if w} for row, total in zip(drawn, totals, strict=True)
    ]


# -- the stationary law -----------------------------------------------------------------------------------------------

RARE = [Fraction(1, 3), Fraction(1, 1000), Fraction(1, 10**12), Fraction(1, 10**15)]


@pytest.mark.parametrize("a", RARE)
@pytest.mark.parametrize("b", RARE)
def test_two_states_in_closed_form(a, b):
    p = chain(two_state(a, b))
    law = [float(b / (a + b)), float(a / (a + b))]
    [(share, states, found)] = p.classes
    assert share == 1
    assert sorted(states.tolist()) == [0, 1]
    assert found[np.argsort(states)] == pytest.approx(law, rel=1e-14)
    assert p.frequencies() == pytest.approx([0, *law, 0], rel=1e-14)
    assert p.entropy_rate() == pytest.approx(law[0] * coin(a) + law[1] * coin(b), rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 9), min_size=4, max_size=4), min_size=4, max_size=4), st.integers(1, 4))
def test_a_stationary_law_against_spanning_trees(drawn, size):
    moves = [[Fraction(w, sum(row[:size])) for w in row[:size]] for row in drawn[:size]]
    found = stationary(np.array([[float(p) for p in row] for row in moves]))
    assert found == pytest.approx([float(p) for p in trees(moves)], rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from([1, 3, 10**6, 10**12]), min_size=4, max_size=4), min_size=4, max_size=4))
def test_a_stationary_law_with_rare_states_keeps_its_digits(drawn):
    moves = [[Fraction(w, sum(row)) for w in row] for row in drawn]
    before = np.array([[float(p) for p in row] for row in moves])
    given_moves = before.copy()
    found = stationary(given_moves)
    assert found == pytest.approx([float(p) for p in trees(moves)], rel=1e-14, abs=0)
    assert (given_moves == before).all()


@pytest.mark.parametrize("up", [HALF, Fraction(1, 10), Fraction(1, 10**3)])
def test_a_ladder_has_a_geometric_law(up):
    """One step up with probability `up`, else one down, on five steps: pi_k goes as (up / down)^k, to 1e-12."""
    down, S = 1 - up, 5
    moves = [[up * (t == min(s + 1, S - 1)) + down * (t == max(s - 1, 0)) for t in range(S)] for s in range(S)]
    law = [(up / down) ** k for k in range(S)]
    found = stationary(np.array([[float(p) for p in row] for row in moves]))
    assert found == pytest.approx([float(w / sum(law)) for w in law], rel=1e-14, abs=0)


def test_one_state_has_all_of_the_mass():
    assert stationary(np.ones((1, 1))).tolist() == [1]


# -- entropy rates and frequencies ------------------------------------------------------------------------------------


def test_a_periodic_chain_has_means_over_its_period():
    p = chain([{1: (1, HALF), 2: (1, HALF)}, {3: (0, ONE)}])
    assert p.entropy_rate() == pytest.approx(math.log(2) / 2, rel=1e-15)
    assert p.frequencies() == pytest.approx([0, 0.25, 0.25, 0.5], abs=1e-15)
    assert p.block_entropies(5) == pytest.approx([math.log(2) * k for k in (0, 1, 1, 2, 2, 3)], abs=1e-14)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_cycle_without_a_choice_has_no_entropy(size):
    p = chain([{1 + s % 2: ((s + 1) % size, ONE)} for s in range(size)])
    assert p.entropy_rate() == 0
    assert p.block_entropies(9).tolist() == [0] * 10
    assert p.frequencies() == pytest.approx([0, (size + 1) // 2 / size, size // 2 / size, 0], abs=1e-15)


@pytest.mark.parametrize("loud", [HALF, Fraction(1, 10), Fraction(1, 10**12), 1 - Fraction(1, 10**6)])
def test_classes_count_by_the_chance_to_end_up_there(loud):
    p = chain([{1: (1, loud), 2: (2, 1 - loud)}, {1: (1, HALF), 2: (1, HALF)}, {3: (2, ONE)}])
    assert sorted(share for share, _, _ in p.classes) == pytest.approx(
        sorted([float(loud), float(1 - loud)]), rel=1e-14, abs=0
    )
    assert p.entropy_rate() == pytest.approx(float(loud) * math.log(2), rel=1e-14, abs=0)
    assert p.frequencies() == pytest.approx([0, float(loud) / 2, float(loud) / 2, float(1 - loud)], rel=1e-14)


@pytest.mark.parametrize("fair", [HALF, Fraction(1, 3), Fraction(9, 10)])
@pytest.mark.parametrize("start", [1, 2, 3])
def test_a_gambler_is_ruined_with_the_known_probability(start, fair):
    """On 0..4 a game is won with probability `fair`; the rich then toss coins for ever, the ruined say c."""
    rows = [{3: (0, ONE)}, *({1: (s + 1, fair), 2: (s - 1, 1 - fair)} for s in (1, 2, 3)), {1: (4, HALF), 2: (4, HALF)}]
    ratio = (1 - fair) / fair
    rich = Fraction(start, 4) if ratio == 1 else (1 - ratio**start) / (1 - ratio**4)
    p = chain(rows, start)
    assert p.entropy_rate() == pytest.approx(float(rich) * math.log(2), rel=1e-14)
    assert p.frequencies() == pytest.approx([0, float(rich) / 2, float(rich) / 2, float(1 - rich)], rel=1e-14)


def test_a_class_that_is_left_once_in_a_trillion_steps_is_no_class():
    rare = Fraction(1, 10**12)
    p = chain([{1: (0, 1 - 2 * rare), 2: (1, rare), 3: (2, rare)}, {1: (1, HALF), 2: (1, HALF)}, {3: (2, ONE)}])
    assert p.entropy_rate() == pytest.approx(math.log(2) / 2, rel=1e-14)
    assert p.frequencies() == pytest.approx([0, 0.25, 0.25, 0.5], rel=1e-14)


@settings(max_examples=50, deadline=None)
@given(weights(), st.data())
def test_frequencies_and_rate_against_a_long_power_of_the_lazy_chain(drawn, data):
    rows = rows_of(drawn)
    start = data.draw(st.integers(0, len(rows) - 1))
    lazy, tell = np.eye(len(rows)) / 2, np.zeros((len(rows), 4))
    for s, row in enumerate(rows):
        for a, (t, q) in row.items():
            lazy[s, t] += float(q) / 2
            tell[s, a] = float(q)
    law = np.linalg.matrix_power(lazy, 2**14)[start]
    p = chain(rows, start)
    assert p.frequencies().sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(p.frequencies(), law @ tell, atol=1e-9)
    entropies = [float(numbers.entropy(q for _, q in row.values())) for row in rows]
    assert p.entropy_rate() == pytest.approx(float(law @ entropies), abs=1e-9)
    assert sum(share for share, _, _ in p.classes) == pytest.approx(1, abs=1e-14)


# -- blocks -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(weights(), st.integers(0, 4))
def test_blocks_against_all_of_them(drawn, number):
    rows = rows_of(drawn)
    p, law = chain(rows), blocks_of(rows, number)
    entropies = [float(numbers.entropy(blocks_of(rows, n).values())) for n in range(number + 1)]
    assert p.block_entropies(number) == pytest.approx(entropies, rel=1e-13, abs=1e-15)
    q = p.blocks(number)
    assert q.entropy() == pytest.approx(entropies[-1], rel=1e-13, abs=1e-15)
    assert q.expected_length() == pytest.approx(number, rel=1e-14)
    assert q.longest == number
    assert q.support_size == len(law)
    assert q.collision() == pytest.approx(float(sum(w * w for w in law.values())), rel=1e-13)
    for x in itertools.product((1, 2, 3), repeat=number):
        expected = float(numbers.log(law.get(x, Fraction(0))))
        assert p.log_prefix(x) == pytest.approx(expected, abs=1e-13)
        assert q.log_prob(x) == pytest.approx(expected, abs=1e-13)
        assert q.log_prob([*x, 1]) == -math.inf


@settings(max_examples=40, deadline=None)
@given(weights())
def test_block_entropies_are_sums_of_conditional_entropies(drawn):
    rows = rows_of(drawn)
    p = chain(rows)
    entropies = p.block_entropies(4)
    assert entropies[0] == 0
    for n in range(4):
        conditional = 0.0
        for x, w in blocks_of(rows, n).items():
            following = np.exp(p.next_log_probs(x))
            assert following[0] == 0
            conditional -= float(w) * float(sum(q * math.log(q) for q in following[following > 0]))
        assert entropies[n + 1] - entropies[n] == pytest.approx(conditional, abs=1e-13)


@pytest.mark.parametrize(
    "rows",
    [
        two_state(Fraction(1, 10), Fraction(1, 5)),
        [{1: (1, HALF), 2: (1, HALF)}, {3: (0, ONE)}],
        [{1: (1, HALF), 2: (2, HALF)}, {1: (1, HALF), 2: (1, HALF)}, {3: (2, ONE)}],
    ],
    ids=["two-state", "periodic", "two-classes"],
)
def test_block_entropies_grow_at_the_rate(rows):
    """What they are ahead of n times the rate stays bounded."""
    p = chain(rows)
    ahead = p.block_entropies(4000) - np.arange(4001) * p.entropy_rate()
    assert np.abs(ahead).max() < 5
    assert p.block_entropies(4000)[-1] / 4000 == pytest.approx(p.entropy_rate(), abs=5 / 4000)
    assert ahead[4000] == pytest.approx(ahead[2000], abs=1e-9)


def test_blocks_of_no_symbol_are_the_empty_string():
    p = chain(two_state(HALF, HALF), names=("x", "y")).blocks(0)
    assert p.log_prob([]) == p.entropy() == 0
    assert p.support_size == 1
    assert p.state_names == ("x@0", "y@0")


def test_rare_symbols_keep_the_digits_of_block_entropies():
    """H(X_1..X_n) of independent symbols is n times that of one, however small."""
    rare = Fraction(1, 10**12)
    p = chain([{1: (0, 1 - rare), 2: (0, rare)}])
    with mpmath.workdps(50):
        one = numbers.entropy([rare, 1 - rare])
        assert p.block_entropies(9)[9] == pytest.approx(float(9 * one), rel=1e-13, abs=0)
        assert p.blocks(9).entropy() == pytest.approx(float(9 * one), rel=1e-13, abs=0)


# -- what there is not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.log_prob([1]), "probability of a string: its sequences never end.*blocks of a fixed length"),
        (lambda p: p.entropy(), "entropy: its sequences never end.*; use entropy_rate, or take blocks"),
        (lambda p: p.collision(), "collision probability: its sequences never end.*blocks of a fixed length"),
    ],
    ids=["log_prob", "entropy", "collision"],
)
def test_what_only_strings_have_is_unavailable(ask, message):
    with pytest.raises(UnavailableError, match=f"^{message}") as refusal:
        ask(chain(two_state(HALF, HALF)))
    assert "\n" not in str(refusal.value)


def test_prefixes_and_what_follows_them():
    p = chain([{1: (1, HALF), 2: (1, HALF)}, {3: (0, ONE)}])
    assert p.expected_length() == math.inf
    assert p.log_prefix([]) == 0
    assert p.log_prefix([1, 3, 2]) == pytest.approx(-2 * math.log(2), abs=1e-15)
    assert p.next_log_probs([1]).tolist() == [-math.inf, -math.inf, -math.inf, 0]
    for impossible in ([1, 1], [0], [1, 0], [7], [-1]):
        assert p.log_prefix(impossible) == -math.inf
    with pytest.raises(SpecificationError, match="prefix 'aa' has probability 0: no next token is defined"):
        p.next_log_probs([1, 1])
    p.next_log_probs([])[:] = 0
    assert p.log_prefix([3]) == -math.inf


# -- what leaves a chain as it is -------------------------------------------------------------------------------------


def quantities(p, letter):
    """Numbers of a chain; symbols are written with `letter` for each token."""
    order = [0, *(letter[a] for a in (1, 2, 3))]
    prefixes = [[letter[a] for a in x] for n in range(4) for x in itertools.product((1, 2, 3), repeat=n)]
    told = [np.exp(p.next_log_probs(x))[order] for x in prefixes if p.log_prefix(x) > -math.inf]
    near = [math.exp(p.log_prefix(x)) for x in prefixes]
    return np.concatenate([[p.entropy_rate()], p.frequencies()[order], p.block_entropies(6), near, *told])


@settings(max_examples=60, deadline=None)
@given(weights(sizes=(0, 1, 2, 10**9)), st.randoms(use_true_random=False))
def test_permuted_states_and_symbols_change_nothing(drawn, random):
    rows = rows_of(drawn)
    place = random.sample(range(len(rows)), len(rows))
    letter = dict(zip((1, 2, 3), random.sample((1, 2, 3), 3), strict=True))
    other = [{}] * len(rows)
    for s, row in enumerate(rows):
        other[place[s]] = {letter[a]: (place[t], p) for a, (t, p) in row.items()}
    one, two = quantities(chain(rows), {1: 1, 2: 2, 3: 3}), quantities(chain(other, place[0]), letter)
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-300)


@settings(max_examples=30, deadline=None)
@given(weights(max_states=3), st.data())
def test_two_copies_of_a_state_change_nothing(drawn, data):
    """Each arc into the state goes to either of its copies."""
    rows = rows_of(drawn)
    split = data.draw(st.integers(0, len(rows) - 1))
    copied = [
        {a: (len(rows) if t == split and data.draw(st.booleans()) else t, p) for a, (t, p) in row.items()}
        for row in [*rows, rows[split]]
    ]
    one, two = (quantities(chain(x), {1: 1, 2: 2, 3: 3}) for x in (rows, copied))
    np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-300)
