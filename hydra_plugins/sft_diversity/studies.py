"""`hydra/sweeper=studies`: a multirun of several sweeps, each of them a product. The basic sweeper has only one."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig, OmegaConf

from hydra_plugins.sft_diversity.tidy import TidySweeper
from sim.cli import POINT
from sim.config import conf_folders
from sim.numerics import SpecificationError, nearest

PLACE = "hydra.sweeper"

_OF_STUDY = re.compile(r"\$\{(study\.\w+)\}")
"""An interpolation that stands for the values of a sweep, such as ${study.seeds}."""


class StudiesSweeper(TidySweeper):
    """A sweeper over the union of several studies. The runs of study NAME have study.part=NAME.

    studies: a mapping from names to sweeps, each a mapping from keys to values as in `hydra.sweeper.params`; only: the
    names of the studies to do, null for all; group: a group of configurations whose options write studies, of which all
    are done if none is chosen on the command line; params: keys that every study sweeps, unless it has the key itself;
    max_batch_size: number of runs that are launched together, null for all. Overrides on the command line replace those
    of the studies. A value may refer to ${study....}, which is the same in all runs, and to anything else, such as
    ${seed}, which is resolved in each run. Raises SpecificationError if the studies are malformed, or if a name is not
    a study.
    """

    def __init__(
        self,
        studies: Mapping[str, Any] | None = None,
        only: str | Sequence[str] | None = None,
        params: dict[str, str] | None = None,
        max_batch_size: int | None = None,
        group: str | None = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.studies, self.only, self.group = studies, only, group

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Check the configuration of the sweeper."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if self.group and not self.studies and not in_words(config, self.group):
            config = self._with_all(config)
            self.studies = config.hydra.sweeper.studies
        if self.group:
            check_files(self.group, in_words(config, self.group))
        self.chosen = chosen_studies(self.studies, self.only)
        # Hydra has resolved the arguments of the sweeper in the configuration of the multirun, where ${seed} is its
        # default. So the values are taken from the configuration as it was written.
        written = config.hydra.sweeper
        self.chosen = {name: values(config, written.studies[name]) for name in self.chosen}
        self.params = values(config, written.params) if written.params else {}

    def _with_all(self, config: DictConfig) -> DictConfig:
        """Return the configuration of the multirun with all options of the group.

        What the command line sweeps has no single value yet, and decides nothing about studies.
        """
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        options = ",".join(sorted(loader.get_group_options(str(self.group))))
        given = self._parsed(list(config.hydra.overrides.task))
        plain = [str(one.input_line) for one in given if not one.is_sweep_override()]
        found: DictConfig = loader.load_sweep_config(config, [*plain, f"{self.group}=[{options}]"])
        return found

    def _parse_config(self) -> list[str]:
        return []  # params belong to the studies

    def split_arguments(self, overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:  # type: ignore[override]
        """Return the overrides of the runs of all studies, in chunks of at most `max_batch_size` runs.

        `overrides` are the overrides of the command line. Hydra's method is static, hence the remark to the type
        checker.
        """
        points: list[list[str]] = []
        for name, own in self.chosen.items():
            lines = [f"{key}={value}" for key, value in {**self.params, **own, "study.part": name}.items()]
            (product,) = super().split_arguments([*self._parsed(lines), *overrides], None)
            points += product
        return [list(batch) for batch in BasicSweeper.split_overrides_to_chunks(points, max_batch_size)]

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose every run. A failure gets the overrides of its run (`POINT`), because a study may choose options."""
        for overrides in batch:
            try:
                super().validate_batch_is_legal([overrides])
            except Exception as problem:
                setattr(problem, POINT, list(overrides))
                raise

    def _parsed(self, lines: list[str]) -> list[Override]:
        assert self.hydra_context is not None
        parsed: list[Override] = OverridesParser.create(self.hydra_context.config_loader).parse_overrides(lines)
        return parsed


def in_words(config: DictConfig, group: str) -> list[str]:
    """Return the options of a group that are chosen in the configuration of a multirun; none if it is left open."""
    chosen = config.hydra.runtime.choices.get(group)
    words = list(chosen) if isinstance(chosen, Sequence | ListConfig) and not isinstance(chosen, str) else [chosen]
    return [str(one) for one in words if one not in (None, "null")]


def check_files(group: str, chosen: Sequence[str]) -> None:
    """Raise SpecificationError unless the file of each option of a group holds one study, of its own name.

    Else it would be ignored, or change the study of another file.
    """
    for folder in conf_folders():
        for file in sorted((folder / group).glob("*.yaml")):
            if chosen and file.stem not in chosen:
                continue
            text = file.read_text(encoding="utf-8")  # Hydra has read it, so it is YAML
            if not text.startswith(f"# @package {PLACE}.studies\n"):
                raise SpecificationError(
                    f"{file}: the first line '# @package {PLACE}.studies' is required, found "
                    f"{text.partition(chr(10))[0]!r}; without it the file is no {group}"
                )
            found = yaml.safe_load(text)
            if not isinstance(found, Mapping) or list(found) != [file.stem]:
                names = ", ".join(map(str, found)) if isinstance(found, Mapping) else repr(found)
                raise SpecificationError(
                    f"{file}: one study with the name of the file, {file.stem}, is required, found {names}; rename one"
                )


def values(config: DictConfig, written: DictConfig) -> dict[str, Any]:
    """Return a sweep as it was written, with every ${study....} resolved in the configuration of the multirun."""
    plain = OmegaConf.to_container(written, resolve=False)
    assert isinstance(plain, dict)
    return {
        str(key): _OF_STUDY.sub(lambda one: str(OmegaConf.select(config, one[1])), value) if isinstance(value, str)
        else value
        for key, value in plain.items()
    }  # fmt: skip


def chosen_studies(studies: Mapping[str, Any] | None, only: str | Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Return the studies to do, in their order. Raises SpecificationError with one line for what is wrong."""
    if not isinstance(studies, Mapping | DictConfig) or not studies:
        raise SpecificationError(f"{PLACE}.studies: at least one study is required, found {studies!r}")
    for name, study in studies.items():
        if not isinstance(study, Mapping | DictConfig):
            raise SpecificationError(
                f"{PLACE}.studies.{name}: a mapping from keys to values is required, found {study!r}"
            )
    names = list(studies)
    wanted = names if only is None else [only] if isinstance(only, str) else list(only)
    for name in wanted:
        if name not in names:
            raise SpecificationError(
                f"{PLACE}.only: one of {', '.join(names)} is required, found {name!r}{nearest(name, names)}"
            )
    return {name: dict(studies[name]) for name in names if name in wanted}
