"""The command line: one line for every mistake, a traceback for every bug, and no slow import before the task."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from sim import cli
from sim.config import discovery
from sim.numerics import SpecificationError
from sim.streams import INTERRUPTED

CONF = {
    "config": """
defaults:
  - _self_
  - model: transformer
  - experiment: null
  - override hydra/job_logging: none
  - override hydra/hydra_logging: none
name: scratch
seed: 0
needed: ???
hydra:
  run: {dir: "OUT/${identity:}"}
  sweep: {dir: OUT}
  output_subdir: null
""",
    "model/transformer": "kind: transformer\nwidth: 8\nheads: 2\n",
    "model/tabular": "kind: tabular\ndecay: 1.0\n",
    "experiment/good": "# @package _global_\ndefaults:\n  - override /model: tabular\nseed: 3\n",
    "experiment/misspelt": "# @package _global_\ndefaults:\n  - override /model: transfomer\n",
    "experiment/several": "# @package _global_\ndefaults:\n  - /method: null\n",
    "method/one": "# @package _global_\nseed: 1\n",
    "method/other": "# @package _global_\nseed: 2\n",
    "method/flat": '# @package hydra.sweeper.studies\nflat: { model: tabular, model.decay: "1,2" }\n',
    "experiment/broken": "# @package _global_\nseed: [1\n",
    "experiment/dangling": "# @package _global_\nname: ${nmae}\n",
}

MISTAKES: list[tuple[str, str]] = [
    # command line, the one line on stderr ("..." stands for anything)
    ("model.widht=3", "model.widht: unknown argument of transformer (did you mean 'width'?)"),
    ("model=tabular model.decya=3", "model.decya: unknown argument of tabular (did you mean 'decay'?)"),
    ("--multirun model=transformer,tabular model.width=3", "model.width: unknown argument of tabular; it takes ..."),
    ("--multirun seed=1,2 model.widht=3", "model.widht: unknown argument of transformer (did you mean 'width'?)"),
    ("zzz=3", "zzz: unknown argument of the configuration; it takes ..."),
    ("model.width.x=3", "model.width.x: model.width is a value and has no 'x'"),
    ("modle=tabular", "modle: unknown argument of the configuration (did you mean 'model'?)"),
    ("experimnt=good", "experimnt: unknown argument of the configuration (did you mean 'experiment'?)"),
    (
        "model=transfomer",
        "model: one of tabular, transformer is required, found 'transfomer' (did you mean 'transformer'?)",
    ),
    (
        "experiment=goood",
        "experiment: one of broken, dangling, good, misspelt, several is required, found 'goood' (did ...",
    ),
    (
        "experiment=misspelt",
        "model: one of ... found 'transfomer' in experiment/misspelt.yaml (did you mean 'transformer'?)",
    ),
    ("experiment=broken", "...experiment/broken.yaml, line 3: not valid YAML, expected ',' or ']'..."),
    ("experiment=dangling --cfg job --resolve", "Interpolation key 'nmae' not found in experiment/dangling.yaml"),
    (
        "experiment=several method=[one,ohter]",
        "method: one of flat, one, other is required, found 'ohter' (did you mean 'other'?)",
    ),
    (
        "experiment=several method=[flat] model.decay=3",
        "model.decay: ... tabular is chosen by method=flat: write model=tabular on the command line too",
    ),
    (
        "experiment=several method=[flat] model=tabular model.decya=3",
        "model.decya: unknown argument of tabular (did you mean 'decay'?)",
    ),
    ("method=one", "method: experiment=several is required, which has this group, found another experiment, or none"),
    (
        "experiment=good method=one",
        "method: experiment=several is required, which has this group, found another experiment, or none",
    ),
    ("hydra/launcher=bsaic", "hydra/launcher: one of ... is required, found 'bsaic' (did you mean 'basic'?)"),
    ("hydra.rn.dir=x", "hydra.rn: unknown argument of hydra (did you mean 'run'?)"),
    ("hydra.job.num=abc", "hydra.job.num=abc: Value 'abc' of type 'str' could not be converted to Integer"),
    ("nokind@model=x", "nokind: unknown argument of the configuration..."),
    ("seed", "seed: key=value is required (missing EQUAL at '<EOF>')..."),
    ("seed==[", "seed==[: key=value is required (extraneous input '=')..."),
    (
        "seed=1,2",
        "seed=1,2: one value is required, found several; sweep with --multirun, write [1,2] for a list, or quote one "
        """value: 'seed="1,2"'""",
    ),
    ("+seed=1", "seed: already in the configuration; leave out the +"),
    ("~sed", "sed: unknown argument of the configuration (did you mean 'seed'?)"),
    ("--config-name confg", "Cannot find primary config 'confg'..."),
    ("--resolve", "The --resolve flag can only be used in conjunction with --cfg or --help"),
    ("seed=5", "needed: a value is required, found nothing; write needed=..."),
    ("seed=7", "seed: anything but 7 is required, found 7"),
    ("seed=9", "seed: anything but 9 is required, found 9"),
    (
        "--multirun seed=7,1,5",
        "seed: anything but 7 is required, found 7\nneeded: a value is required, found nothing; ...",
    ),
]

SCRIPT = """
import sys
from pathlib import Path
from omegaconf import OmegaConf
from sim.cli import run_hydra

OmegaConf.register_new_resolver("identity", lambda: "identity")

def main(config):
    raise {error}

if __name__ == "__main__":
    try:
        status = run_hydra(main, directory=Path({directory!r}))
    finally:
        slow = {{"jax", "flax", "optax", "polars", "matplotlib"}} & set(sys.modules)
        print("slow imports:", sorted(slow))
    sys.exit(status)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conf")
    out = tmp_path_factory.mktemp("outputs")
    for name, text in CONF.items():
        file = folder / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("OUT", str(out)), encoding="utf-8")
    return folder


def identity(*, _root_: DictConfig) -> str:
    if _root_.seed == 9:
        raise SpecificationError("seed: anything but 9\nis required, found 9")
    return "identity"


def main(config: DictConfig) -> None:
    if config.seed == 5:
        print(config.needed)
    if config.seed == 6:
        raise KeyboardInterrupt
    if config.seed == 7:
        raise SpecificationError("seed: anything but 7 is required, found 7")
    if config.seed == 8:
        raise RuntimeError("a bug")
    print("done", config.model.kind, config.seed)


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> int:
    OmegaConf.register_new_resolver("identity", identity, replace=True)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(sys, "argv", ["run", *line.split()])
    return cli.run_hydra(main, directory=directory)


@pytest.mark.parametrize(("line", "expected"), MISTAKES, ids=lambda text: text[:40])
def test_a_mistake_is_one_line(
    line: str, expected: str, directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status = run(directory, monkeypatch, line)
    stderr = capfd.readouterr().err.removesuffix("\n")
    assert status == cli.REFUSED
    assert stderr.count("\n") == expected.count("\n")
    position = 0
    for index, fragment in enumerate(expected.split("...")):
        position = stderr.find(fragment, position)
        assert position >= 0, stderr
        assert index > 0 or position == 0, stderr
    assert expected.endswith("...") or stderr.endswith(expected.split("...")[-1]), stderr
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_a_good_run(directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(directory, monkeypatch, "experiment=good") == 0
    assert capfd.readouterr() == ("done tabular 3\n", "")


def test_interrupted(directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(directory, monkeypatch, "seed=6") == INTERRUPTED
    assert (
        capfd.readouterr().err == "interrupted; what is finished is kept, and the same command continues from there\n"
    )


def test_a_bug_passes_through(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run(directory, monkeypatch, "seed=8")
    assert capfd.readouterr().err == "Error executing job with overrides: ['seed=8']\n"


def started(directory: Path, folder: Path, error: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    script = folder / "script.py"
    script.write_text(SCRIPT.format(directory=str(directory), error=error), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    root = str(Path(cli.__file__).parents[1])
    process = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=inherited | {"PYTHONPATH": root} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize("arguments", ["--help", "--cfg job --resolve", "--hydra-help", "model.widht=3"])
def test_nothing_slow_is_imported(arguments: str, directory: Path, tmp_path: Path) -> None:
    words = arguments.split()
    _, stdout, stderr = started(
        directory, tmp_path, "RuntimeError", *words, *(["needed=1"] if "--cfg" in words else [])
    )
    assert "slow imports: []" in stdout, stderr


def test_a_bug_keeps_its_traceback(directory: Path, tmp_path: Path) -> None:
    status, _, stderr = started(directory, tmp_path, "RuntimeError('a bug')")
    assert status == 1
    assert "Traceback" in stderr
    assert stderr.endswith("RuntimeError: a bug\n")


def test_tracebacks_for_who_asks_for_them(directory: Path, tmp_path: Path) -> None:
    status, _, stderr = started(directory, tmp_path, "RuntimeError", "model.widht=3", HYDRA_FULL_ERROR="1")
    assert status == 1
    assert "Traceback" in stderr


def test_the_folder_of_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "__file__", str(tmp_path / "sim" / "config" / "discovery.py"))
    assert discovery.conf_folder() == tmp_path / "sim" / "conf"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").touch()
    assert discovery.conf_folder() == tmp_path / "conf"
