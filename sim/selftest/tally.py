"""Summarise many checks: for each quantity, the number of checks and the worst of them."""

import random
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from sim.selftest import families
from sim.selftest.checks import TOLERANCE, Check, Family


@dataclass
class Line:
    """The summary of one quantity of a family over all cases."""

    compared: int = 0
    refused: int = 0
    failed: int = 0
    worst: float = 0.0
    worst_case: int = 0

    def add(self, check: Check, case: int) -> None:
        """Add one check."""
        self.refused += check.refused
        self.compared += not check.refused
        error = check.error
        self.failed += not error <= TOLERANCE
        if error > self.worst:
            self.worst, self.worst_case = error, case


@dataclass
class Tally:
    """All quantities of a family. `crashed` maps each case that raised an error to the last line of its traceback."""

    lines: dict[str, Line] = field(default_factory=dict)
    crashed: dict[int, str] = field(default_factory=dict)
    cases: int = 0
    seconds: float = 0.0

    @property
    def failures(self) -> list[tuple[str, int]]:
        """Quantities that disagree with their worst case, and the errors of crashed cases."""
        apart = [(f"{name}: relative error {line.worst:.1e}", line.worst_case) for name, line in self.lines.items()
                 if line.failed]  # fmt: skip
        return apart + [(said, case) for case, said in self.crashed.items()]


def family_names() -> list[str]:
    """Return the names of the families: the modules of `sim.selftest.families`."""
    return sorted(module.name for module in iter_modules(families.__path__))


def family(name: str) -> Family:
    """Return the checks of a family. This needs the packages of the extra `test`."""
    return import_module(f"{families.__name__}.{name}").checks


def checks_of(name: str, seed: int, case: int) -> Iterator[Check]:
    """Yield the checks of one case. The case depends only on these three arguments."""
    return family(name)(random.Random(f"{name} {seed} {case}"))


def tally(name: str, number: int, seed: int, tick: Callable[[int], None] = lambda case: None) -> Tally:
    """Run the cases 0 to `number` - 1 of a family. `tick` is called with each finished case."""
    found, began = Tally(), time.perf_counter()
    for case in range(number):
        try:
            for check in checks_of(name, seed, case):
                found.lines.setdefault(check.quantity, Line()).add(check, case)
        except Exception:  # a case that raises is a finding, and the next ones still count
            found.crashed[case] = traceback.format_exc().strip().splitlines()[-1]
        found.cases += 1
        tick(case)
    found.seconds = time.perf_counter() - began
    return found
