"""Figures of theory alone: they need no run and no folder, say where they are, and load neither jax nor records."""

import subprocess
import sys
from pathlib import Path

import pytest

from figures import __main__ as command
from figures.__main__ import figures_of
from tests.attack.bad import places
from tests.composed import ROOT

ALONE = """
import sys
from figures.__main__ import figures_of
from figures.style import styled
with styled("paper"):
    names = [name for name, one in figures_of("theory").items() if one.draw({}) is not None]
heavy = {"jax", "flax", "hydra", "sim.disk", "sim.metrics", "sim.training", "sim.running", "experiments"}
print(len(names), *sorted(heavy & set(sys.modules)))
"""


def test_all_of_them_are_drawn_without_jax_and_without_records() -> None:
    child = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    count, *loaded = child.stdout.split()
    assert int(count) == len(figures_of("theory")) >= 4
    assert not loaded


def test_a_figure_is_written_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert command.main(["theory", str(folder), "--only", "memorisation"]) == 0
    there = {file.name: file.read_bytes() for file in (folder / "figures").iterdir()}
    assert set(there) == {f"memorisation.{ending}" for ending in ("pdf", "svg", "png", "txt")}
    assert capsys.readouterr().out.startswith(f"Written to {folder / 'figures'}: memorisation.pdf")
    assert command.main(["theory", str(folder), "--only", "memorisation", "--for", "slide"]) == 0
    assert (folder / "figures" / "memorisation-slide.png").exists()
    kept = {name: (folder / "figures" / name).read_bytes() for name in there}
    assert {name: one for name, one in kept.items() if name != "memorisation.txt"} == {
        name: one for name, one in there.items() if name != "memorisation.txt"
    }


def test_the_usual_folder_is_that_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "write_all", lambda figures, *rest: {name: [] for name in figures})
    assert command.main(["theory"]) == 0
    assert capsys.readouterr().out.startswith(f"Written to {Path('outputs/theory/figures')}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run", "0123456789ab"], "--run: no run is required for theory, whose figures show theory alone, found "),
        (["--only", "decays"], "--only: one of decay, "),
        (["--published"], "--published: no runs are required"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(arguments, said, tmp_path, capsys) -> None:
    folder = tmp_path / "new"
    assert command.main(["theory", str(folder), *arguments]) == command.REFUSED
    assert capsys.readouterr().err.startswith(said)
    assert not folder.exists()


def test_nothing_of_it_is_published(capsys) -> None:
    assert command.main(["theory", "--published"]) == command.REFUSED
    assert capsys.readouterr().err.startswith("--published: a study whose figures read tables is required")


GOOD = ("nothing", "a home of nobody")
"""Places that are the current folder, and a new one in it."""


def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path, capsys) -> None:
    found = places(tmp_path)
    before = set(tmp_path.rglob("*"))
    for kind, place in found.items():
        if kind not in GOOD:
            assert command.main(["theory", place]) == command.REFUSED, kind
            line = capsys.readouterr().err
            assert "a folder that can be written is required" in line, kind
            assert line.count("\n") == 1, kind
    assert set(tmp_path.rglob("*")) == before
