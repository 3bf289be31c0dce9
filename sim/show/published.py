"""Published tables: the numbers behind a claim and its figures, in the repository, with what is known of their runs.

They lie beside the experiments, `experiments/published/<name>/tables/*.parquet`, in a package from outside too. The
manifest has the SHA-256 of every table, the predictions for which the runs were made, versions, commit and machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sim.config import conf_folders, member, members
from sim.numerics import SpecificationError
from sim.places import reason

MANIFEST = "published.json"
"""The file that describes the published tables of an experiment, beside the folder `tables`."""

REPAIR = "restore it (git checkout), or install the package again"


@dataclass(frozen=True)
class Published:
    """The published tables of an experiment, of which every byte is as it was published. `about` is the manifest."""

    name: str
    folder: Path
    about: Mapping[str, Any]

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables, sorted."""
        return tuple(sorted(self.about["tables"]))

    def file(self, table: str) -> Path:
        """Return the file of a table."""
        return file_of(self.folder, table)

    def difference(self, announced: str | None) -> str:
        """Say in one line that the tables were made for other predictions than those announced; "" if they were not."""
        if announced == self.about["claim"]:
            return ""
        return (
            f"The published tables of {self.name} belong to the predictions {self.about['claim']}, "
            f"and the predictions are {announced} now: they do not test these."
        )


def file_of(folder: Path, table: str) -> Path:
    """Return the file of a table in a folder of published tables."""
    return folder / "tables" / f"{table}.parquet"


def root(name: str) -> Path:
    """Return the folder with all published tables of the package that defines an experiment."""
    file = member("experiment", name, "--published").file
    return (file.parent.parent if file.name == "__init__.py" else file.parent) / "published"


def known() -> list[str]:
    """Return the names of all experiments with published tables, sorted."""
    return [name for name in members("experiment") if (root(name) / name / MANIFEST).is_file()]


def announced(name: str) -> str | None:
    """Return the predictions that the runs of an experiment are made for, `claim` in conf/experiment/<name>.yaml."""
    for folder in conf_folders():
        file = folder / "experiment" / f"{name}.yaml"
        if file.is_file():
            found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            return found.get("claim")
    return None


def published(name: str, top: Path | None = None) -> Published:
    """Return the published tables of an experiment, below `top` or where its package has them.

    Raises SpecificationError if there are none, or if a table is not the one that was published.
    """
    folder = (top or root(name)) / name
    file = folder / MANIFEST
    if not file.is_file():
        there = ", ".join(known()) or "none yet"
        raise SpecificationError(
            f"--published: an experiment with published tables ({there}) is required, found {name!r}; do its runs, "
            "and leave --published out"
        )
    try:
        about = json.loads(file.read_bytes())
        listed = {str(table): str(one["sha256"]) for table, one in about["tables"].items()}
        about["claim"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise SpecificationError(
            f"{file}: the manifest of published tables is required, found a damaged one; {REPAIR}"
        ) from problem
    for table, wanted in listed.items():
        check_table(file_of(folder, table), wanted)
    return Published(name, folder, about)


def check_table(file: Path, wanted: str) -> None:
    """Raise SpecificationError unless a file has a SHA-256."""
    try:
        found = f"the SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"
    except OSError as problem:
        found = reason(problem)
    else:
        if found == f"the SHA-256 {wanted[:12]}":
            return
    raise SpecificationError(
        f"{file}: the table that was published (SHA-256 {wanted[:12]}) is required, found {found}; {REPAIR}"
    )
