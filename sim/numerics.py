"""Log-space arithmetic in float64 on the host with the convention 0 log 0 = 0, and the error type for bad input."""

import difflib
import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np

EOS = 0
"""End of string: the token with index 0. It is also used as padding."""


class SpecificationError(ValueError):
    """Bad input from a user. The message is one line: place, requirement, value found, fix.

    Control characters in the message are shown as escapes, because parts of it may come from a file.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(visible(str(message)))


def visible(text: str) -> str:
    r"""Return a text in which nothing acts on a terminal: control and format characters become escapes such as \x1b.

    Line ends and tabs stay. Format characters (Unicode category Cf) reverse the direction of text or cannot be seen.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t " else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")


def in_one_line(text: object) -> str:
    """Return a message without line ends and repeated spaces."""
    return " ".join(str(text).split())


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint like " (did you mean 'width'?)" with the valid name closest to `name`; "" if none is close."""
    close = difflib.get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def expectation(log_p: np.ndarray, values: np.ndarray) -> float:
    """E_p[values] = sum_i e^(log_p_i) values_i, in the unit of `values`.

    Entries of probability zero contribute 0 even if the value is infinite or nan (0 * inf = 0). A nan in `log_p` does
    not count as probability zero; it makes the result nan.
    `log_p` need not be normalised: for a sub-probability, the sum covers only its mass.
    """
    log_p, values = np.asarray(log_p, np.float64), np.asarray(values, np.float64)
    if log_p.shape != values.shape:
        log_p, values = np.broadcast_arrays(log_p, values)
    inside = log_p != -np.inf
    weights, inner = np.exp(log_p[inside]), values[inside]
    if not weights.all():
        lost = (weights == 0) & np.isinf(inner)  # a positive probability that underflows still makes the mean infinite
        weights = np.where(lost, 1.0, weights)
    return float((weights * inner).sum())


def log_sum_exp(log_values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """log sum e^(log_values) [nat] along `axis`, without overflow; -inf if all terms are zero or there are none."""
    log_values = np.asarray(log_values, np.float64)
    top = np.max(log_values, axis=axis, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.sum(np.exp(log_values - shift), axis=axis, keepdims=True)) + shift
    return total.reshape(()) if axis is None else np.squeeze(total, axis=axis)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Normalised log-probabilities [nat] along the last axis, in float64; -inf logits stay -inf.

    It raises ValueError for nan, for +inf and for a row without a finite logit, because then no softmax exists.
    """
    logits = np.asarray(logits, np.float64)
    top = np.max(logits, axis=-1, keepdims=True)
    logits = logits - np.where(np.isfinite(top), top, 0.0)  # with a large offset, differences would lose digits
    total = log_sum_exp(logits, axis=-1)
    if not np.isfinite(total).all():
        found = total[~np.isfinite(total)].flat[0]
        raise ValueError(f"logits: a finite normaliser is required in every row, found log Z = {found}")
    return logits - total[..., None]


def log_group_sum(log_values: np.ndarray, group: np.ndarray, num_groups: int) -> np.ndarray:
    """log of the sum of e^(log_values) over each group [nat]: float64[num_groups], -inf for an empty group."""
    top = np.full(num_groups, -np.inf)
    if num_groups == 1:
        top[0] = np.max(log_values, initial=-np.inf)
    else:
        np.maximum.at(top, group, log_values)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(group, np.exp(log_values - shift[group]), num_groups)) + shift


def log_fraction(p: Fraction) -> float:
    """log p [nat] of an exact rational, with full precision near 0 and near 1; -inf for 0."""
    if p == 0:
        return -math.inf
    if p > Fraction(1, 2):
        return math.log1p(-float(1 - p))
    return math.log(float(p)) if p > Fraction(1, 10**300) else math.log(p.numerator) - math.log(p.denominator)


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of the matrix that a tensor is: its axes are split where the shorter side is longest.

    So a kernel of attention [width, heads, C] has width rows and heads * C columns, and [heads, C, width] has heads * C
    rows, because the axes of heads belong together. The first of several equal splits is taken.
    """
    sides = [(int(np.prod(shape[:at])), int(np.prod(shape[at:]))) for at in range(1, len(shape))]
    return max(sides, key=min)
