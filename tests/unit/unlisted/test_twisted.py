"""Twisted draws: their weights have the mean q(B), which a listing knows, also where B is an event of derivations."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from sim.laws.narrowing import narrowed
from sim.laws.reading import law
from sim.numerics import EOS
from sim.unlisted.looks import log_prob
from sim.unlisted.numbers import shared
from sim.unlisted.twisted import TILTS, Drafter, draw, twist
from sim.unlisted.world import Seen, UnlistedWorld, alive
from tests.unit.laws.all_trees import grammar
from tests.unit.unlisted.small_laws import laws_of_a_model, small

NUMBER = 3000

Laws = Callable[[np.ndarray], np.ndarray]


def ambiguous(length: int = 4) -> UnlistedWorld:
    """Every string of one to three symbols has derivations with the deleted rule, and most have some without it."""
    p = law(grammar(
        ("S", "A", "1/2"), ("S", "B", "1/2"), ("A", "a", "1/2"), ("A", "a b", "1/2"),
        ("B", "a", "1/4"), ("B", "b a", "1/4"), ("B", "a b", "1/4"), ("B", "b a b", "1/4"), tokens="ab",
    ))  # fmt: skip
    return UnlistedWorld(Seen(p, length), narrowed(p, "sub_grammar", rules=[{"lhs": "S", "rhs": ["B"]}]))


def follower(world: UnlistedWorld, laws: Laws, rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Ancestral sampling from next-token laws, behind known tokens."""

    def follow(rows: np.ndarray, known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        rows, known = rows[wanted], known[wanted]
        for t in range(world.length):
            ended = (rows[:, :t] == EOS).any(axis=1)
            chances = np.exp(laws(rows)[:, t]).cumsum(axis=1)
            token = (rng.random((len(rows), 1)) * chances[:, -1:] > chances).sum(axis=1)
            rows[:, t] = np.where(t < known, rows[:, t], np.where(ended, EOS, token))
        return rows

    return follow


def every_row(world: UnlistedWorld) -> np.ndarray:
    """All rows of the horizon of a world: strings with their end and zeros, and those that are cut."""
    found = set()
    for row in itertools.product(range(world.vocab_size), repeat=world.length):
        end = row.index(EOS) if EOS in row else world.length
        found.add(row[:end] + (EOS,) * (world.length - end))
    return np.array(sorted(found), np.int64)


def exact(world: UnlistedWorld, laws: Laws) -> float:
    """E_q[P(B | x)] by summing over all rows; P(B | x) from the probabilities of whole strings."""
    rows = every_row(world)
    log_p, log_s = world.p.log_prob(rows), world.s.log_prob(rows)
    possible = log_p > -np.inf
    b = 1.0 - np.exp(np.where(possible, log_s, -np.inf) + world.narrowed.log_mass - np.where(possible, log_p, 0.0))
    return float((np.exp(log_prob(laws(rows), rows)) * np.where(possible, b, 0.0)).sum())


@pytest.mark.parametrize("world", [small(), small(4), ambiguous(), ambiguous(2)], ids=["whole", "cut", "latent", "two"])
def test_the_mean_of_the_weights_is_the_mass_of_what_is_left_out(world: UnlistedWorld) -> None:
    rng = np.random.default_rng(world.length)

    def laws(rows: np.ndarray) -> np.ndarray:
        return laws_of_a_model(rows, world.vocab_size, seed=3)

    found = draw(world, NUMBER, rng, Drafter(follower(world, laws, rng), laws, 700))
    weights = np.exp(found.log_weight)
    assert weights.std() > 0
    off = abs(weights.mean() - exact(world, laws)) / (weights.std() / math.sqrt(NUMBER))
    assert off < 4, "one false alarm in 16,000"
    log_p, log_s = world.p.log_prob(found.rows), world.s.log_prob(found.rows)
    assert (log_s + world.narrowed.log_mass < log_p - 1e-12).all(), "P(B | x) > 0 for every row"


@pytest.mark.parametrize("world", [small(), ambiguous()], ids=["whole", "latent"])
def test_rows_follow_the_twisted_law(world: UnlistedWorld) -> None:
    """The count of every row against its exact probability: the product along the row of q times twist, made a law."""
    rng = np.random.default_rng(0)

    def laws(rows: np.ndarray) -> np.ndarray:
        return laws_of_a_model(rows, world.vocab_size, seed=7)

    found = draw(world, NUMBER, rng, Drafter(follower(world, laws, rng), laws, NUMBER))
    rows = np.unique(world.p.sample(rng, 500), axis=0)
    q, p, ratio = np.exp(laws(rows)), world.p.next_token(rows), twist(world, rows)
    mean = np.zeros(len(rows))
    for place, tilt in enumerate(TILTS):
        weighted = q**tilt * p ** (1.0 - tilt) * ratio
        total = weighted.sum(axis=-1, keepdims=True)
        law = np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)
        steps = np.take_along_axis(law, rows.astype(np.int64)[..., None], axis=-1)[..., 0]
        exact = np.where(alive(rows), steps, 1.0).prod(axis=1)
        assert exact.sum() == pytest.approx(1.0), "all of what is left out"
        mean += exact / len(TILTS)
        drawn = found.rows[place :: len(TILTS)]
        counts, number = (drawn[:, None] == rows).all(axis=2).sum(axis=0), len(drawn)
        assert counts.sum() == number
        spread = np.sqrt(number * exact * (1.0 - exact))
        assert (np.abs(counts - number * exact) <= 4.5 * spread + 1e-9).all(), "one false alarm in 1,000 for 150 rows"
    b = -np.expm1(np.minimum(world.s.log_prob(rows) + world.narrowed.log_mass - world.p.log_prob(rows), 0.0))
    own = np.array([np.flatnonzero((rows == row).all(axis=1))[0] for row in found.rows])
    expected = np.exp(log_prob(laws(rows), rows)) * b / np.where(mean > 0, mean, 1.0)
    assert np.exp(found.log_weight) == pytest.approx(expected[own], rel=1e-9), "q(x) P(B | x) over the mean law"


def test_weights_are_over_the_laws_in_the_shares_of_their_draws() -> None:
    """Of four draws two have the first law: weights over equal shares would be wrong by up to a third."""
    world, rng = ambiguous(), np.random.default_rng(5)

    def laws(rows: np.ndarray) -> np.ndarray:
        return laws_of_a_model(rows, world.vocab_size, seed=7)

    found = draw(world, 4, rng, Drafter(follower(world, laws, rng), laws, 4))
    rows = found.rows
    q, p, ratio = np.exp(laws(rows)), world.p.next_token(rows), twist(world, rows)
    mean = np.zeros(4)
    for tilt, share_ in zip(TILTS, (0.5, 0.25, 0.25), strict=True):
        weighted = q**tilt * p ** (1.0 - tilt) * ratio
        total = weighted.sum(axis=-1, keepdims=True)
        law = np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)
        steps = np.take_along_axis(law, rows.astype(np.int64)[..., None], axis=-1)[..., 0]
        mean += share_ * np.where(alive(rows), steps, 1.0).prod(axis=1)
    b = -np.expm1(np.minimum(world.s.log_prob(rows) + world.narrowed.log_mass - world.p.log_prob(rows), 0.0))
    assert np.exp(found.log_weight) == pytest.approx(np.exp(log_prob(laws(rows), rows)) * b / mean, rel=1e-9)


def test_a_model_that_is_p_has_equal_weights() -> None:
    world, rng = small(), np.random.default_rng(1)

    def laws(rows: np.ndarray) -> np.ndarray:
        found = world.p.next_token(rows)
        found[found.sum(axis=-1) == 0] = 1.0 / world.vocab_size  # behind an impossible token; it is never reached
        return np.asarray(np.log(np.maximum(found, 1e-300)))

    found = draw(world, 300, rng, Drafter(follower(world, laws, rng), laws, 300))
    assert found.log_weight == pytest.approx(math.log(-math.expm1(world.narrowed.log_mass)), abs=1e-9)


def test_what_s_itself_has_of_a_latent_event_is_known() -> None:
    """S has strings with derivations of both kinds, so q(B) of a model that became S is not 0."""
    world = ambiguous()
    rows, rng = every_row(world), np.random.default_rng(3)
    log_s = world.s.log_prob(rows)
    exact_share = exact(world, lambda own: np.log(np.maximum(world.s.next_token(own), 1e-300)))
    assert exact_share > 0.2
    drawn = rows[rng.choice(len(rows), 4000, p=np.exp(log_s))]
    held = {"s_log_p": world.p.log_prob(drawn), "s_log_s": world.s.log_prob(drawn)}
    found = shared(held, world.narrowed.log_mass)
    assert found.estimate == pytest.approx(exact_share, rel=1e-9), "all strings of S have one share here"
    apart = small()
    own = apart.s.sample(rng, 200)
    none = shared({"s_log_p": apart.p.log_prob(own), "s_log_s": apart.s.log_prob(own)}, apart.narrowed.log_mass)
    assert none.estimate == 0.0, "rounding is no mass"


def test_the_twist_of_a_path_is_its_posterior() -> None:
    """The product of the twists along a string is P(B | x) / P(B), from the probabilities of whole strings."""
    world = ambiguous()
    rows = world.p.sample(np.random.default_rng(2), 50)
    ratio = np.take_along_axis(twist(world, rows), rows.astype(np.int64)[..., None], axis=-1)[..., 0]
    b = 1.0 - np.exp(world.s.log_prob(rows) + world.narrowed.log_mass - world.p.log_prob(rows))
    assert ratio.prod(axis=1) == pytest.approx(b / -math.expm1(world.narrowed.log_mass), abs=1e-9)
