"""Rival causes: slopes within worlds tell a cause from what goes with it, and are those of dummy variables."""

from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
import pytest

from experiments import level_rivals
from experiments.g_levels.places import Place
from experiments.level_rivals import slopes_of
from sim.show.blocks import markdown
from tests.unit.experiments.test_forgotten_by_level import GRAMMAR, made, mixture


def imitated(of_level: float, of_uses: float, worlds: int = 6) -> pl.DataFrame:
    """Runs in which both causes add to the excess, and n falls with the level, differently in every world."""
    rng, rows = np.random.default_rng(0), []
    for seed in range(worlds):
        for level in (1, 2, 3, 4):
            for number in (0, 1):
                log_uses = 2.0 - 0.5 * level + 0.3 * rng.normal()
                excess = of_level * level + of_uses * log_uses + 3.0 * seed + 0.001 * rng.normal()
                rows.append({"targets": "exact", "seed": seed, "level": level, "number": number, "log_uses": log_uses,
                             "place": rng.normal(), "span": rng.normal(), "excess": excess, "worse": 0.0,
                             "followed": rng.normal()})  # fmt: skip
    return pl.DataFrame(rows)


def slope(found: pl.DataFrame, cause: str, beside: str) -> dict[str, float]:
    return found.filter(number="excess", cause=cause, beside=beside).row(0, named=True)


def test_a_rival_that_goes_with_the_level_is_told_from_it() -> None:
    found = slopes_of(imitated(of_level=0.0, of_uses=0.4))
    alone, level, uses = slope(found, "level", ""), slope(found, "level", "log_uses"), slope(found, "log_uses", "level")
    assert alone["upper"] < 0.0, "the level seems to matter"
    assert level["lower"] < 0.0 < level["upper"]
    assert uses["slope"] == pytest.approx(0.4, abs=0.01)
    assert slope(slopes_of(imitated(0.2, 0.4)), "level", "log_uses")["slope"] == pytest.approx(0.2, abs=0.01)


def test_slopes_are_those_of_a_fit_with_a_constant_for_every_world() -> None:
    """By another route: dummy variables and the normal equations; intervals cover what is left out in turn."""
    runs = imitated(0.1, 0.4)
    dummies = (runs["seed"].to_numpy()[:, None] == np.arange(6)).astype(float)
    x = np.column_stack([runs["level"].to_numpy(), runs["place"].to_numpy(), dummies])
    y = runs["excess"].to_numpy()
    expected = np.linalg.solve(x.T @ x, x.T @ y)[:2]
    found = slopes_of(runs)
    assert level_rivals._slopes(runs, "excess", ("level", "place")) == pytest.approx(expected)
    row = slope(found, "level", "place")
    assert row["lower"] < expected[0] < row["upper"]
    assert row["worlds"] == 6


def test_two_worlds_give_no_slopes() -> None:
    assert slopes_of(imitated(0.1, 0.4, worlds=2)).is_empty()
    assert slopes_of(imitated(0.1, 0.4, worlds=3)).height == 3 * (4 + 2 * 3)


def test_runs_are_read_with_the_place_and_the_tokens_of_their_rule() -> None:
    records = {one.hash: one for one in (made("root", mixture(1.0)), made("1.0", mixture(1.0)), made("", mixture(0.0)))}
    found = {"finished": lambda _: [Path(name) for name in records], "read": lambda place: records[place.name]}
    with mock.patch.multiple(level_rivals, **found):
        tables = level_rivals.analyse(Path("g_levels"))
    runs = tables["runs"].sort("level")
    assert runs["level"].to_list() == [1, 3]
    low, root = runs.to_dicts()
    place = Place.of({"grammar": GRAMMAR}, records["root0exact"].rows["p_rows"])
    lengths = (place.rows != 0).sum(axis=1)
    own = place.uses.counts(len(lengths), len(place.language.rules))[:, place.number({"lhs": "root", "number": 0})]
    assert root["span"] == pytest.approx((own * lengths).sum() / own.sum())
    assert low["span"] == pytest.approx(2.0), "the rule is b a"
    assert 0.0 < root["place"] < low["place"] < lengths.max(), "the root is told first"
    assert low["log_uses"] == pytest.approx(np.log(low["uses"]))
    assert tables["slopes"].is_empty(), "one world"


def test_the_report_has_a_table_for_each_number() -> None:
    runs = imitated(0.1, 0.4)
    said = markdown(level_rivals.report({"runs": runs, "slopes": slopes_of(runs)}))
    assert "48 runs with a rarer rule" in said
    assert said.count("| exact") == 3 * (4 + 2 * 3)
    assert "They were not announced, so they decide nothing." in said
