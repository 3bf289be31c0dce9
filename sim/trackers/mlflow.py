"""MLflow: one SQLite file, in which each run here is a run of an experiment with the name of the run.

MLflow allows few characters in names. So "P||q" becomes "P to q", "q*" becomes "qstar", "law=P(x)" becomes "law:P.x",
and "[nat]" becomes "nat". SQLite has no infinite numbers: MLflow stores 1.797e308, the largest one, instead.
"""

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sim.config.leaves import Leaf
from sim.trackers._runs import Run

NEEDS = ("mlflow", "sqlalchemy", "alembic")
LOOK = "mlflow server --backend-store-uri sqlite:///{folder}/mlflow.db"

SPELT = {"||": " to ", "=": ":", "(": ".", ")": "", "[": "", "]": "", "*": "star", ",": " "}
"""How characters are written that MLflow does not allow in names. Others are written by their number."""

LONGEST_NAME, LONGEST_VALUE = 250, 6_000
"""Largest number of characters of a name and of a parameter."""

PARAMETERS, METRICS = 100, 1_000
"""Largest number of parameters and of metrics in one call of MLflow."""


def write(runs: Iterable[Run], folder: Path) -> None:
    """Write the file mlflow.db."""
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true")  # MLflow reports its use to its makers
    from mlflow.tracking import MlflowClient

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=f"sqlite:///{folder.absolute()}/mlflow.db")
    experiments: dict[str, str] = {}
    for run in runs:
        if run.name not in experiments:
            experiments[run.name] = client.create_experiment(run.name or "runs", artifact_location="mlflow-artifacts:/")
        made = client.create_run(experiments[run.name], run_name=run.label).info.run_id
        _fill(client, made, run)
        client.set_terminated(made)


def _fill(client: Any, made: str, run: Run) -> None:
    """Write the configuration and the numbers of a run."""
    from mlflow.entities import Metric, Param

    now, taken = int(1000 * time.time()), set[str]()
    params = [Param(spelt(name, taken), _text(value)) for name, value in run.config.items()]
    names = {one.name: spelt(one.name, taken) for one in run.series}
    metrics = [
        Metric(names[one.name], value, now, step)
        for one in run.series
        for step, value in zip(one.steps, one.values, strict=True)
    ]
    for at in range(0, len(params), PARAMETERS):
        client.log_batch(made, params=params[at : at + PARAMETERS])
    for at in range(0, len(metrics), METRICS):
        client.log_batch(made, metrics=metrics[at : at + METRICS])


def spelt(name: str, taken: set[str]) -> str:
    """Return a name in characters that MLflow allows, and add it to those that are taken.

    If it is taken already or too long, it ends with the beginning of the SHA-256 of the name.
    """
    found = name
    for characters, instead in SPELT.items():
        found = found.replace(characters, instead)
    found = re.sub(r"[^\w.\- :/]", lambda one: f":{ord(one[0]):x}", found)
    if found in taken or len(found) > LONGEST_NAME:
        found = f"{found[: LONGEST_NAME - 13]} {hashlib.sha256(name.encode()).hexdigest()[:12]}"
    taken.add(found)
    return found


def _text(value: Leaf) -> str:
    """Return a leaf of a configuration as text. MLflow would cut a long one without a word."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"({len(text):,} characters; see run.json of the record)"
