"""Keep the longest strings."""

from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted


def longest(p: FiniteLanguage) -> Restricted:
    """S = P given the greatest length that a string has."""
    event = p.trie.lengths == p.trie.lengths.max()
    s, log_mass = p.condition(event)
    return Restricted(s, s, event, log_mass)
