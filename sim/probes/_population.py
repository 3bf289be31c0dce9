"""The population loss of a phase as a job, for probes that differentiate it."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from sim.training.job import Job


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
    return replace(job, phase=replace(job.phase, data=narrow, whole_support=True))
