"""The world of an exported folder, read back: the laws from its definition, the documents from its arrays."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.disk.files import unpack
from sim.exam.drawn.building import laws_of
from sim.exam.drawn.exporting import FORMAT
from sim.exam.drawn.world import Documents, DrawnWorld
from sim.exam.stored import ABOUT, WORLD
from sim.numerics import SpecificationError, in_one_line


def is_drawn(folder: Path) -> bool:
    """Whether a folder is an exported world whose strings are not listed."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(about, Mapping) and about.get("format") == FORMAT


def read_drawn(folder: Path) -> DrawnWorld:
    """Return the world of an exported folder. Raises SpecificationError if it was changed.

    The documents are not drawn again, so a world can be read by versions of the program that would draw others.
    """
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        data = (folder / WORLD).read_bytes()
        mended = about["files"][WORLD] == hashlib.sha256(data).hexdigest()
        found = _world(about, data, str(folder))
        same = mended and found.hash == about["hash"]
    except SpecificationError:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
        what = in_one_line(f"{type(problem).__name__}: {problem}")
        raise SpecificationError(
            f"{folder}: a folder of python -m sim.export is required, found {what}; export the world again"
        ) from None
    if not same:
        raise SpecificationError(
            f"{folder / WORLD}: the world with the hash {about['hash'][:12]} is required, found another content; "
            "export the world again"
        )
    return found


def _world(about: Mapping[str, Any], data: bytes, place: str) -> DrawnWorld:
    arrays = unpack(data)
    documents = Documents(arrays["strings"], arrays["log_p"], arrays["log_s"])
    return DrawnWorld(about["name"], laws_of(about["definition"], place), documents, about["definition"])
