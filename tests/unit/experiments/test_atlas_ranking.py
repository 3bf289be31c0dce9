"""Which orders are sure: p-values by enumeration, errors by simulation; and whether languages agree about the order."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from experiments import atlas_languages
from experiments.atlas import ranking
from experiments.atlas.tables import MEANS
from experiments.atlas_languages import agreement, correlation, exchanged, fewest, report
from experiments.ranks import rank_correlation


def by_enumeration(values: np.ndarray) -> dict[tuple[int, int], float]:
    """The p-value of every pair with enough worlds: every flip of all worlds, with t tests of scipy."""
    worlds, ways = values.shape

    flips = np.array(list(itertools.product((1, -1), repeat=worlds)))  # the first one flips nothing

    def p_of(pair: tuple[int, int]) -> np.ndarray:
        difference = values[:, pair[1]] - values[:, pair[0]]
        there = np.isfinite(difference)
        return np.asarray(stats.ttest_1samp(flips[:, there] * difference[there], 0.0, axis=1).pvalue)

    pairs = [
        pair for pair in itertools.combinations(range(ways), 2)
        if np.isfinite(values[:, pair]).all(axis=1).sum() >= max(6, 0.75 * worlds)
    ]  # fmt: skip
    each = {pair: p_of(pair) for pair in pairs}
    least = np.min(list(each.values()), axis=0)
    found = {}
    for pair, own in each.items():
        p = float((least <= own[0] * (1 + 1e-9)).mean())
        nearer = np.nanmean(values[:, pair[1]] - values[:, pair[0]]) > 0
        found[pair if nearer else pair[::-1]] = p
    return found


def test_p_values_are_those_of_an_enumeration():
    dice = np.random.default_rng(4)
    values = dice.exponential(size=(8, 1)) + 0.2 * dice.normal(size=(8, 5)) + np.array([0.0, 0.1, 0.3, 0.8, 1.0])
    values[0, 1] = np.nan  # a pair with seven worlds
    values[:4, 4] = np.nan  # too few
    wanted, found = by_enumeration(values), ranking.surely_less(values)
    assert len(wanted) == 6
    assert min(wanted.values()) < 0.05 < max(wanted.values())
    for at in itertools.permutations(range(5), 2):
        assert found[at] == pytest.approx(wanted.get(at, 1.0), abs=1e-12)


@pytest.mark.parametrize("differences", [0.0, 0.02])
def test_methods_that_are_alike_are_seldom_ordered_and_never_often_the_wrong_way(differences):
    """Skewed distances with a common factor of the world. In at most 5 % of atlases is any order wrong."""
    dice, atlases, wrong = np.random.default_rng(6), 400, 0
    means = 1.0 + differences * np.arange(6)
    for _ in range(atlases):
        noise = np.exp(0.5 * dice.normal(size=(8, 1))) * dice.exponential(size=(8, 6))
        sure = ranking.surely_less(ranking.logs(means * noise)) <= ranking.ERROR
        wrong += bool(sure[means[:, None] >= means[None, :]].any())
    assert wrong / atlases <= 0.05 + 3.0 * math.sqrt(0.05 * 0.95 / atlases)


def test_equal_distances_are_ties_and_five_worlds_decide_nothing():
    same = np.repeat(np.arange(6.0)[:, None], 2, axis=1)
    assert (ranking.surely_less(same) == 1.0).all()
    further = same + np.array([0.0, 0.1])
    assert ranking.surely_less(further)[0, 1] == pytest.approx(1 / 32)
    assert (ranking.surely_less(further[:5]) == 1.0).all()
    infinite = np.where(np.arange(2) == 1, math.inf, same)
    assert (ranking.surely_less(infinite) == 1.0).all(), "left out like missing ones"
    with pytest.raises(ArithmeticError, match="distances of at least 0 are required, found"):
        ranking.logs(np.array([[0.1, -0.1]]))


def test_flips_are_all_or_many():
    assert len(np.unique(ranking.sign_flips(6), axis=0)) == 32
    many = ranking.sign_flips(20)
    assert many.shape == (ranking.FLIPS, 20)
    assert (many[0] == 1.0).all()


def crossed(
    distances: dict[tuple[str, str], dict[str, list[float | None]]], language: str = "one", level: float = 0.03
) -> pl.DataFrame:
    """Crossings from the distances of methods and strengths in every world."""
    rows = [
        {"run": f"{method}{strength}{seed}", "method": method, "strength": strength, "seed": seed,
         "language": language, "level": level, **dict.fromkeys(MEANS, 1.0), "above": value}
        for (method, strength), values in distances.items() for seed, value in enumerate(values) if value is not None
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"above": pl.Float64})


WORLD = np.array([1.0, 2.0, 4.0, 0.5, 3.0, 1.5, 2.5, 0.7])
"""What makes a world hard for all methods."""


def test_differences_in_the_same_world_order_what_overlapping_intervals_cannot():
    jitter = 0.01 * np.array([1, -1, 1, -1, -1, 1, -1, 1])
    table = crossed({
        ("a", "weak"): (WORLD * (1.0 + jitter)).tolist(), ("a", "strong"): (WORLD * 9.0).tolist(),
        ("b", ""): (WORLD * 1.1).tolist(), ("c", ""): [1.0] * 3 + [None] * 5,
    })  # fmt: skip
    ends = table.with_columns(phase=pl.lit("sft"))
    found = {
        (row["method"], row["strength"]): row
        for row in ranking.places(ranking.compared(table), ends).iter_rows(named=True)
    }
    assert {key: row["place"] for key, row in found.items()} == {
        ("a", "weak"): 1, ("b", ""): 2, ("a", "strong"): 2, ("c", ""): None,
    }, "of other methods b alone is surely nearer than a at its strong strength"  # fmt: skip
    one, other = found["a", "weak"], found["b", ""]
    assert one["above_upper"] > other["above_lower"], "the intervals overlap"
    assert 1.05 < other["ratio_lower"] < 1.1 < other["ratio_upper"] < 1.15
    assert other["ratio"] == pytest.approx(math.exp(np.mean(np.log(1.1 / (1.0 + jitter)))), rel=1e-8)
    assert found["c", ""]["worlds"] == 3
    assert ranking.orders(ranking.compared(table)).select("nearer", "farther", "strength").rows() == [
        ("a", "b", "weak")
    ]


# -- several languages ------------------------------------------------------------------------------------------------


def test_the_interval_of_a_rank_correlation_covers_that_of_the_true_means():
    dice, covered, number = np.random.default_rng(2), 0, 100
    for _ in range(number):
        base = dice.normal(size=15)
        true = [np.exp(base), np.exp(0.85 * base + 0.5 * dice.normal(size=15))]
        seen = [one * np.exp(0.3 * dice.normal(size=(n, 1)) + 0.3 * dice.normal(size=(n, 15)) - 0.045)
                for one, n in zip(true, (12, 5), strict=True)]  # fmt: skip
        _, lower, upper = correlation(*seen)
        covered += lower <= rank_correlation(*true) <= upper
    assert covered / number >= 0.88, "nominal 0.95"


def test_a_rank_correlation_by_hand():
    one = np.array([[1.0, 2.0, 3.0, 4.0], [1.2, 2.2, 3.2, 4.2]])
    assert correlation(one, one) == pytest.approx((1.0, 1.0, 1.0))
    assert correlation(one, one[:, ::-1])[0] == pytest.approx(-1.0)
    assert correlation(one[:1], one)[1] is None, "one world says nothing about the spread"


@pytest.fixture(scope="module")
def languages() -> pl.DataFrame:
    """In the second language a and b change places; in the third nothing is sure; d is in the first alone."""
    jitter = 0.01 * np.array([1, -1, 1, -1, -1, 1, -1, 1])
    first = {("a", ""): WORLD, ("b", ""): WORLD * 1.5, ("c", ""): WORLD * (2.0 + jitter), ("d", ""): WORLD * 3.0}
    second = {("a", ""): WORLD * 1.5, ("b", ""): WORLD, ("c", ""): WORLD * (2.0 + jitter)}
    few = {key: values[:5] for key, values in first.items()}
    parts = [
        crossed({key: values.tolist() for key, values in one.items()}, language)
        for language, one in (("styles_content", first), ("english", second), ("ngram", few))
    ]
    return pl.concat(parts)


def test_who_surely_changes_places(languages):
    names = ["styles_content", "english", "ngram"]
    found = exchanged(languages, names)
    assert found.rows() == [(0.03, "styles_content", "english", "a", "b")]
    table = agreement(languages, names)
    assert table.select("language", "other", "ways", "worlds", "other_worlds").rows() == [
        ("styles_content", "english", 3, 8, 8), ("styles_content", "ngram", 4, 8, 5), ("english", "ngram", 3, 8, 5),
    ]  # fmt: skip
    assert table["correlation"].to_list() == pytest.approx([0.5, 1.0, 0.5])


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_the_least_number_of_worlds_for_an_order_in_several_languages(number):
    """Every world says the same, so p is as small as it can be."""
    for worlds, enough in ((fewest(number), True), (fewest(number) - 1, False)):
        table = np.array([[0.1, 0.2]]) * (1.0 + 0.1 * np.arange(max(worlds, ranking.FEWEST)))[:, None]
        least = ranking.surely_less(ranking.logs(table))[0, 1] if worlds >= ranking.FEWEST else 2.0 ** (1 - worlds)
        assert (least <= ranking.ERROR / number) == enough


def test_six_worlds_cannot_say_who_changes_places_in_three_languages(languages):
    names, six = ["styles_content", "english", "ngram"], languages.filter(pl.col("seed") < 6)
    runs = six.select("run", "language", "seed", "method", "strength", valid=pl.lit(True))
    said = repr(report({
        "runs": runs, "crossings": six, "places": ranking.places(ranking.compared(six), six),
        "agreement": agreement(six, names), "exchanged": exchanged(six, names),
    }))  # fmt: skip
    assert "Whether methods change places cannot be said." in said
    assert "No two methods" not in said


def test_the_report_of_languages(languages):
    names = ["styles_content", "english", "ngram"]
    runs = languages.select("run", "language", "seed", "method", "strength", valid=pl.lit(True))
    said = report({
        "runs": runs, "crossings": languages, "places": ranking.places(ranking.compared(languages), languages),
        "agreement": agreement(languages, names), "exchanged": exchanged(languages, names),
    })  # fmt: skip
    shown = repr(said)
    assert "a is nearer than b in styles content, and farther in english" in shown
    assert "Too few worlds for any sure order: ngram (5); at least 7 are needed." in shown
    places, correlations = (block for block in said if hasattr(block, "rows"))
    assert places.columns == (
        "method",
        "strength",
        "styles content (8 worlds)",
        "english (8 worlds)",
        "ngram (5 worlds)",
    )
    assert [row[0] for row in places.rows] == ["a", "b", "c", "d"]
    assert places.rows[0][2].startswith("1: 1.9")
    assert places.rows[3][3] == "–"
    assert len(correlations.rows) == 3


def test_atlases_lie_in_folders_of_their_names(tmp_path):
    for name in ("atlas", "atlas_chain", "demo"):
        (tmp_path / name / "0123").mkdir(parents=True)
        (tmp_path / name / "0123" / atlas_languages.MANIFEST).write_text("{}")
    assert [one.name for one in atlas_languages.atlases(tmp_path)] == ["atlas", "atlas_chain"]
