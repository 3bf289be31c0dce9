"""What is happening, while it happens: a bar for each stage in a terminal, a line per tenth elsewhere."""

import math
import sys
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from sim.phases import STAGES, Stage

BESIDE: dict[Stage, str] = {"finetune": ", control on P", "relearn": ", and from scratch"}
"""What is trained beside the first phase of a stage, if anything is."""


class Progress:
    """A context that draws the progress of a run on stderr."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        columns = (TextColumn("{task.description:<30}"), BarColumn(bar_width=10), TextColumn("{task.fields[loss]}"))
        self._bars = Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not self._live)
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, stage: Stage, step: int, num_steps: int, losses: Sequence[float]) -> None:
        """Show that a stage has come to a step; an observer for `sim.training.simulation.simulate`."""
        title = STAGES[stage] + (BESIDE.get(stage, "") if len(losses) > 1 else "")
        known = not any(math.isnan(loss) for loss in losses)  # a mean since the evaluation before, none at the first
        shown = "loss " + " / ".join(f"{loss:.4f}" for loss in losses) + " nat" if known else ""
        if self._live:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(title, total=num_steps, loss="")
            self._bars.update(self._tasks[stage], completed=step, loss=shown)
        elif 10 * step // num_steps > self._said.get(stage, -1):
            self._said[stage] = 10 * step // num_steps
            print(f"{title}: step {step} of {num_steps} {shown}".rstrip(), file=sys.stderr, flush=True)
