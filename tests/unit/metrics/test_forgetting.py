import dataclasses
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import log, make_world

from sim.metrics.entropy import entropy_interval
from sim.metrics.forgetting import (
    gate_erasure,
    latent_shift_accounting,
    log_event,
    log_styles,
    shift_accounting,
    style_split,
    waterfall,
)
from sim.metrics.scored import Scored, score, truth
from sim.quantity import Quantity

VIEWS = ["response", "joint"]


def divergence(pairs) -> float:
    """sum p log p/q over pairs of fractions."""
    return math.fsum(float(p) * (log(p) - log(q)) for p, q in pairs if p)


def split_oracle(world, view, q_laws, part):
    """E_x of the gate and of the weighted KL inside the parts of supp P(.|x); `part` names the part of a document."""
    gate, within = 0.0, {}
    for (weight, p), (_, q) in zip(world.laws(view, "p"), q_laws, strict=True):
        for name in {part(d) for d in p}:
            inside = [d for d in p if part(d) == name]
            mass_p, mass_q = sum(p[d] for d in inside), sum(q.get(d, Fraction(0)) for d in inside)
            gate += float(weight) * divergence([(mass_p, mass_q)])
            inner = divergence([(p[d] / mass_p, q.get(d, Fraction(0)) / mass_q) for d in inside])
            within[name] = within.get(name, 0.0) + float(weight * mass_p) * inner
    return gate, within


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(5))
def test_gate_and_erasure_equal_fractions(seed, view):
    world = make_world(seed)  # one prompt has P(B|x) = 0, another P(A|x) = 0
    gate, within = split_oracle(world, view, world.laws(view, "q"), lambda d: d in world.event)
    found = gate_erasure(world.truth(view), world.scored(view), world.mask, world.log_law(view))
    assert found.gate == pytest.approx(gate, abs=1e-13)
    assert found.kept == pytest.approx(within.get(True, 0.0), abs=1e-13)
    assert found.erasure == pytest.approx(within.get(False, 0.0), abs=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_terms_of_empty_events_are_dropped(view):
    world = make_world(0)
    p, q, log_law = world.truth(view), world.scored(view), world.log_law(view)
    everything, nothing = np.ones(len(world.mask), bool), np.zeros(len(world.mask), bool)
    whole, none = gate_erasure(p, q, everything, log_law), gate_erasure(p, q, nothing, log_law)
    assert (whole.erasure, none.kept) == (0.0, 0.0)
    assert whole.kept == pytest.approx(none.erasure)
    assert (log_event(q, nothing) == -math.inf).all()


@pytest.mark.parametrize("view", VIEWS)
def test_a_model_without_the_lost_event_forgets_infinitely_in_the_gate(view):
    world = make_world(0)
    found = gate_erasure(world.truth(view), world.truth_kept(view), world.mask, world.log_law(view))
    assert found.gate == math.inf
    assert found.total == math.inf
    assert found.kept == pytest.approx(0.0, abs=1e-13)
    assert found.erasure == 0.0  # q_B does not exist


def test_a_model_that_misses_one_lost_string_erases_infinitely():
    world = make_world(1)
    p, q = world.truth("joint"), world.scored("joint")
    lost = np.flatnonzero(~world.mask)
    assert len(lost) > 1
    log_q = q.log_q.copy()
    log_q[lost[0]] = -math.inf
    found = gate_erasure(p, _with(q, log_q), world.mask, np.zeros(1))
    assert math.isfinite(found.gate)
    assert found.erasure == math.inf


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_disjoint_styles_equal_fractions(seed, view):
    world = make_world(seed)
    documents = world.documents()
    style = {d: sum(d) % 3 for d in documents}
    log_posterior = np.where(np.array([style[d] for d in documents])[:, None] == np.arange(3), 0.0, -np.inf)
    gate, within = split_oracle(world, view, world.laws(view, "q"), style.__getitem__)
    found = style_split(world.truth(view), world.scored(view), log_posterior, world.log_law(view))
    assert found.gate == pytest.approx(gate, abs=1e-13)
    np.testing.assert_allclose(found.within, [within.get(z, 0.0) for z in range(3)], atol=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_overlapping_styles_equal_fractions(view):
    world = make_world(6)
    documents = world.documents()
    posterior = {d: [Fraction(1 + i % 4, 5), Fraction(4 - i % 4, 5)] for i, d in enumerate(documents)}
    posterior[documents[0]] = [Fraction(1), Fraction(0)]
    log_posterior = np.array([[log(v) for v in posterior[d]] for d in documents])
    gate, within = 0.0, [0.0, 0.0]
    for (weight, p), (_, q) in zip(world.laws(view, "p"), world.laws(view, "q"), strict=True):
        for z in range(2):
            joint = [(v * posterior[d][z], q[d] * posterior[d][z]) for d, v in p.items()]
            mass_p, mass_q = sum(a for a, _ in joint), sum(b for _, b in joint)
            gate += float(weight) * divergence([(mass_p, mass_q)])
            inner = divergence([(a / mass_p, b / mass_q) for a, b in joint]) if mass_p else 0.0
            within[z] += float(weight * mass_p) * inner
    q = world.scored(view)
    found = style_split(world.truth(view), q, log_posterior, world.log_law(view))
    assert found.gate == pytest.approx(gate, abs=1e-13)
    np.testing.assert_allclose(found.within, within, atol=1e-13)
    masses = [[sum(law[d] * posterior[d][z] for d in law if d in posterior) for z in range(2)]
              for _, law in world.laws(view, "q")]  # fmt: skip
    np.testing.assert_allclose(np.exp(log_styles(q, log_posterior)), np.array(masses, np.float64), atol=1e-14)
    np.testing.assert_allclose(np.exp(log_styles(q, log_posterior)).sum(axis=1), 1 - q.off, atol=1e-14)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_shift_accounting_equals_fractions(seed, view):
    world = make_world(seed)
    log_law = world.log_law(view, "s")
    found = shift_accounting(world.truth(view), world.truth_s(view), world.truth_kept(view), world.mask, log_law)
    total = conditioning = 0.0
    s_weights = [1.0] if view == "joint" else np.exp(log_law)
    for weight, (_, s), (_, p) in zip(s_weights, world.laws(view, "s"), world.laws(view, "p"), strict=True):
        if not weight:
            continue
        total += weight * divergence([(v, p[d]) for d, v in s.items()])
        conditioning -= weight * log(sum(v for d, v in p.items() if d in world.event))
    assert found.conditioning == pytest.approx(conditioning, abs=1e-13)
    assert found.total == pytest.approx(total, abs=1e-13)


def test_waterfall_is_exact_but_for_the_model():
    world = make_world(3)
    log_law = world.log_law("response", "s")
    laws = [world.truth("response"), world.truth_kept("response"), world.truth_s("response"), world.scored("response")]
    entropies = [entropy_interval(law, log_law) for law in laws]
    steps = waterfall(*entropies)
    assert steps.conditioning.exact
    assert steps.narrowing.exact
    assert steps.learning.width == pytest.approx(entropies[3].width)
    total = entropies[0] - entropies[3]
    assert (steps.total.lower, steps.total.upper) == pytest.approx((total.lower, total.upper), abs=1e-13)
    assert waterfall(*[Quantity.of(v) for v in (4.0, 3.0, 2.5, 2.0)]).conditioning.value == 1.0


def _with(q: Scored, log_q: np.ndarray) -> Scored:
    return Scored(**{**{name: getattr(q, name) for name in q.__dataclass_fields__}, "log_q": log_q})


def test_the_model_with_no_mass_on_the_support_never_gives_nan():
    world = make_world(0)
    arrays = {
        "edge_log_q": np.full(world.trie.num_edges, -np.inf),
        "leak": np.ones(world.trie.num_nodes),
        "leak_plogp": np.zeros(world.trie.num_nodes),
        "leak_square": np.ones(world.trie.num_nodes),
        "leak_max": np.ones(world.trie.num_nodes),
    }
    q = score(world.trie, world.groups, arrays, "response")
    found = gate_erasure(world.truth("response"), q, world.mask, world.log_law("response"))
    assert (found.gate, found.kept, found.erasure) == (math.inf, 0.0, 0.0)


# -- latent events ----------------------------------------------------------------------------------------------------


def shares_of(world, seed):
    """P(z | document) of an event that no set of documents is, as fractions by document; some 0, some 1."""
    dice = random.Random(seed)
    return {document: Fraction(dice.choice([0, 1, 1, 2, 3, 4]), 4) for document in world.documents()}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(5))
def test_the_shift_of_a_latent_event_equals_fractions(seed, view):
    """S = P_z first, then an S that lies within its support."""
    world = make_world(seed)
    share = shares_of(world, seed)
    log_member = np.array([log(share[document]) for document in world.documents()])
    joint = {d: p * share[d] for d, p in world.p.items() if p * share[d]}
    for weights in (joint, {d: p**2 for d, p in joint.items()}):
        s = {d: p / sum(weights.values()) for d, p in weights.items()}
        language = dataclasses.replace(
            world.language, log_p=np.array([log(s.get(d, Fraction(0))) for d in world.documents()])
        )
        groups = [()] if view == "joint" else world.group_prompts()
        expected = np.zeros(4)
        for x in groups:
            s_x, p_x, pz_x = ({d: law[d] for d in law if d[: len(x)] == x} for law in (s, world.p, joint))
            if not (weight := sum(s_x.values())):
                continue
            mass_p, mass_pz = sum(p_x.values()), sum(pz_x.values())
            given = [(p / weight, d) for d, p in s_x.items()]
            conditioning = log(mass_p) - log(mass_pz)
            narrowing = divergence([(p, pz_x[d] / mass_pz) for p, d in given])
            overlap = math.fsum(float(p) * log(share[d]) for p, d in given)
            total = divergence([(p, p_x[d] / mass_p) for p, d in given])
            expected += float(weight) * np.array([total, conditioning, narrowing, overlap])
        law = np.array([log(sum((p for d, p in s.items() if d[: len(x)] == x), Fraction(0))) for x in groups])
        one = truth(language, world.groups, view)
        found = latent_shift_accounting(world.truth(view), one, log_member, law)
        assert [found.total, found.conditioning, found.narrowing, found.overlap] == pytest.approx(expected, abs=1e-12)
        assert found.overlap <= 0.0


def test_a_latent_event_that_is_a_set_has_no_overlap():
    world = make_world(1)
    log_member = np.where(world.mask, 0.0, -math.inf)
    law = world.log_law("response", "s")
    truths = world.truth("response"), world.truth_s("response")
    latent = latent_shift_accounting(*truths, log_member, law)
    hard = shift_accounting(*truths, world.truth_kept("response"), world.mask, law)
    assert latent.overlap == 0.0
    assert (latent.conditioning, latent.narrowing) == pytest.approx((hard.conditioning, hard.narrowing), abs=1e-13)


def test_an_s_beyond_the_latent_event_is_infinitely_far():
    world = make_world(1)
    log_member = np.where(world.mask, 0.0, -math.inf)
    law = world.log_law("response")
    found = latent_shift_accounting(world.truth("response"), world.truth("response"), log_member, law)
    assert (found.narrowing, found.overlap, found.total) == (math.inf, 0.0, math.inf)
