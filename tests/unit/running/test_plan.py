"""What is worked on together: hints against exact structures, and shares of about equal work."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.running import plan
from sim.running.build import build, settings
from sim.running.identity import pretraining_key
from sim.training.simulation import signature
from tests.composed import ROOT, compose

WORLD = ("scale=smoke", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=everything",
         "model=tabular_trie", "finetune.controls=[]")  # fmt: skip

TRACED = ["seed=7", "pretrain.num_steps=30", "finetune.num_steps=30", "pretrain.num_evals=3", "finetune.spacing=linear",
          "pretrain.limit=1", "finetune.loss_on=document", "optimizer.learning_rate=0.5", "optimizer.warmup=3",
          "optimizer.b1=0.5", "pretrain.optimizer.weight_decay=0.5", "name=another", "outputs=elsewhere"]  # fmt: skip
"""Changes after which points still run in one program."""

STRUCTURAL = ["pretrain.batch_size=16", "finetune.batch_size=16", "finetune.kl_every_step=false",
              "finetune.prefixes=all", "model=tabular_strings", "objective=replay", "optimizer=sgd",
              "optimizer@pretrain.optimizer=sgd", "objective.targets=sampled",
              "grammar.path=ROOT/examples/grammars/markov.yaml grammar.length=4",
              "restriction=regular restriction.pattern='.* please'"]  # fmt: skip
"""Changes after which they do not, or need not."""


def chosen(*overrides: str) -> dict[str, Any]:
    words = (word for override in overrides for word in override.replace("ROOT", str(ROOT)).split(" ", 1))
    return settings(compose(*WORLD, *words))


@pytest.mark.parametrize("change", TRACED)
def test_what_is_traced_keeps_points_together(change: str) -> None:
    one, other = chosen(), chosen(change)
    assert one != other
    assert signature(build(one)[0]) == signature(build(other)[0])
    assert plan.hint(one) == plan.hint(other)


@pytest.mark.parametrize("change", STRUCTURAL)
def test_what_decides_the_structure_keeps_them_apart(change: str) -> None:
    assert plan.hint(chosen()) != plan.hint(chosen(change))


def test_equal_hints_mean_equal_structures() -> None:
    points = [chosen(change) for change in (*TRACED, *STRUCTURAL)]
    for group in plan.groups(points):
        assert len({signature(build(points[index])[0]) for index in group}) == 1


def test_equal_pretrainings_are_neighbours() -> None:
    points = [chosen(f"seed={seed}", f"optimizer.learning_rate={rate}") for rate in (0.1, 0.2) for seed in (0, 1, 2)]
    (group,) = plan.groups(points)
    keys = [pretraining_key(points[index]) for index in group]
    assert len(set(keys)) == 3
    assert keys == sorted(keys)


# -- shares -----------------------------------------------------------------------------------------------------------

BASE = chosen()


def point(kind: str, num_steps: int, seed: int) -> dict[str, Any]:
    made = copy.deepcopy(BASE) | {"seed": seed, "model": {"kind": kind}}
    made["pretrain"]["num_steps"] = made["finetune"]["num_steps"] = num_steps
    return made


points = st.builds(point, st.sampled_from("ab"), st.integers(1, 100), st.integers(0, 3))


@given(st.lists(points, max_size=30), st.integers(1, 8))
def test_shares_divide_the_work(points: list[dict[str, Any]], workers: int) -> None:
    shares = plan.shares(points, workers)
    assert sorted(index for share in shares for index in share) == list(range(len(points))), "each point once"
    assert len(shares) <= workers
    assert all(shares)
    costs = [plan.cost(one) for one in points]
    loads = [sum(costs[index] for index in share) for share in shares]
    assert max(loads, default=0.0) <= 2 * sum(costs) / workers + max(costs, default=0.0), "about equal"


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 6, 9])
def test_equal_points_are_divided_equally(workers: int) -> None:
    sizes = [len(share) for share in plan.shares([point("a", 10, seed) for seed in range(6)], workers)]
    assert len(sizes) == min(workers, 6)
    assert max(sizes) - min(sizes) <= 1


def test_a_group_is_not_cut_without_need() -> None:
    mixed = [point(kind, 10, seed) for seed in range(6) for kind in "ab"]
    for share in plan.shares(mixed, 2):
        assert len({plan.hint(mixed[index]) for index in share}) == 1, "one worker for each group"


def test_one_worker_does_group_after_group() -> None:
    mixed = [point(kind, 10, seed) for seed in range(3) for kind in "ab"]
    (share,) = plan.shares(mixed, 1)
    kinds = "".join(mixed[index]["model"]["kind"] for index in share)
    assert kinds in ("aaabbb", "bbbaaa")


def test_cost_counts_strings() -> None:
    assert plan.cost(point("a", 10, 0)) == 10 * BASE["pretrain"]["batch_size"] + 10 * BASE["finetune"]["batch_size"]
    with_control = chosen("finetune.controls=[identity]")
    assert plan.cost(with_control) - plan.cost(BASE) == 20 * BASE["finetune"]["batch_size"]


def test_numbers_are_told_from_switches() -> None:
    def variants() -> Iterator[dict[str, Any]]:
        for model in ({"a": True}, {"a": False}, {"a": 1}, {"a": 2}, {"a": 1.5}, {"a": [1]}, {"a": (2,)}):
            yield copy.deepcopy(BASE) | {"model": {"kind": "x", **model}}

    assert len({plan.hint(one) for one in variants()}) == 7, "floats alone are traced in a model"
    rates = [copy.deepcopy(BASE) | {"optimizer": {"kind": "x", "a": a}} for a in (1, 2, 2.5, True, "b")]
    assert len({plan.hint(one) for one in rates}) == 3


@pytest.mark.parametrize(("objective", "is_shared"), [("sft", True), ("policy_gradient", False), ("dpo", False)])
def test_an_event_is_not_shared_with_controls_that_have_another_reward(objective: str, is_shared: bool) -> None:
    for controls, expected in (("[identity]", is_shared), ("[]", True)):
        chosen = settings(compose(*WORLD, f"objective={objective}", f"finetune.controls={controls}"))
        assert ("event" in plan.common_parts([chosen, chosen])) == expected
