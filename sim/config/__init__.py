"""A constructor's signature is the schema of its configuration: types, ranges, nearest names, one-line errors.

A node of the configuration is `kind: <name>` plus arguments. The name is looked up in the group's own package and
nowhere else, and every argument is cast by its annotation, so that `1`, `1.0` and an omitted default describe the same
object. Keyword-only parameters of a function and the fields of a dataclass are configuration; positional parameters
are what the program injects.

Annotations understood: int, float, bool, str, None, Any, Literal, unions, list, tuple, Sequence, dict, Mapping, and
`Annotated[T, check]` with a `Check`. YAML cannot write an array, so of a union with array members (`Number`,
`float | Float[Array, ""]`) what counts is the rest: a number that a program traces is a float here.
"""

from sim.config.checks import (
    AtLeast,
    Check,
    Extended,
    Fraction,
    HalfOpenFraction,
    Name,
    NonNegative,
    OpenFraction,
    Positive,
)
from sim.config.groups import PACKAGES, canonical, construct, resolve
from sim.config.signatures import canonical_of, check, configurable, known_names

__all__ = [
    "PACKAGES",
    "AtLeast",
    "Check",
    "Extended",
    "Fraction",
    "HalfOpenFraction",
    "Name",
    "NonNegative",
    "OpenFraction",
    "Positive",
    "canonical",
    "canonical_of",
    "check",
    "configurable",
    "construct",
    "known_names",
    "resolve",
]
