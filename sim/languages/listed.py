"""Turn any small language into a list of strings. All quantities of a list are exact by enumeration."""

import math

from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.machine import Machine
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError

MAX_LISTED = 20_000
"""Largest number of strings that is listed by default."""


LONGEST = 500
"""A grammar with a string longer than this [symbols] is never enumerated: the time grows with its square."""

LONG = 60
"""A grammar with no string longer than this [symbols] is always enumerated, to see how many strings it has."""


def listed(language: ExactLanguage, max_strings: int = MAX_LISTED) -> FiniteLanguage | None:
    """Return the language as a list of strings; None if it has more than `max_strings` of them.

    An infinite language gives None too, and so does a machine with too many sets of states.
    """
    if isinstance(language, FiniteLanguage):
        return language if language.support_size <= max_strings else None
    if not isinstance(language, Machine | ContextFree) or not isinstance(language.longest, int):
        return None
    try:
        if isinstance(language, Machine) and language.support_size > max_strings:
            return None
        if isinstance(language, ContextFree) and _hopeless(language, max_strings):
            return None
        found = language.enumerate(language.longest + 1, max_strings)[0]
        return found if found.support_size <= max_strings else None
    except (UnavailableError, SpecificationError):  # there are too many sets of states, or too many strings
        return None


def _hopeless(language: ContextFree, max_strings: int) -> bool:
    """Whether listing is not tried: some string is long, and derivations are over 100 times too many."""
    if language.longest > LONGEST:
        return True
    return language.longest > LONG and language.shape.log_derivations > math.log(100 * max_strings)
