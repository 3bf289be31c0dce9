"""Configurations as the command line composes them, and what the folder conf/ offers."""

import functools
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.sft_diversity._composition import SharedComposition
from sim.cli import HYDRA_KWARGS
from sim.config import conf_folder
from sim.running.unlisted.asked import is_unlisted

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def composition() -> tuple[SharedComposition, DictConfig]:
    """The composition of a multirun, which is Hydra's own but quicker where values alone differ, and its master."""
    with hydra.initialize_config_dir(config_dir=str(conf_folder()), **HYDRA_KWARGS):
        itself = GlobalHydra.instance().hydra
        assert itself is not None
        master = itself.compose_config("config", [], RunMode.MULTIRUN, with_log_configuration=False)
        return SharedComposition(itself.config_loader), master


def compose(*overrides: str) -> dict[str, Any]:
    shared, master = composition()
    found = shared.loaded(master, list(overrides))
    config = OmegaConf.to_container(
        OmegaConf.masked_copy(found, [key for key in found if key != "hydra"]), resolve=True
    )
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def options(group: str) -> list[str]:
    found = sorted(file.stem for file in (conf_folder() / group).glob("*.yaml"))
    assert found, f"conf/{group} is empty"
    return found


def examples() -> list[Path]:
    """Grammar files that are shipped with a command that trains on them (the strings of cfg3b are far too many)."""
    found = sorted((ROOT / "examples" / "grammars").iterdir())
    found = [file for file in found if "python -m sim.run" in file.read_text(encoding="utf-8")]
    assert len(found) >= 12
    return found


def listed_grammars() -> list[str]:
    """The options of the group grammar whose strings are listed, or are those of a file."""
    return [name for name in options("grammar") if name not in unlisted_grammars()]


@functools.cache
def unlisted_grammars() -> tuple[str, ...]:
    """The options of the group grammar whose strings are not listed."""
    found = (conf_folder() / "grammar").glob("*.yaml")
    kinds = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))["kind"] for file in found}
    return tuple(sorted(name for name, kind in kinds.items() if is_unlisted({"grammar": {"kind": kind}})))
