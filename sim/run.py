"""python -m sim.run [experiment=<name>] [group=option] [key=value ...]: one simulation, configuration to record."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli import run_hydra
from sim.numerics import SpecificationError

CPU_DEVICES = 2
"""Virtual devices on a CPU, one per model that is trained side by side: the fine-tuning and its control."""

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sim.records import Record


def task(config: "DictConfig") -> None:
    """Check the configuration, simulate, verify the identities, publish the record; skip what is already finished."""
    from omegaconf import OmegaConf

    os.environ.setdefault("JAX_NUM_CPU_DEVICES", str(CPU_DEVICES))  # read when jax is first imported, just below
    from sim.build import identity, settings
    from sim.records import FinishedError, folder, invalidity, prepare, read

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    plain.pop("hydra", None)
    chosen = settings({str(key): value for key, value in plain.items()})
    target = folder(chosen["outputs"], chosen["name"], identity(chosen))
    if target.exists():
        record = read(target)  # verified, so that a damaged record is said and not passed on
        how = "finished before, kept as it is"
    else:
        prepare(target)
        started = time.perf_counter()
        try:
            record = _performed(chosen, target)
            how = f"finished in {time.perf_counter() - started:.0f} s"
        except FinishedError:
            record, how = read(target), "finished by another process meanwhile, kept as it is"
    print(f"{target}: {how}")
    warning = invalidity(record)
    if warning is not None:
        print(warning)


def _performed(chosen: dict[str, Any], target: Path) -> "Record":
    """The record of a run; a training that diverges is bad input, said in one line."""
    from sim.job import perform

    try:
        return perform(chosen, target)
    except FloatingPointError as problem:
        raise SpecificationError(str(problem)) from problem


def main() -> None:
    """Entry point of `python -m sim.run` and of the console script."""
    sys.exit(run_hydra(task))


if __name__ == "__main__":
    main()
