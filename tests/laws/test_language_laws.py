"""Laws of every grammar in conf/ (the file grammar with every shipped example) under every restriction in conf/."""

import functools
import itertools
import math
from typing import Any

import jax
import numpy as np
import pytest

from sim.config import construct
from sim.languages.alias import alias_table
from sim.languages.device import Listed, on_device
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.starting import of_language
from sim.metrics.divergence import kl
from sim.numerics import SpecificationError, log_group_sum
from sim.running.build import settings, world
from tests.composed import compose, examples, listed_grammars, options

EXACT = 1e-12
FALSE_ALARM = 1e-9
"""Bound on the chance that a right sampler fails one test; the keys are fixed, so that it fails always or never."""

HORIZON = 9  # of the examples that are infinite languages
GRAMMARS = [name for name in listed_grammars() if name != "file"] + [f"file:{file.name}" for file in examples()]
RESTRICTIONS = options("restriction")
VARIANTS = ("as it stands", "of its own style", "with the prompts kept")
MOST_REFUSED = 0.5


@functools.cache
def language(grammar: str) -> FiniteLanguage:
    kind, _, example = grammar.partition(":")
    overrides = [f"grammar={kind}"]
    if example:
        path = next(file for file in examples() if file.name == example)
        overrides.append(f"grammar.path={path}")
        if "grammar.length=" in path.read_text(encoding="utf-8"):
            overrides.append(f"grammar.length={HORIZON}")
    return world(settings(compose(*overrides))["grammar"])[0]


@functools.cache
def node_of(restriction: str) -> dict[str, Any]:
    """The canonical arguments of a restriction, composed once for all grammars."""
    return settings(compose(f"restriction={restriction}"))["restriction"]


def features(p: FiniteLanguage) -> np.ndarray:
    """Arbitrary features of a model, for restrictions that depend on one; its law is P."""
    return np.random.default_rng(0).normal(size=(p.trie.num_nodes, 8))


@functools.cache
def restricted(grammar: str, restriction: str, variant: str) -> Restricted | str | None:
    """The restricted language, the refusal, or None if there is no such variant."""
    p = language(grammar)
    node = dict(node_of(restriction))
    if variant == "of its own style":
        named = [key for key in ("keep", "like") if key in node]
        if not named or p.styles is None:
            return None
        node[named[0]] = p.styles.names[-1]
    if variant == "with the prompts kept":
        if "keep_prompts" not in node:
            return None
        node["keep_prompts"] = True
    try:
        return construct("restriction", node, "restriction", p, base=of_language(p, 1, functools.partial(features, p)))
    except SpecificationError as refusal:
        return str(refusal)


@functools.cache
def cases() -> tuple[dict[tuple[str, str, str], Restricted], dict[tuple[str, str, str], str]]:
    """What is accepted, and the line for what is not."""
    made = {case: restricted(*case) for case in itertools.product(GRAMMARS, RESTRICTIONS, VARIANTS)}
    return (
        {case: one for case, one in made.items() if isinstance(one, Restricted)},
        {case: one for case, one in made.items() if isinstance(one, str)},
    )


def test_enough_is_accepted_and_every_member_is_in_it() -> None:
    accepted, refused = cases()
    assert len(GRAMMARS) >= 5
    assert len(RESTRICTIONS) >= 4
    assert len(accepted) >= 20
    assert {grammar for grammar, *_ in accepted} == set(GRAMMARS)
    assert {restriction for _, restriction, _ in accepted} == set(RESTRICTIONS)
    assert len(refused) <= MOST_REFUSED * (len(accepted) + len(refused))


def test_a_refusal_is_one_line_that_names_the_restriction() -> None:
    _, refused = cases()
    assert refused, "a language without styles cannot be restricted to one"
    for case, line in refused.items():
        assert line.startswith(("restriction:", "restriction.")), (case, line)
        assert any(word in line for word in ("required", "must", "needs")), (case, line)
        assert "found" in line, (case, line)
        assert "\n" not in line, (case, line)


def total(one: FiniteLanguage) -> float:
    return math.fsum(np.exp(one.log_p))


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_a_language_is_a_distribution(grammar: str) -> None:
    p = language(grammar)
    assert total(p) == pytest.approx(1.0, abs=EXACT)
    assert p.support_size == p.trie.num_strings, "P lists only what can happen"
    assert 0.0 < p.entropy() <= math.log(p.support_size) + EXACT
    assert 1 / p.support_size - EXACT <= p.collision() <= 1.0
    by_node = np.bincount(p.trie.edge_node, np.exp(p.edge_log_prob), p.trie.num_nodes)
    np.testing.assert_allclose(by_node, 1.0, atol=EXACT)
    here = np.exp(p.edge_log_prob + p.node_log_mass[p.trie.edge_node])
    assert -math.fsum(here * p.edge_log_prob) == pytest.approx(p.entropy(), abs=1e-11), "the chain rule"
    assert total(p) == pytest.approx(math.fsum(np.exp(p.prompts.log_p)), abs=EXACT)
    if p.styles is not None:
        np.testing.assert_allclose(np.exp(p.styles.log_posterior).sum(axis=1), 1.0, atol=EXACT)


def accepted_variants(grammar: str, restriction: str) -> list[tuple[str, Restricted]]:
    """What the two together give; skips where nothing is accepted, which two tests above keep from being the rule."""
    found = [(variant, one) for (*pair, variant), one in cases()[0].items() if pair == [grammar, restriction]]
    if not found:
        pytest.skip(cases()[1][grammar, restriction, VARIANTS[0]])
    return found


@pytest.mark.parametrize("restriction", RESTRICTIONS)
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_a_restriction_and_its_accounting(grammar: str, restriction: str) -> None:
    for variant, one in accepted_variants(grammar, restriction):
        check_accounting(language(grammar), one, keep_prompts=variant == "with the prompts kept")


def check_accounting(p: FiniteLanguage, one: Restricted, keep_prompts: bool) -> None:
    s, kept, event = one.s, one.kept, one.event
    if one.p is not None:
        check_widened(p, one)
        return
    assert s.trie is kept.trie is p.trie
    assert event.dtype == bool
    assert event.shape == p.log_p.shape
    assert total(s) == pytest.approx(1.0, abs=EXACT)
    assert total(kept) == pytest.approx(1.0, abs=EXACT)
    assert event[s.log_p > -np.inf].all(), "S is within A"
    np.testing.assert_array_equal(kept.log_p > -np.inf, event & (p.log_p > -np.inf))
    assert one.log_mass == pytest.approx(math.log(math.fsum(np.exp(p.log_p[event]))), abs=EXACT)
    assert kl(kept.log_p, p.log_p) == pytest.approx(-one.log_mass, abs=EXACT)
    shift = kl(s.log_p, p.log_p)
    assert kl(s.log_p, kept.log_p) - one.log_mass == pytest.approx(shift, abs=1e-11)
    assert shift >= -one.log_mass - EXACT, "leaving B costs at least -log P(A)"
    if keep_prompts:
        np.testing.assert_allclose(np.exp(s.prompts.log_p), np.exp(p.prompts.log_p), atol=EXACT)
    for name, value in one.notes.items():
        assert math.isfinite(value), name


def check_widened(p: FiniteLanguage, one: Restricted) -> None:
    """S has strings that P has not: all are listed together, P unchanged, and no accounting applies."""
    whole = one.p
    assert whole is not None
    assert one.s.trie is one.kept.trie is whole.trie
    assert whole.entropy() == pytest.approx(p.entropy(), rel=1e-12)
    assert total(one.s) == pytest.approx(1.0, abs=EXACT)
    outside = (one.s.log_p > -np.inf) & (whole.log_p == -np.inf)
    assert outside.any()
    assert kl(one.s.log_p, whole.log_p) == math.inf
    np.testing.assert_array_equal(one.event, one.event & (whole.log_p > -np.inf))
    part = one.kept if one.log_member is None else whole.given(one.log_member)[0]
    np.testing.assert_allclose(np.exp(one.s.prompts.log_p), np.exp(part.prompts.log_p), atol=EXACT)


@pytest.mark.parametrize("restriction", RESTRICTIONS)
@pytest.mark.parametrize("grammar", GRAMMARS)
def test_conditionals_of_a_restricted_language(grammar: str, restriction: str) -> None:
    for _, one in accepted_variants(grammar, restriction):
        check_conditionals(one.s)


def check_conditionals(s: FiniteLanguage) -> None:
    by_node = np.bincount(s.trie.edge_node, np.exp(s.edge_log_prob), s.trie.num_nodes)
    reached = s.node_log_mass > -np.inf
    np.testing.assert_allclose(by_node[reached], 1.0, atol=EXACT)
    assert (by_node[~reached] == 0.0).all()
    paths = np.where(s.trie.edge >= 0, s.edge_log_prob[s.trie.edge], 0.0).sum(axis=1)
    np.testing.assert_allclose(np.exp(paths), np.exp(s.log_p), atol=EXACT)
    assert not np.isnan(s.edge_log_prob).any()


ON_DEVICE = [(grammar, "everything") for grammar in GRAMMARS] + [("any", restriction) for restriction in RESTRICTIONS]
"""Each grammar whole, and each restriction on the first grammar that accepts it."""


def chosen(grammar: str, restriction: str) -> FiniteLanguage:
    for case, one in cases()[0].items():
        if case[1] == restriction and grammar in ("any", case[0]):
            return one.s
    raise AssertionError(f"no grammar takes {restriction}")


NUM_SAMPLES = 40_000


@jax.jit
def samples(listed: Listed, key: jax.Array) -> jax.Array:
    """The tables are arguments, so that one program serves all languages of a shape."""
    return listed.sample(key, (NUM_SAMPLES,))


next_log_probs = jax.jit(Listed.next_log_probs)


@pytest.mark.parametrize(("grammar", "restriction"), ON_DEVICE)
def test_samples_on_the_device_follow_the_law(grammar: str, restriction: str) -> None:
    s = chosen(grammar, restriction)
    drawn = np.asarray(samples(on_device(s), jax.random.key(20)))
    where = {row.tobytes(): index for index, row in enumerate(s.trie.strings)}
    rows = np.array([where[row.tobytes()] for row in drawn])
    surprise = -s.log_p[rows]
    assert np.isfinite(surprise).all(), "every sample is in the support"
    # Bernstein: |mean - H| <= sqrt(2 v t / n) + b t / (3 n) with chance of failure 2 e^-t
    t = math.log(2 / FALSE_ALARM)
    p = np.exp(s.log_p)
    logs = np.where(p > 0, s.log_p, 0.0)
    variance = math.fsum(p * logs**2) - s.entropy() ** 2
    largest = np.abs(-logs[p > 0] - s.entropy()).max()
    bound = math.sqrt(2 * max(variance, 0.0) * t / NUM_SAMPLES) + largest * t / (3 * NUM_SAMPLES)
    assert abs(surprise.mean() - s.entropy()) <= bound + 1e-9
    # Dvoretzky-Kiefer-Wolfowitz (Massart's constant), in the order of the strings
    empirical = np.cumsum(np.bincount(rows, minlength=len(p))) / NUM_SAMPLES
    assert np.abs(empirical - np.cumsum(p)).max() <= math.sqrt(math.log(2 / FALSE_ALARM) / (2 * NUM_SAMPLES))


@pytest.mark.parametrize(("grammar", "restriction"), ON_DEVICE)
def test_the_alias_table_is_the_law(grammar: str, restriction: str) -> None:
    """Without any sampling: what the two draws of a sample add up to, for every string."""
    p = np.exp(chosen(grammar, restriction).log_p)
    keep, alias = alias_table(p)
    assert ((keep >= 0.0) & (keep <= 1.0)).all()
    np.testing.assert_allclose((keep + np.bincount(alias, 1.0 - keep, len(p))) / len(p), p, atol=EXACT)


@pytest.mark.parametrize(("grammar", "restriction"), ON_DEVICE)
def test_the_device_form_has_the_same_conditionals(grammar: str, restriction: str) -> None:
    """In float32, at every position of some strings; -inf exactly where the host says so."""
    s = chosen(grammar, restriction)
    rows = np.linspace(0, s.trie.num_strings - 1, 50).astype(int)
    found = np.asarray(next_log_probs(on_device(s), s.trie.strings[rows]))
    dense = np.full((s.trie.num_nodes + 1, s.trie.vocab_size), -np.inf)
    dense[s.trie.edge_node, s.trie.edge_token] = s.edge_log_prob
    expected = dense[s.trie.node[rows]]
    np.testing.assert_array_equal(found == -np.inf, expected == -np.inf)
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-7)


def test_style_blind_matches_a_style_at_every_prompt() -> None:
    """The control takes the same mass, and as diverse, from every prompt; and it is not the style."""
    compared = 0
    for (grammar, restriction, variant), blind in cases()[0].items():
        if restriction != "style_blind" or variant != "of its own style":
            continue
        p, like = language(grammar), restricted(grammar, "style", variant)
        assert isinstance(like, Restricted)
        groups, number = p.prompts.group, p.prompts.num_groups
        member = np.where(like.event, 0.0, -np.inf) if like.log_member is None else like.log_member
        inside = (np.where(blind.event, p.answers, -np.inf), p.answers + member)
        masses = [np.exp(log_group_sum(one, groups, number)) for one in inside]
        np.testing.assert_allclose(masses[0], masses[1], rtol=1.1e-3)
        assert blind.s.entropy() == pytest.approx(like.s.entropy(), abs=5e-3)
        assert not np.array_equal(blind.event, like.event)
        compared += 1
    assert compared >= 2
