"""Checks of the exact splits of forgetting, of the shift accounting, and of the residuals of the identities."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

import mpmath
import numpy as np

from sim.metrics import forgetting, identities
from sim.metrics.entropy import entropy_interval
from sim.metrics.scored import Scored
from sim.quantity import Quantity
from sim.selftest.checks import Check, Value
from sim.selftest.drawn import LOG_FLOOR, SMALL, logs
from sim.selftest.models import Pair, World, pair_of
from sim.selftest.oracles import lists
from sim.selftest.oracles import measures as oracle
from sim.selftest.oracles.models import NONE, Outcome, Seen, log


def checks(world: World) -> Iterator[Check]:
    """Check the splits of the model against P, and of S against P."""
    forgotten = pair_of(world, world.p, world.p)
    yield from _gate(world, forgotten)
    yield from _styles(world, forgotten)
    yield from _shift(world)
    yield from _latent(world)
    yield from _identities(world, forgotten)


def _one(holds: bool) -> Fraction:
    return Fraction(int(holds))


def _parts(pair: Pair, member: Callable[[Outcome], Fraction]) -> tuple[Value, Value]:
    """Return a part's share of the gate, and its within term [nat]."""
    gate = pair.mean(lambda p, q: oracle.split(p, q, member)[0])
    return gate, pair.mean(lambda p, q: oracle.split(p, q, member)[1])


def _gate(world: World, pair: Pair) -> Iterator[Check]:
    event = np.array([x in world.event for x in world.documents])
    found = forgetting.gate_erasure(pair.p, pair.q, event, pair.log_law)
    gate_a, kept = _parts(pair, lambda x: _one(x[:-1] in world.event))
    gate_b, erased = _parts(pair, lambda x: _one(x[:-1] not in world.event))
    yield Check("gate", found.gate, gate_a + gate_b, floor=SMALL)
    yield Check("kept", found.kept, kept, floor=SMALL)
    yield Check("erasure", found.erasure, erased, floor=SMALL)
    total = pair.mean(lambda p, q: oracle.kl(zip(p.on, q.on, strict=True)))
    yield Check("gate + kept + erasure", found.total, total, floor=SMALL)
    masses = [_event_mass(world, seen) for seen in pair.q_seen]
    yield Check("log q(A | prompt)", forgetting.log_event(pair.q, event), logs(masses), floor=LOG_FLOOR)


def _event_mass(world: World, seen: Seen) -> Fraction:
    return sum((q for x, q in zip(seen.documents, seen.on, strict=True) if x[:-1] in world.event), NONE)


def _posterior(world: World) -> np.ndarray:
    return np.array([[float(p) for p in logs(world.posterior[x])] for x in world.documents])


def _style_of(world: World, z: int, x: Outcome) -> Fraction:
    return world.posterior[x[:-1]][z]


def _styles(world: World, pair: Pair) -> Iterator[Check]:
    log_posterior = _posterior(world)
    found = forgetting.style_split(pair.p, pair.q, log_posterior, pair.log_law)
    parts = [_parts(pair, partial(_style_of, world, z)) for z in (0, 1)]
    yield Check("style gate", found.gate, parts[0][0] + parts[1][0], floor=SMALL)
    yield Check("within styles", found.within, [within for _, within in parts], floor=SMALL)
    masses = [
        logs(
            [
                sum((q * world.posterior[x[:-1]][z] for x, q in zip(s.documents, s.on, strict=True)), NONE)
                for z in (0, 1)
            ]
        )
        for s in pair.q_seen
    ]
    yield Check("log q(style | prompt)", forgetting.log_styles(pair.q, log_posterior), masses, floor=LOG_FLOOR)


def _shift(world: World) -> Iterator[Check]:
    member = {x: _one(x in world.event) for x in world.p}
    kept = lists.given(world.p, member)[0]
    event, log_law = np.array([x in world.event for x in world.documents]), world.log_law(world.s)
    truth = [world.truth(law) for law in (world.p, world.s, kept)]
    found = forgetting.shift_accounting(truth[0], truth[1], truth[2], event, log_law)
    to_p, to_kept = (_apart(world, world.s, law) for law in (world.p, kept))
    yield Check("conditioning", found.conditioning, to_p - to_kept, floor=SMALL)
    yield Check("narrowing", found.narrowing, to_kept, floor=SMALL)
    yield Check("KL(S || P)", found.total, to_p, floor=SMALL)


def _apart(world: World, s: lists.Law, other: lists.Law) -> Value:
    """Return KL(S || other) given the prompt, averaged under S(x) [nat]."""
    rows = zip(world.weights(s), world.seen(s), world.seen(other), strict=True)
    return oracle.mean_of([(w, oracle.kl(zip(a.on, b.on, strict=True))) for w, a, b in rows if w])


def _latent(world: World) -> Iterator[Check]:
    """Check the shift for a latent event, a style. Here S is restricted to the documents that can have it."""
    member = {x: world.posterior[x][0] for x in world.p}
    inside = {x: p if member[x] else NONE for x, p in world.s.items()}
    if not any(inside.values()):
        return
    s, joint = lists.normalised(inside), {x: p * member[x] for x, p in world.p.items()}
    log_member = np.array([float(logs([member[x]])[0]) for x in world.documents])
    found = forgetting.latent_shift_accounting(world.truth(world.p), world.truth(s), log_member, world.log_law(s))
    p_x, z_x, s_x = (world.weights(law) for law in (world.p, joint, s))
    conditioning = oracle.mean_of([(w, -log(z / p)) for w, z, p in zip(s_x, z_x, p_x, strict=True) if w])
    overlap = oracle.mean_of([(p, log(member[x])) for x, p in s.items() if p])
    to_p = _apart(world, s, world.p)
    yield Check("conditioning on a latent event", found.conditioning, conditioning, floor=SMALL)
    yield Check("overlap", found.overlap, overlap, floor=SMALL)
    yield Check("narrowing within a latent event", found.narrowing, to_p - conditioning - overlap, floor=SMALL)
    yield Check("KL(S || P), latent event", found.total, to_p, floor=SMALL)


def _identities(world: World, pair: Pair) -> Iterator[Check]:
    p, q, law = pair.p, pair.q, pair.log_law
    event = np.array([x in world.event for x in world.documents])
    kept = world.truth(lists.given(world.p, {x: _one(x in world.event) for x in world.p})[0])
    s, log_s = world.truth(world.s), world.log_law(world.s)
    h = [entropy_interval(one, law) for one in (p, q)]
    steps = forgetting.waterfall(h[0], Quantity.of(0.25), Quantity.of(0.5), h[1])
    residuals = {
        "cross_entropy": identities.cross_entropy_identity(p, q, law),
        "chain_rule_entropy": identities.chain_rule_entropy_identity(q, law),
        "chain_rule_kl": identities.chain_rule_kl_identity(p, q, law),
        "gate_erasure": identities.gate_erasure_identity(p, q, event, law),
        "style_split": identities.style_split_identity(p, q, _posterior(world), law),
        "shift_accounting": identities.shift_accounting_identity(p, s, kept, event, log_s),
        "waterfall": identities.waterfall_identity(p, q, steps, law),
        "conditionals": identities.conditionals_identity(q, law),
        "total_mass": identities.total_mass_identity(q, law),
    }
    yield Check("residuals of the identities", list(residuals.values()), [0.0] * len(residuals), floor=SMALL)
    slacks = _slacks(p, q, law)
    yield Check("inequalities hold", identities.violations(residuals | slacks), [])
    yield Check("slacks", list(slacks.values()), _slacks_by_hand(pair), floor=SMALL)


def _slacks(p: Scored, q: Scored, law: np.ndarray) -> dict[str, float]:
    return {
        "kl_nonnegative": identities.kl_nonnegative_slack(p, q, law),
        "pinsker": identities.pinsker_slack(p, q, law),
        "collision_continuity": identities.collision_continuity_slack(p, q, law),
        "entropy_continuity": identities.entropy_continuity_slack(p, q, law),
    }


def _slacks_by_hand(pair: Pair) -> list[Value]:
    rows: list[list[Value]] = []
    for w, p, q in zip(pair.weights, pair.p_seen, pair.q_seen, strict=True):
        both = list(zip(p.merged, q.merged, strict=True))
        kl, tv = oracle.kl(both), oracle.total_variation(both)
        atoms = sum(a > 0 or b > 0 for a, b in both)
        bound = oracle.number(tv) * mpmath.log(max(atoms - 1, 1)) + oracle.entropy([tv, 1 - tv])
        gap = oracle.number(oracle.squares(p.merged) - oracle.squares(q.merged))
        change = abs(oracle.entropy(p.merged) - oracle.entropy(q.merged))
        if w:
            rows.append([kl, kl - 2 * oracle.number(tv * tv), kl - gap**2, bound - change])
    return [min(column) for column in zip(*rows, strict=True)]
