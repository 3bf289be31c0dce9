"""The abstract world of styles and content against its factors and its closed-form entropy."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.config import construct
from sim.grammars._content import Factors, styles_content_factors
from sim.grammars.styles_content import styles_content
from sim.numerics import SpecificationError
from tests.unit.grammars.closed_forms import styles_content_entropy

VARIANTS = [
    {},
    {"shown": 1.0},
    {"num_prompts": 1, "num_styles": 1, "num_symbols": 5},
    {"num_styles": 3, "num_symbols": 11, "answer_length": 2, "style_weights": [0.5, 0.3, 0.2], "seed": 7},
    {"num_prompts": 4, "num_styles": 2, "num_symbols": 4, "answer_length": 7, "zipf": 0.0, "prompt_zipf": 0.0},
    {"num_prompts": 2, "num_styles": 3, "num_symbols": 9, "answer_length": 3, "style_zipf": [5.0, 1.0, 0.0]},
]
OVERLAPPING = [
    {"num_prompts": 2, "num_styles": 3, "num_symbols": 6, "answer_length": 3, "overlap": 0.25, "shown": 0.25},
    {"num_prompts": 2, "num_styles": 2, "num_symbols": 4, "answer_length": 4, "overlap": 0.4, "seed": 3},
    {"num_prompts": 3, "num_styles": 4, "num_symbols": 5, "answer_length": 3, "overlap": 0.7, "shown": 1.0},
    {"num_prompts": 2, "num_styles": 5, "num_symbols": 5, "answer_length": 4, "overlap": 0.1, "shown": 0.5},
    {"num_prompts": 3, "num_styles": 1, "num_symbols": 3, "answer_length": 3, "overlap": 0.5, "shown": 0.3},
    {"num_prompts": 2, "num_styles": 3, "num_symbols": 7, "answer_length": 3, "shown": 0.6},
]


def _factors_of(arguments: dict) -> Factors:
    return styles_content_factors(**{name: value for name, value in arguments.items() if name != "shown"})


@pytest.mark.parametrize("arguments", VARIANTS)
def test_entropy_by_two_routes_and_size(arguments: dict) -> None:
    world, factors = styles_content(**arguments), _factors_of(arguments)
    assert np.exp(world.log_p).sum() == pytest.approx(1, abs=1e-12)
    assert world.entropy() == pytest.approx(styles_content_entropy(factors), rel=0, abs=1e-12)
    assert world.support_size == world.trie.num_strings == factors.support_size


@pytest.mark.parametrize("arguments", VARIANTS)
def test_probability_of_every_document_from_its_tokens(arguments: dict) -> None:
    """Reads prompt, style and steps back off the written string: the string determines them all."""
    world, factors = styles_content(**arguments), _factors_of(arguments)
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


def test_every_style_can_have_an_exponent_of_its_own() -> None:
    """Exponent 0 makes steps uniform, a large one makes them nearly certain; equal exponents change nothing."""
    arguments = {"num_prompts": 2, "num_styles": 3, "num_symbols": 9, "answer_length": 3}
    narrow, usual, varied = np.moveaxis(styles_content_factors(**arguments, style_zipf=[9.0, 1.0, 0.0]).step, 1, 0)
    assert (varied == 1 / 3).all()
    assert narrow.max(axis=-1).mean() > 0.9 > usual.max(axis=-1).mean()
    plain = styles_content(**arguments)
    assert (styles_content(**arguments, style_zipf=[1.0, 1.0, 1.0]).log_p == plain.log_p).all()
    np.testing.assert_array_equal(
        styles_content(**arguments, seed=5, style_zipf=[9.0, 1.0, 0.0]).trie.strings, plain.trie.strings
    )


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


def _documents(arguments: dict) -> dict[str, list[Fraction]]:
    """P(z, document) of every document as written, in fractions: over prompt, style, first symbol and all steps."""
    factors = _factors_of(arguments)
    num_prompts, num_styles, later, per_style = factors.step.shape
    num_symbols = factors.first.shape[1]
    overlap, shown = Fraction(factors.overlap), Fraction(arguments.get("shown", 0.0))
    found: dict[str, list[Fraction]] = {}
    blocks = [z * per_style + b for z in range(num_styles) for b in range(per_style)]
    for x, z, start in product(range(num_prompts), range(num_styles), range(num_symbols)):
        opening = Fraction(factors.prompt_law[x]) * Fraction(factors.shares[x, z]) * Fraction(factors.first[x, start])
        for steps in product(blocks, repeat=later):
            p, content = opening, [start]
            for t, step in enumerate(steps):
                owner, place = divmod(step, per_style)
                law = Fraction(0)
                if owner == z:
                    law += (1 - overlap) * Fraction(factors.step[x, z, t, place])
                if owner == (z + 1) % num_styles:
                    law += overlap * Fraction(factors.step[x, owner, t, place])
                p *= law
                content.append((content[-1] + step) % num_symbols)
            answer = " ".join(f"y{symbol}" for symbol in content)
            for document, share in ((f"x{x} : {answer}", 1 - shown), (f"x{x} : z{z} {answer}", shown)):
                if p * share > 0:
                    found.setdefault(document, [Fraction(0)] * num_styles)[z] += p * share
    return found


@pytest.mark.parametrize("arguments", OVERLAPPING)
def test_overlapping_and_shown_styles_by_bayes_in_fractions(arguments: dict) -> None:
    world, expected = styles_content(**arguments), _documents(arguments)
    assert world.styles is not None
    assert world.support_size == world.trie.num_strings == len(expected)
    for row, string in enumerate(world.trie.strings):
        joint = expected[world.vocabulary.decode(string)]
        assert world.log_p[row] == pytest.approx(math.log(sum(joint)), abs=1e-12)
        posterior = [float(p / sum(joint)) for p in joint]
        np.testing.assert_allclose(np.exp(world.styles.log_posterior[row]), posterior, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(
        np.isinf(world.styles.log_posterior).sum(), sum(p == 0 for j in expected.values() for p in j)
    )


@pytest.mark.parametrize("arguments", [{"overlap": 0.0, "shown": 0.0}, {"shown": 1.0}])
def test_disjoint_styles_are_those_of_the_plain_enumeration_bit_for_bit(arguments: dict) -> None:
    factors = styles_content_factors()
    num_prompts, num_styles, later, per_style = factors.step.shape
    steps = np.array(list(product(range(per_style), repeat=later)))
    x, z, start, walk = (index.ravel() for index in np.indices((num_prompts, num_styles, 8, len(steps))))
    log_p = np.log(factors.prompt_law[x]) + np.log(factors.shares[x, z]) + np.log(factors.first[x, start])
    log_p += np.log(factors.step[x[:, None], z[:, None], np.arange(later), steps[walk]]).sum(axis=1)
    content = (start[:, None] + np.cumsum(steps[walk] + (z * per_style)[:, None], axis=1)) % 8
    written = {}
    for a, b, c, rest, p in zip(x, z, start, content, log_p, strict=True):
        told = [f"z{b}"] if arguments.get("shown") else []
        written[" ".join([f"x{a}", ":", *told, f"y{c}", *(f"y{d}" for d in rest)])] = p
    world = styles_content(**arguments)
    assert world.styles is not None
    assert [written[world.vocabulary.decode(string)] for string in world.trie.strings] == world.log_p.tolist()
    assert set(world.styles.log_posterior.ravel().tolist()) == {0.0, -np.inf}


@pytest.mark.parametrize("arguments", OVERLAPPING)
def test_numbers_of_walks_by_sets(arguments: dict) -> None:
    factors = _factors_of(arguments)
    num_styles, per_style = factors.step.shape[1], factors.step.shape[3]
    reach = [
        {
            step
            for step in range(num_styles * per_style)
            if step // per_style in (z, (z + (factors.overlap > 0)) % num_styles)
        }
        for z in range(num_styles)
    ]
    for number in (1, 2, 3):
        each = [set(product(steps, repeat=number)) for steps in reach]
        assert factors.num_walks(number) == (len(set.union(*each)), len(each[0]))
        assert set(map(tuple, factors.walks(number).tolist())) == set.union(*each)


@pytest.mark.parametrize("overlap", [0.0, 0.3])
def test_what_is_shown_is_a_share_of_every_style(overlap: float) -> None:
    arguments = {"num_prompts": 2, "num_styles": 3, "num_symbols": 6, "answer_length": 3, "overlap": overlap}
    both, latent, always = (styles_content(**arguments, shown=shown) for shown in (0.3, 0.0, 1.0))
    told = np.isin(both.trie.strings[:, 2], [both.vocabulary.index(f"z{z}") for z in range(3)])
    for language, part, share in ((always, told, 0.3), (latent, ~told, 0.7)):
        kept, log_mass = both.condition(part)
        assert log_mass == pytest.approx(math.log(share), abs=1e-13)
        found = {both.vocabulary.decode(both.trie.strings[row]): kept.log_p[row] for row in np.flatnonzero(part)}
        written = [language.vocabulary.decode(string) for string in language.trie.strings]
        np.testing.assert_allclose([found[text] for text in written], language.log_p, atol=1e-12)
    assert both.styles is not None
    assert both.styles.disjoint == (overlap == 0)
    shares = np.exp(both.log_p) @ np.exp(both.styles.log_posterior)
    np.testing.assert_allclose(shares, 1 / 3, atol=1e-13)


@pytest.mark.parametrize(
    "arguments", [{"shown": 0.3}, {"overlap": 0.4, "shown": 1.0, "answer_length": 4}, {"num_styles": 1, "overlap": 0.9}]
)
def test_entropy_by_the_chain_rule_where_the_style_is_told(arguments: dict) -> None:
    closed_form = styles_content_entropy(_factors_of(arguments), arguments.get("shown", 0.0))
    assert styles_content(**arguments).entropy() == pytest.approx(closed_form, rel=0, abs=1e-12)


def test_two_styles_that_overlap_by_half_cannot_be_told_apart() -> None:
    world = styles_content(num_styles=2, num_symbols=4, num_prompts=3, answer_length=3, overlap=0.5)
    assert world.styles is not None
    shares = styles_content_factors(num_styles=2, num_symbols=4, num_prompts=3, answer_length=3, overlap=0.5).shares
    np.testing.assert_allclose(
        np.exp(world.styles.log_posterior), shares[world.trie.strings[:, 0] - 1], rtol=0, atol=1e-14
    )


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
            "grammar: a support of at most 1000000 strings is required, found .*; reduce answer_length",
        ),
        ({"style_zipf": [5, 0]}, r"grammar: style_zipf: 4 non-negative numbers .* found \[5.0, 0.0\]"),
        ({"style_zipf": [5, 0, -1, 1]}, "grammar: style_zipf: 4 non-negative numbers"),
        ({"swing": 1}, "grammar.swing: a number from 0 to 0.5 is required, found 1"),
        ({"overlap": 1}, "grammar.overlap: a number from 0 to 1, 1 excluded, is required, found 1"),
        ({"overlap": -0.1}, "grammar.overlap: a number from 0 to 1, 1 excluded, is required, found -0.1"),
        ({"shown": True}, "grammar.shown: a number from 0 to 1 is required, found true"),
        ({"shown": 1.5}, "grammar.shown: a number from 0 to 1 is required, found 1.5"),
        (
            {"overlap": 0.1, "shown": 0.5, "answer_length": 7},
            "grammar: a support of at most 1000000 strings is required",
        ),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "styles_content", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
