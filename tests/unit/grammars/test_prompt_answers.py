"""Prompts and their sets of answers, read off the written documents."""

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.prompt_answers import prompt_answers
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError

DEFAULTS = {"num_prompts": 8, "answers_per_prompt": 64, "overlap": 0.5, "zipf": 1.0, "prompt_zipf": 0.5}
VARIANTS = [
    {},
    {"overlap": 0.0},
    {"overlap": 1.0},
    {"num_prompts": 3, "answers_per_prompt": 7, "overlap": 0.4, "num_symbols": 3, "answer_length": 3, "seed": 5},
    {"num_prompts": 1, "answers_per_prompt": 8, "num_symbols": 2, "answer_length": 3, "zipf": 2.0},
    {"num_prompts": 4, "answers_per_prompt": 2, "num_symbols": 5, "answer_length": 1, "zipf": 0.0, "prompt_zipf": 0.0},
]


def documents(world: FiniteLanguage) -> dict[str, dict[str, float]]:
    """P(x, y) by prompt and answer, as written."""
    found: dict[str, dict[str, float]] = {}
    for string, log_p in zip(world.trie.strings, world.log_p, strict=True):
        prompt, answer = world.vocabulary.decode(string).split(" : ")
        assert answer not in found.get(prompt, {})
        found.setdefault(prompt, {})[answer] = math.exp(log_p)
    return found


def zipf(count: int, exponent: float) -> list[Fraction]:
    weights = [Fraction(rank**-exponent) for rank in range(1, count + 1)]
    return [weight / sum(weights) for weight in weights]


def entropy(law: Iterable[Fraction]) -> float:
    return -sum(float(p) * math.log(p) for p in law)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_any_two_prompts_share_exactly_so_many_answers(arguments: dict) -> None:
    settings = DEFAULTS | arguments
    world, notes = prompt_answers(**arguments)
    sets = [set(answers) for answers in documents(world).values()]
    shared = round(settings["overlap"] * settings["answers_per_prompt"])
    assert len(sets) == settings["num_prompts"]
    assert {len(answers) for answers in sets} == {settings["answers_per_prompt"]}
    assert {len(one & other) for one, other in combinations(sets, 2)} <= {shared}
    assert notes == {"overlap": shared / settings["answers_per_prompt"]}
    assert len(set.union(*sets)) == shared + settings["num_prompts"] * (settings["answers_per_prompt"] - shared)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_both_laws_are_zipfs(arguments: dict) -> None:
    settings = DEFAULTS | arguments
    world, _ = prompt_answers(**arguments)
    prompts = zipf(settings["num_prompts"], settings["prompt_zipf"])
    answers = zipf(settings["answers_per_prompt"], settings["zipf"])
    for x, p_prompt in enumerate(prompts):
        found = sorted(documents(world)[f"x{x}"].values(), reverse=True)
        np.testing.assert_allclose(found, [float(p_prompt * p) for p in answers], rtol=1e-12)
    assert world.entropy() == pytest.approx(entropy(prompts) + entropy(answers), abs=1e-12)
    collision = sum(p**2 for p in prompts) * sum(p**2 for p in answers)
    assert world.collision() == pytest.approx(float(collision), rel=1e-12)


def test_every_prompt_ranks_the_common_answers_in_its_own_way() -> None:
    found = documents(prompt_answers()[0])
    common = set.intersection(*(set(answers) for answers in found.values()))
    assert len(common) == 32
    likeliest = {max(common, key=answers.__getitem__) for answers in found.values()}
    assert len(likeliest) > 4
    best = {prompt: max(answers, key=answers.__getitem__) for prompt, answers in found.items()}
    assert 0 < sum(answer in common for answer in best.values()) < 8, "common ones are neither likelier nor rarer"


def test_documents_are_a_prompt_and_an_answer_of_its_length() -> None:
    world, _ = prompt_answers(num_prompts=2, answer_length=6)
    assert world.length == 2 + 6 + 1
    assert world.prompts.num_groups == 2
    assert world.vocabulary.symbols[:5] == ("<eos>", "x0", "x1", ":", "y0")
    assert all(len(answer.split()) == 6 for answers in documents(world).values() for answer in answers)


def test_seed_draws_answers_and_their_orders() -> None:
    one, same, other = (prompt_answers(seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one.trie.strings, same.trie.strings)
    assert (one.log_p == same.log_p).all()
    assert not np.array_equal(one.trie.strings, other.trie.strings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_prompts": 0}, "grammar.num_prompts: an integer of at least 1 is required, found 0"),
        ({"overlap": 1.2}, "grammar.overlap: a number from 0 to 1 is required, found 1.2"),
        (
            {"answer_length": 2},
            "grammar: answer_length: 288 different answers are required, found 64 words of 2 symbols; raise answer",
        ),
        (
            {"answers_per_prompt": 200_000},
            "grammar: a support of at most 1000000 strings is required, found 1600000; reduce",
        ),
        ({"zipf": "big"}, "grammar.zipf: a non-negative number is required, found 'big'"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "prompt_answers", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
