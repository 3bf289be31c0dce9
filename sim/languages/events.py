"""Regular events: sets of strings that a deterministic automaton or a regular expression over symbols defines."""

from dataclasses import dataclass

import numpy as np

from sim.languages.patterns import START, Expression, parse
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

MAX_STATES = 20_000
"""Largest number of states of the deterministic automaton of a regular expression, before it is minimised."""


@dataclass(frozen=True, eq=False)
class Dfa:
    """A complete deterministic automaton over symbols: `next_state` int[Q, V], `accept` bool[Q] and a start state.

    It accepts or rejects a whole string without its EOS, so column 0 is never read. Raises `SpecificationError` if
    the shapes disagree or a state does not exist.
    """

    next_state: np.ndarray
    accept: np.ndarray
    start: int

    def __post_init__(self) -> None:
        Q = len(self.accept)
        if self.next_state.ndim != 2 or len(self.next_state) != Q or not 0 <= self.start < Q:
            raise SpecificationError(
                f"dfa: next_state [Q, V], accept [Q] and a start state below Q are required, "
                f"found {self.next_state.shape}, {self.accept.shape} and {self.start}"
            )
        symbols = self.next_state[:, EOS + 1 :]
        if symbols.size and not (0 <= symbols.min() and symbols.max() < Q):
            raise SpecificationError(
                f"dfa: every next state must lie in 0..{Q - 1}, found others; add the missing states"
            )

    def accepts(self, strings: np.ndarray) -> np.ndarray:
        """Whether each string, up to its first EOS, is in the event: bool[N] for int[N, L]."""
        state = np.full(len(strings), self.start)
        alive = np.ones(len(strings), bool)
        for tokens in strings.T:
            alive = alive & (tokens != EOS)
            state = np.where(alive, self.next_state[state, tokens], state)
        return self.accept[state]

    def complement(self) -> "Dfa":
        """All strings over the vocabulary that are not in this event."""
        return Dfa(self.next_state, ~self.accept, self.start)

    def minimal(self) -> "Dfa":
        """The smallest automaton of the same event, with its states in the order of discovery. Source: Moore 1956."""
        columns, inverse = np.unique(self.next_state[:, EOS + 1 :], axis=1, return_inverse=True)
        block = self.accept.astype(np.int64)
        num_blocks = 0
        while block.max() + 1 > num_blocks:
            num_blocks = int(block.max()) + 1
            signature = np.column_stack([block, block[columns]])
            block = np.unique(signature, axis=0, return_inverse=True)[1].reshape(-1)
        _, member = np.unique(block, return_index=True)
        following = block[columns[member]]
        number = {int(block[self.start]): 0}
        for b in (found := list(number)):
            for c in following[b].tolist():
                if c not in number:
                    number[c] = len(found)
                    found.append(c)
        renumbered = np.array([number.get(b, -1) for b in range(num_blocks)])[following[found]]
        table = np.column_stack([np.arange(len(found)), renumbered[:, inverse.reshape(-1)]])
        return Dfa(table, self.accept[member[found]], 0)


def regular_expression(pattern: str, vocabulary: Vocabulary, place: str = "pattern") -> Dfa:
    """The event of all strings that match `pattern` as a whole; EOS is not part of a pattern.

    The pattern is over symbols. If strings are written with nothing between symbols (`joiner` is "") that all have one
    character, every character is a symbol, and so is a space. Otherwise a symbol is a word, and white space only
    separates words; it may be left out where strings are written without it, as in Chinese, and what can be cut into
    words in two ways is refused. There an operator belongs to the last word before it.

        a b      (words) or ab (characters): one after the other; the empty pattern is the empty string
        a | b    either               ( )   grouping
        a*  a+  a?                    any number, at least one, at most one
        a{2}  a{2,}  a{2,5}           exactly 2, at least 2, 2 to 5
        .        any symbol           [a b c]  one of these     [^a b]  any but these     (words; [abc] for characters)
        \\a       the next character is literal                   "a.b"  'a.b'  one symbol with any characters

    Inside brackets only `]`, a leading `^`, a backslash and a leading quote are special, so `[. ! ?]` is a set of three
    punctuation marks. A quote is special only at the beginning of a word, so don't can be written as it is. Two
    repetitions in a row need parentheses. A brace is special only in {m}, {m,} and {m,n} with numbers. Raises
    `SpecificationError`, one line with the position (from 0) and, for an unknown symbol, the nearest name. It is also
    raised if the pattern has more than 2 000 parts after its repetitions are written out, or if the deterministic
    automaton has more than 20 000 states.
    Source: Glushkov 1961, Russian Mathematical Surveys 16(5), for the position automaton that is made deterministic.
    """
    return _determinise(parse(pattern, vocabulary, place), place).minimal()


def _determinise(expression: Expression, place: str) -> Dfa:
    """Subset construction over the positions of an expression. Symbols that no position distinguishes are merged."""
    kinds, kind_of = np.unique(expression.symbols, axis=1, return_inverse=True)
    initial = frozenset([START])
    number, table = {initial: 0}, []
    subsets = [initial]
    for subset in subsets:
        after = np.array(sorted(set().union(*(expression.follow[p] for p in subset))), np.int64)
        row = []
        for kind in range(kinds.shape[1]):
            target = frozenset(after[kinds[after, kind]].tolist())
            if target not in number:
                number[target] = len(subsets)
                subsets.append(target)
            row.append(number[target])
        table.append(row)
        if len(subsets) > MAX_STATES:
            raise SpecificationError(
                f"{place}: at most {MAX_STATES} states are allowed, found more; simplify the pattern"
            )
    accept = np.array([not expression.last.isdisjoint(subset) for subset in subsets])
    return Dfa(np.array(table, np.int64)[:, kind_of.reshape(-1)], accept, 0)
