"""What the tangent space at q0 says of a fine-tuning: the kernel's prediction of log q, and the Fisher form of KL."""

from typing import Any

import numpy as np
import polars as pl

from experiments._paths import about
from sim.disk.records import Record
from sim.metrics.divergence import kl
from sim.metrics.table import Truths
from sim.metrics.tangent import fisher_form


def explained(truth: np.ndarray, prediction: np.ndarray) -> float:
    """R² of a prediction, 1 - sum (truth - prediction)² / sum (truth - mean)²: at most 1; below 0 the mean is better.

    nan where the truth does not vary.
    """
    spread = float(np.sum((truth - truth.mean()) ** 2))
    return 1.0 - float(np.sum((truth - prediction) ** 2)) / spread if spread > 0.0 else float("nan")


def unseen(record: Record) -> np.ndarray:
    """The answers of P that are not in S: bool[N]."""
    return np.asarray((record.p.log_p > -np.inf) & (record.restricted.s.log_p == -np.inf))


def kernel_paths(record: Record) -> pl.DataFrame:
    """Per evaluation: R² of the change of log q(y|x) of unseen answers, as the kernel at q0 predicts it; Fisher and KL.

    r2: by the linearised model (kernel held constant, softmax kept); r2_first: by lr t (K S)(y), the first order
    of gradient descent; share: mean predicted over mean true change.
    """
    truths, tags = Truths(record, "response"), about(record)
    arrays, steps = record.phases["sft"].arrays, record.phases["sft"].steps
    base, hidden, rate = truths.scored("sft", 0), unseen(record), record.config["optimizer"]["learning_rate"]
    rows: list[dict[str, Any]] = []
    for index, step in enumerate(steps):
        if not step:
            continue
        q = truths.scored("sft", index)
        moved = (q.log_q - base.log_q)[hidden]
        line = (truths.scored("linearised", index).log_q - base.log_q)[hidden]
        first = rate * float(step) * arrays["tangent_velocity"][index][hidden]
        law = truths.s_law
        rows.append(
            {
                **tags,
                "step": int(step),
                "r2": explained(moved, line),
                "r2_first": explained(moved, first),
                "share": float(line.mean() / moved.mean()),
                "moved": float(moved.mean()),
                "fisher": fisher_form(base, arrays["tangent_displacement"][index], law),
                "kl": kl(base.merged, q.merged, base.merged_weights(law)),
                "distance": float(arrays["weight_distance"][index][0]),
            }
        )
    return pl.DataFrame(rows)


def kernel_points(record: Record) -> pl.DataFrame:
    """The change of log q(y|x) of every answer, true and predicted, at every evaluation."""
    truths, tags = Truths(record, "response"), about(record)
    base, hidden = truths.scored("sft", 0), unseen(record)
    supported = record.p.log_p > -np.inf
    parts = []
    for index, step in enumerate(record.phases["sft"].steps):
        moved = truths.scored("sft", index).log_q - base.log_q
        line = truths.scored("linearised", index).log_q - base.log_q
        values = {"moved": moved[supported], "predicted": line[supported], "unseen": hidden[supported]}
        parts.append(pl.DataFrame(values).with_columns(step=pl.lit(int(step))))
    return pl.concat(parts).with_columns(**{name: pl.lit(value) for name, value in tags.items()})
