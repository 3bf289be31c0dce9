"""What a simulation gives to a notebook: its numbers as a table, its conclusions, its figures, its models."""

import importlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sim.config import members
from sim.disk.records import Record
from sim.interface.model import TrainedModel, model_of
from sim.interface.perform import again
from sim.metrics.frames import metrics_table
from sim.numerics import SpecificationError, nearest
from sim.show.blocks import Block, fragments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = "demo"
"""The experiment that reports on a single run, whatever it was made for; its figures are those of a run."""


class Result:
    """A finished run. `record` holds everything that was recorded, `folder` is where it is on the disk."""

    def __init__(self, record: Record, folder: Path) -> None:
        self.record = record
        self.folder = folder

    def table(self) -> pl.DataFrame:
        """Every measured number, one row each; `python -m sim.rows --help` explains columns and metrics."""
        return metrics_table(self.record)

    def model(self, name: str = "finetuned") -> TrainedModel:
        """A trained model: "pretrained", "finetuned", or the name of a control; see `sim.model_of`."""
        return model_of(self.record, name)

    def finetune(self, *, progress: bool = True, **changes: Any) -> "Result":
        """Fine-tune the same pretrained model q0 in another way.

        The arguments are those of `sim.simulate` that come after the pretraining: restriction, objective, optimizer,
        finetune, relearn, name, outputs. Whatever is not named stays as it was. SpecificationError is raised for a
        change that needs another pretraining.
        """
        return Result(*again(self.record, changes, progress))

    def figure(self, name: str) -> "Figure":
        """Draw one of the figures of a run, such as "styles" or "waterfall"; a notebook shows it.

        Raises SpecificationError for a name that does not exist, and where the world has nothing for it.
        """
        found = {key.split("/")[1]: one for key, one in members("figure").items() if key.startswith(f"{REPORT}/")}
        if name not in found:
            raise SpecificationError(
                f"figure: one of {', '.join(found)} is required, found {name!r}{nearest(name, list(found))}"
            )
        style = importlib.import_module("figures.style")  # by name, as every member: sim knows nothing of figures
        with style.styled():
            figure: Figure | None = found[name].load().draw(self._tables)
        if figure is None:
            raise SpecificationError(f"figure: one that this run has numbers for is required, found {name!r}")
        return figure

    def __repr__(self) -> str:
        lines = [getattr(block, "text", "") for block in self._headline]
        return "\n".join([lines[0], *(f"- {line}" for line in lines[1:])])

    def _repr_html_(self) -> str:
        """The conclusions, for a notebook."""
        return "\n".join(fragments(self._headline))

    @cached_property
    def _tables(self) -> Mapping[str, pl.DataFrame]:
        found: Mapping[str, pl.DataFrame] = members("experiment")[REPORT].load().analyse(self.record)
        return found

    @property
    def _headline(self) -> list[Block]:
        found: list[Block] = members("experiment")[REPORT].load().headline(self._tables)
        return found
