"""Placing beside a reference: by hand and by scipy; what is left out; the bytes of a reference."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from experiments.atlas import beside, placing, reference, shared
from experiments.atlas.reference import Reference
from sim.disk.records import Record, read
from sim.numerics import SpecificationError

ARCHIVE = Path(__file__).resolve().parents[2] / "archive" / "fe3430a4d566"
SEEDS = range(6)
WOBBLE = (0.01, -0.02, 0.0, 0.03, -0.01, 0.02)
OFFSET = {"sft": 0.0, "gem": 0.2, "dft": 1.1, "mine": 0.4, "far": 0.0}
"""How far methods lie from each other, as logarithms; worlds differ by far more, and a little in this."""

SETTINGS = {"finetune.num_steps": 1000, "optimizer.learning_rate": 0.002, "results_version": 5}


def distance(method: str, seed: int, above: float) -> float:
    return above * (1 + seed) * math.exp(OFFSET[method] * (1 + WOBBLE[seed % 6]))


def apart(one: str, other: str) -> np.ndarray:
    """The difference of two methods in every world."""
    return np.array([distance(one, seed, 1.0) - distance(other, seed, 1.0) for seed in SEEDS])


def rows(
    method: str, strength: str = "", above: float = 1.0, seeds: Any = SEEDS, level: float | None = 0.1
) -> list[dict[str, Any]]:
    """The numbers of a method in some worlds; those of a world are near to each other."""
    return [
        {"run": f"{method}{strength}{seed}", "method": method, "strength": strength, "seed": seed, "truth": f"w{seed}",
         "level": level, "above": distance(method, seed, above), "gate": 2.0, "e": 0.5, "fit": 0.1}
        for seed in seeds
    ]  # fmt: skip


def frame(*parts: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([row for part in parts for row in part], schema_overrides={"level": pl.Float64})


THERE = frame(rows("sft"), rows("gem", "beta 0.5"), rows("gem", "beta 0.9", 7.0), rows("dft", seeds=range(5)))
REFERENCE = Reference(THERE, SETTINGS)


def found(
    *parts: list[dict[str, Any]], setting: dict[str, Any] | None = None, truth: str = "w{}"
) -> dict[str, pl.DataFrame]:
    """The tables of a report on own runs."""
    own = frame(*parts).drop("truth")
    marks = own.select("run", "method", "seed").unique(maintain_order=True)
    hashes = pl.Series([truth.format(seed) for seed in marks["seed"]])
    marks = marks.with_columns(truth=hashes, setting=pl.lit("0"))
    leaves = [("0", name, json.dumps(value)) for name, value in (setting or SETTINGS).items()]
    return {
        "runs": marks.select("run", valid=pl.col("seed") < 9), "marks": marks,
        "crossings": own.filter(pl.col("level").is_not_null()),
        "ends": own.filter(pl.col("level").is_null()).drop("level"),
        "settings": pl.DataFrame(leaves, schema=["setting", "name", "value"], orient="row"),
    }  # fmt: skip


def test_a_method_is_placed_by_differences_in_the_same_worlds():
    (row,) = placing.placed(frame(rows("mine", "k 1")), THERE).iter_rows(named=True)
    difference = apart("mine", "sft")
    assert row["of_above"] == pytest.approx(difference.mean(), rel=1e-12)
    low, high = stats.t.interval(0.95, 5, difference.mean(), stats.sem(difference))
    assert (row["of_above_lower"], row["of_above_upper"]) == pytest.approx((low, high), rel=1e-9)
    assert (row["nearest"], row["nearest_strength"]) == ("gem", "beta 0.5")
    assert row["near"] == pytest.approx(apart("mine", "gem").mean(), rel=1e-12)
    assert (row["place"], row["methods"], row["worlds"]) == (3, 3, 6), "SFT and GEM are nearer in each pair of worlds"
    assert row["above_lower"] < 3.5 < row["above_upper"], (
        "the mean of SFT: worlds differ by more than methods: only pairs can tell"
    )


def test_methods_that_cannot_be_told_apart_share_a_place():
    noise = frame(rows("mine")).with_columns(above=pl.col("above") + pl.Series([0.3, -0.3, 0.2, -0.2, 0.1, -0.05]))
    ties = placing.placed(noise, frame([row | {"method": "gem"} for row in rows("mine")], rows("dft")))
    assert ties["place"].to_list() == [1]


def test_a_difference_says_in_how_many_worlds_it_is():
    own = placing.placed(frame(rows("mine")), frame(rows("dft", above=0.0, seeds=range(4))))
    assert own["near_worlds"].to_list() == [4]
    assert own["of_above"].to_list() == [None], "there is no plain SFT"
    assert "] in 4" in repr(beside.summary(own))


def test_few_worlds_give_no_place_and_the_end_neither():
    few = placing.placed(frame(rows("mine", seeds=range(5))), THERE)
    assert few["place"].item() is None
    assert few["of_above_lower"].item() > 0
    one = placing.placed(frame(rows("mine", seeds=[2])), THERE)
    assert (one["of_above"].item(), one["of_above_lower"].item()) == (pytest.approx(apart("mine", "sft")[2]), None)
    last = placing.placed(frame(rows("mine", level=None)), frame(rows("sft", level=None), rows("sft", above=9.0)))
    assert (last["place"].item(), last["of_above"].item()) == (None, pytest.approx(apart("mine", "sft").mean()))


def test_an_infinite_distance_has_no_difference():
    own = frame(rows("mine")).with_columns(above=pl.lit(math.inf))
    row = placing.placed(own, THERE).row(0, named=True)
    assert (row["above"], row["above_upper"], row["of_above"], row["of_above_worlds"]) == (math.inf, None, None, 0)


# -- what is compared at all ------------------------------------------------------------------------------------------


def reasons(tables: dict[str, pl.DataFrame]) -> list[str]:
    return [line for line in placing.checked(tables, REFERENCE)["reason"].to_list() if line is not None]


def test_the_same_world_and_settings_are_compared():
    made = placing.tables(found(rows("mine", level=0.1), rows("mine", level=None)), REFERENCE)
    assert made["marks"]["reason"].null_count() == 6
    assert made["placed"]["level"].to_list() == [0.1, None]
    blocks = repr(beside.blocks(made))
    assert "Worlds 0, 1, 2, 3, 4, 5 of the reference" in blocks
    assert "'3 of 4'" in blocks
    assert "→ yours" in blocks
    assert "Left out" not in blocks


def test_other_settings_worlds_and_seeds_are_left_out_with_a_line():
    steps = found(rows("mine"), setting={**SETTINGS, "finetune.num_steps": 20})
    assert set(reasons(steps)) == {"finetune.num_steps: 1000 is required, found 20"}
    blocks = beside.blocks(placing.tables(steps, REFERENCE))
    assert [one.text for one in blocks[1:]] == [  # type: ignore[union-attr]
        "Left out, 6 runs of mine: finetune.num_steps: 1000 is required, found 20."
    ]
    assert reasons(found(rows("mine"), setting={**SETTINGS, "results_version": 4}))[0].startswith(
        "the version of the res"
    )
    assert "the hash w2 of its P and S is required, found v2" in reasons(found(rows("mine"), truth="v{}"))[2]
    assert (
        reasons(found(rows("far", seeds=[7])))[0]
        == "seed: a world of the reference (0, 1, 2, 3, 4, 5) is required, found 7"
    )
    assert "pretrain.limit is required, found none" in reasons(found(rows("far", seeds=[9])))[0]


def test_a_method_may_set_what_its_own_file_says_and_nothing_else():
    assert "optimizer.learning_rate" in shared.own_keys("slow_steps")
    other = {**SETTINGS, "optimizer.learning_rate": 5e-4}
    assert shared.differences(other, SETTINGS, shared.own_keys("slow_steps")) == []
    assert shared.differences(other, SETTINGS, shared.own_keys("gem")) == [("optimizer.learning_rate", 0.002, 5e-4)]
    assert shared.within("optimizer.learning_rate", shared.own_keys("sgd")), "its file chooses the whole optimiser"
    assert shared.own_keys("no such method") == ()


def test_settings_are_shared_by_the_methods_that_do_not_set_them():
    other = {**SETTINGS, "optimizer.learning_rate": 5e-4}
    assert shared.shared([("sft", SETTINGS), ("slow_steps", other)]) == SETTINGS
    with pytest.raises(SpecificationError, match=r"optimizer\.learning_rate: one value .* found 0\.0005, 0\.002"):
        shared.shared([("sft", SETTINGS), ("gem", other)])


def test_what_the_reference_has_too_is_done_again_and_not_placed():
    again = [row | {"above": row["above"] + 1e-3} for row in rows("gem", "beta 0.5")]
    made = placing.tables(found(again), REFERENCE)
    assert made["placed"].is_empty()
    assert made["repeated"]["difference"].to_list() == pytest.approx([1e-3] * 6)
    assert "they lie within 0.001 nats of the reference" in repr(beside.blocks(made))


def test_without_a_reference_one_line_says_so():
    assert placing.tables(found(rows("mine")), None) == {}
    (line,) = beside.blocks(found(rows("mine")))
    assert "There is no reference of the atlas" in repr(line)
    assert beside.blocks({}) == [], "tables without marks are those of an older report"


# -- the hash of a world ----------------------------------------------------------------------------------------------


def with_laws(record: Record, change: Any) -> Record:
    """The record with another law of P."""
    object.__setattr__(record.p, "log_p", change(record.p.log_p))
    return record


def test_the_hash_of_a_world_forgives_the_last_bits_and_nothing_else():
    mine = shared.truth_hash(read(ARCHIVE))
    assert len(mine) == 12
    assert shared.truth_hash(with_laws(read(ARCHIVE), lambda law: law * (1 + 1e-15))) == mine
    assert shared.truth_hash(with_laws(read(ARCHIVE), lambda law: law + 1e-4)) != mine
    other = read(ARCHIVE)
    other.restricted.event[0] ^= True
    assert shared.truth_hash(other) != mine
    assert shared.settings(read(ARCHIVE))["finetune.num_steps"]
    assert not any(
        name.startswith(("grammar", "seed", "objective", "outputs")) for name in shared.settings(read(ARCHIVE))
    )


# -- the reference on the disk ----------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a report on all runs, without their records, which only say how they came about."""
    about = {"runs": 8, "published_on": "a machine"}
    monkeypatch.setattr(reference, "provenance", lambda study, runs: {**about, "runs": len(runs)})
    write(found(rows("sft"), rows("gem", "beta 0.5"), rows("sft", level=None)), tmp_path)
    return tmp_path


def write(tables: dict[str, pl.DataFrame], folder: Path) -> None:
    place = folder / "reports" / "together" / "tables"
    place.mkdir(parents=True, exist_ok=True)
    for name, one in tables.items():
        one.write_parquet(place / f"{name}.parquet")


def test_a_reference_is_read_as_it_was_written_with_the_same_bytes(study: Path, tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    reference.publish(study, one)
    there = reference.read(one)
    assert there is not None
    assert there.settings == SETTINGS
    assert there.worlds == {seed: f"w{seed}" for seed in SEEDS}
    assert there.methods == {("sft", ""), ("gem", "beta 0.5")}
    assert there.places["level"].null_count() == 6
    np.testing.assert_allclose(
        there.places.filter(method="gem")["above"].to_numpy(), frame(rows("gem"))["above"].to_numpy(), rtol=2**-23
    )
    tables = {
        name: pl.read_parquet(file) for file in (study / "reports/together/tables").glob("*") for name in [file.stem]
    }
    write({name: one_ if name == "settings" else one_.reverse() for name, one_ in tables.items()}, study)
    reference.publish(study, other)
    assert b"a machine" not in (one / "atlas" / "published.json").read_bytes()
    for file in ("tables/places.parquet", "published.json"):
        assert (one / "atlas" / file).read_bytes() == (other / "atlas" / file).read_bytes()


def test_what_cannot_be_a_reference_is_refused_in_one_line(study: Path, tmp_path: Path, monkeypatch):
    with pytest.raises(SpecificationError, match="run python -m experiments atlas"):
        reference.publish(tmp_path / "empty", tmp_path)
    with pytest.raises(SpecificationError, match="--reference: a folder with a reference of the atlas is required"):
        reference.read(tmp_path)
    reference.publish(study, tmp_path / "top")
    monkeypatch.setattr(reference, "TOP", tmp_path / "top")
    write(found(rows("sft"), rows("gem", "beta 0.5"), rows("sft", level=None), truth="v{}"), study)
    with pytest.raises(SpecificationError, match="the worlds of the reference that it would replace are required"):
        reference.publish(study)
    monkeypatch.setattr(reference, "BUDGET", 100)
    with pytest.raises(SpecificationError, match=r"at most 100 bytes is required, found .*; publish fewer"):
        reference.publish(study, tmp_path / "other")
    write({"marks": found(rows("sft"))["marks"].with_columns(seed=pl.lit(0))}, study)
    with pytest.raises(SpecificationError, match="one world for each seed is required, found w0 and w1"):
        reference.publish(study, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_method_that_sets_the_rank_sets_the_whole_adapter():
    """Runs without an adapter have none in their configuration, so its other keys are no shared setting."""
    with_rank = {"finetune.adapter.rank": 4, "finetune.adapter.alpha": 8.0, "model.width": 64}
    without = {"finetune.adapter.rank": None, "finetune.adapter.alpha": None, "model.width": 64}
    assert shared.shared([("lora", with_rank), ("sft", without)]) == {"model.width": 64}
    with pytest.raises(SpecificationError, match="adapter"):
        shared.shared([("sgd", with_rank), ("sft", without)])
