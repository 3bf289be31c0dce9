"""python -m experiments: which experiments there are, what is printed and written, and what is refused in one line."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from experiments import __main__ as command
from experiments.__main__ import REFUSED, claims, experiment, main
from sim.config import members
from sim.numerics import SpecificationError
from tests.unit import imitated_unlisted
from tests.unit.experiments.tiny_studies import ROOT, archived, study, variant
from tests.unit.figures.tiny_runs import run
from tests.unit.figures.tiny_studies import tables

MODULES = {name: one.load() for name, one in members("experiment").items()}
CLAIMS = [name for name, module in MODULES.items() if hasattr(module, "CLAIM")]
TOGETHER = [name for name, module in MODULES.items() if hasattr(module, "TOGETHER")]
ALONE = [name for name, module in MODULES.items() if hasattr(module, "ALONE")]
EACH = [name for name in MODULES if name not in (*CLAIMS, *TOGETHER, *ALONE)]

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, of which the second is the newer one."""
    return study(tmp_path_factory.mktemp("outputs") / "runs", [variant(archived(), 1), variant(archived(), 2, seed=9)])


def refused(capsys: Captured, *arguments: object) -> str:
    """The one line with which it ends; nothing is printed but that."""
    assert main([str(one) for one in arguments]) == REFUSED == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


# -- what there is ----------------------------------------------------------------------------------------------------


def test_the_help_lists_every_experiment(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(MODULES) >= 4
    for name, module in MODULES.items():
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert line.split(maxsplit=1)[1] == str(module.__doc__).split("\n")[0]
    assert {line.split()[0] for line in lines if line.strip()} >= {"board", "claims", "--run", "--full"}


def test_the_help_imports_no_experiment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is made whenever the command is called, and a claim takes as long to import as a report takes."""
    found = dict(members("experiment"))
    broken = tmp_path / "broken.py"
    found["broken"] = dataclasses.replace(next(iter(found.values())), name="broken", file=broken)
    monkeypatch.setattr(command, "members", lambda kind: found)
    monkeypatch.setattr(type(next(iter(found.values()))), "load", lambda one: pytest.fail(f"{one.name} is imported"))
    broken.write_text('"""Broken claims.\n\nMore."""\nraise ValueError\n', encoding="utf-8")
    assert "  broken          Broken claims.\n" in command.parser().format_help()
    broken.write_text("CLAIM = (", encoding="utf-8")
    with pytest.raises(SpecificationError, match=f"{broken}: Python is required, found "):
        command.parser()


def test_the_claims_are_printed_one_a_line(capsys: Captured) -> None:
    assert CLAIMS == [claim.name for claim in claims()]
    assert main(["claims", "--full"]) == 0
    assert capsys.readouterr().out.splitlines() == [claim.announced for claim in claims()]


def test_make_claims_leaves_out_what_belongs_to_the_paper_tier(capsys: Captured) -> None:
    assert main(["claims"]) == 0
    core = capsys.readouterr().out.splitlines()
    assert core == [claim.name for claim in claims() if claim.tier == "core"]
    assert "m_methods" in set(CLAIMS) - set(core)


def test_it_is_a_program() -> None:
    """What main returns is the exit status, and what is refused is no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "experiments", "nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("experiments: one of ")


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MODULES, "board", "claims"])
def test_a_wrong_name_is_refused_with_the_nearest_one(name: str, capsys: Captured) -> None:
    wrong = name[1:]
    error = refused(capsys, wrong)
    assert f"is required, found {wrong!r} (did you mean {name!r}?)" in error
    for there in (*MODULES, "board", "claims"):
        assert there in error


@pytest.mark.parametrize("name", MODULES)
def test_every_experiment_is_found_by_its_name(name: str) -> None:
    assert experiment(name) is MODULES[name]
    with pytest.raises(SpecificationError):
        experiment(f"{name}_")


@pytest.mark.parametrize("name", [*(name for name in MODULES if name not in ALONE), "board"])
def test_a_folder_without_runs_is_refused(name: str, tmp_path: Path, capsys: Captured) -> None:
    place = tmp_path / "nowhere"
    assert refused(capsys, name, place).startswith(f"{place}: ")
    assert not place.exists()


@pytest.mark.parametrize("name", EACH)
def test_a_wrong_run_is_refused_with_the_nearest_one(name: str, runs: Path, capsys: Captured) -> None:
    error = refused(capsys, name, runs, "--run", "000000000003")
    assert error.startswith("--run: one of 000000000001, 000000000002 is required, found '000000000003'")
    assert "(did you mean '00000000000" in error
    assert not (runs / "reports").exists()


@pytest.mark.parametrize("name", [*CLAIMS, *TOGETHER, *ALONE, "board", "claims"])
def test_a_run_is_asked_for_where_single_runs_have_reports(name: str, runs: Path, capsys: Captured) -> None:
    error = refused(capsys, name, runs, "--run", "000000000001")
    assert error.startswith(f"--run: one of the experiments with a report of every run ({', '.join(EACH)}) is required")


# -- what is printed and written --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EACH)
def test_a_report_is_written_of_every_run_and_that_of_the_newest_is_printed(
    name: str, tmp_path: Path, capsys: Captured
) -> None:
    folder = study(tmp_path / "runs", [variant(run(), 1), variant(run(), 2)])
    assert main([name, str(folder)]) == 0
    brief = capsys.readouterr().out
    assert f"Written to {folder / 'reports' / '000000000002'}: report.md (--full prints all of it) and tables/" in brief
    assert main([name, str(folder), "--full"]) == 0
    full = capsys.readouterr().out
    for name_ in ("000000000001", "000000000002"):
        written = (folder / "reports" / name_ / "report.md").read_text(encoding="utf-8")
        assert (name_ in full) == (name_ == "000000000002")
        assert name_ in written
    assert len(full) > 2 * len(brief)
    for title in (line.lstrip("# ") for line in written.splitlines() if line.startswith("#")):
        assert " ".join(title.split()) in " ".join(full.split())
    assert main([name, str(folder), "--run", "000000000001"]) == 0
    assert "000000000001" in capsys.readouterr().out


def copied(folder: Path, run: str) -> str:
    """Copy the record of a run; return the line by which every command names the copy."""
    shutil.copytree(folder / run, folder / "copy")
    return (
        f"{folder}/copy: the record of run copy is required, found that of run {run}; "
        "rename the folder, or delete it if it is a copy; it is left out\n"
    )


@pytest.mark.parametrize("name", EACH)
def test_a_copy_has_no_report(name: str, tmp_path: Path, capsys: Captured) -> None:
    folder = study(tmp_path / "runs", [variant(run(), 1)])
    line = copied(folder, "000000000001")
    assert main([name, str(folder)]) == 0
    assert capsys.readouterr().err == line
    assert [place.name for place in (folder / "reports").iterdir()] == ["000000000001"]


LISTED = [name for name in TOGETHER if not hasattr(MODULES[name], "PAGE") and not hasattr(MODULES[name], "UNLISTED")]
UNLISTED = [name for name in TOGETHER if hasattr(MODULES[name], "UNLISTED")]


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.RankWarning")
def test_a_report_of_all_runs_is_written_and_printed(name: str, tmp_path: Path, capsys: Captured) -> None:
    """Whatever kind of model they have: tables have no width. One with a PAGE reads what trainers hand in, not runs."""
    own = variant(archived(), 20, "support")
    flat = variant(archived(), 30, "recovery")
    flat = dataclasses.replace(flat, config=flat.config | {"model": {"kind": "tabular_trie"}})
    folder = study(tmp_path / "runs", [own, flat])
    assert main([name, str(folder)]) == 0
    printed, target = capsys.readouterr().out, folder / "reports" / "together"
    assert f"Written to {target}: report.md and tables/" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    title = (target / "report.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert title in printed
    assert list((target / "tables").glob("*.parquet"))


@pytest.mark.parametrize("name", UNLISTED)
def test_a_report_on_languages_that_are_not_listed_refuses_listed_ones(
    name: str, tmp_path: Path, capsys: Captured
) -> None:
    folder = study(tmp_path / "runs", [variant(archived(), 20, "support")])
    assert main([name, str(folder)]) == 2
    said = capsys.readouterr().err
    assert "a language that is not listed is required" in said
    assert said.count("\n") == 1


def test_a_report_on_languages_that_are_not_listed_is_written_and_printed(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = {one.hash: one for one in imitated_unlisted.unlisted()}
    monkeypatch.setattr(MODULES["unlisted"], "finished", lambda _: [Path(name) for name in records])
    monkeypatch.setattr(MODULES["unlisted"], "read", lambda place: records[place.name])
    assert main(["unlisted", str(tmp_path)]) == 0
    printed, target = capsys.readouterr().out, tmp_path / "reports" / "together"
    assert f"Written to {target}: report.md and tables/" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80
    assert {file.stem for file in (target / "tables").glob("*.parquet")} == {"runs", "numbers", "seeds"}


@pytest.mark.parametrize("name", ALONE)
def test_a_report_without_runs_is_written_and_printed(
    name: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was before. Its tables are those of the figures' tests, because to compute them takes a minute."""
    monkeypatch.setattr(MODULES[name], "analyse", lambda: tables(name))
    folder = tmp_path / "new"
    assert main([name, str(folder)]) == 0
    printed, target = capsys.readouterr().out, folder / "reports" / "together"
    assert f"Written to {target}: report.md and tables/" in printed
    title = (target / "report.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert title in printed
    assert {file.stem for file in (target / "tables").glob("*.parquet")} == set(tables(name))
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert refused(capsys, name, tmp_path / "file").startswith(f"{tmp_path}/file: a folder that can be written")


@pytest.mark.parametrize("name", [name for name in CLAIMS if MODULES[name].CLAIM.read is None])
def test_a_claim_is_judged_and_put_on_the_board(name: str, tmp_path: Path, capsys: Captured) -> None:
    folder = study(tmp_path / name, [variant(archived(), 1, claim=MODULES[name].CLAIM.announced)])
    assert main([name, str(folder)]) == 0
    printed, target = capsys.readouterr().out, folder / "reports" / "claim"
    findings = pl.read_parquet(target / "tables" / "findings.parquet")
    line = copied(folder, "000000000001")
    assert main([name, str(folder)]) == 0
    assert tuple(capsys.readouterr()) == (printed, line), "a copy is no second run"
    assert pl.read_parquet(target / "tables" / "findings.parquet").equals(findings)
    assert f"Written to {target}: board.md and board.html" in printed
    assert pl.read_parquet(target / "tables" / "findings.parquet").height > 0
    assert main(["board", str(tmp_path)]) == 0
    again = capsys.readouterr().out
    assert again.replace(str(tmp_path / "board"), str(target)) == printed
    for file in ("board.md", "board.html"):
        own, common = ((place / file).read_text(encoding="utf-8") for place in (target, tmp_path / "board"))
        assert own == common
        assert MODULES[name].CLAIM.digest in own
