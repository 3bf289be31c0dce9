"""Strings that S leaves out, drawn from a model that hardly writes them: twisted draws with their weights.

How likely does a model q write a string of an event B, when it writes one in a thousand, or in a million? A *twisted*
draw follows the law r(a | h) = q(a | h)^g p(a | h)^(1 - g) P(B | ha) / (P(B | h) Z(h)). Here p is the law of P, P(B |
h) the exact probability of B under P given the prefix h, and Z(h) makes it a law. So a draw always ends in B: with
g = 0 it is one of P given B, with g = 1 one of the model, led to B by what P knows. Neither reaches all of q given B:
the model begins with strings of A and turns off late, and P does not know what the model prefers. So a third of the
draws each has g = 0, 1/2 and 1, and the weight of a draw is q(x) P(B | x) / r(x), with r the mean of the three laws
(the balance heuristic). Weights have the mean E_q[P(B | x)], which is q(B) if B is an event of strings. All are P(B)
if q = P.

Source: S. Zhao et al. 2024, arXiv 2404.17546, for twisted laws; E. Veach and L. Guibas 1995, "Optimally combining
sampling techniques for Monte Carlo rendering", for the balance heuristic; Y. Leviathan, M. Kalman and Y. Matias 2022,
arXiv 2211.17192, for drawing from one law by accepting the tokens of another.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.numerics import EOS
from sim.unlisted.world import UnlistedWorld, alive

IMPOSSIBLE = 1e-9
"""A P(B | h) below this counts as 0: it is a difference of two laws, and so known up to rounding.

A string of B that runs through such a prefix is never drawn. So what is estimated is q(B) without these strings.
"""


TILTS = (0.0, 0.5, 1.0)
"""How much of the model is in the laws of the draws: the exponents g. Draw i has that at i modulo 3."""


class Twisted(NamedTuple):
    """Twisted draws: rows int32[N, L], and log_weight float64[N], whose exponentials have the mean E_q[P(B | x)]."""

    rows: np.ndarray
    log_weight: np.ndarray


@dataclass(frozen=True)
class Drafter:
    """A model q as twisted draws use it: it drafts the rest of rows, and scores them.

    follow: draws the rest of rows int32[N, L] behind their first known tokens, int32[N], for the rows with the numbers
    int[n] alone: int32[n, L]. log_laws: log q(. | x_<t) of
    rows [nat], float64[n, L, V], finite. part: how many rows are scored at once.
    """

    follow: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    log_laws: Callable[[np.ndarray], np.ndarray]
    part: int


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


def tilted(log_q: np.ndarray, law: np.ndarray, ratio: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """The laws r(. | x_<t) of draws with exponents `tilt`, float64[N, L, V]; 0 where nothing of B can follow."""
    possible = (law > 0) & (ratio > 0)
    logs = tilt[:, None, None] * log_q + (1.0 - tilt[:, None, None]) * np.log(np.where(possible, law, 1.0))
    weighted = np.where(possible, np.exp(logs) * ratio, 0.0)
    total = weighted.sum(axis=-1, keepdims=True)
    return np.divide(weighted, total, out=np.zeros_like(weighted), where=total > 0)


def draw(world: UnlistedWorld, number: int, rng: np.random.Generator, model: Drafter) -> Twisted:
    """Draw `number` independent strings of B = what S leaves out, for S = P_A with P(A) < 1.

    Every row is a string that q has drawn, as far as its tokens are accepted. The token after them is drawn from what r
    has more than q, and the model goes on from there.
    """
    rows, known = np.zeros((number, world.length), np.int32), np.zeros(number, np.int32)
    tilt = np.array(TILTS)[np.arange(number) % len(TILTS)]
    open_ = np.arange(number)
    while len(open_):
        drafts = np.asarray(model.follow(rows, known, open_))
        left = []
        for at in range(0, len(open_), model.part):
            own, drafted = open_[at : at + model.part], drafts[at : at + model.part]
            log_q = model.log_laws(drafted)
            law = tilted(log_q, world.p.next_token(drafted), twist(world, drafted), tilt[own])
            rows[own], known[own], ended = _accepted(drafted, known[own], np.exp(log_q), law, rng)
            left.append(own[~ended])
        open_ = np.concatenate(left)
    shares = np.array([np.mean(tilt == one) for one in TILTS])
    parts = [weights(world, rows[at : at + model.part], model, shares) for at in range(0, number, model.part)]
    return Twisted(rows, np.concatenate(parts))


def weights(world: UnlistedWorld, rows: np.ndarray, model: Drafter, shares: np.ndarray) -> np.ndarray:
    """log of q(x) P(B | x) / r(x), with r the mean of the laws of `TILTS` by their shares, for rows of B: float64[N].

    The shares are those of the draws, which differ if their number is no multiple of 3; else the mean would be biased.
    """
    log_q, law, ratio = model.log_laws(rows), world.p.next_token(rows), twist(world, rows)
    counted, tokens = alive(rows), rows.astype(np.int64)[..., None]

    def along(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(counted, np.take_along_axis(values, tokens, axis=-1)[..., 0], 0.0).sum(axis=1))

    with np.errstate(divide="ignore"):
        own = [along(np.log(tilted(log_q, law, ratio, np.full(len(rows), tilt)))) for tilt in TILTS]
        mixed = np.logaddexp.reduce(np.stack(own) + np.log(shares)[:, None], axis=0)
        posterior = along(np.log(ratio)) + math.log(-math.expm1(world.narrowed.log_mass))
    return np.asarray(along(log_q) + posterior - mixed)


def _accepted(
    drafts: np.ndarray, known: np.ndarray, q: np.ndarray, law: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accept drafts up to their first token that r draws less often than q, and draw that one anew.

    Returns the rows, how many of their tokens are known, and whether a row has ended.
    """
    number, length = drafts.shape
    tokens = drafts.astype(np.int64)[..., None]
    by_q, by_r = (np.take_along_axis(values, tokens, axis=-1)[..., 0] for values in (q, law))
    new = alive(drafts) & (np.arange(length) >= known[:, None])
    refused = new & (rng.random((number, length)) * by_q >= by_r)
    some = refused.any(axis=1)
    first = np.where(some, refused.argmax(axis=1), length)
    rows = np.where(np.arange(length) < first[:, None], drafts, EOS).astype(np.int32)
    for i in np.flatnonzero(some):
        more = np.maximum(law[i, first[i]] - q[i, first[i]], 0.0)
        rows[i, first[i]] = rng.choice(len(more), p=more / more.sum())
    reached = np.where(some, first + 1, length).astype(np.int32)
    last = rows[np.arange(number), np.maximum(reached - 1, 0)]
    return rows, reached, (reached == length) | (last == EOS)
