"""The dials of C2: numbers of runs become means, differences between paired worlds, and a report."""

import itertools
import math
from statistics import mean, stdev

import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from experiments import c2_dials as study
from sim.show.blocks import Paragraph, Table

SEEDS = range(6)


def runs(more: float = 2.0, infinite: bool = False) -> pl.DataFrame:
    """Contradicted styles lose `more` than absent prompts, world by world; worlds differ by far more than that."""
    dice, rows = np.random.default_rng(1), []
    worlds = {seed: 10.0 * float(dice.random()) for seed in SEEDS}
    shares: list[tuple[str, float | None, float]] = [("absent", 0.75, 0.25), ("contradicted", None, 0.25)]
    shares += [("tiny", 0.5, 0.5), ("tiny", 0.1, 0.9), ("tiniest", 1e-4, 0.9999)]
    for seed, (part, share, lost), targets in itertools.product(SEEDS, shares, ("exact", "sampled")):
        value = worlds[seed] + (more + 0.1 * seed if part == "contradicted" else 0.0)
        values = {**dict.fromkeys(study.QUANTITIES, value), "erased": math.inf if infinite and not seed else value}
        tags = {"run": f"{part}{share}{targets}{seed}", "seed": seed, "part": part, "targets": targets, "rate": 2e-3}
        rows.append(tags | {"share": share, "p_kept": 1 - lost, "p_lost": lost, "fit": 0.01} | values)
    return pl.DataFrame(rows, schema_overrides={"share": pl.Float64})


def test_differences_are_paired_by_world() -> None:
    found = study.dials(runs().sample(fraction=1.0, shuffle=True, seed=3))
    assert found.height == 2 * len(study.COMPARED)
    gaps = [2.0 + 0.1 * seed for seed in SEEDS]
    half = t.ppf(0.975, len(gaps) - 1) * stdev(gaps) / math.sqrt(len(gaps))
    for row in found.iter_rows(named=True):
        assert (row["removed"], row["worlds"]) == (0.25, 6)
        assert row["difference"] == pytest.approx(mean(gaps))
        assert row["difference_lower"] == pytest.approx(mean(gaps) - half)
        assert row["difference_upper"] == pytest.approx(mean(gaps) + half)
        assert row["contradicted"] - row["absent"] == pytest.approx(mean(gaps))


def test_unequal_masses_are_no_pair() -> None:
    other = runs().with_columns(p_lost=pl.when(part="absent").then(0.5).otherwise("p_lost"))
    assert study.dials(other).height == 0


def test_a_lost_string_has_no_interval() -> None:
    row = study.dials(runs(infinite=True)).row(-1, named=True)
    assert row["quantity"] == "erased"
    assert (row["absent"], row["difference_lower"], row["difference_upper"]) == (math.inf, -math.inf, math.inf)


def test_the_smallest_subset_comes_last() -> None:
    found = study.tiny(runs()).filter(quantity="p_kept", targets="exact")
    assert found["share"].to_list() == [0.5, 0.1, 1e-4]
    assert found["value"].to_list() == pytest.approx([0.5, 0.1, 1e-4])


@pytest.mark.parametrize(
    ("more", "said"), [(2.0, "in 2 of 2 rows, and less in 0"), (-2.0, "in 0 of 2 rows, and less in 2")]
)
def test_the_report_counts_both_directions(more: float, said: str) -> None:
    every = runs(more).with_columns(valid=pl.col("seed") > 0)
    blocks = study.report({"runs": every, "dials": study.dials(every), "tiny": study.tiny(every)})
    *sentences, last = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert last.startswith("50 of 60 runs are valid.")
    assert len(sentences) == len(study.COMPARED)
    assert all(said in sentence for sentence in sentences)
    first, second = (block for block in blocks if isinstance(block, Table))
    assert len(first.rows) == 2 * len(study.COMPARED)
    assert [row[2] for row in second.rows] == ["0.5", "0.1", "0.0001"] * 2


def test_a_report_of_nothing() -> None:
    nothing, none = pl.DataFrame(), pl.DataFrame({"valid": [False]})
    said = study.report({"runs": none, "dials": nothing, "tiny": nothing})
    assert sum(isinstance(block, Paragraph) for block in said) == 3
