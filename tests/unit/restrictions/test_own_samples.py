"""Own samples: the draws one by one, the mixture, rejection, and what decides them."""

import numpy as np
import pytest

from sim.languages.finite import FiniteLanguage
from sim.languages.starting import StartingModel, of_language
from sim.numerics import SpecificationError
from sim.restrictions.own_samples import label, own_samples
from tests.unit.models.tiny_worlds import language

P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")
Q = np.array([0.1, 0.2, 0.0, 0.3, 0.05, 0.15])


def model(law: np.ndarray = Q, stage: int = 1) -> StartingModel:
    with np.errstate(divide="ignore"):
        return StartingModel(np.zeros((0, 0)), np.log(law), stage, lambda: np.zeros((0, 0)))


def one_by_one(law: np.ndarray, number: int, seed: int, stage: int) -> np.ndarray:
    """Counts of draws, each by adding probabilities up until they exceed a uniform number."""
    counts = np.zeros(len(law))
    for uniform in np.random.default_rng([seed, stage]).random(number):
        total, row = 0.0, -1
        while total <= uniform:
            row += 1
            total += law[row]
        counts[row] += 1
    return counts


@pytest.mark.parametrize("fresh", [0.0, 0.25, 1.0])
def test_s_is_the_law_of_the_draws(fresh: float) -> None:
    mixed = (1 - fresh) * Q / Q.sum() + fresh * np.exp(P.log_p)
    found = own_samples(P, base=model(stage=3), num_samples=40, fresh=fresh, seed=7)
    np.testing.assert_allclose(np.exp(found.s.log_p) * 40, one_by_one(mixed, 40, 7, 3), atol=1e-12)
    whole = own_samples(P, base=model(stage=3), num_samples=None, fresh=fresh)
    np.testing.assert_allclose(np.exp(whole.s.log_p), mixed, rtol=1e-13)
    assert (np.exp(found.s.log_p[Q == 0]) == 0).all() or fresh > 0


def test_every_document_is_fresh_with_its_probability_whatever_the_model_leaks() -> None:
    """A model that leaks nine tenths of its mass gives the S of the model without the leak."""
    both = [own_samples(P, base=model(law), num_samples=None, fresh=0.5).s.log_p for law in (Q / Q.sum(), 0.1 * Q)]
    np.testing.assert_allclose(*both, rtol=1e-12)


def test_notes_and_event() -> None:
    found = own_samples(P, base=model(), num_samples=30, fresh=0.1)
    kinds = int((found.s.log_p > -np.inf).sum())
    assert found.notes == pytest.approx({"rejected": 0.2, "fresh": 0.1, "num_strings": kinds, "num_samples": 30})
    assert found.event.all()
    assert (found.kept, found.log_mass, found.p) == (P, 0.0, None)
    assert "num_samples" not in own_samples(P, base=model(), num_samples=None).notes


def test_seed_and_stage_decide_the_draws_and_more_of_them_contain_fewer() -> None:
    def drawn(number: int = 20, seed: int = 0, stage: int = 1) -> np.ndarray:
        return np.exp(own_samples(P, base=model(stage=stage), num_samples=number, seed=seed).s.log_p) * number

    np.testing.assert_array_equal(drawn(), drawn())
    assert (drawn() != drawn(seed=1)).any()
    assert (drawn() != drawn(stage=2)).any()
    assert (drawn(30) >= drawn() - 1e-9).all()


def test_the_model_of_p_itself_gives_samples_of_p() -> None:
    base = of_language(P, 1, lambda: np.zeros((0, 0)))
    np.testing.assert_array_equal(own_samples(P, base=base, num_samples=None).s.log_p, P.log_p)
    assert base.log_next.shape == (P.trie.num_nodes, P.trie.vocab_size)
    np.testing.assert_allclose(np.exp(base.log_next).sum(axis=1), 1.0)


def test_a_model_without_mass_on_the_support_is_refused_unless_all_is_fresh() -> None:
    nothing: FiniteLanguage = P
    with pytest.raises(SpecificationError, match=r"^restriction: a model that gives supp P a positive probability"):
        own_samples(nothing, base=model(np.zeros(6)), num_samples=4)
    assert own_samples(P, base=model(np.zeros(6)), num_samples=4, fresh=1.0).notes["rejected"] == 1.0


def test_words() -> None:
    assert label(num_samples=None) == "infinitely many samples of the model itself"
    assert label(num_samples=32, fresh=0.1) == "32 samples of the model itself, 10% of them fresh"
