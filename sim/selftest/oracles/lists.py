"""Laws over listed strings as dictionaries of fractions. Everything is a plain sum over all strings."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeAlias

Symbols: TypeAlias = tuple[int, ...]
"""Tokens of a string, without its EOS."""

Law: TypeAlias = Mapping[Symbols, Fraction]
"""Probability of every listed string; 0 is allowed."""

NONE = Fraction(0)


def normalised(weights: Mapping[Symbols, Fraction | int]) -> dict[Symbols, Fraction]:
    """Return the law that is proportional to the weights; their sum must be positive."""
    total = Fraction(sum(weights.values()))
    return {x: Fraction(weight) / total for x, weight in weights.items()}


def mass(law: Law, prefix: Symbols) -> Fraction:
    """P(a string begins with `prefix`)."""
    return sum((p for x, p in law.items() if x[: len(prefix)] == prefix), NONE)


def next_law(law: Law, prefix: Symbols, size: int) -> list[Fraction]:
    """P(. | prefix) for the end and for each of the `size` - 1 symbols; the prefix must be possible."""
    total = mass(law, prefix)
    return [law.get(prefix, NONE) / total] + [mass(law, (*prefix, token)) / total for token in range(1, size)]


def prefixes(law: Law) -> list[Symbols]:
    """Return every prefix of a listed string, including the string itself and the empty prefix."""
    return sorted({x[:size] for x in law for size in range(len(x) + 1)})


def within(law: Law, length: int) -> tuple[dict[Symbols, Fraction], Fraction]:
    """Return the law of the possible strings of fewer than `length` symbols, and the mass of the other strings."""
    kept = {x: p for x, p in law.items() if p and len(x) < length}
    return (normalised(kept) if kept else {}), 1 - sum(kept.values(), NONE)


def prompt_of(document: Symbols, closing: int | None) -> Symbols:
    """Return the beginning of a document up to its first closing symbol; empty if `closing` is None."""
    return () if closing is None else document[: document.index(closing) + 1]


def prompt_law(law: Law, closing: int | None) -> dict[Symbols, Fraction]:
    """P(x) of every listed prompt."""
    out: dict[Symbols, Fraction] = {}
    for document, p in law.items():
        prompt = prompt_of(document, closing)
        out[prompt] = out.get(prompt, NONE) + p
    return out


def answers(law: Law, closing: int | None) -> dict[Symbols, Fraction]:
    """P(y | x) of every document x y; 0 if the document is impossible."""
    prompts = prompt_law(law, closing)
    return {d: p / prompts[prompt_of(d, closing)] if p else NONE for d, p in law.items()}


def given(law: Law, member: Mapping[Symbols, Fraction]) -> tuple[dict[Symbols, Fraction], Fraction]:
    """Return P(. | z) and P(z), from P(z | x). The event z must be possible."""
    joint = {x: p * member[x] for x, p in law.items()}
    return normalised(joint), sum(joint.values(), NONE)


def given_answers(law: Law, member: Mapping[Symbols, Fraction], closing: int | None) -> dict[Symbols, Fraction] | None:
    """Return P(x) P(y | x, z), from P(z | x y); None if a possible prompt has no answer in z."""
    joint = {x: p * member[x] for x, p in law.items()}
    before, after = prompt_law(law, closing), prompt_law(joint, closing)
    if any(before[x] and not after[x] for x in before):
        return None
    out = {}
    for document, p in joint.items():
        prompt = prompt_of(document, closing)
        out[document] = p * before[prompt] / after[prompt] if p else NONE
    return out


def in_order(law: Law, strings: Sequence[Symbols]) -> list[Fraction]:
    """Return the probabilities of given strings; 0 for a string that is not listed."""
    return [law.get(x, NONE) for x in strings]
