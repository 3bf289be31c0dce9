"""The signature of a constructor is the schema of its configuration: types, ranges, nearest names, one-line errors.

A node of the configuration is `kind: <name>` plus arguments. The name is looked up among the members of its group
(`sim.config.discovery`) and nowhere else. Every argument is cast by its annotation, so that `1`, `1.0` and an omitted
default describe the same object. The keyword-only parameters of a function and the fields of a dataclass are
configurable. Positional parameters are injected by the program.

These annotations are understood: int, float, bool, str, None, Any, Literal, unions, list, tuple, Sequence, dict,
Mapping, and `Annotated[T, check]` with a `Check`. YAML cannot write an array. So array members of a union (`Number`,
`float | Float[Array, ""]`) are ignored: a number that a program traces is a float here.
"""

from sim.config.checks import (
    AtLeast,
    Check,
    Extended,
    Folder,
    Fraction,
    HalfOpenFraction,
    Name,
    NonNegative,
    OpenFraction,
    Positive,
)
from sim.config.discovery import GROUPS, conf_folder, conf_folders, member, members
from sim.config.groups import canonical, construct, described, is_late, nodes, resolve
from sim.config.signatures import canonical_of, check, configurable, known_names

__all__ = [
    "GROUPS",
    "AtLeast",
    "Check",
    "Extended",
    "Folder",
    "Fraction",
    "HalfOpenFraction",
    "Name",
    "NonNegative",
    "OpenFraction",
    "Positive",
    "canonical",
    "canonical_of",
    "check",
    "conf_folder",
    "conf_folders",
    "configurable",
    "construct",
    "described",
    "is_late",
    "known_names",
    "member",
    "members",
    "nodes",
    "resolve",
]
