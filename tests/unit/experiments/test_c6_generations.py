"""C6.4: every prediction holds where generations are made so, and is refuted where they are made otherwise."""

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from experiments.c6_consequences import generations
from experiments.predictions import Tables
from figures.c6_consequences import generations as figure
from figures.style import styled

N, G, WORLDS = 32, 10, 12
PREDICTIONS = {one.identifier: one for one in generations.PREDICTIONS}
ARMS = [(part, fresh) for part in ("generations_table", "generations_net") for fresh in (0.0, 0.1, 0.5, 1.0)]


def history(part: str, seed: int, fresh: float, rho: float, infinite: bool) -> list[dict[str, object]]:
    """Laws that go the share rho of the way from the mixture to n draws, in sums written out here."""
    dice = np.random.default_rng([seed, int(100 * fresh), 7])
    p = 1.0 / (1.0 + dice.permutation(64))
    p /= p.sum()
    rows: list[dict[str, object]] = []
    q, law, c = p, 0.0, float(p @ p)
    for generation in range(G + 1):
        row = {"run": f"{part}{seed}{fresh}", "seed": seed, "valid": True, "part": part, "generation": generation,
               "fresh": fresh, "num_samples": None if infinite else float(N), "rejected": 0.01}  # fmt: skip
        moved = unit = share = away = None
        if generation:
            drawn = (1 - fresh) * q + fresh * p
            data = drawn if infinite else dice.multinomial(N, drawn / drawn.sum()) / N
            q = drawn + rho * (data - drawn)
            moved, unit, share = float(((q - drawn) ** 2).sum()), float(1 - drawn @ drawn), None if infinite else rho
            away = float(((data - drawn) ** 2).sum())
            law = (1 - c) / N + (1 - 1 / N) * (1 - fresh) ** 2 * law
            q = np.maximum(q, 0.0) / np.maximum(q, 0.0).sum()
        row |= {"moved": moved, "unit": unit, "data": away, "rho": share, "law": 0.0 if infinite else law}
        row |= {"distance": float(((q - p) ** 2).sum()), "collision": float(q @ q), "entropy": 1.0}
        rows.append(row)
    return rows


def made(table: float = 1.0, net: float = 0.99, short: float = 0.6, worlds: int = WORLDS) -> Tables:
    rows = []
    for seed in range(worlds):
        for part, fresh in ARMS:
            rows += history(part, seed, fresh, table if part.endswith("table") else net, False)
        for fresh in (0.0, 0.1):
            rows += history("generations_short", seed, fresh, short, False)
        rows += history("generations_infinite", seed, 0.0, 1.0, True)
        rows += history("generations_scratch", seed, 0.0, 1.0, False)
    numbers = dict.fromkeys(("moved", "unit", "data", "rho", "num_samples"), pl.Float64)
    frame = pl.DataFrame(rows, schema_overrides=numbers).sort("part", "fresh", "seed", "generation")
    return {"runs": pl.DataFrame({"valid": [True]}), "generations": frame}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return made()


def verdicts(identifier: str, tables: Tables) -> dict[str, str]:
    return {one.case: one.verdict for one in PREDICTIONS[identifier].judge(tables)}


CASES = {"C6.4a": 4, "C6.4b": 4, "C6.4c": 1, "C6.4d": 4, "C6.4e": 2, "C6.4f": 2, "C6.4g": 1, "C6.4k": 2}


@pytest.mark.parametrize("identifier", sorted(CASES))
def test_it_holds_where_generations_are_made_so(identifier: str, tables: Tables) -> None:
    found = verdicts(identifier, tables)
    assert set(found.values()) == {"holds"}
    assert len(found) == CASES[identifier]


def changed(tables: Tables, *columns: pl.Expr) -> Tables:
    return {**tables, "generations": tables["generations"].with_columns(*columns)}


def test_it_is_refuted_where_they_are_made_otherwise(tables: Tables) -> None:
    assert "refuted" in verdicts("C6.4a", made(table=0.6)).values()
    assert "refuted" in verdicts("C6.4b", made(table=0.6)).values()
    assert "refuted" in verdicts("C6.4d", made(net=1.3)).values()
    assert "refuted" in verdicts("C6.4e", made(short=1.3)).values()
    assert "refuted" in verdicts("C6.4k", made(short=1.4)).values()
    last = pl.col("generation") == G
    drifts = pl.when(last & (pl.col("part") == "generations_infinite")).then(0.3).otherwise("distance")
    assert set(verdicts("C6.4c", changed(tables, drifts.alias("distance"))).values()) == {"refuted"}
    kept = pl.when(pl.col("fresh") == 0).then(0.01).otherwise("collision")
    assert set(verdicts("C6.4f", changed(tables, kept.alias("collision"))).values()) == {"refuted"}
    grows = pl.when((pl.col("generation") > G // 2) & (pl.col("fresh") == 0.1)).then(0.9).otherwise("distance")
    assert set(verdicts("C6.4g", changed(tables, grows.alias("distance"))).values()) == {"refuted"}


def test_reports_give_the_effective_number(tables: Tables) -> None:
    (case, *_) = PREDICTIONS["C6.4h"].judge(tables)
    assert case.measured is not None
    assert case.measured.value == pytest.approx(N / 0.99**2, rel=1e-6)
    (scratch,) = PREDICTIONS["C6.4i"].judge(tables)
    assert scratch.measured is not None
    assert scratch.measured.value == pytest.approx(N, rel=1e-6)
    assert {one.verdict for one in PREDICTIONS["C6.4j"].judge(tables)} == {"reported"}


def test_runs_that_are_not_valid_and_studies_without_the_part_have_no_case(tables: Tables) -> None:
    for empty in (
        changed(tables, pl.lit(False).alias("valid")),
        {"runs": pl.DataFrame(), "generations": pl.DataFrame()},
    ):
        for one in PREDICTIONS.values():
            assert [found.verdict for found in one.judge(empty)] == ["not valid"]


def test_the_figure_shows_every_arm_and_is_told_apart_without_colour(tables: Tables) -> None:
    with styled():
        drawn = figure.draw(tables)
        assert isinstance(drawn, Figure)
        assert figure.draw({"generations": pl.DataFrame()}) is None
        (legend,) = drawn.legends
        looks = [(line.get_marker(), str(line.get_linestyle())) for line in legend.get_lines()]
    assert len(looks) == 7
    assert len({marker for marker, _ in looks}) == 7
    assert figure.caption(tables).endswith("exact.")
    assert "32 documents" in figure.caption(tables)
    assert "12 seeds" in figure.caption(tables)
