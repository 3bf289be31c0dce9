"""Finite data: fractions, answers per prompt, and noise, against fractions and by hand."""

import math
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest

from sim.config import construct, described
from sim.languages.exact import UnavailableError
from sim.numerics import SpecificationError
from sim.restrictions.answers import answers
from sim.restrictions.fraction import fraction
from sim.restrictions.in_turn import in_turn
from sim.restrictions.noise import noise
from tests.unit.restrictions.small_worlds import LAW, as_law, given, spoken, written

FIRST = {"x : a": 4, "x : b": 1, "y : a": 1, "y : c": 4}
"""The answers that seed 7 has always drawn: 5 to each prompt."""
SHARES = (0.1, 0.3, 0.5, 0.8, 1.0)


@pytest.mark.parametrize("of", ["strings", "prompts"])
@pytest.mark.parametrize("seed", range(4))
def test_fractions_are_nested_and_no_larger_than_needed(of, seed):
    parts = [fraction(spoken(), share=share, of=of, seed=seed) for share in SHARES]
    for smaller, larger in pairwise(parts):
        assert not (smaller.event & ~larger.event).any()
    assert parts[-1].event.all()
    for share, part in zip(SHARES, parts, strict=True):
        kept = as_law(part.s)
        mass = sum(LAW[text] for text in kept)
        assert part.notes["mass"] == pytest.approx(float(mass), rel=1e-13)
        assert kept == pytest.approx({text: float(LAW[text] / mass) for text in kept}, rel=1e-13)
        for prompt in ("x :", "y :") if of == "strings" else ("",):
            group = {text: p for text, p in LAW.items() if text.startswith(prompt)}
            own = {text: p for text, p in group.items() if text in kept}
            held = sum(own.values()) / sum(group.values())
            assert held >= share - 1e-9
            units = own.values() if of == "strings" else [sum(p for t, p in own.items() if t[0] == x) for x in "xy"]
            assert any(held - p / sum(group.values()) < share for p in units if p), "one less would not do"


def test_fractions_differ_by_seed():
    assert len({tuple(fraction(spoken(), share=0.5, seed=seed).event) for seed in range(20)}) > 3


def test_answers_of_an_annotator_who_always_says_the_same():
    found = answers(spoken(), num_answers=5, annotator="homogeneous")
    assert as_law(found.s) == pytest.approx({"x : a": 0.6, "y : c": 0.4}, rel=1e-13)
    assert as_law(found.kept) == pytest.approx({"x : a": 12 / 18, "y : c": 6 / 18}, rel=1e-13)
    assert found.notes == pytest.approx({"num_prompts": 2, "num_strings": 2, "mass": 0.45}, rel=1e-13)
    assert as_law(answers(spoken(), num_answers=None, annotator="homogeneous").s) == as_law(found.s)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_sampled_answers_are_counts(number):
    found = answers(spoken(), num_answers=number, seed=3)
    law = as_law(found.s)
    for prompt, weight in (("x :", 0.6), ("y :", 0.4)):
        counts = [p * number / weight for text, p in law.items() if text.startswith(prompt)]
        assert counts == pytest.approx([round(count) for count in counts], abs=1e-9)
        assert sum(counts) == pytest.approx(number, abs=1e-9)
    assert set(law) <= set(LAW)


def test_more_answers_and_more_prompts_contain_fewer():
    few, many = (answers(spoken(), num_answers=m, seed=1) for m in (3, 9))
    assert not (few.event & ~many.event).any()
    one, all_ = (answers(spoken(), num_answers=2, num_prompts=n, seed=1) for n in (1, 2))
    assert not (one.event & ~all_.event).any()
    assert len({text.split()[0] for text in as_law(one.s)}) == 1


def test_sampled_answers_have_the_law_of_p_and_its_collision():
    """E S = P given the prompt, and E C(S_x) = C + (1 - C)/m, over many annotators; at six standard errors."""
    m, repeats = 3, 3000
    drawn = [answers(spoken(), num_answers=m, seed=seed) for seed in range(repeats)]
    for prompt, weight in (("x :", Fraction(3, 5)), ("y :", Fraction(2, 5))):
        own = {text: p / weight for text, p in LAW.items() if text.startswith(prompt)}
        laws = [{t: p / float(weight) for t, p in as_law(one.s).items() if t.startswith(prompt)} for one in drawn]
        for text, p in own.items():
            values = np.array([law.get(text, 0.0) for law in laws])
            assert abs(values.mean() - float(p)) < 6 * math.sqrt(float(p * (1 - p)) / (m * repeats))
        collisions = np.array([sum(p**2 for p in law.values()) for law in laws])
        c = float(sum(p**2 for p in own.values()))
        assert abs(collisions.mean() - (c + (1 - c) / m)) < 6 * collisions.std() / math.sqrt(repeats)


def tempered(temperature):
    """P(x) and P(y|x)^(1/tau), normalised for each prompt."""
    found = {}
    for prompt, weight in (("x :", 0.6), ("y :", 0.4)):
        powers = {text: float(p) ** (1 / temperature) for text, p in LAW.items() if text.startswith(prompt)}
        found |= {text: weight * p / sum(powers.values()) for text, p in powers.items()}
    return found


@pytest.mark.parametrize("temperature", [0.5, 0.7, 1.4])
def test_answers_of_a_tempered_annotator_have_the_tempered_law(temperature):
    """Infinitely many have it exactly, and many draws are as near as chance allows; at six standard errors."""
    exact = answers(spoken(), num_answers=None, annotator="tempered", temperature=temperature)
    assert as_law(exact.s) == pytest.approx(tempered(temperature), rel=1e-12)
    assert exact.notes == pytest.approx({"num_prompts": 2, "num_strings": 9, "mass": 1.0, "temperature": temperature})
    number = 20_000
    drawn = answers(spoken(), num_answers=number, annotator="tempered", temperature=temperature)
    assert drawn.notes["num_answers"] == number
    for text, p in tempered(temperature).items():
        weight = 0.6 if text[0] == "x" else 0.4
        deviation = abs(as_law(drawn.s).get(text, 0.0) - p)
        assert deviation < 6 * math.sqrt(p / weight * (1 - p / weight) / number) * weight


def test_infinitely_many_sampled_answers_are_p_at_the_chosen_prompts():
    whole = answers(spoken(), num_answers=None)
    assert as_law(whole.s) == pytest.approx({text: float(p) for text, p in LAW.items()}, rel=1e-13)
    assert "num_answers" not in whole.notes
    one, few = (answers(spoken(), num_answers=m, num_prompts=1, seed=1) for m in (None, 5))
    assert (np.isfinite(one.s.prompts.log_p) == np.isfinite(few.s.prompts.log_p)).all()
    np.testing.assert_allclose(one.s.log_p, one.kept.log_p, atol=1e-13)


def test_annotators_of_every_temperature_draw_with_the_same_numbers():
    """At temperature 1 they draw what a sampling annotator draws; sharper ones nest for larger m as well."""
    alike = [answers(spoken(), num_answers=6, annotator=one, temperature=tau) for one, tau in
             (("sampled", None), ("tempered", 1.0))]  # fmt: skip
    np.testing.assert_array_equal(alike[0].s.log_p, alike[1].s.log_p)
    few, many = (answers(spoken(), num_answers=m, annotator="tempered", temperature=0.5) for m in (2, 8))
    assert not (few.event & ~many.event).any()


def test_the_first_answers_of_a_seed_are_what_they_were():
    """Finished runs must be repeatable."""
    counts = {text: round(5 * p / (0.6 if text[0] == "x" else 0.4))
              for text, p in as_law(answers(spoken(), num_answers=5, seed=7).s).items()}  # fmt: skip
    assert counts == FIRST


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"annotator": "tempered"}, "temperature: a positive number is required for a tempered annotator, found null"),
        ({"temperature": 0.5}, "temperature: null is required for a sampled annotator, found 0.5; leave it out"),
        ({"annotator": "tempered", "temperature": 0}, "temperature: a positive number or null is required, found 0"),
        ({"num_answers": 0}, "num_answers: an integer of at least 1 or null is required, found 0"),
    ],
)
def test_annotators_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(SpecificationError, match=f"^restriction.{message}"):
        construct("restriction", {"kind": "answers", **arguments}, "restriction", spoken())


def test_every_annotator_has_its_words():
    names = [{}, {"num_answers": 4}, {"num_answers": None}, {"num_answers": 2, "annotator": "homogeneous"},
             {"num_answers": 4, "annotator": "tempered", "temperature": 0.5}]  # fmt: skip
    assert [described("restriction", {"kind": "answers", **one}) for one in names] == [
        "1 answer per prompt",
        "4 answers per prompt",
        "infinitely many answers per prompt",
        "2 answers per prompt, always the likeliest",
        "4 answers per prompt, tempered, τ = 0.5",
    ]


def test_too_many_prompts_are_refused():
    with pytest.raises(
        SpecificationError, match=r"num_prompts: at most the 2 prompts of this world are required, found 3"
    ):
        answers(spoken(), num_prompts=3)


def noisy_by_hand(law, rate, deviation, most, wrong):
    """{words: probability}, all deviations of at most `most` symbols of the answer, one wrong token per prefix."""
    out, few = Counter(), Fraction(0)
    for text, p in law.items():
        words, own = text.split(), Counter()
        places = [t for t in range(2, len(words)) if tuple(words[:t]) in wrong]
        for number in range(most + 1):
            for chosen in combinations(places, number):
                changed = list(words)
                for t in reversed(chosen):
                    changed[t : t + (deviation == "replace")] = [wrong[tuple(words[:t])]]
                own[" ".join(changed)] += rate**number * (1 - rate) ** (len(places) - number)
        total = sum(own.values())
        few += p * total
        for changed, weight in own.items():
            out[changed] += p * weight / total
    return out, few


@pytest.mark.parametrize("deviation", ["replace", "insert"])
@pytest.mark.parametrize("most", [1, 2])
def test_noise_by_hand(deviation, most):
    clean = spoken()
    found = noise(clean, rate=0.25, deviation=deviation, max_deviations=most, seed=5)
    legal = {}
    for text in LAW:
        words = text.split()
        for t in range(len(words) + 1):
            legal.setdefault(tuple(words[:t]), set()).add(words[t] if t < len(words) else "<eos>")
    single = as_law(noise(clean, rate=0.25, deviation="insert", max_deviations=1, seed=5).s)
    wrong = {}  # read off the strings with one insertion: the token after the longest clean beginning
    for text in set(single) - set(LAW):
        words = text.split()
        at = next(t for t in range(len(words)) if words[t] not in legal.get(tuple(words[:t]), ()))
        assert wrong.setdefault(tuple(words[:at]), words[at]) == words[at], "one wrong token for each prefix"
    assert set(wrong) == {prefix for prefix in legal if len(prefix) > 1 and any(w != "<eos>" for w in legal[prefix])}
    expected, total = noisy_by_hand(LAW, Fraction(1, 4), deviation, most, wrong)
    assert as_law(found.s) == pytest.approx({text: float(p) for text, p in expected.items()}, rel=1e-12)
    assert found.notes["few_mass"] == pytest.approx(float(total), rel=1e-12)
    assert found.notes["clean_mass"] == pytest.approx(float(sum(expected[text] for text in LAW)), rel=1e-12)
    assert as_law(found.p) == pytest.approx({text: float(p) for text, p in LAW.items()}, rel=1e-13)
    assert found.s.kl(found.p) == math.inf


def test_noise_in_a_part_of_p():
    """In turn: A and the accounting are those of P, whatever of it is noisy; deviations leave all of P."""
    p = spoken()
    steps = [{"kind": "regular", "pattern": "x : .*"}, {"kind": "noise", "rate": 0.2, "seed": 1}]
    found = in_turn(p, steps=steps)
    kept = given(LAW, lambda text: text.startswith("x"))
    assert as_law(found.p) == pytest.approx({text: float(q) for text, q in LAW.items()}, rel=1e-13)
    assert as_law(found.kept) == pytest.approx({text: float(q) for text, q in kept.items()}, rel=1e-13)
    assert math.exp(found.log_mass) == pytest.approx(0.6, rel=1e-13)
    beyond = set(as_law(found.s)) - set(kept)
    assert beyond
    assert not beyond & set(LAW)
    assert all(text.startswith("x :") for text in beyond)
    with pytest.raises(SpecificationError, match=r"restriction.steps\[0\]: noise must come last"):
        in_turn(p, steps=steps[::-1])


def test_styles_follow_the_noise():
    styles = {text: [Fraction(int(text[0] == "x")), Fraction(int(text[0] == "y"))] for text in LAW}
    found = noise(spoken(styles=styles), rate=0.3)
    names = [found.p.styles.names[z] for z in found.p.styles.of]
    assert names == ["u" if found.p.vocabulary.decode(row).startswith("x") else "v" for row in found.p.trie.strings]


@pytest.mark.parametrize(
    "restriction", [lambda p: fraction(p, share=0.5), answers, noise], ids=["fraction", "answers", "noise"]
)
def test_data_sets_need_a_list(restriction, tmp_path):
    endless = written(
        tmp_path, "{type: markov, alphabet: [a], eos: e, initial: {a: 1}, transitions: {a: {a: 1/2, e: 1/2}}}"
    )
    with pytest.raises(UnavailableError, match="list its strings with a length"):
        restriction(endless)
