"""Members: which objectives, metrics, figures and so on there are, in this project and in installed packages.

A member is one file in the folder of its kind: `sim/objectives/replay.py` is the objective `replay`. An installed
package takes part through one entry point, `[project.entry-points.sft_diversity] lab = "lab"`. Its folders have the
names of ours: `lab/objectives/focal.py`, `lab/metrics/`, `lab/figures/<study>/`, `lab/experiments/`, and
`lab/conf/<group>/<option>.yaml`. Nothing else outside can be reached by a name in a configuration.
"""

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
"""The group of entry points by which installed packages take part."""


@dataclass(frozen=True)
class Kind:
    """Where the files of a kind lie, and which of them are members and not helpers of members."""

    package: str  # that holds the members of this project; its last name is the folder in other packages
    defines: str = ""  # what a member defines at its top level; "" stands for a constructor with the file's name
    nested: bool = False  # whether the files lie in one folder for each study

    @property
    def folder(self) -> str:
        """Name of the folder of these members in a package from outside."""
        return self.package.rpartition(".")[2]


KINDS = {
    "grammar": Kind("sim.grammars"),
    "restriction": Kind("sim.restrictions"),
    "model": Kind("sim.models"),
    "objective": Kind("sim.objectives"),
    "optimizer": Kind("sim.optimizers"),
    "probe": Kind("sim.probes"),
    "engine": Kind("sim.running.engines", "Engine"),
    "metric": Kind("sim.metrics", "METRICS"),
    "experiment": Kind("experiments", "report|CLAIM"),
    "figure": Kind("figures", "draw", nested=True),
}
"""Every kind of member."""

GROUPS = ("grammar", "restriction", "model", "objective", "optimizer")
"""The kinds that a configuration chooses by `kind: <name>` with arguments; each has a folder in conf/."""


@dataclass(frozen=True)
class Package:
    """An installed package that takes part, and the distribution that it came with."""

    name: str
    folder: Path
    distribution: str
    version: str


@dataclass(frozen=True)
class Member:
    """One file: its kind and name, the module that it is, and the package from outside that holds it, if one does."""

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
    """The installed packages that take part, by name. Raises SpecificationError for one that cannot be found."""
    found: dict[str, Package] = {}
    for point in metadata.entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.value) if point.value.isidentifier() else None
        folders = list(spec.submodule_search_locations or []) if spec else []
        owner = point.dist.name if point.dist else "unknown"
        if not folders:
            raise SpecificationError(
                f"{owner}: its entry point {ENTRY_POINTS} must name an importable package, found {point.value!r}; "
                f"mend or uninstall {owner}"
            )
        version = point.dist.version if point.dist else ""
        found[point.value] = Package(point.value, Path(folders[0]), owner, version)
    return tuple(found[name] for name in sorted(found))


@functools.cache
def members(kind: str) -> dict[str, Member]:
    """The members of a kind by name, sorted; none of them is imported to find out.

    A figure is named <study>/<file>. Raises SpecificationError if two files have one name.
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


def member(kind: str, name: str, place: str) -> Member:
    """A member by name; raises SpecificationError at a place, with the names there are, for one that is not there."""
    found = members(kind)
    if name not in found:
        names = ", ".join(found) or "(none yet)"
        raise SpecificationError(f"{place}: one of {names} is required, found {name!r}{nearest(name, found)}")
    return found[name]


def conf_folders() -> list[Path]:
    """The folders of configurations, absolute: the project's own first, then one for each package that has one."""
    return [conf_folder(), *(one.folder / "conf" for one in packages() if (one.folder / "conf").is_dir())]


def conf_folder() -> Path:
    """The project's own configurations: `conf` of a checkout, or `sim/conf` of an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "conf"
    return checkout if (checkout / "config.yaml").is_file() else package / "conf"


def forget() -> None:
    """Look for members anew when they are asked for next, for example after a package was installed."""
    packages.cache_clear()
    members.cache_clear()


def camel_case(name: str) -> str:
    """The name of a class for the name of a file: "tabular_trie" -> "TabularTrie"."""
    return "".join(word.capitalize() for word in name.split("_"))


def _of(kind: Kind, name: str, package: Package | None) -> list[Member]:
    """The members of a kind in this project, or in a package."""
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
    """Whether a file defines at its top level what makes it a member."""
    wanted = kind.defines or f"{name}|{camel_case(name)}"
    pattern = rf"^(def|class) ({wanted})\b|^({wanted})\s*[:=]"
    return re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE) is not None
