"""The corridor against its walks, one step after the other, and against the walker of two states."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from sim.config import construct
from sim.grammars.corridor import corridor
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError
from sim.theory.horizon import off_by_step

VARIANTS = [
    {},
    {"num_steps": 5, "recovery": 0.3, "seed": 1},
    {"num_steps": 1, "branching": 1},
    {"num_steps": 6, "branching": 0, "recovery": 0.2, "hazard": 0.4},
    {"num_steps": 7, "num_symbols": 3, "branching": 2, "decisions": 3},
    {"num_steps": 9, "num_symbols": 3, "branching": 1, "recovery": 0.25, "decisions": 4, "seed": 2},
]


def written(world: FiniteLanguage) -> dict[str, float]:
    """The probability of each walk, as written without blanks."""
    return {
        world.vocabulary.decode(row).replace(" ", ""): math.exp(log_p)
        for row, log_p in zip(world.trie.strings, world.log_p, strict=True)
    }


def walks(steps: int, decided: set[int], branching: int, letters: str, final: bool) -> Iterator[str]:
    """Every walk that the rules allow, by trying every word of the alphabet step by step."""

    def after(word: str, t: int) -> Iterator[str]:
        last, was_off = (word[-1].lower(), word[-1].isupper()) if word else (letters[0], False)
        if t == steps or (final and was_off):
            yield word
            return
        for symbol, off in itertools.product(letters, (False, True)):
            changes, draws = off != was_off, not off and t < branching
            if (not changes or t in decided) and (symbol == last or draws):
                yield from after(word + (symbol.upper() if off else symbol), t + 1)

    yield from after("", 0)


@pytest.mark.parametrize("arguments", VARIANTS)
def test_the_strings_are_the_walks_that_the_rules_allow(arguments: dict) -> None:
    world, notes = corridor(**arguments)
    steps, count = arguments.get("num_steps", 16), int(notes["decisions"])
    decided = {k * steps // count for k in range(count)}
    letters = "abc"[: arguments.get("num_symbols", 2)]
    wanted = list(walks(steps, decided, arguments.get("branching", 2), letters, not arguments.get("recovery")))
    assert len(set(wanted)) == len(wanted)
    assert written(world).keys() == set(wanted)
    assert math.fsum(written(world).values()) == pytest.approx(1.0, abs=1e-13)
    other = corridor(**arguments | {"seed": 77})[0]
    np.testing.assert_array_equal(world.trie.strings, other.trie.strings)
    if arguments.get("branching", 2) and steps > 1:
        assert not np.allclose(world.log_p, other.log_p), "the seed draws the laws"


@pytest.mark.parametrize("arguments", VARIANTS)
def test_the_last_token_and_the_step_determine_the_next_law(arguments: dict) -> None:
    """And the hazard has the right size: means over symbols are those of the arguments."""
    world, _ = corridor(**arguments | {"decisions": None})
    laws: dict[tuple[str, int], list[dict[str, float]]] = {}
    mass: dict[str, float] = {}
    for word, p in written(world).items():
        for size in range(len(word) + 1):
            mass[word[:size]] = mass.get(word[:size], 0.0) + p
    for word in mass:
        longer = (word + letter for letter in "abcABC")
        following = {w[-1]: mass[w] / mass[word] for w in longer if w in mass}
        if following:
            laws.setdefault((word[-1:], len(word)), []).append(following)
    hazards: dict[str, float] = {}
    for (last, _), found in laws.items():
        for one in found[1:]:
            assert one == pytest.approx(found[0], rel=1e-10)
        if last.islower() or not last:
            hazards[last or "a"] = sum(p for token, p in found[0].items() if token.isupper())
        else:
            back = sum(p for token, p in found[0].items() if token.islower())
            assert back == pytest.approx(arguments["recovery"], rel=1e-10)
    if arguments.get("branching", 2):
        symbols = "abc"[: arguments.get("num_symbols", 2)]
        if set(hazards) == set(symbols):
            base = arguments.get("hazard", 0.05)
            wanted = base * (1 + 0.5 * np.linspace(-1, 1, len(symbols)))
            np.testing.assert_allclose(sorted(hazards.values()), wanted, rtol=1e-10)


@pytest.mark.parametrize(("recovery", "decisions"), [(0.0, None), (0.3, None), (0.3, 5), (0.9, 3), (0.0, 3)])
def test_the_state_at_decisions_is_that_of_the_walker_of_two_states(recovery: float, decisions: int | None) -> None:
    world, notes = corridor(
        num_steps=8, hazard=0.2, recovery=recovery, branching=1, swing=0.0, decisions=decisions, seed=3
    )
    off = np.zeros(8)
    for word, p in written(world).items():
        states = [letter.isupper() for letter in word] + [True] * (8 - len(word))
        off += p * np.array(states)
    walker = off_by_step(np.full(8, 0.2), np.full(8, recovery))
    count = int(notes["decisions"])
    at = [k * 8 // count for k in range(count)]
    np.testing.assert_allclose(off[at], walker[at], rtol=1e-12)
    held = np.searchsorted(at, np.arange(8), side="right") - 1
    np.testing.assert_allclose(off, off[at][held], rtol=1e-13)


def test_styles_say_where_a_walk_was_and_where_it_ended() -> None:
    for recovery in (0.0, 0.3):
        world, _ = corridor(num_steps=5, recovery=recovery)
        assert world.styles is not None
        names = ("on", "back", "off") if recovery else ("on", "off")
        assert world.styles.names == names
        for word, z in zip(written(world), world.styles.of, strict=True):
            strayed = any(letter.isupper() for letter in word)
            assert names[z] == ("on" if not strayed else "off" if word[-1].isupper() else "back")


def test_long_horizons_have_few_strings_and_small_tries() -> None:
    for steps in (4, 16, 32, 256):
        final, _ = corridor(num_steps=steps, hazard=0.01)
        assert final.trie.num_strings == 4 + 3 + 4 * (steps - 2)  # 4 paths; leaving after 0, 1, and 2 or more draws
        assert final.trie.num_nodes < 8 * steps
        if steps < 64:
            back, notes = corridor(num_steps=steps, hazard=0.01, recovery=0.1)
            assert back.trie.num_strings <= 1_024
            assert notes["decisions"] == min(steps, 8)
    entropy = construct("restriction", {"kind": "style", "keep": "on"}, "restriction", final).s.entropy()
    assert 0.0 < entropy <= math.log(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_steps": 0}, "grammar.num_steps: an integer from 1 to 1024 is required, found 0"),
        ({"hazard": 0.0}, "grammar.hazard: .* is required, found 0"),
        ({"recovery": 1.0}, "grammar.recovery: .* is required, found 1"),
        ({"hazard": 0.7}, r"grammar: hazard: hazard \(1 \+ swing\) below 1 is required, found 1.05; lower hazard"),
        ({"branching": 17}, "grammar: branching: at most num_steps = 16 branching steps are required, found 17"),
        ({"decisions": 17}, "grammar: decisions: at most num_steps = 16 decisions are required, found 17"),
        ({"recovery": 0.1, "decisions": 16}, "grammar: a support of at most 16384 strings is required, found 147456;"),
        ({"num_symbols": 27}, "grammar.num_symbols: an integer from 1 to 26 is required, found 27"),
    ],
)
def test_refused(arguments: dict, message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        construct("grammar", {"kind": "corridor", **arguments}, "grammar")
    assert "\n" not in str(caught.value)
