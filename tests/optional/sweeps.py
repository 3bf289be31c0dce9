"""Sweeps of a tiny world on an engine, and the bits of their results."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.composed import ROOT

WORLD = ("scale=smoke", "model=tabular_trie", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml",
         "restriction=everything", "hydra.launcher.checkpoint_seconds=0.2")  # fmt: skip


def sweep(outputs: Path, *words: str, environment: Mapping[str, str] = os.environ, status: int = 0) -> str:
    """Give the command, which ends with a status; returns what it says."""
    command = [sys.executable, "-m", "sim.run", "-m", f"outputs={outputs}", *words]
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def numbers(outputs: Path, name: str) -> dict[str, dict[str, str]]:
    """The SHA-256 of all arrays and parameters of every run."""
    found = {}
    for manifest in (outputs / name).glob("*/manifest.json"):
        files: dict[str, str] = json.loads(manifest.read_text(encoding="utf-8"))
        found[manifest.parent.name] = {name: digest for name, digest in files.items() if name != "run.json"}
    return found
