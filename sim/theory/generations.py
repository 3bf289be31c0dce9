"""A model that is trained on its own samples again and again: how fast its law moves away, and where it stops."""

import math

import numpy as np


def expected_distances(
    collision: float,
    num_samples: float | int,
    fresh: float,
    num_generations: int,
    start: float = 0.0,
    overlap: float = 0.0,
) -> np.ndarray:
    """R_g = E‖p_g − P‖² for g = 0 .. `num_generations`, float64[G + 1]: sums over strings of squared differences.

    p_g is the empirical law of n = `num_samples` independent draws from m_g = (1 − a) p_(g−1) + a P, with the share
    a = `fresh` of fresh data, an independent choice for each draw. C = `collision` is the sum of P², of P itself and
    not of the mixture:
    R_g = (1 − C − 2 (1 − a) c_(g−1)) / n + (1 − 1/n) (1 − a)² R_(g−1), with c_g = (1 − a)^g c_0.
    Proof: given p_(g−1), the draws add (1 − ‖m‖²)/n to ‖m − P‖² = (1 − a)² ‖p_(g−1) − P‖², and
    ‖m‖² = C + 2 (1 − a) <P, p_(g−1) − P> + (1 − a)² ‖p_(g−1) − P‖². The mean of p_g − P shrinks by 1 − a.
    start: R_0; overlap: c_0 = E<P, p_0 − P>. Both are 0 if p_0 = P. Then a = 0 gives R_g = (1 − C)(1 − (1 − 1/n)^g),
    so 1 − E‖p_g‖² shrinks by the factor 1 − 1/n in every generation. `num_samples` may be inf.
    Source: S. Wright, 1931, "Evolution in Mendelian populations" (the factor 1 − 1/n, by drift alone); I. Shumailov et
    al., 2024, "AI models collapse when trained on recursively generated data" (the same for models).
    """
    found, rest = [start], 1.0 - fresh
    for generation in range(num_generations):
        noise = 1.0 - collision - 2.0 * rest ** (generation + 1) * overlap
        found.append(noise / num_samples + (1.0 - 1.0 / num_samples) * rest**2 * found[-1])
    return np.array(found)


def fixed_point(collision: float, num_samples: float | int, fresh: float) -> float:
    """Limit of R_g for g to infinity: (1 − C)/n / (1 − (1 − 1/n)(1 − a)²).

    It is 1 − C for a = 0: then a single string is left. It does not depend on where the model began.
    """
    return (1.0 - collision) / num_samples / (1.0 - (1.0 - 1.0 / num_samples) * (1.0 - fresh) ** 2)


def accumulated_distances(collision: float, num_samples: float | int, num_generations: int) -> np.ndarray:
    """R_g = E‖p_g − P‖² for g = 0 .. `num_generations`, float64[G + 1], if data pile up in place of being replaced.

    p_0 is the empirical law of n = `num_samples` draws from P, and p_g that of all (g + 1) n documents so far, of which
    the last n were drawn from p_(g−1). With C = `collision`, the sum of P²,
    R_g = (1 − C) (1 − Π_(k=1..g+1) (1 − 1/(n k²))), see docs/theory.md, T26. Raises ValueError for n below 1.
    Source: M. Gerstgrasser et al., 2024, "Is model collapse inevitable?" (arXiv 2404.01413), whose abstract has a
    finite bound for linear models; the law for tables is this project's.
    """
    _check_samples(num_samples)
    lost = 1.0 / (num_samples * np.arange(1.0, num_generations + 2.0) ** 2)
    with np.errstate(divide="ignore"):  # n = 1: one draw has no diversity, and no later one brings any
        return np.asarray((1.0 - collision) * -np.expm1(np.cumsum(np.log1p(-lost))))


def accumulated_share(num_samples: float | int) -> float:
    """sin(π/√n) / (π/√n): the share of 1 − C that is left for ever, on average, if data pile up.

    It is the limit of E[1 − ‖p_g‖²] / (1 − C), see `accumulated_distances`. Without piling up the limit is 0. Raises
    ValueError for n below 1.
    """
    _check_samples(num_samples)
    return float(np.sinc(1.0 / math.sqrt(num_samples))) if num_samples > 1 else 0.0


def _check_samples(num_samples: float | int) -> None:
    if not num_samples >= 1:
        raise ValueError(f"generations: at least 1 sample is required, found {num_samples!r}")


def effective_samples(distance: float, collision: float, fresh: float, generation: int) -> float:
    """n_eff: the number n with which R_g of a fit that begins at P is `distance`. It is found by bisection of 1/n.

    R_g rises with 1/n, from 0 to 1 − C. So n_eff is inf for a distance of 0 or less. Raises ValueError for a distance
    above 1 − C, which no number of samples gives, and for generation 0.
    """
    most = 1.0 - collision
    if generation < 1 or not distance <= most:
        raise ValueError(f"a generation of at least 1 and a distance of at most {most:g} are required")
    if distance <= 0:
        return np.inf
    low, high = 0.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        found = expected_distances(collision, 1.0 / middle, fresh, generation)[-1]
        low, high = (middle, high) if found < distance else (low, middle)
    return 1.0 / high


def mixture(law: np.ndarray, truth: np.ndarray, fresh: float) -> np.ndarray:
    """m = (1 − a) q + a P, the law from which the documents of a generation are drawn: float64[N]."""
    return np.asarray((1.0 - fresh) * law + fresh * truth)


def noise(before: np.ndarray, after: np.ndarray, truth: np.ndarray, fresh: float) -> tuple[float, float]:
    """‖q_g − m_g‖², and 1 − ‖m_g‖², which is n times its mean for an exact fit to n draws from m_g.

    before, after: the laws q_(g−1) and q_g of documents, float64[N]; truth: P. The ratio of the sums of the second and
    the first number over generations is an n_eff that needs no assumption on what came before a generation.
    """
    drawn = mixture(before, truth, fresh)
    return float(((after - drawn) ** 2).sum()), float(1.0 - (drawn**2).sum())
