"""Grammars from text, one rule a line: S -> a S b [1/2]. Capitals are non-terminals."""

from collections.abc import Mapping
from fractions import Fraction

from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Rule
from sim.languages.vocabulary import Vocabulary

LETTERS = "abc"


def grammar(text: str, letters: str = LETTERS, **places: object) -> ContextFree:
    """`places` fill braces in the text, so that probabilities can be given."""
    rules: list[tuple[str, list[str], Fraction]] = []
    for line in text.format(**places).strip().splitlines():
        left, right = line.split("->")
        *symbols, p = right.replace("[", " ").replace("]", " ").split()
        rules.append((left.strip(), symbols, Fraction(p)))
    heads = list(dict.fromkeys(head for head, _, _ in rules))
    number = {head: ~n for n, head in enumerate(heads)} | {a: 1 + n for n, a in enumerate(letters)}
    made = tuple(Rule(~number[head], tuple(number[s] for s in rhs), p) for head, rhs, p in rules)
    return ContextFree(Vocabulary(("<eos>", *letters), joiner=""), tuple(heads), made, heads.index("S"))


def tokens(language: ContextFree, string: str) -> list[int]:
    """Tokens of a string of letters."""
    return [language.vocabulary.index(letter) for letter in string]


def reordered(language: ContextFree, order: list[int], rules: list[int], letter: Mapping[int, int]) -> ContextFree:
    """The same language with non-terminals and rules in another order, and letters replaced one for one."""
    place = {old: new for new, old in enumerate(order)}
    made = [
        Rule(place[r.lhs], tuple(letter[s] if s > 0 else ~place[~s] for s in r.rhs), r.p)
        for r in (language.rules[n] for n in rules)
    ]
    names = tuple(f"N{n}" for n in range(len(order)))
    return ContextFree(language.vocabulary, names, tuple(made), place[language.start])
