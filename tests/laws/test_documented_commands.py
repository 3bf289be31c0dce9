"""Every `python -m sim.run` that a document shows is one that builds: nobody should copy a command that is refused."""

import re
import shlex
from pathlib import Path

import pytest

from sim.build import build, settings
from tests.composed import compose

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["*.md", "conf/config.yaml", "docs/*.md", "conf/experiment/*.yaml", "examples/grammars/*"]
FILE = "examples/grammars/markov.yaml"  # for the file that a reader writes


def commands() -> list[str]:
    """Arguments of the documented commands that run something, without comments."""
    text = "\n".join(file.read_text(encoding="utf-8") for pattern in DOCUMENTS for file in sorted(ROOT.glob(pattern)))
    found = re.findall(r"python -m sim\.run +([^\n`]*)", text)
    clean = {re.split(r"\s{2,}|, then|\s+#|\s+\(", line)[0].strip().rstrip(",") for line in found}
    return sorted(line for line in clean if line and not line.startswith(("-", "[", "…")) and "..." not in line)


def test_there_are_commands() -> None:
    assert len(commands()) >= 8


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_builds(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = command.replace("=weather.yaml", f"={FILE}")
    build(settings(compose(*shlex.split(command))))
