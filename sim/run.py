"""python -m sim.run [experiment=<name>] [group=option] [key=value ...]: one simulation, configuration to record."""

import sys
import time
from typing import TYPE_CHECKING

from sim.cli import run_hydra

CPU_DEVICES = 2
"""Virtual devices on a CPU, one per model that is trained side by side: the fine-tuning and its control."""

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> None:
    """Check the configuration, simulate, verify the identities, publish the record; skip what is already finished."""
    from omegaconf import OmegaConf

    from sim.build import settings
    from sim.records import folder, run_hash

    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    plain.pop("hydra", None)
    chosen = settings({str(key): value for key, value in plain.items()})
    target = folder(chosen["outputs"], chosen["name"], run_hash(chosen))
    if target.exists():
        from sim.records import read

        read(target)  # verified, so that a damaged record is said and not passed on
        print(f"{target}: finished before, kept as it is")
        return
    import jax

    jax.config.update("jax_num_cpu_devices", CPU_DEVICES)
    from sim.job import perform

    started = time.perf_counter()
    perform(chosen, target)
    print(f"{target}: finished in {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Entry point of `python -m sim.run` and of the console script."""
    sys.exit(run_hydra(task))


if __name__ == "__main__":
    main()
