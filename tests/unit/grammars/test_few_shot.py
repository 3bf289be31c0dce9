"""Worked examples before the question, against Bayes' rule in fractions over everything that is not written."""

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest

from sim.config import construct
from sim.grammars._content import Factors, styles_content_factors
from sim.grammars.few_shot import few_shot
from sim.grammars.styles_content import styles_content
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError

DEFAULTS = {
    "num_prompts": 2,
    "num_styles": 3,
    "num_symbols": 3,
    "answer_length": 2,
    "num_examples": [0.2, 0.3, 0.5],
    "overlap": 0.2,
}
VARIANTS = [
    {},
    {"overlap": 0.0, "style_weights": [0.5, 0.3, 0.2], "seed": 2},
    {"num_styles": 2, "num_symbols": 2, "num_examples": [0.25, 0.25, 0.25, 0.25], "num_prompts": 1},
    {"num_examples": [0.0, 1.0], "answer_length": 3, "num_styles": 2, "num_symbols": 2, "overlap": 0.3, "zipf": 0.0},
    {"num_examples": [1.0], "num_symbols": 7, "overlap": 0.4},
    {"num_examples": [0.5, 0.5], "num_styles": 1, "num_symbols": 2},
]


def factors_of(arguments: dict) -> Factors:
    given = {name: value for name, value in (DEFAULTS | arguments).items() if name != "num_examples"}
    return styles_content_factors(**given, swing=0.0)


class Truth:
    """P(z), and P(x) P(y|x,z) of every pair of a prompt and an answer as written, in fractions."""

    def __init__(self, arguments: dict) -> None:
        factors = factors_of(arguments)
        _, num_styles, later, per_style = factors.step.shape
        num_prompts, num_symbols = factors.first.shape
        weights = (DEFAULTS | {"style_weights": None} | arguments)["style_weights"]
        self.styles = [Fraction(1, num_styles)] * num_styles if weights is None else [Fraction(w) for w in weights]
        self.prompts = [Fraction(p) for p in factors.prompt_law.tolist()]
        self.pairs: dict[tuple[int, str], list[Fraction]] = {}
        for x, z, start in product(range(num_prompts), range(num_styles), range(num_symbols)):
            for choices in product([0, 1], range(per_style), repeat=later):
                p, content = Fraction(factors.first[x, start]), [start]
                for t in range(later):
                    borrowed, place = choices[2 * t : 2 * t + 2]
                    p *= Fraction(factors.overlap) if borrowed else 1 - Fraction(factors.overlap)
                    owner = (z + borrowed) % num_styles
                    p *= Fraction(factors.step[x, owner, t, place])
                    content.append((content[-1] + owner * per_style + place) % num_symbols)
                pair = (x, " ".join(f"y{symbol}" for symbol in content))
                self.pairs.setdefault(pair, [Fraction(0)] * num_styles)[z] += self.prompts[x] * p

    def documents(self, law: list[float]) -> dict[str, list[Fraction]]:
        """P(z, document) of every document of positive probability."""
        found = {}
        for k, share in enumerate(law):
            for pairs in product(self.pairs, repeat=k + 1):
                joint = [
                    Fraction(share) * p * math.prod(self.pairs[pair][z] for pair in pairs)
                    for z, p in enumerate(self.styles)
                ]
                if sum(joint) > 0:
                    shown = [f"x{x} = {y} ;" for x, y in pairs[:-1]]
                    found[" ".join([*shown, f"x{pairs[-1][0]} : {pairs[-1][1]}"])] = joint
        return found


def read(document: str) -> tuple[list[tuple[int, str]], tuple[int, str]]:
    """The examples of a document, and its question with the answer."""
    *examples, question = document.split(" ; ")
    pairs = [example.split(" = ") for example in examples] + [question.split(" : ")]
    *worked, last = [(int(x[1:]), y) for x, y in pairs]
    return worked, last


def written(world: FiniteLanguage) -> list[str]:
    return [world.vocabulary.decode(string) for string in world.trie.strings]


@pytest.mark.parametrize("arguments", VARIANTS)
def test_documents_and_posteriors_by_fractions(arguments: dict) -> None:
    world, expected = few_shot(**arguments), Truth(arguments).documents((DEFAULTS | arguments)["num_examples"])
    assert world.styles is not None
    assert world.support_size == world.trie.num_strings == len(expected)
    for document, log_p, log_posterior in zip(written(world), world.log_p, world.styles.log_posterior, strict=True):
        joint = expected[document]
        assert log_p == pytest.approx(math.log(sum(joint)), abs=1e-12)
        np.testing.assert_allclose(np.exp(log_posterior), [float(p / sum(joint)) for p in joint], rtol=0, atol=1e-13)


@pytest.mark.parametrize("arguments", VARIANTS[:3])
def test_the_bayes_predictive_given_the_examples(arguments: dict) -> None:
    """P(y | examples, x) = sum_z P(z | examples) P(y|x,z): the answers of the world, in fractions."""
    world, truth = few_shot(**arguments), Truth(arguments)
    checked = set()
    for row, document in enumerate(written(world)):
        examples, (x, y) = read(document)
        seen = [p * math.prod(truth.pairs[pair][z] for pair in examples) for z, p in enumerate(truth.styles)]
        likely = [p / truth.prompts[x] for p in truth.pairs[x, y]]
        predictive = sum(p * q for p, q in zip(seen, likely, strict=True)) / sum(seen)
        assert world.answers[row] == pytest.approx(math.log(predictive), abs=1e-12)
        checked.add(len(examples))
    assert checked == set(range(len((DEFAULTS | arguments)["num_examples"])))


def test_examples_tell_the_style_little_by_little() -> None:
    """H(z | prompt) [nat] falls with every example where styles overlap; one settles it where they do not."""
    overlapping = uncertainty(few_shot(num_styles=2, num_symbols=2, num_examples=[0.25] * 4))
    assert overlapping[0] == pytest.approx(math.log(2), abs=1e-13), "a question alone says nothing"
    assert all(after < before - 0.01 for before, after in pairwise(overlapping))
    assert overlapping[-1] > 0.1
    assert uncertainty(few_shot(overlap=0.0)) == pytest.approx([math.log(3), 0, 0], abs=1e-13)


def uncertainty(world: FiniteLanguage) -> list[float]:
    """E H(z | prompt), by number of examples: the styles' joint law with the prompt is a sum over answers."""
    assert world.styles is not None
    joint = np.zeros((world.prompts.num_groups, len(world.styles.names)))
    np.add.at(joint, world.prompts.group, np.exp(world.log_p[:, None] + world.styles.log_posterior))
    examples = [world.vocabulary.decode(world.trie.strings[row]).count(";") for row in world.prompts.first]
    found = []
    for k in range(max(examples) + 1):
        here = joint[np.array(examples) == k]
        posterior = here / here.sum(axis=1, keepdims=True)
        surprise = -np.where(posterior > 0, np.log(np.where(posterior > 0, posterior, 1)), 0)
        found.append(float((here * surprise).sum() / here.sum()))
    return found


@pytest.mark.parametrize("arguments", VARIANTS)
def test_marginals_are_the_configured_ones(arguments: dict) -> None:
    world, settings = few_shot(**arguments), DEFAULTS | arguments
    p = np.exp(world.log_p)
    counts = [document.count(";") for document in written(world)]
    np.testing.assert_allclose(
        np.bincount(counts, p, len(settings["num_examples"])), settings["num_examples"], atol=1e-13
    )
    assert world.styles is not None
    weights = settings.get("style_weights") or [1 / settings["num_styles"]] * settings["num_styles"]
    np.testing.assert_allclose(p @ np.exp(world.styles.log_posterior), weights, atol=1e-13)
    law = factors_of(arguments).prompt_law
    question = [read(document)[1][0] for document in written(world)]
    np.testing.assert_allclose(np.bincount(question, p), law, atol=1e-13)


def test_entropy_of_disjoint_styles_in_closed_form() -> None:
    """The string tells style, number of examples, prompts and steps: H = H(z) + H(k) + E(k + 1) H(x, y | z)."""
    arguments = {"overlap": 0.0, "num_symbols": 6, "num_examples": [0.4, 0.6]}
    factors = factors_of(arguments)
    pair = 0.0
    for x, p in enumerate(factors.prompt_law):
        inside = -(factors.first[x] @ np.log(factors.first[x]))
        inside -= np.mean([law @ np.log(law) for law in factors.step[x, :, 0]])
        pair += p * (inside - math.log(p))
    expected = math.log(3) - 0.4 * math.log(0.4) - 0.6 * math.log(0.6) + 1.6 * pair
    assert few_shot(**arguments).entropy() == pytest.approx(expected, abs=1e-12)


def test_without_examples_it_is_the_world_of_styles_and_content() -> None:
    arguments = {"num_prompts": 3, "num_styles": 3, "num_symbols": 6, "answer_length": 3, "overlap": 0.2, "seed": 4}
    zero, plain = few_shot(**arguments, num_examples=[1.0]), styles_content(**arguments, swing=0.0)
    found = dict(zip(written(zero), zero.log_p, strict=True))
    np.testing.assert_allclose([found[document] for document in written(plain)], plain.log_p, atol=1e-13)


def test_the_prompt_holds_the_examples() -> None:
    world = few_shot()
    row = world.trie.strings[np.argmax(world.trie.lengths)]
    length = int(world.vocabulary.prompt_length(row[None])[0])
    prompt, answer = world.vocabulary.decode(row[:length]), world.vocabulary.decode(row[length:])
    assert prompt.count(";") == prompt.count("=") == 2
    assert prompt.endswith(":")
    assert len(answer.split()) == 2
    pairs, two_pairs = 6 * 3, 6**2 * 3 * (2**2 - 1)  # steps of one style: it has two, and shares one with each other
    assert world.prompts.num_groups == 2 * (1 + pairs + two_pairs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_examples": []}, "grammar: num_examples: shares must sum to 1 within 1e-09, found 0"),
        ({"num_examples": [0.5]}, "grammar: num_examples: shares must sum to 1 .* found 0.5; divide each by the sum"),
        ({"num_examples": [1.5, -0.5]}, "grammar: num_examples.0: a share from 0 to 1 is required, found 1.5"),
        ({"num_examples": 2}, "grammar.num_examples: a list is required, found 2"),
        ({"num_symbols": 2}, "grammar: num_symbols: at least one symbol per style, so 3 or more, is required, found 2"),
        ({"style_weights": [0.5, 0.5]}, "grammar: style_weights: 3 positive numbers"),
        ({"overlap": 1}, "grammar.overlap: a number from 0 to 1, 1 excluded, is required, found 1"),
        ({"answer_length": 1}, "grammar.answer_length: an integer of at least 2 is required, found 1"),
        (
            {"num_examples": [0, 0, 0, 0, 0, 1]},
            "grammar: a support of at most 1000000 strings is required, found 8817984; reduce the number of examples",
        ),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "few_shot", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
