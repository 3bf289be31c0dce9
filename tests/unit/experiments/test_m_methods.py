"""M: every judged prediction holds in worlds made so, is refuted in worlds made otherwise, and undecided in noise."""

import math

import numpy as np
import polars as pl
import pytest

from experiments.m_methods import CLAIM, erasing
from experiments.m_methods.methods import METHODS, OTHER_OPTIMUM
from experiments.m_methods.tables import tables
from experiments.study import NUMBERS, Study
from tests.unit.experiments.method_tables import SEEDS, crossings, edits, ends, frames, greedy

JUDGED = [one for one in CLAIM.predictions if one.kind != "report"]
CASES = {"M.0a": 1, "M.1a": 11, "M.1b": 9, "M.1c": 6, "M.1d": 2, "M.2a": 1, "M.2b": 1, "M.3a": 2, "M.3b": 2, "M.5a": 4,
         "M.5b": 4, "M.5c": 4, "M.6a": 5, "M.6b": 4, "M.6c": 5, "M.7a": 8, "M.7b": 4, "M.7c": 1}  # fmt: skip


def verdicts(identifier: str, tables: dict[str, pl.DataFrame]) -> dict[str, str]:
    return {one.case: one.verdict for one in CLAIM.prediction(identifier).judge(tables)}


@pytest.mark.parametrize("one", JUDGED, ids=lambda one: one.identifier)
def test_it_holds_where_the_world_is_made_so(one) -> None:
    found = verdicts(one.identifier, frames())
    assert set(found.values()) == {"holds"}, found
    assert len(found) == CASES[one.identifier]
    assert set(CASES) == {one.identifier for one in JUDGED}


def entropies(factor: float) -> pl.DataFrame:
    """Models that go `factor` of the way from H(S) to H(q*)."""
    gain, noise = pl.col("h_best") - pl.col("h_s"), 1.0 + 0.02 * (7.0 * pl.col("seed")).sin()
    moved = pl.col("h_s") + factor * gain * noise
    return ends().with_columns(h_lower=moved, h_upper=moved)


OTHERWISE = {
    "M.0a": {"ends": ends(sft={"e_identity": 0.2})},
    "M.1a": {"ends": entropies(-0.5)},
    "M.1b": {"ends": entropies(0.4)},
    "M.1c": {"ends": ends(replay={"forgetting": 9.5})},
    "M.1d": {"ends": ends(label_smoothing={"off": 1e-4})},
    "M.2a": {"greedy": greedy(5.0, 3.0, 1.0, 0.3)},
    "M.2b": {"greedy": greedy(5.0, 6.0, 1.0, 0.02)},
    "M.3a": {"ends": ends(warmup_300={"x_lower": 0.3, "x_upper": 0.31})},
    "M.3b": {"crossings": crossings(warmup_100=5.0)},
    "M.5a": {"ends": ends(self_replay_sampled={"e": 5.0})},
    "M.5b": {"ends": ends(replay_sampled={"e": 0.5})},
    "M.5c": {"ends": ends(replay={"forgetting_best": 4.8})},
    "M.6a": {"ends": ends(replay_sampled={"e": 5.0})},
    "M.6b": {"ends": ends(finch={"e": 4.5})},
    "M.6c": {"ends": ends(self_replay={"e": 1.5})},
    "M.7a": {"crossings": crossings(replay=0.5)},
    "M.7b": {"edits": edits(path=2.0)},
    "M.7c": {"crossings": crossings(sampled_slow=1.5)},
}


@pytest.mark.parametrize("identifier", OTHERWISE)
def test_it_is_refuted_where_the_world_is_made_otherwise(identifier: str) -> None:
    assert "refuted" in verdicts(identifier, frames(**OTHERWISE[identifier])).values()
    assert set(OTHERWISE) == set(CASES)


def noisy(frame: pl.DataFrame, *columns: str, size: float) -> pl.DataFrame:
    """The same numbers, each from its mean by a draw that is far larger than the effect."""
    dice = np.random.default_rng(3)
    noise = {name: pl.Series(dice.normal(size=frame.height) * size) for name in columns}
    pairs = [name for name in columns if name.endswith("_upper")]
    noise |= {name: noise[name.replace("_upper", "_lower")] for name in pairs}
    return frame.with_columns(pl.col(name) + noise[name] for name in columns)


NOISE = {
    "M.0a": ("ends", ("e_identity",), 1.0), "M.1a": ("ends", ("h_lower", "h_upper"), 30.0),
    "M.1b": ("ends", ("h_lower", "h_upper"), 5.0), "M.1c": ("ends", ("forgetting",), 90.0),
    "M.1d": ("ends", ("off",), 9.0), "M.2a": ("greedy", ("behind",), 3.0), "M.2b": ("greedy", ("behind",), 30.0),
    "M.3a": ("ends", ("x_lower", "x_upper"), 5.0), "M.3b": ("crossings", ("e",), 30.0),
    "M.5a": ("ends", ("e",), 60.0), "M.5b": ("ends", ("e",), 5.0), "M.7a": ("crossings", ("above",), 30.0),
    "M.7b": ("edits", ("forgetting",), 60.0), "M.7c": ("crossings", ("above",), 30.0),
}  # fmt: skip
"""Table, columns and size; M.6 reads logarithms of E, so its noise is a factor (below), and M.5c is a bound."""


@pytest.mark.parametrize("identifier", NOISE)
def test_it_is_undecided_where_worlds_differ_by_more_than_the_effect(identifier: str) -> None:
    name, columns, size = NOISE[identifier]
    table = noisy(frames()[name], *columns, size=size)
    found = list(verdicts(identifier, frames(**{name: table})).values())
    assert found.count("undecided") > len(found) / 2, found


@pytest.mark.parametrize("identifier", ["M.6a", "M.6b", "M.6c"])
def test_erasure_that_varies_by_factors_decides_nothing_about_curves(identifier: str) -> None:
    dice = np.random.default_rng(5)
    wide = ends()
    middle = wide.with_columns(e=pl.when(pl.col("part").is_in(list(erasing.TRAINED))).then(1.0).otherwise("e"))
    table = middle.with_columns(e=pl.col("e") * pl.Series(np.exp(2.5 * dice.normal(size=wide.height))))
    found = list(verdicts(identifier, frames(ends=table)).values())
    assert found.count("undecided") > len(found) / 2, found


def test_too_few_worlds_decide_nothing() -> None:
    few = {name: table.filter(pl.col("seed") < 11) for name, table in frames().items()}
    for one in JUDGED:
        if one.kind != "bound":
            assert set(verdicts(one.identifier, few).values()) == {"undecided"}, one.identifier


# -- which runs count, and how they are read --------------------------------------------------------------------------


def test_runs_that_do_not_fit_or_are_not_valid_do_not_count() -> None:
    loose = frames(ends=ends().with_columns(fits=False))
    for identifier in ("M.1a", "M.1b", "M.1c", "M.1d", "M.3a", "M.5a", "M.5b", "M.6a", "M.6b", "M.6c"):
        assert set(verdicts(identifier, loose).values()) == {"not valid"}, identifier
    invalid = {name: table.with_columns(valid=False) for name, table in frames().items()}
    for one in CLAIM.predictions:
        assert set(verdicts(one.identifier, invalid).values()) == {"not valid"}, one.identifier


def test_tables_without_a_run_judge_nothing() -> None:
    empty = Study(pl.DataFrame({"run": ["a"], "seed": [0], "valid": [True], "claim": [None], "part": ["other"]}),
                  pl.DataFrame(schema=NUMBERS), {})  # fmt: skip
    found = tables(empty)
    assert found["runs"].height == 1
    assert {name for name, table in found.items() if not table.width} == {"ends", "crossings", "greedy", "edits"}
    for one in CLAIM.predictions:
        assert [case.verdict for case in one.judge(found)] == ["not valid"], one.identifier


def test_reports_have_a_number_for_every_case() -> None:
    found = {one.identifier: one.judge(frames()) for one in CLAIM.predictions if one.kind == "report"}
    assert all({case.verdict for case in cases} == {"reported"} for cases in found.values())
    others = len(METHODS) - 5
    assert {name: len(cases) for name, cases in found.items()} == {
        "M.0b": 1, "M.1e": 8 + 15, "M.3c": 2, "M.4": 4, "M.5d": 4, "M.6d": others - 4, "M.6e": others - 4,
        "M.7d": 2 * (len(METHODS) - 6),
    }, "plain SFT at the ends of a curve is read nowhere"  # fmt: skip


def test_the_sign_of_an_entropy_is_that_of_the_optimum_in_its_world() -> None:
    """In half of the worlds the optimum is flatter than S, in the others sharper, and the models follow."""
    up = pl.when(pl.col("seed") < 6).then(0.2).otherwise(-0.2)
    mixed = ends().with_columns(h_best=pl.when(pl.col("part") == "focal").then(3.2 + up).otherwise("h_best"))
    follows = mixed.with_columns(
        pl.when(pl.col("part") == "focal").then(pl.col("h_best") + 0.001 * pl.col("seed")).otherwise(name).alias(name)
        for name in ("h_lower", "h_upper")
    )
    assert verdicts("M.1a", frames(ends=follows))["focal, γ = 2"] == "holds"
    wide = follows.with_columns(h_upper=pl.col("h_upper") + 5.0)
    assert "holds" not in verdicts("M.1a", frames(ends=wide)).values(), "both ends of the bounds count"
    assert set(OTHER_OPTIMUM) <= set(METHODS)


@pytest.mark.parametrize(
    ("at", "expected"),
    [(2.0, 0.5 * (math.log(0.1) + math.log(4.0))), (1.0, math.log(0.1)), (4.0, math.log(4.0)), (0.9, math.nan),
     (4.1, math.nan)],
)  # fmt: skip
def test_a_curve_is_a_line_over_logarithms_and_ends_with_its_points(at: float, expected: float) -> None:
    """E is 0.05 and 0.2 at x = 1, with a geometric mean of 0.1, and 4 at x = 4."""
    found = erasing.on_curve(at, np.array([4.0, 1.0, 1.0]), np.log([4.0, 0.05, 0.2]))
    assert found == pytest.approx(expected, nan_ok=True)
    assert math.isnan(erasing.on_curve(1.0, np.zeros(0), np.zeros(0)))


def test_small_excursions_are_tied_and_the_method_is_no_point_of_its_own_curve() -> None:
    calm = ends(replay={"x_lower": 0.001, "x_upper": 0.002}, sft_slow={"x_lower": 0.03, "x_upper": 0.03},
                sft={"x_lower": 0.01, "x_upper": 0.01, "e": 0.8})  # fmt: skip
    e, plain, note = erasing.beside_curve(frames(ends=calm), "replay", "X")
    assert len(e) == len(SEEDS)
    np.testing.assert_allclose(plain, np.sqrt(0.2 * 0.8), rtol=0.03)
    assert note == "0 of 12 worlds outside the plain runs"
    _, own, _ = erasing.beside_curve(frames(), "sampled_slow", "Q")
    np.testing.assert_allclose(own, np.sqrt(0.2 * 4.0), rtol=0.05, err_msg="Q = 2 is half way from 1 to 4")


# -- the argument for M.2b --------------------------------------------------------------------------------------------


def greedy_masses(q0: np.ndarray, s: np.ndarray, rate: float = 0.2, steps: int = 800) -> np.ndarray:
    """q of the likeliest token of S along the flow of −Σ S sg(q) log q in the logits, by small Euler steps."""
    z, found = np.log(q0), []
    for _ in range(steps):
        q = np.exp(z) / np.exp(z).sum()
        found.append(q[s.argmax()])
        z = z + rate * (s * q - q * (s @ q))
    return np.array(found)


def test_along_the_flow_of_dft_the_greedy_token_rises_if_q0_ranks_it_first() -> None:
    """Where another token of S begins above it, it falls first: so the assumption is needed."""
    dice = np.random.default_rng(0)
    for _ in range(8):
        q0 = np.sort(dice.dirichlet(np.full(5, 0.7)))[::-1]
        s = np.append(np.sort(dice.dirichlet(np.full(3, 2.0)))[::-1], [0.0, 0.0])
        assert (np.diff(greedy_masses(q0, s)) > 0.0).all(), "tokens without S may have more of q0"
        last = np.roll(q0, 2)
        assert (np.diff(greedy_masses(last, np.append([1.0], np.zeros(4)))) > 0.0).all(), "S names one token alone"
    fell = greedy_masses(np.array([0.05, 0.9, 0.05]), np.array([0.5, 0.45, 0.05]))
    assert np.diff(fell).min() < 0.0
