"""Trees of arrays as flat dictionaries, for formats that know names and arrays only."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from sim.typing import PyTree


def flat(tree: PyTree) -> dict[str, np.ndarray]:
    """Every leaf under the names on its path, joined by dots."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): np.asarray(leaf) for path, leaf in leaves}


def unflat(arrays: Mapping[str, Any], like: PyTree) -> PyTree:
    """The tree of `flat`, in the shape of another. Raises ValueError if names, shapes or types are not those of it."""
    paths, treedef = jax.tree_util.tree_flatten_with_path(like)
    expected = {_name(path): (tuple(leaf.shape), np.dtype(leaf.dtype)) for path, leaf in paths}
    found = {name: (tuple(values.shape), np.dtype(values.dtype)) for name, values in arrays.items()}
    if found != expected:
        odd = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise ValueError(f"arrays of another structure: {', '.join(odd[:3])}")
    return jax.tree_util.tree_unflatten(treedef, [arrays[name] for name in expected])


def _name(path: tuple[object, ...]) -> str:
    parts = [getattr(part, "key", getattr(part, "name", getattr(part, "idx", part))) for part in path]
    return ".".join(str(part) for part in parts)
