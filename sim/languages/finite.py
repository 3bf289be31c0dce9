"""Languages of finite support: a prefix trie and the probability of every string on it. Exact by enumeration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError, expectation, log_group_sum, log_sum_exp

SUM_TOLERANCE = 1e-9
"""Largest distance from 1 that the sum of a language's probabilities may have."""


@dataclass(frozen=True, eq=False)
class Styles:
    """The styles of N documents: their names [Z] and log P(z | document) [nat], float64[N, Z]."""

    names: tuple[str, ...]
    log_posterior: np.ndarray

    def check(self, num_strings: int) -> None:
        """Raise `SpecificationError` unless each of the N documents has a posterior that sums to 1 within 1e-9."""
        shape = (num_strings, len(self.names))
        if self.log_posterior.shape != shape:
            raise SpecificationError(
                f"styles: a posterior of shape {shape} is required, found {self.log_posterior.shape}"
            )
        off = np.abs(np.exp(log_sum_exp(self.log_posterior, axis=1)) - 1.0)
        if not off.max() <= SUM_TOLERANCE:
            raise SpecificationError(
                f"styles: a document's posterior must sum to 1 within {SUM_TOLERANCE:g}, found one off by {off.max():g}"
            )

    @cached_property
    def disjoint(self) -> bool:
        """Whether every document can have only one style, so that the string determines the style."""
        return bool((np.sort(self.log_posterior, axis=1)[:, :-1] == -np.inf).all())

    @cached_property
    def of(self) -> np.ndarray:
        """The style of each document: int[N]. Raises ValueError if styles overlap."""
        if not self.disjoint:
            raise ValueError("styles overlap: a document has a posterior over styles, not one style")
        return np.argmax(self.log_posterior, axis=1)


@dataclass(frozen=True, eq=False)
class Prompts:
    """Documents grouped by their prompt. A world without prompts has one group, the empty prompt."""

    group: np.ndarray  # int[N], the number of each document's prompt
    length: np.ndarray  # int[N], the number of tokens of that prompt, its closing symbol included
    log_p: np.ndarray  # float64[G], the prompt law log P(x) [nat]
    first: np.ndarray  # int[G], the first document of each prompt

    @property
    def num_groups(self) -> int:
        """The number of prompts G."""
        return len(self.log_p)


def prompts_of(trie: Trie, length: np.ndarray, log_p: np.ndarray) -> Prompts:
    """Group the documents of a trie by their first `length` tokens, int[N], with the law log P(x) [nat], float64[N]."""
    node = np.where(length > 0, trie.node[np.arange(len(length)), length], 0)
    _, first, group = np.unique(node, return_index=True, return_inverse=True)
    return Prompts(group, length, log_group_sum(log_p, group, len(first)), first)


@dataclass(frozen=True, eq=False)
class FiniteLanguage:
    """A distribution over N listed strings: log P(x) [nat], float64[N], on their prefix trie (tier A).

    All its quantities are exact. Strings of probability zero (-inf) may stay in the list, because a restricted
    language uses the trie of the whole language. Probabilities are never renormalised here: `SpecificationError` is
    raised unless they sum to 1 within 1e-9.
    """

    vocabulary: Vocabulary
    trie: Trie
    log_p: np.ndarray
    styles: Styles | None = None
    source: object = None  # the automaton or grammar that the strings were listed from; restrictions use it

    def __post_init__(self) -> None:
        if self.log_p.shape != (self.trie.num_strings,) or np.isnan(self.log_p).any():
            raise SpecificationError(
                f"language: log_p must be {self.trie.num_strings} numbers, found shape {self.log_p.shape}"
                + (" with nan" if np.isnan(self.log_p).any() else "")
            )
        if self.styles is not None:
            self.styles.check(self.trie.num_strings)
        total = float(np.exp(log_sum_exp(self.log_p)))
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise SpecificationError(
                f"language: probabilities must sum to 1 within {SUM_TOLERANCE:g}, found {total!r}; normalise them first"
            )

    @classmethod
    def from_strings(
        cls,
        vocabulary: Vocabulary,
        strings: np.ndarray,
        log_p: np.ndarray,
        styles: Styles | None = None,
        source: object = None,
    ) -> "FiniteLanguage":
        """Build the language from strings int[N, L] in any order. Duplicate strings raise ValueError."""
        trie, order = Trie.of(strings, len(vocabulary))
        sorted_styles = None if styles is None else Styles(styles.names, styles.log_posterior[order])
        return cls(vocabulary, trie, np.asarray(log_p, np.float64)[order], sorted_styles, source)

    @property
    def length(self) -> int:
        """The horizon L: the number of columns of the table of strings. No string has more tokens, EOS included."""
        return self.trie.length

    @property
    def support_size(self) -> int:
        """The number of strings with positive probability."""
        return int((self.log_p > -np.inf).sum())

    def entropy(self) -> float:
        """H(P) = -E_P[log P] [nat per string], exact."""
        return -expectation(self.log_p, self.log_p)

    def collision(self) -> float:
        """C(P) = sum of P(x)^2, the probability that two independent strings are equal, exact."""
        return float(np.exp(log_sum_exp(2 * self.log_p)))

    def expected_length(self) -> float:
        """E|x| [symbols], EOS not counted, exact."""
        return expectation(self.log_p, self.trie.lengths - 1)

    @property
    def longest(self) -> int:
        """The number of symbols of the longest string with positive probability."""
        return int(self.trie.lengths[self.log_p > -np.inf].max()) - 1

    def enumerate(self, length: int, max_strings: int, place: str = "language") -> tuple["FiniteLanguage", float]:
        """P(. | |x| <= `length` - 1 symbols) on its own trie, renormalised exactly, and the mass that was dropped.

        If nothing has to be dropped, the language itself is returned. Raises `SpecificationError` if no string is
        short enough, or if more than `max_strings` strings are.
        """
        alive = self.log_p > -np.inf
        fits = alive & (self.trie.lengths <= length)
        if not fits.any():
            shortest = int(self.trie.lengths[alive].min())
            raise SpecificationError(
                f"{place}: length must be at least {shortest}, the shortest string with its end, found {length}"
            )
        if fits.sum() > max_strings:
            raise SpecificationError(
                f"{place}: at most max_strings = {max_strings} strings are enumerated, found {fits.sum()} strings; "
                "raise max_strings"
            )
        if fits.all():
            return self, 0.0
        total = log_sum_exp(self.log_p[fits])
        strings = self.trie.strings[fits, : int(self.trie.lengths[fits].max())]
        styles = None if self.styles is None else Styles(self.styles.names, self.styles.log_posterior[fits])
        kept = FiniteLanguage.from_strings(self.vocabulary, strings, self.log_p[fits] - total, styles)
        return kept, float(np.exp(self.log_p[~fits]).sum())

    def log_prob(self, tokens: Sequence[int] | np.ndarray) -> float:
        """log P(x) [nat] of one string, given with or without its EOS and padding; -inf outside the support."""
        edges = self._walk(np.asarray(tokens, np.int64), ended=True)
        return -np.inf if edges is None else float(self.log_p[edges])

    def log_prefix(self, prefix: Sequence[int] | np.ndarray) -> float:
        """log of the probability that a string begins with `prefix` [nat]; -inf if no string does."""
        node = self._walk(np.asarray(prefix, np.int64), ended=False)
        return -np.inf if node is None else float(self.node_log_mass[node])

    def next_log_probs(self, prefix: Sequence[int] | np.ndarray) -> np.ndarray:
        """log P(. | prefix) [nat]: float64[V]. Raises `SpecificationError` if the prefix has probability zero."""
        node = self._walk(np.asarray(prefix, np.int64), ended=False)
        if node is None or self.node_log_mass[node] == -np.inf:
            raise SpecificationError(
                f"prefix {self.vocabulary.written(prefix)} has probability 0: no next token is defined"
            )
        out = np.full(len(self.vocabulary), -np.inf)
        here = self.trie.edge_node == node
        out[self.trie.edge_token[here]] = self.edge_log_prob[here]
        return out

    def _walk(self, tokens: np.ndarray, ended: bool) -> int | None:
        """Return the row of a whole string (`ended`) or the node of a prefix; None if it is not on the trie."""
        ends = np.flatnonzero(tokens == EOS)
        if len(ends) and (not ended or (tokens[ends[0] :] != EOS).any()):
            return None  # no token can follow EOS
        tokens = tokens[: ends[0]] if len(ends) else tokens
        node = 0
        for token in tokens:
            node = int(self.trie.next_node[node, token]) if 0 < token < self.trie.vocab_size else self.trie.num_nodes
            if node == self.trie.num_nodes:
                return None
        if not ended:
            return node
        row = self.trie.first_string[node]  # a string that ends here sorts first, because EOS is token 0
        return int(row) if self.trie.lengths[row] == len(tokens) + 1 else None

    @cached_property
    def node_log_mass(self) -> np.ndarray:
        """log of the probability that a string begins with the prefix of each node [nat]: float64[M]."""
        alive = self.trie.node >= 0
        log_p = np.broadcast_to(self.log_p[:, None], alive.shape)
        return log_group_sum(log_p[alive], self.trie.node[alive], self.trie.num_nodes)

    @cached_property
    def edge_log_prob(self) -> np.ndarray:
        """log P(token | node) of every edge [nat]: float64[E]; -inf at nodes of probability zero."""
        alive = self.trie.edge >= 0
        log_p = np.broadcast_to(self.log_p[:, None], alive.shape)
        mass = log_group_sum(log_p[alive], self.trie.edge[alive], self.trie.num_edges)
        above = self.node_log_mass[self.trie.edge_node]
        return np.where(mass > -np.inf, mass - np.where(above > -np.inf, above, 0.0), -np.inf)

    @cached_property
    def prompts(self) -> Prompts:
        """The prompts of the listed documents, with their law P(x)."""
        return prompts_of(self.trie, self.vocabulary.prompt_length(self.trie.strings), self.log_p)

    @cached_property
    def answers(self) -> np.ndarray:
        """log P(y | x) [nat] of every listed document x y: float64[N]; -inf off the support."""
        prompt = self.prompts.log_p[self.prompts.group]
        return np.where(self.log_p > -np.inf, self.log_p - np.where(prompt > -np.inf, prompt, 0.0), -np.inf)

    def kl(self, other: "FiniteLanguage") -> float:
        """KL(P || Q) [nat per string] to another law on the same trie, exact; math.inf if Q lacks a string of P.

        Raises ValueError if the tries are different objects.
        """
        if other.trie is not self.trie:
            raise ValueError("kl: two languages on the same trie are required, found different ones")
        inside = self.log_p > -np.inf
        ratio = np.where(inside, np.where(inside, self.log_p, 0.0) - np.where(inside, other.log_p, 0.0), 0.0)
        return expectation(self.log_p, ratio)

    def with_law(self, log_p: np.ndarray) -> "FiniteLanguage":
        """The language with the law `log_p` [nat], float64[N], on the same strings and with the same styles."""
        return replace(self, log_p=log_p)

    def condition(
        self, event: np.ndarray, keep_prompts: bool = False, place: str = "restriction"
    ) -> tuple["FiniteLanguage", float]:
        """P(. | A) for a set A of listed strings (bool[N]), on the same trie, and log P(A) [nat]. See `given`."""
        return self.given(np.where(event, 0.0, -np.inf), keep_prompts, place)

    def given(
        self, log_member: np.ndarray, keep_prompts: bool = False, place: str = "restriction"
    ) -> tuple["FiniteLanguage", float]:
        """P(. | z) for a latent event z with `log_member` = log P(z | document) [nat], float64[N], and log P(z) [nat].

        By default prompts are conditioned too, so their law becomes P(x | z). With `keep_prompts` only the answers are
        conditioned: the law is P(x) P(y | x, z), which requires P(z | x) > 0 for every prompt. `log_member` may be any
        log weights: the law is then proportional to P e^(log_member). Raises `SpecificationError` if nothing is left.
        """
        joint = self.log_p + log_member
        log_mass = float(log_sum_exp(joint))
        if log_mass == -np.inf:
            raise SpecificationError(f"{place}: P(A) must be positive, found 0: it keeps no string of the language")
        if not keep_prompts:
            return self.with_law(joint - log_mass), log_mass
        prompts = self.prompts
        kept = log_group_sum(joint, prompts.group, prompts.num_groups)
        empty = (kept == -np.inf) & (prompts.log_p > -np.inf)
        if empty.any():
            first = prompts.first[np.argmax(empty)]
            example = self.vocabulary.decode(self.trie.strings[first][: prompts.length[first]])
            raise SpecificationError(
                f"{place}: keep_prompts needs P(A | x) > 0 for every prompt, found 0 for {example!r}; drop keep_prompts"
            )
        shift = np.where(kept > -np.inf, prompts.log_p - np.where(kept > -np.inf, kept, 0.0), 0.0)
        return self.with_law(joint + shift[prompts.group]), log_mass
