"""What the rows about the planes with a frontier are: sums over answers in fractions."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

from tests.unit.metrics.oracle_worlds import NONE, STEPS, Seen, average
from tests.unit.metrics.small_worlds import Law, log

Values = Iterator[tuple[str, int, str, str, str, float]]
"""Phase, index of the evaluation, the columns `of`, `at` and `prompt_law`, and the true value."""


def subjects(seen: Seen) -> Iterator[tuple[str, int, str, Callable]]:
    """Every law that answers all prompts of P: phase, index, name, and a function from a prompt to its answers."""
    case = seen.case
    for name, law in (("P", case.p), ("P_A", case.kept), ("S", case.s), ("q*", case.best)):
        if all(seen.given(law, x) for x in seen.weights(case.p)):
            yield "truth", 0, name, lambda x, law=law: seen.given(law, x)
    for phase in case.phases:
        for index in range(len(STEPS)):
            yield phase, index, "q", lambda x, at=(phase, index): seen.answers(*at, x)


def each(seen: Seen, measure: Callable[[Law, Law], float], renormalised: bool, at: str = "") -> Values:
    """The mean over P(x) of a measure of P(. | x) and the answers of a law that P has, if all prompts have some."""
    weights = seen.weights(seen.case.p)
    for phase, index, name, answers in subjects(seen):
        laws = {x: {d: v for d, v in answers(x).items() if d in seen.case.p} for x in weights}
        totals = {x: sum(law.values(), NONE) for x, law in laws.items()}
        if renormalised:
            if not all(totals.values()):
                continue
            laws = {x: {d: v / totals[x] for d, v in law.items()} for x, law in laws.items()}
        value = average(weights, {x: measure(seen.given(seen.case.p, x), laws[x]) for x in weights})
        yield phase, index, name, at, seen.p_name, value


def surprisal(seen: Seen) -> Values:
    yield from each(seen, lambda p, q: -math.fsum(float(v) * log(p[d]) for d, v in q.items() if v), True)


def supported_entropy(seen: Seen) -> Values:
    yield from each(seen, lambda _, q: -math.fsum(float(v) * log(v) for v in q.values() if v), True)


def sampled_coverage(seen: Seen) -> Values:
    """Sample after sample: an answer that was missed so far is missed again with probability 1 - q."""

    def hit(p: Law, q: Law, samples: int) -> Fraction:
        missed = dict(p)
        for _ in range(samples):
            missed = {d: v * (1 - q.get(d, NONE)) for d, v in missed.items()}
        return 1 - sum(missed.values())

    for samples in (2, 10):
        yield from each(seen, lambda p, q, n=samples: float(hit(p, q, n)), False, str(samples))


PLANES = {one.__name__: one for one in (surprisal, supported_entropy, sampled_coverage)}
