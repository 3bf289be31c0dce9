"""The names of the files of an archive, and what its description says. Archives are made by `sim.archive`."""

import json
from pathlib import Path
from typing import Any

from sim.disk.files import MANIFEST, complaint, verified
from sim.numerics import SpecificationError

FORMAT, VERSION = "sft-diversity archive", 1
"""Name and version of the format. The version is increased with every change that a reader has to know."""

ARCHIVE, RUNS, MODELS = "archive.json", "runs.parquet", "models.parquet"
"""Names of the description of an archive, of its table of runs, and of its table of models."""


def world_file(world: str) -> str:
    """Return the name of the file with the arrays of a world."""
    return f"world-{world}.npz"


def is_archive(folder: Path) -> bool:
    """Return whether a folder is an archive, by the names of its files."""
    return (folder / ARCHIVE).is_file() and (folder / MANIFEST).is_file()


def contents(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the description of an archive and its files, each compared with its checksum.

    Raises SpecificationError for a folder that is no archive, for a damaged file, and for another version.
    """
    if not is_archive(folder):
        raise SpecificationError(
            f"{folder}: an archive, with {ARCHIVE} and {MANIFEST}, is required, found none; python -m sim.archive "
            "makes one"
        )
    try:
        files = verified(folder, [ARCHIVE, RUNS, MODELS])
        about = json.loads(files[ARCHIVE])
        found = about["format"], about["version"]
    except (SpecificationError, ValueError, KeyError, TypeError) as problem:
        raise SpecificationError(f"{complaint(folder, problem)}; fetch the archive again") from None
    if found != (FORMAT, VERSION):
        raise SpecificationError(
            f"{folder}: a {FORMAT} of version {VERSION} is required, found {found[0]} of version {found[1]}; use the "
            "version of this program that made it"
        )
    return about, files
