"""How much is kept behind the gate, in every combination: thresholds that languages have in common."""

import math

import polars as pl
import pytest

from experiments import robustness
from sim.show.blocks import Paragraph, Table

CELL = {"language": "brackets", "width": 32, "optimizer": "Adam", "rate": 2e-3}


def kept(erased: list[float], fit: float = 0.01, targets: str = "exact") -> pl.DataFrame:
    rows = [
        {**CELL, "run": f"{targets}{seed}", "seed": seed, "targets": targets, "erased": value, "fit": fit}
        for seed, value in enumerate(erased)
    ]
    return pl.DataFrame(rows)


@pytest.mark.parametrize(
    ("erased", "said"),
    [
        ([0.1, 0.2, 0.15], "kept"),
        ([2.0, 2.1, 1.9], "erased"),
        ([0.1, 1.5, 0.6], "undecided"),
        ([0.1, 0.1, math.inf], "erased"),
    ],
)
def test_a_combination_keeps_or_erases(erased: list[float], said: str) -> None:
    assert robustness.verdict(kept(erased)) == said


def test_the_factor_is_a_geometric_mean() -> None:
    found = robustness.factor(kept([0.0, math.log(4), math.log(2)]))
    assert found is not None
    assert found.estimate == pytest.approx(0.5)
    assert found.lower < 0.5 < found.upper


def test_only_runs_that_have_fitted_their_data_say_something() -> None:
    assert robustness.verdict(kept([0.1, 0.2], fit=0.04)) == "–"
    both = pl.concat([kept([2.0, 2.0]), kept([0.1], fit=0.04)])
    assert robustness.verdict(both) == "erased"


def test_the_report_has_a_row_for_each_combination_and_counts_them() -> None:
    cells = pl.DataFrame(
        [
            {
                **CELL,
                "runs": 5,
                "valid": 4,
                "C1": "undecided",
                "C1 reason": "wide; very",
                "C2": "refuted",
                "C2 reason": "no",
            }
        ]
    )
    findings = pl.DataFrame(
        [{**CELL, "prediction": "C1.1a", "measured": 1.0, "lower": 0.9, "upper": 1.1, "verdict": "undecided"}]
    )
    behind = pl.concat([kept([0.1, 0.11]), kept([2.0, 2.1], targets="sampled"), kept([0.0], 0.04, "sampled")])
    blocks = robustness.report({"cells": cells, "findings": findings, "kept": behind})
    first, second = (block for block in blocks if isinstance(block, Table))
    assert first.rows[0][:7] == ("brackets", "32", "Adam", "0.002", "4 of 5", "undecided", "1 [0.9, 1.1] (undecided)")
    assert second.rows[0][8].startswith("0.9 [")
    assert second.rows[0][9].endswith("(2 of 3 fitted)")
    said = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert "C1 undecided in 1 of 1 combinations: wide." in said
    assert any("exact targets: kept in 1, erased in 0, undecided in 0 of 1" in text for text in said)
    assert any("sampled targets: kept in 0, erased in 1, undecided in 0 of 1" in text for text in said)
