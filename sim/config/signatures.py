"""Check arguments against the signature of a constructor: names, presence, types and ranges."""

import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sim.config.casting import REQUIRED, cast, is_plain, refuse
from sim.numerics import SpecificationError, nearest


@functools.lru_cache(maxsize=256)  # a multirun asks again for each of its runs
def configurable(constructor: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return what a user may set: the init fields of a dataclass, or the keyword-only parameters of anything else.

    Annotations are resolved, and default factories are called: `default` is a value, or `inspect.Parameter.empty` if
    the argument is required. Arguments that the program gives are left out, see `injected`. The result is shared.
    """
    if isinstance(constructor, type) and dataclasses.is_dataclass(constructor):
        hints = typing.get_type_hints(constructor, include_extras=True)
        found = [(f.name, _default(f), hints[f.name]) for f in dataclasses.fields(constructor) if f.init]
    else:
        function = inspect.getattr_static(constructor, "__init__") if isinstance(constructor, type) else constructor
        hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
        parameters = inspect.signature(constructor).parameters.values()
        found = [(p.name, p.default, hints.get(p.name, Any)) for p in parameters if p.kind is p.KEYWORD_ONLY]
    only = inspect.Parameter.KEYWORD_ONLY
    return MappingProxyType(
        {
            name: inspect.Parameter(name, only, default=value, annotation=hint)
            for name, value, hint in found
            if not _is_injected(hint)
        }
    )


@functools.lru_cache(maxsize=256)
def injected(constructor: Callable[..., Any]) -> frozenset[str]:
    """Return the keyword-only arguments that the program gives. Their type is a class that is marked `is_injected`."""
    if isinstance(constructor, type):
        return frozenset()
    hints = typing.get_type_hints(inspect.unwrap(constructor), include_extras=True)
    parameters = inspect.signature(constructor).parameters.values()
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and _is_injected(hints.get(p.name)))


def _is_injected(hint: Any) -> bool:
    return getattr(hint, "is_injected", False) is True


def known_names(
    found: Iterable[str], allowed: Iterable[str], owner: str, place: str = "", others: Sequence[str] = ()
) -> None:
    """Raise SpecificationError for the first name that is not allowed.

    `owner` is what takes the arguments, and `others` are arguments that it takes from the program only.
    """
    allowed = list(dict.fromkeys(allowed))
    for name in found:
        if name not in allowed:
            hint = nearest(name, allowed) or f"; it takes {', '.join(allowed) or 'none'}"
            if name in others:
                hint += (
                    f"; to be configured, {name} must be keyword-only (after `*,`), or a field of a `@struct.dataclass`"
                )
            raise SpecificationError(f"{within(place, name)}: unknown argument of {owner}{hint}")


def source(constructor: Callable[..., Any]) -> str:
    """Return the name of a constructor and its file, for messages."""
    module = sys.modules.get(constructor.__module__)
    return f"{constructor.__qualname__} ({getattr(module, '__file__', None) or constructor.__module__})"


def _positional(constructor: Callable[..., Any]) -> list[str]:
    """Return the parameters that a configuration cannot set; for a class that is no dataclass, its fields as well."""
    if isinstance(constructor, type):
        return [] if dataclasses.is_dataclass(constructor) else list(inspect.get_annotations(constructor))
    parameters = inspect.signature(constructor).parameters.values()
    return [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY]


def within(place: str, name: Any) -> str:
    """Return the dotted place of an argument in the configuration. The top level has the place ""."""
    return f"{place}.{name}" if place else str(name)


def check(constructor: Callable[..., Any], arguments: Any, place: str) -> dict[str, Any]:
    """Return the given arguments, cast by their annotations, without defaults.

    Raises SpecificationError if an argument is unknown, missing, of a wrong type or out of range, for `_target_` at any
    depth, and for an annotation that no configuration can express.
    """
    arguments = plain(arguments, place)
    if not isinstance(arguments, dict):
        refuse(dict, arguments, place)
    parameters = configurable(constructor)
    known_names(arguments, parameters, constructor.__name__, place, _positional(constructor))
    for name, parameter in parameters.items():
        if not is_plain(parameter.annotation):
            raise SpecificationError(
                f"{source(constructor)}: a type that a configuration can express is required for {name}, found "
                f"{parameter.annotation}; use bool, int, float, str, Literal, or a list or mapping of these"
            )
        value = arguments.get(name, parameter.default)
        if value is REQUIRED or (isinstance(value, str) and value == "???"):
            refuse(parameter.annotation, REQUIRED, within(place, name))
    return {name: cast(parameters[name].annotation, value, within(place, name)) for name, value in arguments.items()}


def canonical_of(constructor: Callable[..., Any], arguments: Any, place: str) -> dict[str, Any]:
    """Return every configurable argument, cast, with defaults filled in, in the order of the signature.

    Two descriptions of the same object give equal values. The hash of a run is computed from them. It raises what
    `check` raises.
    """
    given = check(constructor, arguments, place)
    return {
        name: given[name] if name in given else cast(parameter.annotation, parameter.default, within(place, name))
        for name, parameter in configurable(constructor).items()
    }


def plain(value: Any, place: str) -> Any:
    """Return the value with dictionaries and lists in place of other containers.

    Raises SpecificationError for `_target_` at any depth, because Hydra would call what it names.
    """
    if isinstance(value, Mapping):
        if "_target_" in value:
            raise SpecificationError(
                f"{within(place, '_target_')}: not allowed here; write kind: <name> plus arguments"
            )
        return {key: plain(item, within(place, key)) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return value


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default
