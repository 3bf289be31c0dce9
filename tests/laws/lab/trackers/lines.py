"""One file with a line of JSON for each run."""

import json
from collections.abc import Iterable
from pathlib import Path

from sim.trackers._runs import Run

NEEDS = ()
LOOK = "cat {folder}/runs.jsonl"


def write(runs: Iterable[Run], folder: Path) -> None:
    """Write the file runs.jsonl."""
    with (folder / "runs.jsonl").open("w", encoding="utf-8") as file:
        for run in runs:
            numbers = {one.name: dict(zip(one.steps, one.values, strict=True)) for one in run.series}
            print(json.dumps({"run": run.hash, "config": run.config, "numbers": numbers}), file=file)
