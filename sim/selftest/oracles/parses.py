"""Single strings of a context-free grammar: probabilities, prefixes, numbers of derivations, and nltk's parser.

Each string gives a small linear system in fixed point, from the solutions of its shorter parts. Right-hand sides of any
length are used as they are. Empty rules and cycles appear among the unknowns.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import product

from sim.selftest.oracles import fixed
from sim.selftest.oracles.fixed import ONE, PLACES, Fixed
from sim.selftest.oracles.grammars import Grammar, Rhs, Weighted, names
from sim.selftest.oracles.lists import Symbols

Affine = dict[str, Fixed]
"""A sum of unknowns with coefficients. The empty name holds the constant."""

ENOUGH = 2
"""Derivations are counted only up to this number."""


class Inside:
    """Weights of deriving a string, or any string that begins with it, from each non-terminal."""

    def __init__(self, rules: Weighted) -> None:
        self.rules = rules
        silent = {
            h: [(w, tuple(names(rhs))) for rhs, w in own if len(names(rhs)) == len(rhs)] for h, own in rules.items()
        }
        null = fixed.least(silent)
        if null is None:
            raise ArithmeticError("the empty string has infinite weight")
        self._known: dict[Symbols, dict[str, Fixed]] = {(): null}
        self._begun: dict[Symbols, dict[str, Fixed]] = {(): dict.fromkeys(rules, ONE)}

    def of(self, string: Symbols) -> dict[str, Fixed]:
        """Return the weight of deriving a string, for every non-terminal."""
        if string not in self._known:
            system = {h: self._terms((rhs, w, string) for rhs, w in own) for h, own in self.rules.items()}
            found = fixed.least(system)
            if found is None:
                raise ArithmeticError("a string has infinite weight")
            self._known[string] = found
        return self._known[string]

    def _terms(self, rules: Iterable[tuple[Rhs, Fixed, Symbols]]) -> list[tuple[Fixed, tuple[str, ...]]]:
        found: Affine = {}
        for rhs, weight, string in rules:
            for name, c in self._cut(rhs, string).items():
                found[name] = found.get(name, 0) + (c * weight >> PLACES)
        return [(c, (name,) if name else ()) for name, c in found.items()]

    def _cut(self, rhs: Rhs, string: Symbols) -> Affine:
        """Sum a right-hand side over all cuts of a string. The weights of the whole string are the unknowns."""
        n = len(string)
        at: list[Affine] = [{} for _ in range(n + 1)]
        at[0][""] = ONE
        for s in rhs:
            after: list[Affine] = [{} for _ in range(n + 1)]
            for m, here in enumerate(at):
                if not here:
                    continue
                if isinstance(s, int):
                    if m < n and string[m] == s:
                        _add(after[m + 1], here, ONE)
                    continue
                for end in range(m, n + 1):
                    if (m, end) == (0, n):
                        _add(after[end], {s: here.get("", 0)}, ONE)
                    elif value := self.of(string[m:end])[s]:
                        _add(after[end], here, value)
            at = after
        return at[n]

    def begins(self, string: Symbols) -> dict[str, Fixed]:
        """Return P(the derived string begins with `string`) for every non-terminal, for consistent grammars only."""
        if string not in self._begun:
            system = {h: self._begun_terms(h, string) for h in self.rules}
            found = fixed.least(system)
            if found is None:
                raise ArithmeticError("a prefix has infinite weight")
            self._begun[string] = found
        return self._begun[string]

    def _begun_terms(self, head: str, string: Symbols) -> list[tuple[Fixed, tuple[str, ...]]]:
        """Return the terms of P(what `head` derives begins with the n tokens of the string).

        A term belongs to a symbol of a rule and a number m < n. The symbols before it derive the first m tokens, and
        what the symbol itself derives begins with the other tokens.
        """
        n, terms = len(string), list[tuple[Fixed, tuple[str, ...]]]()
        for rhs, weight in self.rules[head]:
            at = [weight, *[0] * (n - 1)]
            for s in rhs:
                after = [0] * n
                for m, here in enumerate(at):
                    if not here:
                        continue
                    if isinstance(s, int):
                        if string[m] == s and m + 1 == n:
                            terms.append((here, ()))
                        elif string[m] == s:
                            after[m + 1] += here
                        continue
                    if m == 0:
                        terms.append((here, (s,)))
                    else:
                        terms.append((here * self.begins(string[m:])[s] >> PLACES, ()))
                    for end in range(m, n):
                        after[end] += here * self.of(string[m:end])[s] >> PLACES
                at = after
        return terms


def _add(into: Affine, what: Affine, factor: Fixed) -> None:
    for name, c in what.items():
        into[name] = into.get(name, 0) + (c * factor >> PLACES)


def one_letter(rules: Weighted) -> Weighted:
    """Replace all tokens by token 1, so that a string is only a length."""
    return {h: [(tuple(1 if isinstance(s, int) else s for s in rhs), w) for rhs, w in own] for h, own in rules.items()}


class Law:
    """Probabilities of the strings, prefixes and lengths of a grammar, in fixed point."""

    def __init__(self, grammar: Grammar, rules: Weighted | None = None) -> None:
        self.grammar = grammar
        self.inside = Inside(grammar.weighted() if rules is None else rules)
        self.alike = Inside(one_letter(self.inside.rules))

    def string(self, x: Symbols) -> Fixed:
        """P(x)."""
        return self.inside.of(x)[self.grammar.start]

    def prefix(self, x: Symbols) -> Fixed:
        """P(a string begins with x)."""
        return self.inside.begins(x)[self.grammar.start]

    def length(self, n: int) -> Fixed:
        """P(|x| = n)."""
        return self.alike.of((1,) * n)[self.grammar.start]

    def within(self, length: int) -> Fixed:
        """P(|x| < length)."""
        return sum(self.length(n) for n in range(length))

    def short(self, length: int) -> dict[Symbols, Fixed]:
        """All possible strings of fewer than `length` symbols."""
        found = {}
        for n in range(length):
            for x in product(self.grammar.tokens, repeat=n):
                if value := self.string(x):
                    found[x] = value
        return found


def num_derivations(grammar: Grammar, head: str, string: Symbols) -> int:
    """Number of derivations of a string, at most `ENOUGH`. They are counted repeatedly until nothing changes."""
    parts = {string[i:j] for i in range(len(string) + 1) for j in range(i, len(string) + 1)}
    ways = {(h, x): 0 for h in grammar.rules for x in sorted(parts, key=len)}
    changed = True
    while changed:
        changed = False
        for (h, x), old in ways.items():
            if old < ENOUGH:
                new = min(sum(_ways(rhs, x, ways) for rhs, _ in grammar.rules[h]), ENOUGH)
                changed |= new != old
                ways[h, x] = new
    return ways[head, string]


def _ways(rhs: Rhs, x: Symbols, ways: Mapping[tuple[str, Symbols], int]) -> int:
    at = [1, *[0] * len(x)]
    for s in rhs:
        if isinstance(s, int):
            at = [0, *(count if x[m] == s else 0 for m, count in enumerate(at[:-1]))]
        else:
            at = [sum(at[m] * ways[s, x[m:end]] for m in range(end + 1) if at[m]) for end in range(len(x) + 1)]
    return at[-1]


def parses(grammar: Grammar, string: Symbols) -> Fraction:
    """Sum of the probabilities of nltk's parses. The grammar must have no empty rules and no cycles."""
    from nltk import Nonterminal, ProbabilisticProduction  # type: ignore[attr-defined, unused-ignore]
    from nltk.grammar import PCFG
    from nltk.parse.pchart import InsideChartParser

    productions, exact = [], {}
    for head, rhs, p in grammar.all_rules():
        symbols = [Nonterminal(s) if isinstance(s, str) else str(s) for s in rhs]
        productions.append(ProbabilisticProduction(Nonterminal(head), symbols, prob=float(p)))
        exact[head, tuple(str(s) for s in rhs)] = p
    parser = InsideChartParser(PCFG(Nonterminal(grammar.start), productions))
    total = Fraction(0)
    for tree in parser.parse([str(s) for s in string]):
        weight = Fraction(1)
        for production in tree.productions():
            weight *= exact[production.lhs().symbol(), tuple(str(s) for s in production.rhs())]
        total += weight
    return total
