"""The normaliser of a geometric mixture of models, which a record of the models does not decide."""

from collections.abc import Mapping, Sequence

import numpy as np

from sim.models._base import Model
from sim.numerics import log_softmax, log_sum_exp
from sim.training.job import Job
from sim.training.sweep import Probe
from sim.training.trie_logits import TriePlan, trie_logits
from sim.typing import Params


def log_normalisers(model: Model, plan: TriePlan, parts: Sequence[tuple[float, Params]]) -> np.ndarray:
    """Return log Σ_a Π_i q_i(a|h)^w_i over all V tokens at every node h of a trie [nat]: float64[M].

    parts: weights w_i above 0, and the parameters of each model q_i. It is at most 0 by Hölder's inequality if the
    weights sum to 1, and -inf where no token has a positive probability in every model. Softmax and sums are in float64
    from float32 logits.
    """
    logits = ((weight, np.asarray(trie_logits(model, params, plan), np.float64)) for weight, params in parts)
    return log_sum_exp(np.asarray(sum(weight * log_softmax(one) for weight, one in logits)), axis=1)


def normalisers_of(parts: Sequence[tuple[str, float]], ends: Mapping[str, Params], plan: TriePlan) -> Sequence[Probe]:
    """Return what records them for an edit that is a mean, as `mixture_log_z`: one probe; none for other edits.

    parts: phases with their weights (`sim.phases.Meaning.parts`); ends: the parameters at the end of each phase.
    """
    if not parts:
        return ()
    weighed = [(weight, ends[phase]) for phase, weight in parts]

    def mixture(job: Job, params: Params) -> dict[str, np.ndarray]:
        del params  # those of the mean itself
        return {"mixture_log_z": log_normalisers(job.model, plan, weighed)}

    return (mixture,)
