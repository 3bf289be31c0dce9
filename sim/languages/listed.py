"""Any small language as a listed one, where everything is exact by enumeration."""

import math

from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.machine import Machine
from sim.languages.pcfg.horizon import enumerated
from sim.languages.pcfg.language import ContextFree
from sim.numerics import SpecificationError

MAX_LISTED = 20_000
"""Strings up to which a language is listed without being asked to."""


def listed(language: ExactLanguage, max_strings: int = MAX_LISTED) -> FiniteLanguage | None:
    """The language as a list of strings; None if it has more than `max_strings` of them, or infinitely many."""
    if isinstance(language, FiniteLanguage):
        return language if language.support_size <= max_strings else None
    if isinstance(language, Machine):
        try:
            small = language.support_size <= max_strings
        except UnavailableError:
            return None
        return language.enumerate(int(language.longest) + 1, max_strings)[0] if small else None
    if isinstance(language, ContextFree) and language.shape.longest < math.inf:
        try:
            return enumerated(language, int(language.shape.longest) + 1, max_strings)[0]
        except SpecificationError:  # more strings than that
            return None
    return None
