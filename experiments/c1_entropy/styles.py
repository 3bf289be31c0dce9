"""C1.8: when does a kept style have more entropy than the whole language? The condition, and the identity behind it."""

from typing import NamedTuple

import numpy as np
import polars as pl

from experiments.study import Study
from sim.languages.finite import FiniteLanguage


class Parts(NamedTuple):
    """The parts of H(P) at some prompts, for a set A of answers and B, the others: float64[G] each."""

    mass: np.ndarray  # P(A|x)
    kept: np.ndarray  # H(P_A(.|x)) [nat]
    left: np.ndarray  # H(P_B(.|x)) [nat]
    whole: np.ndarray  # H(P(.|x)) [nat]

    @property
    def gap(self) -> np.ndarray:
        """H(P_A) − H(P_B) [nat]."""
        return self.kept - self.left

    @property
    def needed(self) -> np.ndarray:
        """h(P(A)) / P(B) [nat]: the entropy rises if and only if the gap is larger. 0.75 at P(A) = ¼."""
        return _coin(self.mass) / (1 - self.mass)

    @property
    def residual(self) -> np.ndarray:
        """Error of H(P_A) − H(P) = P(B) (gap − needed) [nat]: 0 up to rounding."""
        return self.kept - self.whole - (1 - self.mass) * (self.gap - self.needed)


def parts(p: FiniteLanguage, event: np.ndarray) -> Parts:
    """Return the parts of the entropy of answers, for every prompt that has answers in A and in B.

    A is a set of documents bool[N], such as those of a style if styles are disjoint. The identity is the chain rule
    H(P) = h(P(A)) + P(A) H(P_A) + P(B) H(P_B) at a prompt.
    """
    found = []
    for x in range(p.prompts.num_groups):
        here = (p.prompts.group == x) & (p.log_p > -np.inf)
        log_p, inside = p.answers[here], event[here]
        if inside.any() and not inside.all():
            mass = float(np.exp(log_p[inside]).sum())
            found.append((mass, _entropy(log_p[inside]), _entropy(log_p[~inside]), _entropy(log_p)))
    return Parts(*np.array(found, np.float64).reshape(-1, 4).T)


def residuals(study: Study, runs: pl.DataFrame) -> pl.DataFrame:
    """Return for every run that keeps a style: run, and style_residual, the largest error of the identity [nat]."""
    found: dict[str, float] = {}
    for run in runs.filter(kind="style")["run"]:
        record = study.record(run)
        if record.restricted.log_member is None:  # otherwise a document has no single style
            errors = np.abs(parts(record.p, record.restricted.event).residual)
            found |= {run: float(errors.max())} if len(errors) else {}
    return pl.DataFrame(
        {"run": list(found), "style_residual": list(found.values())}, {"run": pl.String, "style_residual": pl.Float64}
    )


def _entropy(log_p: np.ndarray) -> float:
    """Entropy of some answers, given that it is one of them [nat]."""
    p = np.exp(log_p)
    inside = p / p.sum()
    return float(-(inside * np.log(inside)).sum())


def _coin(b: np.ndarray) -> np.ndarray:
    return -b * np.log(b) - (1 - b) * np.log1p(-b)
