"""Plain Monte Carlo: the entropy as a mean over samples. That of KL(q‖p) is k1 in `schulman.py`."""

import math

import numpy as np

from sim.estimators._found import Estimator, Found
from sim.estimators._intervals import of_mean
from sim.estimators._sample import Sample

BEYOND = 0.1
"""Share of the error of the proved interval that is spent on draws which are rarer than the cut."""


def monte_carlo_entropy(sample: Sample, level: float = 0.95) -> Found:
    """(1/n) Σ −log q(x_i) [nat], for x_i ~ q: the entropy H(q). Unbiased; its variance is Var_q(log q)/n.

    The reported interval needs N (`Known.size`), the most strings that q can write. A draw is rarer than e^−c with
    probability below N e^−c. With c = log(nN/e) this happens with probability of at most e in n draws, and to cut the
    draws at c lowers their mean by at most N e^−c = e/n. So Bernstein's bound applies to draws in [0, c]. No law on N
    strings has more entropy than log N.
    Source: the definition of entropy; the cut is proved in this docstring.
    """
    assert sample.log_q is not None
    size = sample.known.size
    if size is None:
        return of_mean(sample, -sample.log_q, level, None, truth=(0.0, math.inf))
    error = BEYOND * (1.0 - level)
    cut = math.log(sample.size * size / error)
    return of_mean(
        sample, np.asarray(-sample.log_q), level, (0.0, cut), truth=(0.0, math.log(size)), clipped=(cut, error)
    )


ESTIMATORS = [Estimator("Monte Carlo", "−log q", "H(q)", "none", monte_carlo_entropy, ("log_q",))]
