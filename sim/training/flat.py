"""Trees of arrays as flat dictionaries, for file formats that only know names and arrays."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from sim.typing import PyTree


def flat(tree: PyTree) -> dict[str, np.ndarray]:
    """Return every leaf by its path: the names on it, joined by dots."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {path_name(path): np.asarray(leaf) for path, leaf in leaves}


def unflat(arrays: Mapping[str, Any], like: PyTree) -> PyTree:
    """Undo `flat`: return the arrays as a tree like another one.

    It raises ValueError if names, shapes or types differ from those of the other tree.
    """
    paths, treedef = jax.tree_util.tree_flatten_with_path(like)
    expected = {path_name(path): (tuple(leaf.shape), np.dtype(leaf.dtype)) for path, leaf in paths}
    found = {name: (tuple(values.shape), np.dtype(values.dtype)) for name, values in arrays.items()}
    if found != expected:
        odd = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise ValueError(f"these arrays have another structure: {', '.join(odd[:3])}")
    return jax.tree_util.tree_unflatten(treedef, [arrays[name] for name in expected])


def path_name(path: tuple[object, ...]) -> str:
    """Return the name of a leaf: the names on its path, joined by dots."""
    parts = [getattr(part, "key", getattr(part, "name", getattr(part, "idx", part))) for part in path]
    return ".".join(str(part) for part in parts)
