"""C2.8, second attempt: its predictions hold in worlds made so, and are refuted in worlds made otherwise."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from experiments.c2_support import CLAIM, steps
from figures.c2_support.steps import ARMS
from sim.config.discovery import conf_folder
from tests.unit.experiments.erasing_tables import tables

Q = {
    "steps_low": 0.35, "steps_low_long": 0.34, "steps_middle": 1.0, "steps_middle_long": 0.98, "steps_constant": 0.36,
    "steps_grafted": 2.5, "steps_grafted_middle": 1.01, "steps_base": 2.55, "steps_exact": 0.67, "steps_eps": 0.66,
    "steps_small_batch_eps": 0.37, "steps_large_batch": 0.9,
}  # fmt: skip
NOISY = {"steps_exact": 0.4, "steps_small_batch_eps": 2.0}


def ends(worlds: range = range(12), **factors: float) -> pl.DataFrame:
    """Every arm in some worlds: E = 4 Q^2 times a factor of the arm, with 3 % noise; X is unrelated."""
    dice, rows = np.random.default_rng(0), []
    for seed in worlds:
        for part, q in Q.items():
            e = 4.0 * q**2 * NOISY.get(part, 1.0) * factors.get(part, 1.0) * math.exp(0.03 * dice.standard_normal())
            rows.append(
                {"run": f"{part}{seed}", "seed": seed, "part": part, "e": e, "q": q * (1 + 0.01 * dice.random()),
                 "fits": True, "x": float(dice.random()), "distance": float(dice.random()),
                 "number": 4000.0 if part.endswith("long") else 1000.0}
            )  # fmt: skip
    return pl.DataFrame(rows)


def found(identifier: str, frame: pl.DataFrame) -> dict[str, str]:
    return {one.case: one.verdict for one in CLAIM.prediction(identifier).judge(tables(steps=frame))}


IDENTIFIERS = [one.identifier for one in steps.STEPS if one.kind != "report"]


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_it_holds_where_the_squared_length_of_noisy_steps_decides(identifier):
    verdicts = found(identifier, ends())
    assert set(verdicts.values()) == {"holds"}
    assert len(verdicts) == {"C2.8j": 3, "C2.8k": 2, "C2.8m": 2, "C2.8n": 2}.get(identifier, 1)


@pytest.mark.parametrize(
    ("identifier", "factors"),
    [
        ("C2.8i", {part: 1 / q**4 for part, q in Q.items()}),
        ("C2.8j", {part: 1 / q**2 for part, q in Q.items()}),
        ("C2.8k", {"steps_low_long": 11.0, "steps_middle_long": 11.0}),
        ("C2.8k", {"steps_low_long": 1 / 11, "steps_middle_long": 1 / 11}),
        ("C2.8l", {"steps_constant": 0.4}),
        ("C2.8m", {"steps_grafted": 0.3, "steps_grafted_middle": 0.3}),
        ("C2.8n", {"steps_exact": 2.5, "steps_small_batch_eps": 0.5}),
    ],
)
def test_it_is_refuted_where_something_else_decides(identifier, factors):
    assert set(found(identifier, ends(**factors)).values()) == {"refuted"}


def test_eleven_worlds_are_not_enough():
    assert set(found("C2.8m", ends(range(11))).values()) == {"undecided"}


def test_runs_that_do_not_fit_are_left_out():
    wrong = ends(steps_grafted=100.0).with_columns(fits=pl.col("part") != "steps_grafted")
    assert found("C2.8m", wrong) == {"grafted against Adam, 1e-3": "holds"}


def test_what_is_not_erased_has_no_logarithm():
    gone = ends().with_columns(e=pl.when(part="steps_constant", seed=3).then(-0.01).otherwise("e"))
    (case,) = CLAIM.prediction("C2.8l").judge(tables(steps=gone))
    assert case.verdict == "undecided"
    assert "log E is not defined where E ≤ 0" in case.note


def test_every_part_has_a_name_in_the_figure_and_every_pair_is_a_part():
    file = Path(conf_folder()) / "experiment" / "c2_support.yaml"
    studies = yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]["studies"]
    parts = {part for part in studies if part.startswith(steps.PART)}
    assert parts == set(ARMS)
    pairs = (*steps.LONG, *steps.CONSTANT, *steps.GRAFTED, *steps.NOISE, *steps.LEVELS)
    assert {name for pair in pairs for name in (pair.one, pair.other)} <= parts
    assert len({dataclasses.astuple(pair) for pair in pairs}) == len(pairs)
