"""Strings that S leaves out, drawn from a model that hardly writes them: twisted draws with their weights.

How likely does a model q write a string of an event B, when it writes one in a thousand, or in a million? A *twisted*
draw follows the law r(a | h) = q(a | h) P(B | ha) / (P(B | h) Z(h)), where P(B | h) is the exact probability of B given
the prefix h under P, and Z(h) makes it a law. So it always ends in B, and E_r[P(B) prod_t Z(x_<t)] = E_q[P(B | x)],
which is q(B) if B is an event of strings. All weights are P(B) if q = P; how far they spread says how good the estimate
is. Source: S. Zhao et al. 2024, arXiv 2404.17546, for twisted laws; Y. Leviathan, M. Kalman and Y. Matias 2022, arXiv
2211.17192, for drawing from one law by accepting the tokens of another.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim.numerics import EOS
from sim.unlisted.world import UnlistedWorld, alive

IMPOSSIBLE = 1e-9
"""A P(B | h) below this counts as 0: it is a difference of two laws, and so known up to rounding.

A string of B that runs through such a prefix is never drawn. So what is estimated is q(B) without these strings.
"""


class Twisted(NamedTuple):
    """Twisted draws: rows int32[N, L], and log_weight float64[N], whose exponentials have the mean E_q[P(B | x)]."""

    rows: np.ndarray
    log_weight: np.ndarray


def twist(world: UnlistedWorld, rows: np.ndarray) -> np.ndarray:
    """P(B | x_<t a) / P(B | x_<t) for every token a: float64[N, L, V]; 0 for what P cannot write, and behind B's end.

    B is what S = P_A leaves out. If A is an event of derivations, so is B.
    """
    p, s = world.p, world.s
    log_p, log_s = (one.law.prefix_log_prob(rows)[:, : world.length] for one in (p, s))
    kept = np.exp(world.log_member(log_p, log_s))
    law, of_s = p.next_token(rows), s.next_token(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(law > 0, 1.0 - kept[..., None] * of_s / law, 0.0)
        before = np.where(log_p > -np.inf, 1.0 - kept, 0.0)[..., None]
        found = left / before
    return np.asarray(np.where((left >= IMPOSSIBLE) & (before >= IMPOSSIBLE), found, 0.0))


def draw(
    world: UnlistedWorld,
    number: int,
    rng: np.random.Generator,
    follow: Callable[[np.ndarray, np.ndarray], np.ndarray],
    log_laws: Callable[[np.ndarray], np.ndarray],
    part: int,
) -> Twisted:
    """Draw `number` independent strings of B = what S leaves out, for S = P_A with P(A) < 1.

    follow: draws the rest of rows int32[N, L] behind their first known tokens, int32[N], from the model q. log_laws:
    log q(. | x_<t) [nat] of rows, float64[n, L, V]. part: how many rows are scored at once. Every row is a string that
    q has drawn, as far as its tokens are accepted; the token after them is drawn from what r has more than q.
    """
    rows, known = np.zeros((number, world.length), np.int32), np.zeros(number, np.int32)
    log_weight = np.full(number, math.log(-math.expm1(world.narrowed.log_mass)))
    open_ = np.arange(number)
    while len(open_):
        drafts = np.asarray(follow(rows, known))
        left = []
        for at in range(0, len(open_), part):
            own = open_[at : at + part]
            rows[own], known[own], gained, ended = _accepted(world, drafts[own], known[own], log_laws, rng)
            log_weight[own] += gained
            left.append(own[~ended])
        open_ = np.concatenate(left)
    return Twisted(rows, log_weight)


def _accepted(
    world: UnlistedWorld,
    drafts: np.ndarray,
    known: np.ndarray,
    log_laws: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Accept drafts up to their first token that r draws less often than q, and draw that one anew.

    Returns the rows, how many of their tokens are known, the sum of log Z at the new ones, and whether a row has ended.
    """
    q, ratio = np.exp(log_laws(drafts)), twist(world, drafts)
    weighted = q * ratio
    z = weighted.sum(axis=-1)
    number, length = drafts.shape
    tokens = drafts.astype(np.int64)[..., None]
    chance = np.take_along_axis(ratio, tokens, axis=-1)[..., 0]
    new = alive(drafts) & (np.arange(length) >= known[:, None])
    refused = new & (rng.random((number, length)) * z >= chance)
    some = refused.any(axis=1)
    first = np.where(some, refused.argmax(axis=1), length)
    counted = new & (np.arange(length) <= first[:, None])
    rows = np.where(np.arange(length) < first[:, None], drafts, EOS).astype(np.int32)
    for i in np.flatnonzero(some):
        t = first[i]
        more = np.maximum(weighted[i, t] / z[i, t] - q[i, t], 0.0)
        rows[i, t] = rng.choice(len(more), p=more / more.sum())
    gained = np.where(counted, np.log(np.where(counted, z, 1.0)), 0.0).sum(axis=1)
    reached = np.where(some, first + 1, length).astype(np.int32)
    last = rows[np.arange(number), np.maximum(reached - 1, 0)]
    return rows, reached, gained, (reached == length) | (last == EOS)
