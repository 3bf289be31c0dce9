"""The progress of one run: a bar for each stage in a terminal, or a line per tenth of a stage elsewhere."""

import math
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from sim.phases import Stage, in_words
from sim.show.writing import duration

DATA: dict[Stage, str] = {"pretrain": " on P", "finetune": " on S", "relearn": " of the rest"}
"""The data of the first phase of a stage, in words that follow the stage's name. A later stage has none."""

BESIDE: dict[Stage, str] = {"pretrain": "", "relearn": ", and from scratch"}
"""The phases that are trained beside the first one of a stage, if there are any. In other stages it is the control."""


class Clock:
    """The time left of a stage, from its speed after its first steps. Before these, programs are compiled."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[float, int]] = {}

    def left(self, stage: str, step: int, num_steps: int, now: float) -> float | None:
        """Return the seconds until a stage is done if it has reached `step` at time `now`; None if still unknown."""
        if step <= 0:
            return None
        since, first = self._begun.setdefault(stage, (now, step))
        return None if step <= first else (now - since) / (step - first) * (num_steps - step)


class Progress:
    """A context that draws the progress of a run on stderr. `siblings`: how many its fine-tuning has."""

    def __init__(self, siblings: int = 0) -> None:
        self._siblings = siblings
        self._live = sys.stderr.isatty()
        texts = (TextColumn("{task.fields[loss]}"), TextColumn("{task.fields[left]}"))
        columns = (TextColumn("{task.description:<30}"), BarColumn(bar_width=10), *texts)
        self._bars = Bars(*columns, console=Console(stderr=True), disable=not self._live)
        self._clock = Clock()
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
        """Show that a stage has reached a step. This is an observer for `sim.training.alone.simulate`."""
        title = in_words(stage) + DATA.get(stage, "") + self._beside(stage, len(losses))
        known = not any(math.isnan(loss) for loss in losses)  # before the first interval there is no mean loss
        shown = "loss " + " / ".join(f"{loss:.4f}" for loss in losses) + " nat" if known else ""
        if self._live:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(title, total=num_steps, loss="", left="")
            seconds = self._clock.left(stage, step, num_steps, time.monotonic())
            left = f"{duration(seconds)} left" if seconds else ""
            self._bars.update(self._tasks[stage], completed=step, loss=shown, left=left)
        elif 10 * step // num_steps > self._said.get(stage, -1):
            self._said[stage] = 10 * step // num_steps
            print(f"{title}: step {step} of {num_steps} {shown}".rstrip(), file=sys.stderr, flush=True)

    def _beside(self, stage: Stage, number: int) -> str:
        """Return in words what is trained beside the first phase of a stage, if `number` phases train together."""
        siblings = self._siblings if stage == "finetune" and number > self._siblings else 0
        control = BESIDE.get(stage, ", control on P") if number - siblings > 1 else ""
        return control + (f", {siblings} sibling{'s' * (siblings > 1)}" if siblings else "")
