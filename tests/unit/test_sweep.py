"""Ensembles: the same numbers however they are mapped, one program for many jobs, and loud failure."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from hypothesis import given
from hypothesis import strategies as st

from sim.languages.device import on_device
from sim.models.tabular_strings import tabular_strings
from sim.models.transformer import transformer
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.probes.node_record import FIELDS
from sim.probes.trie_logits import trie_plan
from sim.sweep import default_mapping, evaluation_steps, structure, train_many
from sim.training import Job
from tests.unit.models.tiny_worlds import language, mask, training

P = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
S = P.condition(mask(P, lambda text: "c" not in text))[0]
PLAN = trie_plan(P.trie)
BASE = on_device(P)


FLAT, SHARED = tabular_strings(P.trie, scale=1.0), transformer(P.trie, width=8, depth=1, heads=2)
fresh = jax.jit(SHARED.init)


def job(key: int, rate: float = 1e-2, data: object = None, objective: object = None, model: object = FLAT) -> Job:
    return training(
        model,
        (fresh if model is SHARED else model.init)(jax.random.key(key)),
        BASE if data is None else data,
        BASE,
        objective=objective or Sft(),
        optimizer=Adam(learning_rate=rate),
        whole_support=False,
        key=key,
    )


def distance(one: object, other: object) -> float:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def three(tuned: object) -> list[Job]:
    """Jobs that differ in their keys, rates and data."""
    return [job(0, model=SHARED), job(1, 3e-2, model=SHARED), job(2, 1e-2, tuned, model=SHARED)]


@pytest.fixture(scope="module")
def alone() -> list:
    """Each of three different jobs, by itself."""
    tuned = on_device(S)
    jobs = three(tuned)
    return [train_many([one], P.trie, PLAN, [0, 5, 20])[0] for one in jobs]


def test_two_virtual_devices_are_there():
    assert jax.local_device_count() == 2
    assert default_mapping() == "shards"


@pytest.mark.parametrize("mapping", ["shards", "vmap", "loop"])
def test_however_mapped_the_numbers_are_those_of_each_job_alone(mapping, alone):
    """Three jobs, an odd number on two devices, with their own keys, rates and data."""
    tuned = on_device(S)
    jobs = three(tuned)
    together = train_many(jobs, P.trie, PLAN, [0, 5, 20], mapping=mapping)
    assert len(together) == 3
    for one, expected in zip(together, alone, strict=True):
        assert one.steps == expected.steps == [0, 5, 20]
        np.testing.assert_allclose(one.losses[1:], expected.losses[1:], rtol=1e-5)
        assert distance(one.params, expected.params) < 1e-5
        for record, other in zip(one.evaluations, expected.evaluations, strict=True):
            assert tuple(record) == FIELDS
            assert distance(record, other) < 1e-5
    assert distance(together[0].params, together[1].params) > 1e-2
    assert distance(together[0].params, together[2].params) > 1e-2


def test_the_same_jobs_give_the_same_bits():
    first, again = (train_many([job(0), job(1)], P.trie, PLAN, [0, 7]) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert distance(one.params, other.params) == 0
        assert all(distance(a, b) == 0 for a, b in zip(one.evaluations, other.evaluations, strict=True))


@struct.dataclass
class Counting:
    """SFT that counts how often it is traced."""

    traces: list = struct.field(pytree_node=False)

    def __call__(self, q, context, batch, key):
        self.traces.append(1)
        return Sft()(q, context, batch, key)


@pytest.mark.parametrize("mapping", ["shards", "vmap", "loop"])
def test_jobs_and_intervals_share_one_program(mapping):
    traces = Same()
    tuned = on_device(S)
    counting = Counting(traces)
    jobs = [
        training(
            FLAT,
            FLAT.init(jax.random.key(k)),
            data,
            BASE,
            objective=counting,
            optimizer=Sgd(learning_rate=rate),
            key=k,
        )
        for k, (data, rate) in enumerate([(BASE, 0.1), (tuned, 0.2), (BASE, 0.3)])
    ]
    trained = train_many(jobs, P.trie, PLAN, [0, 1, 3, 10, 40], mapping=mapping)
    assert len(traces) <= 2  # one compilation; the gradient of a mapped function may be traced a second time
    once = len(traces)
    assert len({one.losses[-1] for one in trained}) == 3
    traces.clear()
    train_many(jobs, P.trie, PLAN, [0, 1], mapping=mapping)
    assert len(traces) <= once  # intervals added none


class Same(list):
    """A list that is equal to itself only, so that it can be a static field."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def different() -> Iterator[Job]:
    one = job(0)
    yield one.replace(phase=one.phase.replace(batch_size=3))
    yield one.replace(phase=one.phase.replace(objective=Replay(weight=0.1)))
    yield one.replace(phase=one.phase.replace(loss_on="response"))
    yield one.replace(phase=one.phase.replace(event=jnp.ones(P.trie.num_strings, bool)))
    yield one.replace(init=jax.tree.map(lambda leaf: leaf[..., None], one.init))
    yield one.replace(model=tabular_strings(P.trie, scale=2.0))
    small = language({"a": 1, "b": 2})
    yield one.replace(phase=one.phase.replace(data=on_device(small)))


@pytest.mark.parametrize("number", range(7))
def test_jobs_of_different_structures_are_refused(number):
    other = list(different())[number]
    assert structure(other) != structure(job(1))
    with pytest.raises(ValueError, match="jobs: one structure is required, found 2"):
        train_many([job(0), other], P.trie, PLAN, [0, 1])


def test_numbers_and_data_are_no_part_of_the_structure():
    assert structure(job(0)) == structure(job(5, 0.7, on_device(S)))


def test_divergence_is_named_with_its_interval():
    model = tabular_strings(P.trie)
    wild = training(model, {"logits": jnp.asarray(P.log_p, jnp.float32)}, on_device(S), BASE)

    calm = train_many([wild], P.trie, PLAN, [0, 2, 4, 400])[0]
    threshold = 0.5 * (calm.losses[2] + calm.losses[3])  # crossed after step 2

    class Explode:
        def __call__(self, q, context, batch, key):
            value = Sft()(q, context, batch, key)
            return value * jnp.where(value < threshold, jnp.inf, 1.0)

    jax.tree_util.register_static(Explode)
    assert calm.losses[1] > calm.losses[2] > threshold
    exploding = wild.replace(phase=wild.phase.replace(objective=Explode()))
    seen = []
    with pytest.raises(FloatingPointError, match=r"between steps 2 and 400: .*lower the learning rate") as caught:
        train_many([exploding], P.trie, PLAN, [0, 2, 400], lambda step, trained: seen.append(step))
    assert "\n" not in str(caught.value)
    assert seen == [0, 2]


def test_the_observer_sees_every_evaluation_of_every_job():
    seen = []
    train_many(
        [job(0), job(1)], P.trie, PLAN, [0, 3, 9], lambda step, t: seen.append((step, [list(one.steps) for one in t]))
    )
    assert seen == [(0, [[0]] * 2), (3, [[0, 3]] * 2), (9, [[0, 3, 9]] * 2)]


def test_the_first_evaluation_may_come_later():
    one = train_many([job(0)], P.trie, PLAN, [4])[0]
    assert one.steps == [4]
    assert np.isfinite(one.losses).all()


@given(num_steps=st.integers(1, 5000), num_evals=st.integers(1, 60), spacing=st.sampled_from(["linear", "log"]))
def test_evaluation_steps(num_steps, num_evals, spacing):
    steps = evaluation_steps(num_steps, num_evals, spacing)
    assert steps[0] == 0
    assert steps[-1] == num_steps
    assert all(isinstance(step, int) for step in steps)
    assert steps == sorted(set(steps))
    assert len(steps) <= num_evals + 1
    if spacing == "linear" and num_evals <= num_steps:
        assert len(steps) == num_evals + 1
        gaps = np.diff(steps)
        assert gaps.max() - gaps.min() <= 1
    if spacing == "log" and num_evals > 1:
        assert steps[1] == 1
