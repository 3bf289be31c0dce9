"""Figures of the atlas: points are the rows of the tables, names keep clear, and a stranger's method needs no edit."""

import functools

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex

from figures.atlas import _methods, _planes, _ranked, fit_forgetting, gaps, leak_coverage, ranking
from figures.atlas._methods import FAMILIES, LOOKS, Spot, main, name, spots
from figures.atlas._placing import name_spots
from figures.atlas_languages import languages
from figures.language import speaking
from figures.style import figure, styled
from tests.unit.figures import seen
from tests.unit.figures.tiny_studies import Tables, tables

LANGUAGE = "styles_content"


@functools.cache
def found() -> Tables:
    return tables("atlas")


def crowd(count: int = 150) -> list[Spot]:
    """Points on a line that is too short for their names."""
    families = list(FAMILIES)
    return [
        Spot(f"m{at}", families[at % len(families)], f"method {at}", at / count, (at * 7 % count) / count, None, None)
        for at in range(count)
    ]


def points(axes, family: str) -> np.ndarray:
    """The places of the marks of a kind in a panel, [N, 2], sorted."""
    look = LOOKS[family]
    own = [
        one for one in axes.lines if one.get_marker() == look.marker and to_hex(one.get_color()) == to_hex(look.colour)
    ]
    return np.array(sorted(place for one in own for place in one.get_xydata().tolist()))


# -- values -----------------------------------------------------------------------------------------------------------


def test_points_of_a_plane_are_the_means_of_the_ends():
    with styled():
        axes = leak_coverage.draw(found()).axes[0]
    cells = found()["cells"].filter(pl.col("level").is_null(), language=LANGUAGE)
    for family, method in (("weights", "wise_ft"), ("start", "replay")):
        rows = cells.filter(method=method).select("off", "coverage_10").rows()
        np.testing.assert_array_equal(points(axes, family), sorted(map(list, rows)))


def test_no_end_lies_beyond_a_frontier():
    """Means over worlds do not, because the line is drawn through means at equal multipliers."""
    for plane, x, y, above in (("fit", "fit", "forgetting", True), ("coverage_10", "off", "coverage_10", False),
                               ("validity", "surprisal", "h_on", False)):  # fmt: skip
        line = _planes.frontier(found(), plane).sort("x")
        cells = _methods.ends(found()).filter(worlds=6)
        assert cells.height >= 5
        limit = np.interp(cells[x].to_numpy(), line["x"].to_numpy(), line["y"].to_numpy())
        slack = cells[y].to_numpy() - limit if above else limit - cells[y].to_numpy()
        assert slack.min() > -0.02, plane  # the line is straight between its points, so it is off by a little


def test_the_bar_in_a_plane_is_the_interval_of_the_distance():
    row = {"method": "m", "family": "other", "words": "m", "strength": "", "x": 1.0, "y": 5.0, "y_lower": 0.0,
           "y_upper": 9.0, "d": 0.5, "d_lower": 0.4, "d_upper": 0.7}  # fmt: skip
    (one,) = spots(pl.DataFrame([row]), "x", "y", "d")
    assert one.y_ends == pytest.approx((4.9, 5.2))
    assert one.x_ends is None
    (one,) = spots(pl.DataFrame([row]), "x", "y")
    assert one.y_ends == (0.0, 9.0)
    assert not spots(pl.DataFrame([row | {"y": np.inf}]), "x", "y")


def test_a_row_of_the_ranking_is_the_best_strength_and_its_place():
    places = ranking.own(found()).filter(level=0.1)
    order = _ranked.ordered(places, 0.1)
    best = {
        method: min(own["above"]) for (method,), own in places.filter(pl.col("place").is_not_null()).group_by("method")
    }
    assert order[: len(best)] == sorted(best, key=lambda method: best[method])
    assert set(order) == set(places["method"])
    with styled():
        drawn = ranking.draw(found())
        axes = drawn.axes[0]
        written = [one.get_text() for one in axes.texts]
    assert len(axes.get_yticklabels()) == len(order)
    assert points(axes, "start").tolist()[0] == [best["replay"], order.index("replay")]
    numbers = dict(
        places.filter(pl.col("place").is_not_null()).sort("above", descending=True).select("method", "place").rows()
    )
    assert sorted(written) == sorted(str(numbers.get(method, "–")) for method in order)


def test_a_strength_without_a_place_stands_for_a_method_only_if_it_has_no_other():
    rows = [("a", "1", None, 0.1), ("a", "2", 2, 0.5), ("b", "", 1, 0.3), ("c", "", None, 0.01)]
    frame = pl.DataFrame(rows, schema=["method", "strength", "place", "above"], orient="row")
    assert _ranked.best(frame).select("method", "strength").rows() == [("b", ""), ("a", "2"), ("c", "")]


def test_paths_are_means_over_worlds_of_the_nearest_method_of_each_kind():
    named = fit_forgetting.chosen(found())
    assert named["family"].n_unique() == named.height
    own = fit_forgetting.paths(found()).filter(family="cross-entropy").row(2, named=True)
    rows = main(found(), "paths").filter(method="sft_sampled", phase="sft", step=own["step"])
    assert rows.height == 6
    assert own["fit"] == pytest.approx(rows["fit"].to_numpy().mean(), rel=1e-12)
    assert own["above"] == pytest.approx(rows["above"].to_numpy().mean(), rel=1e-12)


def test_losses_on_answers_and_on_tokens_share_no_panel():
    panels = gaps.shown(found())
    methods = {unit: {one.method for one in own} for unit, own in panels.items()}
    assert "mixce" in methods["answer"] - methods["token"]
    assert "gem" in methods["token"] - methods["answer"]
    assert {"replay", "sft_sampled"} <= methods["token"] & methods["answer"]


def test_all_points_of_the_gaps_are_in_view():
    with styled():
        drawn = gaps.draw(found())
    for axes, own in zip(drawn.axes, gaps.shown(found()).values(), strict=True):
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert all(left < one.x < right and low < one.y < high for one in own)


def test_one_language_is_not_compared():
    alone = {
        key: table.filter(language=LANGUAGE) if "language" in table.columns else table for key, table in found().items()
    }
    assert languages.draw(alone) is None
    several = tables("atlas_languages")
    with styled():
        panels = languages.draw(several).axes
    assert [one.get_title(loc="left") for one in panels] == ["styles and contents", "Markov chain", "templated English"]
    assert "(styles and contents: 6 worlds; Markov chain: 2 worlds; templated English: 2" in languages.caption(several)


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("medium", ["paper", "slide"])
def test_names_stand_only_where_nothing_else_is_drawn(medium):
    with styled(medium):
        drawn, (axes,) = figure(3.0, 1)
        _methods.scatter(axes, crowd())
        left = name_spots(axes, crowd())
        texts = seen.texts(drawn)
        written = [one for one in texts if one.words.startswith("method")]
        assert len(written) == 150 - left
        assert 5 <= len(written) < 150
        assert not list(seen.overlapping(texts))
        blank = [pixels for one, pixels in zip(texts, seen.behind(drawn, texts), strict=True) if one in written]
        assert all(pixels.min() > 0.95 for pixels in blank)


def test_a_method_of_a_stranger_is_drawn_without_an_edit():
    """Nobody knows its kind or its unit: it is of the last kind, under its own name, in both panels."""
    cells = found()["cells"].with_columns(method=pl.col("method").replace("wise_ft", "my_idea"))
    strange = {**found(), "cells": cells}
    own = [one for one in spots(_methods.ends(strange), "off", "coverage_10") if one.method == "my_idea"]
    assert {one.family for one in own} == {"other"}
    assert {one.name for one in own} == {"my idea", "my idea 0.5", "my idea 0.75"}
    assert all(any(one.method == "my_idea" for one in own) for own in gaps.shown(strange).values())


def test_a_name_has_the_values_of_a_strength():
    assert name("GEM", "beta 0.7") == "GEM 0.7"
    assert name("replay", "") == "replay"
    assert name("TOFU", "gamma 1, beta 0.8") == "TOFU 1 0.8"
    with speaking("zh"):
        assert name("frozen", "matrices attention") == "部分冻结 注意力"


def test_what_does_not_fit_a_slide_is_counted():
    places = found()["places"].filter(language=LANGUAGE, level=0.1, method="replay").head(1)
    many = pl.concat([places.with_columns(method=pl.lit(f"m{at}"), above=pl.lit(0.1 + at)) for at in range(30)])
    strange = {**found(), "places": many}
    with styled("slide"):
        words = [one.get_text() for one in ranking.draw(strange).axes[0].get_yticklabels()]
    assert len(words) == _ranked.ROWS["slide"] + 1
    assert words[-1] == f"and {30 - _ranked.ROWS['slide']} more"


def test_a_long_axis_has_powers_of_ten_alone():
    with styled():
        _, (axes,) = figure(1.0, 1)
        axes.set_xscale("log")
        _planes.plain_ticks(axes.xaxis, 1e-4, 0.5)
        assert [one.get_text() for one in axes.get_xticklabels()] == ["$10^{-4}$", "0.001", "0.01", "0.1"]
        _planes.plain_ticks(axes.xaxis, 2e-4, 2e-2)
        assert [one.get_text() for one in axes.get_xticklabels()] == ["$3\\cdot10^{-4}$", "0.001", "0.003", "0.01"]


def test_limits_of_an_axis_leave_room_for_a_single_value():
    assert _planes.around([2.0], False) == (1.5, 2.5)
    low, high = _planes.around([0.0, 1.0, 100.0], True)
    assert 0.0 < low < 1.0 < 100.0 < high
