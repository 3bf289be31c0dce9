"""Draw strings from an exact language on the host, for estimates that are shown beside exact numbers."""

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import Symbol, by_lhs
from sim.numerics import EOS, SpecificationError

MOST_STEPS = 5_000_000
"""Largest number of steps (symbols, or rules of a grammar) for all drawn strings together."""

Tokens = tuple[int, ...]
"""A string without its EOS."""


def drawn(language: ExactLanguage, number: int, rng: np.random.Generator) -> list[Tokens]:
    """Return `number` independent strings of the language, as tokens without EOS.

    Lists are drawn by inverting the sums of their probabilities. Automata are walked, and grammars are derived; this
    gives the law of the strings, whatever the number of paths or derivations of a string. Raises `SpecificationError`
    if the strings have over 5 million symbols together, and `UnavailableError` for a chain that never stops.
    """
    if isinstance(language, FiniteLanguage):
        rows = _choices(np.exp(language.log_p)[None], np.zeros(number, np.int64), rng)
        strings, lengths = language.trie.strings, language.trie.lengths
        return [tuple(strings[row, : lengths[row] - 1].tolist()) for row in rows]
    if isinstance(language, Automaton):
        return _walks(language.first, language.prob, np.where(language.arcs, language.next_state, 0), number, rng)
    if isinstance(language, HiddenAutomaton):
        arcs = np.moveaxis(language.transitions, 0, 1)  # [S, V, S]
        S, V = arcs.shape[:2]
        flat = np.column_stack([language.stopping, arcs.reshape(S, -1)])
        outcome = np.append(0, np.tile(np.arange(S), V))
        symbol = np.append(EOS, np.repeat(np.arange(V), S))
        return _walks(language.first, flat, np.broadcast_to(outcome, flat.shape), number, rng, symbol)
    if isinstance(language, ContextFree):
        return _derivations(language, number, rng)
    raise unavailable("sample", "sequences never end, so there are no strings", "give it an eos, or use --length")


def _choices(prob: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One outcome for each of the given rows of probabilities [R, K]: int[len(rows)]. Outcomes of 0 are never drawn."""
    sums = np.cumsum(prob, axis=1)
    out = np.zeros(len(rows), np.int64)
    for row in np.unique(rows):
        here = rows == row
        points = rng.random(int(here.sum())) * sums[row, -1]
        out[here] = np.searchsorted(sums[row], points, side="right")
    return out


def _walks(
    first: np.ndarray,
    prob: np.ndarray,
    target: np.ndarray,
    number: int,
    rng: np.random.Generator,
    symbol: np.ndarray | None = None,
) -> list[Tokens]:
    """Walk until the stop, which is outcome 0 of every state. `symbol` [K] is the symbol of each outcome."""
    strings: list[list[int]] = [[] for _ in range(number)]
    alive, state, steps = np.arange(number), _choices(first[None], np.zeros(number, np.int64), rng), 0
    while len(alive):
        outcome = _choices(prob, state, rng)
        alive, state, outcome = (part[outcome > 0] for part in (alive, state, outcome))
        shown = outcome if symbol is None else symbol[outcome]
        for string, token in zip(alive.tolist(), shown.tolist(), strict=True):
            strings[string].append(token)
        state = target[state, outcome]
        steps += len(alive)
        _check(steps)
    return [tuple(string) for string in strings]


def _derivations(grammar: ContextFree, number: int, rng: np.random.Generator) -> list[Tokens]:
    """Replace the leftmost non-terminal by a rule that is drawn with its probability, until none is left."""
    own = by_lhs(grammar.rules, len(grammar.nonterminals))
    sums = [np.cumsum([float(rule.p) for rule in rules]) for rules in own]
    strings, steps = [], 0
    for _ in range(number):
        string: list[int] = []
        stack: list[Symbol] = [~grammar.start]
        while stack:
            symbol = stack.pop()
            steps += 1
            if symbol > 0:
                string.append(symbol)
                continue
            total = sums[~symbol]
            stack.extend(
                reversed(own[~symbol][int(np.searchsorted(total, rng.random() * total[-1], side="right"))].rhs)
            )
            _check(steps)
        strings.append(tuple(string))
    return strings


def _check(steps: int) -> None:
    if steps > MOST_STEPS:
        raise SpecificationError(
            f"sample: strings with at most {MOST_STEPS:,} symbols together are required, found more; draw fewer, "
            "or keep short ones with --length"
        )
