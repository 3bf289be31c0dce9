"""Check every restriction of random lists with prompts and styles: event, mass, law, and the parts of its shift."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from sim.languages.finite import FiniteLanguage
from sim.restrictions.drop_mode import drop_mode
from sim.restrictions.everything import everything
from sim.restrictions.in_turn import in_turn
from sim.restrictions.regular import regular
from sim.restrictions.style import style
from sim.restrictions.sub_grammar import sub_grammar
from sim.restrictions.top_mass import top_mass
from sim.selftest import data_sets
from sim.selftest.checks import Check
from sim.selftest.drawn import BAR, PROMPTED, SMALL, as_language, declined, prompted_law
from sim.selftest.oracles import lists, restricting
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.restricted import of_event

SLACK = Fraction(1, 10**12)
"""A restriction may miss a mass by this much, because of rounding."""


@dataclass(frozen=True, eq=False)
class World:
    """A law of documents, P(z | document) for two styles, and the language."""

    law: Law
    posterior: dict[Symbols, list[Fraction]]
    language: FiniteLanguage

    def kept(self, event: set[Symbols], keep_prompts: bool) -> Law | None:
        """Return S: P(. | A), or P(x) P(y | x, A); None if it does not exist."""
        member = {x: Fraction(int(x in event)) for x in self.law}
        if keep_prompts:
            return lists.given_answers(self.law, member, BAR)
        return lists.given(self.law, member)[0] if any(self.law[x] for x in event) else None


def checks(rng: random.Random) -> Iterator[Check]:
    """Check four restrictions on one world: everything, two that are drawn, and one of `data_sets`."""
    law = prompted_law(rng)
    hard = rng.random() < 0.5
    posterior = {}
    for x in law:
        u = Fraction(rng.randint(0, 1)) if hard else Fraction(rng.randint(0, 4), 4)
        posterior[x] = [u, 1 - u]
    world = World(law, posterior, as_language(law, PROMPTED, posterior, rng=rng))
    yield from of_event("everything", world.language, law, everything(world.language), set(law))
    for section in rng.sample((_heads, _drops, _regular, _symbols, _styles, _turns), 2):
        yield from section(rng, world)
    yield from data_sets.checks(rng, world.language, law, posterior)


def _asked(
    name: str, world: World, ask: Callable[..., Any], event: set[Symbols], keep_prompts: bool
) -> Iterator[Check]:
    """Check a restriction to a known event."""
    s = world.kept(event, keep_prompts)
    if s is None:
        yield Check(f"{name}: an empty event is refused", declined(ask, "found 0"), True)
    else:
        yield from of_event(name, world.language, world.law, ask(), event, s)


def _size(rng: random.Random) -> tuple[int | None, Fraction | None, dict[str, Any]]:
    count, mass = rng.randint(1, 6), Fraction(rng.randint(1, 19), 20)
    answer, keep = rng.random() < 0.5, rng.random() < 0.3
    arguments: dict[str, Any] = {"of": "answer" if answer else "document", "keep_prompts": keep}
    if rng.random() < 0.5:
        return count, None, arguments | {"count": count}
    return None, mass, arguments | {"mass": float(mass)}


def _part(arguments: dict[str, Any]) -> Callable[[Symbols], Symbols]:
    return (lambda x: lists.prompt_of(x, BAR)) if arguments["of"] == "answer" else (lambda x: ())


def _heads(rng: random.Random, world: World) -> Iterator[Check]:
    count, mass, arguments = _size(rng)
    event = restricting.head(world.law, _part(arguments), count, mass, SLACK)
    keep = arguments["keep_prompts"]
    yield from _asked("top mass", world, lambda: top_mass(world.language, **arguments), event, keep)


def _drops(rng: random.Random, world: World) -> Iterator[Check]:
    count, mass, arguments = _size(rng)
    dropped = restricting.head(world.law, _part(arguments), count, mass, SLACK)
    event = {x for x, p in world.law.items() if p and x not in dropped}
    keep = arguments["keep_prompts"]
    yield from _asked("drop mode", world, lambda: drop_mode(world.language, **arguments), event, keep)
    if world.kept(event, keep) is not None:
        notes = drop_mode(world.language, **arguments).notes
        gap, needed, total = restricting.sides(world.law, _part(arguments), dropped)
        yield Check("drop mode: entropy gap", notes["entropy_gap"], gap, floor=SMALL)
        yield Check("drop mode: entropy needed", notes["entropy_needed"], needed, floor=SMALL)
        yield Check("drop mode: dropped mass", notes["dropped_mass"], total)
        higher = declined(lambda: drop_mode(world.language, higher_entropy=True, **arguments), "higher_entropy")
        if abs(gap - needed) > SMALL:
            yield Check("drop mode: a lower entropy is refused", higher, bool(gap < needed))


def _pattern(rng: random.Random, depth: int = 3) -> tuple[str, str]:
    """Draw a pattern over words, and the same pattern for the module re, where tokens 1, 2, 3 are letters a, b, c."""
    kind = (
        rng.choice(("symbol", "any", "class", "not"))
        if not depth
        else rng.choice(("then", "or", "*", "+", "?", "symbol"))
    )
    if kind == "symbol":
        return rng.choice((("a", "a"), ("b", "b"), ("\\|", "c")))
    if kind == "any":
        return ".", "."
    if kind in ("class", "not"):
        return ("[a b]", "[ab]") if kind == "class" else ("[^a]", "[^a]")
    one = _pattern(rng, depth - 1)
    if kind in "*+?":
        return f"({one[0]}){kind}", f"(?:{one[1]}){kind}"
    other = _pattern(rng, depth - 1)
    between = " " if kind == "then" else " | "
    return f"({one[0]}){between}({other[0]})", f"(?:{one[1]}){between.strip()}(?:{other[1]})"


def _regular(rng: random.Random, world: World) -> Iterator[Check]:
    pattern, same = _pattern(rng)
    answer, keep = rng.random() < 0.5, rng.random() < 0.3

    def holds(x: Symbols) -> bool:
        seen = x[len(lists.prompt_of(x, BAR)) :] if answer else x
        return re.fullmatch(same, "".join(" abc"[token] for token in seen)) is not None

    event = {x for x, p in world.law.items() if p and holds(x)}
    of: Literal["answer", "document"] = "answer" if answer else "document"
    ask = lambda: regular(world.language, pattern=pattern, of=of, keep_prompts=keep)  # noqa: E731
    yield from _asked("regular", world, ask, event, keep)


def _symbols(rng: random.Random, world: World) -> Iterator[Check]:
    names = rng.choice((["a"], ["b"], ["a", "b"], ["|"]))
    gone = {PROMPTED.symbols.index(name) for name in names}
    event = {x for x, p in world.law.items() if p and not gone & set(x)}
    yield from _asked("sub-grammar", world, lambda: sub_grammar(world.language, symbols=names), event, False)


def _styles(rng: random.Random, world: World) -> Iterator[Check]:
    weights = rng.choice(([1, 0], [0, 1], [1, 1], [1, 3], [2, 0]))
    names = [name for name, weight in zip("uv", weights, strict=True) if weight]
    kept = {
        x for x, p in world.law.items() if p and any(w and q for w, q in zip(weights, world.posterior[x], strict=True))
    }
    mapped = rng.random() < 0.5
    alone = len(names) == 1 and rng.random() < 0.5
    keep: Any = dict(zip("uv", map(float, weights), strict=True)) if mapped else names[0] if alone else names
    needed = [z for z, weight in enumerate(weights) if weight]
    possible = [any(world.law[x] * world.posterior[x][z] for x in world.law) for z in needed]
    if not (all(possible) if mapped else any(possible)):
        yield Check(
            "style: an impossible style is refused", declined(lambda: style(world.language, keep=keep), "found 0"), True
        )
        return
    member = {x: sum((world.posterior[x][z] for z in needed), Fraction(0)) for x in world.law}
    parts = [Fraction(weight) for weight in weights]
    s = restricting.mixture(world.law, world.posterior, parts) if mapped else lists.given(world.law, member)[0]
    yield from of_event("style", world.language, world.law, style(world.language, keep=keep), kept, s)
    own = lists.given_answers(world.law, member, BAR)
    if not mapped and own is not None:
        found = style(world.language, keep=keep, keep_prompts=True)
        yield from of_event("style, prompts kept", world.language, world.law, found, kept, own)


def _turns(rng: random.Random, world: World) -> Iterator[Check]:
    """Check a regular event followed by the head of the strings that it keeps."""
    pattern, same = _pattern(rng)
    count = rng.randint(1, 3)
    inside = {x for x, p in world.law.items() if p and re.fullmatch(same, "".join(" abc"[token] for token in x))}
    left = {x: p if x in inside else Fraction(0) for x, p in world.law.items()}
    event = restricting.head(left, lambda x: (), count, None, SLACK)
    steps: list[dict[str, Any]] = [{"kind": "regular", "pattern": pattern}, {"kind": "top_mass", "count": count}]
    yield from _asked("in turn", world, lambda: in_turn(world.language, steps=steps), event, False)
