"""What is off behind the first token that S never takes: against a sum over strings; the trie table keeps it."""

from pathlib import Path

import numpy as np
import pytest
from experiments._paths import Splitter, split_paths

from sim.disk.records import Record, read
from sim.running.build import settings
from sim.running.identity import target
from sim.running.work import perform
from tests.composed import compose

WORLD = (
    "grammar=styles_content", "grammar.num_prompts=2", "grammar.answer_length=3", "grammar.num_symbols=4",
    "grammar.num_styles=2", "restriction=style_z0", "scale=smoke", "optimizer=sgd", "optimizer.learning_rate=1.0",
    "finetune.controls=[]",
)  # fmt: skip


def recorded(where: Path, *overrides: str) -> Record:
    point = settings(compose(f"outputs={where}", *WORLD, *overrides))
    assert [one.state for one in perform([point])] == ["finished"]
    return read(target(point))


def by_strings(record: Record, index: int) -> float:
    """Sum over lost answers of P(y | x, B) log(P / q) of what follows the first token that S never takes."""
    truths = Splitter.of(record).truths
    p, q, trie = truths.p, truths.scored("sft", index), record.p.trie
    visited = truths.s.node_log_mass > -np.inf
    total = mass = 0.0
    for row in np.flatnonzero((p.log_q > -np.inf) & ~record.restricted.event):
        edges = trie.edge[row][trie.edge[row] >= 0]
        behind = [e for e in edges if p.node_group[trie.edge_node[e]] >= 0 and not visited[trie.edge_node[e]]]
        weight = np.exp(p.log_q[row] + truths.p_law[p.group[row]])
        total += weight * (p.edge_log_q[behind] - q.edge_log_q[behind]).sum()
        mass += weight
    return total / mass


def test_it_is_the_sum_over_lost_strings(tmp_path):
    record = recorded(tmp_path, "model.width=8", "model.depth=1", "optimizer.learning_rate=0.1")
    splitter = Splitter.of(record)
    found = [splitter.behind(splitter.truths.scored("sft", index)) for index in (0, -1)]
    assert found == pytest.approx([by_strings(record, 0), by_strings(record, -1)], rel=1e-9)
    assert found[0] != pytest.approx(found[1], rel=1e-6)  # the transformer shares parameters


def test_the_trie_table_keeps_what_is_behind_even_where_its_erasure_moves(tmp_path):
    """Styles are latent: several gates close at different speeds, which the erasure of the identity counts."""
    learnt = ("pretrain.num_steps=300", "pretrain.optimizer.learning_rate=0.05", "pretrain.prefixes=all")
    path = split_paths(recorded(tmp_path, "model=tabular_trie", *learnt))
    assert path["behind"].n_unique() == 1
    assert path["lost"][-1] < path["lost"][0]
    assert path["erasure"].n_unique() > 1
