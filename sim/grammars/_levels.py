"""Random level-wise grammars of the kind cfg3: a root, levels of symbols, and tokens at the bottom. For laws."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from sim.grammars._stopping import lettered
from sim.grammars._tables import random_law
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, Symbol, reached, renumbered
from sim.numerics import SpecificationError

Word = tuple[int, ...]
"""A right-hand side, as positions in the level below."""


def level_grammar(
    depth: int = 6,
    num_symbols: int = 3,
    num_rules: int = 2,
    lengths: Sequence[int] = (2, 3),
    zipf: float = 0.0,
    shared: bool = False,
    seed: int = 0,
) -> ContextFree:
    """A grammar of `depth` levels of rules: the root, then `num_symbols` symbols a level, and as many tokens.

    Every symbol has `num_rules` right-hand sides over the level below. The length of each is drawn from `lengths`, then
    its symbols, uniformly; one that is there already is drawn again. All right-hand sides of a level are different, or
    with `shared` only those of a symbol, so that a string can have several derivations. They are equally likely, or
    follow Zipf's law with exponent `zipf`, a random offset and random order. Strings have between min(lengths)^depth
    and max(lengths)^depth symbols; what no derivation uses is left out. Raises `SpecificationError` for numbers below
    1, and if there are too few right-hand sides to be different.
    Source: Allen-Zhu & Li 2023, "Physics of Language Models: Part 1", for the form of these grammars.
    """
    _check(depth, num_symbols, num_rules, lengths, shared)
    generator = np.random.default_rng(seed)
    names, rules, first = ["root"], list[Rule](), 0
    for level in range(depth, 0, -1):
        heads = range(first, len(names))
        below = [~(heads.stop + a) if level > 1 else 1 + a for a in range(num_symbols)]
        names += [f"{level - 1}.{a}" for a in range(num_symbols) if level > 1]
        taken: set[Word] = set()
        for head in heads:
            own = _words(generator, num_rules, num_symbols, lengths, set() if shared else taken)
            taken |= set(own)
            for word, p in zip(own, _law(generator, num_rules, zipf), strict=True):
                rules.append(Rule(head, tuple[Symbol, ...](below[a] for a in word), p))
        first = heads.stop
    kept = reached(rules, len(names), 0)
    nonterminals = tuple(name for name, used in zip(names, kept, strict=True) if used)
    return ContextFree(lettered(num_symbols), nonterminals, tuple(renumbered(rules, kept)))


def _words(
    generator: np.random.Generator, number: int, num_symbols: int, lengths: Sequence[int], taken: set[Word]
) -> list[Word]:
    found: list[Word] = []
    while len(found) < number:
        length = int(generator.choice(lengths))
        word = tuple(generator.integers(num_symbols, size=length).tolist())
        if word not in taken and word not in found:
            found.append(word)
    return found


def _law(generator: np.random.Generator, number: int, zipf: float) -> list[Fraction]:
    if zipf == 0:
        return [Fraction(1, number)] * number
    law = [Fraction(p) for p in random_law(generator, number, number, zipf).tolist()]
    return [p / sum(law) for p in law]


def _check(depth: int, num_symbols: int, num_rules: int, lengths: Sequence[int], shared: bool) -> None:
    for name, value in (("depth", depth), ("num_symbols", num_symbols), ("num_rules", num_rules)):
        if value < 1:
            raise SpecificationError(f"{name}: an integer of at least 1 is required, found {value}; raise it")
    if not lengths or min(lengths) < 1:
        raise SpecificationError(f"lengths: integers of at least 1 are required, found {list(lengths)}; correct them")
    available = sum(num_symbols**length for length in set(lengths))
    needed = num_rules * (1 if shared else num_symbols)
    if needed > available:
        raise SpecificationError(
            f"num_rules: at most {available} different right-hand sides of the given lengths exist, found {needed} of "
            "a level; lower it, or give more symbols or lengths"
        )
