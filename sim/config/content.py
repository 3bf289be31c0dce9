"""SHA-256 of what decides a result besides the configuration: source files of members, and objects given in Python."""

import ast
import dataclasses
import functools
import hashlib
import inspect
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.config.discovery import KINDS, Member
from sim.numerics import SpecificationError

OURS = ("sim", "experiments", "figures")
"""The packages of this project. What they compute is part of the version of the results."""


@functools.cache
def member_digest(member: Member) -> str:
    """SHA-256 of the file of a member and of all files that it imports, directly or indirectly.

    Only files of the same room count, or of the same package if the member is from outside this project. Each file is
    read once in a process, like the code itself.
    """
    root = member.package.name if member.package else KINDS[member.kind].package
    folder = member.package.folder if member.package else _top(member)
    content = hashlib.sha256()
    for name, file in sorted(_closure(member.module, root, folder).items()):
        content.update(f"{name}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()


def object_digest(thing: Any) -> str:
    """SHA-256 of the content of an object: numbers, arrays, dataclasses, functions and classes, containers of these.

    The content of a function or class is its source and all that it uses: functions, classes and values of its own
    module and of other modules, except the standard library, this project and installed packages, which count by name.
    Of a module that is used as a whole, the file counts. If the content of an object cannot be determined, it raises
    SpecificationError, which says what to do.
    """
    content = hashlib.sha256()
    for part in _parts(thing, frozenset()):
        content.update(part)
    return content.hexdigest()


def _top(member: Member) -> Path:
    depth = member.module.count(".") - KINDS[member.kind].package.count(".")
    file = member.file.parent if member.file.name == "__init__.py" else member.file
    return file.parents[depth - 1]


def _closure(module: str, root: str, folder: Path) -> dict[str, Path]:
    """Return the module's own file, and the files below a package that it imports at any depth, by dotted name."""
    found: dict[str, Path] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        file = _file(name, root, folder)
        if file is None or name in found:
            continue
        found[name] = file
        if name != root and name.startswith(f"{root}."):
            todo.append(name.rpartition(".")[0])  # to import a module also runs its package
        todo += _imports(file, name)
    return found


def _file(name: str, root: str, folder: Path) -> Path | None:
    if name != root and not name.startswith(f"{root}."):
        return None
    place = folder.joinpath(*name.removeprefix(root).split(".")[1:])
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((file for file in candidates if file.is_file()), None)


def _imports(file: Path, name: str) -> Iterator[str]:
    """Iterate over the dotted names that a file may import. For `from a import b` these are `a` and `a.b`."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _parts(thing: Any, seen: frozenset[int]) -> Iterator[bytes]:
    """Iterate over the content of an object as bytes. `seen` holds the objects around it: functions can form cycles."""
    if id(thing) in seen:
        return
    seen |= {id(thing)}
    yield f"<{type(thing).__name__}>".encode()
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        yield repr(thing).encode()
    elif isinstance(thing, types.FunctionType | type):
        yield from _code(thing, seen)
    elif dataclasses.is_dataclass(thing):
        yield from _parts(type(thing), seen)
        for field in dataclasses.fields(thing):
            yield field.name.encode()
            yield from _parts(getattr(thing, field.name), seen)
    elif isinstance(thing, Mapping):
        for key, value in sorted(thing.items(), key=repr):
            yield from (*_parts(key, seen), *_parts(value, seen))
    elif isinstance(thing, list | tuple | set | frozenset):
        for value in sorted(thing, key=repr) if isinstance(thing, set | frozenset) else thing:
            yield from _parts(value, seen)
    elif isinstance(thing, functools.partial):
        yield from _parts((thing.func, thing.args, thing.keywords), seen)
    elif hasattr(thing, "__wrapped__"):  # such as a function under jax.jit
        yield from _parts(thing.__wrapped__, seen)
    elif hasattr(thing, "__name__") and _installed(getattr(thing, "__module__", None) or type(thing).__module__):
        yield f"{type(thing).__module__}.{thing.__name__}".encode()
    elif hasattr(thing, "__array__") and np.asarray(thing).dtype != object:
        array = np.asarray(thing)
        yield f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
    else:
        raise SpecificationError(
            f"{type(thing).__name__}: an object with content that can be hashed is required, found {type(thing)!r}; "
            "make it a dataclass of numbers, arrays, functions and such objects"
        )


def _code(thing: types.FunctionType | type, seen: frozenset[int]) -> Iterator[bytes]:
    """Iterate over the source of a function or class, the variables it closes over, and what it uses of its module."""
    if _installed(thing.__module__ or ""):
        yield f"{thing.__module__}.{thing.__qualname__}".encode()
        return
    try:
        yield inspect.getsource(thing).encode()
    except (OSError, TypeError):
        raise SpecificationError(
            f"{thing.__qualname__}: readable source is required, found none; define it in a file or a notebook"
        ) from None
    functions = [thing] if isinstance(thing, types.FunctionType) else [
        inspect.unwrap(one) for one in vars(thing).values() if inspect.isfunction(one)
    ]  # fmt: skip
    for function in functions:
        for cell in function.__closure__ or ():
            yield from _parts(cell.cell_contents, seen)
        for name in sorted(_names(function.__code__)):
            used = function.__globals__.get(name)
            if isinstance(used, types.ModuleType):
                yield from _whole(used, seen)
            elif used is not None:
                yield from _parts(used, seen)


def _names(code: types.CodeType) -> set[str]:
    """Return the names that a function looks up outside, those of the functions inside it included."""
    inner = (one for one in code.co_consts if isinstance(one, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _whole(module: types.ModuleType, seen: frozenset[int]) -> Iterator[bytes]:
    """Iterate over the source of a module and of the modules that it imports, as far as they are not installed."""
    yield module.__name__.encode()
    if _installed(module.__name__) or id(module) in seen:
        return
    try:
        yield inspect.getsource(module).encode()
    except (OSError, TypeError):
        raise SpecificationError(
            f"{module.__name__}: readable source is required, found none; install it, or write it in Python"
        ) from None
    for name in sorted(set(_imports(Path(inspect.getfile(module)), module.__name__))):
        if name in sys.modules:
            yield from _whole(sys.modules[name], seen | {id(module)})


def _installed(module: str) -> bool:
    """Return whether a module belongs to this project, to the standard library, or to an installed package."""
    top = module.partition(".")[0]
    if top in OURS or top in sys.stdlib_module_names:
        return True
    found = sys.modules.get(top)
    places = [getattr(found, "__file__", None), *getattr(found, "__path__", [])]
    return any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places if place)
