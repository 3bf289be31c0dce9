"""Check the measures of `sim.metrics` against sums over every outcome, for random truths and models.

The models leave the support.
"""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

import mpmath

from sim.metrics import divergence, diversity, entropy, positions, support
from sim.quantity import Quantity
from sim.selftest import splits
from sim.selftest.checks import Check, Value
from sim.selftest.drawn import SMALL
from sim.selftest.models import LENGTH, SIZE, Pair, random_pair, random_world
from sim.selftest.oracles import measures as oracle
from sim.selftest.oracles.models import Seen
from sim.selftest.oracles.numbers import DIGITS


def checks(rng: random.Random) -> Iterator[Check]:
    """Check half of the sections on one world: divergences, entropies, diversities, supports, positions, splits."""
    world = random_world(rng)
    pair = random_pair(rng, world)
    sections: list[Callable[[], Iterator[Check]]] = [
        partial(_divergences, pair),
        partial(_entropies, pair),
        partial(_diversity, pair),
        partial(_distinct, rng, pair),
        partial(_support, rng, pair),
        partial(_smallest, rng, pair),
        partial(_positions, pair),
        partial(splits.checks, world),
    ]
    with mpmath.workdps(DIGITS):
        for section in rng.sample(sections, 4):
            yield from section()


def _divergences(pair: Pair) -> Iterator[Check]:
    p, q, weights = pair.p.merged, pair.q.merged, pair.p.log_merged_weights(pair.log_law)

    def wanted(measure: Callable[[oracle.Pairs], Value]) -> Value:
        return pair.mean(lambda a, b: measure(zip(a.merged, b.merged, strict=True)))

    yield Check("KL", divergence.kl(p, q, weights), wanted(oracle.kl), floor=SMALL)
    reverse = pair.mean(lambda a, b: oracle.kl(zip(b.merged, a.merged, strict=True)))
    yield Check("reverse KL", divergence.kl(q, p, weights), reverse, floor=SMALL)
    on = pair.p.log_q, pair.q.log_q, pair.p.log_weights(pair.log_law)
    inside = pair.mean(lambda a, b: oracle.kl(zip(a.on, b.on, strict=True)))
    yield Check("KL on the support", divergence.kl(*on), inside, floor=SMALL)
    cross = pair.mean(lambda a, b: oracle.cross_entropy(zip(a.on, b.on, strict=True)))
    yield Check("cross-entropy", divergence.cross_entropy(*on), cross, floor=SMALL)
    tv, js = wanted(oracle.total_variation), wanted(oracle.jensen_shannon)
    yield Check("total variation", divergence.total_variation(p, q, weights), tv, floor=SMALL)
    yield Check("Jensen-Shannon", divergence.jensen_shannon(p, q, weights), js, floor=SMALL)
    root = mpmath.sqrt(wanted(oracle.square_hellinger))
    yield Check("Hellinger", divergence.hellinger(p, q, weights), root, floor=SMALL)


def _ends(name: str, found: Quantity, lower: Value, upper: Value, true: Value) -> Iterator[Check]:
    """Check both ends against their definitions, and that they contain the true value up to rounding."""
    yield Check(f"{name}, lower end", found.lower, lower, floor=SMALL)
    yield Check(f"{name}, upper end", found.upper, upper, floor=SMALL)
    slack = 1e-13 * max(1.0, float(true))
    yield Check(f"{name} is within its ends", found.lower - slack <= float(true) <= found.upper + slack, True)


def _entropies(pair: Pair) -> Iterator[Check]:
    q, law = pair.q, pair.log_law
    lower = pair.mean_q(oracle.off_entropy)
    upper = lower + pair.mean_q(lambda seen: oracle.room(seen, SIZE, LENGTH))
    true = pair.mean_q(lambda seen: oracle.entropy(seen.law.values()))
    yield from _ends("entropy", entropy.entropy_interval(q, law), lower, upper, true)
    merged = pair.mean_q(lambda seen: oracle.entropy(seen.merged))
    yield Check("entropy with merged rest", entropy.merged_entropy(q, law), merged, floor=SMALL)
    hill = diversity.hill_number(q, 1, law)
    yield from _ends("Hill number 1", hill, mpmath.exp(lower), mpmath.exp(upper), mpmath.exp(true))


def _diversity(pair: Pair) -> Iterator[Check]:
    q, law = pair.q, pair.log_law
    on = pair.mean_q(lambda seen: oracle.squares(seen.on))
    upper = on + pair.mean_q(lambda seen: oracle.squares(seen.exits.values()))
    true = pair.mean_q(lambda seen: oracle.squares(seen.law.values()))
    yield from _ends("collision", diversity.collision_interval(q, law), on, upper, true)
    truth = pair.mean(lambda a, _: oracle.squares(a.on))
    ratio = diversity.collision_ratio(q, pair.p, law)
    yield from _ends("collision ratio", ratio, on / truth, upper / truth, true / truth)
    if on:
        ends = 1 / upper, 1 / on, 1 / true
        yield from _ends("Hill number 2", diversity.hill_number(q, 2, law), *ends)
        yield from _ends("Rényi entropy 2", diversity.renyi_entropy(q, 2, law), *map(mpmath.log, ends))
    largest = pair.mean_q(lambda seen: max(seen.on))
    above = pair.mean_q(lambda seen: max([*seen.on, *seen.exits.values()]))
    likeliest = pair.mean_q(lambda seen: max(seen.law.values()))
    yield from _ends("largest probability", diversity.largest_interval(q, law), largest, above, likeliest)


def _distinct(rng: random.Random, pair: Pair) -> Iterator[Check]:
    number = rng.choice((1, 2, 5, 100))
    on = pair.mean_q(lambda seen: oracle.distinct(seen.on, number))
    lower = on + pair.mean_q(lambda seen: oracle.distinct([seen.off], number))
    upper = on + pair.mean_q(lambda seen: number * seen.off)
    true = pair.mean_q(lambda seen: oracle.distinct(seen.law.values(), number))
    yield from _ends("distinct strings", diversity.distinct_of(pair.q, number, pair.log_law), lower, upper, true)


def _support(rng: random.Random, pair: Pair) -> Iterator[Check]:
    p, q, law = pair.p, pair.q, pair.log_law
    possible = [x for w, seen in zip(pair.weights, pair.q_seen, strict=True) if w for x in seen.on if x]
    epsilon = rng.choice([*possible, Fraction(1, 50), Fraction(1, 10**6), Fraction(3, 10)])
    found = support.epsilon_support(q, [float(epsilon)], law)[0]
    count = pair.mean_q(lambda seen: sum(x >= epsilon for x in seen.on))
    yield Check("epsilon support, lower end", found.lower, count)
    true = float(pair.mean_q(lambda seen: sum(x >= epsilon for x in seen.law.values())))
    inside = found.lower * (1 - 1e-13) <= true <= found.upper * (1 + 1e-13)
    yield Check("epsilon support is within its ends", inside, True)
    log_p, log_q, weights = p.log_q, q.log_q, p.log_weights(law)
    held = pair.mean(lambda a, b: oracle.held(a, b, lambda _, one: one >= epsilon))
    yield Check("coverage", support.coverage(log_p, log_q, [float(epsilon)], weights)[0], held)
    times = rng.choice((Fraction(1), Fraction(2), Fraction(1, 3), Fraction(100)))
    held = pair.mean(lambda a, b: oracle.held(a, b, lambda x, y: x >= times * y))
    yield Check("coverage profile", support.coverage_profile(log_p, log_q, [float(times)], weights)[0], held)
    recall = pair.mean(lambda a, b: oracle.share_of_support(a, b, epsilon))
    yield Check("recall of the support", support.support_recall(p, q, float(epsilon), law), recall)
    yield Check("mass off the support", support.off_support_mass(q, law), pair.mean_q(lambda seen: seen.off))
    beyond = pair.mean(lambda a, b: b.off + sum(y for x, y in zip(a.on, b.on, strict=True) if not x))
    yield Check("mass outside P", support.outside_mass(p, q, law), beyond)


def _smallest(rng: random.Random, pair: Pair) -> Iterator[Check]:
    delta = rng.choice((Fraction(0), Fraction(1, 10), Fraction(1, 2), Fraction(99, 100)))
    mass = 1 - delta - Fraction(1, 10**9)  # the slack that the measure documents

    def least(atoms: Callable[[Seen], list[Fraction]]) -> Value:
        return pair.mean_q(lambda seen: oracle.needed(atoms(seen), mass) or mpmath.inf)

    true = least(lambda seen: list(seen.law.values()))
    ends = least(lambda seen: seen.merged), least(lambda seen: seen.on), true
    yield from _ends("smallest set", support.smallest_set(pair.q, float(delta), pair.log_law), *ends)


def _positions(pair: Pair) -> Iterator[Check]:
    p, q, law = pair.p, pair.q, pair.log_law
    live = positions.live_by_position(q, law)
    places = range(max(len(node) - len(seen.start) for seen in pair.q_seen for node in seen.nodes) + 1)

    def by_place(value: Callable[[Seen, Seen, tuple[int, ...]], Value]) -> list[Value]:
        def here(t: int) -> Callable[[Seen, Seen], Value]:
            return lambda a, b: mpmath.fsum(oracle.number(value(a, b, node)) for node in a.at(t))

        return [pair.mean(here(t)) for t in places]

    alive = by_place(lambda _, b, node: b.mass(node))
    yield Check("mass alive by position", live, alive)
    h = by_place(lambda _, b, node: oracle.next_entropy(b, node, SIZE))
    yield Check("entropy by position", positions.entropy_by_position(q, q, law), h, floor=SMALL)
    branching = positions.branching_factor_by_position(q, q, law)
    yield Check("branching by position", branching, [mpmath.exp(x) for x in h])
    top = by_place(lambda _, b, node: oracle.next_largest(b, node, SIZE))
    shares = [above / mass if mass else 1 for above, mass in zip(top, alive, strict=True)]
    yield Check("top token by position", positions.top_one_by_position(q, q, law), shares)
    leaves = by_place(lambda _, b, node: sum(x for exit_, x in b.exits.items() if exit_[:-1] == node))
    yield Check("leaving mass by position", positions.off_by_position(q, law), leaves)
    apart = by_place(lambda a, b, node: oracle.next_kl(a, b, node, SIZE))
    yield Check("KL by position", positions.kl_by_position(p, q, law), apart, floor=SMALL)
