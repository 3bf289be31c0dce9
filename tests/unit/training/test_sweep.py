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
from sim.metrics.scored import NODE_ARRAYS
from sim.models.tabular_strings import tabular_strings
from sim.models.transformer import transformer
from sim.objectives.replay import Replay
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.optimizers.sgd import Sgd
from sim.training.ensemble import default_mapping
from sim.training.job import Job, num_parts
from sim.training.sharing import structure
from sim.training.sweep import Training, evaluation_steps, train_many
from sim.training.trie_logits import trie_plan
from tests.unit.models.tiny_worlds import language, mask, together, training

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
    return [together([one], P.trie, [0, 5, 20])[0] for one in jobs]


def test_two_virtual_devices_are_there():
    assert jax.local_device_count() == 2
    assert default_mapping() == "shards"


@pytest.mark.parametrize("mapping", ["shards", "vmap", "loop"])
def test_however_mapped_the_numbers_are_those_of_each_job_alone(mapping, alone):
    """Three jobs, an odd number on two devices, with their own keys, rates and data."""
    tuned = on_device(S)
    jobs = three(tuned)
    found = together(jobs, P.trie, [0, 5, 20], mapping=mapping)
    assert len(found) == 3
    for one, expected in zip(found, alone, strict=True):
        assert one.steps == expected.steps == [0, 5, 20]
        np.testing.assert_allclose(one.losses[1:], expected.losses[1:], rtol=1e-5)
        assert distance(one.params, expected.params) < 1e-5
        for record, other in zip(one.evaluations, expected.evaluations, strict=True):
            assert tuple(record) == ("edge_log_q", *NODE_ARRAYS)
            assert distance(record, other) < 1e-5
    assert distance(found[0].params, found[1].params) > 1e-2
    assert distance(found[0].params, found[2].params) > 1e-2


def test_the_same_jobs_give_the_same_bits():
    first, again = (together([job(0), job(1)], P.trie, [0, 7]) for _ in range(2))
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
    trained = together(jobs, P.trie, [0, 1, 3, 10, 40], mapping=mapping)
    assert len(traces) <= 2  # one compilation; the gradient of a mapped function may be traced a second time
    once = len(traces)
    assert len({one.losses[-1] for one in trained}) == 3
    traces.clear()
    together(jobs, P.trie, [0, 1], mapping=mapping)
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
    yield one.replace(phase=one.phase.replace(event=jnp.ones(P.trie.num_strings, bool)))
    yield one.replace(init=jax.tree.map(lambda leaf: leaf[..., None], one.init))
    yield one.replace(model=tabular_strings(P.trie, scale=2.0))
    small = language({"a": 1, "b": 2})
    yield one.replace(phase=one.phase.replace(data=on_device(small)))


@pytest.mark.parametrize("number", range(6))
def test_jobs_of_different_structures_are_refused(number):
    other = list(different())[number]
    assert structure(other) != structure(job(1))
    with pytest.raises(ValueError, match="jobs: one structure is required, found 2"):
        together([job(0), other], P.trie, [0, 1])


def test_numbers_and_data_are_no_part_of_the_structure():
    assert structure(job(0)) == structure(job(5, 0.7, on_device(S)))


@struct.dataclass
class Exploding:
    """SFT whose loss is infinite from the first step on at which it would be below a threshold, a number of the job."""

    threshold: float

    def __call__(self, q, context, batch, key):
        value = Sft()(q, context, batch, key)
        return value * jnp.where(value < self.threshold, jnp.inf, 1.0)


@pytest.mark.parametrize("mapping", ["shards", "vmap", "loop"])
def test_a_training_that_diverges_stops_at_its_step_and_harms_no_other(mapping):
    model = tabular_strings(P.trie)
    wild = training(model, {"logits": jnp.asarray(P.log_p, jnp.float32)}, on_device(S), BASE)

    def with_threshold(value: float) -> Training:
        exploding = wild.replace(phase=wild.phase.replace(objective=Exploding(value)))
        return Training(exploding, P.trie, PLAN, [0, 2, 4, 400])

    calm = with_threshold(0.0)
    train_many([calm], mapping=mapping)
    losses = calm.trained.losses
    threshold = 0.5 * (losses[2] + losses[3])  # crossed after step 4
    bad, good = with_threshold(threshold), with_threshold(0.0)
    train_many([bad, good], mapping=mapping)
    assert good.failure is None
    assert distance(good.trained.evaluations, calm.trained.evaluations) < (1e-6 if mapping == "vmap" else 1e-300)
    assert bad.trained.steps == [0, 2, 4]
    assert 4 < bad.step < 400
    assert bad.failure == f"at step {bad.step} the loss is not finite: training diverged; lower the learning rate"
    assert distance(bad.trained.evaluations, calm.trained.evaluations[:3]) < (1e-6 if mapping == "vmap" else 1e-300)


def test_logits_that_are_not_finite_are_a_failure_too():
    """The loss of the last step is finite, what its update leaves is not."""
    one = Training(job(0, rate=np.inf), P.trie, PLAN, [0, 1, 5])
    other = Training(job(1), P.trie, PLAN, [0, 1, 5])
    train_many([one, other])
    assert one.failure == ("at step 1: the model's logits are not finite: training diverged; lower the learning rate")
    assert one.trained.steps == [0]
    assert other.trained.steps == [0, 1, 5]


def test_the_observer_hears_of_every_evaluation_of_every_job():
    seen = []
    trainings = [Training(job(k), P.trie, PLAN, steps) for k, steps in enumerate([[0, 3, 9], [0, 2]])]
    train_many(trainings, lambda state: seen.append([list(one.trained.steps) for one in trainings]))
    states = [one for one, before in zip(seen, [None, *seen], strict=False) if one != before]
    assert states == [[[0], [0]], [[0, 3], [0, 2]], [[0, 3, 9], [0, 2]]]


def test_what_the_observer_fetches_is_the_state_of_that_job():
    states = {}

    def fetch(state):
        states.update({int(state(index).step): state(index) for index in range(2)})

    trainings = [Training(job(k), P.trie, PLAN, steps) for k, steps in enumerate([[0, 3], [0, 20]])]
    train_many(trainings, fetch)
    for one, step in zip(trainings, (3, 20), strict=True):
        assert distance(states[step].params, one.trained.params) == 0


@pytest.mark.parametrize("model", [FLAT, SHARED], ids=["table", "transformer"])
def test_on_a_cpu_a_job_gives_the_same_bits_in_any_company(model):
    """Alone, with others before and behind it, padded, among jobs at other steps, and gone on with from the middle."""
    steps, tuned = [0, 5, 20], on_device(S)

    def one(key: int, data: object = None) -> Training:
        return Training(job(key, 1e-2 * (1 + key), data, model=model), P.trie, PLAN, steps)

    def trained_with(others: list[Training], at: int, **chosen: object) -> Training:
        mine = one(7)
        train_many([*others[:at], mine, *others[at:]], mapping="shards", **chosen)
        return mine

    alone = trained_with([], 0)
    halfway = one(3)
    halfway.steps = [0, 5]
    train_many([halfway])
    middle: list = []
    resumed = one(7)
    train_many([resumed], lambda state: middle.append((state(0), len(resumed.trained.steps))))
    state, recorded = next(found for found in middle if int(found[0].step) > 5)
    again = Training(resumed.job, P.trie, PLAN, steps, resumed.trained, state, int(state.step))
    resumed.trained.steps = resumed.trained.steps[:recorded]
    resumed.trained.losses = resumed.trained.losses[:recorded]
    resumed.trained.evaluations = resumed.trained.evaluations[:recorded]
    later = [one(1), one(2, tuned), Training(halfway.job, P.trie, PLAN, [0, 9])]
    company = [trained_with(later[:2], 1), trained_with([one(4)], 0, size=6), trained_with(later, 3)]
    train_many([one(5), again])
    for other in [*company, again]:
        assert other.trained.steps == steps
        assert other.trained.losses[1:] == alone.trained.losses[1:]
        assert distance(other.trained.evaluations, alone.trained.evaluations) == 0
        assert distance(other.trained.params, alone.trained.params) == 0


@pytest.mark.parametrize(("number", "devices"), [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)])
def test_on_a_cpu_the_bits_do_not_depend_on_the_number_of_devices(number, devices, divided, monkeypatch):
    """A batch in eight parts. With an odd number of jobs, two devices share the batches of the last one."""
    jobs, expected = divided
    monkeypatch.setattr(jax, "local_device_count", lambda: devices)
    found = together(jobs[-number:], P.trie, [0, 5, 20], mapping="shards")
    for one, other in zip(found, expected[-number:], strict=True):
        assert one.losses[1:] == other.losses[1:]
        assert distance(one.evaluations, other.evaluations) == 0
        assert distance(one.params, other.params) == 0


@pytest.fixture(scope="module")
def divided():
    """Jobs with batches in parts, and what each gives in a program without devices that work together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim.models.transformer.PART_ROWS", P.length)
        model = transformer(P.trie, width=12, depth=1, heads=2)  # no other test has a program of this shape
        begun = jax.jit(model.init)
        jobs = [
            training(model, begun(jax.random.key(k)), BASE, BASE, optimizer=Adam(0.01 * k), whole_support=False, key=k)
            for k in (1, 2, 3)
        ]
        assert num_parts(jobs[0]) == 8
        yield jobs, [together([one], P.trie, [0, 5, 20], mapping="loop")[0] for one in jobs]


@pytest.mark.parametrize("mapping", ["shards", "vmap", "loop"])
def test_batches_of_a_group_share_one_program(mapping):
    """Fewer jobs than rows, one world or several: with size and shared parts agreed upon nothing is compiled again."""
    traces, tuned = Same(), on_device(S)

    def batch(*data: object) -> list[Training]:
        jobs = [
            training(FLAT, FLAT.init(jax.random.key(k)), one, BASE, objective=Counting(traces), key=k)
            for k, one in enumerate(data)
        ]
        return [Training(one, P.trie, PLAN, [0, 2]) for one in jobs]

    shared = frozenset({"plan", "model", "base", "event"})
    train_many(batch(BASE, tuned, BASE, tuned), mapping=mapping, size=4, shared=shared)
    traces.clear()
    for part in (batch(tuned), batch(BASE, BASE), batch(BASE, tuned, BASE)):
        train_many(part, mapping=mapping, size=4, shared=shared)
    assert not traces


def test_the_first_evaluation_may_come_later():
    one = together([job(0)], P.trie, [4])[0]
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
