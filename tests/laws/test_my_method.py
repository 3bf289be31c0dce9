"""The package in examples/my_method as a stranger's: its method is found, its commands compose, and it is placed.

Its own tests (examples/my_method/tests) are run with ours, see `testpaths` in pyproject.toml.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import sim.run
import sim.running.multirun
from sim import cli
from sim.config import discovery
from sim.config.discovery import forget, packages
from sim.running.build import settings
from sim.running.outcomes import Outcome
from tests.composed import ROOT

EXAMPLE = ROOT / "examples" / "my_method"
PAGES = (EXAMPLE / "README.md", ROOT / "docs" / "my_method.md")


def installed(site: Path) -> Path:
    """Say in a folder for packages that the example is installed, as pip does."""
    about = site / "my_method-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-method\nVersion: 0.1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[sft_diversity]\nmy_method = my_method\n", encoding="utf-8")
    return site


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package takes part in this process."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(installed(tmp_path / "site")))
    forget()
    assert [one.name for one in packages()] == ["my_method"]
    yield
    monkeypatch.undo()
    forget()


def run(monkeypatch: pytest.MonkeyPatch, where: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit status of a command, and the configurations of the runs that it asks for."""
    asked: list[dict[str, Any]] = []

    def multirun(written: Any, folder: Path, options: Any) -> list[Outcome]:
        asked.extend(settings(dict(config())) for _, config in written)
        return [Outcome(Path("outputs/x/0b"), "finished", overrides=overrides) for overrides, _ in written]

    monkeypatch.setattr(sim.running.multirun, "multirun", multirun)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    quiet = ("hydra/hydra_logging=none", "hydra/job_logging=none", f"outputs={where}")
    monkeypatch.setattr(sys, "argv", ["run", *arguments, *quiet])
    return cli.run_hydra(sim.run.task), asked


def test_the_entry_point_is_that_of_its_project_file() -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"] == {discovery.ENTRY_POINTS: {"my_method": "my_method"}}


@pytest.mark.usefixtures("package")
def test_its_method_is_found_alone_and_beside_another_one(monkeypatch, tmp_path):
    status, asked = run(monkeypatch, tmp_path, "experiment=atlas", "method=[sft,my_method]", "seed=3")
    assert status == 0
    found = [(one["study"]["part"], one["objective"].get("power")) for one in asked]
    assert found == [("sft", None), ("my_method", -0.25), ("my_method", -0.5), ("my_method", 0.5)]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("written", ["method=my_metod", "method=[sft,my_metod]"])
def test_a_wrong_name_is_one_line_with_the_nearest(written, monkeypatch, tmp_path, capfd):
    assert run(monkeypatch, tmp_path, "experiment=atlas", written) == (2, [])
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("method: one of annotation, average, ")
    assert line.endswith("is required, found 'my_metod' (did you mean 'my_method'?)")


def test_the_help_lists_its_method_and_its_objective(tmp_path):
    lines = done(installed(tmp_path / "site"), tmp_path, "sim.run", "--help", path=EXAMPLE).splitlines()
    for group, name in (("method", "my_method"), ("objective", "power_loss")):
        (line,) = [one for one in lines if one.startswith(f"{group}: ") and "," in one]
        assert name in line.replace(",", "").split()


def commands() -> list[list[str]]:
    """The arguments of the documented runs of the package, each once."""
    found = [re.findall(r"^    python -m sim\.run ([^#\n]*)", page.read_text(encoding="utf-8"), re.M) for page in PAGES]
    return [shlex.split(line) for line in sorted({line.strip() for lines in found for line in lines})]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_documented_command_asks_for_runs(words, monkeypatch, tmp_path):
    shortened = ["seed=0" if word.startswith("seed=range") else word for word in words]
    status, asked = run(monkeypatch, tmp_path, *shortened)
    assert status == 0
    own = [one for one in asked if one["study"]["part"] == "my_method"]
    assert asked
    assert len(own) == (3 if any("my_method" in word for word in words) else 0)


def test_the_pages_show_commands_and_files() -> None:
    assert len(commands()) >= 4
    files = [
        one
        for one in (EXAMPLE / "my_method").rglob("*")
        if one.suffix in (".py", ".yaml") and one.name != "__init__.py"
    ]
    page = PAGES[1].read_text(encoding="utf-8")
    assert all(f"<!-- file: {one.relative_to(ROOT).as_posix()} -->" in page for one in files)
    assert all(one.name in PAGES[0].read_text(encoding="utf-8") for one in files)


# -- from the installation to the place -------------------------------------------------------------------------------


def done(site: Path, folder: Path, *words: str, status: int = 0, path: Path = ROOT) -> str:
    """Do a command as a user with the package in `site` would, and return what it says."""
    where = os.pathsep.join(map(str, (site, path, ROOT)))
    made = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env={**os.environ, "PYTHONPATH": where}, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert made.returncode == status, made.stdout + made.stderr
    return made.stdout + made.stderr


@pytest.mark.slow
def test_it_is_placed_beside_a_reference_of_the_same_world_and_settings(tmp_path: Path) -> None:
    site = installed(tmp_path / "site")
    shutil.copytree(EXAMPLE / "my_method", site / "my_method", ignore=shutil.ignore_patterns("__pycache__"))
    small = ("scale=smoke", "pretrain.limit=100", "finetune.num_steps=80", "finetune.num_evals=12")
    atlas = ("sim.run", "experiment=atlas", *small)
    done(site, tmp_path, *atlas, "method=[sft,gem]", "seed=0", "name=others")
    done(site, tmp_path, "experiments", "atlas", "outputs/others")
    assert "places" in done(site, tmp_path, "experiments", "publish", "outputs/others", "--out", "reference")
    done(site, tmp_path, *atlas, "method=my_method", "seed=0,1", "name=mine")
    said = done(site, tmp_path, "experiments", "atlas", "outputs/mine", "--reference", "reference")
    assert "Your method among those of the reference" in said
    assert "seed: a world of the reference (0) is required, found 1" in " ".join(said.split())
    tables = {
        file.stem: pl.read_parquet(file)
        for file in (tmp_path / "outputs/mine/reports/together/tables").glob("*.parquet")
    }
    last = tables["placed"].filter(pl.col("level").is_null()).sort("strength")
    assert last["strength"].to_list() == ["power -0.25", "power -0.5", "power 0.5"]
    assert last["of_above_worlds"].to_list() == [1, 1, 1]
    others = pl.read_parquet(tmp_path / "reference/atlas/tables/places.parquet").filter(pl.col("level").is_null())
    own = tables["ends"].filter(seed=0).sort("strength")
    by_hand = own["above"] - others.filter(method="sft")["above"].item()
    assert last["of_above"].to_list() == pytest.approx(by_hand.to_list(), abs=1e-5)
    assert set(own["objective_gap"].is_null()) == {False}, "it predicts an optimum"

    source = site / "my_method" / "objectives" / "power_loss.py"
    text = source.read_text(encoding="utf-8")
    without = re.sub(r"    def optimum.*?\n\n", "", text, flags=re.DOTALL)
    source.write_text(without, encoding="utf-8")
    done(site, tmp_path, *atlas, "method=my_method", "seed=0", "name=unknown")
    done(site, tmp_path, "experiments", "atlas", "outputs/unknown", "--reference", "reference")
    ends = pl.read_parquet(tmp_path / "outputs/unknown/reports/together/tables/ends.parquet")
    assert ends["objective_gap"].null_count() == ends.height == 3
    source.write_text(without.replace("return jnp.asarray(-", "return jnp.asarray(jnp.nan * -"), encoding="utf-8")
    failed = done(site, tmp_path, *atlas, "method=my_method", "seed=0", "name=broken", status=2)
    assert failed.count("the loss is not finite") == 3
