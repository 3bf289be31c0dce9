"""Penalties on parameters against another route: derivatives by differences on the host, and a minimiser of scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from sim.languages.device import on_device
from sim.models._base import Bound
from sim.models.tabular_strings import tabular_strings
from sim.models.transformer import transformer
from sim.numerics import log_softmax
from sim.objectives._context import Objective
from sim.objectives._enumerated import answers
from sim.objectives.ewc import Ewc, diagonal
from sim.objectives.fisher import Fisher
from sim.objectives.l2_sp import L2Sp
from sim.objectives.sft import Sft
from sim.training.job import Job, begun, context_of, loss
from tests.unit.models.tiny_worlds import language, mask, on_device64, training
from tests.unit.objectives.test_enumerated import MODEL, P, S, job, laws_of, params_of, truth_of

FLAT = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1})
KEPT = FLAT.condition(mask(FLAT, lambda text: "c" not in text))[0]
STRENGTH = 0.4
KEY = jax.random.key(0)


value_and_gradient = jax.jit(jax.value_and_grad(loss, argnums=1))


def value(one: Job, table: object) -> float:
    return float(value_and_gradient(one, {"logits": jnp.asarray(table)}, KEY)[0])


# -- a flat table: the law is softmax(z), and its Fisher information is diag(q0) - q0 q0ᵀ -----------------------------

FISHER_OF = {
    "l2_sp": lambda q0: np.eye(len(q0)),
    "ewc": lambda q0: np.diag(q0 * (1 - q0)),
    "fisher": lambda q0: np.diag(q0) - np.outer(q0, q0),
}
OBJECTIVES: dict[str, Objective] = {"l2_sp": L2Sp(STRENGTH), "ewc": Ewc(STRENGTH), "fisher": Fisher(STRENGTH)}


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_is_zero_at_the_minimum_that_scipy_finds(name):
    """-S log q + (strength/2) ΔᵀFΔ, with F in closed form, is minimised by scipy in float64."""
    dice = np.random.default_rng(0)
    z0, s = dice.normal(size=FLAT.trie.num_strings), np.exp(KEPT.log_p)
    q0 = np.exp(log_softmax(z0))
    curvature = FISHER_OF[name](q0)

    def of(z: np.ndarray) -> float:
        return float(-s @ log_softmax(z) + 0.5 * STRENGTH * (z - z0) @ curvature @ (z - z0))

    def slope(z: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(log_softmax(z)) - s + STRENGTH * curvature @ (z - z0))

    best = minimize(of, z0, jac=slope, method="BFGS", options={"gtol": 1e-12, "maxiter": 2000}).x
    with jax.enable_x64(True):
        flat, start = tabular_strings(FLAT.trie), {"logits": jnp.asarray(z0)}
        one = begun(training(flat, start, on_device64(KEPT), on_device64(FLAT), objective=OBJECTIVES[name]))
        found, gradient = value_and_gradient(one, {"logits": jnp.asarray(best)}, KEY)
        assert float(found) == pytest.approx(of(best), rel=1e-9)
        np.testing.assert_allclose(gradient["logits"], 0.0, atol=1e-8)
    assert np.abs(np.exp(log_softmax(best)) - s).max() > 1e-2, "the penalty moves the minimum away from S"


# -- a trie table that leaks: the Fisher information by central differences of the laws in test_enumerated.py ----------


def scores(table: np.ndarray, on_document: bool) -> tuple[np.ndarray, np.ndarray]:
    """S(x) q0(o|x), and the derivative of log q0(o|x) in every logit, for the outcomes o of all prompts."""
    weights = truth_of(S, on_document)[1]

    def law(theta: np.ndarray) -> np.ndarray:
        laws = laws_of(theta, on_document)
        return np.array([p for x in sorted(laws) if weights[x] for p in laws[x].values()])

    base = laws_of(table, on_document)
    share = np.array([weights[x] * p for x in sorted(base) if weights[x] for p in base[x].values()])
    columns = []
    for at in itertools.product(*map(range, table.shape)):
        step = np.zeros_like(table)
        step[at] = 1e-5
        columns.append((np.log(law(table + step)) - np.log(law(table - step))) / 2e-5)
    return share, np.array(columns).T


@pytest.mark.parametrize(
    "on_document", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["answers", "documents"]
)
def test_the_fisher_information_is_that_of_differences(on_document):
    before, change = params_of(0), 0.1 * (params_of(1) - params_of(0))
    share, slopes = scores(before, on_document)
    full = slopes.T @ (share[:, None] * slopes)
    with jax.enable_x64(True):
        one = job(before, Ewc(STRENGTH), on_document)
        found = np.asarray(diagonal(Bound(MODEL, one.init, P.vocabulary.prompt_end), context_of(one))["logits"])
        np.testing.assert_allclose(found.ravel(), np.diag(full), rtol=1e-6, atol=1e-9)
        table, move = before + change, change.ravel()
        plain = value(job(before, Sft(), on_document), table)
        for objective, penalty in ((Ewc(STRENGTH), np.diag(np.diag(full))), (Fisher(STRENGTH), full)):
            penalised = value(begun(job(before, objective, on_document)), table)
            assert penalised - plain == pytest.approx(0.5 * STRENGTH * move @ penalty @ move, rel=1e-6)
    assert found.max() > 1e-3


@pytest.mark.slow
def test_half_the_quadratic_form_is_the_divergence_from_the_start_to_second_order():
    """KL(q0‖q) over all outcomes, "outside" too: the ratio is 1 + O(step)."""
    before, way = params_of(0), params_of(1)
    weights = truth_of(S, False)[1]
    q0 = laws_of(before, False)

    def divergence(table: np.ndarray) -> float:
        q = laws_of(table, False)
        return sum(w * sum(p * np.log(p / q[x][y]) for y, p in q0[x].items()) for x, w in weights.items() if w)

    ratios = []
    with jax.enable_x64(True):
        for step in (1e-1, 1e-2, 1e-3):
            table = before + step * way
            penalty = value(job(before, Fisher(1.0)), table) - value(job(before, Sft()), table)
            ratios.append(divergence(table) / penalty)
    assert abs(ratios[1] - 1) < 0.2 * abs(ratios[0] - 1)
    assert ratios[2] == pytest.approx(1.0, abs=2e-3)


# -- a transformer ----------------------------------------------------------------------------------------------------


def small(objective: Objective, **chosen: object) -> Job:
    made = transformer(P.trie, width=8, depth=1, heads=2)
    init = jax.jit(made.init)(jax.random.key(1))
    return training(made, init, on_device(S), on_device(P), objective=objective, loss_on="response", **chosen)


@pytest.mark.slow
def test_the_diagonal_of_a_transformer_is_that_of_the_jacobian_of_all_outcomes():
    """In one piece here, in chunks of strings and prompt by prompt in the product."""
    one = small(Ewc())
    context, q0 = context_of(one), Bound(one.model, one.init, P.vocabulary.prompt_end)
    found = diagonal(q0, context)
    every = answers(context)
    weight = np.asarray(every.weight * jnp.exp(every.log_law(q0)))
    used = np.flatnonzero(weight > 0)
    jacobian = jax.jacrev(lambda theta: every.log_law(q0.replace(params=theta))[used])(one.init)
    expected = jax.tree.map(lambda g: jnp.tensordot(jnp.asarray(weight[used]), g**2, axes=1), jacobian)
    for own, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-3, atol=1e-7)
    assert max(float(jnp.max(leaf)) for leaf in jax.tree.leaves(found)) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("objective", [L2Sp(0.0), Ewc(0.0), L2Sp(0.0, "sampled")], ids=["l2_sp", "ewc", "sampled"])
def test_without_strength_it_is_sft(objective):
    plain, other = small(Sft(objective.targets)), begun(small(objective))
    moved = jax.tree.map(lambda leaf: leaf + 0.1, plain.init)
    assert float(value_and_gradient(other, moved, KEY)[0]) == pytest.approx(
        float(value_and_gradient(plain, moved, KEY)[0]), rel=1e-6
    )


@pytest.mark.slow
def test_the_penalty_is_counted_once_however_a_batch_is_divided():
    """The weights of the strings of all parts sum to 1."""
    one = small(L2Sp(STRENGTH))
    moved = jax.tree.map(lambda leaf: leaf + 0.1, one.init)
    context, whole = context_of(one), one.phase.data
    q = Bound(one.model, moved, P.vocabulary.prompt_end)
    batch = context.draw(whole, KEY, 0)
    parts = [batch.replace(tokens=batch.tokens[at], weight=batch.weight[at]) for at in (slice(3), slice(3, None))]
    summed = sum(float(one.phase.objective(q, context, part, KEY)) for part in parts)
    distance = sum(0.01 * leaf.size for leaf in jax.tree.leaves(moved))
    usual = float(loss(small(Sft()), moved, KEY))
    assert summed == pytest.approx(usual + 0.5 * STRENGTH * distance, rel=1e-5)


@pytest.mark.slow
def test_an_impossible_token_adds_no_distance():
    table = np.zeros((P.trie.num_nodes + 1, P.trie.vocab_size), np.float32)
    table[0, P.vocabulary.index("c")] = -np.inf  # S never says it
    one = training(MODEL, {"logits": jnp.asarray(table)}, on_device(S), on_device(P), objective=L2Sp(1.0))
    after = jnp.asarray(np.where(np.isinf(table), table, 2.0))
    found, gradient = value_and_gradient(one, {"logits": after}, KEY)
    plain = training(MODEL, {"logits": jnp.asarray(table)}, on_device(S), on_device(P))
    assert float(found) - float(loss(plain, {"logits": after}, KEY)) == pytest.approx(2.0 * (table.size - 1), rel=1e-5)
    assert np.isfinite(np.asarray(gradient["logits"])).all()


def test_an_objective_that_has_not_begun_says_so():
    with pytest.raises(ValueError, match="call begun"):
        loss(small(Ewc()), small(Ewc()).init, KEY)
