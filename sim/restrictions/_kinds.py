"""Operations that restrictions share, for every kind of language, listed or not."""

from collections.abc import Iterable

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.events import Dfa
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg import weights
from sim.languages.pcfg.language import ContextFree
from sim.languages.restricted import Narrowed, Restricted
from sim.numerics import EOS


def conditioned(p: ExactLanguage, event: Dfa, place: str) -> Restricted | Narrowed:
    """S = P_A = P(. | A) for a regular event A, and log P(A) [nat]; exact for every kind.

    Raises `SpecificationError` if P(A) = 0, and `UnavailableError` for a kind that cannot be conditioned.
    """
    if isinstance(p, FiniteLanguage):
        return on_list(p, event.accepts(p.trie.strings), place)
    if isinstance(p, Automaton | HiddenAutomaton):
        kept, log_mass = p.condition(event, place)
        return Narrowed(kept, kept, log_mass, 0.0)
    if isinstance(p, ContextFree):
        grammar, log_mass = weights.condition(p, event, place)
        return Narrowed(grammar, grammar, log_mass, 0.0)
    raise unavailable(place, "its sequences never end, so no set of strings has a probability", "give it an end")


def on_list(p: FiniteLanguage, event: np.ndarray, place: str, keep_prompts: bool = False, **notes: float) -> Restricted:
    """S = P(. | A) for a set A of listed strings, bool[N]. With `keep_prompts` it is S = P(x) P(y | x, A)."""
    kept, log_mass = p.condition(event, place=place)
    s = p.condition(event, True, place)[0] if keep_prompts else kept
    return Restricted(s, kept, event, log_mass, notes)


def within(p: FiniteLanguage, s: FiniteLanguage, place: str, **notes: float) -> Restricted:
    """The result for a given S on the trie of P, with A = supp S."""
    event = s.log_p > -np.inf
    kept, log_mass = p.condition(event, place=place)
    return Restricted(s, kept, event, log_mass, notes)


def needs_list(p: ExactLanguage, place: str, why: str) -> FiniteLanguage:
    """Return the language if it is listed. Otherwise raise `UnavailableError`, where `why` says why it must be."""
    if not isinstance(p, FiniteLanguage):
        raise unavailable(place, why, "list its strings with a length (tier A)")
    return p


def only(strings: Iterable[tuple[int, ...]], vocab_size: int) -> Dfa:
    """The event that holds exactly these strings, given as tokens. The automaton is the tree of their prefixes."""
    table = [[0] * vocab_size, [0] * vocab_size]  # state 0 always rejects, state 1 is the empty prefix
    ends = [False, False]
    for string in strings:
        state = 1
        for token in string:
            if not table[state][token]:
                table[state][token] = len(table)
                table.append([0] * vocab_size)
                ends.append(False)
            state = table[state][token]
        ends[state] = True
    steps = np.array(table)
    steps[:, EOS] = 0  # this column is never read
    return Dfa(steps, np.array(ends), 1)
