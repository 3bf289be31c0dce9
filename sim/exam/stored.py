"""The world of an exported folder: it is read back from the files that `sim.exam.exporting` writes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.disk.files import pack, unpack
from sim.disk.worlds import (
    language,
    language_arrays,
    language_description,
    restricted,
    restricted_arrays,
    restricted_description,
)
from sim.exam.world import ExamWorld
from sim.numerics import SpecificationError, in_one_line

WORLD = "world.safetensors"
"""The file with the truth as arrays: the strings, log P, log S, log P_A, A and the styles."""

ABOUT = "exam.json"
"""The file that says what the folder holds: the world, its hash, its numbers, and the checksum of every other file."""

FORMAT = 1
"""Version of the form of the folder."""


def packed_world(world: ExamWorld) -> bytes:
    """Return the truth as the content of the file WORLD."""
    return pack(language_arrays(world.p) | restricted_arrays(world.restricted, "world"))


def described_world(world: ExamWorld) -> dict[str, Any]:
    """Return what is needed of a world besides its arrays, as JSON."""
    return {
        **language_description(world.p),
        "restriction": restricted_description(world.restricted),
        "config": dict(world.config),
        "notes": dict(world.notes),
    }


def is_exported(folder: Path) -> bool:
    """Whether a folder is one that `sim.export` has written."""
    return (folder / ABOUT).is_file()


def read_world(folder: Path) -> ExamWorld:
    """Return the world of an exported folder. Raises SpecificationError if it is none, or was changed."""
    try:
        about = json.loads((folder / ABOUT).read_bytes())
        data = (folder / WORLD).read_bytes()
        mended = about["files"][WORLD] == hashlib.sha256(data).hexdigest()
        found = _world(about, data)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as problem:
        what = in_one_line(f"{type(problem).__name__}: {problem}")
        raise SpecificationError(
            f"{folder}: a folder of python -m sim.export is required, found {what}; export the world again"
        ) from None
    if not mended or found.hash != about["hash"]:
        raise SpecificationError(
            f"{folder / WORLD}: the world with the hash {about['hash'][:12]} is required, found another content; "
            "export the world again"
        )
    return found


def _world(about: Mapping[str, Any], data: bytes) -> ExamWorld:
    arrays, said = unpack(data), about["world"]
    p = language(said, arrays)
    return ExamWorld(
        about["name"], p, restricted(p, said["restriction"], arrays, "world"), said["config"], said["notes"]
    )
