"""The abstract world of styles and content against its factors and its closed-form entropy."""

from fractions import Fraction

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.styles_content import styles_content, styles_content_entropy, styles_content_factors
from sim.numerics import SpecificationError

VARIANTS = [
    {},
    {"shown": True},
    {"num_prompts": 1, "num_styles": 1, "num_symbols": 5},
    {"num_styles": 3, "num_symbols": 11, "answer_length": 2, "style_weights": [0.5, 0.3, 0.2], "seed": 7},
    {"num_prompts": 4, "num_styles": 2, "num_symbols": 4, "answer_length": 7, "zipf": 0.0, "prompt_zipf": 0.0},
]


def _factors(arguments: dict) -> dict:
    return {name: value for name, value in arguments.items() if name != "shown"}


@pytest.mark.parametrize("arguments", VARIANTS)
def test_entropy_by_two_routes_and_size(arguments: dict) -> None:
    world, factors = styles_content(**arguments), styles_content_factors(**_factors(arguments))
    assert np.exp(world.log_p).sum() == pytest.approx(1, abs=1e-12)
    assert world.entropy() == pytest.approx(styles_content_entropy(factors), rel=0, abs=1e-12)
    assert world.support_size == world.trie.num_strings == factors.support_size


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probability_of_every_document_from_its_tokens(arguments: dict) -> None:
    """Reads prompt, style and steps back off the written string: the string determines them all."""
    world, factors = styles_content(**arguments), styles_content_factors(**_factors(arguments))
    assert world.styles is not None
    assert world.styles.disjoint
    num_symbols, per_style = factors.first.shape[1], factors.step.shape[-1]
    for row in range(0, world.support_size, 97):
        prompt, answer = world.vocabulary.decode(world.trie.strings[row]).split(" : ")
        x, words = int(prompt[1:]), answer.split()
        if arguments.get("shown"):
            assert words[0] == world.styles.names[world.styles.of[row]]
            words = words[1:]
        content = [int(word[1:]) for word in words]
        steps = np.diff(content) % num_symbols
        (z,) = set(steps // per_style)
        assert z == world.styles.of[row]
        p = factors.prompt_law[x] * factors.shares[x, z] * factors.first[x, content[0]]
        p *= np.prod([factors.step[x, z, t, step % per_style] for t, step in enumerate(steps)])
        assert np.exp(world.log_p[row]) == pytest.approx(p, rel=1e-12)


def test_style_shares_are_the_configured_ones() -> None:
    configured = [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)]
    world = styles_content(num_styles=3, style_weights=[0.5, 0.3, 0.2])
    assert world.styles is not None
    masses = np.bincount(world.styles.of, np.exp(world.log_p))
    np.testing.assert_allclose(masses, [float(share) for share in configured], rtol=0, atol=1e-13)
    shares = styles_content_factors(num_styles=3, style_weights=[0.5, 0.3, 0.2]).shares
    assert np.ptp(shares, axis=0).min() > 0.01, "P(z|x) varies with the prompt"


def test_first_content_symbol_says_nothing_about_the_style() -> None:
    world = styles_content()
    assert world.styles is not None
    first = world.trie.strings[:, 2]
    for x in range(6):
        joint = np.zeros((len(world.vocabulary), 4))
        here = world.trie.strings[:, 0] == x + 1
        np.add.at(joint, (first[here], world.styles.of[here]), np.exp(world.log_p[here]))
        np.testing.assert_allclose(joint * joint.sum(), np.outer(joint.sum(axis=1), joint.sum(axis=0)), atol=1e-14)


def test_seed_makes_the_tables() -> None:
    assert (styles_content(seed=3).log_p == styles_content(seed=3).log_p).all()
    assert not (styles_content(seed=3).log_p == styles_content(seed=4).log_p).any()
    assert len(np.unique(styles_content().log_p.round(12))) == styles_content().support_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"answer_length": 1}, "grammar.answer_length: an integer of at least 2 is required, found 1"),
        ({"num_symbols": 3}, "grammar: num_symbols: at least one symbol per style, so 4 or more, is required, found 3"),
        ({"style_weights": [0.5, 0.5]}, "grammar: style_weights: 4 positive numbers"),
        ({"style_weights": [0.5, 0.5, 0.0, 0.0]}, "grammar: style_weights: 4 positive numbers"),
        ({"style_weights": [0.5, 0.5, 0.5, 0.5]}, "grammar: style_weights: shares must sum to 1 .* found 2.0"),
        (
            {"answer_length": 14},
            "grammar: support of at most 1000000 strings is listed, found .*; reduce answer_length",
        ),
        ({"swing": 1}, "grammar.swing: a number from 0 to 0.5 is required, found 1"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "styles_content", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
