"""An engine that gives each worker a child process, so that a crash of one worker does not affect the others."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.running.engines import Ending, last_line, no_parameters

PATIENCE = 10.0
"""Time that a child has to end after it was asked to [s]: for its last checkpoint."""


def check(workers: int, parameters: Mapping[str, Any]) -> None:
    """Raise SpecificationError if there are parameters. Any number of workers is allowed."""
    del workers
    no_parameters("processes", parameters)


@dataclass(frozen=True)
class Child:
    """A child process and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    handle: None = None  # it ends with its driver

    def ended(self) -> Ending | None:
        """Return how the child ended; None while it runs."""
        status = self.process.poll()
        if status is None:
            return None
        self._cut()
        return Ending(_reason(status, self.log))

    def cancel(self) -> None:
        """End the child, by force if it does not end in time."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:  # it did not end, or a person has pressed Ctrl-C again
            self.process.kill()
            self.process.wait()
            self._cut()

    def _cut(self) -> None:
        """Close our end of the lifeline."""
        assert self.process.stdin is not None
        self.process.stdin.close()


@dataclass(frozen=True)
class Engine:
    """Child processes on this machine.

    Each child is the leader of a new session of the operating system. So Ctrl-C reaches only the driver, and the driver
    ends its children. The stdin of a child is a lifeline: it closes when the driver ends, for whatever reason.
    """

    workers: int = 1

    def submit(self, task: Path) -> Child:
        """Start a child on a task file."""
        log = task.with_suffix(".log")
        environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
        python = [sys.executable, "-X", "faulthandler"]  # a crash leaves a traceback in the log
        command = [*python, "-m", "sim.running.worker", str(task), "--lifeline", f"--beside={self.workers}"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return Child(process, log)


def _reason(status: int, log: Path) -> str:
    if status == 0:
        return ""
    if status < 0:
        more = "; if memory ran out, lower hydra.launcher.max_runs" if -status == signal.SIGKILL else f"; see {log}"
        return f"its process was killed by {_signal(-status)}{more}"
    return f"its process ended with exit status {status}: {last_line(log)}; see {log}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
