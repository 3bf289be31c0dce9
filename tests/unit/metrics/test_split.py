"""What is off behind the first token that S never takes: against a sum over strings; the trie table keeps it."""

from pathlib import Path

import numpy as np
import pytest

from sim.disk.records import Record, read
from sim.metrics.frames import metrics_table
from sim.metrics.scene import World
from sim.metrics.split import behind, lost
from sim.running.build import settings
from sim.running.identity import target
from sim.running.work import perform
from tests.composed import ROOT, compose
from tests.unit.figures.tiny_runs import run

TABLE = (
    "grammar=styles_content", "grammar.num_prompts=2", "grammar.answer_length=3", "grammar.num_symbols=4",
    "grammar.num_styles=2", "restriction=style_z0", "scale=smoke", "optimizer=sgd", "optimizer.learning_rate=1.0",
    "finetune.controls=[]", "model=tabular_trie", "pretrain.num_steps=300", "pretrain.optimizer.learning_rate=0.05",
    "pretrain.prefixes=all",
)  # fmt: skip
"""Styles that no token shows: several gates close at different speeds."""


@pytest.fixture(scope="module")
def transformer() -> Record:
    """A fine-tuned transformer, which shares parameters between what S takes and what it leaves out."""
    return read(ROOT / "tests" / "archive" / "fe3430a4d566")


def by_strings(record: Record, index: int) -> float:
    """Sum over lost answers of P(y | x, B) log(P / q) of what follows the first token that S never takes."""
    world = World(record, "response")
    p, q, trie = world.p, world.scored("sft", index), record.p.trie
    visited = world.s.node_log_mass > -np.inf
    total = mass = 0.0
    for row in np.flatnonzero((p.log_q > -np.inf) & ~record.restricted.event):
        edges = trie.edge[row][trie.edge[row] >= 0]
        after = [e for e in edges if p.node_group[trie.edge_node[e]] >= 0 and not visited[trie.edge_node[e]]]
        weight = np.exp(p.log_q[row] + world.p_law[p.group[row]])
        total += weight * (p.edge_log_q[after] - q.edge_log_q[after]).sum()
        mass += weight
    return total / mass


def test_it_is_the_sum_over_lost_strings(transformer):
    world = World(transformer, "response")
    found = [behind(world, world.scored("sft", index)) for index in (0, -1)]
    assert found == pytest.approx([by_strings(transformer, 0), by_strings(transformer, -1)], rel=1e-9)
    assert found[0] != pytest.approx(found[1], rel=1e-6)


def test_the_table_of_numbers_has_it_at_every_evaluation(transformer):
    found = metrics_table(transformer, ["behind"], ["response"], ["sft"])
    assert found["step"].to_list() == transformer.phases["sft"].steps.tolist()
    assert found["lower"].to_list() == pytest.approx([by_strings(transformer, at) for at in range(found.height)])
    assert set(found["prompt_law"]) == {"P(x)"}


def test_the_trie_table_keeps_what_is_behind_even_where_its_erasure_moves(tmp_path: Path):
    """The erasure counts by how much the gates of several tokens differ, which this number does not."""
    point = settings(compose(f"outputs={tmp_path}", *TABLE))
    assert [one.state for one in perform([point])] == ["finished"]
    found = metrics_table(read(target(point)), ["behind", "erasure", "event_mass"], ["response"], ["sft"])
    path = {name: rows["lower"] for (name,), rows in found.group_by("metric")}
    assert path["behind"].n_unique() == 1
    assert path["erasure"].n_unique() > 1
    mass = found.filter(of="q(B)").sort("step")["lower"]
    assert mass[-1] < mass[0]


def test_where_nothing_is_left_out_nothing_is_behind_and_nothing_to_learn_again():
    record = run(single=True)
    world = World(record, "response")
    assert not lost(world).any()
    assert behind(world, world.scored("sft", -1)) == 0.0
    none = metrics_table(record, ["kl_lost"])
    assert none.height == 0
    assert none.schema == metrics_table(record, ["kl"]).schema
