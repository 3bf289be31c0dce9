"""The law of self-training: against all multinomial draws in exact fractions, and against independent simulation."""

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest

from sim.theory.generations import effective_samples, expected_distances, fixed_point, noise

P = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))
BIASED = (Fraction(1, 5), Fraction(1, 5), Fraction(3, 5))


def counts(total: int, kinds: int) -> Iterator[tuple[int, ...]]:
    for cut in itertools.combinations(range(total + kinds - 1), kinds - 1):
        edges = (-1, *cut, total + kinds - 1)
        yield tuple(right - left - 1 for left, right in itertools.pairwise(edges))


def chance(drawn: Sequence[int], law: Sequence[Fraction]) -> Fraction:
    ways = math.factorial(sum(drawn))
    for count in drawn:
        ways //= math.factorial(count)
    return ways * math.prod((p**count for p, count in zip(law, drawn, strict=True)), start=Fraction(1))


def enumerated(
    start: Sequence[Fraction], n: int, fresh: Fraction, generations: int
) -> list[dict[tuple[Fraction, ...], Fraction]]:
    """The exact distribution of p_g for every generation, by enumeration of all draws."""
    found = [{tuple(start): Fraction(1)}]
    for _ in range(generations):
        after: dict[tuple[Fraction, ...], Fraction] = {}
        for law, weight in found[-1].items():
            mixed = [(1 - fresh) * q + fresh * p for q, p in zip(law, P, strict=True)]
            for drawn in counts(n, len(P)):
                key = tuple(Fraction(count, n) for count in drawn)
                after[key] = after.get(key, Fraction(0)) + weight * chance(drawn, mixed)
        found.append(after)
    return found


def distance(states: dict[tuple[Fraction, ...], Fraction]) -> Fraction:
    return sum((w * sum((q - p) ** 2 for q, p in zip(law, P, strict=True)) for law, w in states.items()), Fraction(0))


def collision(states: dict[tuple[Fraction, ...], Fraction]) -> Fraction:
    return sum((w * sum(q**2 for q in law) for law, w in states.items()), Fraction(0))


C = float(sum(p**2 for p in P))


@pytest.mark.parametrize("fresh", [Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1)])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_law_is_that_of_all_draws(n: int, fresh: Fraction) -> None:
    states = enumerated(P, n, fresh, 3)
    assert all(sum(one.values()) == 1 for one in states)
    expected = [float(distance(one)) for one in states]
    np.testing.assert_allclose(expected_distances(C, n, float(fresh), 3), expected, rtol=1e-13, atol=1e-15)


def test_the_first_term_has_the_collision_probability_of_p_and_not_of_the_mixture() -> None:
    n, fresh = 2, Fraction(1, 10)
    states = enumerated(P, n, fresh, 2)
    before = float(distance(states[1]))
    of_mixture = C + 0.81 * before  # E of the squared length of the mixture
    wrong = (1 - of_mixture) / n + (1 - 1 / n) * 0.81 * before
    assert expected_distances(C, n, 0.1, 2)[2] == pytest.approx(float(distance(states[2])), rel=1e-13)
    assert wrong != pytest.approx(float(distance(states[2])), rel=1e-2)


@pytest.mark.parametrize("fresh", [Fraction(0), Fraction(1, 4)])
def test_a_model_that_does_not_begin_at_p(fresh: Fraction) -> None:
    states = enumerated(BIASED, 3, fresh, 3)
    start = float(sum((q - p) ** 2 for q, p in zip(BIASED, P, strict=True)))
    overlap = float(sum(p * (q - p) for q, p in zip(BIASED, P, strict=True)))
    expected = [float(distance(one)) for one in states]
    found = expected_distances(C, 3, float(fresh), 3, start, overlap)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert abs(expected_distances(C, 3, float(fresh), 3, start)[2] - expected[2]) > 1e-3, "the overlap matters"


def test_without_fresh_data_diversity_shrinks_by_a_factor_whatever_the_beginning() -> None:
    for start in (P, BIASED):
        states = enumerated(start, 3, Fraction(0), 3)
        for g, one in enumerate(states):
            assert 1 - collision(one) == (1 - Fraction(1, 3)) ** g * (1 - collision(states[0]))


def test_limits() -> None:
    assert expected_distances(0.2, np.inf, 0.0, 5).tolist() == [0.0] * 6
    for fresh in (0.0, 0.1, 0.5, 1.0):
        far = expected_distances(0.2, 7, fresh, 3000)[-1]
        assert far == pytest.approx(fixed_point(0.2, 7, fresh), rel=1e-12)
        near = expected_distances(0.2, 7, fresh, 3, fixed_point(0.2, 7, fresh))
        np.testing.assert_allclose(near, fixed_point(0.2, 7, fresh), rtol=1e-13)
    assert fixed_point(0.2, 7, 0.0) == pytest.approx(0.8, rel=1e-12)


@pytest.mark.parametrize("fresh", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("n", [1.5, 32, 1e6])
def test_the_effective_number_of_samples_inverts_the_law(n: float, fresh: float) -> None:
    for g in (1, 10):
        found = effective_samples(expected_distances(0.1, n, fresh, g)[-1], 0.1, fresh, g)
        assert found == pytest.approx(n, rel=1e-8)
    closed = 1 / (1 - (1 - 0.3 / 0.9) ** (1 / 10))
    assert effective_samples(0.3, 0.1, 0.0, 10) == pytest.approx(closed, rel=1e-12)


def test_the_effective_number_has_ends() -> None:
    assert effective_samples(0.0, 0.1, 0.0, 4) == np.inf
    assert effective_samples(0.9, 0.1, 0.0, 1) == pytest.approx(1.0)
    for wrong in ((0.91, 0.1, 0.0, 1), (0.5, 0.1, 0.0, 0), (float("nan"), 0.1, 0.0, 1)):
        with pytest.raises(ValueError, match="required"):
            effective_samples(*wrong)


def test_noise_of_one_generation_by_independent_draws() -> None:
    generator = np.random.default_rng(5)
    p, before, n, fresh = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8]), 6, 0.25
    mixed = 0.75 * before + 0.25 * p
    both = [noise(before, generator.multinomial(n, mixed) / n, p, fresh) for _ in range(4000)]
    assert np.mean([one for one, _ in both]) == pytest.approx(both[0][1] / n, rel=0.05)
    assert both[0][1] == pytest.approx(1 - mixed @ mixed)
