"""New words in the data: S, P and N against fractions, string by string; what is shared by runs with other shares."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.styles_content import styles_content
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError
from sim.restrictions.in_turn import in_turn
from sim.restrictions.novel import novel
from sim.restrictions.style import style
from sim.running.build import build, settings
from sim.running.identity import identity, pretraining_key
from sim.running.plan import common_parts
from tests.composed import compose
from tests.unit.restrictions.small_worlds import LAW, as_law, spoken

STYLES = {text: [Fraction(int(text[-1] != "c")), Fraction(int(text[-1] == "c"))] for text in LAW}
SHARES = (Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(1))
WORLD = ("grammar=styles_content", "grammar.num_prompts=1", "grammar.answer_length=2", "restriction=novel")


def renamed(text: str, words: str) -> str:
    """The document with a prime at every word of the answer, or at its first word."""
    prompt, _, answer = text.partition(" : ")
    new = [word + "'" if words == "all" or not at else word for at, word in enumerate(answer.split())]
    return f"{prompt} : {' '.join(new)}"


def of_style(name: str) -> dict[str, Fraction]:
    inside = {text: p * STYLES[text]["uv".index(name)] for text, p in LAW.items()}
    return {text: p / sum(inside.values()) for text, p in inside.items() if p}


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("words", ["all", "first"])
def test_every_law_in_fractions(share: Fraction, words: str) -> None:
    p = spoken(styles=STYLES)
    found, old = novel(p, keep="u", share=float(share), words=words), of_style("u")
    expected = {text: (1 - share) * value for text, value in old.items()}
    expected |= {renamed(text, words): share * value for text, value in old.items()}
    whole = found.p
    assert whole is not None
    assert found.s.trie is found.kept.trie is whole.trie
    assert as_law(found.s) == pytest.approx({text: float(v) for text, v in expected.items() if v}, rel=1e-13)
    assert as_law(whole) == pytest.approx({text: float(v) for text, v in LAW.items()}, rel=1e-13)
    assert as_law(found.kept) == pytest.approx({text: float(v) for text, v in old.items()}, rel=1e-13)
    listed = {whole.vocabulary.decode(row) for row in whole.trie.strings}
    assert listed == set(LAW) | {renamed(text, words) for text in old}, "N is listed for every share"
    kept = {whole.vocabulary.decode(row) for row in whole.trie.strings[found.event]}
    assert kept == set(old), "A is a part of supp P"
    assert found.log_mass == pytest.approx(math.log(sum(LAW[text] for text in old)), rel=1e-13)
    assert found.s.kl(whole) == (math.inf if share else pytest.approx(-found.log_mass))
    assert whole.vocabulary.symbols[: len(p.vocabulary)] == p.vocabulary.symbols, "old tokens keep their numbers"


def test_the_new_style_has_no_share_in_p() -> None:
    found = novel(spoken(styles=STYLES), keep="u", share=0.25)
    whole = found.p
    assert whole is not None
    assert whole.styles is not None
    assert whole.styles.names == ("u", "v", "new")
    style_of = zip(whole.trie.strings, whole.styles.of, strict=True)
    names = {whole.vocabulary.decode(row): whole.styles.names[z] for row, z in style_of}
    assert names == {text: "new" if "'" in text else "uv"[STYLES[text].index(1)] for text in names}
    masses = np.exp(whole.log_p) @ np.exp(whole.styles.log_posterior)
    assert masses[2] == 0
    assert {name: found.notes[f"mass_{name}"] for name in ("u", "v", "new")} == pytest.approx(
        {"u": 0.75, "v": 0.0, "new": 0.25}
    )


def test_names_that_are_taken_get_another_prime() -> None:
    styles = {text: [Fraction(1), Fraction(0)] for text in LAW}
    twice = in_turn(spoken(styles=styles), steps=[{"kind": "novel", "keep": "u"}]).p
    assert twice is not None
    again = novel(twice, keep=["u", "new"]).p
    assert again is not None
    assert again.styles is not None
    assert again.styles.names == ("u", "v", "new", "new'")
    assert "a''" in again.vocabulary.symbols


def test_overlapping_styles_stay_latent() -> None:
    """S is P(. | z), which no set of strings has, in old and in new words."""
    p = styles_content(num_prompts=2, num_styles=2, num_symbols=4, answer_length=2, overlap=0.25)
    found, plain = novel(p, keep="z0", share=0.5), style(p, keep="z0")
    assert found.log_member is not None
    assert plain.log_member is not None
    old = found.p is not None and found.p.log_p > -np.inf
    np.testing.assert_allclose(np.exp(found.s.log_p[old]), np.exp(plain.s.log_p) / 2, rtol=1e-13)
    np.testing.assert_array_equal(found.log_member[old], plain.log_member)
    assert (found.log_member[~old] == -np.inf).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": "w"}, "restriction: keep: one of the styles u, v is required, found 'w'"),
        ({"keep": "u", "share": 1.5}, "restriction.share: a number from 0 to 1 is required, found 1.5"),
        ({"keep": "u", "words": "last"}, "restriction.words: .* is required, found 'last'"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("restriction", {"kind": "novel", **arguments}, "restriction", spoken(styles=STYLES))
    assert "\n" not in str(caught.value)


def test_an_answer_without_a_word_is_refused() -> None:
    laws = {"x :": Fraction(1, 2), "x : a": Fraction(1, 2)}
    p = spoken(laws, styles={text: [Fraction(1), Fraction(0)] for text in laws})
    with pytest.raises(SpecificationError, match="a symbol in every kept answer is required, found none in 'x :'"):
        novel(p, keep="u")


def test_it_comes_last_in_a_chain() -> None:
    steps = [{"kind": "fraction", "share": 0.3, "of": "prompts"}, {"kind": "novel", "keep": "u", "share": 0.5}]
    found = in_turn(spoken(styles=STYLES), steps=steps)
    assert isinstance(found, Restricted)
    assert found.p is not None
    assert as_law(found.p) == pytest.approx({text: float(v) for text, v in LAW.items()}, rel=1e-13)
    assert {"'" in text for text in as_law(found.s)} == {False, True}
    with pytest.raises(SpecificationError, match=r"restriction.steps\[0\]: novel must come last"):
        in_turn(spoken(styles=STYLES), steps=steps[::-1])


def test_runs_with_other_shares_have_one_pretraining() -> None:
    """The strings are those of P and N whatever the share; the runs are different ones."""
    half, tenth, first = (
        settings(compose(*WORLD, *more)) for more in ((), ("restriction.share=0.1",), ("restriction.words=first",))
    )
    assert pretraining_key(half) == pretraining_key(tenth) != pretraining_key(first)
    assert identity(half) != identity(tenth)
    assert {"plan", "base", "model"} <= common_parts([half, tenth])
    one, other = (build(chosen)[0] for chosen in (half, tenth))
    np.testing.assert_array_equal(one.p.trie.strings, other.p.trie.strings)
    np.testing.assert_array_equal(one.p.log_p, other.p.log_p)
    chain, steps = (*WORLD[:-1], "restriction=in_turn"), "restriction.steps=[{{kind: novel, keep: z0, share: {}}}]"
    chains = [settings(compose(*chain, steps.format(share))) for share in (0.1, 0.5)]
    assert len({pretraining_key(chosen) for chosen in chains}) == 1
    noise = [settings(compose("restriction=noise", f"restriction.rate={rate}")) for rate in (0.1, 0.2)]
    assert len({pretraining_key(chosen) for chosen in noise}) == 2
