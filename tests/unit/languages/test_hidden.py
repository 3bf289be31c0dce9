"""Hidden automata in closed form, against sums over walks, under changes that leave the language, and refused input."""

import itertools
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from exact_machines import machines as deterministic_machines
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.languages.automaton import Automaton
from sim.languages.events import regular_expression
from sim.languages.exact import UnavailableError
from sim.languages.hidden import HiddenAutomaton
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError
from sim.selftest.oracles import machines, numbers, walks
from sim.selftest.oracles.machines import Walk

AB = Vocabulary(("<eos>", "a", "b"), joiner="")
SHORT = [x for n in range(5) for x in itertools.product((1, 2), repeat=n)]
HALF = Fraction(1, 2)
STOPS = [Fraction(1, 2), Fraction(1, 1000), Fraction(1, 10**9), Fraction(1, 10**12)]


def hidden(walk, names=()):
    transitions = np.zeros((3, walk.size, walk.size))
    for s, a, t, p in walk.arcs:
        transitions[a, s, t] = float(p)
    first, stops = (np.array([float(p) for p in law]) for law in (walk.first, walk.stops))
    return HiddenAutomaton(AB, first, transitions, stops, names)


def twins(stop, crossing=Fraction(0)):
    """Two states with the same laws of what comes next, which are changed for each other with a symbol or kept."""
    go = 1 - stop
    arcs = [(s, 1, t, go * (1 - crossing if s == t else crossing)) for s in (0, 1) for t in (0, 1)]
    return Walk((HALF, HALF), tuple(arc for arc in arcs if arc[3]), (stop, stop))


def guessed_end(stop):
    """a^n for n > 0: every a but the last stays, so that one path says each string and no prefix tells the state."""
    return Walk((Fraction(1), Fraction(0)), ((0, 1, 0, 1 - stop), (0, 1, 1, stop)), (Fraction(0), Fraction(1)))


def geometric_entropy(stop):
    with mpmath.workdps(50):
        s = numbers.real(stop)
        return float(-mpmath.log(s) - (1 - s) / s * mpmath.log1p(-s))


@st.composite
def weights(draw, acyclic=False, sizes=(0, 0, 1, 1, 2, 5), max_states=4):
    """Integer weights of the first states, of arcs by state, and of stops; what cannot stop is made to."""
    S = draw(st.integers(1, max_states))
    size = st.sampled_from(sizes)
    first = [1 + draw(size), *(draw(size) for _ in range(S - 1))]
    arcs = [{(a, t): draw(size) for a in (1, 2) for t in range(s + 1 if acyclic else 0, S)} for s in range(S)]
    return first, arcs, [draw(size) or 1 if s == S - 1 or draw(st.booleans()) else 0 for s in range(S)]


def walk_of(drawn):
    first, arcs, stops = drawn
    useful = {s for s, w in enumerate(stops) if w}
    for _ in stops:
        useful |= {s for s, row in enumerate(arcs) if any(w and t in useful for (_, t), w in row.items())}
    stops = [w if s in useful else 1 for s, w in enumerate(stops)]
    totals = [w + sum(row.values()) for w, row in zip(stops, arcs, strict=True)]
    found = [(s, a, t, Fraction(w, totals[s])) for s, row in enumerate(arcs) for (a, t), w in row.items() if w]
    start = tuple(Fraction(w, sum(first)) for w in first)
    return Walk(start, tuple(found), tuple(Fraction(w, total) for w, total in zip(stops, totals, strict=True)))


def exactly(walk, x):
    return machines.ending(walk, machines.forward(walk, x))


def law_of(walk):
    """{string: probability} of a walk without cycles."""
    found = {}
    for x, p in machines.paths(walk, walk.size + 1):
        found[x] = found.get(x, Fraction(0)) + p
    return found


# -- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crossing", [Fraction(0), Fraction(1, 2), Fraction(1, 7)])
@pytest.mark.parametrize("stop", STOPS)
def test_two_states_that_emit_the_same_symbols_are_one(stop, crossing):
    p, s = hidden(twins(stop, crossing)), float(stop)
    assert not p.unambiguous
    assert p.expected_length() == pytest.approx(float((1 - stop) / stop), rel=1e-14)
    assert p.collision() == pytest.approx(float(stop / (2 - stop)), rel=1e-14)
    assert p.log_prob([1] * 30) == pytest.approx(30 * math.log1p(-s) + math.log(s), rel=1e-13)
    assert p.log_prefix([1] * 30) == pytest.approx(30 * math.log1p(-s), rel=1e-12, abs=1e-14)
    assert p.log_mass_within(50) == pytest.approx(math.log(-math.expm1(50 * math.log1p(-s))), rel=1e-13)
    assert p.counts(4) == [1, 1, 1, 1]
    bounds = p.entropy_bounds()
    assert bounds.lower == pytest.approx(geometric_entropy(stop), rel=1e-13)
    start = math.log(2) + float(numbers.entropy([crossing, 1 - crossing]) * numbers.real((1 - stop) / stop))
    assert bounds.upper == p.path_entropy() == pytest.approx(geometric_entropy(stop) + start, rel=1e-13)
    with pytest.raises(UnavailableError, match=r"^entropy: strings have several paths.*entropy_bounds.*length"):
        p.entropy()


@pytest.mark.parametrize("stop", STOPS)
def test_an_end_that_must_be_guessed_leaves_the_entropy_exact(stop):
    p = hidden(guessed_end(stop))
    assert p.unambiguous
    assert p.entropy() == p.path_entropy() == p.entropy_bounds().upper
    assert p.entropy() == pytest.approx(geometric_entropy(stop), rel=1e-13)
    assert p.entropy_bounds().lower == pytest.approx(0, abs=1e-15)
    assert p.expected_length() == pytest.approx(float(1 / stop), rel=1e-14)
    assert p.collision() == pytest.approx(float(stop / (2 - stop)), rel=1e-14)
    assert p.log_prob([]) == -math.inf
    assert np.exp(p.next_log_probs([1]))[:2] == pytest.approx([float(stop), float(1 - stop)], rel=1e-14)


def test_a_hidden_markov_model_that_emits_from_its_states():
    """Two coins, of which one says only a; the next is taken with probability 1/4, and 1/10 stops."""
    emits, stays, stop = {0: {1: Fraction(1)}, 1: {1: HALF, 2: HALF}}, Fraction(3, 4), Fraction(1, 10)
    arcs = [
        (s, a, t, (1 - stop) * q * (stays if s == t else 1 - stays))
        for s, law in emits.items()
        for a, q in law.items()
        for t in (0, 1)
    ]
    p = hidden(Walk((Fraction(1), Fraction(0)), tuple(arcs), (stop, stop)))
    assert p.expected_length() == pytest.approx(9, rel=1e-14)
    assert p.log_prob([2]) == -math.inf
    assert p.log_prob([1, 2]) == pytest.approx(math.log(0.9**2 * 0.25 * 0.5 * 0.1), abs=1e-14)
    assert np.exp(p.next_log_probs([1])) == pytest.approx([0.1, 0.9 * (0.75 + 0.125), 0.9 * 0.125], abs=1e-14)


def test_nothing_but_the_empty_string():
    p = hidden(Walk((Fraction(1),), (), (Fraction(1),)))
    assert p.unambiguous
    assert p.entropy() == p.expected_length() == p.longest == p.dropped_mass(1) == 0
    assert p.collision() == p.support_size == p.count(9) == p.shortest_horizon(0.0) == 1
    assert p.count(0) == 0
    assert p.log_prob([]) == p.log_prob([0]) == 0
    assert p.log_prob([1]) == -math.inf
    assert p.next_log_probs([]).tolist() == [0, -math.inf, -math.inf]
    assert p.enumerate(1, 1)[0].support_size == 1
    with pytest.raises(SpecificationError, match="prefix 'a' has probability 0"):
        p.next_log_probs([1])


def test_one_string_by_two_paths_has_bounds_only():
    p = hidden(Walk((HALF, HALF), (), (Fraction(1), Fraction(1))))
    assert not p.unambiguous
    assert (p.entropy_bounds().lower, p.entropy_bounds().upper) == pytest.approx((0, math.log(2)), abs=1e-15)
    assert p.collision() == 1
    assert p.support_size == 1


def test_two_paths_that_cannot_both_stop_are_no_ambiguity():
    """After a, one state wants an a and the other a b."""
    one, none = Fraction(1), Fraction(0)
    arcs = ((0, 1, 1, HALF), (0, 1, 2, HALF), (1, 1, 3, one), (2, 2, 3, one))
    walk = Walk((one, none, none, none), arcs, (none, none, none, one))
    p = hidden(walk)
    assert p.unambiguous
    assert p.entropy() == pytest.approx(math.log(2), rel=1e-15)
    assert p.support_size == 2


# -- against fractions ------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(deterministic_machines(num_symbols=2))
def test_a_deterministic_machine_is_the_automaton_in_every_quantity(exact):
    q = exact.automaton()
    transitions = np.zeros((3, len(exact.rows), len(exact.rows)))
    stops = np.zeros(len(exact.rows))
    for s, row in enumerate(exact.rows):
        for a, (t, w) in row.items():
            if a:
                transitions[a, s, t] = float(w)
            else:
                stops[s] = float(w)
    p = HiddenAutomaton(AB, np.eye(len(stops))[0], transitions, stops)
    assert p.unambiguous
    assert p.entropy_bounds().lower == pytest.approx(q.entropy(), rel=1e-12, abs=1e-14)
    for name in ("entropy", "collision", "expected_length"):
        assert getattr(p, name)() == pytest.approx(getattr(q, name)(), rel=1e-12, abs=1e-14)
    assert p.path_entropy() == p.entropy()
    assert (p.longest, p.support_size, p.counts(7)) == (q.longest, q.support_size, q.counts(7))
    assert p.shortest_horizon(0.12345) == q.shortest_horizon(0.12345)
    np.testing.assert_allclose(p.length_law(9), q.length_law(9), rtol=1e-13)
    assert p.dropped_mass(6) == pytest.approx(q.dropped_mass(6), rel=1e-12)
    assert p.log_mass_within(6) == pytest.approx(q.log_mass_within(6), abs=1e-13)
    for x in SHORT:
        assert p.log_prob(x) == pytest.approx(q.log_prob(x), abs=1e-13)
        assert p.log_prefix(x) == pytest.approx(q.log_prefix(x), abs=1e-13)
        if q.log_prefix(x) > -math.inf:
            np.testing.assert_allclose(p.next_log_probs(x), q.next_log_probs(x), atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(weights(acyclic=True))
def test_a_finite_language_against_all_of_its_paths(drawn):
    walk = walk_of(drawn)
    p, law = hidden(walk), law_of(walk)
    entropy = float(numbers.entropy(law.values()))
    bounds = p.entropy_bounds()
    assert bounds.lower - 1e-13 <= entropy <= bounds.upper + 1e-13
    assert p.unambiguous == (len(law) == sum(1 for _ in machines.paths(walk, walk.size + 1)))
    if p.unambiguous:
        assert p.entropy() == pytest.approx(entropy, rel=1e-12, abs=1e-14)
    else:
        with pytest.raises(UnavailableError, match="several paths"):
            p.entropy()
    assert p.collision() == pytest.approx(float(sum(q * q for q in law.values())), rel=1e-13)
    assert p.expected_length() == pytest.approx(float(sum(len(x) * q for x, q in law.items())), rel=1e-13)
    assert p.longest == max(map(len, law))
    assert p.support_size == len(law)
    language, dropped = p.enumerate(walk.size, 10**4)
    assert dropped == 0
    assert language.entropy() == pytest.approx(entropy, abs=1e-13)
    for x, q in law.items():
        assert p.log_prob(x) == pytest.approx(math.log(q), abs=1e-13)
        assert language.log_prob(x) == pytest.approx(math.log(q), abs=1e-13)


@settings(max_examples=40, deadline=None)
@given(weights())
def test_an_infinite_language_against_sums_over_its_walks(drawn):
    walk = walk_of(drawn)
    p = hidden(walk)
    assert p.unambiguous != machines.ambiguous(walk, 2)
    assert p.path_entropy() == pytest.approx(float(walks.entropy(walk)), rel=1e-12, abs=1e-14)
    assert p.collision() == pytest.approx(float(walks.total(machines.twice(walk))), rel=1e-12)
    assert p.expected_length() == pytest.approx(float(walks.expected_length(walk)), rel=1e-12)
    assert p.counts(6) == machines.num_strings(walk, 6, 2)
    assert p.dropped_mass(40) == pytest.approx(float(walks.beyond(walk, 40)), rel=1e-12)
    for x in SHORT:
        assert p.log_prob(x) == pytest.approx(float(numbers.log(exactly(walk, x))), abs=1e-13)
        here = sum(machines.forward(walk, x).values())
        assert p.log_prefix(x) == pytest.approx(float(numbers.log(Fraction(here))), abs=1e-13)
        if here:
            expected = [float(q) for q in machines.next_law(walk, x, 2)]
            np.testing.assert_allclose(np.exp(p.next_log_probs(x)), expected, rtol=1e-13)


@settings(max_examples=40, deadline=None)
@given(weights(sizes=(0, 1, 10**9, 10**9 + 7), max_states=3))
def test_steps_that_are_nearly_certain_keep_their_digits(drawn):
    """Floats know what 1 - 1e-9 misses to seven digits."""
    walk = walk_of(drawn)
    p = hidden(walk)
    assert p.path_entropy() == pytest.approx(float(walks.entropy(walk)), rel=1e-12, abs=1e-300)
    assert p.collision() == pytest.approx(float(walks.total(machines.twice(walk))), rel=1e-12)
    assert p.expected_length() == pytest.approx(float(walks.expected_length(walk)), rel=1e-12, abs=1e-300)


# -- conditioning -----------------------------------------------------------------------------------------------------

PATTERNS = ["(aa)*", "a(a|b)*", "(a|b)*b", "(a|b)?", "a*b*", "(a|b)*aa(a|b)*"]


@settings(max_examples=60, deadline=None)
@given(weights(acyclic=True), st.sampled_from(PATTERNS))
def test_conditioning_a_finite_language_is_masking_its_strings(drawn, pattern):
    walk = walk_of(drawn)
    p, law, event = hidden(walk), law_of(walk), regular_expression(pattern, AB)
    inside = [bool(event.accepts(np.array([[*x, 0]]))[0]) for x in law]
    mass = sum((q for q, kept in zip(law.values(), inside, strict=True) if kept), Fraction(0))
    if not mass:
        with pytest.raises(SpecificationError, match=r"^restriction: P\(A\) must be positive, found 0: .*$"):
            p.condition(event)
        return
    kept, log_mass = p.condition(event)
    assert log_mass == pytest.approx(math.log(mass), abs=1e-13)
    assert kept.support_size == sum(inside)
    for (x, q), within in zip(law.items(), inside, strict=True):
        assert kept.log_prob(x) == pytest.approx(math.log(q / mass) if within else -math.inf, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(weights(), st.sampled_from(PATTERNS))
def test_an_event_and_its_complement_share_an_infinite_language(drawn, pattern):
    p, event = hidden(walk_of(drawn)), regular_expression(pattern, AB)
    total = mean = 0.0
    for part in (event, event.complement()):
        try:
            kept, log_mass = p.condition(part)
        except SpecificationError:
            continue
        total += math.exp(log_mass)
        mean += math.exp(log_mass) * kept.expected_length()
    assert total == pytest.approx(1, abs=1e-12)
    assert mean == pytest.approx(p.expected_length(), rel=1e-12, abs=1e-14)


@settings(max_examples=60, deadline=None)
@given(weights(), st.data())
def test_paths_that_avoid_states_and_arcs_against_fractions(drawn, data):
    walk = walk_of(drawn)
    states = data.draw(st.sets(st.integers(0, walk.size - 1), max_size=1))
    labels = sorted({arc[:3] for arc in walk.arcs})
    arcs = data.draw(st.sets(st.sampled_from(labels), max_size=2)) if labels else set()
    left = machines.avoiding(walk, list(states), lambda s, a, t: (s, a, t) in arcs)
    mass = walks.total(left)
    if not mass:
        with pytest.raises(SpecificationError, match=r"^somewhere: P\(A\) must be positive, found 0: .*$"):
            hidden(walk).without(states, arcs, "somewhere")
        return
    kept, log_mass = hidden(walk).without(states, arcs, "somewhere")
    assert log_mass == pytest.approx(float(mpmath.log(mass)), abs=1e-12)
    for x in SHORT:
        q = numbers.real(exactly(left, x)) / mass
        assert kept.log_prob(x) == pytest.approx(float(mpmath.log(q)) if q else -math.inf, abs=1e-11)


def test_what_keeps_no_string_is_refused_in_one_line():
    p = hidden(guessed_end(HALF), names=("on", "off"))
    asks = [
        lambda: p.condition(regular_expression("b", AB), "here"),
        lambda: p.without([0], [], "here"),
        lambda: p.without([1], [], "here"),
        lambda: p.without([], [(0, 1, 1)], "here"),
    ]
    for ask in asks:
        with pytest.raises(SpecificationError) as refusal:
            ask()
        assert str(refusal.value) == "here: P(A) must be positive, found 0: it keeps no string of the language"


def test_names_follow_the_states_that_are_kept():
    p = hidden(guessed_end(HALF), names=("on", "off"))
    kept, log_mass = p.without([], [(0, 1, 0)])
    assert log_mass == pytest.approx(-math.log(2), abs=1e-15)
    assert kept.state_names == ("on", "off")
    assert kept.longest == 1
    assert set(p.condition(regular_expression("aa", AB))[0].state_names) == {"on", "off"}


def test_an_event_whose_probability_underflows_is_refused():
    right = Fraction(1, 10**10)
    walk = Walk((Fraction(1),), ((0, 1, 0, right), (0, 2, 0, HALF - right)), (HALF,))
    with pytest.raises(SpecificationError, match=r"^restriction: P.* must be above 1e-308 at every prefix"):
        hidden(walk).condition(regular_expression("a" * 40, AB))
    assert hidden(walk).log_prob([1] * 40) == pytest.approx(-400 * math.log(10) - math.log(2), rel=1e-14)


def test_an_event_of_a_probability_below_normal_floats_is_refused_before_digits_are_lost():
    """Of 0.01^159 a float64 holds six digits, of 0.01^161 two."""
    low = Fraction(1, 100)
    p = hidden(Walk((Fraction(1),), ((0, 1, 0, low), (0, 2, 0, HALF - low)), (HALF,)))
    q = Automaton(AB, np.array([[-1, 0, 0]]), np.log([[0.5, 0.01, 0.49]]), 0)
    for language in (p, q):
        _, log_mass = language.condition(regular_expression("a" * 153, AB))
        assert log_mass == pytest.approx(-306 * math.log(10) - math.log(2), rel=1e-14)
        for number in (155, 159, 161):
            with pytest.raises(SpecificationError, match=r"^restriction: .* must be above 1e-308.*found an underflow"):
                language.condition(regular_expression("a" * number, AB))


# -- what leaves the language as it is --------------------------------------------------------------------------------


def quantities(walk, letter):
    """Numbers of a language; strings are written with `letter` for each token."""
    p, strings = hidden(walk), [tuple(letter[a] for a in x) for x in SHORT]
    order = [0, letter[1], letter[2]]
    told = [p.next_log_probs(x)[order] for x in strings if p.log_prefix(x) > -math.inf]
    near = [p.log_prob(x) for x in strings] + [p.log_prefix(x) for x in strings]
    whole = [p.collision(), p.expected_length(), p.entropy_bounds().lower, p.longest, p.dropped_mass(7)]
    return np.concatenate([*told, near, whole, p.length_law(9), [float(n) for n in p.counts(6)]])


def assert_same(one, other):
    finite = np.isfinite(one)
    assert (finite == np.isfinite(other)).all()
    assert (one[~finite] == other[~finite]).all()
    np.testing.assert_allclose(one[finite], other[finite], rtol=1e-12, atol=1e-13)


SAME = {1: 1, 2: 2}


@settings(max_examples=40, deadline=None)
@given(weights())
def test_a_permuted_vocabulary_changes_nothing(drawn):
    walk, swap = walk_of(drawn), {1: 2, 2: 1}
    other = Walk(walk.first, tuple((s, swap[a], t, p) for s, a, t, p in walk.arcs), walk.stops)
    assert_same(quantities(walk, SAME), quantities(other, swap))
    assert hidden(walk).unambiguous == hidden(other).unambiguous
    assert hidden(walk).path_entropy() == pytest.approx(hidden(other).path_entropy(), rel=1e-12, abs=1e-14)


@settings(max_examples=40, deadline=None)
@given(weights(), st.randoms(use_true_random=False))
def test_relabelled_states_change_nothing(drawn, random):
    walk = walk_of(drawn)
    place = random.sample(range(walk.size), walk.size)
    back = [place.index(s) for s in range(walk.size)]
    arcs = random.sample([(place[s], a, place[t], p) for s, a, t, p in walk.arcs], len(walk.arcs))
    other = Walk(tuple(walk.first[s] for s in back), tuple(arcs), tuple(walk.stops[s] for s in back))
    assert_same(quantities(walk, SAME), quantities(other, SAME))
    assert hidden(walk).unambiguous == hidden(other).unambiguous
    assert hidden(walk).path_entropy() == pytest.approx(hidden(other).path_entropy(), rel=1e-12, abs=1e-14)


@settings(max_examples=40, deadline=None)
@given(weights(), st.data())
def test_two_copies_of_a_state_that_share_what_comes_in_change_no_string(drawn, data):
    walk = walk_of(drawn)
    split = data.draw(st.integers(0, walk.size - 1))
    copies = [(s, HALF) for s in (split, walk.size)]
    arcs = [
        (source, a, target, p * share)
        for s, a, t, p in walk.arcs
        for source in ((split, walk.size) if s == split else (s,))
        for target, share in (copies if t == split else [(t, Fraction(1))])
    ]
    first = [p / 2 if s == split else p for s, p in enumerate(walk.first)]
    other = Walk((*first, first[split]), tuple(arcs), (*walk.stops, walk.stops[split]))
    assert_same(quantities(walk, SAME), quantities(other, SAME))
    assert hidden(other).path_entropy() >= hidden(walk).path_entropy() - 1e-13
    if split in machines.reached(walk):
        assert not hidden(other).unambiguous


# -- refused input ----------------------------------------------------------------------------------------------------

LOOP = np.zeros((3, 1, 1))
LOOP[1] = 0.5


def arrays(first=(1.0,), moves=LOOP, stops=(0.5,)):
    return np.array(first, float), np.array(moves, float), np.array(stops, float)


def of_eos():
    moves = np.zeros((3, 1, 1))
    moves[0] = 0.5
    return moves


@pytest.mark.parametrize(
    ("given_arrays", "message"),
    [
        (arrays(first=(0.5, 0.5)), r"initial \[S\], .* found \(2,\), \(3, 1, 1\) and \(1,\)"),
        (arrays(moves=np.zeros((2, 1, 1))), r"transitions \[3, S, S\] .* found \(1,\), \(2, 1, 1\)"),
        (arrays((), np.zeros((3, 0, 0)), ()), r"initial \[S\], .* are required, found \(0,\)"),
        (arrays(stops=(0.4,)), r"state 0: probabilities, stop included, must sum to 1 within 1e-09, found 0\.9"),
        (arrays(first=(0.75,)), r"initial: probabilities, .* sum to 1 within 1e-09, found 0\.75; normalise them first"),
        (arrays(stops=(math.inf,)), "must sum to 1 within 1e-09, found inf"),
        (arrays(stops=(math.nan,)), "probabilities of at least 0 are required"),
        (arrays(moves=-LOOP, stops=(1.5,)), "probabilities of at least 0 are required"),
        (arrays(moves=of_eos()), "none of EOS as a symbol"),
        (arrays(moves=2 * LOOP, stops=(0.0,)), "every state must have a path to a stop, found no such path from 0"),
    ],
)  # fmt: skip
def test_machines_that_are_refused(given_arrays, message):
    with pytest.raises(SpecificationError, match=message) as refusal:
        HiddenAutomaton(AB, *given_arrays)
    assert str(refusal.value).startswith("automaton: ")
    assert "\n" not in str(refusal.value)


def test_messages_name_the_states():
    with pytest.raises(SpecificationError, match="automaton: state 'loud': probabilities"):
        HiddenAutomaton(AB, *arrays(stops=(0.4,)), ("loud",))


def test_a_state_that_is_nearly_forgotten_is_found_again():
    """After n a its share is about 1000^-n, below every float, and only this state emits b, or stops there."""
    rare, n = Fraction(1, 1000), 200
    walk = Walk((HALF, HALF), ((0, 1, 0, Fraction(9, 10)), (1, 1, 1, Fraction(9, 10) * rare),
                               (1, 2, 1, 1 - rare)), (Fraction(1, 10), rare / 10))  # fmt: skip
    found = hidden(walk)
    with mpmath.workdps(50):
        begun = HALF * (Fraction(9, 10) * rare) ** n * (1 - rare)
        log_p = float(mpmath.log(begun.numerator) - mpmath.log(begun.denominator))
    string = (1,) * n + (2,)
    assert found.log_prefix(string) == pytest.approx(log_p, rel=1e-13)
    assert found.log_prob(string) == pytest.approx(log_p + math.log(rare / 10), rel=1e-13)
    np.testing.assert_allclose(np.exp(found.next_log_probs(string)), [1e-4, 9e-4, 0.999], rtol=1e-12)
    np.testing.assert_allclose(np.exp(found.next_log_probs((1,) * n)), [0.1, 0.9, 0.0], rtol=1e-12)
    odds = 2 * begun / Fraction(9, 10) ** n  # of the rare state, whose b is all but certain
    assert found.next_log_probs((1,) * n)[2] == pytest.approx(math.log(odds.numerator) - math.log(odds.denominator))


def test_tokens_off_the_vocabulary_have_probability_zero():
    p = hidden(twins(HALF))
    assert p.log_prob([1, 7]) == p.log_prefix([-1]) == -math.inf
    assert p.log_prob([1, 0, 7]) == p.log_prob([1]) == pytest.approx(-2 * math.log(2), abs=1e-15)


def test_a_listing_over_the_limit_states_the_size():
    p = hidden(twins(HALF))
    with pytest.raises(SpecificationError, match=r"automaton: at most max_strings = 3 .* found 5 within length 5"):
        p.enumerate(5, 3)
    with pytest.raises(SpecificationError, match="automaton: length must be at least 2, the shortest string"):
        hidden(guessed_end(HALF)).enumerate(1, 3)


def test_the_automaton_of_the_sets_of_states_has_the_same_strings():
    p = hidden(twins(HALF, Fraction(1, 7)))
    one = Automaton(AB, np.array([[-1, 0, -1]]), np.array([[math.log(0.5), math.log(0.5), -math.inf]]), 0)
    assert p.strings.next_state.tolist() == one.strings.next_state.tolist()
    assert p.strings.stops.tolist() == one.strings.stops.tolist()
