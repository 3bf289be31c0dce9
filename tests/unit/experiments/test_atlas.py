"""The atlas: crossings and distances by hand, places with ties, ends; every method file composes into runs."""

import math
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
import yaml
from hydra.errors import ConfigCompositionException

from experiments import atlas
from experiments.atlas import naming, tables
from experiments.study import NUMBERS, Study
from sim.config import conf_folder
from sim.numerics import SpecificationError
from sim.show.blocks import Table
from sim.theory.frontier import least_forgetting
from tests.composed import compose, options
from tests.unit.experiments.tiny_studies import study, variant
from tests.unit.figures.tiny_runs import run as tiny_run

FITS = (1.2, 0.4, 0.2, 0.04, 0.02)
STEPS = (0, 10, 20, 30, 40)
LOG_S, LOG_P = np.log([0.5, 0.5]), np.log([0.9, 0.1])
"""One prompt, two answers: KL(S‖P) is 0.51 nats."""


def run(method: str, seed: int, beta: float = 0.1) -> dict[str, Any]:
    name = f"{method}{beta:g}{seed}"
    return {"run": name, "seed": seed, "valid": seed < 9, "part": method, "objective.beta": beta, "objective.eta": None}


def numbers(own: dict[str, Any], above: float, stops: int = len(FITS), edited: bool = False) -> list[dict[str, Any]]:
    """A path that lies `above` the frontier everywhere, and ends after some evaluations."""
    rows = []

    def row(phase: str, step: int, metric: str, of: str, law: str, value: float) -> None:
        rows.append({"run": own["run"], "phase": phase, "view": "response", "metric": metric, "of": of, "at": "",
                     "prompt_law": law, "step": step, "lower": value, "upper": value})  # fmt: skip

    group = np.zeros(2, int)
    for step, fit in list(zip(STEPS, FITS, strict=True))[:stops]:
        least = least_forgetting(LOG_S, LOG_P, fit, group)
        row("sft", step, "kl", "S||q", "S(x)", fit)
        row("sft", step, "kl", "P||q", "P(x)", least + above)
        if step:  # E of the first evaluation is not defined
            row("sft", step, "style_erasure", "E", "P(x)", 0.01 * step)
        row("sft", step, "gate", "A", "P(x)", 0.1 * step)
        row("sft", step, "surprisal", "q", "P(x)", 0.5)
        row("sft", step, "supported_entropy", "q", "P(x)", 0.25)
        row("sft", step, "outside_p", "q", "P(x)", 0.001)
    row("sft", STEPS[stops - 1], "entropy", "q", "P(x)", 1.0)
    if edited:
        row("truncate_4", 40, "kl", "S||q", "S(x)", 0.5)
        row("truncate_4", 40, "kl", "P||q", "P(x)", 0.7)
    for of, value in (("P", 3.0), ("q*", 1.5)):
        row("truth", 0, "entropy", of, "P(x)", value)
    row("truth", 0, "kl", "S||q*", "S(x)", 0.0)
    return rows


def analysed(*found: tuple[dict[str, Any], list[dict[str, Any]]]) -> dict[str, pl.DataFrame]:
    of = [row for _, rows in found for row in rows]
    schema = dict(NUMBERS)
    study = Study(pl.DataFrame([own for own, _ in found]), pl.DataFrame(of, schema=schema), {})
    world = SimpleNamespace(
        p=SimpleNamespace(log_p=LOG_P, prompts=SimpleNamespace(group=np.zeros(2, int))),
        restricted=SimpleNamespace(s=SimpleNamespace(log_p=LOG_S)),
    )
    with mock.patch.object(Study, "record", return_value=world):
        return tables.tables(study)


@pytest.fixture(scope="module")
def found() -> dict[str, pl.DataFrame]:
    made = []
    for seed in range(6):
        noise = 0.01 * (-1) ** seed
        made += [(run("near", seed), numbers(run("near", seed), 0.1 + noise))]
        made += [(run("like", seed), numbers(run("like", seed), 0.105 - noise))]
        for beta in (0.2, 0.4):
            made += [(run("far", seed, beta), numbers(run("far", seed, beta), beta + noise, stops=4))]
        made += [(run("never", seed), numbers(run("never", seed), 0.1, stops=2, edited=True))]
    made += [(run("near", 9), numbers(run("near", 9), 50.0))]  # not valid
    return analysed(*made)


def test_a_crossing_lies_between_two_evaluations(found):
    """KL(S‖q) = 0.1 lies between 0.2 and 0.04, at log 2/log 5 of the way from step 20 to 30."""
    own = found["crossings"].filter(method="far", strength="beta 0.2", level=0.1, seed=0)
    share = math.log(2) / math.log(5)
    assert own["step"].item() == pytest.approx(20 + 10 * share, rel=1e-12)
    assert own["e"].item() == pytest.approx(0.2 + 0.1 * share, rel=1e-12)
    assert own["above"].item() == pytest.approx(0.21, rel=1e-9)
    assert (found["crossings"]["fit"] == found["crossings"]["level"]).all()
    assert found["crossings"].filter(method="never").is_empty(), "its fit stays above 0.3"
    assert set(found["crossings"].filter(method="far")["level"]) == {0.3, 0.1}


def test_methods_that_are_not_surely_ordered_share_a_place(found):
    own = found["places"].filter(level=0.1)
    assert [(row["method"], row["strength"], row["place"]) for row in own.iter_rows(named=True)] == [
        ("near", "", 1), ("like", "", 1), ("far", "beta 0.2", 3), ("far", "beta 0.4", 3),
    ]  # fmt: skip
    assert own["above"][0] == pytest.approx(0.1, rel=1e-9), "the run that is not valid is left out"
    assert own["ratio"].to_list() == pytest.approx([1.0, 1.06, 2.01, 4.02], abs=0.01)
    assert (own["worlds"].unique().item(), own["tried"].unique().item()) == (6, 6)
    orders = found["orders"].filter(level=0.1).select("nearer", "farther").rows()
    assert sorted(orders) == [("like", "far"), ("near", "far")]
    said = repr(atlas.report(found))
    assert "At KL(S‖q) = 0.03 nats the nearest is near. Tied with it: like. 0 of 1 pairs of methods are" in said


def test_a_leaf_that_nobody_listed_is_a_strength_and_equal_runs_are_refused():
    rows = [
        run("mine", seed) | {"run": f"{seed}{alpha}", "objective.alpha": alpha} for seed in (0, 1) for alpha in (1, 2)
    ]
    named = tables.named(pl.DataFrame(rows))
    assert named["strength"].to_list() == ["alpha 1", "alpha 2"] * 2
    with pytest.raises(SpecificationError, match="differ within a world"):
        tables.named(pl.DataFrame([*rows, rows[0] | {"run": "again"}]))


def test_an_infinite_world_makes_an_infinite_mean(found):
    frame = found["crossings"].filter(method="near", level=0.1).with_columns(
        above=pl.when(pl.col("seed") == 0).then(math.inf).otherwise(pl.col("above"))
    )  # fmt: skip
    row = tables.cells(frame, found["ends"]).filter(level=0.1).row(0, named=True)
    assert (row["worlds"], row["tried"], row["above"], row["above_upper"]) == (6, 6, math.inf, None)


def test_an_edited_model_is_not_ranked_as_its_fine_tuning():
    own = run("cut", 0)
    found = analysed((own, numbers(own, 0.1, edited=True)))
    assert found["crossings"].is_empty()
    assert found["ends"].filter(phase="truncate_4")["x"].to_list() == [None]
    assert set(found["ends"]["phase"]) == {"sft", "truncate_4"}


def test_the_end_of_a_model_and_of_its_edits(found):
    ends = found["ends"].filter(method="never", seed=0)
    assert ends["strength"].to_list() == ["", "truncate 4"]
    assert ends["fit"].to_list() == [0.4, 0.5]
    assert ends["objective_gap"].to_list() == [-1.5, -1.5]
    assert ends["learning_gap"].to_list() == [-0.5, None]
    said = repr(atlas.report(found))
    assert "No strength of these methods gets to KL(S‖q) = 0.03 on its path" in said
    assert "far (beta 0.2): 0; far (beta 0.4): 0; never: 0; never (truncate 4): 0." in said


def test_erasure_and_excursion_count_where_the_end_fits(found):
    """The ends of `far` have KL(S‖q) = 0.04 nats, more than 0.03 above that of the optimum, which is 0."""
    ends = found["cells"].filter(pl.col("level").is_null())
    near, far = (ends.filter(method=name).row(0, named=True) for name in ("near", "far"))
    assert (near["fitted"], near["e"]) == (6, pytest.approx(0.4))
    assert (far["fitted"], far["worlds"], far["e"]) == (0, 6, None)
    assert found["ends"].filter(method="far")["e"].drop_nulls().len() == 12, "in the table of runs it stands"


def test_every_evaluation_has_its_distances_to_three_frontiers(found):
    """P = (0.9, 0.1) for two answers; the surprisal 0.5 is P^b/Z with b that solves it, q(⊥) = 0.001."""
    row = found["paths"].filter(method="near", seed=0).row(1, named=True)
    share = (0.5 + math.log(0.9)) / (math.log(0.9) - math.log(0.1))  # of the second answer
    best = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert row["below_entropy"] == pytest.approx(best - 0.25, rel=1e-9)
    assert row["above"] == pytest.approx(0.11, rel=1e-9)
    assert row["below_coverage_10"] is None, "the coverage of the model was not measured"
    curves = found["planes"].filter(seed=0)
    assert set(curves["plane"]) == {"fit", "validity", "coverage_10"}
    assert curves.filter(plane="coverage_10")["x"].min() == 0.0
    means = found["mean_planes"]
    assert means.height == curves.height, "all multipliers are the same in all worlds"
    assert means["worlds"].unique().to_list() == [6]


def souped(seed: int) -> list[dict[str, Any]]:
    """A fine-tuning with a sibling and their soup, and two mixtures of both; one is known between bounds."""
    own, shift = run("soup", seed), 0.01 * seed
    more = [
        ("sibling_1", "kl", "S||q", "S(x)", "", (0.02, 0.02)), ("sibling_1", "kl", "P||q", "P(x)", "", (0.9, 0.9)),
        ("soup_2", "kl", "S||q", "S(x)", "", (0.05, 0.05)), ("soup_2", "kl", "P||q", "P(x)", "", (0.8, 0.8)),
        ("soup_2", "mixture_kl", "S||m", "S(x)", "arithmetic", (0.03, 0.03)),
        ("soup_2", "mixture_kl", "P||m", "P(x)", "arithmetic", (0.7 + shift, 0.7 + shift)),
        ("soup_2", "mixture_kl", "S||m", "S(x)", "geometric per string", (0.01, 0.03)),
        ("soup_2", "mixture_kl", "P||m", "P(x)", "geometric per string", (0.7, 0.9)),
    ]  # fmt: skip
    return numbers(own, 0.1) + [
        {"run": own["run"], "phase": phase, "view": "response", "metric": metric, "of": of, "at": at,
         "prompt_law": law, "step": 0, "lower": ends[0], "upper": ends[1]}
        for phase, metric, of, law, at, ends in more
    ]  # fmt: skip


def test_averaged_weights_stand_beside_mixtures_and_siblings_are_no_method():
    found = analysed(*((run("soup", seed), souped(seed)) for seed in range(3)))
    assert set(found["paths"]["phase"]) == {"sft", "soup_2"}
    rows = {row["mixed"]: row for row in found["mixtures"].iter_rows(named=True)}
    assert list(rows) == ["weights", "arithmetic", "geometric per string"]
    assert {(row["method"], row["strength"], row["worlds"]) for row in rows.values()} == {("soup", "soup 2", 3)}

    def least(fit: float) -> float:
        return least_forgetting(LOG_S, LOG_P, fit, np.zeros(2, int))

    assert (rows["weights"]["fit"], rows["weights"]["forgetting"]) == pytest.approx((0.05, 0.8))
    assert rows["weights"]["above"] == pytest.approx(0.8 - least(0.05), rel=1e-9)
    assert rows["arithmetic"]["above"] == pytest.approx(0.71 - least(0.03), rel=1e-9)
    assert rows["arithmetic"]["forgetting_upper"] > 0.71 > rows["arithmetic"]["forgetting_lower"]
    assert (rows["weights"]["apart"], rows["arithmetic"]["apart"]) == (0.0, 0.0)
    bounded = rows["geometric per string"]
    assert (bounded["fit"], bounded["forgetting"]) == (pytest.approx(0.02), pytest.approx(0.8))
    ends = 0.7 - least(0.01), 0.9 - least(0.03)
    assert bounded["above"] == pytest.approx(sum(ends) / 2, rel=1e-9)
    assert bounded["apart"] == pytest.approx(ends[1] - ends[0], rel=1e-9)
    said = repr(atlas.report(found))
    assert "mixtures of the laws of the same models" in said
    assert f"at most {bounded['apart']:.3g} nats apart" in said


def test_of_nothing_nothing_is_reported():
    own = run("near", 9)
    said = atlas.report(analysed((own, numbers(own, 0.1))))
    assert "not valid, and left out: 1." in repr(said)
    assert all(not block.rows for block in said if isinstance(block, Table) and not block.title.startswith("P and S"))


def test_what_a_loss_is_about():
    assert [naming.unit({"objective.kind": one}) for one in ("gem", "coverage", "sft", "mine")] == [
        "token", "answer", "both", "",
    ]  # fmt: skip
    assert naming.unit({"objective.kind": "entropy_bonus", "objective.level": "string"}) == "answer"


def test_a_language_without_prompts_and_styles_has_all_numbers(tmp_path):
    """E is that of B, the one lost event. No evaluation is beyond a frontier."""
    own = tiny_run(styles=False, prompts=False)
    made = atlas.analyse(study(tmp_path / "runs", [variant(own, seed, "sft", seed=seed) for seed in range(2)]))
    paths = made["paths"]
    assert paths.height == 8
    assert not paths.select("e", "off", "h_on", "coverage_2", "h_upper").null_count().sum_horizontal().item()
    for name in ("above", "below_entropy", "below_coverage_10"):
        assert paths[name].min() > -1e-12
    assert made["ends"]["language"].unique().to_list() == ["toy"]
    assert made["laws"].filter(law="P")["h_on"].to_list() == pytest.approx(made["ends"]["h_p"].to_list())
    curve = made["planes"].filter(seed=0, plane="validity")
    bend = curve.with_columns(pl.col("multiplier").sub(1.0).abs().alias("far")).sort("far").row(0, named=True)
    assert (bend["x"], bend["y"]) == pytest.approx((made["ends"]["h_p"][0],) * 2), "P itself, at temperature 1"
    assert "Language: toy" in repr(atlas.report(made))


# -- method files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", options("method"))
def test_a_method_file_is_one_part_of_the_study_and_composes(name):
    text = (conf_folder() / "method" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# @package hydra.sweeper.studies\n# ")
    ((part, overrides),) = yaml.safe_load(text).items()
    assert part == name
    first = [f"{key}={str(value).split(',')[0]}" for key, value in overrides.items() if "[" not in str(value)]
    assert compose("experiment=atlas", *first)["objective"]["kind"]
    varying = [key for key, value in overrides.items() if "," in str(value) and "[" not in str(value)]
    assert all("." in key for key in varying), "a strength is a leaf, so that the report can name it"


def test_a_method_elsewhere_is_refused():
    """Else it would be ignored, or add its runs to another study."""
    with pytest.raises(ConfigCompositionException, match="method"):
        compose("experiment=c5_rank", "method=gem")
