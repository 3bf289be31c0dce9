"""C5.4: predictions hold in worlds made so and are refuted in others; the tables of runs that never ran."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments.c5_rank import threshold
from experiments.study import Study
from figures.c5_rank import threshold as staircase

PREDICTIONS = {one.identifier: one for one in threshold.PREDICTIONS}
SEEDS = range(5)


def made(output: float = 0.002, inner: float = 0.004, bound: float = 0.06, found: float = 0.2) -> dict[str, Any]:
    """Tables in which adapters end at these KL(S‖q), and the best matrices of lower ranks at `found`."""
    dice = np.random.default_rng(0)
    fits = [
        {"run": f"{k}{seed}", "seed": seed, "valid": True, "k": k, "r": r, "found": found * (k - r),
         "bound": bound + 0.001 * dice.random(), "sigma": 2.0, "leak": 0.001}
        for k in (1, 2, 4, 8) for seed in SEEDS for r in range(k)
    ]  # fmt: skip
    runs = [
        {"run": f"{part}{k}{seed}", "seed": seed, "valid": True, "part": part, "k": k, "rank": rank, "start": 1.0,
         "end": end * (1.0 + 0.1 * dice.random()), "least": end}
        for part, k, rank, end in (
            *((f"threshold_output_{k}", k, k, output) for k in (1, 2, 4, 8)),
            ("threshold_inner_4", 4, 2, inner), ("threshold_inner_8", 8, 4, inner),
        )
        for seed in SEEDS
    ]  # fmt: skip
    return {"runs": pl.DataFrame({"valid": [True]}), "threshold_fits": pl.DataFrame(fits),
            "threshold_runs": pl.DataFrame(runs)}  # fmt: skip


def verdicts(identifier: str, tables: dict[str, Any]) -> dict[str, str]:
    return {one.case: one.verdict for one in PREDICTIONS[identifier].judge(tables)}


@pytest.mark.parametrize(("identifier", "cases"), [("C5.4a", 4), ("C5.4b", 4), ("C5.4c", 4), ("C5.4d", 2)])
def test_it_holds_where_the_world_is_made_so(identifier: str, cases: int) -> None:
    found = verdicts(identifier, made())
    assert set(found.values()) == {"holds"}
    assert len(found) == cases


@pytest.mark.parametrize(
    ("identifier", "other"),
    [("C5.4a", {"found": 0.04}), ("C5.4b", {"found": 0.01}), ("C5.4c", {"output": 0.03}), ("C5.4d", {"inner": 0.03})],
)
def test_it_is_refuted_where_the_world_is_made_otherwise(identifier: str, other: dict[str, float]) -> None:
    assert set(verdicts(identifier, made(**other)).values()) == {"refuted"}


def test_the_note_says_in_how_many_worlds_the_excess_is_certified() -> None:
    for bound, share in ((0.06, "5 of 5"), (0.03, "0 of 5")):
        (first, *_) = PREDICTIONS["C5.4a"].judge(made(bound=bound))
        assert first.verdict == "holds"
        assert share in first.note


def test_adapters_inside_are_compared_with_matrices_of_the_same_rank() -> None:
    found = {one.case: one for one in PREDICTIONS["C5.4e"].judge(made(inner=0.01, found=0.1))}
    measured = found["k = 8, rank 4"].measured
    assert measured is not None
    assert measured.value == pytest.approx(np.log(0.4 / 0.0105), abs=0.06)


def test_runs_that_are_not_valid_do_not_count() -> None:
    tables = made()
    gone = {name: frame.with_columns(valid=pl.lit(False)) for name, frame in tables.items()}
    for identifier in ("C5.4a", "C5.4b", "C5.4c", "C5.4d", "C5.4e"):
        assert set(verdicts(identifier, gone).values()) == {"not valid"}
        empty = tables | {"threshold_fits": pl.DataFrame(), "threshold_runs": pl.DataFrame()}
        assert set(verdicts(identifier, empty).values()) == {"not valid"}


def numbers(run: str, phase: str, metric: str, rows: list[tuple[int, str, float]]) -> list[dict[str, Any]]:
    of, law = ("restriction", "") if phase == "truth" else ("S||q", "S(x)")
    return [
        {"run": run, "phase": phase, "view": "response", "metric": metric, "of": of, "at": at, "prompt_law": law,
         "step": step, "lower": value, "upper": value}
        for step, at, value in rows
    ]  # fmt: skip


def test_tables_of_a_study() -> None:
    rows, runs = [], []
    for run, part, rank in (("a", "threshold_output_2", 2), ("b", "threshold_inner_2", 1)):
        runs.append({"run": run, "seed": 0, "valid": True, "claim": "", "part": part, "restriction.rank": 2,
                     "finetune.adapter.rank": rank})  # fmt: skip
        notes = {"sigma": 2.0, "excess_bound": 0.06, "fit_0": 0.4, "fit_1": 0.2, "leak_cost": 0.001}
        rows += numbers(run, "truth", "restriction_note", [(0, name, value) for name, value in notes.items()])
        rows += numbers(run, "sft", "kl", [(0, "", 0.4), (10, "", 0.003), (20, "", 0.004)])
    runs.append({**runs[0], "run": "c", "part": "spectra"})
    found = threshold.tables(Study(pl.DataFrame(runs), pl.DataFrame(rows), {}))
    assert found["threshold_fits"].select("run", "k", "r", "found", "bound", "leak").rows() == [
        ("a", 2, 0, 0.4, 0.06, 0.001), ("a", 2, 1, 0.2, 0.06, 0.001)
    ]  # fmt: skip
    assert found["threshold_runs"].select("part", "k", "rank", "start", "end", "least").rows() == [
        ("threshold_inner_2", 2, 1, 0.4, 0.004, 0.003), ("threshold_output_2", 2, 2, 0.4, 0.004, 0.003)
    ]  # fmt: skip
    none = threshold.tables(Study(pl.DataFrame(runs[2:]), pl.DataFrame(rows), {}))
    assert all(frame.is_empty() for frame in none.values())


def test_the_figure_joins_fits_and_trained_adapters() -> None:
    tables = made()
    drawn = staircase.draw(tables)
    assert drawn is not None
    lines = [line for line in drawn.axes[0].lines if line.get_label() == "$k$ = 4"]
    assert lines[0].get_xdata().tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(lines[0].get_ydata()[:4], [0.8, 0.6, 0.4, 0.2])
    assert "certified" in staircase.caption(tables)
    assert staircase.draw(tables | {"threshold_runs": pl.DataFrame()}) is None
