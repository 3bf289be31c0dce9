import math
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import make_world, surprise

from sim.metrics.divergence import kl
from sim.metrics.entropy import entropy, exit_merged_entropy
from sim.metrics.positions import (
    branching_factor_by_position,
    entropy_by_position,
    kl_by_position,
    live_by_position,
    off_by_position,
    top_one_by_position,
)

VIEWS = ["response", "joint"]


def visited(world, view):
    """(position, P-weight, prefix) of every scored prefix of a supported document."""
    starts = [()] if view == "joint" else world.group_prompts()
    out = {}
    for d, value in world.p.items():
        start = max((len(x) for x in starts if d[: len(x)] == x), default=0)
        for depth in range(start, len(d)):
            position, weight = depth - start, out.get((depth - start, d[:depth]), Fraction(0))
            out[position, d[:depth]] = weight + value
    return [(position, weight, prefix) for (position, prefix), weight in out.items()]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(3))
def test_next_token_quantities_equal_enumeration(seed, view):
    world = make_world(seed)
    p, q, log_law = world.truth(view), world.scored(view), world.log_law(view)
    size = len(live_by_position(p, log_law))
    live, total, top = np.zeros(size), np.zeros(size), np.zeros(size)
    for position, weight, prefix in visited(world, view):
        live[position] += float(weight)
        total[position] += float(weight) * surprise(iter(world.q_conditionals[prefix]))
        top[position] += float(weight) * float(max(world.q_conditionals[prefix]))
    np.testing.assert_allclose(live_by_position(p, log_law), live, atol=1e-13)
    np.testing.assert_allclose(entropy_by_position(p, q, log_law), total, atol=1e-13)
    np.testing.assert_allclose(branching_factor_by_position(p, q, log_law), np.exp(total), atol=1e-12)
    np.testing.assert_allclose(top_one_by_position(p, q, log_law), top / live, atol=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_chain_rules(view):
    world = make_world(5)
    p, q, log_law = world.truth(view), world.scored(view), world.log_law(view)
    weights = p.log_weights(log_law)
    assert entropy_by_position(p, p, log_law).sum() == pytest.approx(entropy(p.log_q, weights), abs=1e-13)
    assert entropy_by_position(q, q, log_law).sum() == pytest.approx(exit_merged_entropy(q, log_law), abs=1e-13)
    assert kl_by_position(p, q, log_law).sum() == pytest.approx(kl(p.log_q, q.log_q, weights), abs=1e-13)
    off = math.fsum(np.exp(log_law) * q.off)
    assert off_by_position(q, log_law).sum() == pytest.approx(off, abs=1e-14)


def test_a_missed_token_is_infinite_at_its_position_only():
    world = make_world(0)
    p, kept, log_law = world.truth("response"), world.truth_kept("response"), world.log_law("response")
    found = kl_by_position(p, kept, log_law)
    assert np.isinf(found).any()
    assert not np.isnan(found).any()
    lost_prompt = log_law == -np.inf
    assert not lost_prompt.any()
    on_s = world.log_law("response", "s")
    assert not np.isnan(top_one_by_position(kept, kept, on_s)).any()
    assert (entropy_by_position(kept, kept, on_s) >= 0.0).all()
