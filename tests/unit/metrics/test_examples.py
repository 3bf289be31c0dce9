"""Numbers after worked examples, in the world `few_shot`: closed forms of Bayes' rule where the model is P itself."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from sim.config import construct
from sim.disk.records import Record
from sim.grammars._content import styles_content_factors
from sim.grammars.few_shot import few_shot
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.metrics.examples import content_entropy, examples_of, log_odds, style_given
from sim.metrics.scene import World
from sim.metrics.scored import Scored

SMALL = {"num_prompts": 2, "num_styles": 2, "num_symbols": 2, "answer_length": 2, "seed": 3}
LAW = [0.3, 0.4, 0.3]


def world(**arguments: object) -> World:
    p = few_shot(**{**SMALL, "num_examples": LAW, **arguments})
    config = {"seed": 0, "objective": {"kind": "sft"}, "finetune": {"loss_on": "response"}}
    everything = Restricted(p, p, np.ones(len(p.log_p), bool), 0.0)
    return World(Record("toy", "0" * 12, config, p, everything, {}, {"optimum": None}), "response")


def with_prior(p: FiniteLanguage, weights: list[float]) -> FiniteLanguage:
    """The language with another prior over styles, as Bayes' rule re-weights it."""
    joint = p.log_p[:, None] + p.styles.log_posterior + np.log(np.array(weights) * len(weights))
    return p.with_law(np.logaddexp.reduce(joint, axis=1))


@pytest.fixture(scope="module")
def overlapping() -> World:
    return world(overlap=0.3)


@pytest.fixture(scope="module")
def disjoint() -> World:
    return world(overlap=0.0, num_symbols=4)


def test_laws_of_prompts(overlapping: World) -> None:
    """Each is a law on prompts with its number of examples; P(x | k) is the mean over styles."""
    found = examples_of(overlapping)
    assert found is not None
    assert list(found.by_number) == [0, 1, 2]
    p = overlapping.record.p
    for k, log_law in found.by_number.items():
        prompts = [p.vocabulary.decode(p.trie.strings[row]) for row in p.prompts.first]
        inside = [text.count(";") == k for text in prompts]
        np.testing.assert_array_equal(log_law > -np.inf, inside)
        np.testing.assert_allclose(np.exp(log_law), np.exp(overlapping.p_law) * inside / LAW[k], atol=1e-14)
        mean = np.mean([np.exp(found.by_style[k, name]) for name in ("z0", "z1")], axis=0)
        np.testing.assert_allclose(mean, np.exp(log_law), atol=1e-14)


def test_the_style_of_an_answer_is_that_of_question_and_answer_alone(overlapping: World) -> None:
    """P(z | x, y) from the factors, whatever the examples were; one step, so four answers to each prompt."""
    found, p = examples_of(overlapping), overlapping.record.p
    factors = styles_content_factors(**SMALL, swing=0.0, overlap=0.3)
    assert found is not None
    for row, string in enumerate(p.trie.strings):
        words = p.vocabulary.decode(string).split(" ; ")[-1].split()
        first, second = (int(word[1:]) for word in words[2:])
        step = (second - first) % 2
        likely = [0.7 if step == z else 0.3 for z in range(2)]  # one step in each style's block
        np.testing.assert_allclose(np.exp(found.log_style[row]), np.array(likely) / sum(likely), atol=1e-13)
    assert factors.step.shape[-1] == 1


def test_bayes_speaks_the_style_of_the_examples(overlapping: World) -> None:
    """q(z0 | k examples of z0) of P, in fractions: examples tell the style, and a pure style is judged so in 0.58."""
    found = examples_of(overlapping)
    assert found is not None
    likely = {z: {b: Fraction(7, 10) if b == z else Fraction(3, 10) for b in range(2)} for z in range(2)}
    for k in range(3):
        expected = Fraction(0)
        for shown in product(range(2), repeat=k):
            weights = [np.prod([likely[z][b] for b in shown], initial=Fraction(1)) for z in range(2)]
            posterior = [w / sum(weights) for w in weights]
            judged = sum(posterior[z] * likely[z][b] * likely[0][b] for z in range(2) for b in range(2))
            expected += weights[0] * judged
        value = style_given(overlapping.p, found.log_style[:, 0], found.by_style[k, "z0"])
        assert value == pytest.approx(float(expected), abs=1e-12)


def test_content_of_disjoint_styles_in_closed_form(disjoint: World) -> None:
    """H of first symbol and step given prompt and style, after any number of examples; also under another prior."""
    found = examples_of(disjoint)
    assert found is not None
    factors = styles_content_factors(**{**SMALL, "num_symbols": 4}, swing=0.0)
    for z, name in enumerate(("z0", "z1")):
        entropies = [
            -(first @ np.log(first)) - step[z, 0] @ np.log(step[z, 0])
            for first, step in zip(factors.first, factors.step, strict=True)
        ]
        expected = float(factors.prompt_law @ entropies)
        for k in range(3):
            for q in (disjoint.p, disjoint.of(with_prior(disjoint.record.p, [0.9, 0.1]))):
                value = content_entropy(q, found.log_style[:, z], found.by_style[k, name])
                assert value == pytest.approx(expected, abs=1e-12)


def test_one_example_settles_a_disjoint_style(disjoint: World) -> None:
    found = examples_of(disjoint)
    assert found is not None
    masses = [style_given(disjoint.p, found.log_style[:, 1], found.by_style[k, "z1"]) for k in range(3)]
    assert masses == pytest.approx([0.5, 1.0, 1.0], abs=1e-13)
    assert log_odds(disjoint.p, found.log_style, 1, found.by_style[1, "z1"]) == np.inf
    assert log_odds(disjoint.p, found.log_style, 1, found.by_style[0, "z1"]) == pytest.approx(0.0, abs=1e-12)


def test_the_data_of_the_study_are_one_style_without_examples(disjoint: World) -> None:
    """S(x) = P(x | 0 examples), and S(y|x) = P(y | x, z0) there."""
    found, p = examples_of(disjoint), disjoint.record.p
    assert found is not None
    steps = [{"kind": "regular", "pattern": ". : .*"}, {"kind": "style", "keep": "z0"}]
    s = construct("restriction", {"kind": "in_turn", "steps": steps}, "restriction", p).s
    np.testing.assert_allclose(np.exp(s.prompts.log_p), np.exp(found.by_number[0]), atol=1e-13)
    here = np.exp(s.prompts.log_p)[p.prompts.group] > 0.0
    np.testing.assert_allclose(np.exp(s.answers[here]), 2 * np.exp(p.answers + found.log_style[:, 0])[here], atol=1e-13)


def test_a_model_without_the_style_has_no_content_in_it(disjoint: World) -> None:
    found, p = examples_of(disjoint), disjoint.record.p
    assert found is not None
    only = disjoint.of(p.condition(np.exp(found.log_style[:, 0]) > 0.5)[0])
    assert content_entropy(only, found.log_style[:, 1], found.by_style[0, "z1"]) is None
    assert log_odds(only, found.log_style, 1, found.by_style[0, "z1"]) == -np.inf
    nothing = Scored(**{**vars(only), "log_q": np.full(len(only.log_q), -np.inf)})
    assert log_odds(nothing, found.log_style, 1, found.by_style[0, "z1"]) is None


def test_other_worlds_and_the_joint_view_have_no_examples(overlapping: World) -> None:
    assert examples_of(World(overlapping.record, "joint")) is None
