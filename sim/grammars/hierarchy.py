"""The Random Hierarchy Model: a class is spelt as features, these as smaller ones, down to the symbols. Tier A."""

import math
from fractions import Fraction
from typing import Annotated

import numpy as np

from sim.config import AtLeast, NonNegative
from sim.grammars._mixture import MAX_STRINGS, refuse_size
from sim.grammars._stopping import lettered
from sim.grammars._tables import different_words, random_law
from sim.languages.finite import FiniteLanguage
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule, Symbol, reached, renumbered
from sim.numerics import SpecificationError

MAX_LENGTH = 512
"""Largest length of the strings [symbols]."""

LEAST = -700
"""Smallest log probability [nat] of a string. Probabilities are multiplied in float64, and smaller ones underflow."""


def hierarchy_grammar(
    num_symbols: int = 8,
    num_classes: int = 8,
    num_synonyms: int = 2,
    tuple_size: int = 2,
    depth: int = 3,
    zipf: float = 0.0,
    seed: int = 0,
) -> ContextFree:
    """The grammar of `hierarchy`. The start becomes a class, and features that no class leads to are left out."""
    _check_tuples(num_symbols, num_classes, num_synonyms, tuple_size)
    generator = np.random.default_rng(seed)
    names = ["start", *(f"class {c}" for c in range(num_classes))]
    rules = [Rule(0, (~(1 + c),), Fraction(1, num_classes)) for c in range(num_classes)]
    heads = range(1, 1 + num_classes)
    for level in range(depth - 1, -1, -1):
        below = range(heads.stop, heads.stop + num_symbols)
        parts = [~part for part in below] if level > 0 else list(range(1, 1 + num_symbols))
        rules += _level(generator, heads, parts, num_synonyms, tuple_size, zipf)
        names += [f"level {level} feature {a}" for a in range(num_symbols) if level > 0]
        heads = below
    kept = reached(rules, len(names), 0)
    nonterminals = tuple(name for name, used in zip(names, kept, strict=True) if used)
    return ContextFree(lettered(num_symbols), nonterminals, tuple(renumbered(rules, kept)))


def _check_tuples(num_symbols: int, num_classes: int, num_synonyms: int, tuple_size: int) -> None:
    """Raise `SpecificationError` unless every head of a level can have its own tuples."""
    available, needed = num_symbols**tuple_size, max(num_symbols, num_classes) * num_synonyms
    if needed > available:
        raise SpecificationError(
            f"num_synonyms: different tuples at every level need max(num_symbols, num_classes) num_synonyms <= "
            f"num_symbols^tuple_size = {available}, found {needed}; reduce num_synonyms or num_classes"
        )


def _level(
    generator: np.random.Generator, heads: range, parts: list[Symbol], num_synonyms: int, tuple_size: int, zipf: float
) -> list[Rule]:
    """The rules from every head to its synonyms, which are tuples of `parts`. All tuples are different."""
    tuples = different_words(generator, len(heads) * num_synonyms, len(parts), tuple_size)
    rules = []
    for head, synonyms in zip(heads, tuples.reshape(len(heads), num_synonyms, tuple_size).tolist(), strict=True):
        law = [Fraction(p) for p in random_law(generator, num_synonyms, num_synonyms, zipf).tolist()]
        total = sum(law)
        rules += [Rule(head, tuple(parts[a] for a in word), p / total) for word, p in zip(synonyms, law, strict=True)]
    return rules


def hierarchy(
    *,
    num_symbols: Annotated[int, AtLeast(1)] = 8,
    num_classes: Annotated[int, AtLeast(1)] = 8,
    num_synonyms: Annotated[int, AtLeast(1)] = 2,
    tuple_size: Annotated[int, AtLeast(2)] = 2,
    depth: Annotated[int, AtLeast(1)] = 3,
    zipf: Annotated[float, NonNegative] = 0.0,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> FiniteLanguage:
    """Strings "c a f f b h a d" of s^L symbols, s = `tuple_size` and L = `depth`, spelt from one of n_c classes.

    The class is uniform over n_c = `num_classes` and is not shown. It is spelt as one of its m = `num_synonyms`
    s-tuples of features, and every level has v = `num_symbols` features. Each feature, at any place, is spelt as one of
    its m tuples of features of the level below. The features of the last level are the symbols. All tuples of a level
    are different, so the string determines every choice. Synonyms follow Zipf's law with exponent `zipf` (0: uniform)
    and a random offset, in random order. `seed` draws tuples and laws, on the host. If `zipf` is 0, there are n_c m^N
    equally likely strings with N = (s^L - 1) / (s - 1), so H = log n_c + N log m [nat] and C = 1 / (n_c m^N). Otherwise
    H is the entropy of the rules weighted by their expected use, `hierarchy_grammar(...).entropy()`. Raises
    `SpecificationError` for more than 10^6 strings, for strings of more than 512 symbols or of probability below
    e^-700, and for too few tuples: max(v, n_c) m > v^s, which is m > v^(s - 1) for n_c <= v.
    Source: Cagnetta, Petrini, Tomasini, Favero & Wyart 2024, Phys. Rev. X 14, 031001.
    """
    if depth * math.log(tuple_size) > math.log(MAX_LENGTH) + 1e-9:
        raise SpecificationError(
            f"depth: strings of at most {MAX_LENGTH} symbols are required, found tuple_size^depth = "
            f"{tuple_size}^{depth}; reduce depth or tuple_size"
        )
    length = tuple_size**depth
    choices = (length - 1) // (tuple_size - 1)
    refuse_size(num_classes * num_synonyms**choices, "depth, num_synonyms or num_classes")
    grammar = hierarchy_grammar(num_symbols, num_classes, num_synonyms, tuple_size, depth, zipf, seed)
    least = choices * min(log_p for rule, log_p in zip(grammar.rules, grammar.log_p, strict=True) if rule.lhs > 0)
    if least < LEAST:
        raise SpecificationError(
            f"zipf: strings of probability e^{LEAST} or more are required, found some near e^{least:.0f}; lower it"
        )
    return grammar.enumerate(length + 1, MAX_STRINGS, "hierarchy")[0]


def label(**_: object) -> str:
    """The world in words."""
    return "Random Hierarchy Model"
