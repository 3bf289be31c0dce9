"""A model with a byte-pair tokenizer: what its own way to write a text says about all ways, in both kinds of worlds.

`tests/segmented_gpt.py` trains it, in the environment of the trainers (`make trainers`).
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import sim
from sim.exam.building import frozen
from sim.exam.drawn.building import built
from sim.exam.drawn.exporting import export as export_drawn
from sim.exam.exporting import export
from tests.composed import ROOT
from tests.laws.test_trainers import PYTHON, has  # noqa: F401
from tests.unit.exam.drawn import config

needs = pytest.mark.skipif(
    "not has('torch', 'transformers', 'tokenizers')", reason=f"no transformers for {PYTHON}: make trainers"
)
pytestmark = [pytest.mark.slow, needs]

KEYS = ["phase", "view", "metric", "of", "at", "prompt_law", "step"]


def scored(world: Path, folder: Path) -> Mapping[str, Mapping[str, np.ndarray]]:
    """What the model gives to the documents before and after the fine-tuning, in `folder`/q."""
    script = str(ROOT / "tests" / "segmented_gpt.py")
    done = subprocess.run([PYTHON, script, world, folder / "q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for name in ("before", "after"):
        with np.load(folder / "q" / f"{name}.npz") as arrays:
            found[name] = {key: arrays[key] for key in arrays.files}
        for column in ("canonical", "all"):
            np.savez(folder / f"{name}_{column}.npz", id=found[name]["id"], log_q_document=found[name][column])
    return found


def check(found: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """The texts have many ways, and one of them is never more than all."""
    for columns in found.values():
        assert columns["count"].max() > 50
        assert (columns["canonical"] <= columns["all"] + 1e-12).all()
        assert (columns["canonical"] < columns["all"] - 1e-3).mean() > 0.25


def test_bounds_hold_where_documents_are_listed(tmp_path: Path) -> None:
    world = export(frozen("brackets_small@1"), tmp_path / "world", 5000, 1000)
    found = scored(world, tmp_path)
    check(found)
    assert np.exp(found["after"]["all"]).sum() <= 1.0
    tables = {}
    for column, tokenizer in (("all", "own"), ("canonical", "other")):
        after, before = (tmp_path / f"{name}_{column}.npz" for name in ("after", "before"))
        tables[column] = sim.score_model(after, world, before=before, tokenizer=tokenizer, outputs=tmp_path).table()
    both = tables["all"].select(*KEYS, "lower", "upper").join(
        tables["canonical"].select(*KEYS, "lower", "upper"), on=KEYS, suffix="_bound"
    )  # fmt: skip
    models = both.filter(pl.col("phase") != "truth")
    assert models.height > 60
    wrong = models.filter(
        (pl.col("lower_bound") > pl.col("lower") + 1e-9) | (pl.col("upper_bound") < pl.col("upper") - 1e-9)
    )
    assert wrong.is_empty(), wrong
    kl = (
        models.filter(metric="kl", of="S||q", view="response", prompt_law="S(x)", phase="sft")
        .tail(1)
        .row(0, named=True)
    )
    assert kl["lower_bound"] == 0.0
    assert kl["upper"] + 1e-3 < kl["upper_bound"] < kl["upper"] + 3.0  # a bound, and not an empty one


def test_intervals_hold_where_documents_are_drawn(tmp_path: Path) -> None:
    world = export_drawn(built(config(1000, 7), "drawn", "drawn"), tmp_path / "world", 5000, 1000)
    check(scored(world, tmp_path))
    tables = {}
    for column, tokenizer in (("all", "own"), ("canonical", "other")):
        after, before = (tmp_path / f"{name}_{column}.npz" for name in ("after", "before"))
        judged = sim.estimate_model(after, world, before=before, worst=60.0, tokenizer=tokenizer, outputs=tmp_path)
        tables[column] = judged.table().filter(~pl.col("model").is_in(["P", "S"]), pl.col("against") == "")
    keys = ["model", "step", "metric", "per"]
    both = tables["all"].join(tables["canonical"], on=keys, suffix="_bound")
    assert both.height == tables["all"].height > 20
    for row in both.iter_rows(named=True):
        assert row["lower_bound"] - 1e-9 <= row["value"] <= row["upper_bound"] + 1e-9, row
    fit = both.filter(model="after", metric="fit", per="document").row(0, named=True)
    assert fit["value"] + 1e-3 < fit["value_bound"]
