"""Compose the configurations of a multirun. What they have in common is composed once, with the same result."""

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf


class SharedComposition:
    """A config loader in front of Hydra's loader, which needs 70 ms or more to compose a run and does so twice.

    Hydra first composes the choices of groups, and then sets the values of the other overrides one by one. So runs that
    differ only in values share everything but the last step. The shared part is composed once by Hydra and copied, and
    the values are set as Hydra sets them. An override that is not simply `key=value`, or has a group as its key, is
    composed by Hydra. So is everything that fails, so that the error is Hydra's.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._parser = OverridesParser.create(config_loader=loader)
        self._master: DictConfig | None = None
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._validated: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a run, as Hydra's loader would. A sweeper calls this to check the overrides."""
        config = self._loaded(master_config, sweep_overrides)
        self._validated[tuple(sweep_overrides)] = config
        return config

    def take(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        """Return the configuration of a run for its launch: the one that the sweeper has checked, if there is one."""
        seen = self._validated.pop(tuple(sweep_overrides), None)
        return self._loaded(master_config, sweep_overrides) if seen is None else seen

    def _loaded(self, master_config: DictConfig, sweep_overrides: Sequence[str]) -> DictConfig:
        overrides = self._parser.parse_overrides(list(sweep_overrides))
        simple = [override for override in overrides if self._is_simple(override)]
        others = [override for override in overrides if not self._is_simple(override)]
        if simple and not any(self._is_odd(override) for override in others):
            try:
                config = self._with_values(self._base(master_config, others), overrides, simple)
                OmegaConf.copy_cache(from_config=master_config, to_config=config)  # for the same ${now:} in all runs
                return config
            except Exception:  # Hydra composes it below and says what is wrong
                pass
        return self._loader.load_sweep_config(master_config, list(sweep_overrides))

    def _is_simple(self, override: Override) -> bool:
        key = override.key_or_group
        plain = override.type == OverrideType.CHANGE and override.package is None and not override.is_sweep_override()
        return plain and "/" not in key and not override.is_hydra_override() and key not in self._groups

    def _is_odd(self, override: Override) -> bool:
        """Return whether an override that is not simple is not a choice of a group either. Then the order matters."""
        return override.key_or_group not in self._groups or isinstance(override.value(), dict)

    @cached_property
    def _groups(self) -> list[str]:
        return list(self._loader.list_groups(""))

    def _base(self, master: DictConfig, choices: Sequence[Override]) -> DictConfig:
        """Return the configuration with the choices of groups and no other overrides."""
        if master is not self._master:
            self._master, self._composed = master, {}
        lines = tuple(str(override.input_line) for override in choices)
        if lines not in self._composed:
            self._composed[lines] = self._loader.load_sweep_config(master, list(lines))
        return self._composed[lines]

    def _with_values(self, base: DictConfig, overrides: Sequence[Override], simple: Sequence[Override]) -> DictConfig:
        config = copy.deepcopy(base)
        for override in simple:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        config.hydra.overrides.task = [override.input_line for override in overrides]
        names = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=list(overrides),
            kv_sep=names.kv_sep,
            item_sep=names.item_sep,
            exclude_keys=names.exclude_keys,
        )
        return config
