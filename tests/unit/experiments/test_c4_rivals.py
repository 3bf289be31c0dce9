"""C4: the reports on rival causes, against numbers by hand."""

import math

import numpy as np
import polars as pl
import pytest

from experiments.c4_cloning import CLAIM, rivals
from experiments.c4_cloning.cloning import compounding
from experiments.predictions import Finding
from tests.unit.experiments import cloning_tables as made


def found(identifier: str, **frames: pl.DataFrame) -> dict[str, Finding]:
    return {one.case: one for one in CLAIM.prediction(identifier).judge(made.frames(**frames))}


def value(finding: Finding) -> float:
    assert finding.measured is not None
    return finding.measured.value


def test_hazards_are_compared_step_by_step() -> None:
    rows = [
        {"run": f"{part}{seed}", "seed": seed, "valid": True, "part": f"returns_{part}", "targets": "exact",
         "step": step, "hazard": hazard * step * (1 + seed)}
        for part, hazard in (("clean", 0.02), ("noisy", 0.01)) for seed in range(3) for step in (1, 2)
    ]  # fmt: skip
    both = found("C4.3h", by_step=pl.DataFrame(rows))
    assert list(both) == ["exact targets, step 1", "exact targets, step 2"]
    assert [value(one) for one in both.values()] == pytest.approx([2.0, 2.0])


def test_labels_are_compared_where_they_have_lost_as_much() -> None:
    """Hard labels are three times faster; at equal q(B) they have lost 1 nat more. One world has no such level."""
    rows = [
        {"run": f"{arm}{seed}", "seed": seed, "valid": True, "part": f"again_{arm}", "step": step,
         "lost": math.exp(-speed * step), "forgot": speed * step + more, "outside": 0.1}
        for arm, speed, more in (("hard", 3.0, 1.0), ("dpo", 1.0, 0.0)) for seed in range(4)
        for step in ((0, 1, 2, 4, 8) if (arm, seed) != ("dpo", 3) else (0, 1))
    ]  # fmt: skip
    both = found("C4.5f", labels=pl.DataFrame(rows))
    assert {case: value(one) for case, one in both.items()} == {
        "KL(P‖q) at q(B) = 0.01": pytest.approx(1.0), "q(⊥) at q(B) = 0.01": 0.0,
    }  # fmt: skip


def test_the_share_of_the_gate_is_that_of_each_data_set() -> None:
    rows = [
        {"run": f"{h_s}{seed}", "seed": seed, "targets": "exact", "h_s": h_s, "gate": 0.05 * h_s}
        for seed in range(3) for h_s in (1.0, 1.5, 2.0)
    ]  # fmt: skip
    both = found("C4.6b", shares=pl.DataFrame([*rows, {**rows[0], "seed": 3}]))
    wanted = {"sharpened": 0.5, "as they are": 0.75, "flattened": 1.0}
    assert {case.split(", ")[1]: value(one) for case, one in both.items()} == pytest.approx(wanted)


def test_the_mass_outside_is_that_of_each_stage() -> None:
    rows = [
        {"run": f"{arm}{seed}", "seed": seed, "valid": seed < 3, "part": f"stages_{arm}", "phase": phase,
         "outside": mass}
        for arm, mass in (("sft", 0.01), ("dpo", 0.5)) for seed in range(4) for phase in ("sft", "stage_2")
    ]  # fmt: skip
    both = found("C4.5e", outside=pl.DataFrame(rows))
    assert {case: value(one) for case, one in both.items()} == pytest.approx(
        {"first stage, SFT": 0.01, "second stage, SFT": 0.01, "second stage, DPO": 0.5}
    )


def test_horizons_beyond_an_exposure_of_one_say_nothing_about_compounding() -> None:
    frame = made.horizons().with_columns(hazard=pl.when(pl.col("horizon") > 16).then(0.1).otherwise("hazard"))
    cases = [one.name for one in compounding(returns=False)(made.frames(horizons=frame))]
    assert cases
    assert all("T = 8 to 16" in name for name in cases)


def test_without_runs_there_are_no_reports() -> None:
    for one in rivals.RIVALS:
        assert not list(one.measure(made.frames()))


def test_equal_fit_is_the_level_of_the_claim() -> None:
    """−log q(A) is read where KL(S‖q) is 0.1, between two evaluations, on a straight line over log KL."""
    frame = pl.DataFrame({"run": ["a"] * 2, "seed": [0] * 2, "targets": ["exact"] * 2, "h_s": [1.0] * 2,
                          "valid": [True] * 2, "phase": ["sft"] * 2, "step": [0, 10], "fit": [1.0, 0.01]})  # fmt: skip
    inside = pl.DataFrame({"run": ["a"] * 2, "step": [0, 10], "at": [""] * 2, "lower": np.exp([-0.4, -0.2])})

    class Picked:
        def pick(self, *_: object) -> pl.DataFrame:
            return inside

    read = rivals._shares(Picked(), frame)  # type: ignore[arg-type]
    assert read["gate"].to_list() == pytest.approx([0.3])
