"""Shared judging is frozen: the verdicts on archived numbers do not change, whatever helpers are called or where."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.significance import holm, p_values
from experiments.statistics import judged, slope

ARCHIVE = Path(__file__).resolve().parents[2] / "archive" / "judged.json"
CASES = json.loads(ARCHIVE.read_text(encoding="utf-8"))
GIVEN = ("predicted", "threshold", "margin")


@pytest.mark.parametrize("one", CASES["cases"], ids=lambda one: one["name"])
def test_an_archived_case_has_its_verdict_and_its_interval(one: dict[str, Any]) -> None:
    lower, upper = np.array(one["lower"]), np.array(one["upper"])
    given = (one["kind"], lower, upper, *(one[name] for name in GIVEN))
    verdict, found = judged(*given, one["by_lower"])
    assert verdict == one["verdict"]
    assert (found.lower, found.estimate, found.upper) == pytest.approx(one["interval"], rel=1e-9, abs=1e-15)
    assert p_values(*given) == pytest.approx(one["p"], rel=1e-6, abs=1e-12)


def test_archived_slopes_and_corrections() -> None:
    for one in CASES["slopes"]:
        assert slope(*map(np.array, one["given"])) == pytest.approx(one["slope"], rel=1e-12)
    for one in CASES["holm"]:
        assert holm(one["given"]) == pytest.approx(one["adjusted"], rel=1e-12)


def test_the_archive_has_every_kind_and_every_verdict() -> None:
    kinds = {one["kind"] for one in CASES["cases"]}
    assert kinds == {"sign", "equality", "bound", "slope", "exponent", "ordering", "report"}
    assert {one["verdict"] for one in CASES["cases"]} == {"holds", "refuted", "undecided", "reported"}
