"""How a batch is divided: parts of about the wanted size, in groups that devices can share evenly."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from sim.languages.device import put
from sim.objectives._context import Batch
from sim.training.parts import MOST_GROUPS, Pieces, Team, _grouped, num_groups

ROOT = Path(__file__).resolve().parents[3]

VALUES = jnp.arange(3.0, 10.0)

grouped = jax.jit(_grouped, static_argnums=1)

ON_DEVICES = """
import hashlib
import jax
import numpy as np
from sim.grammars.english import english
from sim.languages.device import on_device
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training.job import Job, Phase
from sim.training.sweep import Training, train_many
from sim.training.trie_logits import trie_plan

world = english(num_prompts=1)
data, model = on_device(world), transformer(world.trie, width=32, depth=2, heads=2)
phase = Phase(data, data, None, Sft("exact"), Adam(1e-2), 20.0, True, 160)
ones = [
    Training(
        Job(jax.random.key(k), jax.jit(model.init)(jax.random.key(k)), phase, model),
        world.trie, trie_plan(world.trie), [0, 7, 20],
    )
    for k in range(4)
]
train_many(ones[:3])  # the third one, or all three, by all devices together
train_many(ones[3:])
for one in ones:
    found = [*one.trained.losses, *(array for look in one.trained.evaluations for array in look.values())]
    print(hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in found)).hexdigest())
"""


@pytest.mark.parametrize("num_parts", [1, 2, 3, 5, 7, 12, 21])
def test_groups_are_a_power_of_two_and_parts_are_close_to_the_wanted_number(num_parts):
    number = num_groups(num_parts)
    assert number in {1, 2, 4, MOST_GROUPS}
    assert number <= num_parts < 2 * number or number == MOST_GROUPS
    strings = 3 * num_parts + 1
    tokens = np.arange(1, 2 * strings + 1, dtype=np.int32).reshape(strings, 2)
    weight = np.arange(1.0, strings + 1.0, dtype=np.float32)
    divided, weights = map(np.asarray, grouped(Batch(put(tokens), put(weight)), num_parts))
    assert divided.shape[0] == number
    assert 2 / 3 * num_parts <= number * divided.shape[1] <= 4 / 3 * num_parts
    flat = weights.ravel()
    assert np.array_equal(flat[:strings], weight), "every string is in one part"
    assert not flat[strings:].any(), "what fills up the last parts has no weight"
    assert np.array_equal(divided.reshape(-1, 2)[:strings], tokens)


@pytest.mark.parametrize("used", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("together", [True, False])
def test_two_devices_that_work_together_have_all_rows_that_are_used(used, together):
    """Of seven pieces only the first are computed; the devices share these evenly, and the rows come back in order."""
    mesh = jax.make_mesh((2,), ("e",), axis_types=(AxisType.Auto,))

    def squares(number, used, together):
        pieces = Pieces(7, Team("e", 2, together, number[0]), used)
        return pieces.gather(pieces.map(lambda value: {"a": value**2, "b": jnp.stack([value, -value])}, VALUES))

    specs = PartitionSpec("e"), PartitionSpec(), PartitionSpec()
    shared = jax.shard_map(squares, mesh=mesh, in_specs=specs, out_specs=PartitionSpec("e"), check_vma=False)
    found = jax.jit(shared)(jnp.arange(2), jnp.int32(used), jnp.array(together))
    for device in range(2):
        rows = slice(7 * device, 7 * device + used)
        assert np.array_equal(found["a"][rows], VALUES[:used] ** 2)
        assert np.array_equal(found["b"][rows], np.stack([VALUES[:used], -VALUES[:used]], axis=1))


@pytest.mark.slow
def test_any_number_of_devices_gives_the_same_bits():
    """Processes with one to five virtual devices, with programs as users compile them.

    All have five threads, as on a machine with five cores. XLA compiles otherwise for another number of threads.
    """
    found = set()
    for devices in range(1, 6):
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": str(devices), "PJRT_NPROC": "5"}
        environment.pop("XLA_FLAGS", None)
        asked = [sys.executable, "-c", ON_DEVICES]
        done = subprocess.run(asked, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        assert len(set(done.stdout.split())) == 4, "four trainings that differ"
        found.add(done.stdout)
    assert len(found) == 1
