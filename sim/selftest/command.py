"""The command line of `python -m sim.selftest`."""

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec

from sim.arguments import Parser, whole
from sim.selftest.checks import TOLERANCE
from sim.selftest.tally import Tally, checks_of, family_names, tally

NEEDED = ("mpmath", "nltk", "scipy")

ABOUT = f"""\
Compute every exact quantity of random languages with the package, and again by a route that shares no code with it
(fractions, enumeration, mpmath, nltk). The relative error may be at most {TOLERANCE:g}. Print one line per quantity."""

EPILOG = """\
The exit status is 0 if all agree, 1 if some disagree, and 2 for wrong arguments. Each disagreement is listed with the
command that repeats it.

  python -m sim.selftest --n 1000 --seed 1
  python -m sim.selftest pcfg --seed 1 --case 17"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparisons. Return 0, or 1 if something disagrees."""
    names = family_names()
    parser = Parser(
        prog="python -m sim.selftest", description=ABOUT, epilog=EPILOG
    )  # fmt: skip
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"{', '.join(names)} (default: all)")
    parser.add_argument(
        "--n", type=whole(1), default=100, metavar="N", help="random languages per family (default 100)"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**63), default=0, metavar="S", help="seed of the random numbers (default 0)"
    )
    parser.add_argument("--case", type=whole(0), metavar="I", help="run only case I and show all its numbers")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.families) - set(names)):
        parser.error(f"FAMILY: one of {', '.join(names)} is required, found {', '.join(unknown)}")
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        parser.error(f"packages: {', '.join(missing)} required, found missing; pip install 'sft-diversity[test]'")
    chosen = options.families or names
    if options.case is not None:
        return sum(_show_case(name, options.seed, options.case) for name in chosen) and 1
    tallies = {name: tally(name, options.n, options.seed, _ticker(name, options.n)) for name in chosen}
    return _report(tallies, options.seed)


def _ticker(name: str, number: int) -> Callable[[int], None]:
    def tick(case: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if case + 1 == number else ""
            print(f"\r{name}: {case + 1} of {number}", end=end, file=sys.stderr, flush=True)

    return tick


def _show_case(name: str, seed: int, case: int) -> int:
    """Print every check of one case and return the number of disagreements."""
    failed = 0
    for check in checks_of(name, seed, case):
        failed += not check.error <= TOLERANCE
        verdict = "refused" if check.refused else f"{check.error:.1e}"
        print(f"{name} {check.quantity}: {verdict}\n  product {check.product}\n  oracle  {check.oracle}")
    return failed


def _report(tallies: dict[str, Tally], seed: int) -> int:
    print(f"{'family':<13} {'quantity':<38} {'compared':>8} {'refused':>8}  worst relative error (case)")
    for name, found in tallies.items():
        for quantity, line in sorted(found.lines.items()):
            where = f"{line.worst:.1e} ({line.worst_case})" if line.worst else "0"
            print(f"{name:<13} {quantity:<38} {line.compared:>8} {line.refused:>8}  {where}"
                  + ("  DISAGREES" if line.failed else ""))  # fmt: skip
    failures = [(name, said, case) for name, found in tallies.items() for said, case in found.failures]
    for name, said, case in failures:
        print(f"{name}: {said}; repeat with python -m sim.selftest {name} --seed {seed} --case {case}")
    compared = sum(line.compared for found in tallies.values() for line in found.lines.values())
    cases, seconds = sum(f.cases for f in tallies.values()), sum(f.seconds for f in tallies.values())
    verdict = f"{len(failures)} disagreements" if failures else f"all agree to {TOLERANCE:g}"
    print(f"{compared} comparisons on {cases} random languages in {seconds:.0f} s, seed {seed}: {verdict}")
    return 1 if failures else 0
