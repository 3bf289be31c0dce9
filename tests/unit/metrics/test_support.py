import math
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import make_world

from sim.metrics.support import coverage, coverage_profile, off_support_mass, support_recall

VIEWS = ["response", "joint"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_coverage_recall_and_leak_equal_enumeration(seed, view):
    world = make_world(seed)
    p, q, log_law = world.truth(view), world.scored(view), world.log_law(view)
    weights = p.log_weights(log_law)
    pairs = list(zip(world.laws(view, "p"), world.laws(view, "q"), strict=True))
    off = sum(weight * (1 - sum(given.get(d, 0) for d in law)) for (weight, law), (_, given) in pairs)
    assert off_support_mass(q, log_law) == pytest.approx(float(off), abs=1e-14)
    for epsilon in (Fraction(1, 1000), Fraction(1, 50), Fraction(1, 3)):
        covered, recall = Fraction(0), Fraction(0)
        for (weight, law), (_, given) in pairs:
            found = [d for d in law if given.get(d, 0) >= epsilon]
            covered += weight * sum(law[d] for d in found)
            recall += weight * Fraction(len(found), len(law))
        assert coverage(p.log_q, q.log_q, [float(epsilon)], weights)[0] == pytest.approx(float(covered), abs=1e-14)
        assert support_recall(p, q, float(epsilon), log_law) == pytest.approx(float(recall), abs=1e-14)
    for ratio in (Fraction(1, 2), Fraction(2), Fraction(20)):
        rare = sum(
            weight * sum(v for d, v in law.items() if v >= ratio * given.get(d, 0))
            for (weight, law), (_, given) in pairs
        )
        assert coverage_profile(p.log_q, q.log_q, [float(ratio)], weights)[0] == pytest.approx(float(rare), abs=1e-14)


def test_a_string_one_rounding_below_the_threshold_counts():
    log_p = np.log(np.full(7, 1 / 7))
    below = np.nextafter(log_p, -math.inf)
    assert coverage(log_p, below, [1 / 7]) == pytest.approx([1.0])
    assert coverage(log_p, below - 1e-11, [1 / 7]) == [0.0]
    assert coverage_profile(log_p, np.nextafter(log_p, math.inf), [1.0]) == pytest.approx([1.0])


def test_thresholds_count_ties_in_any_spelling():
    log_p = np.log(np.full(10, 0.1))
    assert coverage(log_p, log_p, [0.1]) == pytest.approx([1.0])
    assert coverage_profile(log_p, log_p, [1.0]) == pytest.approx([1.0])
    assert coverage_profile(log_p, log_p, [1.0001]) == [0.0]
    assert coverage_profile(log_p, np.full(10, -math.inf), [1e9]) == pytest.approx([1.0])
