"""The likeliest path of a hidden automaton (Viterbi). A string sums over its paths, so the likeliest can be another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from sim.languages.exact import Prefix
from sim.languages.hidden import HiddenAutomaton
from sim.numerics import EOS, SpecificationError


@dataclass(frozen=True)
class Path:
    """A path: the n + 1 states that it visits, the n symbols between them, and log P(path) [nat]."""

    states: tuple[int, ...]
    tokens: tuple[int, ...]
    log_p: float


def likeliest_path(language: HiddenAutomaton) -> Path:
    """The path of states and symbols, with its stop, that has the largest probability; exact.

    It visits no state twice, because a loop can only lower the probability. The states are settled in falling
    probability of their best way to a stop. Ties go to the state and the symbol with the smallest number.
    Source: Dijkstra 1959, Numerische Mathematik 1, on lengths -log p.
    """
    with np.errstate(divide="ignore"):
        arcs, best, begin = (np.log(a) for a in (language.transitions, language.stopping, language.initial))
    token, arc = arcs.argmax(axis=0), arcs.max(axis=0)
    following, open_ = np.full(len(best), -1), np.ones(len(best), bool)
    for _ in range(len(best)):
        t = int(np.argmax(np.where(open_, best, -np.inf)))
        open_[t] = False
        better = open_ & (arc[:, t] + best[t] > best)
        best[better], following[better] = (arc[:, t] + best[t])[better], t
    state = int(np.argmax(begin + best))
    states, tokens, log_p = [state], list[int](), float(begin[state] + best[state])
    while following[state] >= 0:
        tokens.append(int(token[state, following[state]]))
        state = int(following[state])
        states.append(state)
    return Path(tuple(states), tuple(tokens), log_p)


def viterbi(language: HiddenAutomaton, tokens: Prefix) -> Path:
    """The likeliest path among those of one string, given with or without its EOS; exact.

    P(path) / P(x) is the probability of this path given the string. Ties go to the state with the smallest number.
    Raises `SpecificationError` if the string has probability 0.
    Source: Viterbi 1967, IEEE Trans. Inf. Theory 13(2).
    """
    symbols = tuple(int(token) for token in takewhile(lambda token: int(token) != EOS, tokens))
    if language.log_prob(symbols) == -np.inf:
        raise SpecificationError(f"path: a possible string is required, found {language.vocabulary.written(symbols)}")
    with np.errstate(divide="ignore"):
        here, stops = np.log(language.initial), np.log(language.stopping)
        steps = [np.log(language.transitions[token]) for token in symbols]
    back: list[Sequence[int]] = []
    for step in steps:
        ways = here[:, None] + step
        back.append(ways.argmax(axis=0).tolist())
        here = ways.max(axis=0)
    states = [int(np.argmax(here + stops))]
    log_p = float((here + stops)[states[0]])
    for source in reversed(back):
        states.append(source[states[-1]])
    return Path(tuple(reversed(states)), symbols, log_p)
