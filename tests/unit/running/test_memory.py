"""How many runs fit: more memory, more runs; larger worlds, fewer; never none, and never more than a limit."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sim.running.memory
from sim.models.transformer import transformer
from sim.running.memory import MOST, available_bytes, computed_bytes, run_bytes, runs_at_once
from tests.unit.models.tiny_worlds import language
from tests.unit.training.test_simulation import a_run, recipe


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> object:
    def has(size: float) -> None:
        monkeypatch.setattr(sim.running.memory, "available_bytes", lambda: int(size))

    monkeypatch.setattr(sim.running.memory, "LOGITS_BYTES", 0)
    return has


def test_the_batch_is_what_half_of_the_memory_holds(memory):
    run = a_run()
    need = sum(run_bytes(run, "shards"))
    for room in (1, 2, 7, MOST["cpu"]):
        memory(2 * need * (room + 0.5))
        assert runs_at_once(run, "shards") == room
    memory(0)
    assert runs_at_once(run, "shards") == 1, "a run that does not fit is tried alone"
    memory(1e18)
    assert runs_at_once(run, "shards") == MOST["cpu"]


def test_what_is_recorded_is_counted(memory):
    """Twice the evaluations need twice the memory of the host, and the same of the device."""
    run = a_run(controls=())
    few = dataclasses.replace(run, pretrain=recipe(steps=[0, 40]), finetune=recipe(steps=[0, 40]))
    many = dataclasses.replace(run, pretrain=recipe(steps=[0, 1, 2, 40]), finetune=recipe(steps=[0, 1, 2, 40]))
    host, device = run_bytes(few, "shards")
    assert run_bytes(many, "shards") == (2 * host, device)
    record = 8 * 4 * (len(run.p.trie.edge_node) + 4 * run.p.trie.num_nodes)
    assert host == sim.running.memory.RECORDS * record


def test_a_control_needs_a_state_of_its_own():
    assert run_bytes(a_run(), "shards")[1] == 2 * run_bytes(a_run(controls=()), "shards")[1]


def test_activations_count_where_all_runs_are_computed_at_once():
    p = language({"ab": 2, "ba": 3, "": 1})
    run = dataclasses.replace(a_run(), p=p, model=transformer(p.trie, width=8, depth=1, heads=2))
    run = dataclasses.replace(run, restricted=dataclasses.replace(run.restricted, s=p, event=np.ones(3, bool)))
    wide = dataclasses.replace(run, finetune=recipe(batch_size=80))
    assert run_bytes(run, "shards") == run_bytes(wide, "shards")
    growth = run_bytes(wide, "vmap")[1] - run_bytes(run, "vmap")[1]
    assert growth > 2 * 72 * 3 * 8 * 4, "at least one array [batch, length, width] for each of the two fine-tunings"


def test_computed_bytes_add_up_all_arrays_of_a_program():
    @jax.jit
    def inner(x):
        return x + 1.0

    def program(x):
        y = inner(x)
        return jnp.sum(y * y)

    size = 100 * 4
    found = computed_bytes(jax.make_jaxpr(program)(jnp.zeros(100)))
    assert found == size + size + size + 4, "the inner sum, what the call gives back, the product, and the total"


def test_some_memory_is_available():
    assert 1e6 < available_bytes() < 1e16
