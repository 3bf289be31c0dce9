"""What is happening, while it happens: a bar per phase in a terminal, a line per tenth elsewhere."""

import math
import sys
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

BESIDE = {"sft": ", control on P", "relearn": ", and from scratch"}

TITLES = {"pretrain": "pretraining on P", "sft": "fine-tuning on S", "relearn": "learning again"}


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

    def update(self, phase: str, step: int, num_steps: int, losses: Sequence[float]) -> None:
        """Show that a phase has come to a step; an observer for `sim.training.simulation.simulate`."""
        title = TITLES.get(phase, phase) + (BESIDE.get(phase, "") if len(losses) > 1 else "")
        known = not any(math.isnan(loss) for loss in losses)  # a mean since the evaluation before, none at the first
        shown = "loss " + " / ".join(f"{loss:.4f}" for loss in losses) + " nat" if known else ""
        if self._live:
            if phase not in self._tasks:
                self._tasks[phase] = self._bars.add_task(title, total=num_steps, loss="")
            self._bars.update(self._tasks[phase], completed=step, loss=shown)
        elif 10 * step // num_steps > self._said.get(phase, -1):
            self._said[phase] = 10 * step // num_steps
            print(f"{title}: step {step} of {num_steps} {shown}".rstrip(), file=sys.stderr, flush=True)
