"""A package from outside with one small member of every kind: it takes part in commands, tables, figures, board, help.

Nothing of the project is edited for it. The members are in `lab/`; the test installs them as a package would be.
"""

import ast
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sim.config import GROUPS
from sim.config.discovery import KINDS
from sim.disk.folders import finished
from sim.disk.records import read
from tests.attack.client import Client
from tests.composed import ROOT

LAB = Path(__file__).parent / "lab"
DOORS = ("experiments", "figures", "sim.rows", "sim.run")


class Lab:
    """The package `lab`, installed in a folder of its own, and the commands that see it.

    What trains is a process of its own (`trained`). The other commands are children of one that has imported what they
    need (`said`).
    """

    def __init__(self, home: Path) -> None:
        self.home, self.outputs = home, home / "outputs"
        self.package = home / "site" / "lab"
        shutil.copytree(LAB, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        about = home / "site" / "lab-1.2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.2\n", encoding="utf-8")
        (about / "entry_points.txt").write_text("[sft_diversity]\nlab = lab\n", encoding="utf-8")
        self.server = Client(DOORS, PYTHONPATH=self.path)
        (announced,) = [one for one in self.said("experiments", "claims", "--full").split() if one.startswith("l1_")]
        self.edit("conf/experiment/l1_pairs.yaml", "claim: CLAIM", f"claim: {announced}")

    @property
    def path(self) -> str:
        return f"{self.home / 'site'}{os.pathsep}{ROOT}"

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.package / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def trained(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=self.home, env={**os.environ, "PYTHONPATH": self.path}, capture_output=True,
            text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def said(self, module: str, *arguments: str) -> str:
        done = self.server.do(module, arguments, folder=self.home)
        assert done.status == 0, done.out + done.err
        return done.out

    def runs(self) -> list[Path]:
        return finished(self.outputs / "l1_pairs")


def top_level(module: ast.Module) -> set[str]:
    """The names that a module defines."""
    made = {one.name for one in module.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    targets = [target for one in module.body if isinstance(one, ast.Assign) for target in one.targets]
    return made | {one.id for one in targets if isinstance(one, ast.Name)}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("lab"))
    made.trained("-m", "sim.run", "experiment=l1_pairs", f"outputs={made.outputs}")
    yield made
    made.server.close()


def test_there_is_a_member_of_every_kind_that_a_package_can_bring() -> None:
    folders = {one.name for one in LAB.iterdir() if one.is_dir()}
    assert folders >= {kind.folder for kind in KINDS.values()}
    defined = [ast.parse(file.read_text(encoding="utf-8")) for file in (LAB / "experiments").glob("*.py")]
    names = {name for one in defined for name in top_level(one)}
    assert names >= set(KINDS["experiment"].defines.split("|")), "a report and a claim"


def test_the_page_shows_every_member() -> None:
    page = (ROOT / "docs" / "members.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"<!-- file: tests/laws/lab/(\S+\.py) -->", page))
    files = {file.relative_to(LAB).as_posix() for file in LAB.rglob("*.py") if file.name != "__init__.py"}
    assert files - shown == {"figures/l1_pairs/lengths.py"}, "a second figure"


def test_the_runs_are_made_of_the_members(lab: Lab) -> None:
    assert len(lab.runs()) == 3
    record = read(lab.runs()[0])
    kinds = {group: record.config[group]["kind"] for group in GROUPS}
    assert list(kinds.values()) == ["pair", "longest", "positions", "halved", "plain"]
    assert record.facts["optimum"] == "predicted", "by the objective's own file"
    assert "norm" in record.phases["sft"].arrays
    q0, tuned, half = (next(iter(record.params[phase].values())) for phase in ("pretrain", "sft", "halfway"))
    np.testing.assert_allclose(half, (q0 + tuned) / 2, rtol=1e-6)
    assert set(record.facts["members"]) >= {"lab/objectives/halved.py", "lab/probes/norm.py", "lab/edits/halfway.py"}


def test_the_table_has_the_metrics(lab: Lab) -> None:
    lab.said("sim.rows", str(lab.outputs / "l1_pairs"))
    table = pl.read_parquet(lab.outputs / "l1_pairs" / "rows.parquet")
    lengths = table.filter(metric="long_mass", of="P", view="joint", phase="truth")
    assert lengths["value"].to_list() == pytest.approx([0.5] * 3)
    assert (set(lengths["unit"]), set(lengths["exactness"])) == ({"1"}, {"exact"})
    steps = len(read(lab.runs()[0]).phases["sft"].steps)
    assert table.filter(metric="parameter_norm", phase="sft").height == 2 * 3 * steps, "in both views"


def test_the_estimator_stands_beside_the_others(lab: Lab) -> None:
    code = (
        "import numpy as np\nfrom sim.estimators._sample import Sample\nfrom sim.estimators.table import estimates\n"
        "for one in estimates(Sample(np.array([2, 1]))): print(one.estimator.name, one.quantity.value)"
    )
    said = lab.trained("-c", code)
    assert f"equal pairs {math.log(3)}" in said
    assert "Miller–Madow" in said


def test_the_tracker_gets_the_numbers(lab: Lab) -> None:
    folder = lab.outputs / "l1_pairs"
    said = lab.said("sim.rows", str(folder), "--to", "lines", "--out", str(lab.home / "lines"))
    assert said == f"{lab.home}/lines: 3 runs; cat {lab.home}/lines/runs.jsonl\n"
    (first, *_) = map(json.loads, (lab.home / "lines" / "runs.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["numbers"]["truth/joint/long_mass/P [1]"] == {"0": pytest.approx(0.5)}
    assert "lines, mlflow, tensorboard, wandb" in lab.said("sim.rows", "--help")


def test_the_board_has_the_claim_and_the_report_the_section(lab: Lab) -> None:
    board = lab.said("experiments", "l1_pairs", str(lab.outputs / "l1_pairs"))
    assert "L1 longer strings: supported" in board
    assert "L1.1" in board
    assert "other predictions" not in board, "its runs were made for these predictions"
    page = (lab.outputs / "l1_pairs" / "reports" / "claim" / "board.html").read_text(encoding="utf-8")
    assert "Fine-tuning on long strings makes long strings likelier." in page
    assert "L1 longer strings" in lab.said("experiments", "board", str(lab.outputs))
    report = lab.said("experiments", "demo", str(lab.outputs / "l1_pairs"), "--full")
    assert "half the log-likelihood" in report
    assert "\nLengths\n" in report


def test_the_report_is_written_for_each_run(lab: Lab) -> None:
    folder = lab.outputs / "l1_pairs"
    said = lab.said("experiments", "longer", str(folder))
    for run in lab.runs():
        shown = read(run).phases["sft"].steps
        table = pl.read_parquet(folder / "reports" / run.name / "tables" / "lengths.parquet")
        assert table["step"].to_list() == list(shown)
        before, after = table["lower"][0], table["lower"][-1]
        assert before < after, "it is fine-tuned on them"
    assert f"Their mass is {before:.3f} before the fine-tuning and {after:.3f} after it; exact." in said, "the last run"


def test_the_figures_are_drawn(lab: Lab) -> None:
    folder = lab.outputs / "l1_pairs"
    lab.said("experiments", "l1_pairs", str(folder))
    assert "lengths.png" in lab.said("figures", "l1_pairs", str(folder))
    lab.said("experiments", "demo", str(folder))
    drawn = lab.said("figures", "demo", str(folder), "--run", lab.runs()[0].name)
    assert "loss.png" in drawn
    assert "loss.txt" in drawn
    lab.said("figures", "demo", str(folder), "--run", lab.runs()[0].name, "--only", "loss", "--language", "zh")
    captions = {file.read_text(encoding="utf-8").strip() for file in (folder / "reports").rglob("loss*.txt")}
    assert "微调中最长字符串的质量，精确值。" in captions


def test_the_help_lists_them(lab: Lab) -> None:
    offered = lab.said("sim.run", "--help")
    members = zip((*GROUPS, "experiment"), ("pair", "longest", "positions", "halved", "plain", "l1_pairs"), strict=True)
    for group, name in members:
        (line,) = [one for one in offered.splitlines() if one.startswith(f"{group}: ") and "," in one]
        assert name in line.replace(",", "").split()
    assert {"norm", "tangent", "halfway", "truncate"} <= set(offered.replace(",", " ").split())
    assert "long_mass" in lab.said("sim.rows", "--help")
    assert {"l1_pairs", "longer"} <= set(lab.said("experiments", "--help").split())
    assert "l1_pairs/lengths" in lab.said("figures", "--help")


def test_a_wrong_name_is_told_with_theirs(lab: Lab) -> None:
    done = lab.server.do("sim.run", ["grammar=pear"], folder=lab.home)
    assert done.status == 2
    assert ", pair, " in done.err
    assert "did you mean 'pair'?" in done.err


def test_an_edited_member_is_a_new_run(lab: Lab) -> None:
    words = ("-m", "sim.run", "experiment=l1_pairs", f"outputs={lab.outputs}", "seed=1", "hydra.mode=RUN")
    lab.edit("objectives/halved.py", "return self.share * jnp.sum", "return 2 * self.share * jnp.sum")
    assert "finished in" in lab.trained(*words)
    lab.edit("objectives/halved.py", "return 2 * self.share * jnp.sum", "return self.share * jnp.sum")
    assert "kept as it is" in lab.trained(*words)


def test_in_python_too(lab: Lab) -> None:
    code = f"""
import sim
r = sim.simulate(grammar="pair", restriction="longest", model="positions", objective="halved", optimizer="plain",
                 pretrain={{"num_steps": 4, "limit": 10}}, finetune={{"num_steps": 4, "probes": ["norm"]}},
                 scale="smoke", outputs={str(lab.outputs)!r}, progress=False)
assert r.table().filter(metric="parameter_norm").height > 0
assert r.figure("loss") is not None
assert r.model().sample(2)
"""
    file = lab.home / "notebook.py"
    file.write_text(code, encoding="utf-8")
    lab.trained(str(file))
