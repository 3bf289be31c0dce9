"""Grammars with known closed forms, what is refused, and changes that leave the language as it is."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_grammars import grammar, reordered, tokens

from sim.languages.exact import UnavailableError
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError

GEOMETRIC = "S -> a S [{go}]\nS -> [{stop}]"
DYCK = "S -> a S b S [{p}]\nS -> [{q}]"
PALINDROMES = "S -> a S a [1/4]\nS -> b S b [1/4]\nS -> c [1/2]"


def binary_entropy(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


@pytest.mark.parametrize("stop", [Fraction(1, 2), Fraction(1, 1000), Fraction(1, 10**12), Fraction(1, 10**15)])
def test_geometric(stop):
    p, s = grammar(GEOMETRIC, stop=stop, go=1 - stop), float(stop)
    assert p.growth == "subcritical"
    assert p.visits.tolist() == pytest.approx([1 / s], rel=1e-14)
    assert p.expected_length() == pytest.approx(float(1 / stop - 1), rel=1e-14)
    h = -math.log(s) - (1 - s) / s * math.log1p(-s)
    assert p.entropy() == pytest.approx(h, rel=1e-13)
    assert p.collision() == pytest.approx(float(stop / (2 - stop)), rel=1e-14)
    assert p.log_prob([1] * 30) == pytest.approx(30 * math.log1p(-s) + math.log(s), rel=1e-13)
    assert p.log_prefix([1] * 30) == pytest.approx(30 * math.log1p(-s), rel=1e-13)
    assert p.dropped_mass(50) == pytest.approx(math.exp(50 * math.log1p(-s)), rel=1e-13)
    assert p.likeliest_derivation() == pytest.approx(math.log(s), rel=1e-14)


@pytest.mark.parametrize("p", [Fraction(3, 10), Fraction(49, 100), Fraction(1, 2)])
def test_balanced_brackets_have_catalan_numbers(p):
    language = grammar(DYCK, p=p, q=1 - p)
    law = language.lengths.law(30)
    for n in range(15):
        catalan = math.comb(2 * n, n) // (n + 1)
        assert law[2 * n] == pytest.approx(float(catalan * p**n * (1 - p) ** (n + 1)), rel=1e-13)
        assert law[2 * n + 1] == 0.0
        assert language.count(2 * n + 1) == sum(math.comb(2 * k, k) // (k + 1) for k in range(n + 1))
    square = (p * (1 - p)) ** 2  # the generating function of the Catalan numbers at p^2 q^2
    collision = float((1 - p) ** 2) * (1 - math.sqrt(1 - 4 * square)) / (2 * float(square))
    assert language.collision() == pytest.approx(collision, rel=1e-12)
    assert language.ambiguity.unambiguous
    if p == Fraction(1, 2):
        assert language.growth == "critical"
        assert language.expected_length() == language.entropy() == math.inf
    else:
        assert language.expected_length() == pytest.approx(float(2 * p / (1 - 2 * p)), rel=1e-13)
        assert language.entropy() == pytest.approx(binary_entropy(float(p)) / float(1 - 2 * p), rel=1e-13)


def test_palindromes():
    p = grammar(PALINDROMES)
    assert p.log_prob(tokens(p, "abcba")) == pytest.approx(math.log(1 / 32), rel=1e-14)
    assert p.log_prob(tokens(p, "abcab")) == -math.inf
    assert p.expected_length() == pytest.approx(3, rel=1e-14)
    assert p.entropy() == pytest.approx(3 * math.log(2), rel=1e-14)
    assert p.collision() == pytest.approx((1 / 4) / (1 - 1 / 8), rel=1e-14)
    assert p.longest == p.support_size == math.inf


def test_a_critical_tree():
    """S -> S S | a at 1/2: a string of n symbols has Catalan(n - 1) derivations of probability 2^(1 - 2n)."""
    p = grammar("S -> S S [1/2]\nS -> a [1/2]", "a")
    assert p.growth == "critical"
    assert p.visits.tolist() == [math.inf]
    assert p.expected_length() == p.derivation_entropy() == math.inf
    for n in range(1, 12):
        catalan = math.comb(2 * n - 2, n - 1) // n
        assert p.log_prob([1] * n) == pytest.approx(math.log(catalan * 2.0 ** (1 - 2 * n)), abs=1e-13)
        assert p.dropped_mass(n) == pytest.approx(math.comb(2 * n - 2, n - 1) / 4 ** (n - 1), rel=1e-13)
    assert p.derivation_collision() == pytest.approx(2 - math.sqrt(3), rel=1e-14)
    with pytest.raises(UnavailableError, match=r"entropy: the grammar is ambiguous.*derivation_entropy"):
        p.entropy()
    with pytest.raises(UnavailableError, match=r"collision probability: .*derivation_collision"):
        p.collision()
    assert p.support_size == math.inf


def test_cycles_of_rules_are_summed():
    p = grammar(
        "S -> A [1/2]\nS -> a [1/2]\nA -> S [{go}]\nA -> b [{stop}]", go=1 - Fraction(1, 10**9), stop="1/1000000000"
    )
    chance = -math.log1p(1e-9)
    assert p.log_prob([1]) == pytest.approx(chance, abs=3e-16)
    assert p.log_prob([2]) == pytest.approx(math.log(1e-9) + chance, rel=1e-15)
    assert p.enumerate(2, 5)[0].entropy() == pytest.approx(binary_entropy(1e-9 / (1 + 1e-9)), rel=1e-12)


def test_a_chance_to_end_near_zero_keeps_its_digits():
    """Floats know 1 - 1e-12 to four digits of what it misses."""
    p = grammar("S -> S [{go}]\nS -> a [{stop}]", go=1 - Fraction(1, 10**12), stop=Fraction(1, 10**12))
    assert p.log_prob([1]) == pytest.approx(0, abs=1e-15)
    assert p.derivation_collision() == pytest.approx(float(Fraction(1, 2 * 10**12 - 1)), rel=1e-14)


def test_nothing_but_the_empty_string():
    p = grammar("S -> S S [1/2]\nS -> [1/2]", "a")
    assert p.growth == "critical"
    assert p.log_prob([]) == pytest.approx(0, abs=1e-15)
    assert p.log_prob([1]) == -math.inf
    assert p.expected_length() == p.longest == 0
    assert p.dropped_mass(1) == 0.0
    assert p.shortest_horizon(0.0) == 1
    with pytest.raises(UnavailableError, match="number of strings"):
        p.support_size  # noqa: B018


def test_nested_critical_components():
    """A double root behind a double root: floats would keep four digits."""
    p = grammar("S -> S S [1/2]\nS -> A [1/4]\nS -> a [1/4]\nA -> A A [1/2]\nA -> [1/2]", "a")
    assert p.growth == "critical"
    empty = 1 - math.sqrt(1 / 2)  # e = e^2 / 2 + 1/4
    assert math.exp(p.log_prob([])) == pytest.approx(empty, rel=1e-14)
    assert math.exp(p.log_prob([1])) == pytest.approx(1 / 4 / math.sqrt(1 / 2), rel=1e-14)
    assert math.exp(p.log_prefix([1])) == pytest.approx(math.sqrt(1 / 2), rel=1e-14)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([(0, (~0,), "1")], "every non-terminal must derive a string, found 'S'"),
        ([(0, (1,), "1"), (1, (1,), "1")], "every non-terminal must be reached from the start, found 'A'"),
        ([(0, (1,), "1/2"), (0, (2,), "1/3")], r"rules of 'S': .* sum to 1 within 1e-09, found 0\.8333.*normalise"),
        ([(0, (1,), "3/2"), (0, (2,), "-1/2")], r"S -> b: p must be positive, found -1/2"),
        ([(0, (1,), "1"), (0, (), "0")], r"S -> \(empty\): p must be positive, found 0"),
        ([(0, (1,), "1/2"), (0, (1,), "1/2")], "different rules are required, found one twice; add the two"),
        ([(0, (9,), "1")], "rules of existing symbols are required, found"),
        ([(0, (0,), "1")], "rules of existing symbols are required, found"),
        ([(0, (~3,), "1")], "rules of existing symbols are required, found"),
        ([(4, (1,), "1")], "rules of existing symbols are required, found"),
        ([(0, (~0, ~0), "2/3"), (0, (1,), "1/3")], "must end with probability 1, found a spectral radius above 1"),
        ([(0, (1,), "1e-400"), (0, (2,), 1 - Fraction("1e-400"))], "at least 1e-307, found about 1e-400"),
    ],
)  # fmt: skip
def test_grammars_that_are_refused(rules, message):
    names = ("S", "A")[: 1 + max(lhs % 4 for lhs, _, _ in rules)]
    made = tuple(Rule(lhs, rhs, Fraction(p)) for lhs, rhs, p in rules)
    with pytest.raises(SpecificationError, match=message) as refusal:
        ContextFree(Vocabulary(("<eos>", "a", "b")), names, made)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith("context-free grammar: ")


def test_questions_that_are_refused():
    p = grammar(PALINDROMES)
    with pytest.raises(SpecificationError, match="prefix 'ca' has probability 0"):
        p.next_log_probs(tokens(p, "ca"))
    with pytest.raises(
        SpecificationError, match="at most max_strings = 3 strings may be enumerated, found 7 strings within"
    ):
        p.enumerate(6, 3)
    with pytest.raises(SpecificationError, match=r"grammar: length must be at least 2, .* found 1"):
        p.enumerate(1, 3)
    with pytest.raises(SpecificationError, match="found more derivations within length 3"):
        grammar("S -> S [1/2]\nS -> a [1/4]\nS -> b [1/4]").enumerate(3, 1)


# -- what leaves the language as it is --------------------------------------------------------------------------------

SAMPLES = [
    DYCK.format(p="3/10", q="7/10"),
    PALINDROMES,
    "S -> S S [1/2]\nS -> a [1/4]\nS -> b [1/4]",
    "S -> A B A [1/3]\nS -> c [2/3]\nA -> a A [1/5]\nA -> [4/5]\nB -> b [1/7]\nB -> A [3/7]\nB -> S b [3/7]",
    "S -> A a [1/2]\nS -> B [1/2]\nA -> B B [1/4]\nA -> S [1/4]\nA -> b [1/2]\nB -> [1/3]\nB -> c B [1/3]\nB -> A [1/3]",  # noqa: E501
]


def quantities(p, letter):
    """Numbers of a language; strings are written with `letter` for each token."""
    strings = [tuple(letter[a] for a in x) for n in range(4) for x in itertools.product((1, 2, 3), repeat=n)]
    whole = [p.expected_length(), p.derivation_entropy(), p.derivation_collision(), p.likeliest_derivation()]
    near = [p.log_prob(x) for x in strings] + [p.log_prefix(x) for x in strings]
    far = [*p.lengths.law(9), p.dropped_mass(7), p.log_mass_within(4)]
    return np.array(
        [*whole, *near, *far, p.count(6), float(p.ambiguity.unambiguous), p.longest, p.shortest_horizon(0.1) or -1]
    )


def assert_same(one, other):
    finite = np.isfinite(one)
    assert (finite == np.isfinite(other)).all()
    assert (one[~finite] == other[~finite]).all()
    np.testing.assert_allclose(one[finite], other[finite], rtol=1e-12, atol=1e-14)


SAME = {1: 1, 2: 2, 3: 3}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
def test_names_and_orders_do_not_matter(text, random):
    p = grammar(text)
    order = random.sample(range(len(p.nonterminals)), len(p.nonterminals))
    rules = random.sample(range(len(p.rules)), len(p.rules))
    letter = dict(zip((1, 2, 3), random.sample((1, 2, 3), 3), strict=True))
    assert_same(quantities(p, SAME), quantities(reordered(p, order, rules, letter), letter))


@pytest.mark.parametrize("text", SAMPLES)
def test_a_non_terminal_for_a_rest_changes_nothing(text):
    p = grammar(text)
    long = next(rule for rule in p.rules if len(rule.rhs) > 1)
    new = len(p.nonterminals)
    rules = [replace(rule, rhs=(rule.rhs[0], ~new)) if rule is long else rule for rule in p.rules]
    q = ContextFree(p.vocabulary, (*p.nonterminals, "rest"), (*rules, Rule(new, long.rhs[1:], Fraction(1))), p.start)
    assert_same(quantities(p, SAME), quantities(q, SAME))


@pytest.mark.parametrize("text", [SAMPLES[3], SAMPLES[4]])
def test_inlining_a_non_terminal_changes_nothing(text):
    """One occurrence of A in a rule is replaced by each right-hand side of A in turn."""
    p = grammar(text)
    a = p.nonterminals.index("A")
    where = next(rule for rule in p.rules if ~a in rule.rhs and rule.lhs != a)
    at = where.rhs.index(~a)
    split = [
        Rule(where.lhs, where.rhs[:at] + r.rhs + where.rhs[at + 1 :], where.p * r.p) for r in p.rules if r.lhs == a
    ]
    kept = [rule for rule in p.rules if rule is not where]
    q = ContextFree(p.vocabulary, p.nonterminals, (*kept, *split), p.start)
    assert_same(quantities(p, SAME), quantities(q, SAME))


@pytest.mark.parametrize("text", SAMPLES)
def test_a_copy_of_a_non_terminal_changes_strings_in_nothing(text):
    """A rule split into two halves, one of them by way of a copy of the start: more derivations of the same strings."""
    p = grammar(text)
    new = len(p.nonterminals)
    copies = [replace(rule, lhs=new) for rule in p.rules if rule.lhs == p.start]
    old = [replace(rule, p=rule.p / 2) if rule.lhs == p.start else rule for rule in p.rules]
    q = ContextFree(
        p.vocabulary, (*p.nonterminals, "copy"), (*old, *copies, Rule(p.start, (~new,), Fraction(1, 2))), p.start
    )
    for string in ("", "a", "ab", "aab", "cc", "abab"):
        x = tokens(p, string)
        assert q.log_prob(x) == pytest.approx(p.log_prob(x), abs=1e-13)
        assert q.log_prefix(x) == pytest.approx(p.log_prefix(x), abs=1e-13)
    np.testing.assert_allclose(q.lengths.law(9), p.lengths.law(9), rtol=1e-13)
    assert q.expected_length() == pytest.approx(p.expected_length(), rel=1e-13)
    assert q.derivation_entropy() >= p.derivation_entropy()
    assert not q.ambiguity.unambiguous
