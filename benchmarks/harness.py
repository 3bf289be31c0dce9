"""Alternated timing: contestants take turns in one run, and ratios are reported."""

import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from sim.pool import cores

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "hydra-core", "torch")
"""Packages; every result states their versions."""

SMALLER_IS_BETTER = ("s", "µs", "MB")
"""Units of plain measurements, which are not ratios."""

Contestant = Callable[[], float]
"""A function that does one portion of its work and returns its measurement: seconds, or a rate."""


@dataclass(frozen=True)
class Result:
    """One ratio: the median over the rounds of a run, with the smallest and the largest.

    `reach` is the goal and `stretch` the more ambitious goal; they are None if there is no goal. `note` explains the
    ratio. If `unit` is "s", "µs" or "MB", the number is a time or a size, and smaller is better.
    """

    benchmark: str
    work: str
    ratio: float
    low: float
    high: float
    rounds: int
    reach: float | None = None
    stretch: float | None = None
    unit: str = "×"
    note: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)  # medians behind the ratio, with units in their names

    @property
    def verdict(self) -> str:
        """Whether the median meets the goal `reach`: "yes", "no", or "" if there is no goal."""
        if self.reach is None:
            return ""
        if self.unit in SMALLER_IS_BETTER:
            return "yes" if self.ratio <= self.reach else "no"
        return "yes" if self.ratio >= self.reach else "no"

    def plain(self) -> dict[str, Any]:
        """The fields as a dictionary for JSON, with numbers rounded to four digits."""
        numbers = {name: rounded(value) for name, value in self.measured.items()}
        own = {name: rounded(value) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return own | {"measured": numbers}


def rounded(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")


def alternate(contestants: Mapping[str, Contestant], rounds: int) -> dict[str, list[float]]:
    """Run every contestant once per round, in the order A, B, then B, A. So a slow drift of the machine cancels."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for at in range(rounds):
        names = list(contestants)
        for name in names if at % 2 == 0 else reversed(names):
            found[name].append(contestants[name]())
    return found


def ratios(above: Sequence[float], below: Sequence[float]) -> dict[str, Any]:
    """Return the fields of a `Result` for the ratio of two measurements, taken round by round."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return {"ratio": statistics.median(each), "low": min(each), "high": max(each), "rounds": len(each)}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the same fields for a plain measurement."""
    return {"ratio": statistics.median(values), "low": min(values), "high": max(values), "rounds": len(values)}


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of one call [s]."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def machine() -> dict[str, Any]:
    """Return a description of this machine and its packages."""
    return {
        "accelerator": _accelerator(),
        "cpu": _cpu(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def machine_name() -> str:
    """Return the name of the results file of this machine, such as amd-epyc-2-cores; an accelerator comes first."""
    return re.sub(r"[^a-z0-9]+", "-", f"{_accelerator() or ''} {_cpu()} {cores()} cores".lower()).strip("-")


def load() -> float:
    """Mean number of runnable processes over the last minute. More than 0.5 before a run means a disturbed run."""
    return os.getloadavg()[0]


def _accelerator() -> str | None:
    import jax  # imported late, because the benchmarks set its environment first

    return None if jax.default_backend() == "cpu" else jax.devices()[0].device_kind


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _cpu() -> str:
    listing = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", listing.read_text(), re.MULTILINE) if listing.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
