"""The result of a simulation for a notebook: its numbers as a table, its conclusions, its figures, its models."""

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
from sim.metrics.excursion import kl_by_step, rounded
from sim.metrics.frames import metrics_table, stages_table
from sim.metrics.scored import VIEWS, View
from sim.numerics import SpecificationError, nearest
from sim.show.blocks import Block, fragments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = "demo"
"""The experiment that reports on any single run. Its figures are the figures of a run."""


class Result:
    """A finished run. `record` holds everything that was recorded; `folder` is its place on the disk.

    progress: whether another fine-tuning shows a progress bar unless it is told otherwise.
    """

    def __init__(self, record: Record, folder: Path, progress: bool = True) -> None:
        self.record = record
        self.folder = folder
        self.progress = progress

    def table(self) -> pl.DataFrame:
        """Return every measured number, one row each. `python -m sim.rows --help` explains columns and metrics."""
        return metrics_table(self.record)

    def kl_by_step(self, phase: str = "sft", view: View = "response") -> pl.DataFrame:
        """Return KL(S‖q) after every step of a phase [nat per string]: the columns step, lower and upper.

        The training computes it in float32, so each number has bounds of its rounding error. The view `response` is
        about answers given the prompt, averaged over S(x), `joint` about documents. Raises SpecificationError if the
        phase has none.
        """
        watched = [name for name, one in self.record.phases.items() if one.kl_every_step is not None]
        for argument, found, allowed in (("phase", phase, watched), ("view", view, VIEWS)):
            if found not in allowed:
                known = f"one of {', '.join(allowed)}" if allowed else "a run with finetune.kl_every_step=true"
                raise SpecificationError(f"{argument}: {known} is required, found {found!r}")
        values = kl_by_step(self.record.phases[phase], view)
        assert values is not None
        bounds = [rounded(value, self.record.p.trie) for value in values]
        return pl.DataFrame(
            {
                "step": range(1, len(bounds) + 1),
                "lower": [one.lower for one in bounds],
                "upper": [one.upper for one in bounds],
            }
        )

    def stages(self, view: View = "response") -> pl.DataFrame:
        """Return the waterfall by stage: what every stage loses against the model at its start, one row each."""
        return stages_table(self.record, view)

    def model(self, name: str = "finetuned") -> TrainedModel:
        """Return a model: "pretrained", "finetuned", "relearned", a later stage, or a control: `sim.model_of`."""
        return model_of(self.record, name)

    def finetune(self, *, progress: bool | None = None, **changes: Any) -> "Result":
        """Fine-tune the same pretrained model q0 in another way.

        The arguments are the arguments of `sim.simulate` that do not affect the pretraining: restriction, objective,
        optimizer, finetune, stages, relearn, name, outputs. What is not named stays as it was. It raises
        SpecificationError if a change needs another pretraining.
        """
        shown = self.progress if progress is None else progress
        return Result(*again(self.record, changes, shown), shown)

    def figure(self, name: str, language: str = "en") -> "Figure":
        """Draw one of the figures of a run, such as "styles" or "waterfall", in English or Chinese ("zh").

        A notebook shows it. Raises SpecificationError if the figure does not exist, if the run has no numbers for it,
        or if the letters of the language have no font.
        """
        found = {key.split("/")[1]: one for key, one in members("figure").items() if key.startswith(f"{REPORT}/")}
        if name not in found:
            raise SpecificationError(
                f"figure: one of {', '.join(found)} is required, found {name!r}{nearest(name, list(found))}"
            )
        style = importlib.import_module("figures.style")  # by name, like every member: sim does not depend on figures
        with style.styled(language=language):
            figure: Figure | None = found[name].load().draw(self._tables)
        if figure is None:
            raise SpecificationError(f"figure: a figure for which this run has numbers is required, found {name!r}")
        return figure

    def __repr__(self) -> str:
        lines = [getattr(block, "text", "") for block in self._headline]
        return "\n".join([lines[0], *(f"- {line}" for line in lines[1:])])

    def _repr_html_(self) -> str:
        """Return the conclusions as HTML, for a notebook."""
        return "\n".join(fragments(self._headline))

    @cached_property
    def _tables(self) -> Mapping[str, pl.DataFrame]:
        found: Mapping[str, pl.DataFrame] = members("experiment")[REPORT].load().analyse(self.record)
        return found

    @property
    def _headline(self) -> list[Block]:
        found: list[Block] = members("experiment")[REPORT].load().headline(self._tables)
        return found
