"""Helpers of worlds made from machines: names of symbols, when strings may end, and lists up to a horizon."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from sim.config import Check
from sim.grammars._mixture import MAX_STRINGS
from sim.languages.automaton import Automaton
from sim.languages.finite import FiniteLanguage
from sim.languages.machine import Machine, shown_count
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

MAX_STATES = 1_000
"""Largest number of states of the machine that a world is made from. Its transition matrix is dense."""

Stop = Check("a number from 0 to 1, 0 excluded,", lambda value: 0 < value <= 1)
"""The probability to stop after a symbol. With 0 strings would never end."""


def lettered(num_symbols: int) -> Vocabulary:
    """A vocabulary of symbols without a meaning: a, b, c, ..., or a0, a1, a2, ... if there are more than 26."""
    alphabet = [chr(ord("a") + a) if num_symbols <= 26 else f"a{a}" for a in range(num_symbols)]
    return Vocabulary(("<eos>", *alphabet))


def num_words(num_symbols: int, longest: int) -> int:
    """Number of words of at most `longest` symbols, the empty word included."""
    return longest + 1 if num_symbols == 1 else (num_symbols ** (longest + 1) - 1) // (num_symbols - 1)


def refuse_states(count: int, how: str) -> None:
    """Raise `SpecificationError` for a machine of more than `MAX_STATES` states. `how` says what to reduce."""
    if count > MAX_STATES:
        raise SpecificationError(
            f"a machine of at most {MAX_STATES} states is required, found {shown_count(count)}; reduce {how}"
        )


def stopping(
    vocabulary: Vocabulary,
    laws: np.ndarray,
    next_state: np.ndarray,
    names: Sequence[str],
    stops: np.ndarray,
    min_length: int,
    how: str,
) -> Automaton:
    """The automaton that starts in state 0 and may stop once it has emitted `min_length` symbols.

    It then stops in state s with probability `stops` float64[S]. `laws` float64[S, K] is the law of the next symbol if
    it goes on, and `next_state` int[S, K] is where this symbol leads. The states of the automaton are the reachable
    pairs of one of the S states and the number of symbols so far, up to `min_length`. Raises `SpecificationError` if
    there are too many; `how` says what to reduce.
    """
    number, pairs = {(0, 0): 0}, [(0, 0)]
    table, prob = [], []
    for s, n in pairs:
        ending = stops[s] if n == min_length else 0.0
        row = np.concatenate([[ending], (1 - ending) * laws[s]])
        following = np.full(len(vocabulary), -1)
        for token in (np.flatnonzero(row[EOS + 1 :]) + EOS + 1).tolist():
            pair = (int(next_state[s, token - 1]), min(n + 1, min_length))
            if pair not in number:
                number[pair] = len(pairs)
                pairs.append(pair)
            following[token] = number[pair]
        table.append(following)
        prob.append(row)
        refuse_states(len(pairs), how)
    named = tuple(names[s] + (f", {n} symbols so far" if n < min_length else "") for s, n in pairs)
    with np.errstate(divide="ignore"):
        return Automaton(vocabulary, np.array(table), np.log(np.array(prob)), 0, named)


def listed(machine: Machine, length: int, kind: str, how: str) -> tuple[FiniteLanguage, dict[str, float]]:
    """P(. | |x| <= `length` - 1 symbols), renormalised exactly, with the note `dropped_mass`, the mass left out.

    Raises `SpecificationError` for more than 10^6 strings, where `how` says what to reduce besides the length. It also
    raises it if no string is short enough.
    """
    size = 0
    for horizon, count in enumerate(islice(machine.strings.counts(), length), start=1):
        size += count
        if size > MAX_STRINGS:
            raise SpecificationError(
                f"length: at most {MAX_STRINGS} strings are listed, found {size} within length {horizon}; "
                f"lower it or reduce {how}"
            )
    language, dropped = machine.enumerate(length, MAX_STRINGS, kind)
    return language, {"dropped_mass": dropped}
