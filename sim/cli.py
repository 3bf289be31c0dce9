"""Run a task with Hydra: one line on stderr for every mistake of the user. Nothing slow is imported here."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, TextIO

import hydra
from omegaconf import DictConfig, OmegaConf

from sim.config import conf_folder, members
from sim.mistakes import HYDRA_KWARGS as HYDRA_KWARGS
from sim.mistakes import explain as explain
from sim.mistakes import is_mistake
from sim.streams import INTERRUPTION, status_of

REFUSED = 2
"""Exit status for bad input."""


POINT = "overrides_of_point"
"""The attribute of an exception with the overrides of the run of a multirun that failed, if they are known."""


OmegaConf.register_new_resolver("members", lambda kind: ", ".join(members(kind)), replace=True)
"""`${members:<kind>}` in a configuration lists the members of a kind; the help uses it."""


class FailedPointsError(Exception):
    """A run of a multirun failed and was listed with its reason. `status` is the exit status of the multirun."""

    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def run_hydra(task: Callable[[DictConfig], object], config_name: str = "config", directory: Path | None = None) -> int:
    """Compose the configuration from the command line, run `task` on it, and return the exit status.

    0: done. 2: the configuration is wrong, or the task refused a value with SpecificationError. Then one line on stderr
    says what is wrong and how to correct it (in a multirun one line for each such job, after the other jobs). 130, 143,
    129: interrupted. If a multirun has listed its failures itself, the status is that of its FailedPointsError. Other
    exceptions pass through with their tracebacks. With HYDRA_FULL_ERROR=1 all exceptions do.
    `directory` holds the configurations; None means the project's own, `sim.config.conf_folder()`.
    """
    directory = directory or conf_folder()
    refusals: list[str] = []
    stderr = _JobFailuresHeld(sys.stderr)

    def explained(error: Exception) -> str:
        return explain(error, getattr(error, POINT, sys.argv[1:]), config_name, directory)

    noting = _noting(task, lambda error: refusals.append(explained(error)), sys.stderr)
    entry = hydra.main(config_path=str(directory), config_name=config_name, **HYDRA_KWARGS)(noting)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":
        entry()
        return 0
    try:
        with _raising_hydra(), redirect_stderr(stderr):
            entry()
    except KeyboardInterrupt as interruption:
        print(INTERRUPTION, file=sys.stderr)
        return status_of(interruption)
    except FailedPointsError as failure:
        return failure.status
    except Exception as error:
        if is_mistake(error):
            refusals.append(explained(error))
        print(*dict.fromkeys(refusals), sep="\n", end="\n" if refusals else "", file=sys.stderr)
        if is_mistake(error):
            return REFUSED
        if not isinstance(error, OSError):
            sys.stderr.write(stderr.held)
        raise
    return 0


def chosen_of(known: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the option of every group, and the dotted keys that the user wrote, from the configuration of Hydra."""
    return dict(known.runtime.choices), {str(one).partition("=")[0].lstrip("+~") for one in known.overrides.task}


def _noting(
    task: Callable[[DictConfig], object], note: Callable[[Exception], None], stderr: TextIO
) -> Callable[[DictConfig], object]:
    """Return the task with every mistake noted, because Hydra reports only the first failure of a multirun."""

    @functools.wraps(task)
    def noting(config: Any) -> object:
        with redirect_stderr(stderr):
            try:
                return task(config)
            except Exception as error:
                if is_mistake(error):
                    note(error)
                raise

    return noting


@contextmanager
def _raising_hydra() -> Iterator[None]:
    """Within this context Hydra raises exceptions that it would otherwise print."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("HYDRA_FULL_ERROR")
        if before is not None:
            os.environ["HYDRA_FULL_ERROR"] = before


class _JobFailuresHeld:
    """A stderr that holds back Hydra's line about a failed job, because a mistake of the user is told in one line."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.held = stream, ""

    def write(self, text: str) -> int:
        if text.startswith("Error executing job with overrides"):
            self.held += text
            return len(text)
        return self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
