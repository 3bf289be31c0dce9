"""From a node `kind: <name>` plus arguments to its constructor, its canonical arguments and its object."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sim.config import given
from sim.config.casting import REQUIRED, shown
from sim.config.discovery import CONFIGURED, camel_case, member, members
from sim.config.signatures import canonical_of, configurable, injected, plain
from sim.numerics import SpecificationError, in_one_line


def resolve(group: str, kind: str, place: str) -> Callable[..., Any]:
    """Return the constructor of a kind: the function `kind` of the member's file, or the class with its CamelCase.

    Raises SpecificationError, which lists the known kinds, if there is no such member. Raises ValueError (a mistake in
    the program) for a group that a configuration cannot choose from.
    """
    if group not in CONFIGURED:
        raise ValueError(f"{group}: one of the groups {', '.join(CONFIGURED)} is required")
    module = member(group, kind, f"{place}.kind").load()
    constructor: Callable[..., Any] = getattr(module, kind if hasattr(module, kind) else camel_case(kind))
    return constructor


def canonical(group: str, node: Any, place: str) -> dict[str, Any]:
    """Return {"kind": ..., **arguments} with every argument of the constructor, cast, and with defaults filled in.

    It is equal for equal objects. Raises SpecificationError as `resolve` and `check` do.
    """
    if given.is_given(node):
        return given.checked(node, place)
    kind, constructor, arguments = _resolved(group, node, place)
    return {"kind": kind, **canonical_of(constructor, arguments, place)}


def construct(group: str, node: Any, place: str, *values: Any, **named: Any) -> Any:
    """Build the object that a node describes from positional `values` and the arguments of the node.

    named: values for keyword-only arguments that the program gives (`sim.config.signatures.injected`). Only those that
    the constructor has are passed. Raises SpecificationError as `resolve` and `check` do, and if the constructor needs
    a value that is not there: the model with which a stage begins, before anything is trained. A ValueError of the
    constructor becomes a SpecificationError that begins with the place.
    """
    try:
        if given.is_given(node):
            return given.constructed(node, place, *values)
        kind, constructor, arguments = _resolved(group, node, place)
        checked, wanted = canonical_of(constructor, arguments, place), injected(constructor)
        if not wanted <= named.keys():
            raise SpecificationError(
                f"{place}: a {group} that needs no trained model is required here, found {kind}, which is known only "
                "after pretraining; make it the restriction of a run or of a stage"
            )
        return constructor(*values, **{name: named[name] for name in wanted}, **checked)
    except ValueError as error:
        message = in_one_line(error)
        is_named = re.match(rf"{re.escape(place)}(?!\w)", message) is not None
        refusal = type(error) if isinstance(error, SpecificationError) else SpecificationError
        raise refusal(message if is_named else f"{place}: {message}") from error


def is_late(group: str, node: Any) -> bool:
    """Return whether the object of a node depends on a model that is trained first, so that it is built late."""
    if given.is_given(node) or not isinstance(node.get("kind"), str):
        return False
    return bool(injected(resolve(group, node["kind"], group)))


def described(group: str, node: Mapping[str, Any]) -> str:
    """Describe a node in words, for tables, reports and figures.

    This is the result of the member's `label(**arguments)` if it has this function. Otherwise it is the kind, followed
    by the arguments that differ from their defaults.
    """
    arguments = {key: value for key, value in node.items() if key != "kind"}
    kind = str(node["kind"])
    found = None if given.is_given(node) else members(group).get(kind)
    if found is None:  # a given object, or a member of a package that is no longer installed
        return str(arguments.get("name", kind))
    module = found.load()
    if hasattr(module, "label"):
        return str(module.label(**arguments))
    parameters = configurable(resolve(group, kind, group))
    changed = [name for name in arguments if name not in parameters or parameters[name].default != arguments[name]]
    return ", ".join([kind.replace("_", " "), *(f"{name.replace('_', ' ')} {arguments[name]}" for name in changed)])


def nodes(group: str, node: Any) -> Iterator[Mapping[str, Any]]:
    """Iterate over a node of a group and the nodes inside it, such as the steps of the restriction `in_turn`."""
    if isinstance(node, Mapping):
        if isinstance(node.get("kind"), str):
            yield node
        for value in node.values():
            yield from nodes(group, value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from nodes(group, value)


def _resolved(group: str, node: Any, place: str) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    if not isinstance(node, Mapping):
        raise SpecificationError(f"{place}: kind: <name> plus arguments is required, found {shown(node)}")
    arguments = plain(node, place)
    kind = arguments.pop("kind", REQUIRED)
    if not isinstance(kind, str):
        names = ", ".join(members(group))
        raise SpecificationError(f"{place}.kind: one of {names} is required, found {shown(kind)}")
    return kind, resolve(group, kind, place), arguments
