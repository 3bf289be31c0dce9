"""python -m sim.run [experiment=<name>] [group=option] [key=value ...]: do one simulation and keep its record."""

import sys
import time
from typing import TYPE_CHECKING

from sim.arguments import flags_first
from sim.cli import chosen_of, run_hydra
from sim.config.fitting import fitting
from sim.running import environment
from sim.streams import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


def task(config: "DictConfig") -> str:
    """Check the configuration, simulate, verify the identities and publish the record. A finished run is kept.

    It returns the folder of the record. If the run fails, it raises the error; this is a SpecificationError if the user
    can correct what went wrong.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    plain = {str(key): value for key, value in container.items() if key != "hydra"}
    if HydraConfig.initialized():
        plain = fitting(plain, *chosen_of(HydraConfig.get()))
    environment.prepare(str(plain.get("outputs")))  # jax reads it when it is first imported, just below
    environment.load_jax()
    from sim.disk.records import invalidity
    from sim.running.announced import check_claim, kept_for_others
    from sim.running.build import settings
    from sim.running.identity import edited_since, target
    from sim.running.outcomes import edited_warning
    from sim.running.single import bring
    from sim.show.progress import Progress

    chosen = settings(plain)
    check_claim(chosen["claim"])
    place = target(chosen)
    started = time.perf_counter()
    with Progress(chosen["finetune"].get("siblings", 0)) as progress:
        outcome, record = bring(chosen, progress.update)
    took = f"finished in {time.perf_counter() - started:.0f} s"
    print(f"{place}: {took if outcome.state == 'finished' else 'finished before, kept as it is'}")
    lines = kept_for_others([(chosen["claim"], place)]) if outcome.state == "kept" else []
    if outcome.state == "kept" and (edited := edited_since(record)):
        lines.append(edited_warning(edited))
    if (warning := invalidity(record)) is not None:
        lines.append(warning)
    for line in lines:
        print(line)
    return str(place)


def main() -> None:
    """Entry point of `python -m sim.run` and of the console script."""
    sys.argv[1:] = flags_first(sys.argv[1:])
    sys.exit(command(lambda: run_hydra(task)))


if __name__ == "__main__":
    main()
