"""A random set of beginnings, against all strings written down, the regular event, and the formula of a mixture."""

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.config import construct
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.restricted import Narrowed, Restricted
from sim.laws.reading import law
from sim.numerics import EOS, SpecificationError
from sim.restrictions.random_prefixes import mixture, random_prefixes
from sim.restrictions.regular import regular
from tests.unit.laws.all_trees import grammar
from tests.unit.restrictions.small_worlds import written
from tests.unit.restrictions.test_heads import BRACKETS, MARKOV, MOODS

GRAMMAR = {"kind": "cfg3", "depth": 3, "num_symbols": 3, "num_rules": 2, "lengths": [2, 3], "zipf": 0.0,
           "shared": False, "seed": 0, "length": None}  # fmt: skip

# ab has two derivations
TINY = grammar(
    ("S", "A B", "1/3"), ("S", "a b", "1/6"), ("S", "B A A", "1/2"),
    ("A", "a b", "1/2"), ("A", "b", "1/4"), ("A", "a", "1/4"),
    ("B", "a", "1/5"), ("B", "b a", "4/5"),
)  # fmt: skip


def strings(listed: FiniteLanguage) -> dict[tuple[int, ...], float]:
    """Every string with its end, and its log-probability."""
    rows = zip(listed.trie.strings, listed.trie.lengths, listed.log_p, strict=True)
    return {(*row[: n - 1].tolist(), EOS): float(log_p) for row, n, log_p in rows}


def greedy(p: dict[tuple[int, ...], float], depth: int, share: float, seed: int) -> tuple[set[tuple[int, ...]], float]:
    """The beginnings that are taken, by another route: exact sums over all strings."""
    masses: dict[tuple[int, ...], float] = defaultdict(float)
    for one, log_p in p.items():
        masses[one[:depth]] += math.exp(log_p)
    names = sorted(masses)
    taken, total = set(), 0.0
    for at in np.random.default_rng([seed, depth]).permutation(len(names)):
        if total + masses[names[at]] <= share + 1e-12:
            taken.add(names[at])
            total += masses[names[at]]
    return taken, total


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_event_and_the_law_are_those_of_a_sum_over_all_strings(depth: int, seed: int) -> None:
    listed = TINY.enumerate(9, 200)[0]
    p = strings(listed)
    taken, mass = greedy(p, depth, 0.7, seed)
    assert 0 < mass <= 0.7 + 1e-12
    given = random_prefixes(listed, share=0.7, depth=depth, seed=seed)
    large = random_prefixes(TINY, share=0.7, depth=depth, seed=seed)
    assert isinstance(given, Restricted)
    assert isinstance(large, Narrowed)
    assert math.exp(large.log_mass) == pytest.approx(mass, rel=1e-12)
    assert large.narrowing == 0.0
    assert given.notes["mass"] == pytest.approx(mass, rel=1e-12)
    for one, log_p in strings(given.s).items():
        inside = one[:depth] in taken
        expected = p[one] - math.log(mass) if inside else -math.inf
        assert log_p == pytest.approx(expected, abs=1e-12)
        assert large.s.log_prob(one[:-1]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("depth", [1, 3, 7])
def test_a_shift_is_the_divergence_over_all_strings(depth: int) -> None:
    listed = TINY.enumerate(9, 200)[0]
    p = strings(listed)
    taken, mass = greedy(p, depth, 0.7, 1)
    given = random_prefixes(listed, share=0.7, depth=depth, seed=1, shift=0.1)
    large = random_prefixes(TINY, share=0.7, depth=depth, seed=1, shift=0.1)
    assert isinstance(large, Narrowed)
    assert large.notes["mass"] == pytest.approx(mass, rel=1e-12)
    assert large.notes["probability"] < mass
    assert large.narrowing == pytest.approx(0.1, rel=1e-12)
    assert (large.log_mass, large.of_strings, large.kept) == (0.0, True, TINY)
    s = strings(given.s)
    assert math.fsum(math.exp(log_p) for log_p in s.values()) == pytest.approx(1.0, abs=1e-12)
    assert math.fsum(math.exp(s[one]) * (s[one] - p[one]) for one in s) == pytest.approx(0.1, rel=1e-9)
    assert math.fsum(math.exp(s[one]) for one in s if one[:depth] in taken) == pytest.approx(
        large.notes["probability"], rel=1e-12
    )
    for one, log_s in s.items():
        assert large.s.log_prob(one[:-1]) == pytest.approx(log_s, abs=1e-12)


def test_the_next_token_law_is_that_of_the_mixture() -> None:
    """s(token | h) = (s P_A(h token) + (1 - s) P_B(h token)) / (s P_A(h) + (1 - s) P_B(h)), by the laws of both."""
    language = construct("grammar", GRAMMAR, "grammar").language
    found = random_prefixes(language, share=0.5, depth=6, shift=0.3, seed=3)
    kept = random_prefixes(language, share=0.5, depth=6, seed=3)
    assert isinstance(found, Narrowed)
    p, own, s = law(language), law(kept.s), law(found.s)
    rows = p.sample(np.random.default_rng(0), 12)
    weight, mass = found.notes["probability"], found.notes["mass"]
    with np.errstate(divide="ignore"):
        log_p, log_a = p.prefix_log_prob(rows), own.prefix_log_prob(rows)
        both = [np.exp(one)[..., None] * other.next_token(rows) for one, other in ((log_p, p), (log_a, own))]
    p_b = (both[0] - mass * both[1]) / (1 - mass)
    joint = weight * both[1] + (1 - weight) * p_b
    expected = joint / joint.sum(axis=-1, keepdims=True)
    assert s.next_token(rows) == pytest.approx(expected, abs=1e-9)
    drawn = s.sample(np.random.default_rng(1), 3000)
    inside = own.log_prob(drawn) > -math.inf
    assert abs(inside.mean() - weight) < 5 * math.sqrt(weight * (1 - weight) / len(drawn))


@pytest.mark.parametrize("text", [BRACKETS, MARKOV, MOODS], ids=["brackets", "markov", "hidden"])
def test_it_is_a_regular_event(text: str, tmp_path: Any) -> None:
    """The beginnings that are taken, written as a pattern; the infinite languages have no list."""
    language, depth = written(tmp_path, text), 3
    found = random_prefixes(language, share=0.6, depth=depth, seed=2)
    names = language.vocabulary.symbols
    near = strings(language.enumerate(depth + 4, 10**6)[0])
    taken = sorted({one[:depth] for one in near if found.s.log_prob(one[:-1]) > -math.inf})
    assert taken
    assert len(taken) < len({one[:depth] for one in near})
    patterns = [
        "".join(f"\\{names[token]}" if names[token] in "()" else names[token] for token in one if token != EOS)
        + ("" if EOS in one else ".*")
        for one in taken
    ]
    other = regular(language, pattern="|".join(f"({one})" if one else "()" for one in patterns))
    assert other.log_mass == pytest.approx(found.log_mass, abs=1e-12)
    assert math.exp(found.log_mass) <= 0.6
    for one in near:
        assert other.s.log_prob(one[:-1]) == pytest.approx(found.s.log_prob(one[:-1]), abs=1e-11)


def test_a_mixture_of_two_grammars_has_both_laws() -> None:
    first, other = grammar(("S", "a T", "1"), ("T", "b", "1/2"), ("T", "a", "1/2")), grammar(("S", "b", "1"))
    both = mixture(first, other, Fraction(1, 4))
    assert isinstance(both, ContextFree)
    assert [math.exp(both.log_prob(one)) for one in ((1, 2), (1, 1), (2,))] == pytest.approx([1 / 8, 1 / 8, 3 / 4])
    with pytest.raises(SpecificationError, match="the same vocabulary"):
        mixture(first, grammar(("S", "b", "1"), tokens="b"), Fraction(1, 2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"share": 0.1, "depth": 1}, "restriction.share: at least the mass of the lightest beginning of 1 tokens"),
        ({"shift": 2.0}, r"restriction.shift: less than 0.\d+ nat is required for an event of mass 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    for language in (TINY, TINY.enumerate(9, 200)[0]):
        with pytest.raises(SpecificationError, match=said):
            random_prefixes(language, **arguments)


def test_too_many_beginnings_and_other_kinds_are_refused(tmp_path: Any) -> None:
    with pytest.raises(SpecificationError, match=r"restriction\.depth: at most 512 beginnings are required"):
        random_prefixes(written(tmp_path, MARKOV), depth=9)
    with pytest.raises(SpecificationError, match=r"restriction\.shift: a list or a context-free grammar is required"):
        random_prefixes(written(tmp_path, MARKOV), depth=2, shift=0.1)
