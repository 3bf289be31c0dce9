"""Exact values, from enumerating every string of at most L tokens, lie inside the certified intervals."""

import math
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import World, exits, make_world, surprise

from sim.metrics.diversity import (
    collision_interval,
    collision_ratio,
    distinct_of,
    hill_number,
    largest_interval,
    renyi_entropy,
)
from sim.metrics.entropy import entropy, entropy_interval, exit_merged_entropy, merged_entropy
from sim.metrics.support import epsilon_support, smallest_set
from sim.quantity import Quantity

VIEWS = ["response", "joint"]
CASES = [(seed, stop) for seed in range(5) for stop in (True, False)]


def exact(world: World, view: str, value) -> float:
    """E_x of a functional of the full law given x."""
    return math.fsum(float(weight) * value(list(law.values())) for weight, law in world.laws(view, "q"))


def holds(interval: Quantity, value: float) -> bool:
    return interval.lower - 1e-12 <= value <= interval.upper + 1e-12


def least_count(values: list[Fraction], target: Fraction) -> int:
    total, count = Fraction(0), 0
    for value in sorted(values, reverse=True):
        if total >= target:
            break
        total, count = total + value, count + 1
    return count


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("seed", "stop_early"), CASES)
def test_full_law_lies_inside(seed, stop_early, view):
    world = make_world(seed, leak=Fraction(1, 3), stop_early=stop_early)
    q, log_law = world.scored(view), world.log_law(view)
    entropy_value = exact(world, view, lambda law: surprise(iter(law)))
    collision_value = exact(world, view, lambda law: float(sum(v * v for v in law)))
    top = exact(world, view, lambda law: float(max(law)))
    assert holds(entropy_interval(q, log_law), entropy_value)
    assert holds(collision_interval(q, log_law), collision_value)
    assert holds(largest_interval(q, log_law), top)
    assert holds(hill_number(q, 1, log_law), math.exp(entropy_value))
    assert holds(hill_number(q, 2, log_law), 1 / collision_value)
    assert holds(hill_number(q, np.inf, log_law), 1 / top)
    assert holds(renyi_entropy(q, 2, log_law), -math.log(collision_value))
    for k in (1, 2, 10):
        value = exact(world, view, lambda law, k=k: float(sum(1 - (1 - v) ** k for v in law)))
        assert holds(distinct_of(q, k, log_law), value)
    for delta in (Fraction(1, 20), Fraction(1, 3), Fraction(9, 10)):
        value = exact(world, view, lambda law, delta=delta: least_count(law, 1 - delta))
        assert holds(smallest_set(q, float(delta), log_law), value)
    epsilons = [Fraction(1, 2), Fraction(1, 30), Fraction(1, 1000), Fraction(1, 10**6), *sorted(world.q.values())[::40]]
    for epsilon, interval in zip(epsilons, epsilon_support(q, [float(e) for e in epsilons], log_law), strict=True):
        value = exact(world, view, lambda law, epsilon=epsilon: sum(v >= epsilon for v in law))
        assert holds(interval, value), (epsilon, interval, value)


@pytest.mark.parametrize("view", VIEWS)
def test_lower_end_of_entropy_is_the_entropy_with_exits_as_atoms(view):
    world = make_world(7)
    on = [sum(surprise(v for d, v in law.items() if d in world.p) * float(w) for w, law in world.laws(view, "q"))]
    off = [
        float(w) * surprise(m for m, _ in e)
        for (w, _), e in zip(world.laws(view, "q"), exits(world, view), strict=True)
    ]
    assert exit_merged_entropy(world.scored(view), world.log_law(view)) == pytest.approx(math.fsum(on + off), abs=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_merged_entropy_equals_enumeration(view):
    world = make_world(8)
    expected = 0.0
    for weight, law in world.laws(view, "q"):
        on = [v for d, v in law.items() if d in world.p]
        expected += float(weight) * surprise(iter([*on, 1 - sum(on)]))
    assert merged_entropy(world.scored(view), world.log_law(view)) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_widths_vanish_with_the_mass_off_the_support(view):
    widths = []
    for power in (0, 3, 6, 9, 12):
        world = make_world(9, leak=Fraction(1, 10**power), zeros=False)
        q, log_law = world.scored(view), world.log_law(view)
        found = [entropy_interval(q, log_law), collision_interval(q, log_law), distinct_of(q, 5, log_law)]
        widths.append([interval.width for interval in found])
        assert all(not interval.exact for interval in found[:1])
    ratio = np.array(widths[1:]) / np.maximum(np.array(widths[:-1]), 1e-300)
    assert (ratio[:, 0] < 0.01).all()  # linear in the leak: a factor 1e-3 at each step
    assert (np.array(widths[-1]) < 1e-10).all()


def test_a_truth_is_exact_everywhere():
    world = make_world(1)
    for view in VIEWS:
        p, log_law = world.truth(view), world.log_law(view)
        found = [
            entropy_interval(p, log_law),
            collision_interval(p, log_law),
            collision_ratio(p, p, log_law),
            *(hill_number(p, order, log_law) for order in (1, 2, np.inf)),
            *epsilon_support(p, [0.5, 0.01, 1e-9], log_law),
            distinct_of(p, 3, log_law),
        ]
        assert all(quantity.exact for quantity in found)
        assert smallest_set(p, 0.1, log_law).width == 0.0
        assert collision_ratio(p, p, log_law).value == pytest.approx(1.0)


def test_largest_is_exact_where_the_top_string_exceeds_every_exit():
    world = make_world(2, leak=Fraction(1, 1000))
    q, log_law = world.scored("response"), world.log_law("response")
    assert hill_number(q, np.inf, log_law).exact
    wide = make_world(2, leak=Fraction(1000))
    assert not hill_number(wide.scored("response"), np.inf, wide.log_law("response")).exact


def test_eps_support_is_exact_above_the_largest_exit_and_counts_ties():
    world = make_world(3, leak=Fraction(1, 100))
    q, log_law = world.scored("joint"), world.log_law("joint")
    above = float(q.exit_max[0]) * 1.01
    assert epsilon_support(q, [above], log_law)[0].exact
    eighth = np.log(np.full(8, 0.125))
    assert entropy(eighth) == pytest.approx(math.log(8))
    tie = float(np.exp(q.log_q[0]))
    assert epsilon_support(q, [tie], log_law)[0].lower == (q.log_q >= q.log_q[0]).sum()


def test_other_orders_and_thresholds_are_refused():
    world = make_world(0)
    q, log_law = world.scored("joint"), world.log_law("joint")
    with pytest.raises(ValueError, match="order 1, 2 or inf is required, found 3"):
        hill_number(q, 3, log_law)
    with pytest.raises(ValueError, match="eps: a positive number is required, found 0"):
        epsilon_support(q, [0.0], log_law)
    with pytest.raises(ValueError, match="delta < 1 is required, found 1"):
        smallest_set(q, 1.0, log_law)
    with pytest.raises(ValueError, match="num_samples of at least 1 is required"):
        distinct_of(q, 0, log_law)
