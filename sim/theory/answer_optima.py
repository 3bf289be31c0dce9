"""Predicted laws of the answers to each prompt, for objectives on whole answers.

Laws are log-probabilities log q(y|x) [nat], float64[N], of listed answers; `prompt` is the number of the prompt of each
answer, int[N]. What is not listed is one more outcome of each prompt, "outside".
"""

import numpy as np
from scipy.special import wrightomega

from sim.numerics import log_group_sum
from sim.theory._levels import levelled


def tilted(log_law: np.ndarray, gain: np.ndarray | float, prompt: np.ndarray) -> np.ndarray:
    """The law proportional to p(y|x) e^gain among the listed answers to each prompt: log q(y|x) [nat], float64[N].

    This is the optimum of E_q[r] - beta KL(q‖p) for gain = r/beta, and p(.|x, A) for a gain of 0 on A and -inf
    elsewhere. p need not be normalised. If no answer to a prompt is left, all of its answers have log q = -inf.
    """
    log_weight = np.asarray(log_law, np.float64) + gain
    total = log_group_sum(log_weight, prompt, int(prompt.max()) + 1)[prompt]
    return np.where(log_weight > -np.inf, log_weight - np.where(total > -np.inf, total, 0.0), -np.inf)


def smoothed(log_s: np.ndarray, prompt: np.ndarray, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """S~ = (1 - delta) S + delta U, U uniform over the n_x listed answers to x and "outside"; 0 < delta < 1.

    The result is log S~(y|x) [nat], float64[N], and log S~(outside|x) = log delta/(n_x + 1), float64[G]. So S~ has the
    mass delta/(n_x + 1) outside. Raises ValueError for another delta.
    """
    if not 0.0 < delta < 1.0:
        raise ValueError(f"smoothed: 0 < delta < 1 is required, found {delta!r}")
    log_even = np.log(delta) - np.log(np.bincount(prompt) + 1.0)
    return np.logaddexp(np.log1p(-delta) + log_s, log_even[prompt]), log_even


def mixed(log_s: np.ndarray, log_smoothed: np.ndarray, eta: float, prompt: np.ndarray) -> np.ndarray:
    """The minimiser of eta KL(S‖q) + (1 - eta) KL(q‖S~) over the laws q on the given outcomes of each prompt.

    The result is log q(y|x) [nat], float64[N]. S~ need not be normalised; it must be positive. Add "outside" as an
    outcome with S = 0 for a model that can leave the list. With a = eta/(1 - eta), q satisfies log(q/S~) - a S/q = k_x.
    So q = a S/omega(log(a S/S~) - k_x) where S > 0, with the Wright omega function (omega + log omega is its argument),
    and q = S~ e^k_x elsewhere. The sum of q grows with k_x, and k_x is found by bisection between -a max S/S~, where
    q <= S~, and -log of the sum of S~. Raises ValueError unless 0 <= eta <= 1.
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"mixed: 0 <= eta <= 1 is required, found {eta!r}")
    if eta in (0.0, 1.0):
        return tilted(log_s if eta else log_smoothed, 0.0, prompt)
    a, groups, inside = eta / (1.0 - eta), int(prompt.max()) + 1, log_s > -np.inf
    log_total = log_group_sum(log_smoothed, prompt, groups)
    gap = np.where(inside, np.log(a) + np.where(inside, log_s, 0.0) - log_smoothed, -np.inf)
    low = np.zeros(groups)
    np.minimum.at(low, prompt, -np.exp(gap))
    low, high = np.minimum(low, -log_total), -log_total

    def law(k: np.ndarray) -> np.ndarray:
        omega = np.asarray(wrightomega(np.where(inside, gap, 0.0) - k[prompt]), np.float64)
        with np.errstate(divide="ignore"):
            on_s = np.where(inside, log_s, 0.0) + np.log(a) - np.log(omega)
        return np.where(inside, on_s, log_smoothed + k[prompt])

    for _ in range(200):
        middle = 0.5 * (low + high)
        below = log_group_sum(law(middle), prompt, groups) < 0.0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return tilted(law(high), 0.0, prompt)  # the sum is 1 up to rounding already


def entropic(log_s: np.ndarray, tau: float, prompt: np.ndarray) -> np.ndarray:
    """The minimiser of -E_S log q - tau H(q) over the laws q on the given outcomes of each prompt: log q [nat].

    S/q - tau log q is the same for all outcomes of x, call it tau k_x. So log q = w - k_x, where w is 0 if S = 0 and
    else w + log w = k_x + log(S/tau): what the bonus adds is spread evenly, over invalid outcomes too. k_x lies between
    log n and 2/tau + log 2n, n the number of outcomes, because q >= e^(-k) at the first and q <= (S + 1/n)/2 at the
    second. Raises ValueError unless tau > 0.
    """
    if not tau > 0.0:
        raise ValueError(f"entropic: tau > 0 is required, found {tau!r}")
    number, inside = int(prompt.max()) + 1, log_s > -np.inf
    log_n = np.log(np.bincount(prompt, minlength=number))
    gap = np.where(inside, log_s, 0.0) - np.log(tau)

    def law(k: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(inside, np.asarray(wrightomega(gap + k[prompt])), 0.0) - k[prompt])

    low, high = log_n, 2.0 / tau + np.log(2.0) + log_n
    for _ in range(200):
        middle = 0.5 * (low + high)
        much = log_group_sum(law(middle), prompt, number) > 0.0
        low, high = np.where(much, middle, low), np.where(much, high, middle)
    return tilted(law(high), 0.0, prompt)  # the sum is 1 up to rounding already


def covering(log_s: np.ndarray, samples: int, prompt: np.ndarray) -> np.ndarray:
    """The minimiser of -E_S log(1 - (1 - q)^N) over laws q of answers to each prompt: log q(y|x) [nat], float64[N].

    It is the law with the largest E_S log of the probability that N samples contain the answer. S is proportional to
    (1 - (1 - q)^N)/(1 - q)^(N - 1). Raises ValueError for N < 1.
    """
    if samples < 1:
        raise ValueError(f"covering: at least one sample is required, found {samples!r}")
    if samples == 1:
        return tilted(log_s, 0.0, prompt)

    def log_slope(log_q: np.ndarray) -> np.ndarray:
        log_rest = np.log(-np.expm1(log_q))
        return np.asarray((samples - 1.0) * log_rest - np.log(-np.expm1(samples * log_rest)))

    return levelled(log_s, log_slope, prompt)


def crossed(log_s: np.ndarray, log_smoothed: np.ndarray, eta: float, prompt: np.ndarray) -> np.ndarray:
    """The minimiser of -eta E_S log q - (1 - eta) E_q log S~ over the laws q of answers to each prompt: log q [nat].

    q = eta S/(nu_x - (1 - eta) log S~), so it is sharper than S for eta < 1, and 0 where S is 0. S~ must be largest
    where S is, and need not be normalised. nu_x lies between 0 and eta above the largest (1 - eta) log S~ of an
    answer to x with S > 0. Raises ValueError unless 0 < eta <= 1.
    """
    if not 0.0 < eta <= 1.0:
        raise ValueError(f"crossed: 0 < eta <= 1 is required, found {eta!r}")
    number, inside = int(prompt.max()) + 1, log_s > -np.inf
    cost = np.where(inside, (1.0 - eta) * np.where(inside, log_smoothed, 0.0), -np.inf)
    top = np.full(number, -np.inf)
    np.maximum.at(top, prompt, cost)
    below = np.where(inside, np.where(np.isfinite(top), top, 0.0)[prompt] - np.where(inside, cost, 0.0), 0.0)
    log_part = np.where(inside, np.where(inside, log_s, 0.0) + np.log(eta), -np.inf)

    def law(log_nu: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(inside, log_part - np.log(np.exp(log_nu)[prompt] + below), -np.inf))

    low, high = np.full(number, -700.0), np.full(number, np.log(eta))
    for _ in range(200):
        middle = 0.5 * (low + high)
        much = log_group_sum(law(middle), prompt, number) > 0.0
        low, high = np.where(much, middle, low), np.where(much, high, middle)
    return tilted(law(high), 0.0, prompt)


def log_ratio(log_p: np.ndarray, event: np.ndarray, delta: float, prompt: np.ndarray) -> np.ndarray:
    """log S_d/P [nat], float64[N], of S_d = (1 - delta) P(.|x, A) + delta P(.|x): log[(1 - delta) 1_A/P(A|x) + delta].

    `log_p` may be a law of documents; P(x) > 0 is required. If P(A|x) = 0, it is log delta for all answers to x. Raises
    ValueError unless 0 < delta < 1.
    """
    if not 0.0 < delta < 1.0:
        raise ValueError(f"log_ratio: 0 < delta < 1 is required, found {delta!r}")
    number = int(prompt.max()) + 1
    log_kept = log_group_sum(np.where(event, log_p, -np.inf), prompt, number)
    log_mass = (log_kept - log_group_sum(log_p, prompt, number))[prompt]  # log P(A|x)
    odds = np.where(event & (log_mass > -np.inf), -np.where(log_mass > -np.inf, log_mass, 0.0), -np.inf)
    return np.logaddexp(np.log1p(-delta) + odds, np.log(delta))
