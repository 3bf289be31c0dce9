"""Finite languages against fractions: masses, conditionals, entropy, prompts, conditioning, and what is refused."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.metrics.divergence import kl
from sim.numerics import SpecificationError
from tests.unit.languages.small_languages import (
    BAR,
    PLAIN,
    PROMPTED,
    Law,
    Symbols,
    entropy,
    log,
    normalised,
    plain_laws,
    prompt_of,
    prompted_laws,
    spoken,
    symbols_of,
    table,
)

INF = math.inf
CLOSE = {"rtol": 1e-13, "atol": 1e-13}


def mass(law: Law, prefix: Symbols) -> Fraction:
    return sum((p for x, p in law.items() if x[: len(prefix)] == prefix), Fraction(0))


def next_law(law: Law, prefix: Symbols) -> list[Fraction]:
    """P(. | prefix) over the four tokens."""
    total = mass(law, prefix)
    return [law.get(prefix, Fraction(0)) / total] + [mass(law, (*prefix, token)) / total for token in (1, 2, 3)]


def prefixes_of(language: FiniteLanguage) -> list[Symbols]:
    """The prefix of every node."""
    trie = language.trie
    rows = trie.strings[trie.first_string]
    return [tuple(int(token) for token in row[:depth]) for row, depth in zip(rows, trie.depth, strict=True)]


# -- numbers of the whole ---------------------------------------------------------------------------------------------


@given(plain_laws())
def test_entropy_collision_and_length(law: Law) -> None:
    language = spoken(law)
    assert language.entropy() == pytest.approx(float(entropy(law)), rel=1e-13, abs=1e-13)
    assert language.collision() == pytest.approx(float(sum(p * p for p in law.values())), rel=1e-13)
    assert language.expected_length() == pytest.approx(float(sum(p * len(x) for x, p in law.items())), abs=1e-13)
    assert language.support_size == sum(p > 0 for p in law.values())
    assert language.length == max(map(len, law)) + 1


def test_a_single_string() -> None:
    language = spoken({(): Fraction(1)})
    assert (language.entropy(), language.collision(), language.expected_length()) == (0.0, 1.0, 0.0)
    assert language.next_log_probs([]).tolist() == [0.0, -INF, -INF, -INF]


@given(plain_laws())
def test_masses_of_nodes_and_edges(law: Law) -> None:
    language = spoken(law)
    prefixes = prefixes_of(language)
    np.testing.assert_allclose(np.exp(language.node_log_mass), [float(mass(law, x)) for x in prefixes], **CLOSE)
    for node, token, found in zip(
        language.trie.edge_node, language.trie.edge_token, language.edge_log_prob, strict=True
    ):
        prefix = prefixes[node]
        expected = next_law(law, prefix)[token] if mass(law, prefix) else Fraction(0)
        assert np.exp(found) == pytest.approx(float(expected), rel=1e-13)
        assert (found == -INF) == (expected == 0)


@given(plain_laws(), st.lists(st.integers(1, 3), max_size=5).map(tuple))
def test_log_prob_on_and_off_the_support(law: Law, other: Symbols) -> None:
    language = spoken(law)
    for x in {*law, other}:
        expected = log(law.get(x, Fraction(0)))
        for written in (list(x), [*x, 0], [*x, 0, 0, 0], np.array([*x, 0])):
            assert language.log_prob(written) == (expected if expected == -INF else pytest.approx(expected, abs=1e-13))


@pytest.mark.parametrize("nonsense", [[1, 0, 1], [0, 1], [4], [-1], [1, 99], [1, -3, 0]])
def test_what_is_no_string_has_probability_zero(nonsense: list[int]) -> None:
    language = spoken({(): Fraction(1, 4), (1,): Fraction(1, 2), (1, 3): Fraction(1, 4)})
    assert language.log_prob(nonsense) == -INF


@given(plain_laws(), st.lists(st.integers(1, 3), max_size=5).map(tuple))
def test_next_token_at_every_prefix(law: Law, other: Symbols) -> None:
    language = spoken(law)
    for prefix in {*prefixes_of(language), other}:
        if mass(law, prefix):
            expected = next_law(law, prefix)
            np.testing.assert_allclose(np.exp(language.next_log_probs(prefix)), [float(p) for p in expected], **CLOSE)
        else:
            with pytest.raises(SpecificationError, match="has probability 0: no next token is defined"):
                language.next_log_probs(prefix)


@pytest.mark.parametrize(
    ("prefix", "shown"), [([3], "'c'"), ([1, 0], r"\[1, 0\]"), ([99], r"\[99\]"), ([-1], r"\[-1\]"), ([0], r"\[0\]")]
)
def test_a_prefix_that_has_no_next_token_is_shown(prefix: list[int], shown: str) -> None:
    language = spoken({(1,): Fraction(1, 2), (2,): Fraction(1, 2)})
    with pytest.raises(SpecificationError, match=f"^prefix {shown} has probability 0"):
        language.next_log_probs(prefix)


# -- what must not matter ---------------------------------------------------------------------------------------------


@given(plain_laws(), st.permutations([1, 2, 3]), st.integers(0, 3), st.randoms(use_true_random=False))
def test_names_of_symbols_order_and_padding_change_nothing(
    law: Law, renamed: list[int], padding: int, shuffled: object
) -> None:
    other = normalised({x: index + 1 for index, x in enumerate(sorted(law))})
    to = dict(zip((1, 2, 3), renamed, strict=True))
    keys = list(law)
    shuffled.shuffle(keys)

    def seen(one: Law, renaming: dict[int, int], order: list[Symbols], length: int | None) -> FiniteLanguage:
        return spoken({tuple(renaming[token] for token in x): one[x] for x in order}, PLAIN, length)

    same = {token: token for token in (1, 2, 3)}
    length = max(map(len, law)) + 1 + padding
    plain, moved = seen(law, same, list(law), None), seen(law, to, keys, length)
    assert moved.entropy() == pytest.approx(plain.entropy(), abs=1e-13)
    assert moved.collision() == pytest.approx(plain.collision(), abs=1e-14)
    assert moved.expected_length() == pytest.approx(plain.expected_length(), abs=1e-13)
    apart = [
        kl(p.log_p, seen(other, renaming, order, size).log_p)
        for p, renaming, order, size in ((plain, same, list(law), None), (moved, to, keys, length))
    ]
    assert apart[0] == pytest.approx(apart[1], abs=1e-13)
    for x, p in law.items():
        assert moved.log_prob([to[token] for token in x]) == pytest.approx(log(p), abs=1e-13)


# -- prompts ----------------------------------------------------------------------------------------------------------


@given(prompted_laws())
def test_prompts_and_answers(law: Law) -> None:
    language = spoken(law, PROMPTED)
    prompts, documents = language.prompts, symbols_of(language)
    given_x = [prompt_of(x) for x in documents]
    assert prompts.num_groups == len(set(given_x))
    assert prompts.length.tolist() == [len(x) for x in given_x]
    assert sorted(set(prompts.group.tolist())) == list(range(prompts.num_groups))
    for group, first in enumerate(prompts.first):
        inside = [row for row in range(len(documents)) if prompts.group[row] == group]
        assert {given_x[row] for row in inside} == {given_x[first]}
        assert first == min(inside)
        assert np.exp(prompts.log_p[group]) == pytest.approx(float(mass(law, given_x[first])), rel=1e-13)
    for row, x in enumerate(documents):
        total = mass(law, given_x[row])
        assert np.exp(language.answers[row]) == pytest.approx(float(law[x] / total) if total else 0.0, rel=1e-13)
        assert (language.answers[row] == -INF) == (law[x] == 0)


@given(plain_laws())
def test_without_prompts_there_is_one_empty_prompt(law: Law) -> None:
    language = spoken(law)
    assert language.prompts.num_groups == 1
    assert language.prompts.length.tolist() == [0] * len(law)
    assert language.prompts.log_p[0] == pytest.approx(0.0, abs=1e-13)
    np.testing.assert_allclose(np.exp(language.answers), np.exp(language.log_p), **CLOSE)


def test_a_document_without_a_prompt_is_refused_when_prompts_are_asked_for() -> None:
    with pytest.raises(SpecificationError, match=r"closing symbol '\|', found 'a b' without it"):
        _ = spoken({(1, BAR): Fraction(1, 2), (1, 2): Fraction(1, 2)}, PROMPTED).prompts


# -- conditioning -----------------------------------------------------------------------------------------------------


@given(st.one_of(plain_laws(), prompted_laws()), st.data())
def test_condition(law: Law, data: st.DataObject) -> None:
    language = spoken(law)
    documents = symbols_of(language)
    event = np.array(data.draw(st.lists(st.booleans(), min_size=len(law), max_size=len(law))))
    total = sum((law[x] for x, inside in zip(documents, event, strict=True) if inside), Fraction(0))
    if total == 0:
        with pytest.raises(SpecificationError, match=r"^keep: P\(A\) must be positive, found 0"):
            language.condition(event, place="keep")
        return
    kept, log_mass = language.condition(event)
    assert kept.trie is language.trie
    assert log_mass == pytest.approx(log(total), abs=1e-13)
    expected = [float(law[x] / total) if inside else 0.0 for x, inside in zip(documents, event, strict=True)]
    np.testing.assert_allclose(np.exp(kept.log_p), expected, **CLOSE)
    assert kl(kept.log_p, language.log_p) == pytest.approx(-log_mass, abs=1e-13), "KL(P_A || P) = -log P(A)"


@given(prompted_laws(), st.data())
def test_condition_the_answers_and_keep_the_prompts(law: Law, data: st.DataObject) -> None:
    language = spoken(law, PROMPTED)
    documents = symbols_of(language)
    event = np.array(data.draw(st.lists(st.booleans(), min_size=len(law), max_size=len(law))))
    inside = {x for x, chosen in zip(documents, event, strict=True) if chosen}
    joint = sum((law[x] for x in inside), Fraction(0))
    assume(joint > 0)
    within = {x: mass({y: p for y, p in law.items() if y in inside}, prompt_of(x)) for x in law}
    if any(mass(law, prompt_of(x)) > 0 == within[x] for x in law):
        with pytest.raises(SpecificationError, match=r"keep_prompts needs P\(A \| x\) > 0 for every prompt, found 0 "):
            language.condition(event, keep_prompts=True)
        return
    kept, log_mass = language.condition(event, keep_prompts=True)
    assert log_mass == pytest.approx(log(joint), abs=1e-13), "of documents, whatever happens to the prompts"
    for row, x in enumerate(documents):
        share = law[x] / within[x] * mass(law, prompt_of(x)) if x in inside and law[x] else Fraction(0)
        assert np.exp(kept.log_p[row]) == pytest.approx(float(share), rel=1e-13)
    np.testing.assert_allclose(kept.prompts.log_p, language.prompts.log_p, **CLOSE)


def test_the_prompt_that_would_be_lost_is_named() -> None:
    language = spoken({(1, BAR, 1): Fraction(1, 2), (2, BAR, 2): Fraction(1, 2)}, PROMPTED)
    with pytest.raises(SpecificationError, match=r"^style: keep_prompts .* found 0 for 'b \|'; drop keep_prompts$"):
        language.condition(np.array([True, False]), keep_prompts=True, place="style")


@given(plain_laws(), st.data())
def test_weights_of_strings(law: Law, data: st.DataObject) -> None:
    language = spoken(law)
    factors = data.draw(st.lists(st.integers(0, 5), min_size=len(law), max_size=len(law)))
    weighed = [law[x] * factor for x, factor in zip(symbols_of(language), factors, strict=True)]
    log_weights = np.array([log(Fraction(factor)) for factor in factors])
    if not any(weighed):
        with pytest.raises(SpecificationError, match=r"P\(A\) must be positive, found 0"):
            language.given(log_weights)
        return
    expected = [float(weight / sum(weighed)) for weight in weighed]
    for offset in (0.0, 900.0, -900.0):
        np.testing.assert_allclose(np.exp(language.given(log_weights + offset)[0].log_p), expected, rtol=1e-12)


# -- styles -----------------------------------------------------------------------------------------------------------

TWO = {(1,): Fraction(1, 2), (2,): Fraction(1, 2)}


def test_styles_follow_their_documents_through_the_sorting() -> None:
    styles = Styles(("first", "second"), np.log([[0.25, 0.75], [0.5, 0.5]]))
    language = spoken(dict(reversed(TWO.items())), styles=styles)
    np.testing.assert_allclose(np.exp(language.styles.log_posterior), [[0.5, 0.5], [0.25, 0.75]])
    assert not language.styles.disjoint
    with pytest.raises(ValueError, match="styles overlap"):
        _ = language.styles.of
    assert language.condition(np.array([True, False]))[0].styles is language.styles


def test_disjoint_styles() -> None:
    styles = Styles(("first", "second"), np.array([[-INF, 0.0], [0.0, -INF]]))
    assert styles.disjoint
    assert styles.of.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("posterior", "message"),
    [
        ([[0.0, -INF]], r"a posterior of shape \(2, 2\) is required, found \(1, 2\)"),
        ([[0.0], [0.0]], r"a posterior of shape \(2, 2\) is required, found \(2, 1\)"),
        ([[0.0, -INF], [0.0, 0.0]], "must sum to 1 within 1e-09, found one off by 1"),
        ([[0.0, -INF], [-INF, -INF]], "must sum to 1 within 1e-09, found one off by 1"),
        ([[0.0, -INF], [math.nan, 0.0]], "must sum to 1 within 1e-09, found one off by nan"),
    ],
)
def test_posteriors_that_are_refused(posterior: list[list[float]], message: str) -> None:
    language = spoken(TWO)
    with pytest.raises(SpecificationError, match=message):
        FiniteLanguage(PLAIN, language.trie, language.log_p, Styles(("first", "second"), np.array(posterior)))


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([0.5, 0.5 + 2e-9], "must sum to 1 within 1e-09"),
        ([0.5, 0.5 - 2e-9], "must sum to 1 within 1e-09"),
        ([0.5, 0.25], r"found 0\.75.*; normalise them first"),
        ([0.0, 0.0], "must sum to 1 within 1e-09"),
        ([math.nan, 1.0], "with nan"),
        ([INF, 1.0], "must sum to 1 within 1e-09"),
        ([1.0], r"must be 2 numbers, found shape \(1,\)"),
        ([[0.5, 0.5]], r"must be 2 numbers, found shape \(1, 2\)"),
    ],
)
def test_probabilities_that_are_refused(p: list[float], message: str) -> None:
    trie = spoken(TWO).trie
    with pytest.raises(SpecificationError, match=message), np.errstate(divide="ignore"):
        FiniteLanguage(PLAIN, trie, np.log(np.array(p)))


def test_rounding_is_accepted_and_left_as_it_is() -> None:
    log_p = np.log([0.5, 0.5 + 5e-10])
    assert FiniteLanguage(PLAIN, spoken(TWO).trie, log_p).log_p.tolist() == log_p.tolist()


def test_duplicates_and_foreign_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="duplicates"):
        FiniteLanguage.from_strings(PLAIN, table(TWO)[[0, 0]], np.log([0.5, 0.5]))
    with pytest.raises(ValueError, match=r"tokens must lie in 0\.\.1"):
        FiniteLanguage.from_strings(Vocabulary(("<eos>", "a")), table(TWO), np.log([0.5, 0.5]))
