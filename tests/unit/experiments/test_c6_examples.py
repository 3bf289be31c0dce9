"""C6.3: a study in which every prediction holds, one number for each way out of it, and paths read at equal mass."""

import functools
import math

import numpy as np
import polars as pl
import pytest

from experiments.c6_consequences import CLAIM
from experiments.c6_consequences._examples_tables import at_mass, matched, recall
from experiments.predictions import Tables


def paths(
    content: float = 0.0, narrow: float = 0.4, recalled: float = 0.8, control: float = 0.0, worlds: int = 12
) -> pl.DataFrame:
    """Evaluations of two arms; `content` is what the tuned model on the style loses, `narrow` what the other arm loses.

    The tuned model has `recalled` of the lost style after two examples, and 1e-3 without; the control gains `control`.
    """
    rows = []
    for seed in range(worlds):
        noise = 1e-3 * float(np.random.default_rng(seed).standard_normal())
        for part, lost in (("examples_style", content), ("examples_narrow", narrow)):
            common = {"run": f"{part}{seed}", "seed": seed, "part": part, "targets": "sampled", "valid": True}
            common |= {"overlap": 0.0, "narrow": 1.9 - lost}
            new = functools.partial(row, common, 1e-3 * seed)
            for k, mass in ((0, 0.5), (1, 0.99), (2, 0.995)):
                for style in ("z0", "z1"):
                    rows += new("truth", 0, k, style, 0.5 if k == 0 else 1.0, 1.9)
                    rows += new("pretrain", 2000, k, style, mass, 1.9)
                    if part == "examples_style":
                        rows += new("identity", 0, k, style, mass, 1.9)
                        rows += new("identity", 1000, k, style, mass + noise, 1.9 + control)
            for step, mass, share in ((0, 0.5, 0.0), (10, 0.9, 0.9), (100, 0.992, 1.0), (1000, 0.9995, 1.0)):
                rows += new("sft", step, 0, "z0", mass, 1.9 - share * lost)
                rows += new("sft", step, 0, "z1", max(1 - mass, 1e-3), 1.9)
                rows += new("sft", step, 2, "z1", recalled + noise, 1.9)
    return pl.DataFrame(rows)


def row(
    common: dict[str, object], more: float, phase: str, step: int, k: int, style: str, mass: float, content: float
) -> list[dict[str, object]]:
    odds = math.log(mass / (1 - mass)) if 0 < mass < 1 else math.inf
    found = {"phase": phase, "step": step, "k": k, "style": style, "mass": mass, "content": content + more}
    return [{**common, **found, "odds": odds}]


def bayes(kl: float = 0.02, worst: float = 0.0) -> pl.DataFrame:
    rows = [
        {"run": f"{seed}", "seed": seed, "part": "examples_style", "targets": "sampled", "valid": True, "overlap": 0.0,
         "k": k, "kl": kl + worst * (seed == 3)}
        for seed in range(12) for k in range(3)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def verdicts(identifier: str, found: pl.DataFrame | None = None, **given: pl.DataFrame) -> set[str]:
    found = paths() if found is None else found
    tables: Tables = {"examples_paths": found, "examples_matched": matched(found), "examples_recall": recall(found)}
    return {one.verdict for one in CLAIM.prediction(identifier).judge({"examples_bayes": bayes(), **tables, **given})}


@pytest.mark.parametrize("identifier", [f"C6.3{letter}" for letter in "abcdefg"])
def test_all_holds_in_the_study_that_is_predicted(identifier: str) -> None:
    assert verdicts(identifier) == {"holds"}
    if identifier != "C6.3a":
        assert verdicts(identifier, paths(worlds=11)) == {"undecided"}
    assert verdicts(identifier, pl.DataFrame(), examples_bayes=pl.DataFrame()) == {"not valid"}


@pytest.mark.parametrize(
    ("identifier", "changed"),
    [("C6.3b", {"content": 0.3}), ("C6.3c", {"narrow": -0.2}), ("C6.3d", {"control": 0.3}),
     ("C6.3e", {"recalled": 0.2}), ("C6.3f", {"recalled": 0.01})],
)  # fmt: skip
def test_each_prediction_can_be_refuted(identifier: str, changed: dict[str, float]) -> None:
    assert verdicts(identifier, paths(**changed)) == {"refuted"}


def test_one_world_far_from_bayes_refutes_the_bound() -> None:
    assert verdicts("C6.3a", examples_bayes=bayes(worst=0.04)) == {"refuted"}


def test_the_control_must_answer_examples_as_before() -> None:
    shifted = paths().with_columns(
        mass=pl.when((pl.col("phase") == "identity") & (pl.col("step") > 0)).then(0.6).otherwise("mass")
    )
    assert verdicts("C6.3g", shifted) == {"refuted"}


def test_contents_are_read_at_equal_mass_on_a_straight_line_over_log_odds() -> None:
    """−log(1 − mass) is 1, 3 and 5 nats at the evaluations, so a level of 2 nats lies between the first two."""
    mass = 1.0 - np.exp(-np.array([1.0, 3.0, 5.0]))
    values = np.array([2.0, 1.0, 0.5])
    assert at_mass(mass, values, 1.0 - math.exp(-2.0)) == pytest.approx((1.5, 2.0, 1.0))
    assert at_mass(mass, values, float(mass[1])) == pytest.approx((1.0, 2.0, 1.0))
    assert at_mass(mass, values, 0.999999) is None
    assert at_mass(mass, values, 0.1) is None
    assert at_mass(np.append(mass, 1.0), np.append(values, 0.4), 1.0) is None, "it is infinitely far"


def test_matched_rows_have_the_base_with_examples_beside_the_tuned_model() -> None:
    found = matched(paths(content=0.2)).filter(part="examples_style", seed=0).sort("k")
    assert found["k"].to_list() == [1, 2]
    assert found["mass"].to_list() == [0.99, 0.995]
    assert found["base"].to_list() == [1.9, 1.9]
    share = math.log(0.1 / 0.01) / math.log(0.1 / 0.008)
    assert found["tuned"][0] == pytest.approx(1.9 - 0.2 * (0.9 + 0.1 * share))
    assert found["tuned"][1] == pytest.approx(1.7)
