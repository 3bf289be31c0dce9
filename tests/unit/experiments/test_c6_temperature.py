"""C6.2: every prediction holds in worlds made so and is refuted in others; its tables from runs that never ran."""

import dataclasses
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest

from experiments.c6_consequences import temperature as topic
from experiments.c6_consequences.temperature_paths import ARMS, LEVELS, LOW, MODELS, VALID, at_level
from experiments.study import Study
from figures.c6_consequences import temperature as drawing
from figures.style import styled
from sim.disk.records import Record
from sim.theory.tempering import Gate
from tests.unit.experiments.temperature_records import records
from tests.unit.figures import seen

SEEDS = range(12)
JUDGED = {one.identifier: one for one in topic.PREDICTIONS}
TUNED = list(ARMS)[:3]


# -- predictions ------------------------------------------------------------------------------------------------------


def frame(columns: list[dict[str, object]], **rest: object) -> pl.DataFrame:
    """A row for each seed and each of some rows, all valid and fitted unless said otherwise."""
    rows = [{"valid": True, "fit": 0.01, "seed": seed, **one, **rest} for seed in SEEDS for one in columns]
    noise = np.random.default_rng(0).normal(size=len(rows))
    names = [
        name for name, value in rows[0].items() if isinstance(value, float) and name not in ("fit", "p_lost", "level")
    ]
    return pl.DataFrame(rows).with_columns([pl.col(name) * (1 + 0.02 * pl.Series(noise)) for name in names])


def arms(parts: list[str]) -> list[dict[str, object]]:
    return [{"part": part, "arm": ARMS[part], "run": part} for part in parts]


def best(tuned: float = 0.1, base: float = 0.75, law: float = 0.11, back: float = 0.9) -> pl.DataFrame:
    rows = [{**one, "model": model, "most_lost": most} for one in arms(TUNED)
            for model, most in (("tuned", tuned), ("base", base))]  # fmt: skip
    return frame(
        rows, p_lost=0.75, leak=1e-4, needed=1e-9, most_gate=0.1, law=law, in_style_2=0.5, most_in_style_2=back
    )


def equal(covered: float = 0.4, control: float = 0.01, in_style: float = 0.01) -> pl.DataFrame:
    rows = []
    for one in arms(list(ARMS)):
        for level in (*LEVELS, LOW):
            for name in ("covered_2", "covered_10", "in_style_2", "in_style_10"):
                ahead = in_style if name.startswith("in_style") else covered
                ahead = control if one["part"] == "temperature_control" else ahead
                rows.append({**one, "level": level, "quantity": name, "difference": ahead, "base": 1.0})
    found = frame(rows)
    return found.with_columns(base=pl.lit(1.0), tuned=1.0 - pl.col("difference"))


def paths(slack: float = 0.01) -> pl.DataFrame:
    rows = [{**one, "model": model, "rule": "temperature", "number": number, "validity": 0.95, "kl": 9.0 / number}
            for one in arms(list(ARMS)) for model in MODELS for number in (1.0, 2.0)]  # fmt: skip
    found = frame(rows, lost=0.1).with_columns(gate_lost=pl.col("lost") + slack)
    return found.with_columns(number=pl.col("number").round(0), run=pl.col("run") + pl.col("seed").cast(pl.String))


def repairs(error: float = 0.0) -> pl.DataFrame:
    rows = [{**one, "model": model, "within": 0.3} for one in arms(list(ARMS)) for model in MODELS]
    return frame(rows).with_columns(reweighted=pl.col("within") + error)


def verdicts(identifier: str, **changed: pl.DataFrame) -> dict[str, str]:
    tables = {"best": best(), "equal": equal(), "paths": paths(), "repairs": repairs()} | changed
    found = JUDGED[identifier].judge({f"temperature_{name}": one for name, one in tables.items()})
    return {one.case: one.verdict for one in found}


@pytest.mark.parametrize(
    ("identifier", "cases"),
    [("a", 3), ("b", 3), ("c", 4), ("d", 3), ("e", 8), ("f", 18), ("g", 6), ("h", 6), ("i", 1)],
)  # fmt: skip
def test_it_holds_where_the_world_is_made_so(identifier: str, cases: int) -> None:
    found = verdicts(f"C6.2{identifier}")
    assert set(found.values()) == {"holds"}, found
    assert len(found) == cases
    assert {"C6.2j", "C6.2k", "C6.2l"} == {name for name, one in JUDGED.items() if one.kind == "report"}


@pytest.mark.parametrize(
    ("identifier", "changed"),
    [
        ("a", {"best": best(tuned=0.5)}), ("b", {"best": best(base=0.2)}), ("c", {"paths": paths(slack=-1e-3)}),
        ("d", {"best": best(law=0.3)}), ("e", {"repairs": repairs(error=1e-3)}), ("f", {"equal": equal(covered=-0.1)}),
        ("g", {"equal": equal(control=0.3)}), ("h", {"equal": equal(in_style=0.3)}), ("i", {"best": best(back=0.52)}),
    ],
)  # fmt: skip
def test_it_is_refuted_where_it_is_not(identifier: str, changed: dict[str, pl.DataFrame]) -> None:
    assert set(verdicts(f"C6.2{identifier}", **changed).values()) == {"refuted"}


def test_runs_that_do_not_fit_or_are_not_valid_do_not_count() -> None:
    for wrong in ({"fit": 0.2}, {"valid": False}):
        found = {name: one.with_columns(**{key: pl.lit(value) for key, value in wrong.items()})
                 for name, one in {"best": best(), "equal": equal()}.items()}  # fmt: skip
        for identifier in "abdfghi":
            assert set(verdicts(f"C6.2{identifier}", **found).values()) == {"not valid"}


def test_a_level_is_read_where_the_validity_falls_below_it_last() -> None:
    path = pl.DataFrame({"number": [4.0, 1.0, 2.0, 3.0], "validity": [0.2, 0.7, 0.9, 0.6], "x": [0.0, 9.0, 3.0, 1.0]})
    assert at_level(path, 0.75, "x") == pytest.approx(2.0), "halfway between T = 2 and 3"
    assert at_level(path, 0.95, "x") is None
    assert at_level(path, 0.1, "x") is None, "it would have to be hotter"


# -- tables -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    found: dict[str, Record] = {
        f"{number:012x}": dataclasses.replace(one, hash=f"{number:012x}") for number, one in enumerate(records())
    }
    there = {"finished": lambda _: [Path(run) for run in found], "read": lambda place: found[place.name]}
    with mock.patch.multiple("experiments.study", **there):
        return topic.tables(Study.of(Path("nowhere"), topic.NEEDS))


def test_each_run_has_both_models_at_every_rule(tables: dict[str, pl.DataFrame]) -> None:
    own = tables["temperature_paths"]
    assert own.group_by("run", "model").len()["len"].unique().to_list() == [26]
    assert sum(own.null_count().row(0)) == 0
    assert set(own["rule"]) == {"temperature", "top-k", "top-p", "min-p"}
    lost = own.filter(rule="temperature", number=1.0, part="temperature_plain").sort("seed", "model")
    base, tuned = (lost.filter(model=model)["lost"].to_numpy() for model in ("base", "tuned"))
    np.testing.assert_allclose(base, lost["p_lost"][0] * (1 - 1e-3) ** 4, rtol=1e-9)
    assert tuned[0] < 0.01
    assert tuned[1] == pytest.approx(2 * tuned[0], rel=0.02)


def test_the_best_temperature_is_that_of_the_paths_and_the_law_that_of_the_gate(
    tables: dict[str, pl.DataFrame],
) -> None:
    found = tables["temperature_best"]
    assert len(found) == 12, "six runs lose something"
    for row in found.iter_rows(named=True):
        own = tables["temperature_paths"].filter(run=row["run"], model=row["model"], rule="temperature")
        allowed = [one["lost"] for one in own.iter_rows(named=True) if one["validity"] >= VALID]
        assert row["most_lost"] == max(allowed)
        assert row["law"] == Gate(row["lost"], row["leak"], 8, 2).most_lost(VALID).lost
        if row["model"] == "tuned":
            assert row["needed"] < row["leak"], "here the leak is too large"
            assert row["most_lost"] <= row["p_lost"] / 2


def test_re_weighting_leaves_what_is_wrong_within_styles(tables: dict[str, pl.DataFrame]) -> None:
    found = tables["temperature_repairs"]
    np.testing.assert_allclose(found["reweighted"], found["within"], rtol=1e-12, atol=1e-13)
    erased = found.filter(part="temperature_erased", model="tuned")
    assert (erased["within"].to_numpy() > 0.1).all()
    assert (erased["kl"] > erased["reweighted"]).all()


def test_all_is_empty_without_a_run() -> None:
    study = Study(pl.DataFrame({"part": ["other"], "run": ["a"], "seed": [0], "valid": [True]}), pl.DataFrame(), {})
    empty = topic.tables(study)
    assert len(empty) == 4
    assert not any(one.height for one in empty.values())
    assert drawing.draw(empty) is None
    for one in topic.PREDICTIONS:
        assert {found.verdict for found in one.judge(empty)} == {"not valid"}


@pytest.mark.parametrize("medium", ["paper", "slide"])
def test_the_figure_can_be_read(tables: dict[str, pl.DataFrame], medium: str) -> None:
    with styled(medium):
        figure = drawing.draw({**tables, "runs": pl.DataFrame()})
        texts = seen.texts(figure)
    assert not list(seen.overlapping(texts))
    for entries in seen.entries(figure):
        marks = [seen.mark(one) for one in entries.values()]
        assert len(set(marks)) == len(marks) == 5
    caption = drawing.caption(tables)
    assert caption.endswith(".")
    assert "exact" in caption
