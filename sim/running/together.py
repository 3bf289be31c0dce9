"""Several processes that train together, with the devices of all of them (`jax.distributed`): tasks of one SLURM job.

The first process leads: it does the runs of a task as a single process would. The others follow it
(`sim.training.hosts`).
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from sim.numerics import SpecificationError

FORM = re.compile(r"([^,\s]+:[0-9]+),([1-9][0-9]*),([0-9]+)")


@dataclass(frozen=True)
class Place:
    """Where the processes meet (host:port), how many they are, and which of them this one is."""

    address: str
    number: int
    index: int


def place(text: str) -> Place:
    """Return the place that HOST:PORT,NUMBER,INDEX describes. Raises ValueError for any other text."""
    found = FORM.fullmatch(text)
    if found is None or int(found[3]) >= int(found[2]):
        raise ValueError(text)
    return Place(found[1], int(found[2]), int(found[3]))


def of_slurm() -> Place | None:
    """Return the place of this task of a SLURM job with several tasks; None for a single one.

    On one node, the tasks meet on the loopback. The port depends on the number of the job, as jax chooses it.
    """
    number = int(os.environ.get("SLURM_NTASKS", "1"))
    if number == 1 or "SLURM_PROCID" not in os.environ:
        return None
    port = 61440 + int(os.environ["SLURM_JOB_ID"]) % 4096
    host = "127.0.0.1"
    if int(os.environ.get("SLURM_JOB_NUM_NODES", "1")) > 1:
        host = _first_node()
    return Place(f"{host}:{port}", number, int(os.environ["SLURM_PROCID"]))


def _first_node() -> str:
    """Return the first host of this job step, such as n3 of `n[3,5-7]` and of `n3,m5`."""
    nodes = os.environ["SLURM_STEP_NODELIST"]
    found = re.match(r"([^\[,]+)(?:\[([0-9]+))?", nodes)
    if found is None:
        raise SpecificationError(f"SLURM_STEP_NODELIST: a list of hosts is required, found {nodes!r}; unset it")
    return found[1] + (found[2] or "")


def lead_or_follow(where: Place, work: Callable[[], None]) -> None:
    """Do some work with the devices of all processes, if this process leads; otherwise follow the one that does."""
    import jax

    jax.distributed.initialize(
        where.address, where.number, where.index, coordinator_bind_address=where.address if where.index == 0 else None
    )
    from sim.training import hosts

    hosts.connect()
    if not hosts.is_leader():
        hosts.follow()
        return
    try:
        work()
    finally:
        hosts.dismiss()
