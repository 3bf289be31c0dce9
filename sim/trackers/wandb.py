"""Weights & Biases, offline: one run there for each run here. `wandb sync` sends it to a server later, if ever.

Every phase has its own axis of steps, `<phase>/step`. What is known before any training has no steps and is in the
summary. wandb puts the last value of every series into the summary as well.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from sim.trackers._runs import Run

NEEDS = ("wandb",)
LOOK = "wandb sync {folder}/wandb/offline-run-*"


def write(runs: Iterable[Run], folder: Path) -> None:
    """Write the folder wandb/offline-run-<time>-<hash> for each run. Its project is the name of the run."""
    os.environ["WANDB_ERROR_REPORTING"] = "false"  # otherwise wandb would report its own failures to its makers
    import wandb

    quiet = wandb.Settings(
        console="off", silent=True, disable_git=True, disable_code=True, x_disable_stats=True, x_disable_meta=True,
        x_disable_machine_info=True, x_save_requirements=False,
    )  # fmt: skip
    for run in runs:
        made = wandb.init(
            mode="offline", dir=folder, project=run.name or "runs", id=run.hash, name=run.label, resume="never",
            config=dict(run.config), settings=quiet, reinit="finish_previous",
        )  # fmt: skip
        for phase in dict.fromkeys(one.phase for one in run.series if not one.is_truth):
            made.define_metric(f"{phase}/*", step_metric=f"{phase}/step")
        for row in _history(run):
            made.log(row)
        made.summary.update({one.name: one.values[-1] for one in run.series if one.is_truth})
        made.finish()
    wandb.teardown()


def _history(run: Run) -> Iterator[dict[str, float]]:
    """Iterate over the evaluations of all phases: the step, and every number at this step."""
    rows: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for series in run.series:
        if not series.is_truth:
            for step, value in zip(series.steps, series.values, strict=True):
                rows[series.phase, step][series.name] = value
    for (phase, step), row in sorted(rows.items()):
        yield {f"{phase}/step": step, **row}
