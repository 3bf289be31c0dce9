"""Ask the server (`tests.attack.server`) for a command, or start it as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attack.doors import ROOT


@dataclass(frozen=True)
class Said:
    """What a command left behind: its status and its streams."""

    status: int
    out: str
    err: str


class Client:
    """A server that was started, in the environment of the tests and with `more` variables."""

    def __init__(self, doors: Sequence[str], **more: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"} | more
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.attack.server", *doors],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def do(
        self,
        module: str,
        words: Sequence[str] = (),
        streams: Sequence[str] = (os.devnull, "kept", "kept"),
        environment: Mapping[str, str | None] | None = None,
        folder: Path | str | None = None,
        deleted: bool = False,
        room: int | None = None,
    ) -> Said:
        """Do a command. deleted: its folder is removed first; room: the largest size of a file in bytes."""
        request: dict[str, Any] = {
            "module": module, "words": list(words), "streams": list(streams), "deleted": deleted, "room": room,
            "environment": dict(environment or {}), "folder": None if folder is None else str(folder),
        }  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Said(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
