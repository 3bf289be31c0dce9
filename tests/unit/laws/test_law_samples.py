"""Samples against laws, and laws against exact entropies: each test has a false-alarm rate of 1e-6 over the seeds.

The rates are those of the chi-square law and of the normal law of a mean. They are asymptotic, and the fewest expected
counts are above 20. The seeds are fixed, so a test that passes once passes always.
"""

import hashlib
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import sim
from sim.grammars._levels import level_grammar
from sim.languages.moments import derivation_varentropy
from sim.laws import _drawing
from sim.laws.nonrecursive import NonRecursive
from tests.composed import ROOT
from tests.unit.laws.all_trees import Written, grammar

RATE = 1e-6
Z = float(stats.norm.isf(RATE / 2))

UNEVEN = grammar(
    ("S", "A B", "1/3"), ("S", "B A", "1/2"), ("S", "b", "1/6"),
    ("A", "a b", "1/2"), ("A", "b a", "3/10"), ("A", "a", "1/5"),
    ("B", "a b", "1/5"), ("B", "b b a", "4/5"),
)  # fmt: skip

WORLDS = {
    "cfg3b": lambda: NonRecursive(sim.law(ROOT / "examples/grammars/cfg3b.json").language),
    "uneven weights": lambda: NonRecursive(level_grammar(4, 3, 3, (2, 3), zipf=1.5, seed=3)),
    "ambiguous": lambda: NonRecursive(level_grammar(4, 2, 3, (1, 2, 3), shared=True, seed=4)),
    "four tokens at a time": lambda: NonRecursive(level_grammar(3, 5, 4, (4, 2), seed=5)),
}

BITS = {"cfg3b": "63a3182c4487", "uneven weights": "1d00f822f61d", "four tokens at a time": "98c196c548d1"}
"""The beginning of the SHA-256 of 600 strings, more than one block, as the first published sampler drew them."""


def chi_square(observed: np.ndarray, expected: np.ndarray, freedom: int) -> None:
    assert expected.min() > 20
    assert ((observed - expected) ** 2 / expected).sum() < stats.chi2.isf(RATE, freedom)


@pytest.mark.parametrize(("most", "few"), [(1 << 13, 128), (40, 4), (9, 1), (1, 1)])
def test_strings_are_drawn_with_their_probabilities(monkeypatch, most, few):
    """Whatever is drawn in one step: whole strings, the lower or the upper levels, or rule by rule."""
    monkeypatch.setattr(_drawing, "MOST_PHRASES", most)
    monkeypatch.setattr(_drawing, "FEW", few)
    number, written = 20_000, Written(UNEVEN)
    drawn = NonRecursive(UNEVEN).sample(np.random.default_rng(1), number)
    assert (drawn[:, -1] == 0).all()
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    law = {tuple(token for token in row if token): count for row, count in zip(found.tolist(), counts, strict=True)}
    assert law.keys() <= written.strings.keys()
    observed = np.array([law.get(string, 0) for string in written.strings])
    chi_square(observed, np.array([float(p) for p in written.strings.values()]) * number, len(observed) - 1)


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_a_seed_gives_the_strings_that_it_always_gave(name, bits):
    """If not: stored runs on languages that are not listed cannot be made again. Draw as before."""
    drawn = WORLDS[name]().sample(np.random.default_rng(7), 600)
    assert hashlib.sha256(drawn.astype("<i4").tobytes()).hexdigest()[:12] == bits


@pytest.fixture(params=WORLDS, scope="module")
def drawn(request) -> tuple[NonRecursive, np.ndarray, np.ndarray, np.ndarray]:
    """A law, strings of it, the expected uses of rules in each, and the entropy of its derivations, H(D | x)."""
    law = WORLDS[request.param]()
    batch = law.sample(np.random.default_rng(2), 100 if request.param == "cfg3b" else 450)
    uses = law.parse(batch).counts(len(batch), len(law.parts))
    return law, batch, uses, law.log_prob(batch) - uses @ law.language.log_p


def mean_is(values: np.ndarray, true: float, deviation: float | None = None) -> None:
    deviation = float(values.std(ddof=1)) if deviation is None else deviation
    assert abs(values.mean() - true) <= Z * deviation / math.sqrt(len(values)) + 1e-9
    assert Z * deviation / math.sqrt(len(values)) < 0.1 * true, "so many strings see an error of 10 %"


def test_the_surprise_is_the_entropy(drawn):
    """E[-log P(x) + H(D | x)] = H(D), whether or not strings have several derivations."""
    law, batch, _, hidden = drawn
    assert (hidden > -1e-9).all()
    mean_is(-law.log_prob(batch) + hidden, law.latent_entropy())


def test_the_entropies_of_next_tokens_are_the_entropy(drawn):
    """The Rao-Blackwellised entropy: E[sum of H(P(. | x_<t)) over t + H(D | x)] = H(D)."""
    law, batch, _, hidden = drawn
    laws = law.next_token(batch)
    surprise = -np.log(laws, out=np.zeros_like(laws), where=laws > 0)
    mean_is((laws * surprise).sum(axis=(1, 2)) + hidden, law.latent_entropy())


def test_the_length_and_the_rules_are_as_often_used_as_expected(drawn):
    law, batch, uses, _ = drawn
    mean_is((batch != 0).sum(axis=1).astype(float), law.expected_length())
    rules_are_used(law, uses)


def rules_are_used(law: NonRecursive, uses: np.ndarray) -> None:
    """Every rule is used as often as expected: a test for each, with the rate divided by their number."""
    language = law.language
    true = np.array([language.visits[rule.lhs] for rule in language.rules]) * np.exp(language.log_p)
    spread = uses.std(axis=0, ddof=1) / math.sqrt(len(uses))
    level = float(stats.norm.isf(RATE / 2 / len(true)))
    assert (abs(uses.mean(axis=0) - true) <= level * spread + 1e-9).all()


def test_the_strings_of_cfg3b_have_the_published_entropy():
    """117.31 nats and 275.6 tokens on average (docs/describe.md); the deviation is the exact one, of derivations."""
    law = WORLDS["cfg3b"]()
    batch = law.sample(np.random.default_rng(3), 200)
    mean_is(-law.log_prob(batch), 117.31, math.sqrt(derivation_varentropy(law.language)))
    mean_is((batch != 0).sum(axis=1).astype(float), 275.6, math.sqrt(sim.length_variance(law.language)))


def test_factors_of_a_string_are_its_next_tokens(drawn):
    """Exact, not estimated: log P(x) is the sum of its next-token laws, and every law sums to 1."""
    law, batch, _, _ = drawn
    laws = law.next_token(batch)
    np.testing.assert_allclose(laws.sum(axis=2), 1.0, atol=1e-12)
    taken = np.take_along_axis(laws, np.pad(batch, ((0, 0), (0, 1)))[..., None], axis=2)[..., 0]
    np.testing.assert_allclose(np.log(taken).sum(axis=1), law.log_prob(batch), atol=1e-9)
    np.testing.assert_allclose(np.cumsum(np.log(taken[:, :-1]), axis=1), law.prefix_log_prob(batch)[:, 1:], atol=1e-9)


def test_wrong_samples_are_seen():
    """Strings that are drawn from right-hand sides with 40 and 60 % instead of 50 and 50 % fail the test of rules."""
    law = WORLDS["cfg3b"]()
    uneven = tuple(replace(rule, p=Fraction(2 + n % 2, 5)) for n, rule in enumerate(law.language.rules))
    wrong = NonRecursive(replace(law.language, rules=uneven))
    uses = law.parse(wrong.sample(np.random.default_rng(2), 100)).counts(100, len(law.parts))
    rules_are_used(wrong, uses)
    with pytest.raises(AssertionError):
        rules_are_used(law, uses)
