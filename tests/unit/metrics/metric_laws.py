"""What holds of the numbers of any metric, and which arrays of probes a metric reads."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from sim.disk.records import Record
from sim.metrics.scene import Evaluation, Metric, World
from sim.metrics.scored import VIEWS
from sim.metrics.table import Row

recorded = Evaluation.arrays.fget
"""The arrays of an evaluation as a function of it."""


def sought(metric: Metric, record: Record) -> set[str]:
    """The arrays that a metric asks for at some evaluation of a record, and that no phase of the record has."""
    asked: set[str] = set()

    class Arrays(dict[str, np.ndarray]):
        """What was recorded; what is asked for in vain is noted."""

        def __contains__(self, name: object) -> bool:
            found = super().__contains__(name)
            if not found:
                asked.add(str(name))
            return found

        def __missing__(self, name: str) -> np.ndarray:
            asked.add(name)
            raise KeyError(name)

        def get(self, name: str, default: np.ndarray | None = None) -> np.ndarray | None:  # type: ignore[override]
            return self[name] if name in self else default

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluation, "arrays", property(lambda self: Arrays(recorded(self))))
        for world in (World(record, view) for view in VIEWS):
            for phase in record.phases:
                for evaluation in world.evaluations(phase):
                    list(metric.measure(evaluation))
    return asked.difference(*(one.arrays for one in record.phases.values()))


ESTIMATED = {"sharpness", "gradient_noise", "good_turing"}
"""Metrics of samples, or of an iteration that ends: they have to say that they are estimates."""


def check(metric: Metric, own: Sequence[Row]) -> None:
    """The laws of the rows of one metric that need nothing but the rows."""
    assert metric.unit
    assert {row["unit"] for row in own} == {metric.unit}
    for row in own:
        assert not math.isnan(row["lower"]), row
        assert (row["exactness"] == "estimated") == (metric.name in ESTIMATED), row
        if row["exactness"] in ("exact", "estimated"):
            assert row["value"] == row["lower"] == row["upper"], row
        else:
            assert row["exactness"] == "bounded", row
            assert row["value"] is None, row
            assert row["lower"] < row["upper"], row
