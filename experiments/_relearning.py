"""How soon what was lost is learnt again, from the fine-tuned model and from scratch."""

import math
from typing import Any

import numpy as np

from experiments._paths import about
from sim.disk.records import Record
from sim.languages.finite import FiniteLanguage
from sim.metrics.divergence import kl
from sim.metrics.table import Truths


def lost_law(record: Record) -> FiniteLanguage:
    """P_B = P(. | not A)."""
    return record.p.condition(~record.restricted.event)[0]


def relearning(record: Record) -> dict[str, Any]:
    """Steps on P_B until KL(P_B‖q) is back at what it was before the fine-tuning, from both starting points.

    Each lies between the last evaluation above and the first one below; infinite where it never came back. The law of
    prompts is that of P_B. `before`, `after`: KL(P_B‖q) of q0 and of the fine-tuned model [nat per answer].
    """
    truths, language = Truths(record, "response"), lost_law(record)
    lost, law = truths.of(language), truths.law(language)

    def curve(phase: str) -> np.ndarray:
        count = len(record.phases[phase].steps)
        scored = (truths.scored(phase, index) for index in range(count))
        return np.array([kl(lost.log_q, q.log_q, q.weights(law)) for q in scored])

    tuned = curve("sft")
    row = {**about(record), "before": float(tuned[0]), "after": float(tuned[-1])}
    for phase in ("recovery", "scratch"):
        lower, upper = reached(record.phases[phase].steps, curve(phase), float(tuned[0]))
        row |= {f"{phase}_lower": lower, f"{phase}_upper": upper}
    return row


def reached(steps: np.ndarray, values: np.ndarray, threshold: float) -> tuple[float, float]:
    """Bounds of the step at which a curve first comes to a threshold: (last above, first at or below); inf if never."""
    below = np.flatnonzero(values <= threshold)
    if not len(below):
        return float(steps[-1]), math.inf
    first = int(below[0])
    return float(steps[max(first - 1, 0)]), float(steps[first])
