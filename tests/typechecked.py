"""The run-time check of types in the tests: beartype checks each call in `sim`, and jaxtyping the shapes in it.

jaxtyping's own decorator binds the arguments of every call to their names and checks them twice. That took more time
than what was called. This one has the same verdicts for what `sim` uses: axes with one name have one size within a
call, and a text that names nothing known is no annotation. `conftest.py` puts it in place before `sim` is imported.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype

CHECK = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))
THEIRS = jaxtyping.jaxtyped


def install() -> None:
    """Take the place of jaxtyping's decorator in modules that its hook imports from now on."""
    jaxtyping.jaxtyped = typechecked


def typechecked(checked: Any = None, *, typechecker: Any = None) -> Any:
    """Check the calls of a function, or the fields of a dataclass when it is made. `typechecker` is the hook's word."""
    if checked is None:
        return typechecked
    if not inspect.isclass(checked):
        return _function(checked)
    if dataclasses.is_dataclass(checked) and not hasattr(checked.__init__, "__wrapped__"):
        checked.__init__ = _function(checked.__init__)
    return checked


@dataclasses.dataclass(frozen=True)
class _Inner:
    """The check of a function inside a function, as it was made at the first call of the outer one."""

    annotations: dict[str, Any]
    check: FunctionType | None
    of_arrays: bool

    def again(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """The same check of the function as it is defined now, with other values from around it. None: no check."""
        if self.check is None:
            return plain
        one = self.check
        found = FunctionType(one.__code__, one.__globals__, one.__name__, one.__defaults__, one.__closure__)
        found.__kwdefaults__ = {**(one.__kwdefaults__ or {}), CHECKED: plain}
        return functools.update_wrapper(found, plain)


CHECKED = "__beartype_func"
"""The argument of beartype's check that is the function which it calls."""

_INNER: dict[tuple[CodeType, str, str], _Inner] = {}
"""Inner functions are defined anew at each call of the outer one. To make their checks anew too took much time."""


def _function(plain: Callable[..., Any]) -> Callable[..., Any]:
    inner = _INNER.get(_place(plain))
    if inner is not None and inner.annotations == plain.__annotations__:
        checked, of_arrays = inner.again(plain), inner.of_arrays
    else:
        checked, of_arrays = _made(plain)
    if not of_arrays:
        return checked
    within = _context()

    @functools.wraps(plain)
    def one_call(*positional: Any, **named: Any) -> Any:
        with within:
            return checked(*positional, **named)

    return one_call


def _place(plain: Callable[..., Any]) -> tuple[CodeType, str, str]:
    return plain.__code__, plain.__module__, plain.__qualname__


def _made(plain: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """Make the check of a function, and return it and whether it looks at shapes of arrays."""
    written = plain.__annotations__
    known = {name: _resolved(one, plain.__globals__) for name, one in written.items()}
    plain.__annotations__ = known
    checked = CHECK(plain)
    plain.__annotations__ = checked.__annotations__ = written
    of_arrays = any(map(_mentions_arrays, known.values()))
    same = checked is plain or CHECKED in (getattr(checked, "__kwdefaults__", None) or {})
    if same and "<locals>" in plain.__qualname__ and not any(isinstance(one, str) for one in written.values()):
        _INNER[_place(plain)] = _Inner(dict(written), None if checked is plain else checked, of_arrays)
    return checked, of_arrays


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    """Return an annotation without texts; `Any` for one with names that are not known yet, or not at all."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names, include_extras=True)["it"]
    except Exception:
        return Any


@functools.cache
def _context() -> AbstractContextManager[None]:
    """Within it, axes with one name have one size. It is made late, because this imports jax, which reads settings."""
    return THEIRS("context")


def _mentions_arrays(annotation: Any) -> bool:
    if parts := annotation if isinstance(annotation, list | tuple) else get_args(annotation):
        return any(map(_mentions_arrays, parts))
    return getattr(annotation, "__module__", "").startswith("jaxtyping")
