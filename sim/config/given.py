"""Objects that a person gives in Python where a configuration would name a member; their content identifies them."""

from collections.abc import Mapping
from typing import Any

from sim.config.content import object_digest
from sim.numerics import SpecificationError

KIND = "given"
"""`kind` of the node that stands for an object."""

_objects: dict[str, Any] = {}


def node_of(thing: Any) -> dict[str, str]:
    """The node that stands for an object in a configuration of this process: its name and the SHA-256 of its content.

    Raises SpecificationError for an object whose content cannot be told, see `sim.config.content`.
    """
    digest = object_digest(thing)
    _objects[digest] = thing
    return {"kind": KIND, "name": getattr(thing, "__name__", type(thing).__name__), "sha256": digest}


def is_given(node: Any) -> bool:
    """Whether a node stands for an object."""
    return isinstance(node, Mapping) and node.get("kind") == KIND


def checked(node: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The node, if its object is here. Raises SpecificationError otherwise: a record cannot bring it back."""
    if set(node) != {"kind", "name", "sha256"} or node["sha256"] not in _objects:
        raise SpecificationError(
            f"{place}: an object that was given to this Python process is required, found {node.get('name')!r}; "
            "give the object again"
        )
    return dict(node)


def object_of(node: Mapping[str, Any], place: str) -> Any:
    """The object that a node stands for."""
    return _objects[checked(node, place)["sha256"]]


def constructed(node: Mapping[str, Any], place: str, *injected: Any) -> Any:
    """The object itself; where a constructor is given that takes what the program injects, what it makes of that."""
    thing = object_of(node, place)
    return thing(*injected) if injected and callable(thing) else thing
