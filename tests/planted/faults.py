"""The list of faults, and how one is planted in a copy of the source."""

import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fault:
    """In `file` the text `old`, which occurs once, becomes `new`; one of the test files `tests` must then fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the fault; raises ValueError unless the old text occurs exactly once."""
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: {self.old!r} must occur once, found {count} times; mend {self.name!r}")
        return text.replace(self.old, self.new)


def faults() -> list[Fault]:
    """All faults of faults.toml."""
    listed = tomllib.loads((Path(__file__).parent / "faults.toml").read_text())["fault"]
    return [Fault(**{**entry, "tests": tuple(entry["tests"])}) for entry in listed]


def copy_tree(source: Path, target: Path) -> None:
    """The files that git tracks or would track, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


@contextmanager
def planted(fault: Fault, tree: Path) -> Iterator[None]:
    """The tree with a fault in it, which is taken out again."""
    file = tree / fault.file
    sound = file.read_text()
    file.write_text(fault.applied(sound))
    try:
        yield
    finally:
        file.write_text(sound)
