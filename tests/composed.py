"""Configurations as the command line composes them, and what the folder conf/ offers."""

from pathlib import Path
from typing import Any

import hydra
from omegaconf import OmegaConf

from sim.cli import HYDRA_KWARGS
from sim.config import conf_folder

ROOT = Path(__file__).resolve().parents[1]


def compose(*overrides: str) -> dict[str, Any]:
    with hydra.initialize_config_dir(config_dir=str(conf_folder()), **HYDRA_KWARGS):
        config = OmegaConf.to_container(hydra.compose("config", list(overrides)), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items()}


def options(group: str) -> list[str]:
    found = sorted(file.stem for file in (conf_folder() / group).glob("*.yaml"))
    assert found, f"conf/{group} is empty"
    return found


def examples() -> list[Path]:
    """Grammar files that are shipped."""
    found = sorted((ROOT / "examples" / "grammars").iterdir())
    assert len(found) >= 3
    return found
