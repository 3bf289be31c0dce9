"""Which mixture of styles a model speaks at prompts that S never shows: q_x ≈ Σ_z w_z P(. | x, z).

At each such prompt x, q_x is the model's law of answers, renormalised on supp P. The weights w minimise the convex
KL(q_x ‖ Σ_z w_z P(. | x, z)): they are the maximum-likelihood weights for answers drawn from q_x. If the tuned style is
said everywhere, its weight is 1. If nothing is carried over to the other prompts, w = P(z | x), the rows of P.
Weights and the remaining KL are averaged over these prompts under P(x). For disjoint styles w_z = q_x(z), exactly.
Otherwise the fit is found by an interior-point method, and both are bounded by convex duality.
Source: Lindsay 1983, "The geometry of mixture likelihoods", for the gap; Koenker & Mizera 2014, "Convex optimization,
shape constraints, compound decisions, and empirical Bayes rules", for the method.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.languages.exact import UnavailableError, unavailable
from sim.languages.finite import Styles
from sim.metrics.divergence import kl, unshown
from sim.metrics.elsewhere import renormalised
from sim.metrics.forgetting import log_styles
from sim.metrics.scene import Cell, Evaluation, Metric, World
from sim.metrics.scored import Scored
from sim.quantity import Quantity

BARRIERS = tuple(10.0**-k for k in range(1, 14))
"""The barriers of the interior-point method; the last one bounds the distance from the best log-likelihood [nat]."""

MOST_STEPS = 50
"""Newton's method ends after so many steps in any case. The bounds are certified all the same."""

SHORTEST = 1e-6
"""A step that has to be shorter than this share of itself is the last one."""

SLACK = 1e-9
"""What rounding may take from a KL [nat]."""

ROUNDING = 1e-15
"""Differences of log-likelihoods below this are rounding [nat]."""

NUDGE = 1e-6
"""How far the certificate for a weight looks beside the fit; the bounds are about so far apart."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The weights at one prompt: float64[Z] with certified bounds, and bounds of the remaining KL [nat]."""

    weights: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    kl_lower: float
    kl_upper: float


def fitted(q: np.ndarray, density: np.ndarray, kl_to_p: float, start: np.ndarray) -> Fit:
    """The weights that maximise f(w) = Σ_y q(y) log Σ_z w_z B(y, z), with certified bounds.

    q: a law, float64[n]; density: B(y, z) = P(y | x, z) / P(y | x), float64[n, Z]; kl_to_p: KL(q ‖ P(. | x)) [nat];
    start: positive weights with sum 1. With the gradient g, Σ_z w_z g_z = 1 and max f - f(w) <= log max_z g_z, because
    log is concave. The remaining KL is kl_to_p - f(w). Raises ValueError unless `start` is positive, and
    ArithmeticError if this KL is below 0 by more than rounding.
    """
    if not (start > 0.0).all():
        raise ValueError(f"style weights: a positive start is required, found {start!r}")
    seen = q > 0.0
    q, density, w = q[seen], density[seen], start
    for barrier in BARRIERS:
        w = _centred(q, density, w, barrier)
    w = w / w.sum()  # the sum is 1 up to the error of the last step
    mixed = density @ w
    gap = max(0.0, float(np.log(((q / mixed) @ density).max())))
    rest = kl_to_p - float(q @ np.log(mixed))
    if rest < -SLACK:
        raise ArithmeticError(f"style weights: a KL of at least 0 is required, found {rest!r}")
    rest = max(0.0, rest)
    bounds = [_extreme(q, density, w, z, sign) for sign in (-1.0, 1.0) for z in range(len(w))]
    lower, upper = -np.array(bounds[: len(w)]), np.array(bounds[len(w) :])
    return Fit(w, np.clip(lower, 0.0, w), np.clip(upper, w, 1.0), max(0.0, rest - gap), rest)


def _centred(q: np.ndarray, density: np.ndarray, w: np.ndarray, barrier: float) -> np.ndarray:
    """Where f(w) + τ Σ log w_z - (1 + Z τ) Σ w_z is largest, for the barrier τ, by Newton's method from positive w.

    f is homogeneous, so Σ w_z = 1 at this point, and log max_z g_z is at most Z τ. Unlike expectation maximisation, the
    method is fast where an optimal weight is 0.
    """
    price = 1.0 + len(w) * barrier

    def value(v: np.ndarray) -> float:
        return float(q @ np.log(density @ v) + barrier * np.log(v).sum() - price * v.sum())

    for _ in range(MOST_STEPS):
        mixed = density @ w
        slope = (q / mixed) @ density + barrier / w - price
        curvature = (density.T * (q / mixed**2)) @ density + np.diag(barrier / w**2)
        scale = w[:, None] * w  # in relative steps the matrix is well-conditioned
        step = w * np.linalg.lstsq(curvature * scale, w * slope, rcond=None)[0]
        falling = step < 0.0
        length = min(1.0, 0.99 * float(np.min(w[falling] / -step[falling], initial=np.inf)))
        now, gain = value(w), float(slope @ step)
        while length > SHORTEST and value(w + length * step) < now + 0.1 * length * gain - ROUNDING:
            length *= 0.5
        w = w + length * step
        if gain <= 1e-3 * barrier or length <= SHORTEST:
            break
    return w


def _extreme(q: np.ndarray, density: np.ndarray, w: np.ndarray, z: int, sign: float) -> float:
    """An upper bound of sign * v_z over all laws v with f(v) >= f(w), the best one among them.

    For every law u and every μ > 0, concavity gives f(v) <= f(u) + Σ_k v_k g_k(u) - 1. So sign v_z <= max_k
    [sign 1(k = z) + μ (f(u) - f(w) + g_k(u) - 1)]. It is tight where u maximises f + sign w_z / μ, to which one step of
    Newton's method leads from w. A bad step makes the bound loose, and not wrong.
    """
    size, mixed = len(w), density @ w
    unit, move, free = np.zeros(size), np.zeros(size), np.ones(size, bool)
    unit[z] = sign
    hessian = (density.T * (q / mixed**2)) @ density
    aim = NUDGE * unit + (q / mixed) @ density - 1.0
    while free.any():
        ones = np.ones((int(free.sum()), 1))
        system = np.block([[hessian[np.ix_(free, free)], ones], [ones.T, np.zeros((1, 1))]])
        move[:] = 0.0
        move[free] = np.linalg.lstsq(system, np.append(aim[free], 0.0), rcond=None)[0][:-1]
        if not (negative := w + move < 0.0).any():
            break
        free &= ~negative
    else:
        move[:] = 0.0
    u = w + move
    u = u / u.sum()  # a law, whatever rounding did
    higher = float(q @ np.log1p(density @ (u - w) / mixed))
    gradient = (q / (density @ u)) @ density
    return float(np.max(unit + (higher + gradient - 1.0) / NUDGE))


def style_fits(world: World, q: Scored) -> tuple[np.ndarray, list[Fit]]:
    """P(x) of the prompts that S never shows, float64[K], and the fit of the model at each.

    Raises `UnavailableError` for a world without styles, if S shows every prompt (as in a world without prompts), and
    if the model gives no mass to supp P at such a prompt.
    """
    styles, law = _asked(world)
    inside = renormalised(world, q, law)
    if inside is None:
        raise unavailable("style weights", "q(supp P | x) is 0 at a prompt", "choose another model")
    prior = np.exp(log_styles(world.p, styles.log_posterior))
    chosen = np.flatnonzero(law > -np.inf)
    fits = []
    for x in chosen:
        rows = np.flatnonzero((world.p.group == x) & (world.p.log_q > -np.inf))
        possible = np.flatnonzero(prior[x] > 0.0)
        density = np.exp(styles.log_posterior[np.ix_(rows, possible)]) / prior[x, possible]
        mine = np.exp(inside[rows])
        if styles.disjoint:
            one = _disjoint(mine, density > 0.0, kl(inside[rows], world.p.log_q[rows]), prior[x, possible])
        else:
            one = fitted(mine, density, kl(inside[rows], world.p.log_q[rows]), prior[x, possible])
        fits.append(_on_all(one, possible, len(styles.names)))
    return np.exp(law[chosen]), fits


def _asked(world: World) -> tuple[Styles, np.ndarray]:
    """The styles of a world, and P's law of the prompts that S never shows. See `style_fits`."""
    styles, laws = world.record.p.styles, unshown(world)
    if styles is None:
        raise unavailable("style weights", "the world has no styles", "choose a world with styles")
    if not laws:
        raise unavailable("style weights", "S shows every prompt", "restrict it to a part of the prompts")
    return styles, next(iter(laws.values()))


def _disjoint(q: np.ndarray, member: np.ndarray, kl_to_p: float, prior: np.ndarray) -> Fit:
    """The fit for disjoint styles, bool[n, Z]: w_z = q(z), and KL(q ‖ P) - KL(w ‖ P(z)) remains."""
    w = q @ member
    used = w > 0.0
    rest = max(0.0, kl_to_p - float(w[used] @ np.log(w[used] / prior[used])))  # rounding can give less than 0
    return Fit(w, w, w, rest, rest)


def _on_all(fit: Fit, possible: np.ndarray, size: int) -> Fit:
    """The fit with weight 0 for the styles that P does not have at the prompt."""
    weights = []
    for some in (fit.weights, fit.lower, fit.upper):
        every = np.zeros(size)
        every[possible] = some
        weights.append(every)
    return Fit(weights[0], weights[1], weights[2], fit.kl_lower, fit.kl_upper)


def _fits(evaluation: Evaluation) -> tuple[np.ndarray, list[Fit]] | None:
    """The fits of a model, made once; None where they do not exist."""

    def make() -> tuple[np.ndarray, list[Fit]] | None:
        try:
            return style_fits(evaluation.world, evaluation.q)
        except UnavailableError:
            return None

    return None if evaluation.is_truth else evaluation.once("style fits", make)


def _style_weight(evaluation: Evaluation) -> Iterator[Cell]:
    """The mean weight of every style, and at the truth the mean of P(z | x), which is the null."""
    world = evaluation.world
    if evaluation.is_truth:
        for name, law in unshown(world).items() if world.record.p.styles is not None else ():
            styles = world.record.p.styles
            assert styles is not None, "it was asked for above"
            null = np.exp(law) @ np.exp(log_styles(world.p, styles.log_posterior))
            for style, value in zip(styles.names, null, strict=True):
                yield Cell("P", Quantity.of(float(value)), name, style)
    elif (found := _fits(evaluation)) is not None:
        law, fits = found
        styles, (name,) = world.record.p.styles, unshown(world)
        assert styles is not None, "else there is no fit"
        ends = [law @ np.array([getattr(fit, end) for fit in fits]) for end in ("lower", "upper")]
        for style, lower, upper in zip(styles.names, *ends, strict=True):
            yield Cell("q", Quantity(float(lower), float(upper)), name, style)


def _style_residual(evaluation: Evaluation) -> Iterator[Cell]:
    if (found := _fits(evaluation)) is not None:
        law, fits = found
        (name,) = unshown(evaluation.world)
        lower, upper = (float(law @ np.array([getattr(fit, end) for fit in fits])) for end in ("kl_lower", "kl_upper"))
        yield Cell("q", Quantity(lower, upper), name)


METRICS = [
    Metric(
        "style_weight", "w_z", "1", "weight of a style (column at) in the best mixture, at prompts that S never shows",
        _style_weight,
    ),
    Metric(
        "style_residual", "KL(q‖Σ w_z P_z)", "nat", "divergence of the model from this mixture, at these prompts",
        _style_residual,
    ),
]  # fmt: skip
