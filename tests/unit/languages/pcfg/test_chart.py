"""Strings and prefixes of a grammar, token by token."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_grammars import grammar

from sim.languages.pcfg.chart import Chart

GRAMMARS = [
    grammar("S -> a S b S [3/10]\nS -> [7/10]"),
    grammar("S -> S S [1/2]\nS -> a [1/4]\nS -> b [1/4]"),
    grammar("S -> S a [999/1000]\nS -> b [1/1000]"),
    grammar("S -> A S B [1/4]\nS -> c [3/4]\nA -> [1/2]\nA -> a [1/2]\nB -> A [1/2]\nB -> b [1/4]\nB -> S [1/4]"),
    grammar("S -> A [1/2]\nS -> a [1/2]\nA -> S [1/2]\nA -> b S c A a [1/4]\nA -> c [1/4]"),
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GRAMMARS), st.lists(st.integers(1, 3), max_size=7))
def test_a_prefix_is_its_end_and_its_continuations(p, prefix):
    mass = math.exp(p.log_prefix(prefix))
    parts = [math.exp(p.log_prefix([*prefix, token])) for token in (1, 2, 3)]
    assert math.exp(p.log_prob(prefix)) + sum(parts) == pytest.approx(mass, rel=1e-12)
    if mass:
        following = np.exp(p.next_log_probs(prefix))
        assert following.sum() == pytest.approx(1, abs=1e-12)
        np.testing.assert_allclose(following[1:] * mass, parts, rtol=1e-12)


@pytest.mark.parametrize("p", GRAMMARS)
def test_short_strings_sum_to_the_law_of_lengths(p):
    for n, wanted in enumerate(p.lengths.law(5)):
        total = math.fsum(math.exp(p.log_prob(x)) for x in itertools.product((1, 2, 3), repeat=n))
        assert total == pytest.approx(wanted, rel=1e-12)


def test_eos_ends_a_string_wherever_it_stands():
    p = GRAMMARS[0]
    assert p.log_prob([1, 2, 0]) == p.log_prob([1, 2]) == p.log_prob(np.array([1, 2, 0, 0, 0]))
    assert p.log_prefix([1, 0, 1]) == p.log_prefix([1])


@pytest.mark.parametrize("tokens", [[4], [-1], [1, 99]])
def test_tokens_that_do_not_exist(tokens):
    assert GRAMMARS[0].log_prob(tokens) == GRAMMARS[0].log_prefix(tokens) == -math.inf


def test_long_strings_do_not_underflow():
    p = grammar("S -> a S [1/1000]\nS -> b [999/1000]")
    n = 120
    assert p.log_prob([*[1] * n, 2]) == pytest.approx(-n * math.log(1000) + math.log(0.999), rel=1e-13)
    assert p.log_prefix([1] * n) == pytest.approx(-n * math.log(1000), rel=1e-13)
    steep = grammar("S -> A S [1/2]\nS -> [1/2]\nA -> a [1/10000000000]\nA -> b [9999999999/10000000000]")
    assert steep.log_prob([1] * 60) == pytest.approx(60 * math.log(0.5e-10) + math.log(0.5), rel=1e-13)


def test_a_chart_goes_on_from_a_copy():
    p = GRAMMARS[3]
    chart = p.chart([1, 3])
    copy = chart.copy()
    copy.extend(2)
    assert chart.log_inside == pytest.approx(p.log_prob([1, 3]), rel=1e-14)
    assert copy.log_inside == pytest.approx(p.log_prob([1, 3, 2]), rel=1e-14)
    assert copy.log_prefix == pytest.approx(p.log_prefix([1, 3, 2]), rel=1e-14)
    assert (chart.length, copy.length, Chart(p.binary, 0).length) == (2, 3, 0)
