"""Replay against its closed form: what is forgotten with a share of the pretraining data in the mix."""

from typing import Any

import numpy as np

from experiments._paths import about
from sim.disk.records import Record
from sim.metrics.divergence import kl
from sim.metrics.table import Truths
from sim.theory.optima import replay_forgetting


def replayed(record: Record) -> dict[str, Any]:
    """KL(P‖q) of documents beside KL(P‖q*), q* = (1-λ)S + λP, summed and in closed form; and KL(q*‖q) [nat]."""
    truths = Truths(record, "joint")
    p, best, q = truths.p, truths.best, truths.scored("sft", -1)
    assert best is not None, "replay has an optimum in closed form"
    weight = record.config["objective"]["weight"]
    return {
        **about(record),
        "kl": kl(p.log_q, q.log_q),
        "kl_q0": kl(p.log_q, truths.scored("sft", 0).log_q),
        "kl_best": kl(p.log_q, best.log_q),
        "closed_form": float(replay_forgetting(record.restricted.log_mass, weight)),
        "bound": -float(np.log(weight)),
        "gap": kl(best.log_q, q.log_q),
    }
