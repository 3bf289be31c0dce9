"""Cast a plain value of the configuration to the type of an annotation, or refuse it in one line."""

import inspect
import math
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

from sim.arguments import quoted
from sim.config.checks import Check
from sim.numerics import SpecificationError, in_one_line, nearest

REQUIRED: Any = inspect.Parameter.empty
"""It stands for the value of an argument that was not given and has no default."""

_NOUNS: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    type(None): "null",
}
_LISTS, _MAPPINGS = (list, tuple, Sequence), (dict, Mapping)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def cast(annotation: Any, value: Any, place: str) -> Any:
    """Return `value` in the type of `annotation`: as a float, "1e-3" becomes 0.001; as an int, 128.0 becomes 128.

    Raises SpecificationError, which names `place`, for a wrong type, a failed check, nan, and ±inf unless it is
    allowed. Raises TypeError (a mistake in the program) for an annotation that no configuration can express.
    """
    base, checks = _split(annotation)
    origin, members = typing.get_origin(base), typing.get_args(base)
    if base in (Any, object):
        fitting = _with_text_keys(value)
    elif _is_union(base):
        fitting = _cast_union(members, value, place)
    elif origin is Literal:
        same = (m for m in members if m == value and isinstance(m, bool) == isinstance(value, bool))
        fitting = next(same, REQUIRED)
    elif (origin or base) in _LISTS:
        fitting = _cast_items(origin or base, members, value, place)
    elif (origin or base) in _MAPPINGS:
        fitting = _cast_mapping(members or (Any, Any), value, place)
    else:
        fitting = _cast_scalar(base, value, infinite=any(condition.infinite for condition in checks))
    if fitting is REQUIRED:
        refuse(annotation, value, place)
    for condition in checks:
        if fitting is not None and not condition.holds(fitting):
            refuse(Annotated[base, condition], value, place)
    return fitting


def refuse(annotation: Any, value: Any, place: str) -> NoReturn:
    """Raise a SpecificationError that says what `annotation` requires at `place`, and what was found."""
    base = _split(annotation)[0]
    parts = typing.get_args(base) if _is_union(base) else (base,)
    choices = [c for part in parts if typing.get_origin(part) is Literal for c in typing.get_args(part)]
    hint = nearest(value, choices) if isinstance(value, str) else ""
    if isinstance(value, int | float) and base is str:
        hint = f"; quote it: {quoted(f'{place}={value}')}"
    if (typing.get_origin(base) or base) in _LISTS and isinstance(value, str | int | float):
        hint = f"; write [{value}]"
    if isinstance(value, float) and math.isinf(value) and float in parts:
        hint = "; it must be finite"
    raise SpecificationError(f"{place}: {_requirement(annotation)} is required, found {shown(value)}{hint}")


def shown(value: Any) -> str:
    """Write a value roughly as YAML would, in one line of at most 60 characters."""
    if value is REQUIRED:
        return "nothing"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = in_one_line(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cast_scalar(base: Any, value: Any, infinite: bool) -> Any:
    if base is float and isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)  # YAML 1.1 reads 1e-3 as a text
    if isinstance(value, bool) and base is not bool:
        return REQUIRED
    if base is float and isinstance(value, int | float):
        if isinstance(value, float) and math.isinf(value) and infinite:
            return value
        return float(value) + 0.0 if abs(value) <= sys.float_info.max else REQUIRED  # -0.0 becomes 0.0
    if base is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, base) else REQUIRED


def _cast_union(members: tuple[Any, ...], value: Any, place: str) -> Any:
    """Cast to the first member that accepts the value. An error inside a container is preferred to the union's own."""
    inside: SpecificationError | None = None
    for member in members:
        try:
            return cast(member, value, place)
        except SpecificationError as error:
            inside = inside if str(error).startswith(f"{place}:") else error
    if inside is not None:
        raise inside
    return REQUIRED


def _cast_items(container: Any, members: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, list | tuple):
        return REQUIRED
    fixed = container is tuple and members and members[-1] is not Ellipsis
    if fixed and len(members) != len(value):
        return REQUIRED
    annotations = members if fixed else (members or (Any,))[:1] * len(value)
    items = [cast(annotations[i], item, f"{place}[{i}]") for i, item in enumerate(value)]
    return items if container is list else tuple(items)


def _cast_mapping(members: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, Mapping):
        return REQUIRED
    text = members[0] in (Any, object)
    return {
        str(key) if text else cast(members[0], key, f"{place}.{key}"): cast(members[1], item, f"{place}.{key}")
        for key, item in value.items()
    }


def _with_text_keys(value: Any) -> Any:
    """Turn keys of mappings into text, as in JSON, because mixed keys such as 1 and "a" cannot be sorted."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def is_plain(annotation: Any) -> bool:
    """Return whether YAML can write a value of this type."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return is_plain(members[0])
    if _is_union(annotation):
        return any(is_plain(member) for member in members)
    return (origin or annotation) in (*_NOUNS, *_LISTS, *_MAPPINGS, None, Any, object, Literal)


def _split(annotation: Any) -> tuple[Any, tuple[Check, ...]]:
    """Return the type and its checks; the type is without the members of a union that YAML cannot write."""
    checks: tuple[Check, ...] = ()
    while typing.get_origin(annotation) is Annotated:
        annotation, *metadata = typing.get_args(annotation)
        checks += tuple(condition for condition in metadata if isinstance(condition, Check))
    if not is_plain(annotation):
        raise TypeError(f"a type that a configuration can express is required, found {annotation}")
    if _is_union(annotation):
        plain = [member for member in typing.get_args(annotation) if is_plain(member)]
        if len(plain) == 1:
            base, more = _split(plain[0])
            return base, checks + more
        annotation = typing.Union[tuple(plain)]  # noqa: UP007
    return type(None) if annotation is None else annotation, checks


def _requirement(annotation: Any) -> str:
    """Return the words that complete "... is required"."""
    base, checks = _split(annotation)
    origin, members = typing.get_origin(base), typing.get_args(base)
    if checks:
        typed = _NOUNS.get(members[0] if _is_union(base) else base, "a value")
        text = checks[0].description.replace("{type}", typed).replace("{noun}", typed.split()[-1])
        return f"{text} or null" if type(None) in members else text
    if _is_union(base):
        return " or ".join(dict.fromkeys(_requirement(member) for member in members))
    if origin is Literal:
        return f"one of {', '.join(shown(member) for member in members)}"
    if (origin or base) in _MAPPINGS:
        return "a mapping of names to values"
    fixed = origin is tuple and members[-1] is not Ellipsis
    return _NOUNS.get(base, f"a list of {len(members)} values" if fixed else "a list")
