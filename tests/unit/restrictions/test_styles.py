"""everything and style: log P(A), the shift accounting and the laws of prompts, on worlds with prompts."""

from fractions import Fraction

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.english import english
from sim.grammars.styles_content import styles_content
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError, expectation, log_group_sum
from sim.restrictions.everything import everything
from sim.restrictions.style import style

KEEPS = ["assistant", ["plain", "pirate"], {"plain": 3.0, "assistant": 1.0}, {"poetic": 0.0, "pirate": 2.0}]


@pytest.fixture(scope="module")
def p() -> FiniteLanguage:
    return english(num_prompts=5)


@pytest.fixture(scope="module")
def small() -> FiniteLanguage:
    """Two prompts a, b, styles u, v; the probabilities are sixteenths."""
    vocabulary = Vocabulary(("<eos>", "a", "b", ":", "u", "v", "w"), prompt_end=3)
    strings = np.array([[1, 3, 4, 0], [1, 3, 5, 0], [1, 3, 6, 0], [2, 3, 4, 0], [2, 3, 5, 0]])
    log_posterior = np.where(np.array([0, 1, 1, 0, 1])[:, None] == np.arange(2), 0.0, -np.inf)
    return FiniteLanguage.from_strings(
        vocabulary, strings, np.log(np.array([4, 2, 2, 1, 7]) / 16), Styles(("u", "v"), log_posterior)
    )


def kl(p: np.ndarray, q: np.ndarray) -> float:
    inside = p > -np.inf
    return expectation(p[inside], p[inside] - q[inside])


def fractions(language: FiniteLanguage) -> list[Fraction]:
    return [Fraction(float(v)).limit_denominator(1000) for v in np.exp(language.log_p)]


def check_laws(p: FiniteLanguage, r: Restricted) -> None:
    """A holds S; P_A is P(. | A) by its definition; log P(A) is exact."""
    assert r.s.trie is p.trie
    assert r.kept.trie is p.trie
    assert (r.s.log_p[~r.event] == -np.inf).all()
    assert np.exp(r.log_mass) == pytest.approx(np.exp(p.log_p[r.event]).sum(), rel=1e-13)
    assert not np.isnan(r.s.log_p).any()
    assert all(isinstance(value, float) for value in r.notes.values())


def check_joint_shift(p: FiniteLanguage, r: Restricted) -> None:
    assert kl(r.s.log_p, p.log_p) == pytest.approx(-r.log_mass + kl(r.s.log_p, r.kept.log_p), abs=1e-12)


def check_shift_per_prompt(p: FiniteLanguage, r: Restricted) -> None:
    """KL(S(.|x) || P(.|x)) = -log P(A|x) + KL(S(.|x) || P_A(.|x)) for every prompt x."""
    prompts = p.prompts
    mass = log_group_sum(np.where(r.event, p.answers, -np.inf), prompts.group, prompts.num_groups)
    for x in range(prompts.num_groups):
        here = prompts.group == x
        if r.s.prompts.log_p[x] > -np.inf:
            left = kl(r.s.answers[here], p.answers[here])
            assert left == pytest.approx(-mass[x] + kl(r.s.answers[here], r.kept.answers[here]), abs=1e-12)


def test_everything_is_the_identity(p: FiniteLanguage) -> None:
    r = everything(p)
    assert r.s is p
    assert r.kept is p
    assert r.event.all()
    assert r.log_mass == 0.0
    check_joint_shift(p, r)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("keep_prompts", [False, True])
def test_shift_accounting(p: FiniteLanguage, keep: object, keep_prompts: bool) -> None:
    r = style(p, keep=keep, keep_prompts=keep_prompts)
    check_laws(p, r)
    check_shift_per_prompt(p, r)
    if keep_prompts:
        np.testing.assert_allclose(r.s.prompts.log_p, p.prompts.log_p, atol=1e-13)
    else:
        check_joint_shift(p, r)


@pytest.mark.parametrize("keep_prompts", [False, True])
def test_weights_are_the_shares_of_styles(p: FiniteLanguage, keep_prompts: bool) -> None:
    r = style(p, keep={"plain": 3.0, "assistant": 1.0}, keep_prompts=keep_prompts)
    assert r.notes == pytest.approx({"mass_plain": 0.75, "mass_poetic": 0, "mass_pirate": 0, "mass_assistant": 0.25})
    assert p.styles is not None
    if keep_prompts:
        for x in range(p.prompts.num_groups):
            here = (p.prompts.group == x) & (p.styles.of == p.styles.names.index("plain"))
            assert np.exp(r.s.answers[here]).sum() == pytest.approx(0.75, abs=1e-13)


def test_weights_in_proportion_to_shares_give_the_union(p: FiniteLanguage) -> None:
    union = style(p, keep=["plain", "assistant"])
    mixture = style(p, keep={"plain": 0.34, "assistant": 0.22})
    np.testing.assert_allclose(np.exp(mixture.s.log_p), np.exp(union.s.log_p), atol=1e-14)
    assert (mixture.event == union.event).all()


def test_one_weight_is_the_style(p: FiniteLanguage) -> None:
    for keep_prompts in (False, True):
        named = style(p, keep="pirate", keep_prompts=keep_prompts)
        weighted = style(p, keep={"pirate": 7.5}, keep_prompts=keep_prompts)
        np.testing.assert_allclose(weighted.s.log_p, named.s.log_p, atol=1e-12)


@pytest.mark.parametrize(
    ("keep", "keep_prompts", "expected"),
    [
        ("u", False, ["4/5", 0, 0, "1/5", 0]),
        ("u", True, ["1/2", 0, 0, "1/2", 0]),
        ("v", False, [0, "2/11", "2/11", 0, "7/11"]),
        (["u", "v"], False, ["4/16", "2/16", "2/16", "1/16", "7/16"]),
        ({"u": 3.0, "v": 1.0}, False, ["12/20", "2/44", "2/44", "3/20", "7/44"]),
        ({"u": 3.0, "v": 1.0}, True, ["3/8", "1/16", "1/16", "3/8", "1/8"]),
    ],
)
def test_by_hand(small: FiniteLanguage, keep: object, keep_prompts: bool, expected: list) -> None:
    r = style(small, keep=keep, keep_prompts=keep_prompts)
    assert fractions(r.s) == [Fraction(value) for value in expected]


def test_shown_and_latent_styles_restrict_alike() -> None:
    latent, shown = (style(styles_content(shown=share), keep="z2") for share in (0.0, 1.0))
    assert latent.log_mass == pytest.approx(np.log(1 / 4), abs=1e-13)
    assert latent.s.entropy() == pytest.approx(shown.s.entropy(), abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "restriction.keep: .* is required, found nothing"),
        (
            {"keep": "asistant"},
            r"keep: one of the styles plain, poetic, pirate, assistant is required, .*mean 'assistant'",
        ),
        ({"keep": ["plain", "plain"]}, "keep: one or more different styles are required"),
        ({"keep": []}, "keep: one or more different styles are required"),
        ({"keep": {"plain": -1.0}}, "keep: weights of styles must be finite and non-negative"),
        ({"keep": {"plain": 0.0}}, "keep: weights of styles must be finite and non-negative, at least one positive"),
        ({"keep": {}}, "keep: weights of styles"),
        ({"keep": {"plane": 1.0}}, "keep: one of the styles .* 'plane'"),
        (
            {"keep": "plain", "keep_prompt": True},
            r"keep_prompt: unknown argument of style \(did you mean 'keep_prompts'",
        ),
    ],
)
def test_refused(p: FiniteLanguage, arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("restriction", {"kind": "style", **arguments}, "restriction", p)
    assert str(caught.value).startswith("restriction")
    assert "\n" not in str(caught.value)


def test_refused_languages(small: FiniteLanguage) -> None:
    bare = FiniteLanguage(small.vocabulary, small.trie, small.log_p)
    with pytest.raises(SpecificationError, match="a language with styles is required, found one without"):
        style(bare, keep="u")
    only_v_at_b, _ = small.condition(np.array([True, True, True, False, True]))
    with pytest.raises(
        SpecificationError, match=r"keep_prompts needs P\(A \| x\) > 0 for every prompt, found 0 for 'b :'"
    ):
        style(only_v_at_b, keep="u", keep_prompts=True)
    with pytest.raises(SpecificationError, match="style 'u' at every prompt, found 0 at 'b :'; drop keep_prompts"):
        style(only_v_at_b, keep={"u": 1.0, "v": 1.0}, keep_prompts=True)
    no_u, _ = small.condition(np.array([False, True, True, False, True]))
    with pytest.raises(SpecificationError, match=r"keep: P\(A\) must be positive"):
        style(no_u, keep="u")
    with pytest.raises(SpecificationError, match="required for style 'u', found 0; give it no weight"):
        style(no_u, keep={"u": 1.0, "v": 1.0})
