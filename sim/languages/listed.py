"""Any small language as a listed one, where everything is exact by enumeration."""

import math

from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.machine import Machine
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError

MAX_LISTED = 20_000
"""Strings up to which a language is listed without being asked to."""


LONG = 60
"""Symbols up to which the strings of a grammar are listed to see how many there are."""


def listed(language: ExactLanguage, max_strings: int = MAX_LISTED) -> FiniteLanguage | None:
    """The language as a list of strings; None if it has more than `max_strings` of them, or infinitely many."""
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
    except (UnavailableError, SpecificationError):  # too many sets of states, or strings
        return None


def _hopeless(language: ContextFree, max_strings: int) -> bool:
    """Whether there are so many derivations of so long strings that listing them is not even tried."""
    return language.longest > LONG and language.shape.log_derivations > math.log(100 * max_strings)
