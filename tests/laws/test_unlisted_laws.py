"""Laws of every grammar in conf/ whose strings are not listed: what a model is trained on and judged by is one law."""

import math

import numpy as np
import pytest

from sim.running.build import settings
from sim.running.unlisted.asked import world
from sim.unlisted.looks import look
from sim.unlisted.record import judged_by
from sim.unlisted.world import UnlistedWorld, alive
from tests.composed import compose, unlisted_grammars

ROWS = 200
EXACT = 1e-9
FALSE_ALARM = 1e-6
"""Bound on the chance that a right law fails one test; the generators are fixed, so that it fails always or never."""


@pytest.fixture(scope="module", params=unlisted_grammars())
def own(request: pytest.FixtureRequest) -> UnlistedWorld:
    return world(settings(compose(f"grammar={request.param}", "restriction=everything")))


def test_there_are_such_grammars() -> None:
    assert {"cfg3", "unlisted"} <= set(unlisted_grammars())


def test_next_token_laws_along_drawn_rows_are_those_of_their_probability(own: UnlistedWorld) -> None:
    rows = own.p.sample(np.random.default_rng(1), 20)
    law = own.p.next_token(rows)
    counted = alive(rows)
    assert np.abs(law.sum(axis=-1)[counted] - 1.0).max() < EXACT
    at_token = np.take_along_axis(law, rows[..., None].astype(np.int64), axis=-1)[..., 0]
    chain = np.where(counted, np.log(np.where(counted, at_token, 1.0)), 0.0).sum(axis=1)
    assert chain == pytest.approx(own.p.log_prob(rows), rel=EXACT)


def test_a_model_that_is_p_has_no_divergence_and_never_leaves(own: UnlistedWorld) -> None:
    rows = own.p.sample(np.random.default_rng(2), 20)
    law = own.p.next_token(rows)
    with np.errstate(divide="ignore"):
        log_q = np.where(law > 0, np.log(law), -1e9)
    found = look(log_q, law, rows)
    assert np.abs(found["kl_at"]).max() < EXACT
    assert found["off_at"].max() < EXACT
    assert found["log_q"] == pytest.approx(own.p.log_prob(rows), rel=EXACT)


def test_two_estimates_of_the_entropy_agree(own: UnlistedWorld) -> None:
    """-log P and the path entropy have one mean; Chebyshev's inequality bounds the chance that they differ by more."""
    held, _ = judged_by(own, ROWS, np.random.default_rng(3))
    difference = held["p_entropy"] + held["p_log_p"]
    error = float(difference.std(ddof=1)) / math.sqrt(ROWS)
    assert abs(float(difference.mean())) < 5.5 * error, "5.5 standard errors: 4e-8 for a normal mean, below FALSE_ALARM"


def test_what_s_is_to_p_is_exact(own: UnlistedWorld) -> None:
    assert own.narrowed.shift == 0.0
    held, _ = judged_by(own, 20, np.random.default_rng(4))
    assert held["p_log_s"] == pytest.approx(held["p_log_p"])
