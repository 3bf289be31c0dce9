"""The spectrum of what a fine-tuning changes: singular values of the change ΔW of every matrix.

ΔW is the matrix at the end of a phase minus that of q0, the model after the pretraining. The phases are the fine-tuning
on S, its controls, and their edits. A parameter with more than two axes is a matrix as in `sim.numerics.matrix_shape`;
vectors do not count. A matrix that did not change has no direction, and so no row.
"""

import math
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from sim.disk.records import Record
from sim.metrics.scene import Cell, Evaluation, Metric
from sim.numerics import matrix_shape
from sim.quantity import Quantity
from sim.theory.shrinkage import hard_threshold

TOP = (1, 2, 4, 8)
"""Numbers k of directions of which the share in ‖ΔW‖² is shown."""

SHOWN = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Which singular values are shown, counted from the largest."""


class Spectrum(NamedTuple):
    """The singular values of ΔW, float64 and falling, and the shape of ΔW."""

    values: np.ndarray
    shape: tuple[int, int]

    @property
    def square(self) -> float:
        """‖ΔW‖²_F."""
        return float(self.values @ self.values)


Spectra = Mapping[str, Spectrum]
"""Spectra by the names of the matrices."""

_known: "weakref.WeakKeyDictionary[Record, dict[str, Spectra]]" = weakref.WeakKeyDictionary()
"""Spectra by record and phase, because both views and all metrics need the same ones."""


def spectrum(before: np.ndarray, after: np.ndarray) -> Spectrum:
    """Return the spectrum of after - before. Entries that are -inf in both do not differ."""
    start, end = (np.asarray(one, np.float64) for one in (before, after))
    change = np.where(start == end, 0.0, end - np.where(start == end, 0.0, start))
    shape = matrix_shape(change.shape)
    return Spectrum(np.asarray(np.linalg.svd(change.reshape(shape), compute_uv=False)), shape)


def stable_rank(of: Spectrum) -> float:
    """‖ΔW‖²_F / ‖ΔW‖²₂ = Σ σ² / σ₁². It is at least 1, and at most the rank.

    Source: M. Rudelson and R. Vershynin, 2007, "Sampling from large matrices: an approach through geometric functional
    analysis" (numerical rank).
    """
    return float(np.sum((of.values / of.values[0]) ** 2))


def effective_rank(of: Spectrum) -> float:
    """e^H(p) with p_i = σ_i / Σ σ and H(p) = -Σ p_i log p_i. It is at least 1, and at most the rank.

    Source: O. Roy and M. Vetterli, 2007, "The effective rank: a measure of effective dimensionality".
    """
    share = of.values[of.values > 0.0] / of.values.sum()
    return math.exp(-float(share @ np.log(share)))


def standing_out(of: Spectrum) -> float:
    """The number of singular values above the threshold of Gavish and Donoho, see `sim.theory.shrinkage`."""
    return float(np.sum(of.values > hard_threshold(of.values, of.shape)))


def of_phase(record: Record, phase: str) -> Spectra:
    """Return the spectra of a phase, of the matrices that changed; empty if it is not about the fine-tuning."""
    known = _known.setdefault(record, {})
    if phase not in known:
        before, after = (record.params.get(name, {}) for name in ("pretrain", phase))
        wanted = record.meanings[phase].stage == "finetune"
        names = [name for name in sorted(before) if name in after and before[name].ndim > 1] if wanted else []
        found = {name: spectrum(before[name], after[name]) for name in names}
        known[phase] = {name: one for name, one in found.items() if one.values[0] > 0.0}
    return known[phase]


def weighted(spectra: Spectra, number: Callable[[Spectrum], float]) -> float:
    """Return the mean of a number over matrices, weighted by ‖ΔW‖²_F."""
    weights = [one.square for one in spectra.values()]
    total = math.fsum(weight * number(one) for weight, one in zip(weights, spectra.values(), strict=True))
    return total / math.fsum(weights)


def top_share(spectra: Spectra, top: int) -> float:
    """Σ σ² of the top k directions of every matrix, over Σ ‖ΔW‖²_F."""
    squares = [one.values**2 for one in spectra.values()]
    return math.fsum(float(one[:top].sum()) for one in squares) / math.fsum(float(one.sum()) for one in squares)


def _spectra(evaluation: Evaluation) -> Spectra:
    """The spectra at the last evaluation of a phase; empty elsewhere."""
    if evaluation.is_truth:
        return {}
    record = evaluation.world.record
    is_last = evaluation.index == len(record.phases[evaluation.phase].steps) - 1
    return of_phase(record, evaluation.phase) if is_last else {}


def _each(number: Callable[[Spectrum], float]) -> Callable[[Evaluation], Iterator[Cell]]:
    """The rows of a number of each matrix (column at), and of its weighted mean."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        spectra = _spectra(evaluation)
        for name, one in spectra.items():
            yield Cell("q-q0", Quantity.of(number(one)), at=name)
        if spectra:
            yield Cell("q-q0", Quantity.of(weighted(spectra, number)))

    return measure


def _norm(evaluation: Evaluation) -> Iterator[Cell]:
    spectra = _spectra(evaluation)
    for name, one in spectra.items():
        yield Cell("q-q0", Quantity.of(math.sqrt(one.square)), at=name)
    if spectra:
        yield Cell("q-q0", Quantity.of(math.sqrt(math.fsum(one.square for one in spectra.values()))))


def _shares(evaluation: Evaluation) -> Iterator[Cell]:
    spectra = _spectra(evaluation)
    for top in TOP if spectra else ():
        for name, one in spectra.items():
            yield Cell("q-q0", Quantity.of(top_share({name: one}, top)), at=f"{name}, {top}")
        yield Cell("q-q0", Quantity.of(top_share(spectra, top)), at=f"{top}")


def _values(evaluation: Evaluation) -> Iterator[Cell]:
    """The root of the sum over matrices of σ_i²: the squares of all i add up to the squared norm."""
    spectra = _spectra(evaluation)
    for number in SHOWN:
        own = [float(one.values[number - 1]) for one in spectra.values() if len(one.values) >= number]
        if own:
            yield Cell("q-q0", Quantity.of(float(np.linalg.norm(own))), at=f"{number}")


METRICS = [
    Metric("update_norm", "‖ΔW‖", "1", "Frobenius norm of the change of a matrix (column at), of all together", _norm),
    Metric(
        "stable_rank", "‖ΔW‖²_F/‖ΔW‖²₂", "1", "of the change of a matrix (column at); mean weighted by squared norms",
        _each(stable_rank),
    ),
    Metric(
        "update_effective_rank", "e^H(σ/Σσ)", "1",
        "of the change of a matrix (column at); mean weighted by squared norms", _each(effective_rank),
    ),
    Metric(
        "update_standing_out", "#{σ > τ}", "1",
        "directions of the change above the threshold of Gavish and Donoho (column at: matrix); weighted mean",
        _each(standing_out),
    ),
    Metric(
        "update_top_share", "Σ_(i≤k) σ²/‖ΔW‖²", "1", "share of the squared norm in the top k directions (column at: k)",
        _shares,
    ),
    Metric(
        "update_singular_value", "σ_i(ΔW)", "1",
        "i-th singular value of the change (column at: i), root of the sum of squares over matrices", _values,
    ),
]  # fmt: skip
