"""Write finished runs for a tracker, into a folder that is published in one step."""

import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from sim.config.discovery import Member, member
from sim.disk import files
from sim.metrics.many import Joined, Measured, all_measured
from sim.metrics.table import metrics
from sim.numerics import SpecificationError
from sim.show.counting import counted
from sim.trackers._runs import runs


def tracker(name: str) -> ModuleType:
    """Return a tracker by name. Raises SpecificationError if it is unknown, or if it needs a missing package."""
    one = member("tracker", name, "--to")
    module = one.load()
    needs, look = getattr(module, "NEEDS", None), getattr(module, "LOOK", None)
    if not (isinstance(needs, tuple | list) and all(isinstance(need, str) for need in needs) and isinstance(look, str)):
        raise SpecificationError(f"{one.file}: NEEDS (names of packages) and LOOK (a command) are required, found none")
    for need in needs:
        if find_spec(need) is None:
            raise SpecificationError(f"--to: the package {need} is required for {name}, found none; {_install(one)}")
    return module


def _install(one: Member) -> str:
    return f"pip install '{one.package.distribution if one.package else 'sft-diversity'}[{one.name}]'"


def write(module: ModuleType, sources: Sequence[Path], target: Path) -> int:
    """Write the records that can be read for a tracker, and return their number. Others are named on stderr.

    The target must not exist. Nothing is left behind if there is no such record, or if something fails.
    """
    with files.draft(target) as parts, files.draft(target) as fresh:
        measured = list[Measured]()
        results = all_measured(sources, parts)
        for found in counted(results, len(sources), lambda number: f"{number:,} of {len(sources):,} runs are read"):
            if isinstance(found, str):
                print(found, file=sys.stderr)
            else:
                measured.append(found)
        if measured:
            about = {one.name: f"{one.symbol}: {one.description}" for one in metrics()}
            seen = runs(Joined(measured).runs, about)
            module.write(counted(seen, len(measured), lambda number: f"{number:,} runs are written"), fresh)
            fresh.rename(target)
        shutil.rmtree(parts)
        shutil.rmtree(fresh, ignore_errors=True)
    return len(measured)
