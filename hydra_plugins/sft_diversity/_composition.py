"""Compose the configurations of a multirun. What they have in common is composed once, with the same result."""

import copy
import pickle
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from sim.cli import chosen_of
from sim.show.counting import MANY, Counting

_DEPENDS = re.compile(r"\$\{[^}]*(:|hydra)")
"""An interpolation that calls a resolver or reads Hydra's own part, which is not the same in all runs."""


@dataclass(frozen=True)
class Plain:
    """The configuration of a run in plain values: what `OmegaConf.to_container` and `sim.cli.chosen_of` return."""

    config: dict[str, Any]
    choices: Mapping[str, Any]
    written: Collection[str]


@dataclass(eq=False)
class _Scratch:
    """A configuration into which the values of one run after the other are written; `lines` are those of the last."""

    config: DictConfig
    choices: Mapping[str, Any]
    written: Collection[str]
    lines: dict[str, str] = field(default_factory=dict)


class _ReadOnce:
    """A repository of configurations in front of Hydra's. It reads each file once, and not once for each composition.

    Reading takes a third of the time of a composition. Hydra changes what it is given, so it gets a copy each time.
    """

    def __init__(self, repository: Any, kept: dict[str, bytes]) -> None:
        self._repository, self._kept = repository, kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_ReadOnce":
        return _ReadOnce(copy.deepcopy(self._repository, memo), self._kept)

    def initialize_sources(self, config_search_path: Any) -> None:
        """Look elsewhere from now on, where other files may have the same names."""
        self._repository.initialize_sources(config_search_path)
        self._kept = {}

    def load_config(self, config_path: str) -> Any:
        """Return what a file says, as Hydra's repository does."""
        if config_path not in self._kept:
            self._kept[config_path] = pickle.dumps(self._repository.load_config(config_path))
        return pickle.loads(self._kept[config_path])


class SharedComposition:
    """A config loader in front of Hydra's loader, which needs 70 ms or more to compose a run and does so twice.

    Hydra first composes the choices of groups, and then sets the values of the other overrides one by one. So runs that
    differ only in values share everything but the last step. The shared part is composed once by Hydra and copied, and
    the values are set as Hydra sets them. An override that is not simply `key=value`, or has a group as its key, is
    composed by Hydra. So is everything that fails, so that the error is Hydra's. No configuration of a run is kept,
    because that of Hydra takes 300 kB.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = copy.copy(loader)  # Hydra's own stays as it is
        self._loader.repository = _ReadOnce(loader.repository, {})
        self._parser = OverridesParser.create(config_loader=loader)
        self._parsed: dict[str, Override] = {}
        self._master: DictConfig | None = None
        self._composed: dict[tuple[str, ...], bytes] = {}
        self._scratches: dict[tuple[Any, ...], _Scratch | None] = {}
        self._checked = 0
        self._counting = Counting(lambda number: f"{number:,} runs are composed so far")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a run, as Hydra's loader would. A sweeper calls this to check the overrides.

        If it does so for many runs, it is said on stderr how many there are so far.
        """
        self._checked += 1
        if self._checked > MANY:
            self._counting.tell(self._checked)
        return self.loaded(master_config, sweep_overrides)

    def told(self) -> None:
        """Take note that the sweeper has checked all overrides."""
        self._checked = 0
        self._counting.stop()

    def loaded(self, master: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a run, as Hydra's loader would."""
        simple, others = self._split(sweep_overrides)
        if not any(self._is_odd(override) for override in others):
            try:
                config = self._with_values(self._base(master, others), simple)
                self._describe(config, sweep_overrides)
                OmegaConf.copy_cache(from_config=master, to_config=config)  # for the same ${now:} in all runs
                return config
            except Exception:  # Hydra composes it below and says what is wrong
                pass
        return self._loader.load_sweep_config(master, list(sweep_overrides))

    def plain(self, master: DictConfig, sweep_overrides: Sequence[str]) -> Plain | None:
        """Return the configuration of a run in plain values, if it can be had without a configuration of its own.

        This is so if the overrides are choices of groups and numbers, truth values or texts without interpolations,
        if no key lies inside another one, and if the configuration depends on nothing of Hydra's. Then the values of a
        run can be written over those of the run before. Otherwise, and if anything goes wrong, it is None.
        """
        simple, others = self._split(sweep_overrides)
        keys = tuple(override.key_or_group for override in simple)
        place = (tuple(str(override.input_line) for override in others), keys)
        try:
            if not all(_is_scalar(override.value()) for override in simple) or _nested(keys):
                return None
            if any(self._is_odd(override) for override in others):
                return None
            if master is not self._master or place not in self._scratches:
                self._scratches[place] = self._scratch(master, simple, others)
            scratch = self._scratches[place]
            return None if scratch is None else _written_over(scratch, simple)
        except Exception:  # the caller composes the run in the long way and finds out what is wrong
            self._scratches.pop(place, None)
            return None

    def _scratch(self, master: DictConfig, simple: Sequence[Override], others: Sequence[Override]) -> _Scratch | None:
        config = pickle.loads(self._base(master, others))
        task = OmegaConf.to_container(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
        if _DEPENDS.search(str(task)):
            return None
        config.hydra.overrides.task = [override.input_line for override in (*simple, *others)]
        return _Scratch(config, *chosen_of(config.hydra))

    def _split(self, sweep_overrides: Sequence[str]) -> tuple[list[Override], list[Override]]:
        """Return the overrides that are simple, and the others."""
        overrides = self._overrides(sweep_overrides)
        simple = [override for override in overrides if self._is_simple(override)]
        return simple, [override for override in overrides if not self._is_simple(override)]

    def _overrides(self, lines: Sequence[str]) -> list[Override]:
        """Return overrides. The runs of a multirun have most of them in common, so each line is parsed once."""
        for line in lines:
            if line not in self._parsed:
                (self._parsed[line],) = self._parser.parse_overrides([line])
        return [self._parsed[line] for line in lines]

    def _is_simple(self, override: Override) -> bool:
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and not override.is_sweep_override()
        return plain and "/" not in key and not override.is_hydra_override() and key not in self._groups

    def _is_odd(self, override: Override) -> bool:
        """Return whether an override that is not simple is not a choice of a group either. Then the order matters."""
        return override.key_or_group not in self._groups or isinstance(override.value(), dict)

    @cached_property
    def _groups(self) -> frozenset[str]:
        return frozenset(self._loader.list_groups(""))

    def _base(self, master: DictConfig, choices: Sequence[Override]) -> bytes:
        """Return the pickled configuration with the choices of groups and no other overrides."""
        if master is not self._master:
            self._master, self._composed, self._scratches = master, {}, {}
        lines = tuple(str(override.input_line) for override in choices)
        if lines not in self._composed:
            self._composed[lines] = pickle.dumps(self._loader.load_sweep_config(master, list(lines)))
        return self._composed[lines]

    def _with_values(self, base: bytes, simple: Sequence[Override]) -> DictConfig:
        config: DictConfig = pickle.loads(base)  # six times as quick as copy.deepcopy
        for override in simple:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return config

    def _describe(self, config: DictConfig, lines: Sequence[str]) -> None:
        """Write the overrides into Hydra's own part of a configuration."""
        config.hydra.overrides.task = list(lines)
        names = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=self._overrides(lines),
            kv_sep=names.kv_sep,
            item_sep=names.item_sep,
            exclude_keys=names.exclude_keys,
        )


def _written_over(scratch: _Scratch, simple: Sequence[Override]) -> Plain:
    """Write the values of a run over those of the run before, and return the configuration in plain values."""
    for override in simple:
        key, line = override.key_or_group, str(override.input_line)
        if scratch.lines.get(key) != line:
            OmegaConf.update(scratch.config, key, override.value(), merge=True)
            scratch.lines[key] = line
    nodes = {str(key): scratch.config._get_node(key) for key in scratch.config if key != "hydra"}
    found = {
        key: OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else scratch.config[key]
        for key, node in nodes.items()
    }
    return Plain(found, scratch.choices, scratch.written)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "$" not in value)


def _nested(keys: Sequence[str]) -> bool:
    """Return whether two keys may be equal, or one may lie inside the other. Then their order matters."""
    parts = sorted(f"{key}." for key in keys)
    inside = any(after.startswith(before) for before, after in pairwise(parts))
    return inside or any("[" in key for key in keys)
