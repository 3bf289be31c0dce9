"""Claim C3: its predictions hold in tables made so, and are refuted in tables made otherwise."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from experiments.c3_answers import CLAIM, measured
from experiments.c3_answers.datasets import datasets
from experiments.c3_answers.tables import CELLS, MODES
from experiments.predictions import Finding, Tables, table
from sim.config.discovery import conf_folder
from tests.unit.experiments import c3_tables as made

DECIDED = [one.identifier for one in CLAIM.predictions if one.kind != "report"]
REPORTS = [one.identifier for one in CLAIM.predictions if one.kind == "report"]


@pytest.fixture(scope="module")
def good() -> Tables:
    return made.tables()


def found(identifier: str, tables: Tables) -> list[Finding]:
    return CLAIM.prediction(identifier).judge(tables)


def verdicts(identifier: str, tables: Tables) -> set[str]:
    return {one.verdict for one in found(identifier, tables)}


@pytest.mark.parametrize("identifier", DECIDED)
def test_it_holds_where_the_dial_is_right_and_only_equal_answers_collapse_held_out_prompts(identifier, good):
    assert verdicts(identifier, good) == {"holds"}


@pytest.mark.parametrize("identifier", REPORTS)
def test_reports_have_numbers(identifier, good):
    if identifier != "C3.0b":  # the made worlds have no such run
        assert verdicts(identifier, good) == {"reported"}


def changed(part: str, **columns: pl.Expr) -> Tables:
    """The tables with other numbers in the runs of a part; expressions see the other runs as well."""
    own = pl.col("part").str.starts_with(part)
    new = {name: pl.when(own).then(value).otherwise(pl.col(name)) for name, value in columns.items()}
    return made.tables(made.runs().with_columns(**new))


def both(name: str, change: float) -> dict[str, pl.Expr]:
    return {f"{name}_{end}": pl.col(f"{name}_{end}") + change for end in ("lower", "upper")}


OTHERWISE = [
    ("C3.0a", lambda: changed("identity", **both("h_q_trained", 0.2))),
    ("C3.0a", lambda: changed("infinite", **both("h_q_held", -0.2))),
    ("C3.1a", lambda: changed("infinite", slope=pl.lit(0.3))),
    ("C3.1b", lambda: changed("infinite", fit=pl.lit(0.04))),
    ("C3.2d", lambda: changed("cells", **both("h_q_trained", 2.0))),
    ("C3.3a", lambda: changed("cells", **both("residual", 0.3))),
    ("C3.3c", lambda: changed("cells", **both("excess", 0.9))),
    ("C3.4a", lambda: changed("cells", **both("h_q_held", -0.9))),
    ("C3.4b", lambda: changed("cells", **both("h_q_held", 2.5))),
    ("C3.4c", lambda: changed("annotators", **both("h_q_held", 4.0))),
    ("C3.4d", lambda: changed("annotators", **both("h_q_held", 2.0))),
    ("C3.7b", lambda: changed("fewer", **both("h_q_held", 0.5))),
    ("C3.8d", lambda: changed("copies_many", **both("h_q_held", 0.8))),
]


@pytest.mark.parametrize(("identifier", "tables"), OTHERWISE)
def test_it_is_refuted_where_the_ends_are_otherwise(identifier, tables):
    assert "refuted" in verdicts(identifier, tables())


def test_a_tempered_annotator_who_moves_the_model_the_wrong_way():
    wrong = changed("annotators_tempered", **{
        f"h_q_held_{end}": 2 * made.H - pl.col(f"h_q_held_{end}") for end in ("lower", "upper")
    })  # fmt: skip
    assert verdicts("C3.4e", wrong) == {"refuted"}


PATHS = [
    ("C3.3b", {"residual": pl.lit(0.4)}),
    ("C3.3d", {"rho": 1 - pl.col("rho")}),
    ("C3.3e", {"rho": pl.col("rho") * 20 / pl.col("width")}),
    ("C3.3f", {"rho": pl.col("rho") * pl.col("n") / 16}),
    ("C3.3g", {"rho": pl.col("rho") * pl.col("n") / 16}),
    ("C3.6a", {"unseen": 2 * pl.col("unseen")}),
    ("C3.8e", {"h_held": pl.lit(made.H)}),
]


@pytest.mark.parametrize(("identifier", "columns"), PATHS)
def test_it_is_refuted_where_the_paths_are_otherwise(identifier, columns, good):
    assert verdicts(identifier, {**good, "paths": good["paths"].with_columns(**columns)}) == {"refuted"}


MODES_OTHERWISE = [
    ("C3.5a", {"leak": pl.col("leak") + 0.1}),
    ("C3.5b", {"leak": 1 - pl.col("leak")}),
    ("C3.5c", {"leak": pl.when(objective="sft").then(0.1).otherwise("leak")}),
    ("C3.5d", {"h_q": pl.col("h_q") - 2}),
]


@pytest.mark.parametrize(("identifier", "columns"), MODES_OTHERWISE)
def test_it_is_refuted_where_the_fits_are_otherwise(identifier, columns, good):
    assert verdicts(identifier, {**good, "modes": good["modes"].with_columns(**columns)}) == {"refuted"}


@pytest.mark.parametrize(("identifier", "name"), [("C3.2a", "collision"), ("C3.2b", "entropy")])
def test_other_formulas_are_refuted(identifier, name, good):
    wrong = good["datasets"].with_columns(pl.col(f"expected_{name}") * 1.05)
    assert "refuted" in verdicts(identifier, {**good, "datasets": wrong})


@pytest.mark.parametrize(
    ("identifier", "columns"),
    [("C3.8a", {"differ": pl.col("differ_p")}), ("C3.8b", {"donors": pl.col("answers")}),
     ("C3.8c", {"answers": pl.col("donors")})],
)  # fmt: skip
def test_it_is_refuted_where_nothing_is_copied(identifier, columns, good):
    wrong = {**good, "donors": good["donors"].with_columns(**columns)}
    assert verdicts(identifier, wrong) == {"refuted"}


def test_data_sets_of_one_answer_that_vary_are_found(good):
    assert verdicts("C3.2c", {**good, "datasets": good["datasets"].with_columns(entropy=pl.lit(0.5))}) == {"refuted"}


def standing(tables: Tables) -> str:
    return CLAIM.verdict(table(CLAIM, CLAIM.judge(tables), [CLAIM.announced]))[0]


def test_the_sentence_holds_only_where_the_data_say_one_answer(good):
    assert standing(good) == "holds only if"
    said = {one.identifier: (one.says, one.condition) for one in CLAIM.predictions if one.says != "silent"}
    met, not_met = ("same", "met"), ("opposite", "not met")
    assert said == {"C3.1a": not_met, "C3.2d": met, "C3.4a": not_met, "C3.4c": met, "C3.5d": not_met}
    assert [one.identifier for one in CLAIM.predictions if one.null] == ["C3.0a"]
    assert {one.identifier for one in CLAIM.predictions if one.instrument} == {"C3.2a", "C3.2b", "C3.2c", "C3.5a"}


def test_trained_prompts_that_do_not_collapse_refute_the_sentence():
    assert standing(changed("cells", **both("h_q_trained", 2.0))) == "refuted"


def test_held_out_prompts_that_lose_more_than_their_data_leave_it_undecided():
    assert standing(changed("cells", **both("h_q_held", -0.9))) == "undecided"


def test_a_control_that_moves_takes_the_verdict_away():
    assert standing(changed("identity", **both("h_q_trained", 0.2))) == "not valid"


def test_four_worlds_and_runs_that_do_not_count_decide_nothing():
    four = made.tables(made.runs().filter(pl.col("seed") < 4))
    assert verdicts("C3.2d", four) == {"undecided"}
    assert verdicts("C3.2d", made.tables(made.runs().with_columns(valid=pl.lit(False)))) == {"not valid"}
    late = changed("cells", fit=pl.lit(2 * measured.FIT))
    assert verdicts("C3.2d", late) == {"not valid"}


def test_wide_bounds_decide_nothing():
    wide = changed("cells", h_q_held_upper=pl.col("h_q_held_upper") + 3.0)
    assert verdicts("C3.4a", wide) == {"holds"}  # the lower bound is enough above −b
    low = changed("cells", h_q_held_lower=pl.col("h_q_held_lower") - 3.0)
    assert verdicts("C3.4a", low) == {"undecided"}


def test_a_study_without_parts_is_not_judged(good):
    empty = dict.fromkeys(("paths", "modes", "donors", "drawn"), pl.DataFrame())
    nothing = {**good, **empty, "runs": good["runs"].head(0)}
    decided = {one for one in DECIDED if not one.startswith("C3.2") or one == "C3.2d"}
    assert all(verdicts(one, nothing) == {"not valid"} for one in decided)


def test_data_sets_follow_the_formulas():
    drawn = datasets()
    assert drawn.filter(m=1)["entropy"].to_list() == [0.0] * drawn["seed"].n_unique()
    means = drawn.group_by("m").agg(pl.exclude("seed").mean())
    for row in means.iter_rows(named=True):
        assert row["collision"] == pytest.approx(row["expected_collision"], rel=0.02)
        assert row["entropy"] == pytest.approx(row["expected_entropy"], rel=0.02)


def test_every_part_of_the_study_has_a_place_in_the_tables():
    file = Path(conf_folder()) / "experiment" / "c3_answers.yaml"
    sweeper = yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]["sweeper"]
    assert all(part.startswith((*CELLS, MODES)) for part in sweeper["studies"])
