"""Every `python -m sim.run` that a document shows is one that builds: nobody should copy a command that is refused."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from sim.running.build import build, settings
from tests.composed import compose

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["*.md", "conf/config.yaml", "docs/*.md", "conf/experiment/*.yaml", "examples/grammars/*"]
FILE = "examples/grammars/markov.yaml"  # for the file that a reader writes


def commands() -> list[str]:
    """Arguments of the documented commands that run something, without comments."""
    text = "\n".join(file.read_text(encoding="utf-8") for pattern in DOCUMENTS for file in sorted(ROOT.glob(pattern)))
    found = re.findall(
        r"python -m sim\.run +([^\n`]*)", re.sub(r" *\\\n +", " ", text)
    )  # a command may have several lines
    clean = {re.split(r"\s{2,}|, then|\s+#|\s+\(", line)[0].strip().rstrip(",") for line in found}
    single = {re.sub("^-m +", "", line) for line in clean}
    whole = (line for line in single if line and "..." not in line and "<" not in line)
    return sorted(line for line in whole if not line.startswith(("-", "[", "…")))


def first_point(arguments: list[str]) -> list[str]:
    """The arguments of the first point of a multirun; those of a single run as they are."""
    ours = [one for one in arguments if not one.startswith(("hydra/sweeper=", "hydra.sweeper."))]
    parsed = OverridesParser.create().parse_overrides(ours)
    return [
        f"{one.get_key_element()}={first_value(one)}" if one.is_sweep_override() else text
        for one, text in zip(parsed, ours, strict=True)
    ]


def first_value(one: Override) -> object:
    """The first value of a sweep; of an interval, in which a sweeper searches, the lower end."""
    value = one.value()
    return value.start if isinstance(value, IntervalSweep) else next(one.sweep_string_iterator())


def test_there_are_commands() -> None:
    assert len(commands()) >= 9
    assert any("range(" in command for command in commands()), "a multirun among them"


@pytest.mark.parametrize("command", commands())
def test_a_documented_command_builds(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = command.replace("=days.yaml", f"={FILE}")
    build(settings(compose(*first_point(shlex.split(command)))))
