"""The laws of support decay, reproduced by the training program itself: tabular models, SFT on S = P(. | A).

The closed forms are in docs/laws.md. The 64-bit versions carry the laws to late times; the 32-bit ones
are what the product runs. Tolerances come from the next-order terms, measured in the same run, and errors must shrink.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import Listed, on_device
from sim.languages.finite import FiniteLanguage
from sim.metrics.forgetting import GateErasure, gate_erasure
from sim.metrics.scored import score, truth
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.theory.decay import (
    adam_rate,
    flat_sgd_constant,
    forgetting_slope,
    levelling_exponent,
    trie_sgd_constant,
    trie_sgd_constants,
)
from sim.training.job import Job
from sim.training.sweep import Trained
from tests.unit.models.tiny_worlds import kl, language, log_strings, mask, on_device64, table64, trained, training

FLAT = language(
    {"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "cb": 2, "cab": 4, "aa": 5, "": 2, "bb": 1}
)
FLAT_KEPT = mask(FLAT, lambda text: "c" not in text and text != "bb")
MOST_LOST = mask(FLAT, lambda text: text in ("a", "bab", "cab", ""))
# two tokens are forbidden at the root, two after b, none after a; much is below them
TRIE = language(
    {
        "a": 3,
        "ab": 5,
        "b": 2,
        "ba": 4,
        "bc": 1,
        "bca": 2,
        "bda": 1,
        "c": 1,
        "ca": 3,
        "cab": 4,
        "dd": 3,
        "da": 2,
        "aa": 1,
    }
)
TRIE_KEPT = mask(TRIE, lambda text: "c" not in text and "d" not in text)


def flat_job(spoken: FiniteLanguage, kept: np.ndarray, place: object, **chosen: object) -> Job:
    """SFT of the flat table from q0 = P; `place` puts a language on the device."""
    data, base = place(spoken.condition(kept)[0]), place(spoken)
    return training(tabular_strings(spoken.trie), {"logits": floats(spoken.log_p, base)}, data, base, **chosen)


def trie_job(spoken: FiniteLanguage, kept: np.ndarray, place: object, **chosen: object) -> Job:
    """SFT of the trie table from q0 = P: illegal tokens at -inf, so that no mass leaves the support."""
    data, base = place(spoken.condition(kept)[0]), place(spoken)
    table = table64(spoken)
    table[-1] = 0.0
    return training(tabular_trie(spoken.trie), {"logits": floats(table, base)}, data, base, **chosen)


def floats(values: np.ndarray, like: Listed) -> jax.Array:
    return jnp.asarray(values, like.log_prob.dtype)


def splits(run: Trained, spoken: FiniteLanguage, kept: np.ndarray) -> list[GateErasure]:
    p = truth(spoken, spoken.prompts, "joint")
    scored = [score(spoken.trie, spoken.prompts, record, "joint") for record in run.evaluations]
    return [gate_erasure(p, q, kept, np.zeros(1)) for q in scored]


def slope(forgetting: list[float], steps: list[int], window: int) -> float:
    return (forgetting[window + 1] - forgetting[window]) / np.log(steps[window + 1] / steps[window])


@pytest.mark.parametrize(
    ("kept", "rate", "precision"),
    [(FLAT_KEPT, 1.0, 1e-2), (FLAT_KEPT, 0.25, 1e-2), (MOST_LOST, 2.0, 3e-2)],
    ids=["most-kept", "small-steps", "most-lost"],
)
def test_flat_sgd_reaches_its_constant_its_slope_and_levels_out(kept, rate, precision):
    num_kept, num_lost = int(kept.sum()), int((~kept).sum())
    steps = [round(t / rate) for t in (0, 1500, 6000, 24_000)]
    with jax.enable_x64(True):
        run = trained(flat_job(FLAT, kept, on_device64, optimizer=Sgd(learning_rate=rate)), FLAT.trie, steps)
    log_q = [log_strings(FLAT.trie, record) for record in run.evaluations]
    np.testing.assert_allclose(log_q[0], FLAT.log_p, atol=1e-12)

    constant, exponent = flat_sgd_constant(num_kept, num_lost), levelling_exponent(num_kept, num_lost)
    spread = [float(np.ptp(q[~kept])) for q in log_q]
    found = [rate * t * np.exp(q[~kept]).sum() / constant for t, q in zip(steps, log_q, strict=True)]
    # d(1/m)/dt = lr (sum of squared shares + 1/n_A): second order in the spread; the rest is 1/m_0 and O(log t)
    for t, value, uneven in zip(steps[2:], found[2:], spread[2:], strict=True):
        assert abs(value - 1) < uneven**2 + 10 * constant * np.log(t) / (rate * t)
    assert abs(found[3] - 1) < max(0.7 * abs(found[1] - 1), 1e-3)

    measured = np.log(spread[2] / spread[3]) / np.log(4)
    assert spread[3] < spread[0] / 8
    assert measured == pytest.approx(exponent, rel=0.05)

    # the slope is off by sum over B of P(y) (share_y n_B - 1): first order in the spread
    predicted = forgetting_slope(FLAT.condition(kept)[1])
    forgetting = [kl(FLAT.log_p, q) for q in log_q]
    errors = [abs(slope(forgetting, steps, window) - predicted) for window in (1, 2)]
    assert errors[1] < spread[2] * predicted
    assert errors[1] < precision * predicted
    assert errors[1] < errors[0]


def test_flat_sgd_in_single_precision_as_the_product_runs_it():
    steps = [0, 1000, 4000]
    run = trained(flat_job(FLAT, FLAT_KEPT, on_device), FLAT.trie, steps)
    assert run.params["logits"].dtype == jnp.float32
    log_q = [log_strings(FLAT.trie, record) for record in run.evaluations]
    constant = flat_sgd_constant(int(FLAT_KEPT.sum()), int((~FLAT_KEPT).sum()))
    assert 4000 * np.exp(log_q[2][~FLAT_KEPT]).sum() == pytest.approx(constant, rel=1e-2)
    forgetting = [kl(FLAT.log_p, q) for q in log_q]
    assert slope(forgetting, steps, 1) == pytest.approx(forgetting_slope(FLAT.condition(FLAT_KEPT)[1]), rel=2e-2)
    assert np.ptp(log_q[2][~FLAT_KEPT]) < 0.05
    erasure = [split.erasure for split in splits(run, FLAT, FLAT_KEPT)]
    assert erasure[0] == pytest.approx(0.0, abs=1e-6)
    assert erasure[0] < erasure[1] < erasure[2]
    assert erasure[2] > 0.02  # levelling out is erasure


def visited(spoken: FiniteLanguage, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes that S visits, the tokens that S takes and those that only P takes there, and log S(node)."""
    s = spoken.condition(kept)[0]
    nodes = np.flatnonzero(s.node_log_mass > -np.inf)
    taken = table64(s)[nodes] > -np.inf
    return nodes, taken, spoken.trie.legal[nodes] & ~taken, s.node_log_mass[nodes]


def test_trie_sgd_reaches_its_constants_its_slope_and_levels_out_within_nodes():
    steps = [0, 2000, 8000, 32_000]
    with jax.enable_x64(True):
        run = trained(trie_job(TRIE, TRIE_KEPT, on_device64), TRIE.trie, steps)
    nodes, taken, forbidden, log_reach = visited(TRIE, TRIE_KEPT)
    num_kept, num_forbidden = taken.sum(axis=1), forbidden.sum(axis=1)
    assert sorted(num_forbidden[num_forbidden > 0]) == [2, 2]

    q = np.zeros((len(steps), TRIE.trie.num_nodes, TRIE.trie.vocab_size))
    for at, record in enumerate(run.evaluations):
        q[at, TRIE.trie.edge_node, TRIE.trie.edge_token] = np.exp(record["edge_log_q"])
    lost = (q[:, nodes] * forbidden).sum(axis=2)
    constants = trie_sgd_constants(num_kept, num_forbidden, log_reach)
    found = lost[1:] * np.array(steps[1:])[:, None]
    gated = num_forbidden > 0
    np.testing.assert_array_equal(found[:, ~gated], 0.0)
    errors = np.abs(found[:, gated] / constants[gated] - 1)
    assert (errors[2] < 1e-2).all()
    assert (errors[2] < 0.6 * errors[0]).all()

    log_q = [log_strings(TRIE.trie, record) for record in run.evaluations]
    total = trie_sgd_constant(num_kept, num_forbidden)
    assert steps[3] * np.exp(log_q[3][~TRIE_KEPT]).sum() == pytest.approx(total, rel=1e-2)
    for node, tokens, k, f in zip(nodes[gated], forbidden[gated], num_kept[gated], num_forbidden[gated], strict=True):
        spread = [float(np.ptp(np.log(row[node, tokens]))) for row in q]
        assert spread[3] < spread[0] / 20
        assert np.log(spread[2] / spread[3]) / np.log(4) == pytest.approx(levelling_exponent(int(k), int(f)), rel=0.1)

    predicted = forgetting_slope(TRIE.condition(TRIE_KEPT)[1])
    forgetting = [kl(TRIE.log_p, q) for q in log_q]
    gaps = [abs(slope(forgetting, steps, window) - predicted) for window in (1, 2)]
    assert gaps[1] < 1e-2 * predicted
    assert gaps[1] < 0.6 * gaps[0]


@pytest.mark.parametrize("optimizer", [Sgd(learning_rate=1.0), Adam(learning_rate=3e-3, eps=0.0)], ids=["sgd", "adam"])
@pytest.mark.parametrize("bits", [32, 64])
def test_the_trie_table_is_a_pure_gate(optimizer, bits):
    """Zero erasure at every evaluation, in both precisions, and rows that S never visits do not change by a bit."""
    kept = mask(TRIE, lambda text: text not in ("ab", "ba", "ca", "cab", "c"))
    one_gate = mask(TRIE, lambda text: not text.startswith("c"))
    place = on_device64 if bits == 64 else on_device
    with jax.enable_x64(bits == 64):
        job = trie_job(TRIE, one_gate, place, optimizer=optimizer)
        start = np.asarray(job.init["logits"])
        run = trained(job, TRIE.trie, [0, 10, 100, 1000, 3000])
        control = trained(trie_job(TRIE, kept, place, optimizer=optimizer), TRIE.trie, [3000])
        end = np.asarray(run.params["logits"])
    found = splits(run, TRIE, one_gate)
    gates = [split.gate for split in found]
    assert (np.diff(gates) > 0).all()
    assert gates[-1] > 0.5
    assert max(abs(split.erasure) for split in found) <= 1e-6
    assert max(abs(split.kept) for split in found[-1:]) <= 1e-4
    assert splits(control, TRIE, kept)[0].erasure > 1e-3  # several gates that close at different speeds do erase

    never = table64(TRIE.condition(one_gate)[0]).max(axis=1) == -np.inf
    assert 3 <= never.sum() < len(never) - 3
    np.testing.assert_array_equal(end[never], start[never])
    assert (end[~never] != start[~never]).any(axis=1).sum() >= 1
    assert not np.isnan(end).any()
    np.testing.assert_array_equal(end == -np.inf, start == -np.inf)


def decay(job: Job, steps: list[int]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rate of log q_t(B) per update between evaluations, and log q at each of them."""
    log_q = [log_strings(FLAT.trie, record) for record in trained(job, FLAT.trie, steps).evaluations]
    lost = np.array([np.logaddexp.reduce(q[~FLAT_KEPT]) for q in log_q])
    return -np.diff(lost) / np.diff(steps), log_q


@pytest.mark.parametrize(
    ("learning_rate", "beta1", "beta2", "steps"),
    [(1e-3, 0.9, 0.99, [3000, 4500]), (1e-3, 0.9, 0.999, [10_000, 12_000])],
    ids=["beta2=0.99", "beta2=0.999"],
)
def test_adam_decays_at_full_speed_while_the_kept_logits_follow(learning_rate, beta1, beta2, steps):
    """c = 2: from q0 = P, S = P(. | A) kept gradients are all q(B) times a constant: they rise at full speed."""
    optimizer = Adam(learning_rate=learning_rate, b1=beta1, b2=beta2, eps=0.0)
    with jax.enable_x64(True):
        rates, log_q = decay(flat_job(FLAT, FLAT_KEPT, on_device64, optimizer=optimizer), [0, *steps])
    slow, fast = (adam_rate(learning_rate, beta1, beta2, speed) for speed in (1.0, 2.0))
    assert fast > 1.1 * slow
    assert rates[-1] == pytest.approx(fast, rel=1e-2)  # what is left of the first 1/(1-beta2) updates
    for q in log_q[1:]:
        change = (q - FLAT.log_p)[~FLAT_KEPT]
        assert change.max() < -3
        assert np.ptp(change) < 1e-11  # ratios between lost strings are kept
        lost, gap = np.exp(q[~FLAT_KEPT]).sum(), np.exp(q) - np.exp(FLAT.condition(FLAT_KEPT)[0].log_p)
        assert np.abs(gap[FLAT_KEPT]).max() < lost  # the kept part follows


@pytest.mark.parametrize(
    ("learning_rate", "beta1", "beta2"), [(4e-3, 0.9, 0.99), (2e-3, 0.0, 0.98)], ids=["beta1=0.9", "beta1=0"]
)
@pytest.mark.parametrize("tilt", [0.0, 1.0], ids=["S=P_A", "S-tilted"])
def test_adam_decays_at_single_speed_once_the_kept_logits_ring(learning_rate, beta1, beta2, tilt):
    """c = 1: at eps = 0 the kept logits end up oscillating by much more than q(B), which drowns their drift."""
    s = FLAT.condition(FLAT_KEPT)[0].given(tilt * np.sin(np.arange(FLAT.trie.num_strings)))[0]
    optimizer = Adam(learning_rate=learning_rate, b1=beta1, b2=beta2, eps=0.0)
    with jax.enable_x64(True):
        base = on_device64(FLAT)
        job = training(
            tabular_strings(FLAT.trie), {"logits": floats(FLAT.log_p, base)}, on_device64(s), base, optimizer=optimizer
        )
        rates, log_q = decay(job, [0, 1000, 5500, 7000])
    slow, fast = (adam_rate(learning_rate, beta1, beta2, speed) for speed in (1.0, 2.0))
    assert rates[-1] == pytest.approx(slow, rel=5e-3)
    assert rates[-1] < 0.8 * fast
    late = log_q[-1]
    gap = np.abs(np.exp(late) - np.exp(s.log_p))[FLAT_KEPT].max()
    assert gap > 10 * np.exp(late[~FLAT_KEPT]).sum()  # they ring
    assert np.ptp((late - FLAT.log_p)[~FLAT_KEPT]) < 1e-11


def test_beta2_dials_the_speed_of_forgetting_in_single_precision():
    """As the product runs it: ratios between lost strings are kept, and a smaller beta2 forgets faster."""
    late = {}
    for beta2 in (0.99, 0.999):
        optimizer = Adam(learning_rate=1e-3, b2=beta2, eps=0.0)
        rates, log_q = decay(flat_job(FLAT, FLAT_KEPT, on_device, optimizer=optimizer), [0, 1500, 3000])
        change = (log_q[-1] - FLAT.log_p)[~FLAT_KEPT]
        assert np.isfinite(log_q[-1]).all()
        assert np.ptp(change) < 2e-4  # rounding of 3000 updates of logits of about 4 [nat], 2^-22 each, at random
        late[beta2] = rates[-1]
    assert late[0.99] == pytest.approx(adam_rate(1e-3, 0.9, 0.99, 2.0), rel=0.05)
    assert late[0.99] > 1.5 * late[0.999]  # 3000 updates are not yet late for 0.999: it is still falling
