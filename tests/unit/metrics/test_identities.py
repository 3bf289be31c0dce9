import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import V, World, make_world, record

from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.metrics import identities
from sim.metrics.divergence import kl
from sim.metrics.diversity import collision_interval
from sim.metrics.entropy import entropy_interval
from sim.metrics.forgetting import waterfall
from sim.metrics.identities import TOLERANCES, residual, violations
from sim.metrics.scored import Scored, score, truth
from sim.metrics.support import epsilon_support

VIEWS = ["response", "joint"]
FLOOR = 1e-12


def steps_of(world: World, view: str, log_law: np.ndarray):
    laws = [world.truth(view), world.truth_kept(view), world.truth_s(view), world.scored(view)]
    return waterfall(*[entropy_interval(law, log_law) for law in laws])


def all_of(world: World, view: str) -> dict[str, float]:
    p, s, q = world.truth(view), world.truth_s(view), world.scored(view)
    on_p, on_s = world.log_law(view), world.log_law(view, "s")
    dice = np.random.default_rng(0).dirichlet(np.ones(3), len(world.mask))
    return {
        "cross_entropy": identities.cross_entropy_identity(p, q, on_p),
        "chain_rule_entropy": identities.chain_rule_entropy_identity(q, on_p),
        "chain_rule_kl": identities.chain_rule_kl_identity(p, q, on_p),
        "gate_erasure": identities.gate_erasure_identity(p, q, world.mask, on_p),
        "style_split": identities.style_split_identity(p, q, np.log(dice), on_p),
        "shift_accounting": identities.shift_accounting_identity(p, s, world.truth_kept(view), world.mask, on_s),
        "waterfall": identities.waterfall_identity(p, q, steps_of(world, view, on_s), on_s),
        "conditionals": identities.conditionals_identity(q, on_p),
        "total_mass": identities.total_mass_identity(q, on_p),
        "kl_nonnegative": identities.kl_nonnegative_slack(p, q, on_p),
        "pinsker": identities.pinsker_slack(p, q, on_p),
        "collision_continuity": identities.collision_continuity_slack(p, q, on_p),
        "entropy_continuity": identities.entropy_continuity_slack(p, q, on_p),
    }


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(10))
def test_every_identity_holds_to_the_floor(seed, view):
    world = make_world(seed, stop_early=seed % 2 == 0)
    found = all_of(world, view)
    assert set(found) == set(TOLERANCES) - {"kl_every_step"}, "this one needs a training"
    for name, value in found.items():
        assert (abs(value) if TOLERANCES[name].kind == "residual" else -value) <= FLOOR, (name, value)
    assert violations(found) == []


@pytest.mark.parametrize("view", VIEWS)
def test_the_sft_language_in_place_of_the_model_holds_too(view):
    world = make_world(0)
    s, on_s = world.truth_s(view), world.log_law(view, "s")
    p = world.truth(view)
    assert abs(identities.cross_entropy_identity(s, p, on_s)) <= FLOOR
    assert abs(identities.chain_rule_entropy_identity(s, on_s)) <= FLOOR
    assert identities.conditionals_identity(s, on_s) == pytest.approx(0.0, abs=FLOOR)
    assert identities.total_mass_identity(s, on_s) == pytest.approx(0.0, abs=FLOOR)
    # P(B) > 0: both routes say +inf, and agree
    on_p = world.log_law(view)
    assert identities.cross_entropy_identity(p, s, on_p) == 0.0
    assert identities.gate_erasure_identity(p, s, world.mask, on_p) == 0.0


def test_equal_and_disjoint_laws_attain_the_bounds():
    world = make_world(2)
    p, log_law = world.truth("joint"), np.zeros(1)
    slacks = (
        identities.kl_nonnegative_slack,
        identities.pinsker_slack,
        identities.collision_continuity_slack,
        identities.entropy_continuity_slack,
    )
    assert [slack(p, p, log_law) for slack in slacks] == pytest.approx([0.0] * 4, abs=1e-14)
    # a point mass against the uniform law on the K-1 other atoms, ⊥ among them
    N = len(world.mask)
    sure, rest = np.full(N, -np.inf), np.full(N, -math.log(N))
    sure[0], rest[0] = 0.0, -np.inf
    point, others = replace(p, log_q=sure), replace(p, log_q=rest, off=np.array([1.0 / N]))
    assert identities.entropy_continuity_slack(others, point, log_law) == pytest.approx(0.0, abs=1e-13)


def test_pinsker_is_nearly_attained_by_a_slightly_loaded_coin():
    """KL - 2 TV^2 = 4 TV^4 + O(TV^6) for a fair coin p and TV = t."""
    p = make_world(2).truth("joint")
    fair, loaded = np.full((2, len(p.log_q)), -np.inf)
    t = 0.02
    fair[:2], loaded[:2] = math.log(0.5), np.log([0.5 + t, 0.5 - t])
    slack = identities.pinsker_slack(replace(p, log_q=fair), replace(p, log_q=loaded), np.zeros(1))
    assert slack == pytest.approx(4 * t**4, rel=0.01)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("cross_entropy", lambda q: replace(q, log_q=q.log_q - 1e-6)),
        ("chain_rule_kl", lambda q: replace(q, log_q=q.log_q - 1e-6)),
        ("chain_rule_entropy", lambda q: replace(q, exit_entropy=q.exit_entropy + 1e-6)),
        ("conditionals", lambda q: replace(q, nodes=replace(q.nodes, leak=q.leak + 1e-6))),
        ("total_mass", lambda q: replace(q, off=q.off + 1e-6)),
        ("gate_erasure", lambda q: replace(q, log_q=q.log_q - 1e-6)),
    ],
)
def test_a_damaged_record_is_seen(name, damage):
    world = make_world(1)
    world.scored = lambda view, whole=world.scored: damage(whole(view))
    found = all_of(world, "response")
    assert len(violations({name: found[name]})) == 1


def test_a_wrong_event_breaks_the_shift_accounting():
    world = make_world(1)
    args = world.truth("joint"), world.truth_s("joint"), world.truth_kept("joint")
    assert abs(identities.shift_accounting_identity(*args, np.ones(len(world.mask), bool), np.zeros(1))) > 1e-3


def test_violations_name_the_identity_the_limit_and_the_value():
    assert violations({"waterfall": 1e-8}) == ["identity waterfall: |residual| <= 1e-09 is required, found 1.000e-08"]
    assert violations({"pinsker": -1e-8}) == ["identity pinsker: slack >= -1e-09 is required, found -1.000e-08"]
    assert violations({"pinsker": math.inf, "waterfall": -1e-10}) == []
    assert len(violations({"waterfall": math.nan, "pinsker": math.nan})) == 2
    with pytest.raises(KeyError):
        violations({"pinskr": 0.0})


@pytest.mark.parametrize(
    ("left", "right", "value"),
    [
        (math.inf, math.inf, 0.0),
        (math.inf, 1.0, math.inf),
        (1.0, math.inf, -math.inf),
        (3.0, 1.0, 2 / 3),
        (0.1, 0.0, 0.1),
    ],
)
def test_residual(left, right, value):
    assert residual(left, right) == pytest.approx(value)


def test_a_permuted_vocabulary_changes_nothing():
    world = make_world(4)
    order = [0, 2, 3, 1]  # new name of each symbol; EOS stays
    vocabulary = Vocabulary(("<eos>", "x", "y", "z"), prompt_end=order[3])
    strings = np.array(order, np.int32)[world.trie.strings]
    language = FiniteLanguage.from_strings(vocabulary, strings, world.language.log_p)
    renamed = {
        tuple(order[a] for a in prefix): [row[order.index(a)] for a in range(V)]
        for prefix, row in world.q_conditionals.items()
    }
    q = score(language.trie, language.prompts, record(language.trie, renamed), "response")
    p = truth(language, language.prompts, "response")

    def numbers(p: Scored, q: Scored, log_law: np.ndarray) -> list[float]:
        intervals = [entropy_interval(q, log_law), collision_interval(q, log_law), *epsilon_support(q, [0.01], log_law)]
        ends = [end for interval in intervals for end in (interval.lower, interval.upper)]
        return [kl(p.log_q, q.log_q, p.log_weights(log_law)), *ends]

    before = numbers(world.truth("response"), world.scored("response"), world.log_law("response"))
    assert numbers(p, q, language.prompts.log_p) == pytest.approx(before, abs=1e-12)


def test_residuals_stay_below_the_floor_on_ten_thousand_strings():
    generator = np.random.default_rng(0)
    strings = np.unique(generator.integers(1, 12, (12_000, 9)).astype(np.int32), axis=0)
    strings = np.concatenate([strings, np.zeros((len(strings), 1), np.int32)], axis=1)
    log_p = np.log(generator.dirichlet(np.full(len(strings), 0.3)))
    vocabulary = Vocabulary(("<eos>", *"abcdefghijk"))
    language = FiniteLanguage.from_strings(vocabulary, strings, log_p - np.logaddexp.reduce(log_p))
    trie = language.trie
    logits = generator.normal(size=(trie.num_nodes, 12)) * 3
    log_q = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    illegal = np.where(trie.legal, 0.0, np.exp(log_q))
    arrays = {
        "edge_log_q": log_q[trie.edge_node, trie.edge_token],
        "leak": illegal.sum(axis=1),
        "leak_plogp": (illegal * log_q).sum(axis=1),
        "leak_square": (illegal**2).sum(axis=1),
        "leak_max": illegal.max(axis=1),
    }
    p, q = truth(language, language.prompts, "joint"), score(trie, language.prompts, arrays, "joint")
    mask, law = np.arange(len(strings)) % 3 == 0, np.zeros(1)
    found = [
        identities.cross_entropy_identity(p, q, law),
        identities.chain_rule_entropy_identity(q, law),
        identities.chain_rule_kl_identity(p, q, law),
        identities.gate_erasure_identity(p, q, mask, law),
        identities.conditionals_identity(q, law),
        identities.total_mass_identity(q, law),
    ]
    assert max(abs(value) for value in found) < FLOOR


def test_fractions_of_the_identity_control():
    """SFT on P itself: nothing is lost, the gate is the mass off the support alone."""
    world = make_world(3, leak=Fraction(1, 100))
    everything = np.ones(len(world.mask), bool)
    p, q = world.truth("joint"), world.scored("joint")
    from_gate = identities.gate_erasure(p, q, everything, np.zeros(1)).gate
    assert from_gate == pytest.approx(-math.log1p(-q.off[0]))
