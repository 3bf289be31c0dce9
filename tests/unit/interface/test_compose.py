"""The composition of conf/ without Hydra, against Hydra's own."""

import itertools
from pathlib import Path

import pytest

from sim.config import GROUPS
from sim.interface.compose import _load, changed, composed
from sim.numerics import SpecificationError
from tests.composed import compose, options

CASES = [{group: option} for group in (*GROUPS, "scale", "experiment") for option in options(group)]
PAIRS = [
    pytest.param({"experiment": experiment, "scale": scale, "optimizer": "sgd"}, marks=marks)
    for experiment, (scale, marks) in itertools.product(
        options("experiment"), (("smoke", ()), ("paper", pytest.mark.slow))
    )
]
"""A scale in an experiment, over which it has the last word. Every scale alone is among the cases above."""


@pytest.mark.parametrize("choice", [{}, *CASES, *PAIRS], ids=lambda choice: " ".join(map("=".join, choice.items())))
def test_it_is_what_hydra_composes(choice: dict[str, str]) -> None:
    assert composed(choice, {}) == compose(*(f"{group}={option}" for group, option in choice.items()))


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "option.yaml"
    for value in (1, 2):
        file.write_text(f"rate: {value}\n", encoding="utf-8")
        assert _load(file) == {"rate": value}


def test_options_at_another_place() -> None:
    mine = composed({"optimizer@pretrain.optimizer": "sgd"}, {})
    assert mine == compose("optimizer@pretrain.optimizer=sgd")
    assert mine["pretrain"]["optimizer"]["kind"] == "sgd"


def test_a_mapping_changes_what_it_names() -> None:
    changes = {"optimizer": {"learning_rate": 0.5}, "pretrain": {"optimizer": {"warmup": 3}}, "seed": 7}
    words = ("optimizer.learning_rate=0.5", "pretrain.optimizer.warmup=3", "seed=7")
    assert composed({"experiment": "demo"}, changes) == compose("experiment=demo", *words)


def test_a_mapping_with_a_kind_is_the_whole_node() -> None:
    node = {"kind": "fraction", "share": 0.5}
    assert composed({}, {"restriction": node})["restriction"] == node
    inner = {"optimizer": {"kind": "sgd", "learning_rate": 1.0}}
    assert composed({}, {"pretrain": inner})["pretrain"]["optimizer"] == inner["optimizer"]


def test_interpolations_see_what_was_changed() -> None:
    assert composed({"experiment": "c2_support"}, {"seed": 3})["grammar"]["seed"] == 3


def test_a_configuration_that_is_changed_keeps_the_rest() -> None:
    whole = composed({"experiment": "demo"}, {})
    found = changed(whole, {"restriction": "fraction"}, {"finetune": {"num_steps": 5}})
    assert found["restriction"] == compose("restriction=fraction")["restriction"]
    assert found["finetune"] == whole["finetune"] | {"num_steps": 5}
    same = set(whole) - {"restriction", "finetune"}
    assert {key: found[key] for key in same} == {key: whole[key] for key in same}


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"grammar": "englsh"},
            r"^grammar: one of .*dyck, .* is required, found 'englsh' \(did you mean 'engl",
        ),
        ({"experiment": "dem"}, r"^experiment: one of .* is required, found 'dem' \(did you mean 'demo'\?\)$"),
        ({"optimizer@pretrain.optimizer": "x"}, "^optimizer: one of adam, .* is required, found 'x'$"),
    ],
)
def test_an_option_that_does_not_exist_is_named(choice: dict[str, str], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        composed(choice, {})
