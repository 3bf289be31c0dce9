"""The code of a claim as text for its digest: without what changes no verdict."""

import ast
import functools
from collections.abc import Iterator
from typing import Any


@functools.lru_cache(maxsize=128)  # the files of all claims, several times; a digest asks for every file of its claim
def normalised(source: str) -> str:
    """The syntax tree of a module as text, without comments, docstrings and imports, and with imported names numbered.

    The numbers follow the order in which the names are first used. So a helper that is moved or renamed elsewhere
    changes nothing; a number, a comparison, a formula or another order of calls does. What shared helpers do is frozen
    by tests of archived cases (`tests/unit/experiments/test_frozen.py`).
    """
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not isinstance(one, ast.Import | ast.ImportFrom) and not _is_text(one)]
            node.body = kept  # type: ignore[attr-defined]
    numbers: dict[str, str] = {}
    for name in _names(tree):
        if name.id in imported:
            name.id = numbers.setdefault(name.id, f"import {len(numbers)}")
    return _written(tree)


def _names(node: ast.AST) -> Iterator[ast.Name]:
    """Iterate over the names of a tree in the order of the source."""
    if isinstance(node, ast.Name):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def _written(node: Any) -> str:
    """A syntax tree as text. Empty fields are left out: versions of Python differ in them, and so does `ast.dump`."""
    if isinstance(node, list):
        return f"[{', '.join(map(_written, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    said = (f"{name}={_written(value)}" for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({', '.join(said)})"


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
