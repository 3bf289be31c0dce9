"""What m answers say about a law: sums over every possible data set in fractions, and scipy's binomials."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
from scipy import stats

from sim.theory import answers

LAWS = [[Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(3, 4), Fraction(1, 4)], [Fraction(1)],
        [Fraction(2, 5), Fraction(0), Fraction(3, 5)]]  # fmt: skip
DRAWS = (1, 2, 3, 5)
Data = dict[int, Fraction]


def data_sets(p: list[Fraction], m: int) -> Iterator[tuple[Fraction, Data]]:
    """The probability of every sequence of m answers, and their shares."""
    for sequence in product(range(len(p)), repeat=m):
        weight = math.prod((p[y] for y in sequence), start=Fraction(1))
        yield weight, {y: Fraction(count, m) for y, count in Counter(sequence).items()}


def mean(p: list[Fraction], m: int, value: Callable[[Data], Fraction | mpmath.mpf]) -> float:
    with mpmath.workdps(40):
        return float(mpmath.fsum(mpmath.mpf(w.numerator) / w.denominator * real(value(s)) for w, s in data_sets(p, m)))


def real(value: Fraction | mpmath.mpf) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def surprise(law: Data) -> mpmath.mpf:
    return -mpmath.fsum(real(v) * mpmath.log(real(v)) for v in law.values() if v)


@pytest.mark.parametrize("m", DRAWS)
@pytest.mark.parametrize("p", LAWS, ids=str)
def test_expectations_are_sums_over_all_data_sets(p: list[Fraction], m: int) -> None:
    law = np.array([float(value) for value in p])
    assert answers.collision(law) == pytest.approx(float(sum(v * v for v in p)), rel=1e-15)
    assert answers.entropy(law) == pytest.approx(float(surprise(dict(enumerate(p)))), abs=1e-15)
    for rho in (Fraction(0), Fraction(1, 3), Fraction(1)):

        def dialled(s: Data, rho: Fraction = rho) -> list[Fraction]:
            return [(1 - rho) * v + rho * s.get(y, Fraction(0)) for y, v in enumerate(p)]

        wanted = mean(p, m, lambda s: sum((v * v for v in dialled(s)), Fraction(0)))
        assert answers.expected_collision(law, m, float(rho)) == pytest.approx(wanted, rel=1e-14)
        wanted = mean(p, m, lambda s: surprise(dict(enumerate(dialled(s)))))
        assert answers.expected_entropy(law, m, float(rho)) == pytest.approx(wanted, rel=1e-13, abs=1e-15)
    assert answers.expected_entropy(law, m) == pytest.approx(mean(p, m, surprise), rel=1e-13, abs=1e-15)
    lost = float(surprise(dict(enumerate(p)))) - mean(p, m, surprise)
    assert answers.entropy_loss(law, m) == pytest.approx(lost, rel=1e-12, abs=1e-15)
    missing = mean(p, m, lambda s: sum((v for y, v in enumerate(p) if y not in s), Fraction(0)))
    assert answers.missing_mass(law, m) == pytest.approx(missing, rel=1e-13, abs=1e-16)
    once = mean(p, m, lambda s: Fraction(sum(v * m == 1 for v in s.values()), m))
    assert answers.good_turing(law, m) == pytest.approx(once, rel=1e-13, abs=1e-16)


@pytest.mark.parametrize("m", [7, 64, 1000])
def test_many_answers_have_the_entropy_of_scipys_binomials(m: int) -> None:
    p = np.random.default_rng(m).dirichlet(np.full(32, 0.5))
    counts = np.arange(1, m + 1)
    shares = -counts / m * np.log(counts / m)
    wanted = sum(float(stats.binom.pmf(counts, m, value) @ shares) for value in p)
    assert answers.expected_entropy(p, m) == pytest.approx(wanted, rel=1e-10)
    assert answers.missing_mass(p, m) == pytest.approx(float(stats.binom.pmf(0, m, p) @ p), rel=1e-10)


def test_one_answer_has_no_entropy_and_very_many_have_that_of_the_law() -> None:
    p = np.array([0.5, 0.3, 0.2])
    assert answers.expected_entropy(p, 1) == 0.0
    assert answers.entropy_loss(p, 20_000) == pytest.approx(2 / 40_000, rel=1e-2), "(K - 1) / 2m"
    assert answers.entropy_loss(np.full(32, 1 / 32), 64) > 31 / 128, "the first term alone is too small here"


def test_the_dial_has_its_effective_number_of_answers() -> None:
    p = np.array([0.5, 0.3, 0.2])
    assert answers.effective_answers(4, 0.5) == 16.0
    assert answers.effective_answers(4, 0.0) == math.inf
    assert answers.expected_collision(p, 4, 0.5) == pytest.approx(answers.expected_collision(p, 16), rel=1e-15)
    assert answers.effective_answers(1, 0.2) == pytest.approx(answers.effective_answers(16, 0.8)), "a tie"
    s = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(answers.dialled(p, s, 0.25), [0.625, 0.225, 0.15], rtol=1e-15)
    assert answers.unseen_mass(0.5, 0.25) == pytest.approx(answers.dialled(p, s, 0.25)[1:].sum(), rel=1e-15)


@pytest.mark.parametrize(
    ("p", "m", "message"),
    [
        ([0.5, 0.4], 2, "p: probabilities that sum to 1 are required"),
        ([1.5, -0.5], 2, "p: probabilities that sum to 1 are required"),
        ([0.5, math.nan], 2, "p: probabilities that sum to 1 are required"),
        ([1.0], 0, "num_answers: a whole number of at least 1 is required, found 0"),
    ],
)
def test_refused(p: list[float], m: int, message: str) -> None:
    for function in (answers.expected_entropy, answers.expected_collision, answers.missing_mass, answers.good_turing):
        with pytest.raises(ValueError, match=message):
            function(np.array(p), m)
    with pytest.raises(ValueError, match="num_answers: a positive number is required, found 0"):
        answers.effective_answers(0, 0.5)
    with pytest.raises(ValueError, match="rho: a number from 0 to 1 is required"):
        answers.expected_entropy(np.array([0.5, 0.5]), 2, 1.5)
