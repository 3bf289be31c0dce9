"""`hydra/launcher=vmap`: do the runs of a multirun in worker processes, many in one program. `basic` does them singly.

Nothing slow is imported before a multirun is launched, because Hydra loads this module on every start.
"""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import AnyNode, DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from sim.cli import FailedPointsError, chosen_of, explain
from sim.config import Folder, Name, NonNegative, Positive, canonical_of, conf_folder, conf_folders
from sim.config.fitting import fitting
from sim.numerics import SpecificationError
from sim.running.engines import check, check_options

if TYPE_CHECKING:
    from hydra_plugins.sft_diversity._composition import Plain
    from hydra_plugins.sft_diversity._returns import Answer


def launcher(
    *,
    engine: str = "processes",
    workers: Annotated[int, Positive] = 1,
    max_runs: Annotated[int, Positive] | None = None,
    mapping: Literal["shards", "vmap", "loop"] | None = None,
    checkpoint_seconds: Annotated[float, Positive] = 60.0,
    parameters: dict[str, Any] = {},  # noqa: B006
    detach: bool = False,
    timeout_seconds: Annotated[float, Positive] | None = None,
    retries: Annotated[int, NonNegative] = 0,
    returns: str | None = None,
    laws: Literal["host", "device"] = "host",
) -> None:
    """The schema of `hydra.launcher`.

    engine: `processes` for child processes, `inline` for this process (for debugging), `slurm` for SLURM jobs with
    `parameters` of submitit, or `ray` for tasks of Ray; workers: number of workers that run side by side and share the
    cores; max_runs: the largest number of runs that are trained together, null for as many as the memory allows;
    mapping: how an ensemble is mapped, null for the default of the backend; checkpoint_seconds: least time between two
    checkpoints of a training; detach: whether to submit jobs and exit (slurm); timeout_seconds: a worker is ended if it
    gives no news for so long, null for never; retries: how often a run is given to another worker if its worker was
    killed or ended for silence; returns: the number that a sweeper gets of every run (`sim.metrics.named`), null for
    the folder of its record; laws: where the exact targets of languages that are not listed are computed.
    """


class InstalledOptions(SearchPathPlugin):
    """With this plugin, Hydra finds the options of installed packages, `<package>/conf/<group>/<option>.yaml`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folders of the packages that take part. The options of this project come first."""
        for folder in conf_folders()[1:]:
            search_path.append(provider=folder.parent.name, path=f"file://{folder}")


class VmapLauncher(Launcher):
    """It composes the configurations of a multirun, lets `sim.running.multirun` do the runs, and prints a summary."""

    def __init__(self, **given: Any) -> None:
        self.given = given

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the configuration of the launcher, and let sweeper and launcher share the composition of runs."""
        from hydra_plugins.sft_diversity._composition import SharedComposition

        self.chosen = checked(self.given)
        canonical_of(
            _named, {key: _value(config, key) for key in ("name", "outputs")}, ""
        )  # Hydra makes a folder of this name before it launches
        if (claim := _claim(config)) is not None:
            from sim.running.announced import check_claim

            check_claim(claim)
        self.composition = SharedComposition(hydra_context.config_loader)
        hydra_context.config_loader = self.composition  # type: ignore[assignment]
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Do all runs. The JobReturn of each holds its number (`returns`) or the path of its record, or its failure."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        self.composition.told()
        jobs = [_Job(initial_job_idx + number, overrides) for number, overrides in enumerate(job_overrides)]
        if self.context.callbacks.callbacks:  # only they need the configurations of Hydra, which are large
            for job in jobs:
                job.made = self._made(job)
                self.context.callbacks.on_job_start(config=job.made.hydra_cfg, task_function=self.task)  # type: ignore[arg-type]
        with env_override(dict(self.config.hydra.job.env_set)):
            answers = self._answers(jobs)
        from sim.running.outcomes import exit_status

        status = exit_status([answer.outcome for answer in answers])
        return [self._ended(job, answer, status) for job, answer in zip(jobs, answers, strict=True)]

    def _made(self, job: "_Job") -> JobReturn:
        """Return a job as Hydra's own launcher would start it."""
        config = self.composition.loaded(self.config, job.overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = job.number
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(_folder(config).absolute())
        return JobReturn(
            overrides=list(config.hydra.overrides.task),
            cfg=_without_hydra(config),
            hydra_cfg=config,
            working_dir=str(Path.cwd()),
            task_name=JobRuntime.instance().get("name"),
        )

    def _config(self, job: "_Job") -> dict[str, Any]:
        """Return the configuration of a job in plain values. Raises SpecificationError if one cannot be resolved."""
        found = None if job.made else self.composition.plain(self.config, job.overrides)
        plain = found or _resolved(job.made or self._made(job))
        job.claim = _claim(plain.config)
        if job.claim is not None:
            from sim.running.announced import check_claim

            check_claim(job.claim)
        return fitting(plain.config, plain.choices, plain.written)

    def _answers(self, jobs: Sequence["_Job"]) -> list["Answer"]:
        """Do the jobs, print the summary on stdout, and return their outcomes, with what a sweeper gets."""
        from sim.running.environment import load_jax, prepare

        if self.chosen["engine"] == "inline":  # then this process computes
            configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
            prepare(str(self.config.outputs))
        load_jax()
        from hydra_plugins.sft_diversity._returns import answered, check_first
        from sim.running import compiling
        from sim.running.announced import kept_for_others
        from sim.running.multirun import Launch, multirun
        from sim.running.outcomes import told

        points = [(tuple(job.overrides), partial(self._config, job)) for job in jobs]
        launch = {key: value for key, value in self.chosen.items() if key != "returns"}
        if self.chosen["returns"] is not None:
            check_first([config for _, config in points], self.chosen["returns"])
        outcomes = multirun(points, _folder(self.config), Launch(**launch))
        answers = answered(outcomes, self.chosen["returns"])
        outcomes = [answer.outcome for answer in answers]
        ended = [(job.claim, one) for job, one in zip(jobs, outcomes, strict=True)]
        kept = [(claim, one.target) for claim, one in ended if one.state == "kept" and one.target is not None]
        counts, *details = told(outcomes)
        said = [counts, *compiling.told(_folder(self.config)), *details, *kept_for_others(kept)]
        print(*said, sep="\n", flush=True)
        return answers

    def _ended(self, job: "_Job", answer: "Answer", status: int) -> JobReturn:
        failed = answer.outcome.wrong
        ended = job.made or JobReturn(overrides=job.overrides, working_dir=str(Path.cwd()))
        ended.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
        ended.return_value = FailedPointsError(answer.outcome.reason, status) if failed else answer.value
        if job.made is not None:
            self.context.callbacks.on_job_end(config=job.made.hydra_cfg, job_return=ended)  # type: ignore[arg-type]
        return ended


@dataclass(eq=False)
class _Job:
    """A combination of a multirun. `made` is its job as Hydra knows it, if there are callbacks to hear of it."""

    number: int
    overrides: Sequence[str]
    made: JobReturn | None = None
    claim: str | None = None  # known when the configuration has been resolved


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """Return the canonical arguments of `launcher`. Raises SpecificationError for the first one that is wrong."""
    chosen = canonical_of(launcher, given, "hydra.launcher")
    check(chosen["engine"], chosen["workers"], chosen["parameters"])
    check_options(chosen["engine"], chosen["detach"], chosen["timeout_seconds"], chosen["retries"])
    if chosen["returns"] is not None:
        from hydra_plugins.sft_diversity._returns import check_words

        check_words(chosen["returns"], chosen["detach"])
    return chosen


def _named(*, name: Annotated[str, Name], outputs: Annotated[str, Folder]) -> None:
    """The schema of the name and the place of a multirun. `sim.running.build` requires the same of every run."""


def _value(config: DictConfig, key: str) -> Any:
    """Return a value. If it cannot be resolved, the error names the key, as it does where a whole run is resolved."""
    try:
        return "???" if OmegaConf.is_missing(config, key) else config.get(key)
    except OmegaConfBaseException as problem:
        problem.full_key = problem.full_key or key
        raise


def _folder(config: DictConfig) -> Path:
    """Return the folder of Hydra for a multirun or for one of its jobs."""
    return Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir or "")


def _without_hydra(config: DictConfig) -> DictConfig:
    task: DictConfig = copy.deepcopy(config, {id(config.hydra): AnyNode()})  # hydra is large, so it is not copied
    with open_dict(task):
        del task["hydra"]
    return task


def _claim(config: Any) -> str | None:
    """Return the key `claim` of a configuration. The schema of the run refuses what is no name@digest."""
    if isinstance(config, dict):
        found = config.get("claim")
    else:
        found = OmegaConf.select(config, "claim", throw_on_resolution_failure=False)
    return found if isinstance(found, str) and re.fullmatch("[a-z0-9_]+@[0-9a-f]{12}", found) else None


def _resolved(job: JobReturn) -> "Plain":
    """Return the configuration of a job in plain values. Raises SpecificationError if a value cannot be resolved."""
    from hydra_plugins.sft_diversity._composition import Plain

    assert job.hydra_cfg is not None
    before, HydraConfig.instance().cfg = HydraConfig.instance().cfg, job.hydra_cfg  # type: ignore[assignment]
    try:
        plain = OmegaConf.to_container(job.cfg, resolve=True)
    except OmegaConfBaseException as problem:
        line = explain(problem, list(job.overrides or ()), str(job.hydra_cfg.hydra.job.config_name), conf_folder())
        raise SpecificationError(line) from problem
    finally:
        HydraConfig.instance().cfg = before
    assert isinstance(plain, dict)
    return Plain({str(key): value for key, value in plain.items()}, *chosen_of(job.hydra_cfg.hydra))


ConfigStore.instance().store(
    group="hydra/launcher",
    name="vmap",
    node={"_target_": f"{__name__}.VmapLauncher", **checked({})},
    provider="sft_diversity",
)
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="basic",  # instead of Hydra's own, which is its base class
    node={"_target_": f"{__name__}.tidy.TidySweeper", "params": None, "max_batch_size": None},
    provider="sft_diversity",
)
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="studies",
    node={
        "_target_": f"{__name__}.studies.StudiesSweeper",
        "studies": {},
        "only": None,
        "params": None,
        "max_batch_size": None,
        "group": None,
    },
    provider="sft_diversity",
)
