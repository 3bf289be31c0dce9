"""Grammars conditioned, cut, tilted and without rules, where the answer is known in closed form."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from written_grammars import grammar, tokens

from sim.languages.events import Dfa, regular_expression
from sim.languages.pcfg import weights
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import intersection

TREES = "S -> S S [{p}]\nS -> a [{q}]"


def trees(p):
    return grammar(TREES, "a", p=p, q=1 - Fraction(p))


def test_an_even_number_of_critical_leaves():
    """Sum over n of Catalan(n - 1) 2^(1 - 2n) x^n is f(x) = 1 - sqrt(1 - x), and over even n (f(1) + f(-1)) / 2."""
    p = trees("1/2")
    kept, log_mass = weights.condition(p, regular_expression("(aa)*", p.vocabulary))
    mass = (1 + (1 - math.sqrt(2))) / 2
    assert math.exp(log_mass) == pytest.approx(mass, rel=1e-14)
    assert kept.growth == "critical"
    assert kept.expected_length() == kept.derivation_entropy() == math.inf
    assert kept.log_prob([1]) == -math.inf
    assert math.exp(kept.log_prob([1, 1])) == pytest.approx(1 / 8 / mass, rel=1e-13)
    assert math.exp(kept.log_prob([1] * 4)) == pytest.approx(5 / 128 / mass, rel=1e-13)


def test_an_event_in_turn_is_an_intersection():
    p = trees("1/2")
    second, third = (regular_expression(x, p.vocabulary) for x in ("(aa)*", "(aaa)*"))
    once, log_once = weights.condition(p, second)
    twice, log_twice = weights.condition(once, third)
    both, log_both = weights.condition(p, intersection(second, third))
    assert log_once + log_twice == pytest.approx(log_both, abs=1e-12)
    assert twice.growth == both.growth == "critical"
    assert twice.log_prob([1] * 6) == pytest.approx(both.log_prob([1] * 6), abs=1e-12)


def test_an_event_and_its_complement_sum_to_one():
    p = grammar("S -> a S b S [3/10]\nS -> c [3/10]\nS -> [4/10]")
    event = regular_expression(".*b.*c", p.vocabulary)
    masses = [math.exp(weights.condition(p, e)[1]) for e in (event, event.complement())]
    assert sum(masses) == pytest.approx(1, abs=1e-14)


def test_a_single_improbable_string_as_an_event():
    """Its probability is below the range of floats."""
    p = grammar("S -> a S [1/10000000]\nS -> b S [4999999/10000000]\nS -> [1/2]")
    size = 50
    table = np.array([[0, min(q + 1, size + 1), size + 1] for q in range(size + 2)])
    only = Dfa(np.column_stack([table, table[:, 2]]), np.arange(size + 2) == size, 0)
    kept, log_mass = weights.condition(p, only)
    assert log_mass == pytest.approx(size * math.log(1e-7) + math.log(1 / 2), rel=1e-14)
    assert kept.expected_length() == pytest.approx(size, rel=1e-14)
    assert kept.derivation_entropy() == 0.0


@pytest.mark.parametrize("length", [1, 2, 5, 40])
def test_cut_at_a_length(length):
    p = grammar("S -> a S [3/4]\nS -> [1/4]", "a")
    kept, log_mass = weights.truncated(p, length)
    assert math.exp(log_mass) == pytest.approx(1 - 0.75**length, rel=1e-14)
    law = 0.25 * 0.75 ** np.arange(length) / (1 - 0.75**length)
    np.testing.assert_allclose(kept.lengths.law(length), law, rtol=1e-12)
    assert kept.longest == length - 1
    assert kept.expected_length() == pytest.approx(float(law @ np.arange(length)), rel=1e-12, abs=1e-15)
    assert kept.derivation_entropy() == pytest.approx(float(-(law * np.log(law)).sum()), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("length", [-1, 0, 1])
def test_cut_too_short(length):
    with pytest.raises(SpecificationError, match=r"grammar: P\(A\) must be positive, found 0"):
        weights.truncated(trees("1/3"), length)


def test_too_large_a_horizon():
    with pytest.raises(
        SpecificationError, match="grammar: a horizon with at most 400000 rules is required, found length 5000"
    ):
        weights.truncated(trees("1/3"), 5000)


def test_without_a_rule():
    p = grammar("S -> a S [1/2]\nS -> A [1/4]\nS -> [1/4]\nA -> b [1/2]\nA -> c [1/2]")
    kept, log_mass = weights.without(p, [1], [])
    assert math.exp(log_mass) == pytest.approx((1 / 4) / (1 / 2), rel=1e-14)
    assert kept.nonterminals == ("S",)
    fewer, log_mass = weights.without(p, [], [3])
    assert math.exp(log_mass) == pytest.approx((3 / 8) / (1 / 2), rel=1e-14)
    assert math.exp(fewer.log_prob(tokens(p, "ac"))) == pytest.approx(1 / 12, rel=1e-14)
    with pytest.raises(SpecificationError, match=r"here: P\(A\) must be positive, found 0: it keeps no string"):
        weights.without(p, [0], [], "here")


def test_a_tilt_up_to_where_it_diverges():
    """S -> S S | x_i with sqrt(p) sum sqrt(q_i) = 1/4: at temperature 2 exactly the total is a double root, 5."""
    counts = (7, 5, 3, 2, 2, 2, 1, 1, 1, 1)  # their squares sum to 99
    lines = ["S -> S S [1/100]", *(f"S -> {'a ' * i} [{n * n}/100]" for i, n in enumerate(counts))]
    p = grammar("\n".join(lines), "a")
    kept, log_total = weights.tilted(p, 2.0)
    assert log_total == pytest.approx(math.log(5), rel=1e-14)
    assert kept.growth == "critical"
    assert kept.expected_length() == math.inf
    assert weights.tilted(p, 2.0 + 1e-14) is None
    near, _ = weights.tilted(p, 2.0 - 1e-12)
    assert near.growth == "subcritical"
    assert near.expected_length() > 1e4


def test_a_tilt_at_one_changes_nothing():
    p = trees("1/2")
    kept, log_total = weights.tilted(p, 1.0)
    assert log_total == pytest.approx(0, abs=1e-15)
    assert kept.growth == "critical"
    assert weights.tilted(p, 1.0 + 1e-9) is None
    assert [float(rule.p) for rule in kept.rules] == [0.5, 0.5]


@pytest.mark.parametrize("temperature", [0.01, 0.3, 1.0, 4.0, 100.0])
@pytest.mark.parametrize("levels", [1, 8, 20])
def test_tilts_of_long_strings(levels, temperature):
    """2^levels letters that are drawn one by one: the total is a power that no float holds."""
    heads = [f"A{n}" for n in range(levels)]
    lines = [f"S -> {heads[0]} {heads[0]} [1]"]
    lines += [f"{a} -> {b} {b} [1]" for a, b in pairwise(heads)]
    p = grammar("\n".join([*lines, f"{heads[-1]} -> a [3/4]", f"{heads[-1]} -> b [1/4]"]))
    kept, log_total = weights.tilted(p, temperature)
    odds = (1 / 3) ** (1 / temperature)
    wanted = 2**levels * (math.log(3 / 4) / temperature + math.log1p(odds))
    assert log_total == pytest.approx(wanted, rel=1e-13)
    h = math.log1p(odds) + odds / (1 + odds) * math.log(3) / temperature
    assert kept.derivation_entropy() == pytest.approx(2**levels * h, rel=1e-12)


def test_a_temperature_too_near_zero_is_refused():
    p = grammar("S -> a [1/1000]\nS -> b [999/1000]")
    with pytest.raises(SpecificationError, match=r"temperature: .* found less for S -> a at 0\.005; raise it"):
        weights.tilted(p, 0.005)
