"""A node `kind: <name>` plus arguments -> the constructor of that name, its canonical arguments, the object."""

import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sim.config.casting import REQUIRED, shown
from sim.config.signatures import canonical_of, plain
from sim.numerics import SpecificationError, nearest

PACKAGES: dict[str, str] = {
    "grammar": "grammars",
    "restriction": "restrictions",
    "model": "models",
    "objective": "objectives",
    "optimizer": "optimizers",
}
"""Group of the configuration -> package of `sim` that holds its kinds, one file each."""


def resolve(group_package: str, kind: str, place: str) -> Callable[..., Any]:
    """The constructor of `kind`: the attribute `kind`, or its CamelCase, of the module sim.<group_package>.<kind>.

    Raises SpecificationError, listing the kinds there are, if the package's folder has no such file. Nothing outside
    the packages of `PACKAGES` can be reached.
    """
    if group_package not in PACKAGES.values():
        raise ValueError(f"{group_package}: one of the packages {', '.join(PACKAGES.values())} is required")
    kinds = _kinds(group_package)
    if kind not in kinds:
        names = ", ".join(kinds) or "(none yet)"
        raise SpecificationError(f"{place}.kind: one of {names} is required, found {shown(kind)}{nearest(kind, kinds)}")
    module = importlib.import_module(f"sim.{group_package}.{kind}")
    constructor: Callable[..., Any] = getattr(module, kind if hasattr(module, kind) else _camel_case(kind))
    return constructor


def canonical(group: str, node: Any, place: str) -> dict[str, Any]:
    """{"kind": ..., every argument of the constructor, cast, defaults filled in}: equal for equal objects.

    Raises SpecificationError as `resolve` and `check` do.
    """
    kind, constructor, arguments = _resolved(group, node, place)
    return {"kind": kind, **canonical_of(constructor, arguments, place)}


def construct(group: str, node: Any, place: str, *injected: Any) -> Any:
    """The object that a node describes, built from `injected` positional values and the node's arguments.

    Raises SpecificationError as `resolve` and `check` do, and for any ValueError of the constructor, with the place in
    front.
    """
    _, constructor, arguments = _resolved(group, node, place)
    arguments = canonical_of(constructor, arguments, place)
    try:
        return constructor(*injected, **arguments)
    except ValueError as error:
        message = " ".join(str(error).split())
        named = re.match(rf"{re.escape(place)}\b", message) is not None
        kind = type(error) if isinstance(error, SpecificationError) else SpecificationError
        raise kind(message if named else f"{place}: {message}") from error


def _resolved(group: str, node: Any, place: str) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    if not isinstance(node, Mapping):
        raise SpecificationError(f"{place}: kind: <name> plus arguments is required, found {shown(node)}")
    arguments = plain(node, place)
    kind = arguments.pop("kind", REQUIRED)
    if not isinstance(kind, str):
        names = ", ".join(_kinds(PACKAGES[group]))
        raise SpecificationError(f"{place}.kind: one of {names} is required, found {shown(kind)}")
    return kind, resolve(PACKAGES[group], kind, place), arguments


def _kinds(group_package: str) -> list[str]:
    """Names of the files that define a constructor of their own name; none of them is imported to find out."""
    spec = importlib.util.find_spec(f"sim.{group_package}")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    files = [
        file
        for folder in folders
        for file in Path(folder).glob("*.py")
        if re.fullmatch("[a-z0-9][a-z0-9_]*", file.stem)
    ]
    return sorted(file.stem for file in files if _defines(file.read_text(encoding="utf-8"), file.stem))


def _defines(source: str, kind: str) -> bool:
    return re.search(rf"^(def|class) ({kind}|{_camel_case(kind)})\b|^{kind}\s*[:=]", source, re.MULTILINE) is not None


def _camel_case(kind: str) -> str:
    return "".join(word.capitalize() for word in kind.split("_"))
