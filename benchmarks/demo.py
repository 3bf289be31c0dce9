"""Time `make demo` as a newcomer sees it: from an empty folder with the installation, then again."""

import shutil
import tempfile
from pathlib import Path

from benchmarks.harness import Result, spread
from benchmarks.processes import ROOT, timed

KEPT_OUT = (".git", ".venv*", "outputs", "multirun", "__pycache__", ".*_cache", ".hypothesis")
"""Files that a fresh copy of the checkout does not have."""

GOALS: dict[str, tuple[float | None, float | None]] = {
    "from an empty folder, with the installation": (100.0, 60.0),
    "installed, with empty caches": (45.0, 30.0),
    "with compiled programs": (None, None),
    "with compiled programs and the finished run": (25.0, 15.0),
}
"""What is timed, with the goal and the stretch goal [s]. The installation also depends on the package server."""

FIGURES = (8.0, 4.0)
"""The goal and the stretch goal of drawing the figures alone [s]."""


def run(quick: bool = False) -> list[Result]:
    """Time `make demo` [s] in a fresh copy of the checkout."""
    make = ["make", *(["--dry-run"] if quick else [])]
    command = [*make, "demo"]
    installed, compiled, kept = list(GOALS)[1:]
    forgotten = {installed: ["outputs"], compiled: ["outputs/demo", "outputs/store"], kept: []}
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*KEPT_OUT))
        found = {name: list[float]() for name in GOALS}
        found[next(iter(GOALS))].append(timed(command, cwd=copy))
        for _ in range(1 if quick else 3):
            for name, folders in forgotten.items():
                for folder in folders:
                    shutil.rmtree(copy / folder, ignore_errors=True)
                found[name].append(timed(command, cwd=copy))
        drawn = [timed([*make, "figures"], cwd=copy) for _ in range(1 if quick else 3)]
    figures = Result("demo", "the figures of the demo", **spread(drawn), reach=FIGURES[0], stretch=FIGURES[1], unit="s")
    return [figures] + [
        Result("demo", f"make demo, {name}", **spread(found[name]), reach=reach, stretch=stretch, unit="s")
        for name, (reach, stretch) in GOALS.items()
    ]
