"""hydra/launcher=vmap: its options, its compositions against Hydra's own, callbacks, statuses, and its packaging."""

import io
import itertools
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_automatic_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import sim.run
import sim.running.multirun
from hydra_plugins.sft_diversity import _composition, checked
from hydra_plugins.sft_diversity._composition import Plain, SharedComposition
from sim import cli
from sim.config import conf_folder, members
from sim.running.outcomes import Outcome
from tests.composed import ROOT, compose

Written = Sequence[tuple[tuple[str, ...], Any]]

# -- options ----------------------------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    quiet = ("hydra/hydra_logging=none", "hydra/job_logging=none")  # Hydra would take pytest's own handlers away
    monkeypatch.setattr(sys, "argv", ["run", *arguments, *quiet])
    return cli.run_hydra(sim.run.task)


REFUSED = [
    (
        "engine=proces",
        f"engine: one of {', '.join(members('engine'))} is required, found 'proces' (did you mean 'processes'?)",
    ),
    ("workers=0", "workers: a positive integer is required, found 0"),
    ("workers=many", "workers: a positive integer is required, found 'many'"),
    ("max_runs=-1", "max_runs: a positive integer or null is required, found -1"),
    (
        "mapping=vmapp",
        "mapping: one of 'shards', 'vmap', 'loop' or null is required, found 'vmapp' (did you mean 'vmap'?)",
    ),
    ("checkpoint_seconds=0", "checkpoint_seconds: a positive number is required, found 0"),
    ("wrokers=2", "wrokers: unknown argument of hydra.launcher (did you mean 'workers'?)"),
    ("workers.x=2", "workers.x: hydra.launcher.workers is a value and has no 'x'"),
]


@pytest.mark.parametrize(("option", "line"), REFUSED, ids=[option for option, _ in REFUSED])
def test_a_wrong_option_is_refused_in_one_line(
    option: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--multirun", "seed=1,2", f"hydra.launcher.{option}", f"outputs={tmp_path}") == cli.REFUSED
    said = capfd.readouterr()
    assert said.err.startswith(f"hydra.launcher.{line.split(' or null')[0]}")
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_inline_has_one_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("hydra.launcher.engine=inline", "hydra.launcher.workers=2", f"outputs={tmp_path}")
    assert run(monkeypatch, "--multirun", "seed=1,2", *options) == cli.REFUSED
    assert capfd.readouterr().err.startswith("hydra.launcher.workers: 1 is required with engine=inline, found 2; ")


def test_a_wrong_name_makes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--multirun", "seed=1,2", "name=../up", f"outputs={tmp_path}/in") == cli.REFUSED
    assert capfd.readouterr().err == "name: a name of a-z, 0-9 and _ other than store is required, found '../up'\n"
    assert list(tmp_path.iterdir()) == []


def test_parameters_are_for_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    option = "+hydra.launcher.parameters.timeout_min=5"
    assert run(monkeypatch, "--multirun", "seed=1,2", option, f"outputs={tmp_path}") == cli.REFUSED
    assert capfd.readouterr().err == (
        "hydra.launcher.parameters: an empty mapping is required with engine=processes, found timeout_min; "
        "only engine=slurm and engine=ray take parameters\n"
    )


def test_options_are_canonical() -> None:
    default = {"engine": "processes", "workers": 1, "max_runs": None, "mapping": None, "checkpoint_seconds": 60.0,
               "parameters": {}, "detach": False, "timeout_seconds": None, "retries": 0, "returns": None,
               "laws": "host"}  # fmt: skip
    assert checked({}) == default
    assert checked({"workers": 2.0, "checkpoint_seconds": 5}) == default | {"workers": 2, "checkpoint_seconds": 5.0}


# -- compositions -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hydra_itself() -> Hydra:
    search_path = create_automatic_config_search_path(None, None, str(conf_folder()))
    made = Hydra.create_main_hydra2("run", search_path)
    GlobalHydra.instance().clear()
    return made


@pytest.fixture(scope="module")
def master(hydra_itself: Hydra) -> DictConfig:
    overrides = ["hydra.mode=MULTIRUN", "hydra.launcher.workers=2", "seed=1,2", "experiment=demo"]
    config = hydra_itself.compose_config("config", overrides, RunMode.MULTIRUN, with_log_configuration=False)
    assert str(config.hydra.sweep.dir).startswith("outputs/demo/multirun/"), "resolved before points are composed"
    return config


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What Hydra itself is asked to compose."""
    asked: list[list[str]] = []
    original = ConfigLoaderImpl.load_sweep_config

    def load(self: ConfigLoaderImpl, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        asked.append(sweep_overrides)
        return original(self, master_config, sweep_overrides)

    monkeypatch.setattr(ConfigLoaderImpl, "load_sweep_config", load)
    return asked


SHARED = [
    # overrides of a point of which all but values is composed once
    ["seed=3"],
    ["seed=3", "name=other", "model.width=8"],
    ["experiment=demo", "seed=3"],
    ["seed=3", "model=tabular_trie", "optimizer=sgd", "optimizer.learning_rate=1e-3"],
    ["model.width=8", "optimizer@pretrain.optimizer=sgd", "pretrain.optimizer.momentum=0.5"],
    ["experiment=demo", "scale=smoke", "outputs=elsewhere"],
    ["~restriction", "seed=3", "name=x"],
    ["name=null"],
    ["name='with space, and comma'"],
    ["name=${model.kind}"],
    ["outputs=${oc.env:HOME}"],
    ["finetune.controls=[]"],
    ["finetune.controls=[identity,other]"],
    ["pretrain={num_steps:3,batch_size:2}"],
    ["pretrain=3"],
    ["grammar.styles={plain:0.5}"],
    ["pretrain.optimizer=adam"],  # no group of that name: a value
    ["seed=1", "seed=2"],
    ["seed=1e-3", "optimizer.b1=0.9", "model.tied=true"],
    ["name=a\\,b"],
    ["optimizer.learning_rate=${pretrain.optimizer.learning_rate}"],
]

OWN_WAY = [
    # overrides of a point that Hydra composes itself
    [],
    ["model=tabular_trie"],
    ["experiment=demo", "scale=smoke"],
    ["+extra=1", "seed=3"],
    ["++seed=4", "name=x"],
    ["~seed", "name=x"],
    ["~finetune.controls", "seed=1"],
    ["+pretrain.extra={a:1}", "seed=3", "pretrain.extra.a=2"],
    ["model={kind:x}", "seed=3"],
    ["hydra.job.name=x", "seed=3"],
    ["hydra/job_logging=none", "seed=3"],
]


@pytest.mark.parametrize("overrides", [*SHARED, *OWN_WAY], ids=" ".join)
def test_a_composition_is_hydras_own(
    overrides: list[str], hydra_itself: Hydra, master: DictConfig, counted: list[list[str]]
) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    expected = hydra_itself.config_loader.load_sweep_config(master, overrides)
    counted.clear()
    for attempt in ("first", "from what is remembered"):
        same(shared.load_sweep_config(master, overrides), expected, attempt)
    if overrides in SHARED:
        assert len(counted) == 1, "what is meant to be shared is"
        assert counted[0] != overrides
    shared.load_sweep_config(master, ["seed=99", "name=before"])
    same(shared.load_sweep_config(master, overrides), expected, "after another point")


@pytest.mark.parametrize(
    "overrides", [["seed=3", "model.width=8"], ["experiment=demo", "scale=smoke", "name=x"], ["+extra=1"]], ids=" ".join
)
def test_what_the_tests_compose_is_hydras_own(overrides: list[str]) -> None:
    with hydra.initialize_config_dir(config_dir=str(conf_folder()), **cli.HYDRA_KWARGS):
        expected = OmegaConf.to_container(hydra.compose("config", overrides), resolve=True)
    assert compose(*overrides) == expected


def same(found: DictConfig, expected: DictConfig, about: str) -> None:
    for resolve in (False, True):
        one, other = (
            OmegaConf.to_container(each, resolve=resolve) for each in (found.hydra.sweep, expected.hydra.sweep)
        )
        assert one == other, about
    assert OmegaConf.to_container(found) == OmegaConf.to_container(expected), about
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected), "in the same order"
    assert list(kinds(found)) == list(kinds(expected)), "with the same types and flags"


def kinds(node: Any, key: str = "") -> Iterator[tuple[Any, ...]]:
    yield key, type(node), node._metadata.flags, node._metadata.ref_type, node._metadata.object_type
    if OmegaConf.is_config(node) and isinstance(node._content, dict | list):
        pairs = node._content.items() if isinstance(node._content, dict) else enumerate(node._content)
        for name, child in pairs:
            yield from kinds(child, f"{key}.{name}")


def test_points_that_differ_in_values_are_composed_once(
    hydra_itself: Hydra, master: DictConfig, counted: list[list[str]]
) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    for seed, model, rate in itertools.product((1, 2, 3), ("tabular_trie", "transformer"), (0.1, 0.2)):
        shared.load_sweep_config(master, [f"seed={seed}", f"model={model}", f"optimizer.learning_rate={rate}"])
    assert counted == [["model=tabular_trie"], ["model=transformer"]]


def in_the_long_way(shared: SharedComposition, master: DictConfig, overrides: list[str]) -> Plain:
    config = shared.loaded(master, overrides)
    task = OmegaConf.masked_copy(config, [key for key in config if key != "hydra"])
    plain = OmegaConf.to_container(task, resolve=True)
    assert isinstance(plain, dict)
    return Plain({str(key): value for key, value in plain.items()}, *cli.chosen_of(config.hydra))


QUICK = [
    # overrides of points whose values can be written over those of the point before
    [["seed=1"], ["seed=2"], ["seed=1"]],
    [["seed=1", "model.width=8", "name=a"], ["seed=1", "model.width=16", "name='with space'"], ["seed=2", "name=b"]],
    [["model=tabular_trie", "seed=1"], ["model=transformer", "seed=1"], ["model=tabular_trie", "seed=2"]],
    [["experiment=demo", "scale=smoke"], ["experiment=demo"], ["experiment=demo", "seed=3"]],
    [["experiment=c2_support", "seed=4"], ["experiment=c2_support", "seed=5"]],  # grammar.seed: ${seed}
    [["pretrain=3"], ["pretrain=null"], ["pretrain.num_steps=3"]],
    [["optimizer.b1=0.5", "finetune.num_steps=3"], ["finetune.num_steps=4", "optimizer.b1=0.6"]],
]
LONG = [
    # overrides that are composed one by one
    ["name=${model.kind}"], ["finetune.controls=[]"], ["pretrain={num_steps:3}"], ["seed=1", "seed=2"],
    ["pretrain.num_steps=3", "pretrain=4"], ["+extra=1"], ["outputs=${oc.env:HOME}"], ["seed=${sead}"], ["seed.x=3"],
    ["hydra.job.name=x"], ["~seed"],
]  # fmt: skip


@pytest.mark.parametrize("points", QUICK, ids=str)
def test_values_written_over_others_give_the_same(
    points: list[list[str]], hydra_itself: Hydra, master: DictConfig
) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    for overrides in [*points, *reversed(points)]:
        found = shared.plain(master, overrides)
        assert found is not None
        expected = in_the_long_way(SharedComposition(hydra_itself.config_loader), master, overrides)
        assert found == expected
        assert list(found.config) == list(expected.config)
        found.config["finetune"]["controls"] = "a run may do with its configuration what it wants"


@pytest.mark.parametrize("overrides", LONG, ids=" ".join)
def test_what_could_spoil_the_next_point_is_not_written_over(
    overrides: list[str], hydra_itself: Hydra, master: DictConfig
) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    before = shared.plain(master, ["seed=3"])
    assert shared.plain(master, overrides) is None
    assert shared.plain(master, ["seed=3"]) == before


@pytest.mark.parametrize("value", ["${hydra:job.num}", "${hydra.job.name}", "${oc.env:HOME}", "${now:%f}"])
def test_what_depends_on_more_than_the_configuration_is_composed_for_each_point(
    value: str, hydra_itself: Hydra
) -> None:
    words = ["hydra.mode=MULTIRUN", f"outputs={value}"]
    master = hydra_itself.compose_config("config", words, RunMode.MULTIRUN, with_log_configuration=False)
    assert SharedComposition(hydra_itself.config_loader).plain(master, [f"outputs={value}", "seed=1"]) is None
    config = hydra_itself.config_loader.load_sweep_config(master, ["seed=1"])
    config.outputs = value

    class Loader:
        def load_sweep_config(self, master: DictConfig, overrides: list[str]) -> DictConfig:
            return config

        def __getattr__(self, name: str) -> Any:
            return getattr(hydra_itself.config_loader, name)

    assert SharedComposition(Loader()).plain(master, ["seed=1"]) is None, "written in a file, not on the command line"


def test_the_first_word_comes_before_composing_is_over(
    hydra_itself: Hydra, master: DictConfig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_composition, "MANY", 2)
    shared = SharedComposition(hydra_itself.config_loader)
    said = []
    for seed in range(4):
        shared.load_sweep_config(master, [f"seed={seed}"])
        said.append(capfd.readouterr().err)
    assert said == ["", "", "3 runs are composed so far\n", ""]
    shared.told()
    shared.load_sweep_config(master, ["seed=9"])
    assert capfd.readouterr().err == "", "the next batch of the sweeper is counted anew"


def test_points_do_not_share_what_they_change(hydra_itself: Hydra, master: DictConfig) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    one, other = (shared.load_sweep_config(master, [f"model.width={width}"]) for width in (8, 16))
    one.pretrain.num_steps = 1
    one.hydra.job.num = 3
    assert (one.model.width, other.model.width) == (8, 16)
    assert other.pretrain.num_steps != 1
    assert list(other.hydra.overrides.task) == ["model.width=16"]
    assert "num" not in other.hydra.job or OmegaConf.is_missing(other.hydra.job, "num")


WRONG = [["model.widht=3"], ["seed=3", "model=nothing"], ["seed.x=3"], ["seed=1,2"], ["+seed=1"], ["seed"], ["sed=[1"],
         ["+experiment=demo", "seed=3"]]  # fmt: skip


@pytest.mark.parametrize("overrides", WRONG, ids=" ".join)
def test_errors_are_hydras_own(overrides: list[str], hydra_itself: Hydra, master: DictConfig) -> None:
    shared = SharedComposition(hydra_itself.config_loader)
    errors = []
    for loader in (hydra_itself.config_loader, shared):
        with pytest.raises(Exception) as error:  # noqa: PT011
            loader.load_sweep_config(master, overrides)
        errors.append((type(error.value), str(error.value), type(error.value.__cause__)))
    assert errors[0] == errors[1]


# -- launching --------------------------------------------------------------------------------------------------------

EVENTS: list[tuple[Any, ...]] = []


class Recorder(Callback):
    """A callback that writes down what it hears."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        EVENTS.append(("multirun starts", config.hydra.launcher.engine))

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        EVENTS.append(
            ("job starts", config.hydra.job.num, config.seed, Path(config.hydra.runtime.output_dir).parent.name)
        )

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        assert job_return.cfg is not None
        assert "hydra" not in job_return.cfg
        value = job_return.return_value if job_return.status == JobStatus.COMPLETED else str(job_return._return_value)
        EVENTS.append(("job ends", config.hydra.job.num, job_return.cfg.seed, value))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        EVENTS.append(("multirun ends",))


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Written, Path, Any]]:
    """What the driver is asked to do; points with an odd seed fail."""
    asked: list[tuple[Written, Path, Any]] = []

    def multirun(written: Written, folder: Path, options: Any) -> list[Outcome]:
        asked.append(([(overrides, config()) for overrides, config in written], folder, options))
        return [
            Outcome(
                Path("outputs/x/0a"), "failed", f"seed: even, found {config['seed']}", mistake=True, overrides=overrides
            )
            if config["seed"] % 2
            else Outcome(Path("outputs/x/0b"), "finished", overrides=overrides)
            for overrides, config in asked[-1][0]
        ]

    monkeypatch.setattr(sim.running.multirun, "multirun", multirun)
    return asked


def test_a_multirun_is_handed_over(
    driven: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("seed=2,4", "model=tabular_trie", "name=x", f"outputs={tmp_path}", "hydra.launcher.max_runs=7")
    assert run(monkeypatch, "--multirun", *words) == 0
    ((written, folder, options),) = driven
    assert [config["seed"] for _, config in written] == [2, 4]
    assert written[0][0] == ("seed=2", "model=tabular_trie", "name=x", f"outputs={tmp_path}")
    assert "hydra" not in written[0][1]
    assert folder.parent == tmp_path / "x" / "multirun"
    assert options == sim.running.multirun.Launch("processes", 1, 7, None, 60.0)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("2 runs: 2 finished\nmore: python -m sim.status outputs/x\n", "")
    assert sorted(file.name for file in folder.iterdir()) == ["multirun.yaml"], "nothing of Hydra's for a point"


def test_failures_are_listed_once_and_decide_the_status(
    driven: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--multirun", "seed=1,2,3", f"outputs={tmp_path}") == cli.REFUSED
    said = capfd.readouterr()
    assert said.out.splitlines()[:3] == [
        "3 runs: 1 finished, 2 failed",
        "  0a (seed=1): seed: even, found 1",
        "  0a (seed=3): seed: even, found 3",
    ]
    assert said.err == ""


def test_callbacks_hear_of_every_job(
    driven: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    EVENTS.clear()
    hearing = f"+hydra.callbacks.recorder._target_={__name__}.Recorder"
    assert run(monkeypatch, "--multirun", "seed=4,3", "name=x", f"outputs={tmp_path}", hearing) == cli.REFUSED
    starts = [("job starts", number, seed, "multirun") for number, seed in ((0, 4), (1, 3))]
    ends = [("job ends", 0, 4, "outputs/x/0b"), ("job ends", 1, 3, "seed: even, found 3")]
    assert EVENTS == [("multirun starts", "processes"), *starts, *ends], "as with Hydra's own, a failure ends it early"
    capfd.readouterr()


def test_a_value_that_cannot_be_resolved_costs_its_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("seed=${sead},-1", f"outputs={tmp_path}", "name=x")
    assert run(monkeypatch, "--multirun", *words) == cli.REFUSED
    said = capfd.readouterr().out.splitlines()
    assert said[0] == "2 runs: 2 failed"
    assert said[1].startswith("  not started (seed=$\\{sead\\}): seed: Interpolation key 'sead' not found")
    assert said[2].startswith("  not started (seed=-1): seed: an integer from 0 to 2^32 - 1 is required, found -1")


def test_an_override_that_fits_no_point_is_refused_before_anything_starts(
    driven: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("model=transformer,tabular_trie", "model.width=8", f"outputs={tmp_path}")
    assert run(monkeypatch, "--multirun", *words) == cli.REFUSED
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "model.width: unknown argument of tabular_trie; it takes kind, scale\n")
    assert driven == []


def test_batches_of_the_sweeper(
    driven: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("seed=2,4,6", f"outputs={tmp_path}", "hydra.sweeper.max_batch_size=2")
    assert run(monkeypatch, "--multirun", *words) == 0
    assert [[config["seed"] for _, config in written] for written, _, _ in driven] == [[2, 4], [6]]
    assert driven[0][1] == driven[1][1]
    capfd.readouterr()


def test_variables_that_hydra_is_told_to_set_reach_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str | None] = []

    def multirun(written: Written, folder: Path, options: Any) -> list[Outcome]:
        seen.append(os.environ.get("OF_A_TEST"))
        return [Outcome(Path("outputs/x/0b"), "finished", overrides=overrides) for overrides, _ in written]

    monkeypatch.setattr(sim.running.multirun, "multirun", multirun)
    assert run(monkeypatch, "--multirun", "seed=1", f"outputs={tmp_path}", "+hydra.job.env_set.OF_A_TEST=here") == 0
    assert seen == ["here"]
    assert "OF_A_TEST" not in os.environ
    capfd.readouterr()


# -- packaging --------------------------------------------------------------------------------------------------------


def test_the_driver_leaves_the_accelerator_to_its_workers(tmp_path: Path) -> None:
    """Composing, checking and planning import jax at most; a backend in the driver would take the memory of a GPU."""
    code = f"""
import sys
import sim.running.multirun, sim.run
from sim.cli import run_hydra
from sim.running.outcomes import Outcome
def submit(driver, points):
    driver.found |= {{point.target: Outcome(point.target, "finished") for point in points}}
sim.running.multirun.Driver.submit = submit
sys.argv = ["run", "--multirun", "seed=1,2", "model=tabular_trie,transformer", "outputs={tmp_path}"]
assert run_hydra(sim.run.task) == 0
from jax._src import xla_bridge
print(xla_bridge.backends_are_initialized())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_a_wheel_holds_configurations_and_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pytest.importorskip("hatchling.build")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    wheel = build.build_wheel(str(tmp_path))
    installed = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        archive.extractall(installed)
    assert (installed / "sim" / "conf" / "config.yaml").is_file()
    assert not (installed / "hydra_plugins" / "__init__.py").exists(), "other plugins could not be installed beside it"
    elsewhere = [str(installed), sysconfig.get_paths()["purelib"]]  # -S: without the checkout that a .pth file adds
    start = "runpy.run_module('sim.run', run_name='__main__', alter_sys=True)"
    code = f"import runpy, sys; sys.path[:0] = {elsewhere}; {start}"
    command = [sys.executable, "-I", "-S", "-c", code, "--cfg", "hydra"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_target_: hydra_plugins.sft_diversity.VmapLauncher" in done.stdout
    assert f"path: {installed / 'sim' / 'conf'}" in done.stdout
    listed = f"import sys; sys.path[:0] = {elsewhere}; import experiments, figures, sim.config as c; " + (
        "print(experiments.__file__, figures.__file__, len(c.members('experiment')), len(c.members('figure')))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", listed], cwd=tmp_path, capture_output=True, text=True)
    first, second, *counts = done.stdout.split()
    assert (Path(first).parents[1], Path(second).parents[1]) == (installed, installed), done.stderr
    assert [int(count) for count in counts] == [len(members("experiment")), len(members("figure"))]


def test_basic_stays_available() -> None:
    command = [sys.executable, "-m", "sim.run", "hydra/launcher=basic", "--cfg", "hydra"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "_target_: hydra._internal.core_plugins.basic_launcher.BasicLauncher" in done.stdout
    assert json.dumps("max_runs") not in done.stdout
