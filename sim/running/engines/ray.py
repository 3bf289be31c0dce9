"""An engine that gives each worker a task of Ray (`pip install '.[ray]'`), on this machine or on a cluster of Ray.

A task of Ray starts `sim.running.worker` as a child process and waits for it. So every worker is a fresh process, as
with `engine=processes`, and its outcomes lie on the disk, which all machines must share. The workers end with the
driver. Without an address, a cluster is started on the loopback of this machine, and ended with this process.
"""

import atexit
import math
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from sim.config import NonNegative, Positive, canonical_of
from sim.numerics import SpecificationError, in_one_line
from sim.running.engines import Ending
from sim.running.engines.processes import PATIENCE

PLACE = "hydra.launcher.parameters"

STORE = 80 * 2**20
"""Memory for Ray's objects [bytes], its least. Nothing is passed through it but paths and reasons."""

PRIVATE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on all systems: the address of this machine is that of the loopback
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers see a GPU also if none is set aside for them
}
"""Variables of a cluster that is started here. Ray reads them when it is imported."""


LATE = 5.0
"""Time after the end of a task of Ray that crashed in which its worker may still be ending [s]."""


def ray(
    *,
    address: str | None = None,
    num_cpus: Annotated[int, Positive] = 1,
    num_gpus: Annotated[float, NonNegative] = 0.0,
) -> None:
    """The schema of `hydra.launcher.parameters`.

    address: of a cluster of Ray (`auto`, or host:port), null to start one on this machine; num_cpus, num_gpus: what
    Ray sets aside for each worker; half a GPU is 0.5.
    """


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if a parameter is unknown or wrong. Any number of workers is allowed."""
    del workers
    canonical_of(ray, dict(parameters), PLACE)


class Task:
    """A task of Ray that attends to a worker process."""

    handle = None  # it ends with its driver

    def __init__(self, ray: Any, reference: Any, log: Path) -> None:
        self.ray, self.reference, self.log = ray, reference, log
        self._crashed: float | None = None  # when this was seen [s, monotonic]

    def ended(self) -> Ending | None:
        """Return how the worker ended; None while it works, or while Ray has no room for it."""
        ready, _ = self.ray.wait([self.reference], timeout=0)
        if not ready:
            return None
        try:
            return Ending(str(self.ray.get(self.reference)))
        except Exception as problem:  # the process of Ray, or its node, has died
            self._crashed = time.monotonic() if self._crashed is None else self._crashed
            if time.monotonic() - self._crashed < LATE:
                return None
            name, said = type(problem).__name__, in_one_line(problem).partition(". ")[0]
            return Ending(f"its task of Ray ended with {name}: {said}; see {self.log}")

    def cancel(self) -> None:
        """End the worker, by force if it does not end in time. Its task asks it to write its last checkpoints."""
        for force, patience in ((False, PATIENCE + 5.0), (True, 5.0)):
            with suppress(Exception):  # the cluster may be gone, and the workers with it
                self.ray.cancel(self.reference, force=force)
                if self.ray.wait([self.reference], timeout=patience)[0]:
                    return


class Engine:
    """Tasks of Ray with one worker process each. At most `workers` of them have work at the same time."""

    def __init__(self, workers: int = 1, **parameters: Any) -> None:
        chosen = canonical_of(ray, parameters, PLACE)
        self.address, self.cpus, self.gpus = chosen["address"], chosen["num_cpus"], chosen["num_gpus"]
        self.workers = workers
        if self.address is None:
            _set_environment()
        try:
            import ray as package
        except ImportError:
            raise SpecificationError(
                "hydra.launcher.engine: the package ray is required for engine=ray, found none; pip install '.[ray]'"
            ) from None
        self._ray: Any = package
        if not package.is_initialized():
            self._connect()

    def submit(self, task: Path) -> Task:
        """Give a task file to Ray."""
        attend = self._ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=0)(_attend)
        threads = os.environ.get("OMP_NUM_THREADS")
        where = str(Path.cwd()), str(task.absolute()), self._beside(), threads
        return Task(self._ray, attend.remote(*where), task.with_suffix(".log"))

    def _beside(self) -> int:
        """Return how many workers share a machine or a GPU; minus the cores of each if only the machine knows."""
        if self.gpus:
            return max(1, math.floor(1.0 / self.gpus))
        return self.workers if self.address is None else -self.cpus

    def _connect(self) -> None:
        quiet = {"log_to_driver": False, "configure_logging": False}
        with _own_handlers():
            try:
                if self.address is not None:
                    _knock(self.address)
                    self._ray.init(address=self.address, **quiet)
                    return
                folder = tempfile.mkdtemp(prefix="sim-ray-")
                atexit.register(self._end, folder)
                self._ray.init(
                    num_cpus=self.workers * self.cpus,
                    num_gpus=math.ceil(self.workers * self.gpus),
                    include_dashboard=False,
                    object_store_memory=STORE,
                    _temp_dir=folder,
                    **quiet,
                )
            except Exception as problem:  # no cluster has this address, or none can be started
                found = in_one_line(problem)[:300]
                raise SpecificationError(
                    f"{PLACE}.address: a cluster of Ray that answers is required, found {self.address!r} ({found}); "
                    "start one with `ray start --head`, or leave the address out"
                ) from problem

    def _end(self, folder: str) -> None:
        """End the cluster that was started here, and remove its logs."""
        self._ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port, because Ray would try it for minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in address:
        socket.create_connection((host, int(port)), timeout=10.0).close()


def _set_environment() -> None:
    """Tell Ray how to start a cluster here. Only processes that know the token can use it; it is written nowhere."""
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ.update({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    for name, value in PRIVATE.items():
        os.environ.setdefault(name, value)


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handlers of signals that this process has; Ray replaces that of SIGTERM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _attend(folder: str, task: str, beside: int, threads: str | None) -> str:
    """Start a worker in a process of Ray, wait for it, and return the reason of its ending; "" if there is none.

    folder: the working folder of the driver; beside: how many workers share this machine, or minus the number of cores
    of each; threads: OMP_NUM_THREADS of the driver, which Ray has changed here.
    """
    import sys

    os.chdir(folder)
    sys.path.insert(0, folder)
    from sim.pool import cores
    from sim.running.engines.processes import Engine

    os.environ.pop("OMP_NUM_THREADS", None)
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = threads
    child = Engine(beside if beside > 0 else max(1, cores() // -beside)).submit(Path(task))
    try:
        while (ending := child.ended()) is None:
            time.sleep(0.05)
    finally:  # the driver cancels it with a KeyboardInterrupt
        child.cancel()
    return ending.reason
