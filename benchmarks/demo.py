"""Time `make demo` as a newcomer sees it after the installation: in a fresh copy of the checkout, cold and warm."""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Result, spread
from benchmarks.processes import ROOT, timed

KEPT_OUT = (".git", ".venv*", "outputs", "multirun", "__pycache__", ".*_cache", ".hypothesis")
"""Files that a fresh copy of the checkout does not have."""


def run(quick: bool = False) -> list[Result]:
    """Time `make demo` [s] with an empty compilation cache (cold), and with the cache of an earlier demo (warm)."""
    environment = Path(sys.prefix)
    installed = ["--old-file", str(environment / ".core")]  # ignore its time stamp, so nothing is installed
    command = ["make", *installed, *(["--dry-run"] if quick else []), "demo", f"VENV={environment}"]
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "checkout"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*KEPT_OUT))

        def demo(*forgotten: str) -> float:
            for folder in forgotten:
                shutil.rmtree(copy / folder, ignore_errors=True)
            return timed(command, cwd=copy)

        found: dict[str, list[float]] = {"cold": [], "warm": []}
        for _ in range(1 if quick else 3):
            found["cold"].append(demo("outputs"))
            found["warm"].append(demo("outputs/demo", "outputs/store"))
    return [
        Result("demo", f"make demo, {name}", **spread(found[name]), reach=reach, stretch=stretch, unit="s")
        for name, reach, stretch in (("warm", 60.0, 30.0), ("cold", 120.0, None))
    ]
