"""Estimators of counts: published numbers, scipy, and exact means over all samples of small multinomials."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.stats import entropy

from sim.estimators import counts as of_counts
from sim.estimators import good_turing
from sim.estimators.counts import chao1, chao_shen, miller_madow, plug_in_entropy
from sim.estimators.good_turing import coverage, missing_mass, simpson

LAWS = [(Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)), (Fraction(9, 10), Fraction(1, 10)), (Fraction(1),)]


def counts(*values: int) -> np.ndarray:
    return np.array(values)


def mean(law: Sequence[Fraction], n: int, value: Callable[[Counter[int]], Fraction]) -> Fraction:
    """The exact mean over all samples of n draws."""
    every = product(range(len(law)), repeat=n)
    return sum((math.prod(law[x] for x in sample) * value(Counter(sample)) for sample in every), Fraction(0))


def found(estimator: Callable[[np.ndarray], float]) -> Callable[[Counter[int]], Fraction]:
    """An estimator as a fraction; its numbers have denominators below 1000."""
    return lambda seen: Fraction(float(estimator(np.array(list(seen.values()))))).limit_denominator(1000)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_simpson_has_no_bias(law: Sequence[Fraction], n: int) -> None:
    assert mean(law, n, found(simpson)) == sum(p * p for p in law)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [2, 3, 5])
def test_good_turing_is_the_missing_mass_of_one_draw_fewer(law: Sequence[Fraction], n: int) -> None:
    def missed(seen: Counter[int]) -> Fraction:
        return sum((p for x, p in enumerate(law) if x not in seen), Fraction(0))

    assert mean(law, n, found(missing_mass)) == mean(law, n - 1, missed)
    assert mean(law, n, found(coverage)) == 1 - mean(law, n - 1, missed)


@pytest.mark.parametrize("law", [*LAWS, tuple(Fraction(k, 21) for k in range(1, 7))])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_chao1_bounds_the_unseen_number_by_mean_counts(law: Sequence[Fraction], n: int) -> None:
    """Cauchy & Schwarz: (n-1)/n (E f_1)^2 / (2 E f_2) <= E f_0, with equality if all strings are equally likely."""
    f = [sum((math.comb(n, k) * p**k * (1 - p) ** (n - k) for p in law), Fraction(0)) for k in range(3)]
    if not f[2]:
        assert len(law) == 1
    else:
        assert Fraction(n - 1, n) * f[1] ** 2 / (2 * f[2]) <= f[0]
        even = [len(law) * math.comb(n, k) * Fraction(1, len(law)) ** k * (1 - Fraction(1, len(law))) ** (n - k)
            for k in range(3)]  # fmt: skip
        assert Fraction(n - 1, n) * even[1] ** 2 / (2 * even[2]) == even[0]


def test_chao1_published() -> None:
    """The examples of `int.chao` of the R package `fossil`, and the form for no string seen twice."""
    assert chao1(counts(4, 5, 1, 1, 2, 0, 0, 1, 3, 0, 8, 45, 23)) == 14.5
    assert chao1(counts(4, 5, 0, 0, 2, 0, 0, 0, 3, 0, 8, 45, 23)) == 7.0
    assert chao1(counts(1, 1, 1, 5)) == 4 + 3
    assert chao1(counts(1)) == 1.0


def test_the_plug_in_is_the_entropy_of_frequencies() -> None:
    for values in ((4, 2, 3, 0, 2, 4, 0, 0, 2, 1, 1), (7,), (1, 1)):
        assert plug_in_entropy(counts(*values)) == pytest.approx(float(entropy(values)), rel=1e-14, abs=0)
    assert math.copysign(1.0, plug_in_entropy(counts(7))) == 1.0


def test_the_correction_of_miller_and_madow() -> None:
    """(K - 1) / 2n removes the bias up to 1/n^2: at n = 10, for three strings, over four fifths of it."""
    values = counts(4, 2, 3, 0, 1)
    assert miller_madow(values) == pytest.approx(float(entropy(values)) + 3 / 20, rel=1e-14)
    law = LAWS[0]
    true = float(entropy([float(p) for p in law]))

    def bias(estimator: Callable[[np.ndarray], float]) -> float:
        every = product(range(11), repeat=2)
        cells = [(a, b, 10 - a - b) for a, b in every if a + b <= 10]
        values = (math.prod(float(p) ** c / math.factorial(c) for p, c in zip(law, cell, strict=True)) *
                  estimator(np.array(cell)) for cell in cells)  # fmt: skip
        return math.factorial(10) * math.fsum(values) - true

    assert bias(plug_in_entropy) == pytest.approx(-2 / 20, rel=0.2)
    assert abs(bias(miller_madow)) < 0.2 * abs(bias(plug_in_entropy))


def test_chao_and_shen_published() -> None:
    """0.6805093130489859 bits for 50, 2, 1, 1: the estimator of the R package `entropy`, computed independently."""
    assert chao_shen(counts(50, 2, 1, 1)) / math.log(2) == pytest.approx(0.6805093130489859, rel=1e-13)


def test_chao_and_shen_by_their_formula() -> None:
    n, kept = 6, Fraction(2, 3)  # f_1 = 2
    values = counts(4, 1, 1)
    shares = [kept * Fraction(int(c), n) for c in values]
    wanted = -sum(float(s) * math.log(s) / float(1 - (1 - s) ** n) for s in shares)
    assert chao_shen(values) == pytest.approx(wanted, rel=1e-14)


def test_chao_and_shen_at_the_edges() -> None:
    assert chao_shen(counts(5)) == chao_shen(counts(1)) == 0.0
    assert math.copysign(1.0, chao_shen(counts(5))) == 1.0
    assert chao_shen(counts(5, 5)) == pytest.approx(math.log(2) / (1 - 2.0**-10), rel=1e-14)
    # all seen once: f_1 is taken as n - 1, so C = 1/3
    s = 1 / 9
    assert chao_shen(counts(1, 1, 1)) == pytest.approx(-3 * s * math.log(s) / (1 - (1 - s) ** 3), rel=1e-14)


@pytest.mark.parametrize("wrong", [[], [0, 0], [-1, 2], [0.5, 1.0], [[1, 2], [0, 0]]])
@pytest.mark.parametrize("name", ["plug_in_entropy", "miller_madow", "chao_shen", "missing_mass", "chao1", "simpson"])
def test_what_is_no_count_is_refused(name: str, wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="whole numbers of at least 0, with a sum above 0, are required"):
        getattr(of_counts if hasattr(of_counts, name) else good_turing, name)(np.array(wrong))


def test_one_draw_has_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least 2 draws are required, found 1"):
        simpson(counts(1))
