"""The code of a claim as text for its digest: without what changes no verdict."""

import ast
from typing import Any


def normalised(source: str) -> str:
    """The syntax tree of a module as text, without comments, docstrings, imports and names given by `as`.

    A helper that is moved elsewhere changes nothing; a number, a comparison, a formula or a call does.
    """
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    own_names = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [one for one in body if not isinstance(one, ast.Import | ast.ImportFrom) and not _is_text(one)]
            node.body = kept  # type: ignore[attr-defined]
        if isinstance(node, ast.Name):
            node.id = own_names.get(node.id, node.id)
    return _written(tree)


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
