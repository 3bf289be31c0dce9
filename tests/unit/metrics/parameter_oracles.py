"""Metrics of parameters and of hidden states by second routes: Gram matrices in mpmath, and sums over pairs."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import mpmath
import numpy as np

from tests.unit.metrics.oracle_worlds import PROBED, STEPS, Seen, parameters, states

Values = Iterator[tuple[str, int, str, str, str, float]]

TUNED = ("sft", "identity", "carried", "linearised")
DIGITS = 40


@cache
def singular_values(seed: int, phase: str) -> dict[str, tuple[list[Any], tuple[int, int]]]:
    """The singular values of what changed, falling, and the shape: roots of eigenvalues of the smaller Gram matrix."""
    found = {}
    with mpmath.workdps(DIGITS):
        before, after = parameters(seed, "pretrain"), parameters(seed, phase)
        for name, start in before.items():
            if start.ndim < 2 or name == "still":
                continue
            rows = {"block.kernel": 4, "heads": 4, "table": 2}[name]
            pairs = zip(start.ravel().tolist(), after[name].ravel().tolist(), strict=True)
            change = [mpmath.mpf(0) if a == b else mpmath.mpf(b) - mpmath.mpf(a) for a, b in pairs]
            matrix = mpmath.matrix(rows, len(change) // rows)
            for at, value in enumerate(change):
                matrix[at // matrix.cols, at % matrix.cols] = value
            gram = matrix * matrix.T if matrix.rows <= matrix.cols else matrix.T * matrix
            values = mpmath.eigsy(gram, eigvals_only=True)
            tiny = mpmath.mpf(10) ** (-DIGITS // 2)
            found[name] = (
                sorted((mpmath.sqrt(v) if v > tiny else mpmath.mpf(0) for v in values), reverse=True),
                (matrix.rows, matrix.cols),
            )
    return found


@cache
def threshold_factor(shape: tuple[int, int]) -> Any:
    """λ*(β) / √μ_β of Gavish and Donoho; μ_β is found from the density of Marchenko and Pastur by quadrature."""
    with mpmath.workdps(20):
        beta = mpmath.mpf(min(shape)) / max(shape)
        low, high = (1 - mpmath.sqrt(beta)) ** 2, (1 + mpmath.sqrt(beta)) ** 2

        def below(x: Any) -> Any:
            return mpmath.quad(lambda t: mpmath.sqrt((high - t) * (t - low)) / (2 * mpmath.pi * beta * t), [low, x])

        median = mpmath.findroot(lambda x: below(x) - mpmath.mpf(1) / 2, (low + 3 * high) / 4 - high / 3)
        root = mpmath.sqrt(beta**2 + 14 * beta + 1)
        return mpmath.sqrt(2 * (beta + 1) + 8 * beta / (beta + 1 + root)) / mpmath.sqrt(median)


def above_threshold(values: list[Any], shape: tuple[int, int]) -> int:
    half = len(values) // 2
    median = values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
    return sum(value > threshold_factor(shape) * median for value in values)


def entropy_rank(weights: list[Any]) -> Any:
    total = mpmath.fsum(weights)
    return mpmath.exp(-mpmath.fsum(w / total * mpmath.log(w / total) for w in weights if w > 0))


def spectra(seen: Seen) -> Iterator[tuple[str, dict[str, tuple[list[Any], tuple[int, int]]]]]:
    for phase in seen.case.phases:
        if phase in TUNED:
            yield phase, singular_values(seen.case.record.config["seed"], phase)


def squares(values: list[Any]) -> Any:
    return mpmath.fsum(v**2 for v in values)


def each(number: Callable[[list[Any], tuple[int, int]], Any]) -> Callable[[Seen], Values]:
    def oracle(seen: Seen) -> Values:
        for phase, found in spectra(seen):
            for name, (values, shape) in found.items():
                yield phase, 1, "q-q0", name, "", float(number(values, shape))
            weights = [squares(values) for values, _ in found.values()]
            numbers = [number(values, shape) for values, shape in found.values()]
            mean = mpmath.fsum(w * n for w, n in zip(weights, numbers, strict=True)) / mpmath.fsum(weights)
            yield phase, 1, "q-q0", "", "", float(mean)

    return oracle


def update_norm(seen: Seen) -> Values:
    for phase, found in spectra(seen):
        for name, (values, _) in found.items():
            yield phase, 1, "q-q0", name, "", float(mpmath.sqrt(squares(values)))
        yield phase, 1, "q-q0", "", "", float(mpmath.sqrt(mpmath.fsum(squares(v) for v, _ in found.values())))


def update_top_share(seen: Seen) -> Values:
    for phase, found in spectra(seen):
        whole = mpmath.fsum(squares(values) for values, _ in found.values())
        for top in (1, 2, 4, 8):
            for name, (values, _) in found.items():
                yield phase, 1, "q-q0", f"{name}, {top}", "", float(squares(values[:top]) / squares(values))
            inside = mpmath.fsum(squares(values[:top]) for values, _ in found.values())
            yield phase, 1, "q-q0", f"{top}", "", float(inside / whole)


def update_singular_value(seen: Seen) -> Values:
    for phase, found in spectra(seen):
        for number in (1, 2, 3, 4):
            own = [values[number - 1] for values, _ in found.values() if len(values) >= number]
            if own:
                yield phase, 1, "q-q0", f"{number}", "", float(mpmath.sqrt(squares(own)))


# -- hidden states ----------------------------------------------------------------------------------------------------


def hidden_dimension(seen: Seen) -> Values:
    """By the Gram matrix of the centred states, which has the eigenvalues of their covariance."""
    weight, h = states(seen.case.record.config["seed"])
    for step in range(len(STEPS)):
        for layer in (1, 2):
            yield PROBED, step, "q", f"{layer}", "", float(entropy_rank(gram_eigenvalues(weight, h[step, layer])))


def gram_eigenvalues(weight: np.ndarray, h: np.ndarray) -> list[Any]:
    with mpmath.workdps(DIGITS):
        gram = mpmath.matrix(centred_gram(weight, h).tolist())
        roots = [mpmath.sqrt(mpmath.mpf(w)) for w in weight.tolist()]
        for i in range(len(roots)):
            for j in range(len(roots)):
                gram[i, j] *= roots[i] * roots[j]
        return sorted(mpmath.eigsy(gram, eigvals_only=True), reverse=True)[: h.shape[1]]


def centred_gram(weight: np.ndarray, h: np.ndarray) -> np.ndarray:
    return (h - weight @ h) @ (h - weight @ h).T


def cka(seen: Seen) -> Values:
    """HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) with sums over pairs of prefixes (Gretton et al., 2005)."""
    weight, h = states(seen.case.record.config["seed"])
    for layer in (1, 2):
        now, before = (centred_gram(weight, h[step, layer]) for step in (1, 0))
        pair = np.outer(weight, weight)
        hsic = [float(np.sum(pair * a * b)) for a, b in ((now, before), (now, now), (before, before))]
        yield PROBED, 1, "q,q0", f"{layer}", "", hsic[0] / (hsic[1] * hsic[2]) ** 0.5


ORACLES: dict[str, Callable[[Seen], Values]] = {
    "update_norm": update_norm,
    "stable_rank": each(lambda values, _: squares(values) / values[0] ** 2),
    "update_effective_rank": each(lambda values, _: entropy_rank(values)),
    "update_standing_out": each(lambda values, shape: above_threshold(values, shape)),
    "update_top_share": update_top_share,
    "update_singular_value": update_singular_value,
    "hidden_dimension": hidden_dimension,
    "cka": cka,
}
"""What every row of these metrics is."""
