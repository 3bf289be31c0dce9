"""What tests of python -m sim.describe share: files to write, and the command as JSON, as text and as a refusal."""

import json
from pathlib import Path

import pytest

from sim.describe.command import main


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file to a new current folder, and return its name."""
    monkeypatch.chdir(tmp_path)

    def to(text, name="g.yaml"):
        Path(name).write_text(text, encoding="utf-8")
        return name

    return to


@pytest.fixture
def ask(capsys):
    """Describe with options, as JSON."""

    def said(*arguments):
        status = main([str(argument) for argument in (*arguments, "--json")])
        out = capsys.readouterr()
        assert status == 0, out.err
        return json.loads(out.out)

    return said


@pytest.fixture
def text(capsys):
    """Describe with options, as text."""

    def said(*arguments):
        assert main([str(argument) for argument in arguments]) == 0
        return capsys.readouterr().out

    return said


@pytest.fixture
def refused(capsys):
    """The one line of a refusal."""

    def line(*arguments):
        assert main([str(argument) for argument in arguments]) == 2
        out = capsys.readouterr()
        assert out.out == ""
        assert out.err.count("\n") == 1
        return out.err.strip()

    return line
