"""The notebooks are executed: `start` in every test run, with a small run; the lessons as they stand in the slow tests.

`make notebooks` executes all of them in a kernel, as a reader does, and `make slow` the pairs, which needs no kernel.
"""

import functools
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import sim
from sim.interface.result import Result
from sim.lessons import check, published
from tests.unit.lessons.worlds import LESSONS, NOTEBOOKS


def executed(lesson: str) -> dict[str, Any]:
    """The names that a notebook defines."""
    return runpy.run_path(str(NOTEBOOKS / f"{lesson}.py"))


def test_the_start_in_a_small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = sim.simulate
    small = {"model": "tabular_trie", "scale": "smoke", "grammar": {"kind": "english", "num_prompts": 1}}
    smaller = {"pretrain": {"num_steps": 4}, "finetune": {"num_steps": 4, "num_evals": 2}}

    @functools.wraps(real)
    def simulate(**given: Any) -> Result:
        return real(**{**given, **small, **smaller, "outputs": tmp_path})

    monkeypatch.setattr(sim, "simulate", simulate, raising=False)
    names = executed("start")
    assert isinstance(names["result"], Result)
    assert names["other"].record.config["restriction"]["keep"] == "pirate"
    assert names["figure"]._repr_png_().startswith(b"\x89PNG")


# What a reader writes in place of `...`, with the names of the notebook and as its hints say.
def _change(names: dict[str, Any]) -> float:
    ends = [names["path"](names["result"], "entropy", law, phase="truth")["lower"][0] for law in ("S", "P")]
    return ends[0] - ends[1]


def _rises(names: dict[str, Any]) -> float:
    found = names["subsets"].filter(law="Zipf 2")
    return float(found["rises"].sum() / found["draws"].sum())


def _prior(names: dict[str, Any]) -> float:
    found = names["path"](names["result"], "style_weight", "P", names["held_out"], "truth", "z0")
    return float(found["lower"][0])


def _slope(names: dict[str, Any]) -> float:
    late = names["mass"].filter(pl.col("step") >= 100)
    return float(np.log(late["lower"][-1] / late["lower"][0]) / np.log(late["step"][-1] / late["step"][0]))


def _share_kept(names: dict[str, Any]) -> float:
    few = names["results"]["4 answers"]
    ends = [names["path"](few, "entropy", law, "S(x)", "truth")["lower"][0] for law in ("S", "P")]
    return ends[0] / ends[1]


def _stable_rank(names: dict[str, Any], phase: str) -> float:
    values = names["singular_values"](phase, "head.kernel")
    return float((values**2).sum() / values[0] ** 2)


def _hot(names: dict[str, Any]) -> float:
    powers = names["tokens"] ** (1 / 3)
    return float(powers[1:4].sum() / powers.sum())


READER: dict[str, Callable[[dict[str, Any]], Any]] = {
    "start.1": lambda names: np.exp(names["path"](names["other"], "entropy", "S", "S(x)", "truth")["lower"][0]),
    "start.2": lambda names: names["path"](names["result"], "gate", "A")["lower"][-1]
    / names["path"](names["result"], "kl", "P||q")["lower"][-1],
    "c1.2": _change,
    "c1.4": _rises,
    "c2.2": _slope,
    "c2.5": lambda names: np.exp(-names["kept"].filter(part="erasing_adam")["erased"].mean()),
    "c3.4": _share_kept,
    "c4.1": lambda names: names["off_path"](0.01, 0.0, 100)[-1],
    "c4.4": _prior,
    "c5.2": lambda names: _stable_rank(names, "sft"),
    "c5.3": lambda names: 1 / _stable_rank(names, "identity"),
    "c6.2": _hot,
    "c6.3": lambda names: names["masses"]("finetuned", 2.0)[1],
    "c6.4": lambda names: names["best"].filter(part="temperature_plain", model="tuned")["most_lost"].mean(),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_as_it_stands(lesson: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is valid, and a reader who follows the hints in it gets the right answers."""
    monkeypatch.chdir(tmp_path)
    names = executed(lesson)
    assert "- VALID: " in repr(names["result"])
    prefix = lesson.partition("_")[0]
    for exercise, solve in READER.items():
        if exercise.partition(".")[0] == prefix:
            few = {"c3.4": lambda: names["results"]["4 answers"], "start.1": lambda: names["other"]}
            about = few.get(exercise, lambda: names["result"])()
            assert check(exercise, solve(names), about), exercise
    assert os.listdir(tmp_path) == ["outputs"]


def test_a_published_number_is_asked_for_with_what_the_lesson_shows() -> None:
    """The lesson C2 shows the means of E, so the exercise is about exp(−E)."""
    mean = published("c2_support")["kept"].filter(part="erasing_adam")["erased"].mean()
    assert not check("c2.5", mean)
    assert check("c2.5", np.exp(-mean))
