"""The default world against its closed form, its configuration and its own rules for readable sentences."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.english import LISTS, SHARES, english
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.identity import identity
from tests.composed import compose
from tests.unit.grammars.closed_forms import templated_entropy, templated_factors, templated_size

VARIANTS = [
    {},
    {"num_prompts": 1},
    {"num_prompts": 16, "prompt_zipf": 0.0},
    {"zipf": 0.0, "swing": 0.0},
    {"zipf": 2.5, "styles": {"assistant": 0.5, "plain": 0.5, "pirate": 0.0}},
    {"num_prompts": 2, "styles": {"poetic": 1.0}},
    {"words": "home", "num_prompts": 16},
    {"words": "home", "zipf": 0.0, "styles": {"assistant": 0.5, "poetic": 0.5}},
    {"num_prompts": 3, "seed": 0},
    {"words": "classroom", "num_prompts": None},
]


@pytest.fixture(scope="module")
def world() -> FiniteLanguage:
    return english()


@pytest.mark.parametrize("arguments", VARIANTS)
def test_entropy_by_two_routes(arguments: dict) -> None:
    closed_form = templated_entropy(templated_factors(english, LISTS, arguments))
    assert english(**arguments).entropy() == pytest.approx(closed_form, rel=0, abs=1e-12)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_sums_to_one_and_has_its_size(arguments: dict) -> None:
    world = english(**arguments)
    assert np.exp(world.log_p).sum() == pytest.approx(1, abs=1e-12)
    assert world.support_size == world.trie.num_strings == templated_size(templated_factors(english, LISTS, arguments))


def test_default_size(world: FiniteLanguage) -> None:
    assert 2_000 <= world.support_size <= 10_000
    assert 12 <= world.length <= 16
    assert len(world.vocabulary) <= 96
    assert world.prompts.num_groups == 12
    assert len(np.unique(world.log_p.round(12))) == world.support_size, "probabilities are generic: no ties"


@pytest.mark.parametrize("arguments", VARIANTS)
def test_style_shares_are_the_configured_ones(arguments: dict) -> None:
    factors = templated_factors(english, LISTS, arguments)
    configured = {name: Fraction(str(share)) for name, share in arguments.get("styles", SHARES).items() if share > 0}
    assert sum(configured.values()) == 1
    world = english(**arguments)
    assert world.styles is not None
    assert world.styles.names == factors.styles
    assert set(factors.styles) == set(configured)
    for z, name in enumerate(world.styles.names):
        mass = np.exp(world.log_p[world.styles.of == z]).sum()
        assert mass == pytest.approx(float(configured[name]), rel=0, abs=1e-13)


def test_prompt_law_and_shares_within_prompts(world: FiniteLanguage) -> None:
    factors = templated_factors(english, LISTS, {})
    assert world.styles is not None
    names = [world.vocabulary.decode(world.trie.strings[first]).split()[3] for first in world.prompts.first]
    for x, topic in enumerate(factors.topics):
        group = names.index(topic.name)
        assert np.exp(world.prompts.log_p[group]) == pytest.approx(factors.prompt_law[x], abs=1e-14)
        inside = world.prompts.group == group
        for z in range(4):
            share = np.exp(world.answers[inside & (world.styles.of == z)]).sum()
            assert share == pytest.approx(factors.shares[x, z], abs=1e-13)
    assistant = factors.shares[:, factors.styles.index("assistant")]
    assert 0.15 <= assistant.min() < assistant.max() - 0.05
    assert assistant.max() <= 0.35


def test_word_choice_matches_fractions() -> None:
    """With uniform words and prompts every probability is a fraction that can be worked out by hand."""
    world = english(num_prompts=2, prompt_zipf=0.0, zipf=0.0, swing=0.0)
    sentence = "what is the sea like ? certainly ! the sea is deep and wild ."
    expected = Fraction(1, 2) * Fraction("0.22") * Fraction("0.45") * Fraction(1, 5) * Fraction(1, 4)
    assert world.log_prob(world.vocabulary.encode(sentence.split())) == pytest.approx(
        np.log(float(expected)), abs=1e-13
    )
    swapped = "what is the sea like ? certainly ! the moon is deep and wild ."
    assert world.log_prob(world.vocabulary.encode(swapped.split())) == -np.inf


def test_style_may_be_decided_late(world: FiniteLanguage) -> None:
    """Several styles remain possible after "the moon is bright"; the string as a whole always decides."""
    assert world.styles is not None
    assert world.styles.disjoint
    texts = [world.vocabulary.decode(string) for string in world.trie.strings]
    opening = "what is the moon like ? the moon is bright"
    found = {world.styles.names[z] for t, z in zip(texts, world.styles.of, strict=True) if t.startswith(opening)}
    assert found == {"plain", "assistant"}
    opening = "what is the moon like ? it is bright and calm"
    found = {world.styles.names[z] for t, z in zip(texts, world.styles.of, strict=True) if t.startswith(opening)}
    assert found == {"plain", "poetic"}


def test_there_are_lists() -> None:
    assert set(LISTS) >= {"nature", "home", "classroom"}
    assert english().vocabulary.symbols == english(words="nature").vocabulary.symbols
    assert not {t.name for t in LISTS["home"].topics} & {t.name for t in LISTS["nature"].topics}


def test_the_strings_and_the_bits_are_pinned() -> None:
    """Finished runs keep their meaning: these digests are older than the other languages of templated sentences."""
    assert digest(english()) == "8ae7d87389c1d801"
    assert digest(english(words="home")) == "26eab2b2cd7a55c3"
    assert digest(english(num_prompts=3, seed=0)) == "292e504e2e2993be"
    assert digest(english(words="home", num_prompts=16, seed=3, zipf=0.5, swing=0.25)) == "b38dabe6ffa9dca1"


def test_old_runs_keep_their_names() -> None:
    assert identity(settings(compose("experiment=demo"))) == "6ca3c076bcc0"
    assert identity(settings(compose("grammar.words=home", "grammar.num_prompts=3"))) == "61a16508e66f"


def digest(world: FiniteLanguage) -> str:
    """The first digits of the SHA-256 of symbols, strings, probabilities and styles."""
    assert world.styles is not None
    parts = [
        "\n".join(world.vocabulary.symbols).encode(),
        world.trie.strings.astype("<i4").tobytes(),
        world.log_p.astype("<f8").tobytes(),
        " ".join(world.styles.names).encode(),
        world.styles.log_posterior.astype("<f8").tobytes(),
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def test_the_default_world_is_pinned(world: FiniteLanguage) -> None:
    assert world.support_size == 4224
    assert world.entropy() == pytest.approx(7.7874627259282, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"words": "hom"}, "grammar.words: one of classroom, home, nature is required, found 'hom'"),
        ({"words": None}, "grammar.words: one of classroom, home, nature is required, found null"),
        ({"num_prompts": 17}, "grammar: num_prompts: an integer from 1 to 16, .* found 17; write num_prompts=null for"),
        ({"words": "classroom"}, "grammar: num_prompts: an integer from 1 to 4, the number of topics .* found 12"),
        ({"num_prompts": 0}, "grammar.num_prompts: an integer of at least 1 or null is required, found 0"),
        ({"zipf": 1e4}, "grammar: Zipf's law: probabilities above 1e-308 are required, found an underflow"),
        ({"zipf": -1}, "grammar.zipf: a non-negative number is required, found -1"),
        ({"swing": 0.7}, "grammar.swing: a number from 0 to 0.5 is required, found 0.7"),
        ({"styles": {"asistant": 1.0}}, r"grammar: styles: .* found 'asistant' \(did you mean 'assistant'\?\)"),
        ({"styles": {"plain": 0.5}}, r"grammar: styles: shares must sum to 1 .* found 0.5; divide each by the sum"),
        ({"styles": {"plain": 1.5, "poetic": -0.5}}, "grammar: styles.plain: a share from 0 to 1 is required"),
        ({"seed": -1}, "grammar.seed: an integer of at least 0 or null is required, found -1"),
        ({"styles": {}}, "grammar: styles: shares must sum to 1"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "english", **arguments}, "grammar")
    assert "\n" not in str(caught.value)


def test_a_seed_keeps_the_strings_and_draws_other_probabilities(world: FiniteLanguage) -> None:
    one, other = english(seed=1), english(seed=2)
    for drawn in (one, other):
        np.testing.assert_array_equal(drawn.trie.strings, world.trie.strings)
        assert drawn.entropy() == pytest.approx(world.entropy(), abs=0.2), "a world of the same kind"
        assert len(np.unique(drawn.log_p.round(12))) == drawn.support_size, "no ties"
    laws = [world.log_p, one.log_p, other.log_p]
    assert all(np.abs(laws[i] - laws[j]).max() > 0.3 for i, j in [(0, 1), (0, 2), (1, 2)])
    assert (english(seed=1).log_p == one.log_p).all()
    assert (english(seed=None).log_p == world.log_p).all()
