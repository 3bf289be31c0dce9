"""Optima of objectives on tokens, and of some on answers: against scipy's minimiser of the loss, and by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize

from sim.objectives.coverage import Coverage
from sim.objectives.dft import Dft
from sim.objectives.entropy_bonus import EntropyBonus
from sim.objectives.focal import Focal
from sim.objectives.gem import Gem
from sim.objectives.mixce import Mixce
from sim.objectives.mixce_self_reinforced import MixceSelfReinforced
from sim.objectives.reverse_kl_to_start import ReverseKlToStart
from sim.objectives.tofu import Tofu
from sim.theory import answer_optima
from sim.theory._levels import levelled
from sim.theory.laws import Laws
from sim.theory.token_optima import (
    entropic,
    focal,
    greedy,
    mixed,
    powered,
    reinforced,
    smoothed,
    tempered_focal,
)
from tests.unit.models.tiny_worlds import language, mask, texts

S = np.array([[0.55, 0.3, 0.15, 0.0], [0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]])
ONE = np.zeros(4, np.int64)


def minimiser(loss: Callable[[np.ndarray], float], size: int) -> np.ndarray:
    """The law q on `size` outcomes with the least loss, in logits."""

    def of(z: np.ndarray) -> float:
        q = np.exp(z - z.max())
        return loss(q / q.sum())

    z = minimize(of, np.linspace(0.1, -0.1, size), method="BFGS", options={"gtol": 1e-11, "maxiter": 5000}).x
    q = np.exp(z - z.max())
    return q / q.sum()


def spread(s: np.ndarray, q: np.ndarray) -> np.ndarray:
    """A law on the outcomes with S > 0 as one on all of them."""
    full = np.zeros(len(s))
    full[s > 0] = q
    return full


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal(gamma):
    found = focal(S, gamma)
    for s, q in zip(S[:2], found[:2], strict=True):
        own = s[s > 0]
        oracle = minimiser(lambda q, own=own: -float(np.sum(own * (1 - q) ** gamma * np.log(q))), len(own))
        np.testing.assert_allclose(q, spread(s, oracle), atol=2e-6)
    assert found[2].tolist() == [0.0, 1.0, 0.0, 0.0]
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-14)
    assert focal(S, 0.0) is S


def test_focal_flattens_a_sure_law_and_sharpens_an_even_one():
    """It is why a loss for object detection is no neutral choice for a language model."""
    sure, even = np.array([[0.9, 0.06, 0.04]]), np.concatenate([[2.0], np.ones(38)])[None] / 40
    assert focal(sure, 2.0).max() < 0.9
    assert focal(even, 2.0).max() > 2 / 40


@pytest.mark.parametrize(("gamma", "beta"), [(3.0, 0.8), (1.0, 0.5), (0.5, 1.0), (6.0, 0.95)])
def test_tempered_focal(gamma, beta):
    """Descent of TOFU in logits, written out on the host, comes to rest there; the weights have no gradient."""
    for s, found in zip(S[:2], tempered_focal(S, gamma, beta)[:2], strict=True):
        own, z = s[s > 0], np.zeros(int((s > 0).sum()))
        for _ in range(4000):
            q, tempered = (np.exp(one - one.max()) / np.exp(one - one.max()).sum() for one in (z, z / beta))
            weight = own * ((1 - q) ** gamma - gamma * q * (1 - q) ** (gamma - 1) * np.log(q))
            z = z + 0.5 * (weight - weight.sum() * tempered)
        np.testing.assert_allclose(found, spread(s, q), atol=2e-9)
    np.testing.assert_allclose(tempered_focal(S, 0.0, beta), powered(S, beta))
    np.testing.assert_allclose(tempered_focal(S, gamma, 1.0), focal(S, gamma), atol=1e-12)


@pytest.mark.parametrize("eta", [0.05, 0.5, 0.9])
def test_reinforced(eta):
    found = reinforced(S, eta)
    for s, q in zip(S[:2], found[:2], strict=True):
        own = s[s > 0]
        oracle = minimiser(lambda q, own=own: -float(np.sum(own * (eta * np.log(q) + (1 - eta) * q))), len(own))
        np.testing.assert_allclose(q, spread(s, oracle), atol=2e-6)
        level = [eta * w / v + (1 - eta) * w for w, v in zip(own, q[s > 0], strict=True)]  # by hand
        assert np.ptp(level) < 1e-9
    assert found[2].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert (found[:2].max(axis=1) > S[:2].max(axis=1)).all(), "it sharpens"
    assert reinforced(S, 1.0) is S
    assert reinforced(S, 1e-4)[1].round(3).tolist() == [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match=r"eta <= 1 is required, found 0\.0"):
        reinforced(S, 0.0)


@pytest.mark.parametrize("tau", [0.03, 0.5, 4.0])
def test_entropic(tau):
    found = entropic(S, tau)
    for s, q in zip(S, found, strict=True):

        def loss(q: np.ndarray, s: np.ndarray = s) -> float:
            own = s > 0
            return float(-np.sum(s[own] * np.log(q[own])) + tau * np.sum(q[q > 0] * np.log(q[q > 0])))

        np.testing.assert_allclose(q, minimiser(loss, 4), atol=3e-6)
        level = [tau * np.log(v) - w / v for w, v in zip(s, q, strict=True)]  # by hand: the same for all tokens
        assert np.ptp(level) < 1e-9 * max(1.0, 1 / tau)


def test_rules_in_closed_form():
    np.testing.assert_allclose(smoothed(S, 0.2)[0], [0.49, 0.29, 0.17, 0.05])
    np.testing.assert_allclose(powered(S, 0.5)[1], np.sqrt(S[1]) / np.sqrt(S[1]).sum())
    assert powered(S, 0.5)[0, 3] == 0.0
    np.testing.assert_allclose(mixed(S, np.full_like(S, 0.25), 0.25)[2], [0.05, 0.85, 0.05, 0.05])
    assert greedy(S).argmax(axis=1).tolist() == [0, 3, 1]
    assert greedy(np.array([[0.5, 0.5]])) is None, "two greedy paths are no law"


@pytest.mark.parametrize("samples", [1, 2, 8, 16])
def test_covering(samples):
    s = S[0, :3]
    oracle = minimiser(lambda q: -float(np.sum(s * np.log(-np.expm1(samples * np.log1p(-q))))), 3)
    found = np.exp(answer_optima.covering(np.log(s), samples, ONE[:3]))
    np.testing.assert_allclose(found, oracle, atol=3e-6)
    ratio = s * (1 - found) ** (samples - 1) / (1 - (1 - found) ** samples)  # by hand
    assert np.ptp(ratio) < 1e-9 * ratio.max()


@pytest.mark.parametrize("eta", [0.2, 0.5, 1.0])
def test_crossed(eta):
    with np.errstate(divide="ignore"):
        log_s = np.log(S[0])
    log_smoothed, _ = answer_optima.smoothed(log_s, ONE, 0.01)
    found = np.exp(answer_optima.crossed(log_s, log_smoothed, eta, ONE))

    def loss(q: np.ndarray) -> float:
        own = S[0] > 0
        return float(-eta * np.sum(S[0][own] * np.log(q[own])) - (1 - eta) * np.sum(q * log_smoothed))

    np.testing.assert_allclose(found, minimiser(loss, 4), atol=2e-5)
    assert found[3] == 0.0
    assert (found[0] > S[0, 0]) == (eta < 1), "sharper than S"


def test_levels_of_several_groups():
    """With the slope -log q the level is that of S itself, in every group; a group may be empty."""
    log_s = np.log([0.1, 0.3, 0.5, 0.2, 0.7, 1.0])
    log_s[3] = -np.inf
    group = np.array([0, 0, 2, 2, 2, 3])
    found = np.exp(levelled(log_s, lambda log_q: -log_q, group))
    np.testing.assert_allclose(found, [0.25, 0.75, 5 / 12, 0.0, 7 / 12, 1.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("solve", "bad"),
    [
        (lambda: answer_optima.entropic(np.log(S[1]), 0.0, ONE), "tau > 0"),
        (lambda: answer_optima.covering(np.log(S[1]), 0, ONE), "at least one sample"),
        (lambda: answer_optima.crossed(np.log(S[1]), np.log(S[1]), 0.0, ONE), "0 < eta <= 1"),
    ],
)
def test_arguments_are_checked(solve, bad):
    with pytest.raises(ValueError, match=bad):
        solve()


# -- whole answers -----------------------------------------------------------------------------------------------------

P = language({"a|x": 3, "a|xy": 1, "a|y": 2, "a|": 1, "b|x": 4, "b|yy": 2, "b|": 1, "c|x": 2}, prompt_end="|")
KEPT = mask(P, lambda text: text in ("a|x", "a|xy", "b|x", "b|yy"))
TUNED = P.condition(KEPT)[0]  # it never shows the prompt c
MODEL = P.given(np.linspace(0.8, -0.8, P.trie.num_strings))[0]
LEAK = 0.1
"""The model stops to write valid tokens with this probability at the end of the prompt."""


def laws() -> Laws:
    """A model that leaves the list with probability LEAK at the first token of every answer."""
    reach = MODEL.node_log_mass.copy()
    at_end = np.unique(P.trie.node[np.arange(P.trie.num_strings), P.prompts.length])
    inside = np.isin(np.arange(len(reach)), P.trie.node[np.arange(P.trie.length) > P.prompts.length[:, None]])
    reach[inside & ~np.isin(np.arange(len(reach)), at_end)] += np.log1p(-LEAK)
    return Laws(P.trie, P.log_p, TUNED.log_p, KEPT, MODEL.log_p + np.log1p(-LEAK), P.prompts, reach)


def answers_of(log_law: np.ndarray) -> dict[str, float]:
    """q(y|x) of all strings of prompts that S shows."""
    of = dict(zip(texts(P), np.exp(log_law), strict=True))
    total = {x: sum(p for text, p in of.items() if text[0] == x) for x in "ab"}
    return {text: p / total[text[0]] for text, p in of.items() if text[0] in total}


def test_the_laws_of_the_start_have_their_leak():
    start, number = laws().start, P.prompts.num_groups
    np.testing.assert_allclose(np.exp(start[-number:]), LEAK)
    np.testing.assert_allclose(np.exp(start[:-number]).sum(), number * (1 - LEAK))
    assert (Laws(P.trie, P.log_p, TUNED.log_p, KEPT, MODEL.log_p, P.prompts).start[-number:] == -np.inf).all()


def test_answers_with_more_mass_than_their_prompt_are_refused():
    """It is a mistake in what is handed over, and no leak of 0."""
    right = laws()
    wrong = Laws(P.trie, P.log_p, TUNED.log_p, KEPT, right.log_q0 + 0.2, P.prompts, right.log_reach)
    with pytest.raises(ValueError, match="at least the mass of the answers"):
        _ = wrong.start


def test_a_product_over_tokens_by_hand():
    """S(a|x) is 3/4, then x ends (2/3 ... ): GEM with beta 1/2 takes square roots at every prefix."""
    found = answers_of(Gem(beta=0.5).optimum(laws()))
    ends, goes_on = np.sqrt([0.75, 0.25])
    assert found["a|x"] == pytest.approx(ends / (ends + goes_on), rel=1e-12)
    assert found["a|xy"] == pytest.approx(goes_on / (ends + goes_on), rel=1e-12)
    x, y = np.sqrt([4 / 6, 2 / 6])
    assert found["b|x"] == pytest.approx(x / (x + y), rel=1e-12)
    assert found["a|y"] == found["b|"] == 0.0
    assert answers_of(Dft().optimum(laws()))["a|x"] == 1.0
    assert Gem(h="log_sigmoid").optimum(laws()) is None
    assert Mixce(eta=0.0).optimum(laws()) is None


def test_reverse_kl_keeps_the_proportions_of_what_is_lost():
    found, start = answers_of(ReverseKlToStart(beta=0.3).optimum(laws())), answers_of(MODEL.log_p)
    assert found["a|y"] / found["a|"] == pytest.approx(start["a|y"] / start["a|"], rel=1e-12)
    assert found["a|y"] < start["a|y"]


def test_reverse_kl_to_the_start_is_the_minimum():
    """Of the written loss over the outcomes of the prompt b: x, yy, the empty answer, and outside."""
    s, beta = np.array([4 / 6, 2 / 6, 0.0, 0.0]), 0.3
    own = answers_of(MODEL.log_p)
    q0 = np.array([*((1 - LEAK) * own[text] for text in ("b|x", "b|yy", "b|")), LEAK])

    def loss(q: np.ndarray) -> float:
        return float(-np.sum(s[:2] * np.log(q[:2])) + beta * np.sum(q * np.log(q / q0)))

    oracle = minimiser(loss, 4)[:3]
    found = answers_of(ReverseKlToStart(beta=beta).optimum(laws()))
    np.testing.assert_allclose([found[text] for text in ("b|x", "b|yy", "b|")], oracle / oracle.sum(), atol=2e-6)


def test_limits_are_sft():
    """With no bonus, one sample or gamma = 0 nothing is left but S."""
    s = answers_of(TUNED.log_p)
    for objective in (
        Focal(gamma=0.0), Coverage(samples=1), Mixce(eta=1.0), Gem(beta=1.0), EntropyBonus(tau=1e-9),
        MixceSelfReinforced(eta=1.0), Tofu(0.0, 1.0),
    ):  # fmt: skip
        found = answers_of(objective.optimum(laws()))
        assert found == pytest.approx(s, abs=1e-7), objective
