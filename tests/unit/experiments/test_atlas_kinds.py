"""Kinds and names of the methods of the atlas, from what objectives predict; a stranger's method needs no edit."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml

from experiments.atlas import kinds
from sim.config import canonical, conf_folder
from sim.disk.records import Record
from sim.numerics import SpecificationError
from tests.unit import imitated_atlas
from tests.unit.imitated import made

KINDS = {
    "cross-entropy": ["sft"],
    "reward": ["dpo", "policy_gradient", "rejection"],
    "start": ["replay", "self_replay", "forward_kl_to_start", "forward_kl_to_start_token", "reverse_kl_to_start",
              "annotation"],
    "flatter": ["gem", "label_smoothing", "coverage", "focal"],
    "sharper": ["dft", "mixce"],
    "same": ["jensen_shannon", "reverse_kl", "mixed_kl"],
}  # fmt: skip
"""What the literature says of each objective at its default strength."""


@pytest.fixture(scope="module")
def record() -> Record:
    return made("x", 1, imitated_atlas.GRAMMAR, imitated_atlas.STYLE)


def trained(record: Record, objective: Mapping[str, Any], **tuning: Any) -> Record:
    config = {**record.config, "objective": objective, "finetune": {**record.config["finetune"], **tuning}}
    facts = {name: fact for name, fact in record.facts.items() if name != "optimum"}  # so it is predicted anew
    return dataclasses.replace(record, config=config, facts=facts)


@pytest.mark.parametrize(("family", "name"), [(family, name) for family, names in KINDS.items() for name in names])
def test_the_kind_of_an_objective_follows_from_its_optimum(record, family, name):
    node = yaml.safe_load((conf_folder() / "objective" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert kinds.kind_of(trained(record, canonical("objective", node, "objective")))[0] == family


def test_edits_and_adapters_are_of_weights_whatever_the_objective(record):
    for tuning in ({"edits": [{"kind": "interpolate", "weight": 0.5}]}, {"adapter": {"rank": 1, "matrices": "all"}}):
        assert kinds.kind_of(trained(record, {"kind": "gem"}, **tuning)) == ("weights", 0.0)


def test_what_nobody_knows_is_another_kind(record):
    assert kinds.kind_of(trained(record, {"kind": "a_package_that_is_gone"})) == ("other", 0.0)
    assert kinds.kind_of(trained(record, {"kind": "gem", "h": "log_sigmoid"})) == ("other", 0.0)


def test_an_objective_without_an_optimum_may_state_its_kind(record, monkeypatch):
    module = sys.modules["sim.objectives.gem"]
    monkeypatch.setattr(module, "FAMILY", "flatter", raising=False)
    assert kinds.kind_of(trained(record, {"kind": "gem", "h": "log_sigmoid"}))[0] == "flatter"
    monkeypatch.setattr(module, "FAMILY", "flat", raising=False)
    with pytest.raises(SpecificationError, match=r"FAMILY: one of cross-entropy, .* is required, found 'flat'"):
        kinds.kind_of(trained(record, {"kind": "gem", "h": "log_sigmoid"}))


def test_names_are_spelled_as_in_the_file_of_the_method_and_in_labels():
    found = {
        method: kinds.words(method, {"objective": objective, **config})
        for method, objective, config in (
            ("gem_log_sigmoid", {"kind": "gem", "h": "log_sigmoid"}, {}),
            ("sft_sampled", {"kind": "sft", "targets": "sampled"}, {}),
            ("self_replay", {"kind": "self_replay"}, {}),
            ("forward_kl_to_start", {"kind": "forward_kl_to_start"}, {}),
            ("sgd", {"kind": "sft"}, {"optimizer": {"kind": "sgd"}}),
            (
                "wise_ft",
                {"kind": "sft"},
                {"finetune": {"edits": [{"kind": "interpolate", "weight": 0.5, "of": "sft"}]}},
            ),
            ("lora", {"kind": "sft"}, {"finetune": {"edits": None}}),
            ("my_own_idea", {"kind": "a_package_that_is_gone"}, {}),
        )
    }
    assert list(found.values()) == [
        "GEM log-sigmoid", "SFT sampled", "self-replay", "forward KL to start", "SGD", "WiSE-FT", "LoRA", "my own idea",
    ]  # fmt: skip


def test_the_strength_that_moves_the_optimum_most_decides(record):
    """GEM with β near 1 is SFT nearly, so it is `same`; with less it is flatter."""
    nodes = {f"{beta}": {"kind": "gem", "beta": beta} for beta in (0.99, 0.5)}
    study = SimpleNamespace(record=lambda run: trained(record, nodes[run]))
    runs = pl.DataFrame({"run": [*nodes, "0.5"], "method": ["gem", "gem", "bent"], "seed": [1, 1, 1]})
    assert kinds.kind_of(study.record("0.99"))[0] == "same"
    found = kinds.methods(study, runs)
    assert dict(found.select("method", "family").iter_rows()) == {"gem": "flatter", "bent": "flatter"}


def test_the_entropy_of_an_optimum_is_that_of_its_answers(record):
    """By hand: the sum over prompts of their probability times the entropy of their answers."""
    laws = kinds.laws_of(trained(record, {"kind": "sft"}))
    p, by_hand = np.exp(laws.log_s), 0.0
    for prompt in np.unique(laws.prompt):
        own = p[laws.prompt == prompt]
        given = own[own > 0.0] / own.sum()
        by_hand -= own.sum() * float((given * np.log(given)).sum())
    assert kinds._entropy(laws, laws.log_s) == pytest.approx(by_hand, rel=1e-12)


def test_neither_the_kinds_nor_the_figures_list_methods():
    """What they say of methods in general must hold of a method of a package, too."""
    names = {file.stem for file in (conf_folder() / "method").glob("*.yaml")} - {"sft"}
    file = Path(kinds.__file__)
    for one in (file, *(file.parents[2] / "figures" / "atlas").glob("*.py")):
        source = one.read_text(encoding="utf-8")
        assert not [name for name in names if f'"{name}"' in source], one
