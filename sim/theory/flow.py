"""The whole path of the lost mass under gradient flow, where kept outcomes are equally likely, and lost ones too."""

import numpy as np
from scipy.special import wrightomega


def even_flow(num_kept: int, num_lost: int, mass: float, time: np.ndarray) -> np.ndarray:
    """Lost mass m after the times lr t [1] under gradient flow on one softmax: float64[T].

    `mass` is m at time 0; all n_A kept outcomes are equally likely, and so are all n_B lost ones; S is uniform over
    the kept ones. The softmax is a flat table, or one node of a trie table (then time is lr t S(node)). The odds
    u = (1-m)/m satisfy u + log u = κ lr t + u_0 + log u_0 with κ = 1/n_A + 1/n_B. So u is Wright's omega function of
    the right side, and lr t m tends to 1/κ (`sim.theory.decay.flat_sgd_constant`). In the end it is larger than that
    by the share log(κ lr t)/(κ lr t).
    Raises ValueError unless both numbers are positive and 0 < m < 1. The proof is in docs/theory.md.
    """
    if num_kept < 1 or num_lost < 1 or not 0.0 < mass < 1.0:
        raise ValueError(
            f"even_flow: kept, lost >= 1 and a mass between 0 and 1 are required, found {num_kept}, {num_lost}, {mass}"
        )
    odds = (1.0 - mass) / mass
    curvature = 1.0 / num_kept + 1.0 / num_lost
    return np.asarray(1.0 / (1.0 + wrightomega(curvature * np.asarray(time, np.float64) + odds + np.log(odds))))
