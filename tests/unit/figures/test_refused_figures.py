"""A figure that is written wrongly is refused in one line with its file; what is not drawn is named."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from matplotlib.figure import Figure

from figures import __main__ as command
from figures.curves import Tables, curve, ends
from figures.style import figure
from sim.config import members
from sim.config.discovery import Member
from sim.numerics import SpecificationError
from tests.unit.figures.tiny_runs import run

FILE = Path("/lab/figures/demo/loss.py")
HASH = "0123456789ab"


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    found: dict[str, pl.DataFrame] = members("experiment")["demo"].load().analyse(run())
    return found


def written_to(folder: Path, tables: Tables, *names: str, report: str = HASH) -> Path:
    """A folder with a report that has some of the tables."""
    place = folder / "reports" / report / "tables"
    place.mkdir(parents=True)
    for name in names:
        tables[name].write_parquet(place / f"{name}.parquet")
    return folder


@pytest.fixture
def outputs(tmp_path: Path, tables: Tables) -> Path:
    return written_to(tmp_path / "outputs", tables, "metrics", "run", "phases")


def empty(tables: Tables) -> Figure:
    return figure(1.0, 1)[0]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line with which a figure of the demo is refused: TABLES, draw and caption as given."""

    def told(folder: Path, *arguments: str, **defined: Any) -> str:
        monkeypatch.setattr(command, "members", lambda kind: {"demo/loss": written(**defined)})
        assert command.main(["demo", str(folder), *arguments]) == command.REFUSED
        out, error = capsys.readouterr()
        assert (out, error.count("\n")) == ("", 1)
        return error.rstrip("\n")

    return told


def written(**defined: Any) -> Member:
    module = ModuleType("lab.figures.demo.loss")
    module.__file__ = str(FILE)
    usual = {"TABLES": ("metrics", "run"), "draw": empty, "caption": lambda tables: "Exact."}
    for name, value in (usual | defined).items():
        if value is not None:
            setattr(module, name, value)  # None stands for a name that is not defined

    class Written(Member):
        def load(self) -> ModuleType:
            return module

    return Written("figure", "demo/loss", module.__name__, FILE)


# -- what a figure defines --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("defined", "said"),
    [
        ({"caption": None}, "a function caption(tables) that returns text is required, found none"),
        ({"TABLES": None}, 'TABLES: names of tables, such as ("metrics",), are required, found None'),
        ({"TABLES": "metrics"}, "TABLES: names of tables, such as (\"metrics\",), are required, found 'metrics'"),
        ({"draw": lambda tables: (1, 2)}, "draw: Figure is required, found (1, 2)"),
        (
            {"caption": lambda tables: None},
            "caption: str is required, found None",
        ),
        (
            {"draw": lambda tables: curve(tables["metrics"], "sft", "gat")},
            "metric: a metric of the table is required, found 'gat' (did you mean 'gate'?)",
        ),
    ],
    ids=["no caption", "no tables", "one table", "no figure", "no text", "metric misspelt"],
)
def test_a_figure_with_a_mistake_is_refused_with_its_file(refused, outputs, defined, said):
    assert refused(outputs, **defined) == f"{FILE}: {said}"


def test_the_command_that_writes_the_report_is_told(refused, tmp_path):
    """It names the study and the folder, which can have any name."""
    for folder, found in ((tmp_path / "blind", "no such folder"), (tmp_path, "none")):
        line = refused(folder)
        assert f"found {found}; run python -m experiments demo {folder} first" in line


def test_a_figure_that_draws_nothing_is_named(outputs, monkeypatch, capsys):
    there = {"demo/loss": written(draw=lambda tables: None), "demo/fit": written()}
    monkeypatch.setattr(command, "members", lambda kind: there)
    assert command.main(["demo", str(outputs)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("figures: fit.pdf, fit.png, fit.svg, fit.txt")
    assert second.startswith("Not drawn: loss; draw(tables) returned None")
    assert not list(outputs.rglob("loss.*"))


def test_of_figures_that_are_all_drawn_nothing_more_is_said(outputs, monkeypatch, capsys):
    monkeypatch.setattr(command, "members", lambda kind: {"demo/loss": written()})
    assert command.main(["demo", str(outputs)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


# -- the tables that it reads -----------------------------------------------------------------------------------------


def test_a_table_that_is_misspelt_is_refused_with_those_that_there_are(refused, outputs):
    place = outputs / "reports" / HASH / "tables"
    said = refused(outputs, TABLES=("metrix",))
    wanted = f"one of metrics, phases, run, the tables in {place}, is required, found 'metrix'"
    assert (
        said
        == f"{FILE}: TABLES: {wanted} (did you mean 'metrics'?); python -m experiments demo {outputs} writes tables"
    )


def test_the_figures_of_a_run_need_its_report_where_there_is_one_of_a_claim(refused, outputs, tables):
    written_to(outputs, tables, "phases", report="claim")
    said = refused(outputs, TABLES=("run",))
    place = outputs / "reports" / "claim" / "tables"
    assert said.startswith(f"{FILE}: TABLES: one of phases, the tables in {place}, is required, found 'run'")
    assert said.endswith(f"; choose the report of one run with --run, such as --run {HASH}")
    said = refused(outputs, "--run", HASH, TABLES=("documents",))
    assert said.endswith(f"; python -m experiments demo {outputs} writes tables")


# -- the numbers that it reads ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("sft", "gat"), "metric: a metric of the table is required, found 'gat' (did you mean 'gate'?)"),
        (("truth", "event_mas"), "metric: a metric of the table is required, found 'event_mas' (did you mean "),
        (
            ("stf", "gate"),
            "phase: one of 'identity', 'pretrain', 'sft' is required for metric='gate', found 'stf' (did you mean",
        ),
        (
            ("sft", "kl", "Q||P"),
            "of: one of 'P_A||q', 'P||q', 'S||q', 'q*||q' is required for metric='kl', phase='sft', found 'Q||P' (did",
        ),
        (
            ("sft", "gate", "A", "S(x)"),
            "prompt_law: one of 'P(x)' is required for metric='gate', phase='sft', of='A', found 'S(x)'",
        ),
    ],
    ids=["metric", "of the truth", "phase", "of", "law"],
)
def test_numbers_that_are_not_there_are_refused_with_what_is_wrong(tables, asked, said):
    for read in (curve, ends):
        with pytest.raises(SpecificationError) as refusal:
            read(tables["metrics"], *asked)
        assert str(refusal.value).startswith(said)
