"""C2.10, new things in the data: on paths and flat tables whose numbers are known in closed form."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest

from experiments.c2_support import new_things as new
from experiments.predictions import Prediction
from experiments.study import NUMBERS, Study
from sim.metrics.forgetting import gate_erasure
from sim.metrics.scored import truth
from sim.numerics import log_sum_exp
from sim.restrictions.novel import novel
from sim.theory.decay import flat_sgd_constant
from tests.unit.restrictions.small_worlds import LAW, spoken

SEEDS = range(5)
STEPS = (0, 10, 100, 1000)
P_A = 0.25


def runs(shares: tuple[float, ...] = (0.0, 0.5)) -> pl.DataFrame:
    rows = [
        {
            "run": f"{share}/{seed}", "seed": seed, "valid": True, "targets": "sampled", "optimizer": "adam",
            "learning_rate": 2e-3, "model_shown": "transformer", "restriction.share": share,
            "restriction.words": "all",
        }
        for share in shares
        for seed in SEEDS
    ]  # fmt: skip
    return pl.DataFrame(rows)


def numbers(run: str, phase: str, step: int, of: str, metric: str, law: str, value: float, at: str = "") -> dict:
    tags = {"run": run, "phase": phase, "view": "response", "metric": metric, "of": of, "at": at, "prompt_law": law}
    return tags | {"step": step, "lower": value, "upper": value}


def study(slower: float = 1.0, erased: float = 1.0, fit: float = 0.01, shares: tuple[float, ...] = (0.0, 0.5)) -> Study:
    """Fine-tunings that fit S but for q(B). With new things q(B) falls `slower`, and E is `erased` times as large.

    E of a run is a function of q(B) alone: the two are compared at equal q(B) only if none of it comes from the step.
    """
    rows = []
    for run, share in runs(shares).select("run", "restriction.share").iter_rows():
        rows.append(numbers(run, "truth", 0, "P(A)", "event_mass", "", P_A))
        for step in STEPS:
            lost = 0.75 / (1 + step / (slower if share else 1.0))
            kept, strange = (1 - share) * (1 - lost), share * (1 - lost)
            gate = 7.0  # that of prompts, which the instrument does not use
            e = -math.log(lost / 0.75) * (erased if share else 1.0) * (1 + 0.01 * int(run[-1]))
            rows += [
                numbers(run, "sft", step, "q(A)", "event_mass", "P(x)", kept),
                numbers(run, "sft", step, "q(B)", "event_mass", "P(x)", lost),
                numbers(run, "sft", step, "A", "gate", "P(x)", gate),
                numbers(run, "sft", step, "E", "style_erasure", "P(x)", e),
                numbers(run, "sft", step, "S||q", "kl", "S(x)", fit + (step == 0)),
                numbers(run, "sft", step, "q", "style_mass", "S(x)", strange, "new"),
            ]
    return Study(runs(shares), pl.DataFrame(rows, schema=NUMBERS), {})


def found(identifier: str, of: Study) -> dict[str, tuple[str, float | None]]:
    tables = {"runs": of.runs, "new_things": new.new_paths(of, of.runs.drop("restriction.share", "restriction.words"))}
    (asked,) = (one for one in new.NEW if one.identifier == identifier)
    assert isinstance(asked, Prediction)
    asked = replace(asked, worlds=2)
    return {one.case: (one.verdict, one.measured.estimate if one.measured else None) for one in asked.judge(tables)}


def test_the_gate_at_equal_mass_is_larger_by_what_the_share_says() -> None:
    """Also if one run is twice as slow: then the other one is read where it had as much."""
    for slower in (1.0, 2.0):
        ((verdict, ratio),) = found("C2.10a", study(slower)).values()
        assert verdict == "holds"
        assert ratio == pytest.approx(1.0, abs=0.02)


def test_a_gate_at_equal_steps_would_be_refuted() -> None:
    """The control of the test above: q(B) differs by a factor of 2 in the end, and so does the gate by 3/4 log 2."""
    paths = new.new_paths(study(2.0), runs().drop("restriction.share", "restriction.words"))
    ends = paths.group_by("share").agg(pl.col("gate").last()).sort("share")["gate"]
    assert (ends[1] - ends[0]) / (P_A * math.log(2)) == pytest.approx(1 - 3, abs=0.1)


@pytest.mark.parametrize(("erased", "verdict"), [(1.5, "holds"), (0.5, "refuted"), (1.0, "undecided")])
def test_erasure_at_equal_mass(erased: float, verdict: str) -> None:
    assert {one for one, _ in found("C2.10c", study(2.0, erased)).values()} == {verdict}


def test_a_run_that_has_not_fitted_its_data_does_not_count() -> None:
    assert {one for one, _ in found("C2.10c", study(fit=0.04)).values()} == {"not valid"}
    assert {one for one, _ in found("C2.10c", study(shares=(0.5,))).values()} == {"not valid"}


def test_data_that_are_all_new_are_reported() -> None:
    of = study(erased=2.0, shares=(0.0, 0.5, 1.0))
    cases = found("C2.10d", of)
    assert {one for one, _ in cases.values()} == {"reported"}
    assert len(cases) == 2
    assert cases[next(case for case in cases if case.startswith("q(A)"))][1] == 0.0
    (case,) = found("C2.10a", of)
    assert case.startswith("new words, ν = 0.5"), "the gate is infinite where A is lost"
    assert [value for _, value in found("C2.10e", of).values()] == [0.0], "both have the gate given the prompt"


def test_the_level_is_crossed_between_evaluations() -> None:
    path = pl.DataFrame({"lost": [0.5, 0.1, 0.3, 0.01], "erased": [0.0, 9.0, 1.0, 2.0]})
    assert new.at_level(path, "erased", 0.01) == 2.0
    assert new.at_level(path, "erased", math.sqrt(0.3 * 0.01)) == pytest.approx(1.5), "where it falls below for good"


@pytest.mark.parametrize("share", [Fraction(1, 10), Fraction(1, 2)])
def test_the_gate_of_the_metrics_has_this_excess(share: Fraction) -> None:
    """q = (1 - m) S + m P_B in a world that lists N: the gate of `gate_erasure` against the sum in fractions."""
    styles = {text: [Fraction(int(text[-1] != "c")), Fraction(int(text[-1] == "c"))] for text in LAW}
    p_a, m, gates = sum(LAW[text] for text in LAW if styles[text][0]), Fraction(1, 50), []
    for nu in (Fraction(0), share):
        world = novel(spoken(styles=styles), keep="u", share=float(nu))
        p = world.p
        assert p is not None
        lost = np.where((p.log_p > -np.inf) & ~world.event, p.log_p, -np.inf)
        log_q = np.logaddexp(math.log(1 - m) + world.s.log_p, math.log(m) + lost - log_sum_exp(lost))
        p_, q = (truth(one, p.prompts, "joint") for one in (p, p.with_law(log_q)))
        split = gate_erasure(p_, q, world.event, np.zeros(1))
        expected = p_a * math.log(p_a / ((1 - nu) * (1 - m))) + (1 - p_a) * math.log((1 - p_a) / m)
        assert split.gate == pytest.approx(expected, rel=1e-12)
        assert split.kept == pytest.approx(0, abs=1e-12)
        gates.append(split.gate)
    assert gates[1] - gates[0] == pytest.approx(-p_a * math.log(1 - share), rel=1e-11)


# -- the flat table ---------------------------------------------------------------------------------------------------


def test_old_and_new_answers_set_the_limit_of_a_flat_table() -> None:
    """128 strings of P in four styles, 32 new ones: SGD on a softmax goes to 38.4 with half of S new, and not to 24."""
    dice = np.random.default_rng(0)
    p = np.concatenate([dice.dirichlet(np.full(128, 4.0)), np.zeros(32)])
    s = np.zeros(160)
    s[:32], s[128:] = dice.dirichlet(np.full(32, 4.0)) / 2, dice.dirichlet(np.full(32, 4.0)) / 2
    logits, rate, scaled = np.log(np.maximum(p, 1e-5)), 2.0, {}
    for step in range(1, 40_001):
        q = np.exp(logits - logits.max())
        q /= q.sum()
        logits += rate * (s - q)
        if step in (20_000, 40_000):
            scaled[step] = rate * step * q[32:128].sum()
    assert flat_sgd_constant(64, 96) == pytest.approx(38.4)
    assert scaled[40_000] == pytest.approx(38.4, rel=0.02)
    table = {"run": ["0"], "seed": [0], "share": [0.5], "scaled": [scaled[40_000]], "before": [scaled[20_000]]}
    for limit, verdict in ((38.4, "holds"), (24.0, "refuted")):
        worlds = [pl.DataFrame({**table, "limit": [limit * (1 + 1e-3 * seed)], "seed": [seed]}) for seed in range(5)]
        many = pl.concat(worlds)
        ((one, _),) = judged_limits(many).values()
        assert one == verdict
    rising = pl.DataFrame({**table, "limit": [38.4]}).with_columns(before=pl.col("scaled") / 2)
    assert [one for one, _ in judged_limits(rising).values()] == ["undecided"]


def judged_limits(limits: pl.DataFrame) -> dict[str, tuple[str, float | None]]:
    (asked,) = (one for one in new.NEW if one.identifier == "C2.10b")
    tables = {"runs": pl.DataFrame({"run": ["0"], "valid": [True]}), "new_limits": limits}
    return {one.case: (one.verdict, one.measured.estimate if one.measured else None) for one in asked.judge(tables)}


def test_the_table_of_limits_is_read_at_the_end_and_at_half_of_the_steps() -> None:
    rows = [numbers("0.5/0", "truth", 0, "S", "decay_constant", "S(x)", 38.4, "tabular_strings")]
    rows += [numbers("0.5/0", "sft", t, "q(B)", "event_mass", "P(x)", 1 / (1 + t)) for t in (0, 10, 48, 100)]
    of = Study(runs((0.5,)).head(1), pl.DataFrame(rows, schema=NUMBERS), {})
    (row,) = new.new_limits(of, of.runs.drop("restriction.share", "restriction.words")).iter_rows(named=True)
    assert row["scaled"] == pytest.approx(2e-3 * 100 / 101)
    assert row["before"] == pytest.approx(2e-3 * 48 / 49)
    assert (row["limit"], row["share"]) == (38.4, 0.5)


def test_without_runs_there_is_nothing_to_judge() -> None:
    empty = {"runs": runs().head(0), "new_things": pl.DataFrame(), "new_limits": pl.DataFrame()}
    assert {one.judge(empty)[0].verdict for one in new.NEW} == {"not valid"}
