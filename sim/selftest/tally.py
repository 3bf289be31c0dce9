"""Many checks in few numbers: per quantity how many there were, and the worst of them."""

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
    """A quantity of a family over all cases."""

    compared: int = 0
    refused: int = 0
    failed: int = 0
    worst: float = 0.0
    worst_case: int = 0

    def add(self, check: Check, case: int) -> None:
        """One more check."""
        self.refused += check.refused
        self.compared += not check.refused
        error = check.error
        self.failed += not error <= TOLERANCE
        if error > self.worst:
            self.worst, self.worst_case = error, case


@dataclass
class Tally:
    """All quantities of a family; `crashed` are cases that raised something, with the last line of the traceback."""

    lines: dict[str, Line] = field(default_factory=dict)
    crashed: dict[int, str] = field(default_factory=dict)
    cases: int = 0
    seconds: float = 0.0

    @property
    def failures(self) -> list[tuple[str, int]]:
        """Quantities that disagree, with the case where they do so most, and crashed cases with what was raised."""
        apart = [(f"{name}: relative error {line.worst:.1e}", line.worst_case) for name, line in self.lines.items()
                 if line.failed]  # fmt: skip
        return apart + [(said, case) for case, said in self.crashed.items()]


def family_names() -> list[str]:
    """Modules of `sim.selftest.families`."""
    return sorted(module.name for module in iter_modules(families.__path__))


def family(name: str) -> Family:
    """The checks of a family; needs the packages of the extra `test`."""
    return import_module(f"{families.__name__}.{name}").checks


def checks_of(name: str, seed: int, case: int) -> Iterator[Check]:
    """The checks of one case, which depends on these three alone."""
    return family(name)(random.Random(f"{name} {seed} {case}"))


def tally(name: str, number: int, seed: int, tick: Callable[[int], None] = lambda case: None) -> Tally:
    """Cases 0 to `number` - 1 of a family; `tick` hears of each that is done."""
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
