"""Every derivation of a small grammar, written down: the second route to all numbers of a law. Rationals only."""

import math
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import pytest

from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary
from sim.laws.protocol import Law

Tree = tuple[int, tuple]  # the number of a rule, and for each symbol on its right a token or a tree


def grammar(*rules: tuple[str, str, str], tokens: str = "ab") -> ContextFree:
    """Rules such as ("S", "A b A", "1/3"); the first left-hand side is the start, other letters are tokens."""
    heads = list(dict.fromkeys(lhs for lhs, _, _ in rules))
    words = Vocabulary(("<eos>", *tokens))

    def symbol(name: str) -> int:
        return ~heads.index(name) if name in heads else words.index(name)

    found = tuple(
        Rule(heads.index(lhs), tuple(symbol(name) for name in rhs.split()), Fraction(p)) for lhs, rhs, p in rules
    )
    return ContextFree(words, tuple(heads), found)


def trees(language: ContextFree, head: int) -> Iterator[Tree]:
    """All derivations of a non-terminal."""
    for number, rule in enumerate(language.rules):
        if rule.lhs == head:
            for parts in product(*([s] if s > 0 else list(trees(language, ~s)) for s in rule.rhs)):
                yield number, parts


def words(tree: Tree | int) -> tuple[int, ...]:
    return (tree,) if isinstance(tree, int) else tuple(token for part in tree[1] for token in words(part))


def weight(language: ContextFree, tree: Tree | int) -> Fraction:
    if isinstance(tree, int):
        return Fraction(1)
    found = language.rules[tree[0]].p
    for part in tree[1]:
        found *= weight(language, part)
    return found


def places(tree: Tree | int, begin: int = 0) -> Iterator[tuple[int, int, int]]:
    """The rule, begin and end of every node."""
    if isinstance(tree, int):
        return
    yield tree[0], begin, begin + len(words(tree))
    for part in tree[1]:
        yield from places(part, begin)
        begin += len(words(part))


class Written:
    """P(x), P(prefix), P(next | prefix) and the expected uses, summed over all derivations."""

    def __init__(self, language: ContextFree) -> None:
        self.language = language
        self.strings: dict[tuple[int, ...], Fraction] = defaultdict(Fraction)
        self.prefixes: dict[tuple[int, ...], Fraction] = defaultdict(Fraction)
        self.uses: dict[tuple[int, ...], dict[tuple[int, int, int], Fraction]] = defaultdict(dict)
        self.derivations: list[Fraction] = []
        for tree in trees(language, language.start):
            string, p = words(tree), weight(language, tree)
            self.derivations.append(p)
            self.strings[string] += p
            for place in places(tree):
                own = self.uses[string]
                own[place] = own.get(place, Fraction(0)) + p
        for string, p in self.strings.items():
            for end in range(len(string) + 1):
                self.prefixes[string[:end]] += p

    def check_numbers(self, law: Law) -> None:
        """Entropy and length of a law are those of the derivations."""
        entropy = -sum(float(p) * math.log(p) for p in self.derivations)
        assert law.latent_entropy() == pytest.approx(entropy, abs=1e-12)
        length = sum(p * len(string) for string, p in self.strings.items())
        assert law.expected_length() == pytest.approx(float(length), abs=1e-12)

    def next(self, prefix: tuple[int, ...]) -> list[Fraction]:
        """P(next token | prefix), EOS first; zeros for an impossible prefix."""
        total = self.prefixes.get(prefix, Fraction(0))
        if not total:
            return [Fraction(0)] * len(self.language.vocabulary)
        tokens = range(1, len(self.language.vocabulary))
        after = [self.prefixes.get((*prefix, token), Fraction(0)) for token in tokens]
        return [value / total for value in [self.strings.get(prefix, Fraction(0)), *after]]
