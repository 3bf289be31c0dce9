"""The population loss of a phase as a job, for probes that differentiate it."""

import hashlib
from collections.abc import Hashable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sim.optimizers.sgd import Sgd
from sim.training.job import Job
from sim.training.sharing import structure


def population(job: Job) -> Job:
    """Return a job with the loss on the whole support of S, on the strings of positive probability alone.

    The tables of S list all strings of P, and those of probability 0 would only cost time. Strings of weight 0 fill the
    list up to a power of two, so that similar worlds share a program. The result is for `loss_and_gradient`: no strings
    can be drawn from its data.
    """
    data = job.phase.data
    probability = np.asarray(data.probability)
    kept = np.flatnonzero(probability > 0.0)
    room = min(1 << (len(kept) - 1).bit_length(), len(probability))
    rows = np.pad(kept, (0, room - len(kept)), mode="edge")
    weight = np.where(np.arange(room) < len(kept), probability[rows], 0.0)
    taken = {name: getattr(data, name)[rows] for name in ("strings", "keep", "alias", "start")}
    narrow = replace(data, **taken, probability=jnp.asarray(weight, jnp.float32))
    return loss_only(replace(job, phase=replace(job.phase, data=narrow, whole_support=True, batch_size=room)))


def loss_only(job: Job) -> Job:
    """Return a job without the parts that its loss does not depend on: the optimiser, and what is watched.

    Every job gets the same optimiser, so the probes of runs with different optimisers share their compiled programs.
    """
    return replace(job, watched=None, phase=replace(job.phase, optimizer=Sgd(learning_rate=1.0), num_steps=1.0))


def content(job: Job) -> Hashable:
    """Return the structure of a job, and a digest of every number in it, bit for bit."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(job):
        found.update(_bits(leaf))
    return structure(job), found.digest()


def _bits(leaf: Any) -> bytes:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).tobytes()
