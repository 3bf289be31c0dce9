"""The commands of the project: found in the source, and listed with what a person gives them.

A new door needs one line in `DOORS`, with `{}` for each place that a person names; a new flag is found in its `--help`.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("sim", "experiments", "figures", "classroom", "hydra_plugins", "benchmarks", "tools")
MARK = re.compile(r'^if __name__ == "__main__":', re.MULTILINE)

GRAMMAR = str(ROOT / "examples" / "grammars" / "strings.yaml")
RUN = "fe3430a4d566"
"""The record in tests/archive that lies in `{runs}`."""


@dataclass(frozen=True)
class Door:
    """A command, and what a person gives it.

    good: arguments with which it succeeds quickly. `{outputs}` is a folder of results, `{runs}` the one below it that
    holds a run, `{task}` a task file, `{new}` a name of no file. wrong: arguments that it refuses. places: arguments
    with `{}` for a place. status: the exit status of `good`, which is COMPUTES where it would begin to train.
    """

    module: str
    good: str
    wrong: str
    places: tuple[str, ...] = ()
    status: int = 0


COMPUTES = 77
"""Exit status of a command in the server (`tests.attack.server`) that would begin to train."""

DOORS = (
    Door("sim.run", "--cfg job", "seed=-1", ("outputs={}", "-m outputs={}", "grammar=file grammar.path={}")),
    Door("sim.run", "-m seed=1,2 outputs={new}", "-m seed=-1 outputs={new}", (), COMPUTES),
    Door("sim.rows", "{runs}", "{new}", ("{}", "{runs} --out={}", "{runs} --to=tensorboard --out={}")),
    Door(
        "sim.archive", "{runs} --out={new}", "{new} --out=a", ("{} --out=a", "{runs} --out={}", "{} --unpack --out=a")
    ),
    Door("sim.status", "{runs}", "{new}", ("{}", "{} --watch", "{} --json")),
    Door("sim.cancel", "--help", "{new}", ("{}",)),
    Door("sim.verify", "{outputs}", "{new}", ("{}", "{} --json")),
    Door("sim.describe", GRAMMAR, "{new}", ("{}", f"{GRAMMAR} --against={{}}", f"{GRAMMAR} --write={{}}")),
    Door(
        "sim.export",
        "brackets_small@1 {new} --sft 5 --pretrain 5",
        "brackets_tiny@1 {new}",
        ("{} {new}", "brackets_small@1 {}"),
    ),
    Door("sim.score", "--help", "{new} --world brackets_small@1", ("{} --world brackets_small@1", "x.csv --world {}")),
    Door("sim.selftest", "pcfg --n 1", "pcgf"),
    Door("sim.running.worker", "{task}", "{new}", ("{}",), COMPUTES),
    Door("experiments", "claims", "demo {new}", ("demo {}", "c1_entropy {}", "robustness {}", "board {}", "{}")),
    Door("figures", "--help", "demo {new}", ("demo {}", "{}")),
    Door("classroom", "--help", "check {new}", ("check --folder={}",)),
    Door("experiments", "claims --full", "compare {new}", ("compare {}", "publish {}")),
    Door("experiments", "findings --out {new}", "findings {new}"),
)

NOT_ATTACKED = {
    "benchmarks": "measures for half an hour, in an environment of its own",
    "benchmarks.device": "a benchmark too, for an accelerator",
    "tools.pages": "a part of `make docs`, which takes no arguments and writes to build/ alone",
    "benchmarks.single": "a part of a benchmark, which starts it",
    "benchmarks.peer_nanogpt": "a part of a benchmark, which starts it",
    "tools.notebooks": "writes files of this checkout, with the packages of an extra; it has no arguments",
}


@functools.cache
def found() -> frozenset[str]:
    """The names of all modules that can be given to `python -m`."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    doors = {file.relative_to(ROOT) for file in files if MARK.search(file.read_text(encoding="utf-8"))}
    return frozenset(".".join(file.with_suffix("").parts).removesuffix(".__main__") for file in doors)
