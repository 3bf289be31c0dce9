"""Objects given in Python in place of members that a configuration would name. Their content identifies them."""

from collections.abc import Mapping
from typing import Any

from sim.config.content import object_digest
from sim.numerics import SpecificationError

KIND = "given"
"""The `kind` of a node that stands for an object."""

_objects: dict[str, Any] = {}


def node_of(thing: Any) -> dict[str, str]:
    """Return the node that stands for an object in this process: its name and the SHA-256 of its content.

    Raises SpecificationError if the content of the object cannot be determined, see `sim.config.content`.
    """
    digest = object_digest(thing)
    _objects[digest] = thing
    return {"kind": KIND, "name": getattr(thing, "__name__", type(thing).__name__), "sha256": digest}


def is_given(node: Any) -> bool:
    """Return whether a node stands for an object."""
    return isinstance(node, Mapping) and node.get("kind") == KIND


def checked(node: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the node if this process has its object. Otherwise raise SpecificationError: no record holds objects."""
    if set(node) != {"kind", "name", "sha256"} or node["sha256"] not in _objects:
        raise SpecificationError(
            f"{place}: an object that was given to this Python process is required, found {node.get('name')!r}; "
            "give the object again"
        )
    return dict(node)


def object_of(node: Mapping[str, Any], place: str) -> Any:
    """Return the object that a node stands for."""
    return _objects[checked(node, place)["sha256"]]


def constructed(node: Mapping[str, Any], place: str, *injected: Any) -> Any:
    """Return the object that a node stands for. If it is a constructor, call it with the injected values."""
    thing = object_of(node, place)
    return thing(*injected) if injected and callable(thing) else thing
