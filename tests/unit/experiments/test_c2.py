"""Claim C2: from paths of fine-tunings to verdicts, on tables whose answer is known."""

import math

import numpy as np
import polars as pl
import pytest
from experiments._claims import Verdict, table
from experiments._kernels import explained
from experiments._race import PREDICTORS, TARGETS, margins, quadratic, race
from experiments._relearning import reached

from experiments import _c2_laws as laws
from experiments import _c2_mass as mass
from experiments import c2_support as c2

SEEDS = range(5)


def sizes(rise: float = 1.0, fall: float = 1.0, drift: float = 0.0) -> pl.DataFrame:
    """Paths of e^H and one N_eps from those of P towards those of S, `rise` and `fall` times as far as S asks for."""
    dice, rows = np.random.default_rng(1), []
    asked = {"style z0": {"e^H": 25.0, "ε = 0.02": 20.0}, "tilt 1.5": {"e^H": 112.0, "ε = 0.02": 8.0}}
    for targets in ("exact", "sampled"):
        for restriction, wanted in asked.items():
            for seed in SEEDS:
                for size, s in wanted.items():
                    p = {"e^H": 100.0, "ε = 0.02": 10.0}[size]
                    ends = {
                        "sft": p + (s - p) * (rise if s > p else fall), "identity": p * (1 + drift), "carried": p,
                    }  # fmt: skip
                    for phase, end in ends.items():
                        noise = 0.01 * (s - p) * dice.standard_normal()
                        rows += [
                            {
                                "run": f"{targets}{restriction}{seed}", "seed": seed, "part": "support",
                                "targets": targets, "restriction": restriction, "phase": phase, "step": step,
                                "size": size, "p": p, "s": s, "lower": value, "upper": value, "fit": 0.01,
                            }
                            for step, value in ((0, p), (10, p), (100, end + noise))
                        ]  # fmt: skip
    return pl.DataFrame(rows)


def long_paths(model: str, optimizer: str, gate: float = 0.9, erasure: float = 0.1, rate: float = 1e-3) -> pl.DataFrame:
    """Fine-tunings whose lost mass falls as 1/t, or exponentially, and whose forgetting splits as told."""
    rows = []
    for seed in SEEDS:
        for step in (0, *np.unique(np.round(np.geomspace(1, 10_000, 40))).astype(int)):
            slow = 0.75 / (1 + 0.1 * step)
            lost = slow if optimizer == "sgd" else 0.75 * math.exp(-rate * step)
            kl = -0.75 * math.log(lost / 0.75)
            rows.append(
                {
                    "run": f"{model}{optimizer}{seed}", "seed": seed, "part": f"decay_{optimizer}",
                    "restriction": "style z0", "targets": "exact", "model": model, "optimizer": optimizer,
                    "learning_rate": 1e-3, "b1": 0.9, "b2": 0.99, "num_steps": 10_000, "step": int(step),
                    "p_lost": 0.75, "untrained": 3.0, "kl": kl, "gate": gate * kl, "kept": 0.0,
                    "erasure": 0.01 + erasure * kl, "lost": lost, "zeros": 0.0, "unlearnt": 2.0, "behind": 0.1,
                }
            )  # fmt: skip
    return pl.DataFrame(rows)


def relearnt(back: float, scratch: float) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "run": f"r{seed}", "seed": seed, "restriction": "style z0", "targets": "exact",
                "recovery_lower": back / 1.2, "recovery_upper": back + seed,
                "scratch_lower": scratch + seed, "scratch_upper": 1.2 * (scratch + seed),
            }
            for seed in SEEDS
        ]
    )  # fmt: skip


def outcomes(verdicts: list[Verdict], identifier: str) -> set[str]:
    return {one.outcome for one in verdicts if one.identifier == identifier}


def sized(**chosen: float) -> list[Verdict]:
    return list(
        mass.verdicts(c2.CLAIM, {**dict.fromkeys(("splits", "relearning"), pl.DataFrame()), "sizes": sizes(**chosen)})
    )


def test_sizes_that_go_where_the_data_go_hold_both_ways():
    found = sized()
    for identifier in ("C2.0a", "C2.0b", "C2.1a", "C2.1b", "C2.1c"):
        assert outcomes(found, identifier) == {"holds"}, identifier
    cases = {one.case for one in found if one.identifier == "C2.1b"}
    assert cases == {f"{t} targets, {r}" for t in ("exact", "sampled") for r in ("style z0", "tilt 1.5")}


def test_sizes_that_only_ever_fall_refute_the_rise():
    found = sized(rise=-0.5)
    assert outcomes(found, "C2.1b") == {"refuted"}
    assert outcomes(found, "C2.1a") == {"holds"}


def test_the_size_that_goes_the_least_far_decides():
    frame = sizes()
    follows = frame.filter(size="e^H").with_columns(size=pl.lit("ε = 0.001"))  # falls as far as S asks, beside it
    frame = pl.concat([frame, follows])
    stuck = pl.when((pl.col("size") == "e^H") & (pl.col("phase") == "sft")).then(pl.col("p"))
    frame = frame.with_columns(lower=stuck.otherwise(pl.col("lower")), upper=stuck.otherwise(pl.col("upper")))
    found = list(mass.followed(c2.CLAIM, frame.filter(targets="exact"), "exact targets"))
    cases = {one.case: one.outcome for one in found if one.identifier == "C2.1a"}
    assert cases == {"exact targets, style z0": "undecided", "exact targets, tilt 1.5": "holds"}


def test_sizes_are_judged_at_convergence():
    late = sizes().with_columns(fit=pl.when(pl.col("restriction") == "tilt 1.5").then(0.2).otherwise(pl.col("fit")))
    assert mass.travelled(late)["restriction"].unique().to_list() == ["style z0"]


def test_a_size_of_which_little_is_asked_is_not_asked_about():
    near = sizes().with_columns(s=pl.col("p") * 1.05)
    assert mass.travelled(near).height == 0


def test_a_size_is_asked_about_with_all_its_seeds_or_not_at_all():
    """In one world of five P and S do not differ: four seeds would be another study than the one announced."""
    first = (pl.col("seed") == 0) & (pl.col("size") == "ε = 0.02")
    frame = sizes().with_columns(s=pl.when(first).then(pl.col("p")).otherwise(pl.col("s")))
    asked = mass.travelled(frame)
    assert set(asked["size"]) == {"e^H"}
    assert asked.group_by("targets", "restriction").len()["len"].unique().to_list() == [5]


def test_a_control_that_moves_is_found_whatever_the_other_does():
    found = sized(drift=0.4)
    assert {one.case: one.outcome for one in found if one.identifier == "C2.0a"} == {
        "exact targets, fresh optimiser state": "refuted",
        "exact targets, carried optimiser state": "holds",
        "sampled targets, fresh optimiser state": "refuted",
        "sampled targets, carried optimiser state": "holds",
    }


@pytest.mark.parametrize(("gate", "verdict"), [(0.9, "holds"), (0.2, "refuted")])
def test_the_gate_has_most_of_the_forgetting_or_not(gate, verdict):
    frame = long_paths("transformer", "sgd", gate=gate, erasure=0.3 * (1 - gate))
    noisy = frame.with_columns(gate=pl.col("gate") * (1 + 0.01 * pl.col("seed")))
    assert outcomes(list(mass.gates(noisy)), "C2.3c") == {verdict}


@pytest.mark.parametrize(("erasure", "verdict"), [(0.02, "holds"), (0.6, "refuted")])
def test_what_was_lost_is_known_or_erased(erasure, verdict):
    frame = long_paths("transformer", "adam", erasure=erasure)
    noisy = frame.with_columns(erasure=pl.col("erasure") * (1 + 0.01 * pl.col("seed")))
    assert outcomes(list(mass.gates(noisy)), "C2.3d") == {verdict}
    assert outcomes(list(mass.gates(long_paths("tabular_trie", "adam"))), "C2.3f") == {"reported"}


def test_larger_steps_of_adam_are_set_against_smaller_ones():
    slow, fast = (long_paths("transformer", "adam", erasure=size) for size in (0.02, 0.2))
    rates = [frame.with_columns(pl.lit(rate).alias("learning_rate"), pl.col("run") + f"{rate}")
             for frame, rate in ((slow, 1e-4), (fast, 2e-3))]  # fmt: skip
    noise = pl.col("erasure") * (1 + 0.01 * pl.col("seed"))
    both = pl.concat(rates).with_columns(erasure=noise, part=pl.lit("rates_adam"))
    assert outcomes(list(mass.gates(both)), "C2.3e") == {"holds"}
    assert outcomes(list(mass.gates(both.filter(learning_rate=1e-4))), "C2.3e") == set()
    assert outcomes(list(mass.gates(pl.concat(rates))), "C2.3e") == set()  # long fine-tunings are a case of their own
    cases = [one.case for one in mass.gates(pl.concat([both, rates[0]])) if one.identifier == "C2.3d"]
    assert len(set(cases)) == len(cases) == 3  # so that no seed counts twice


def test_what_is_still_known_is_measured_from_the_base_to_an_untrained_model():
    end = mass.last(long_paths("transformer", "sgd", erasure=0.1))
    grown = end["kl"][0] * 0.1
    assert end["known"][0] == pytest.approx(1 - grown / (3.0 - 0.01))


@pytest.mark.parametrize(("back", "scratch", "verdict"), [(10, 200, "holds"), (200, 10, "refuted")])
def test_savings_take_the_bounds_that_count_against_them(back, scratch, verdict):
    (found,) = mass.savings(relearnt(back, scratch))
    assert found.outcome == verdict
    assert found.measured is not None
    wanted = np.exp(np.mean([np.log((scratch + seed) / (back + seed)) for seed in SEEDS]))
    assert found.measured.estimate == pytest.approx(wanted)


def test_savings_are_refuted_only_where_the_most_that_they_can_be_is_below_one():
    near = relearnt(21, 20)  # at least 0.95, at most 1.6
    assert [one.outcome for one in mass.savings(near)] == ["undecided"]
    endless = relearnt(200, 10).with_columns(scratch_upper=pl.lit(math.inf))
    assert [one.outcome for one in mass.savings(endless)] == ["undecided"]


def test_who_never_comes_back_saves_nothing():
    never = relearnt(10, 200).with_columns(recovery_upper=pl.lit(math.inf))
    (found,) = mass.savings(never)
    assert found.outcome == "undecided"
    assert "5 runs did not come back" in found.note


def test_a_threshold_is_reached_between_two_evaluations():
    steps = np.array([0, 1, 4, 16])
    assert reached(steps, np.array([5.0, 3.0, 1.0, 0.5]), 1.0) == (1.0, 4.0)
    assert reached(steps, np.array([5.0, 3.0, 2.0, 1.5]), 1.0) == (16.0, math.inf)
    assert reached(steps, np.array([0.5, 3.0, 2.0, 1.5]), 1.0) == (0.0, 0.0)


def judged_laws(*frames: pl.DataFrame) -> list[Verdict]:
    splits = pl.concat(frames)
    empty = dict.fromkeys(("kernels", "race", "replays"), pl.DataFrame())
    tables = {"splits": splits, "laws": laws.late(splits), **empty}
    return [*laws.bounds(c2.CLAIM, tables), *laws.verdicts(c2.CLAIM, tables)]


def test_the_laws_of_sgd_are_read_off_the_last_decade():
    found = judged_laws(long_paths("tabular_trie", "sgd", erasure=0.0), long_paths("transformer", "sgd"))
    for identifier in ("C2.2a", "C2.2b", "C2.2d", "C2.2e", "C2.3a"):
        assert outcomes(found, identifier) == {"holds"}, identifier
    exponent = next(one for one in found if one.identifier == "C2.2a").measured
    assert exponent is not None
    assert exponent.estimate == pytest.approx(-1.0, abs=0.01)


def test_a_trie_table_that_erases_is_a_mistake_and_found():
    assert outcomes(judged_laws(long_paths("tabular_trie", "sgd", erasure=1e-6)), "C2.3a") == {"refuted"}


def test_adam_is_held_to_its_rate_and_to_its_ceiling():
    law = laws.late(long_paths("tabular_strings", "adam"))["law"][0]
    right = judged_laws(long_paths("tabular_strings", "adam", rate=law))
    assert outcomes(right, "C2.2c") == {"holds"}
    assert outcomes(right, "C2.2g") == {"holds"}
    assert outcomes(judged_laws(long_paths("tabular_strings", "adam", rate=1.2 * law)), "C2.2c") == {"refuted"}
    too_fast = judged_laws(long_paths("transformer", "adam", rate=0.0051))
    assert outcomes(too_fast, "C2.2g") == {"refuted"}  # ½ |log 0.99| = 0.00503
    assert outcomes(too_fast, "C2.2f") == {"holds"}


def test_a_path_that_is_too_short_for_a_late_law_decides_nothing():
    short = long_paths("tabular_strings", "adam", rate=0.02).filter(pl.col("step") <= 40)
    short = short.with_columns(num_steps=pl.lit(40))
    assert not outcomes(judged_laws(short), "C2.2g")  # 20 steps are fewer than 1 / (1 - β₂)
    few = long_paths("tabular_trie", "sgd").filter(pl.col("step").is_in([0, 1, 10_000]))
    assert not outcomes(judged_laws(few), "C2.2a")


def test_r_squared_is_one_for_the_truth_zero_for_the_mean_and_may_be_negative():
    truth = np.array([1.0, 2.0, 4.0])
    assert explained(truth, truth) == 1.0
    assert explained(truth, np.full(3, truth.mean())) == 0.0
    assert explained(truth, -truth) < 0
    assert math.isnan(explained(np.ones(3), truth))


def test_a_parabola_of_the_right_quantity_wins_the_race():
    dice = np.random.default_rng(0)
    x = dice.uniform(0, 3, 30)
    assert quadratic(x, 1 + x - 0.2 * x**2) == pytest.approx(1.0)
    rows = []
    for seed in SEEDS:
        for _ in range(30):
            values = {name: dice.uniform(0, 2) for name in PREDICTORS}
            elsewhere = values["Fisher"] ** 2 + 0.01 * dice.standard_normal()
            rows.append({"seed": seed, **values, "elsewhere": elsewhere, "forgotten": values["forward KL"]})
    found = race(pl.DataFrame(rows))
    assert found.height == len(SEEDS) * len(TARGETS) * len(PREDICTORS)
    assert (margins(found, "forgotten")["Fisher"] > 0.5).all()
    assert (margins(found, "elsewhere")["Fisher"] < -0.5).all()


def replays(excess: float = 0.001, gap: float = 0.001, best: float = 1.2) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "run": f"p{seed}", "seed": seed, "targets": "exact", "weight": 0.1, "kl_best": best,
                "closed_form": 1.2, "bound": -math.log(0.1), "kl": best + excess * (1 + 0.1 * seed), "gap": gap,
            }
            for seed in SEEDS
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [(replays(), "holds"), (replays(excess=0.2), "refuted"), (replays(gap=0.5), "undecided")],
)
def test_replay_is_judged_where_it_came_near_its_optimum(frame, verdict):
    empty = dict.fromkeys(("splits", "laws", "kernels", "race"), pl.DataFrame())
    assert outcomes(list(laws.verdicts(c2.CLAIM, {**empty, "replays": frame})), "C2.7a") == {verdict}


def test_a_closed_form_that_is_not_the_sum_is_found():
    empty = dict.fromkeys(("splits", "laws", "kernels", "race"), pl.DataFrame())
    assert outcomes(list(laws.bounds(c2.CLAIM, {**empty, "replays": replays()})), "C2.7b") == {"holds"}
    assert outcomes(list(laws.bounds(c2.CLAIM, {**empty, "replays": replays(best=1.21)})), "C2.7b") == {"refuted"}


def standing(**changed: str) -> str:
    held = dict.fromkeys((one.identifier for one in c2.CLAIM.predictions), "holds") | {
        name.replace("_", "."): outcome for name, outcome in changed.items()
    }
    verdicts = [Verdict(name, "", None, None, "", outcome) for name, outcome in held.items()]
    return c2.standing(table(c2.CLAIM, verdicts, edited=False))[0]


def test_what_becomes_of_the_sentence():
    assert standing() == "holds only if"
    assert standing(C2_0a="refuted") == "not valid"
    assert standing(C2_0b="not valid") == "not valid"
    assert standing(C2_1a="refuted") == "refuted"
    assert standing(C2_1b="refuted", C2_3d="refuted") == "supported"
    assert standing(C2_1b="refuted") == "undecided"
    assert standing(C2_3d="refuted") == "holds only if"  # and the reason says that it is erased
    assert standing(C2_6a="refuted") == "holds only if"  # no part of the sentence rests on the race
