"""What is left of an evaluation with `record: laws`: numbers of strings, and no rows for numbers of prefixes."""

import dataclasses

import numpy as np
import pytest

from sim.disk.records import PhaseRecord, Record
from sim.disk.stacking import stacked, unstacked
from sim.metrics.law_record import law_record
from sim.metrics.nodes import UnrecordedError
from sim.metrics.scene import World
from sim.metrics.scored import VIEWS, TrieView
from sim.metrics.table import residuals, rows
from tests.unit.metrics.small_worlds import make_world
from tests.unit.recorded_worlds import recorded, twins

TWINS = twins(3)
ALL = recorded(*TWINS, *TWINS, TWINS[0])


def reduced(record: Record) -> Record:
    """The same record as a run with `record: laws` would have it."""
    views = {view: TrieView.of(record.p.trie, record.p.prompts, view) for view in VIEWS}
    phases = {}
    for name, phase in record.phases.items():
        last = len(phase.steps) - 1
        each = [phase.at(index) for index in range(last + 1)]
        kept = [one if at in (0, last) else law_record(views, record.p.prompts, one) for at, one in enumerate(each)]
        phases[name] = PhaseRecord(phase.steps, phase.losses, stacked(kept))
    return dataclasses.replace(record, phases=phases)


def test_numbers_of_strings_are_the_same_and_those_of_prefixes_have_no_rows() -> None:
    def known(record: Record) -> dict[tuple[object, ...], tuple[float, float]]:
        tags = ("phase", "step", "view", "metric", "of", "at", "prompt_law")
        return {tuple(row[tag] for tag in tags): (row["lower"], row["upper"]) for row in rows(record)}

    whole, few = known(ALL), known(reduced(ALL))
    assert set(few) < set(whole)
    for key, ends in few.items():
        assert ends == pytest.approx(whole[key], rel=1e-12, abs=1e-12), key
    missing = {(key[1], key[3]) for key in set(whole) - set(few)}
    between = set(ALL.phases["sft"].steps[1:-1].tolist())
    assert {step for step, _ in missing} == between, "the first and the last evaluation have everything"
    steps = {"hazard", "own_hazard", "hazard_shift", "steps_off", "tokens_off", "step_variation"}
    assert {metric for _, metric in missing} == {"behind", "epsilon_support", "greedy_accuracy"} | steps, (
        "others at prefixes have only ends anyway"
    )
    kept = {key[3] for key in few if key[1] in between}
    assert {"kl", "entropy", "gate", "erasure"} <= kept
    assert residuals(reduced(ALL)) == residuals(ALL)


def test_what_was_not_recorded_is_not_invented() -> None:
    between = World(reduced(ALL), "response").scored("sft", 1)
    for name in ("edge_log_q", "leak", "node_log_mass", "next_max"):
        with pytest.raises(UnrecordedError, match=name):
            getattr(between, name)
    with pytest.raises(AttributeError):
        between.edge_log_p  # noqa: B018


def test_a_prompt_that_the_model_excludes_has_no_mass_and_keeps_its_answers() -> None:
    world = make_world(3)
    prompts, trie = world.groups, world.trie
    arrays = ALL.phases["sft"].at(0)
    first = trie.edge_node == 0
    arrays["edge_log_q"] = np.where(first & (trie.edge_token == trie.strings[0, 0]), -np.inf, arrays["edge_log_q"])
    views = {view: TrieView.of(trie, prompts, view) for view in VIEWS}
    found = law_record(views, prompts, arrays)
    lost = found["law_log_prompt"] == -np.inf
    assert 0 < lost.sum() < prompts.num_groups
    assert np.array_equal(found["law_log_q"], views["response"].score(arrays).log_q)
    joint = found["law_log_prompt"][prompts.group] + found["law_log_q"]
    np.testing.assert_allclose(joint, views["joint"].score(arrays).log_q, rtol=1e-13)


@pytest.mark.parametrize("total", [1, 2, 3, 5])
def test_evaluations_are_stacked_and_come_back(total: int) -> None:
    """Also a training that was interrupted: then the last evaluation is one of those between."""
    for done in range(1, total + 1):
        each = [
            {"law_a": np.ones(2) * at, "probe": np.ones(1) * at}
            if 0 < at < total - 1
            else {"node": np.ones(3) * at, "probe": np.ones(1) * at}
            for at in range(done)
        ]
        back = unstacked(stacked(each), done)
        assert [set(one) for one in back] == [set(one) for one in each]
        assert all(np.array_equal(a[name], b[name]) for a, b in zip(back, each, strict=True) for name in b)
