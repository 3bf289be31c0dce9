"""style_blind: mass and entropy matched within every prompt, at random, or refused."""

import time

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.english import english
from sim.grammars.styles_content import styles_content
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import SpecificationError, expectation, log_group_sum
from sim.restrictions.style import style
from sim.restrictions.style_blind import style_blind


@pytest.fixture(scope="module")
def p() -> FiniteLanguage:
    return english()


def per_prompt(p: FiniteLanguage, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(A|x) and H(P_A(.|x)), worked out string by string."""
    groups = range(p.prompts.num_groups)
    mass = np.array([np.exp(p.answers[event & (p.prompts.group == x)]).sum() for x in groups])
    inside = [p.answers[event & (p.prompts.group == x)] - np.log(mass[x]) for x in groups]
    return mass, np.array([-expectation(log_p, log_p) for log_p in inside])


@pytest.mark.parametrize("like", ["plain", "poetic", "pirate", "assistant"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_matches_within_every_prompt(p: FiniteLanguage, like: str, seed: int) -> None:
    r, reference = style_blind(p, like=like, seed=seed), style(p, keep=like)
    mass, entropy = per_prompt(p, r.event)
    target_mass, target_entropy = per_prompt(p, reference.event)
    assert np.abs(mass / target_mass - 1).max() == pytest.approx(r.notes["max_mass_mismatch"], abs=1e-10)
    assert np.abs(entropy - target_entropy).max() == pytest.approx(r.notes["max_entropy_mismatch"], abs=1e-10)
    assert max(r.notes["max_mass_mismatch"], r.notes["max_entropy_mismatch"]) <= 1e-3
    assert np.exp(r.log_mass) == pytest.approx(np.exp(reference.log_mass), rel=1e-3)
    # prompts follow P(x | A) to twice the tolerance, which can move their entropy by that times log 12 at most
    assert r.s.entropy() == pytest.approx(reference.s.entropy(), abs=1e-2)
    np.testing.assert_allclose(r.s.prompts.log_p, reference.s.prompts.log_p, atol=3e-3)


def test_shift_accounting(p: FiniteLanguage) -> None:
    r = style_blind(p, like="assistant")
    assert r.s is r.kept
    inside = r.event
    shift = expectation(r.s.log_p[inside], r.s.log_p[inside] - p.log_p[inside])
    assert shift == pytest.approx(-r.log_mass, abs=1e-12)
    assert np.exp(p.log_p[inside]).sum() == pytest.approx(np.exp(r.log_mass), rel=1e-13)
    assert (r.s.log_p[~inside] == -np.inf).all()


def test_is_random_and_fixed_by_its_seed(p: FiniteLanguage) -> None:
    a, again, b = (style_blind(p, like="assistant", seed=seed).event for seed in (0, 0, 1))
    assert (a == again).all()
    assert (a != b).any()
    assert p.styles is not None
    for x in range(p.prompts.num_groups):
        here = p.prompts.group == x
        assert (a[here] != (p.styles.of[here] == p.styles.names.index("assistant"))).any()


def test_spreads_over_the_styles(p: FiniteLanguage) -> None:
    notes = style_blind(p, like="assistant").notes
    shares = {name: notes[f"mass_{name}"] for name in p.styles.names} if p.styles else {}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
    assert min(shares.values()) > 0.05
    assert shares["assistant"] < 0.5


def test_is_fast(p: FiniteLanguage) -> None:
    start = time.perf_counter()
    style_blind(p, like="assistant")
    assert time.perf_counter() - start < 2


def test_abstract_world() -> None:
    world = styles_content(num_prompts=3)
    r = style_blind(world, like="z1", seed=5)
    assert log_group_sum(r.s.log_p, world.prompts.group, 3) == pytest.approx(
        style(world, keep="z1").s.prompts.log_p, abs=3e-3
    )


def tiny(*sixteenths: int, styles: tuple[int, ...]) -> FiniteLanguage:
    """Strings of one symbol each, without prompts; styles u (0) and v (1)."""
    count = len(sixteenths)
    vocabulary = Vocabulary(("<eos>", *(f"s{i}" for i in range(count))))
    strings = np.stack([np.arange(1, count + 1), np.zeros(count, int)], axis=1)
    posterior = np.where(np.array(styles)[:, None] == np.arange(2), 0.0, -np.inf)
    return FiniteLanguage.from_strings(
        vocabulary, strings, np.log(np.array(sixteenths) / 16), Styles(("u", "v"), posterior)
    )


def test_finds_the_one_exact_match() -> None:
    world = tiny(1, 3, 1, 3, 8, styles=(0, 0, 1, 1, 1))
    found = style_blind(world, like="u", tolerance=1e-9)
    assert found.notes["max_mass_mismatch"] <= 1e-9
    assert sorted(np.exp(world.log_p[found.event]).round(6)) == [1 / 16, 3 / 16]
    assert not (found.event == np.array([True, True, False, False, False])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"like": "asistant"}, r"like: one of the styles .* found 'asistant' \(did you mean 'assistant'\?\)"),
        ({"like": "assistant", "tolerance": 0}, "restriction.tolerance: a positive number is required, found 0"),
        ({"like": "assistant", "max_restarts": 0}, "restriction.max_restarts: an integer of at least 1 is required"),
        (
            {"like": "assistant", "tolerance": 1e-14, "max_restarts": 1},
            r"tolerance: a random event that matches style 'assistant' within 1e-14 is required, found a mismatch of "
            r".* in mass and .* nat in entropy at prompt 'what is the .* like \?'; raise tolerance",
        ),
    ],
)
def test_refused(p: FiniteLanguage, arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("restriction", {"kind": "style_blind", **arguments}, "restriction", p)
    assert "\n" not in str(caught.value)


def test_refused_languages() -> None:
    only_u = tiny(8, 8, styles=(0, 0))
    with pytest.raises(
        SpecificationError, match=r"like: a style with a share of P between 0 and 1.* 'u' with all of it"
    ):
        style_blind(only_u, like="u")
    with pytest.raises(SpecificationError, match="'v' with none of it"):
        style_blind(only_u, like="v")
    unmatched = tiny(12, 3, 1, styles=(0, 1, 1))
    with pytest.raises(SpecificationError, match="tolerance: a random event that matches style 'u'"):
        style_blind(unmatched, like="u")
