"""Prompts of several topics, read off the written documents; mixtures by their definition, entropies from the list."""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.topics import topics
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError

SMALL: Mapping[str, Any] = {"num_prompts": 6, "num_topics": 3, "answers_per_prompt": 5, "num_symbols": 3,
                            "answer_length": 2, "idiosyncrasy": 0.3}  # fmt: skip
Law = dict[str, dict[str, float]]


def given(world: FiniteLanguage) -> Law:
    """P(y|x) by prompt and answer, as written."""
    found: Law = {}
    for string, log_p in zip(world.trie.strings, world.log_p, strict=True):
        prompt, answer = world.vocabulary.decode(string).split(" : ")
        found.setdefault(prompt, {})[answer] = math.exp(log_p)
    return {x: {y: p / sum(own.values()) for y, p in own.items()} for x, own in found.items()}


def made(**changed: Any) -> tuple[FiniteLanguage, dict[str, float]]:
    return topics(**(dict(SMALL) | changed))


def test_prompts_of_a_topic_share_its_law_and_nothing_else() -> None:
    """Without idiosyncrasy the prompts of a topic answer alike, with all of it no two prompts do."""
    same = given(made(idiosyncrasy=0.0)[0])
    own = given(made(idiosyncrasy=1.0)[0])
    assert list(same) == [f"t{x % 3} x{x}" for x in (0, 3, 1, 4, 2, 5)]
    for x, y in product(same, same):
        assert (same[x] == pytest.approx(same[y], rel=1e-12)) == (x[:2] == y[:2]), (x, y)
        assert x == y or own[x] != pytest.approx(own[y], rel=1e-3)


def test_an_answer_is_of_the_topic_or_of_the_prompt() -> None:
    same, own, mixed = (given(made(idiosyncrasy=kappa)[0]) for kappa in (0.0, 1.0, 0.3))
    for x, law in mixed.items():
        assert law == pytest.approx({y: 0.7 * same[x][y] + 0.3 * own[x][y] for y in law}, rel=1e-12)


def test_laws_are_zipfs_in_random_orders() -> None:
    """log p falls linearly with log (rank + offset), with the given slope; the orders differ."""
    for law in given(made(idiosyncrasy=0.0, zipf=1.5)[0]).values():
        p = np.array(sorted(law.values(), reverse=True))
        ranks = (p / p[0]) ** (-1 / 1.5)  # (rank + offset) / (1 + offset)
        np.testing.assert_allclose(np.diff(ranks), np.diff(ranks)[0], rtol=1e-9)
        assert 0.5 <= np.diff(ranks)[0] <= 1.0
    first = {max(law, key=law.__getitem__) for law in given(made(idiosyncrasy=1.0)[0]).values()}
    assert len(first) > 2


def test_a_seed_decides_the_laws_and_no_string() -> None:
    one, same, other = (made(seed=seed)[0] for seed in (0, 0, 1))
    assert (one.log_p == same.log_p).all()
    np.testing.assert_array_equal(one.trie.strings, other.trie.strings)
    assert np.abs(one.log_p - other.log_p).max() > 0.1


def test_more_prompts_and_topics_leave_the_laws_of_the_others_alone() -> None:
    few, many = (given(made(num_prompts=n)[0]) for n in (3, 6))
    assert all(many[x] == pytest.approx(few[x], rel=1e-12) for x in few)
    less, more = (given(made(num_topics=k)[0]) for k in (2, 3))
    assert more["t0 x0"] == pytest.approx(less["t0 x0"], rel=1e-12)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0])
def test_the_notes_are_exact(kappa: float) -> None:
    world, notes = made(idiosyncrasy=kappa, prompt_zipf=1.0)
    weights = np.array([1 / (x + 1) for x in range(6)])
    weights /= weights.sum()

    def mean(world: FiniteLanguage, of: Any) -> float:
        laws = given(world)
        by_prompt = {int(x.split("x")[1]): math.fsum(of(p) for p in law.values()) for x, law in laws.items()}
        return math.fsum(weights[x] * value for x, value in by_prompt.items())

    ends = [made(idiosyncrasy=end)[0] for end in (0.0, 1.0)]
    found = [mean(one, lambda p: -p * math.log(p)) for one in (*ends, world)]
    assert [notes[name] for name in ("topic_entropy", "own_entropy", "answer_entropy")] == pytest.approx(
        found, abs=1e-12
    )
    assert notes["answer_collision"] == pytest.approx(mean(world, lambda p: p * p), rel=1e-12)
    assert notes["idiosyncrasy"] == kappa
    prompts = -math.fsum(weights * np.log(weights))
    assert world.entropy() == pytest.approx(prompts + notes["answer_entropy"], abs=1e-12)
    mixed, low, high = notes["answer_entropy"], *(notes[name] for name in ("topic_entropy", "own_entropy"))
    assert mixed >= (1 - kappa) * low + kappa * high - 1e-12, "entropy is concave"


def test_a_latent_topic_leaves_no_token() -> None:
    shown, latent = (made(shown=shown)[0] for shown in (True, False))
    assert {symbol for symbol in shown.vocabulary.symbols if symbol[0] == "t"} == {"t0", "t1", "t2"}
    assert not any(symbol[0] == "t" for symbol in latent.vocabulary.symbols)
    laws = given(latent)
    assert {x.split()[1] for x in given(shown)} == laws.keys()
    assert all(law == pytest.approx(laws[x.split()[1]], rel=1e-12) for x, law in given(shown).items())


def test_the_default_world() -> None:
    world, notes = topics()
    assert (world.support_size, world.prompts.num_groups, world.length) == (1024, 32, 7)
    assert 3.0 < notes["topic_entropy"] < notes["answer_entropy"] < math.log(32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_topics": 33}, "grammar: num_topics: at most num_prompts .32. is required, found 33; lower it"),
        (
            {"answer_length": 2},
            "grammar: answer_length: 32 different answers are required, found 16 words of 2 symbols",
        ),
        ({"idiosyncrasy": 1.5}, "grammar.idiosyncrasy: a number from 0 to 1 is required, found 1.5"),
        ({"num_prompts": 40_000}, "grammar: a support of at most 1000000 strings is required, found 1280000; reduce"),
        ({"zipf": 1e6}, "grammar: Zipf's law: probabilities above 1e-308 are required"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "topics", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
