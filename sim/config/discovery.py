"""Members: the objectives, metrics, figures and so on that exist in this project and in installed packages.

A member is one file in the folder of its kind: `sim/objectives/replay.py` is the objective `replay`. An installed
package takes part through one entry point, `[project.entry-points.sft_diversity] lab = "lab"`. Its folders have the
same names as ours: `lab/objectives/focal.py`, `lab/metrics/`, `lab/figures/<study>/`, `lab/experiments/`, and
`lab/conf/<group>/<option>.yaml`. A name in a configuration cannot reach anything else outside this project.
"""

import difflib
import functools
import importlib
import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

from sim.numerics import SpecificationError, nearest

ENTRY_POINTS = "sft_diversity"
"""The group of entry points through which installed packages take part."""


@dataclass(frozen=True)
class Kind:
    """Where the files of a kind lie, and how to tell members from their helpers."""

    package: str  # the package with the members of this project; other packages have a folder of its last name
    defines: str = ""  # what a member defines at its top level; "" stands for a constructor with the file's name
    is_class: bool = False  # whether this constructor may be a class with the file's name in CamelCase
    nested: bool = False  # whether the files lie in one folder for each study

    @property
    def folder(self) -> str:
        """The name of the folder of these members in a package from outside."""
        return self.package.rpartition(".")[2]

    def wanted(self, name: str) -> list[str]:
        """Return the names of which a member in a file with this name defines one."""
        return self.defines.split("|") if self.defines else [name, camel_case(name)] if self.is_class else [name]


KINDS = {
    "grammar": Kind("sim.grammars"),
    "restriction": Kind("sim.restrictions"),
    "model": Kind("sim.models"),
    "objective": Kind("sim.objectives", is_class=True),
    "optimizer": Kind("sim.optimizers", is_class=True),
    "probe": Kind("sim.probes"),
    "edit": Kind("sim.edits"),
    "engine": Kind("sim.running.engines", "Engine"),
    "metric": Kind("sim.metrics", "METRICS"),
    "estimator": Kind("sim.estimators", "ESTIMATORS"),
    "tracker": Kind("sim.trackers", "write"),
    "experiment": Kind("experiments", "report|CLAIM"),
    "figure": Kind("figures", "draw", nested=True),
}
"""Every kind of member."""

GROUPS = ("grammar", "restriction", "model", "objective", "optimizer")
"""The kinds of which a configuration chooses a member by `kind: <name>` with arguments. Each has a folder in conf/."""

CONFIGURED = (*GROUPS, "edit")
"""The kinds with a constructor whose arguments a configuration sets. Edits stand in a list, so they have no folder."""


@dataclass(frozen=True)
class Package:
    """An installed package that takes part, and its distribution."""

    name: str
    folder: Path
    distribution: str
    version: str


@dataclass(frozen=True)
class Member:
    """One file: its kind, its name, its module, and the package from outside that holds it, if any."""

    kind: str
    name: str
    module: str
    file: Path
    package: Package | None = None

    def load(self) -> ModuleType:
        """Import the module."""
        return importlib.import_module(self.module)


@functools.cache
def packages() -> tuple[Package, ...]:
    """Return the installed packages that take part, sorted by name.

    Raises SpecificationError if one of them cannot be found.
    """
    found: dict[str, Package] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.value) if point.value.isidentifier() else None
        folders = list(spec.submodule_search_locations or []) if spec else []
        owner = point.dist.name if point.dist else "unknown"
        if not folders:
            raise SpecificationError(
                f"{owner}: an importable package at its entry point {ENTRY_POINTS} is required, found {point.value!r}; "
                f"repair or uninstall {owner}"
            )
        version = point.dist.version if point.dist else ""
        found[point.value] = Package(point.value, Path(folders[0]), owner, version)
    return tuple(found[name] for name in sorted(found))


@functools.cache
def members(kind: str) -> dict[str, Member]:
    """Return the members of a kind by name, sorted. None of them is imported.

    The name of a figure is <study>/<file>. Raises SpecificationError if two files have one name, and for a file that
    misspells what makes it a member.
    """
    found: dict[str, Member] = {}
    for package in (None, *packages()):
        for one in _of(KINDS[kind], kind, package):
            if one.name in found:
                raise SpecificationError(
                    f"{kind}: different names are required, found {one.name!r} in {found[one.name].file} and "
                    f"{one.file}; rename one"
                )
            found[one.name] = one
    return dict(sorted(found.items()))


LONGEST = 180
"""Characters of a list of names in a refusal. Of a longer list the nearest names are told."""


def member(kind: str, name: str, place: str) -> Member:
    """Return a member by name. For an unknown name it raises SpecificationError with `place` and the known names."""
    found = members(kind)
    if name not in found:
        names = ", ".join(found) or "(none yet)"
        if len(names) > LONGEST:
            near = difflib.get_close_matches(name, found, n=8, cutoff=0.0)
            names = f"{len(found)} (--help lists them; nearest are {', '.join(near)})"
        raise SpecificationError(f"{place}: one of {names} is required, found {name!r}{nearest(name, found)}")
    return found[name]


def conf_folders() -> list[Path]:
    """Return the absolute folders of configurations: first the project's own, then those of installed packages."""
    return [conf_folder(), *(one.folder / "conf" for one in packages() if (one.folder / "conf").is_dir())]


def conf_folder() -> Path:
    """Return the folder of the project's configurations: `conf` in a checkout, `sim/conf` in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "conf"
    return checkout if (checkout / "config.yaml").is_file() else package / "conf"


def forget() -> None:
    """Forget all members, so that the next call looks for them again, for example after a package was installed."""
    packages.cache_clear()
    members.cache_clear()


def camel_case(name: str) -> str:
    """Return the name of the class for the name of a file: "tabular_trie" -> "TabularTrie"."""
    return "".join(word.capitalize() for word in name.split("_"))


def _of(kind: Kind, name: str, package: Package | None) -> list[Member]:
    """Return the members of a kind in this project, or in a package."""
    dotted = kind.package if package is None else f"{package.name}.{kind.folder}"
    folder = _folder(kind.package) if package is None else package.folder / kind.folder
    if folder is None or not folder.is_dir():
        return []
    patterns = ["*/*.py"] if kind.nested else ["*.py", "*/__init__.py"]
    files = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
    found = []
    for file in files:
        parts = file.relative_to(folder).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        named = parts and all(re.fullmatch("[a-z][a-z0-9_]*", part) for part in parts)
        if named and _defines(file, kind, parts[-1]):
            found.append(Member(name, "/".join(parts), ".".join([dotted, *parts]), file, package))
    return found


def _folder(package: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        return None
    locations = [] if spec is None else list(spec.submodule_search_locations or [])
    return Path(locations[0]) if locations else None


def _defines(file: Path, kind: Kind, name: str) -> bool:
    """Return whether a file defines, at its top level, what makes it a member. A near miss is a SpecificationError.

    If the constructor has the name of the file, every file of the folder is a member, unless its name begins with an
    underscore. Other folders also hold helpers; there only a name that is nearly right is a mistake.
    """
    wanted = kind.wanted(name)
    defined = re.findall(r"^(?:def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=", file.read_text("utf-8"), re.MULTILINE)
    names = [function or variable for function, variable in defined]
    if set(wanted) & set(names):
        return True
    meant = [one for one in names if any(difflib.get_close_matches(one, [right], 1, 0.8) for right in wanted)]
    if meant or not kind.defines:
        what = "a class" if kind.is_class else "a function" if not kind.defines else "a definition"
        raise SpecificationError(
            f"{file}: {what} {' or '.join(wanted[-1:] if kind.is_class else wanted)} is required, found "
            f"{', '.join(meant or names) or 'no definition'}; rename it, or begin the file's name with an underscore"
        )
    return False
