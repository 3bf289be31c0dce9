"""Two models of one world against sums over every string that they can write, in fractions."""

import dataclasses
import math
import random
from fractions import Fraction

import numpy as np
import pytest

from sim.metrics.agreement import collision_between, overlap
from sim.metrics.diversity import collision_interval
from sim.metrics.scored import Scored, score
from tests.unit.metrics.small_worlds import Conditionals, Law, Outcome, World, make_world, random_model, record, spread

NONE = Fraction(0)


def scored(world: World, model: Conditionals) -> Scored:
    return score(world.trie, world.groups, record(world.trie, model), "response")


def given(world: World, model: Conditionals) -> list[tuple[Fraction, Law]]:
    """P(x) and the law of all outcomes that begin with x."""
    found = []
    for x in world.group_prompts():
        weight = sum((v for d, v in world.p.items() if d[: len(x)] == x), NONE)
        found.append((weight, spread(model, x)))
    return found


def between(one: Law, other: Law, root: bool) -> float:
    both: list[Outcome] = [d for d in one if d in other]
    return math.fsum(math.sqrt(one[d] * other[d]) if root else float(one[d] * other[d]) for d in both)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("root", [False, True], ids=["collision", "overlap"])
def test_the_sum_over_all_strings_lies_between_the_bounds(seed: int, root: bool) -> None:
    world = make_world(seed, leak=Fraction(1, 10))
    models = [random_model(random.Random(100 * seed + at), world.p, Fraction(1, 10), True) for at in range(2)]
    found = (overlap if root else collision_between)(*(scored(world, one) for one in models), world.log_law("response"))
    pairs = zip(*(given(world, one) for one in models), strict=True)
    true = math.fsum(float(weight) * between(mine, theirs, root) for (weight, mine), (_, theirs) in pairs)
    assert found.lower < found.upper
    assert found.lower - 1e-12 <= true <= found.upper + 1e-12
    listed = [{d: v for d, v in law.items() if d in world.p} for one in models for _, law in given(world, one)]
    half = len(listed) // 2
    weights = [float(weight) for weight, _ in given(world, models[0])]
    on = math.fsum(w * between(listed[i], listed[half + i], root) for i, w in enumerate(weights))
    assert found.lower == pytest.approx(on, rel=1e-12)


def test_a_model_agrees_with_itself_as_far_as_it_repeats_itself() -> None:
    world = make_world(7, leak=Fraction(1, 10))
    q, log_law = scored(world, world.q_conditionals), world.log_law("response")
    itself, own = collision_between(q, q, log_law), collision_interval(q, log_law)
    assert (itself.lower, itself.upper) == pytest.approx((own.lower, own.upper), rel=1e-12)
    assert overlap(q, q, log_law).upper == pytest.approx(1.0, abs=1e-12)
    p = world.truth("response")
    assert overlap(p, p, log_law).exact
    assert overlap(p, p, log_law).value == pytest.approx(1.0, abs=1e-12)


def test_models_on_different_strings_are_refused() -> None:
    one, other = (make_world(seed) for seed in (1, 2))
    q, r = (scored(world, world.q_conditionals) for world in (one, other))
    with pytest.raises(ValueError, match="equal lists of strings are required"):
        overlap(q, r, one.log_law("response"))
    same = dataclasses.replace(q, log_q=np.array(q.log_q))
    assert collision_between(q, same, one.log_law("response")).lower > 0.0
