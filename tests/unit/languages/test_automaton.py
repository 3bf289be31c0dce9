"""Automata against oracles that share no code with them: fractions, mpmath, scipy, brute force."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import scipy.linalg
from exact_machines import Exact, machines
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.languages.absorbing import Absorbing
from sim.languages.automaton import Automaton
from sim.languages.events import Dfa, regular_expression
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles import walks


@settings(max_examples=60, deadline=None)
@given(machines())
def test_entropy_length_and_collision_against_sums_over_all_walks(exact):
    p = exact.automaton()
    assert p.entropy() == pytest.approx(float(walks.entropy(exact.walk)), rel=1e-12)
    assert p.expected_length() == pytest.approx(float(walks.expected_length(exact.walk)), rel=1e-12)
    assert p.collision() == pytest.approx(float(walks.total(exact.walk, 2)), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(machines(), st.integers(1, 6))
def test_truncation_against_brute_force(exact, length):
    p = exact.automaton()
    listed = exact.strings(length)
    mass = sum(listed.values(), Fraction(0))
    assert p.count(length) == len(listed)
    assert p.dropped_mass(length) == pytest.approx(float(1 - mass), rel=1e-12, abs=1e-300)
    if not listed:
        with pytest.raises(SpecificationError, match="length must be at least"):
            p.enumerate(length, 10**6)
        return
    assert p.log_mass_within(length) == pytest.approx(math.log(mass), abs=1e-13)
    language, dropped = p.enumerate(length, 10**6)
    assert dropped == pytest.approx(float(1 - mass), rel=1e-12, abs=1e-300)
    assert language.support_size == language.trie.num_strings == len(listed)
    assert language.length == max(map(len, listed)) + 1
    for x, q in listed.items():
        assert language.log_prob(x) == pytest.approx(math.log(q / mass), abs=1e-12)
        assert p.log_prob(x) == pytest.approx(math.log(q), abs=1e-12)
        assert p.log_prob([*x, 0, 0]) == p.log_prob(x)


@settings(max_examples=40, deadline=None)
@given(machines(acyclic=True))
def test_a_finite_machine_is_the_language_of_its_strings(exact):
    p = exact.automaton()
    assert p.longest == max(map(len, exact.strings(10)))
    assert p.support_size == len(exact.strings(10))
    language, dropped = p.enumerate(int(p.longest) + 1, 10**6)
    assert dropped == 0.0
    assert language.entropy() == pytest.approx(p.entropy(), abs=1e-12)
    assert language.expected_length() == pytest.approx(p.expected_length(), abs=1e-12)
    assert language.collision() == pytest.approx(p.collision(), abs=1e-12)
    for prefix in ((), *(x[:1] for x in exact.strings(10))):
        np.testing.assert_allclose(language.next_log_probs(prefix), p.next_log_probs(prefix), atol=1e-12)


def geometric(stop):
    return Automaton(
        Vocabulary(("<eos>", "a"), joiner=""), np.array([[-1, 0]]), np.array([[math.log(stop), math.log1p(-stop)]]), 0
    )


@pytest.mark.parametrize("stop", [Fraction(1, 2), Fraction(1, 1000), Fraction(1, 10**12), Fraction(1, 10**15)])
def test_the_geometric_language_against_its_closed_form(stop):
    p = geometric(float(stop))
    with mpmath.workdps(60):
        s = mpmath.mpf(float(stop))
        r = 1 - s
        entropy = -mpmath.log(s) - r / s * mpmath.log(r)
        series = mpmath.nsum(lambda k: -s * r**k * mpmath.log(s * r**k), [0, mpmath.inf]) if stop > 0.1 else entropy
        assert mpmath.almosteq(series, entropy, 1e-20)
        assert p.entropy() == pytest.approx(float(entropy), rel=1e-13)
        assert p.expected_length() == pytest.approx(float(r / s), rel=1e-13)
        assert p.collision() == pytest.approx(float(s / (2 - s)), rel=1e-13)
        assert p.dropped_mass(50) == pytest.approx(float(r**50), rel=1e-13)
    assert p.longest == p.support_size == math.inf
    assert p.count(50) == 50


def test_two_states_that_hardly_ever_stop_keep_every_digit():
    # a machine on which I - M is singular to 1e-13, where an LU solve keeps three digits
    stop = 1e-13
    log_prob = np.array([[-np.inf, math.log(0.7), math.log(0.3)], [math.log(stop), math.log1p(-stop), -np.inf]])
    p = Automaton(Vocabulary(("<eos>", "a", "b")), np.array([[-1, 0, 1], [-1, 0, -1]]), log_prob, 0)
    assert p.expected_length() == pytest.approx((1 / 0.3 + 1) / stop - 1, rel=1e-13)


def test_elimination_agrees_with_scipy():
    generator = np.random.default_rng(7)
    for S in (1, 2, 5, 40):
        rows = generator.dirichlet(np.ones(S + 1), size=S)
        values = generator.normal(size=S)
        expected = scipy.linalg.solve(np.eye(S) - rows[:, :S], values)
        np.testing.assert_allclose(Absorbing(rows[:, :S], rows[:, S]).solve(values), expected, rtol=1e-10, atol=1e-10)


@st.composite
def events(draw, num_symbols):
    Q = draw(st.integers(1, 4))
    table = np.array([[0] + [draw(st.integers(0, Q - 1)) for _ in range(num_symbols)] for _ in range(Q)])
    return Dfa(table, np.array([draw(st.booleans()) for _ in range(Q)]), draw(st.integers(0, Q - 1)))


@settings(max_examples=60, deadline=None)
@given(machines(acyclic=True, max_states=6, num_symbols=2), events(2))
def test_conditioning_a_finite_machine_is_masking_its_strings(exact, event):
    p = exact.automaton()
    language, _ = p.enumerate(int(p.longest) + 1, 10**6)
    mask = event.accepts(language.trie.strings)
    if not mask.any():
        with pytest.raises(SpecificationError, match=r"P\(A\) must be positive"):
            p.condition(event)
        return
    kept, log_mass = p.condition(event)
    masked, expected = language.condition(mask)
    assert log_mass == pytest.approx(expected, abs=1e-10)
    assert kept.entropy() == pytest.approx(masked.entropy(), abs=1e-10)
    assert kept.support_size == masked.support_size
    for x, log_q in zip(language.trie.strings, masked.log_p, strict=True):
        assert kept.log_prob(x) == pytest.approx(log_q, abs=1e-10)
    assert kept.kl(p) == pytest.approx(-log_mass, abs=1e-10)


@settings(max_examples=40, deadline=None)
@given(machines(max_states=3, num_symbols=2), events(2))
def test_conditioning_an_infinite_machine(exact, event):
    p = exact.automaton()
    listed = exact.strings(9)
    tokens = np.array([(*x, *[0] * (9 - len(x))) for x in listed], np.int32).reshape(-1, 9)
    inside = dict(zip(listed, event.accepts(tokens).tolist(), strict=True))
    mass = float(sum((q for x, q in listed.items() if inside[x]), Fraction(0)))
    try:
        kept, log_mass = p.condition(event)
    except SpecificationError:
        assert mass == 0
        return
    beyond = float(1 - sum(listed.values()))
    assert mass - 1e-12 <= math.exp(log_mass) <= mass + beyond + 1e-12
    try:
        _, log_rest = p.condition(event.complement())
        assert math.exp(log_mass) + math.exp(log_rest) == pytest.approx(1, abs=1e-12)
    except SpecificationError:
        assert log_mass == pytest.approx(0, abs=1e-12)
    for x, q in itertools.islice(listed.items(), 40):
        expected = math.log(q) - log_mass if inside[x] else -math.inf
        assert kept.log_prob(x) == pytest.approx(expected, abs=1e-10)
    assert kept.kl(p) == pytest.approx(-log_mass, abs=1e-9)


def test_conditioning_the_geometric_language_on_an_even_length():
    p = geometric(0.2)
    kept, log_mass = p.condition(regular_expression("(aa)*", p.vocabulary))
    assert math.exp(log_mass) == pytest.approx(0.2 / (1 - 0.8**2), abs=1e-15)
    assert kept.expected_length() == pytest.approx(2 * 0.64 / 0.36, abs=1e-12)
    assert kept.log_prob([1]) == -math.inf


def test_kl_of_two_geometric_languages():
    p, q = geometric(0.5), geometric(0.1)
    expected = math.log(0.5 / 0.1) + 1 * math.log(0.5 / 0.9)
    assert p.kl(q) == pytest.approx(expected, abs=1e-14)
    assert p.kl(p) == 0.0


@settings(max_examples=40, deadline=None)
@given(machines(acyclic=True, num_symbols=2), machines(num_symbols=2))
def test_kl_against_the_sum_over_strings(exact_p, exact_q):
    p, q = exact_p.automaton(), exact_q.automaton()
    other = exact_q.strings(5)
    listed = exact_p.strings(5)
    expected = (
        sum(float(w) * math.log(w / other[x]) for x, w in listed.items())
        if all(x in other for x in listed)
        else math.inf
    )
    assert p.kl(q) == pytest.approx(expected, abs=1e-12)


def test_enumeration_over_the_limit_states_the_size():
    p = geometric(0.5)
    with pytest.raises(SpecificationError, match=r"found 50 within length 50; .*\(20 is the largest that fits\)"):
        p.enumerate(50, 20)
    wide = Automaton(Vocabulary(("<eos>", "a", "b")), np.zeros((1, 3), int), np.log([[0.2, 0.4, 0.4]]), 0)
    with pytest.raises(SpecificationError, match=r"found about 10\^120 within length 400"):
        wide.enumerate(400, 1000)
    assert wide.count(400) == 2**400 - 1
    assert wide.enumerate(5, 31)[0].support_size == 31


def test_prefixes_that_cannot_end_in_time_are_not_followed():
    # 2^30 prefixes of 30 symbols, one string
    S = 33
    next_state = np.column_stack([np.full(S, -1), np.minimum(np.arange(S) + 1, S - 1), np.full(S, S - 2)])
    next_state[0, 1:] = [1, 32]
    log_prob = np.full((S, 3), -np.inf)
    log_prob[:, 1:] = math.log(0.5)
    next_state[1:-1, 2] = next_state[1:-1, 1]
    log_prob[-1] = [0.0, -np.inf, -np.inf]
    p = Automaton(Vocabulary(("<eos>", "a", "b")), next_state, log_prob, 0)
    language, dropped = p.enumerate(20, 10)
    assert language.support_size == 1
    assert dropped == pytest.approx(0.5, abs=1e-15)
    assert p.count(33) == 2**31 + 1


@pytest.mark.parametrize(
    ("log_prob", "next_state", "message"),
    [
        (
            np.log([[0.5, 0.4]]),
            [[0, 0]],
            "state 0: probabilities, stop included, must sum to 1 within 1e-09, found 0.9",
        ),
        (np.array([[np.nan, 0.0]]), [[0, 0]], "never nan"),
        (np.array([[-np.inf, 0.0]]), [[0, 0]], "every state must have a path to a stop, found no such path from 0"),
        (np.log([[0.5, 0.5]]), [[0, 3]], "next_state must be a state from 0 to 0"),
        (np.zeros((1, 3)), [[0, 0, 0]], r"must both be \[S, 2\]"),
        (np.array([[0.0, -800.0]]), [[0, 0]], r"at least 1e-307, found e\^-800"),
    ],
)
def test_machines_that_are_refused(log_prob, next_state, message):
    with np.errstate(divide="ignore"), pytest.raises(SpecificationError, match=message):
        Automaton(Vocabulary(("<eos>", "a")), np.array(next_state), log_prob, 0)


def test_a_prefix_off_the_support_has_no_next_token():
    p = geometric(0.5)
    assert p.log_prob([1, 7]) == -math.inf
    with pytest.raises(SpecificationError, match="has probability 0"):
        Automaton(Vocabulary(("<eos>", "a")), np.zeros((1, 2), int), np.array([[0.0, -np.inf]]), 0).next_log_probs([1])


def test_a_chance_to_stop_below_the_smallest_float_is_refused():
    # forty right guesses in a row, each of chance 1e-10, before the end
    S = 41
    next_state = np.column_stack([np.full(S, -1), np.minimum(np.arange(S) + 1, S - 1), np.zeros(S, int)])
    log_prob = np.tile([-np.inf, math.log(1e-10), math.log1p(-1e-10)], (S, 1))
    log_prob[-1] = [0.0, -np.inf, -np.inf]
    p = Automaton(Vocabulary(("<eos>", "a", "b")), next_state, log_prob, 0)
    with pytest.raises(SpecificationError, match="the chance to stop must be above 1e-308"):
        p.expected_length()
    assert p.log_prob([1] * 40) == pytest.approx(400 * math.log(0.1), rel=1e-14)


def flipping(stop, share):
    """One state that hardly ever stops, and otherwise says a or b."""
    stay = [(1 - stop) * share, (1 - stop) * (1 - share)]
    log_prob = np.array([[float(mpmath.log(p)) for p in (stop, *stay)]])
    return Automaton(Vocabulary(("<eos>", "a", "b")), np.array([[-1, 0, 0]]), log_prob, 0)


def test_a_divergence_that_grows_with_every_rare_stop_keeps_its_digits():
    # the arcs of the two differ by 1e-9 of a nat, each rounded to 1e-16, and there are 10^9 of them in a string
    with mpmath.workdps(50):
        stop, share = mpmath.mpf(10) ** -9, mpmath.mpf(3) / 10
        p, q = flipping(stop, share), flipping(2 * stop, share)
        expected = mpmath.log(mpmath.mpf(1) / 2) + (1 - stop) / stop * mpmath.log((1 - stop) / (1 - 2 * stop))
    assert p.kl(q) == pytest.approx(float(expected), rel=1e-12)


def test_a_language_of_one_string_that_is_left_has_no_entropy():
    p = geometric(0.3)
    kept, _ = p.condition(regular_expression("aaa", p.vocabulary))
    assert kept.entropy() == 0.0
    assert kept.collision() == pytest.approx(1.0, rel=1e-15)


def test_no_horizon_holds_all_of_an_infinite_language():
    # after 1100 symbols the mass beyond is 2^-1100, which a float64 holds as 0
    assert geometric(0.5).shortest_horizon(0.0) is None
    assert geometric(0.5).shortest_horizon(2.0**-1000) == 1000
    assert geometric(1e-9).shortest_horizon(1e-3) is None
    empty = Automaton(Vocabulary(("<eos>", "a")), np.full((1, 2), -1), np.array([[0.0, -np.inf]]), 0)
    assert empty.shortest_horizon(0.0) == 1
    assert empty.length_law(3).tolist() == [1.0, 0.0, 0.0]
    assert (empty.longest, empty.support_size, empty.entropy(), empty.collision()) == (0, 1, 0.0, 1.0)


# -- what leaves the language as it is --------------------------------------------------------------------------------


def quantities(p, renamed):
    """Numbers of a language over two symbols; strings are written with `renamed` for each token."""
    strings = [tuple(renamed[a] for a in x) for n in range(4) for x in itertools.product((1, 2), repeat=n)]
    order = [0, renamed[1], renamed[2]]
    told = [p.next_log_probs(x)[order] for x in strings if p.log_prefix(x) > -math.inf]
    near = [p.log_prob(x) for x in strings] + [p.log_prefix(x) for x in strings]
    whole = [p.entropy(), p.collision(), p.expected_length(), p.longest, p.dropped_mass(7), p.log_mass_within(9)]
    return np.concatenate(
        [*told, near, whole, p.length_law(9), *p.position_entropies(5), [float(n) for n in p.counts(6)]]
    )


def assert_same(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)  # infinities must be equal


SAME = {1: 1, 2: 2}


@settings(max_examples=40, deadline=None)
@given(machines(num_symbols=2))
def test_a_permuted_vocabulary_changes_nothing(exact):
    swap = {0: 0, 1: 2, 2: 1}
    other = Exact([{swap[a]: where for a, where in row.items()} for row in exact.rows], 2)
    assert_same(quantities(exact.automaton(), SAME), quantities(other.automaton(), swap))


@settings(max_examples=40, deadline=None)
@given(machines(num_symbols=2), machines(num_symbols=2), st.randoms(use_true_random=False))
def test_relabelled_states_change_nothing(exact, exact_q, random):
    p, q = exact.automaton(), exact_q.automaton()
    place = np.array(random.sample(range(len(exact.rows)), len(exact.rows)))
    back = np.argsort(place)
    table = np.where(p.arcs, place[p.next_state], -1)[back]
    other = Automaton(p.vocabulary, table, p.arc_log_prob[back], int(place[0]))
    assert_same(quantities(p, SAME), quantities(other, SAME))
    assert other.kl(p) == pytest.approx(0.0, abs=1e-14)
    assert_same(p.kl(q), other.kl(q))
    assert_same(q.kl(p), q.kl(other))
    assert_same(p.square_hellinger(q), other.square_hellinger(q))


@settings(max_examples=40, deadline=None)
@given(machines(num_symbols=2), machines(num_symbols=2), st.data())
def test_copies_of_a_state_and_states_that_nothing_leads_to_change_nothing(exact, exact_q, data):
    S = len(exact.rows)
    split = data.draw(st.integers(0, S - 1))
    lost = {0: (-1, Fraction(1, 3)), 1: (0, Fraction(1, 3)), 2: (S, Fraction(1, 3))}
    rows = [
        {a: (S if t == split and data.draw(st.booleans()) else t, w) for a, (t, w) in row.items()}
        for row in [*exact.rows, exact.rows[split]]
    ]
    p, other, q = exact.automaton(), Exact([*rows, lost], 2).automaton(), exact_q.automaton()
    assert_same(quantities(p, SAME), quantities(other, SAME))
    assert p.kl(other) == pytest.approx(0.0, abs=1e-14)
    assert_same(q.kl(p), q.kl(other))
    pattern = regular_expression("(a|bb)*", p.vocabulary)
    try:
        kept, log_mass = p.condition(pattern)
    except SpecificationError:
        with pytest.raises(SpecificationError, match=r"P\(A\) must be positive"):
            other.condition(pattern)
        return
    same, log_same = other.condition(pattern)
    assert log_same == pytest.approx(log_mass, abs=1e-13)
    assert_same(quantities(kept, SAME), quantities(same, SAME))


def test_languages_over_other_symbols_have_no_divergence():
    other = Automaton(Vocabulary(("<eos>", "b")), np.zeros((1, 2), int), np.log([[0.5, 0.5]]), 0)
    for measure in (geometric(0.5).kl, geometric(0.5).square_hellinger):
        with pytest.raises(SpecificationError, match="two languages with the same vocabulary are required"):
            measure(other)
