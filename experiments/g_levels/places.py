"""Where the rules of a grammar are used in strings, and what a model forgets at these places."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim.config import construct
from sim.languages.pcfg.language import ContextFree
from sim.laws.protocol import Law, Uses
from sim.laws.reading import law
from sim.restrictions.sub_grammar import numbered
from sim.unlisted.world import alive


@dataclass(frozen=True, eq=False)
class Place:
    """A world, and the judged strings of P, int[N, L]: where its rules are used in them, exactly."""

    language: ContextFree
    rows: np.ndarray

    @classmethod
    def of(cls, config: Mapping[str, Any], rows: np.ndarray) -> "Place":
        """The place of a run, from its configuration and its judged strings."""
        return cls(construct("grammar", config["grammar"], "grammar").language, rows)

    @cached_property
    def law(self) -> Law:
        """The law of P."""
        return law(self.language)

    @cached_property
    def uses(self) -> Uses:
        """Where every rule is used in the judged strings, given the string."""
        return self.law.parse(self.rows)

    @cached_property
    def _of_p(self) -> np.ndarray:
        return self.law.next_token(self.rows)[:, : self.rows.shape[1]]

    @cached_property
    def _of_s(self) -> dict[str, np.ndarray]:
        return {}

    def divergence(self, restriction: Mapping[str, Any]) -> np.ndarray:
        """KL(P(. | x_<t)||S(. | x_<t)) [nat] at every position of the judged strings, exact: float64[N, L]."""
        key = json.dumps(restriction, sort_keys=True)
        if key not in self._of_s:
            s = law(construct("restriction", restriction, "restriction", self.language).s)
            p, own = self._of_p, s.next_token(self.rows)[:, : self.rows.shape[1]]
            possible = p > 0
            ratio = np.log(np.where(possible, p, 1.0)) - np.log(np.where(possible, own, 1.0))
            self._of_s[key] = np.where(alive(self.rows), (p * ratio).sum(axis=-1), 0.0)
        return self._of_s[key]

    def number(self, rule: Mapping[str, Any]) -> int:
        """The number of a rule {lhs, rhs} or {lhs, number} among all rules."""
        return numbered(self.language, [rule])[0]

    def level(self, number: int) -> int:
        """The height of a rule's left-hand side above the tokens: 1 if its rules lead to tokens alone."""
        return heights(self.language)[self.language.rules[number].lhs]

    def siblings(self, number: int) -> list[int]:
        """The other rules of the left-hand side of a rule."""
        rules = self.language.rules
        return [at for at, rule in enumerate(rules) if rule.lhs == rules[number].lhs and at != number]

    def share(self, number: int, rows: np.ndarray) -> float | None:
        """The share of a rule among the uses of its symbol in the strings of rows that P can write; None without uses.

        Uses are expected given the string, so this holds in ambiguous grammars too.
        """
        counts = self.law.parse(rows).counts(len(rows), len(self.language.rules)).sum(axis=0)
        all_ = float(counts[[number, *self.siblings(number)]].sum())
        return float(counts[number]) / all_ if all_ > 0 else None

    def derived(self, rules: list[int], values: np.ndarray) -> float | None:
        """The mean of values [N, L] over the tokens that a rule derives late, weighted by its expected uses.

        A use at a span of m tokens, from `begin` to `end` - 1, has the positions `begin` + ceil(m/2) to `end` - 1. At
        these it is mostly known which rule is used. None if there are no such tokens.
        """
        uses = self.uses
        own = np.isin(uses.part, rules)
        row, begin, end, weight = uses.string[own], uses.begin[own], uses.end[own], uses.expected[own]
        late = begin + (end - begin + 1) // 2
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values.astype(np.float64), axis=1)], axis=1)
        number = float((weight * (end - late)).sum())
        return float((weight * (sums[row, end] - sums[row, late])).sum()) / number if number > 0 else None

    def behind(self, depth: int, of: np.ndarray, values: np.ndarray) -> float | None:
        """The mean of values [N, L] over the tokens from position `depth` on, the end included, of some strings."""
        counted = alive(self.rows) & (np.arange(self.rows.shape[1]) >= depth) & of[:, None]
        return float(values.astype(np.float64)[counted].mean()) if counted.any() else None


def heights(language: ContextFree) -> list[int]:
    """The height of every non-terminal above the tokens: 1 if its rules lead to tokens alone. No recursion is read."""
    found: dict[int, int] = {}

    def height(lhs: int) -> int:
        if lhs not in found:
            below = [height(child) for rule in language.rules if rule.lhs == lhs for child in rule.children]
            found[lhs] = 1 + max(below, default=0)
        return found[lhs]

    return [height(lhs) for lhs in range(len(language.nonterminals))]
