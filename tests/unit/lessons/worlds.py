"""Small runs of the notebooks' kinds, and what is shared by the tests of the lessons."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

import sim
from sim.interface.result import Result
from tests.composed import ROOT

NOTEBOOKS = ROOT / "notebooks"
LESSONS = sorted(file.stem for file in NOTEBOOKS.glob("*.py") if file.stem != "app")

SMALL: dict[str, Any] = {"scale": "smoke", "progress": False}
WORLD: dict[str, Any] = {
    "grammar": {
        "kind": "styles_content",
        "num_prompts": 2,
        "num_styles": 2,
        "num_symbols": 4,
        "answer_length": 2,
        "shown": 1.0,
    },
    "restriction": {"kind": "style", "keep": "z0", "keep_prompts": True},
    "model": "tabular_trie",
    "pretrain": {"prefixes": "all"},
    "finetune": {"prefixes": "all", "num_steps": 300, "num_evals": 4, "spacing": "linear"},
    "optimizer": {"kind": "sgd", "learning_rate": 4.0},
}
HALF: dict[str, Any] = {
    "kind": "in_turn",
    "steps": [{"kind": "fraction", "share": 0.5, "of": "prompts"}, {"kind": "style", "keep": "z0"}],
}
FEW: dict[str, Any] = {"kind": "answers", "num_answers": 2, "num_prompts": 1}


def table(outputs: Path) -> Result:
    """A table that is fine-tuned on one style by gradient descent; other fine-tunings of it compile nothing."""
    return sim.simulate(**WORLD, **SMALL, outputs=outputs)


def of_parameters(result: Result) -> Result:
    """The same with the parameters of a stand-in for a transformer: an output matrix before and after two trainings."""
    dice = np.random.default_rng(0)
    phases = ("pretrain", "sft", "identity")
    params = {name: {"head.kernel": dice.normal(size=(6, 9)).astype(np.float32)} for name in phases}
    return Result(dataclasses.replace(result.record, params=params), result.folder)
