"""Draw random context-free grammars in fractions, and build the objects under test from them."""

import random
from fractions import Fraction

from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.selftest.oracles.grammars import Grammar, Rhs, matrix, names, radius, shortest

LETTERS = Vocabulary(("<eos>", "a", "b", "c"), joiner="")

HEADS = "SABCD"

STYLES = ("any", "any", "finite", "finite", "linear", "units", "empty", "brackets")
"""Kinds of right-hand sides: any, without recursion, with one non-terminal, unit rules, mostly empty, bracketed."""


def grammar(rng: random.Random, most: int = 4) -> Grammar:
    """Draw a consistent grammar without useless parts: subcritical, barely subcritical, or critical."""
    heads = list(HEADS[: rng.randint(1, most)])
    style, tokens = rng.choice(STYLES), rng.randint(1, 3)
    sides = {head: _sides(rng, heads, at, style, tokens) for at, head in enumerate(heads)}
    found = _useful(Grammar("S", {head: _weighted(rng, own) for head, own in sides.items()}))
    found = _consistent(rng, found)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
        found = critical(rng, found)
    return found


def _sides(rng: random.Random, heads: list[str], at: int, style: str, tokens: int) -> list[Rhs]:
    """Draw different right-hand sides of one non-terminal; at least one of them contains no non-terminal."""
    below = heads[at + 1 :] if style == "finite" else heads
    found: set[Rhs] = {tuple(rng.randint(1, tokens) for _ in range(rng.choice((0, 1, 1, 2))))}
    for _ in range(rng.randint(1, 3)):
        size = rng.choice((0, 1, 1, 2, 2, 3, 5 if rng.random() < 0.2 else 2))
        rhs: list[int | str] = [
            rng.choice(below) if below and rng.random() < 0.55 else rng.randint(1, tokens) for _ in range(size)
        ]
        if style == "linear":
            rhs = [s if isinstance(s, int) else rng.randint(1, tokens) for s in rhs]
            rhs.insert(rng.randint(0, len(rhs)), rng.choice(heads))
        elif style == "units" and below:
            rhs = [rng.choice(below)]
        elif style == "empty":
            rhs = [s for s in rhs if isinstance(s, str) or rng.random() < 0.3]
        elif style == "brackets" and at == 0:
            rhs = [1, "S", min(2, tokens), *(["S"] if rng.random() < 0.7 else [])]
        found.add(tuple(rhs))
    return sorted(found, key=str)


def _weighted(rng: random.Random, sides: list[Rhs]) -> list[tuple[Rhs, Fraction]]:
    spread = rng.choice((0, 0, 0, 1, 3, 8))
    weights = [rng.randint(1, 9) * 10 ** rng.randint(0, spread) for _ in sides]
    return [(rhs, Fraction(w, sum(weights))) for rhs, w in zip(sides, weights, strict=True)]


def _useful(found: Grammar) -> Grammar:
    """Remove the non-terminals that the start symbol never reaches."""
    kept = {found.start} | found.below[found.start]
    return Grammar(found.start, {head: own for head, own in found.rules.items() if head in kept})


def _ending(found: Grammar) -> dict[str, Rhs]:
    """Return for each non-terminal its first right-hand side without non-terminals."""
    return {head: next(rhs for rhs, _ in own if not names(rhs)) for head, own in found.rules.items()}


def mixed(found: Grammar, share: dict[str, Fraction]) -> Grammar:
    """Mix the rules: each keeps `share` of its probability, and the rest goes to the rule that ends the derivation."""
    ending = _ending(found)
    return Grammar(found.start, {
        head: [(rhs, p * share[head] + (1 - share[head] if rhs == ending[head] else 0)) for rhs, p in own]
        for head, own in found.rules.items()
    })  # fmt: skip


def _consistent(rng: random.Random, found: Grammar) -> Grammar:
    share = Fraction(1)
    while radius(matrix(found, list(found.rules))) >= 0:
        share *= Fraction(rng.randint(5, 9), 10)
        found = mixed(found, dict.fromkeys(found.rules, share))
    return found


def critical(rng: random.Random, found: Grammar) -> Grammar:
    """Bring one component to spectral radius 1, or just below, by a positive vector v with M v = v.

    So the right-hand sides of each member must have its v as their expected v-weight. Mixing with the rule that ends
    only lowers this mean, so the rules that leave the component are first made rare.
    """
    blocks = [found.block(head) for head in found.rules if head in found.below[head]]
    for block in rng.sample(blocks, len(blocks)):
        rare = _rare_ends(found, block)
        v = {head: Fraction(rng.randint(1, 3)) for head in block}
        means = {
            head: sum((p * v[s] for rhs, p in rare.rules[head] for s in names(rhs) if s in v), Fraction(0))
            for head in block
        }
        if all(means[head] >= v[head] for head in block):
            gap = Fraction(0)
            if rng.random() < 0.5:
                gap = Fraction(rng.randint(1, 9), 10 ** rng.choice((1, 3, 5, 7, 9, 12)))
            share = dict.fromkeys(found.rules, Fraction(1))
            share |= {head: v[head] / means[head] * (1 - gap) for head in block}
            made = mixed(rare, share)
            return Grammar(made.start, {h: [(rhs, p) for rhs, p in own if p] for h, own in made.rules.items()})
    return found


def _rare_ends(found: Grammar, block: list[str]) -> Grammar:
    """Make all rules rare that lead out of a component."""
    rules: dict[str, list[tuple[Rhs, Fraction]]] = {}
    for head, own in found.rules.items():
        inside = [p if head not in block or any(s in block for s in rhs) else p / 10**6 for rhs, p in own]
        rules[head] = [(rhs, p / sum(inside)) for (rhs, _), p in zip(own, inside, strict=True)]
    return Grammar(found.start, rules)


def as_language(rng: random.Random, found: Grammar, vocabulary: Vocabulary = LETTERS) -> tuple[ContextFree, list[str]]:
    """Return the grammar as an object under test, with non-terminals and rules in random order, and the names."""
    heads = rng.sample(list(found.rules), len(found.rules))
    number = {head: n for n, head in enumerate(heads)}
    rules = [
        Rule(number[head], tuple(s if isinstance(s, int) else ~number[s] for s in rhs), p)
        for head, rhs, p in found.all_rules()
    ]
    rng.shuffle(rules)
    return ContextFree(vocabulary, tuple(heads), tuple(rules), number[found.start]), heads


def proper(found: Grammar) -> bool:
    """Return whether there are no empty rules and no cycles, as nltk's parser requires."""
    return not found.nullable and not found.cyclic


def short_strings(rng: random.Random, found: Grammar, number: int, most: int) -> list[tuple[int, ...]]:
    """Draw strings over the tokens that occur in the grammar, or sometimes over all three tokens."""
    symbols = found.tokens or [1]
    if rng.random() < 0.2:
        symbols = [1, 2, 3]
    least = min(shortest(found)[found.start], most)
    return [tuple(rng.choices(symbols, k=rng.randint(rng.choice((0, least)), most))) for _ in range(number)]
