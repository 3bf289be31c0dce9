"""What mixtures of models are: sums over everything that the vocabulary can write, and over all tokens at a prefix."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache

from tests.unit.metrics.oracle_worlds import MEAN, NONE, PARTS, STEPS, Seen, average
from tests.unit.metrics.small_worlds import Outcome, V

Values = Iterator[tuple[str, int, str, str, str, float]]
"""Phase, index of the evaluation, the columns `of`, `at` and `prompt_law`, and the true value."""

LAST = len(STEPS) - 1


def product(values: list[Fraction]) -> float:
    """Π value_i^w_i."""
    return math.prod(float(value) ** weight for value, (_, weight) in zip(values, PARTS, strict=True))


def arithmetic(seen: Seen, x: Outcome) -> Callable[[Outcome], float]:
    laws = [seen.answers(phase, LAST, x) for phase, _ in PARTS]
    return lambda d: float(sum(Fraction(w) * law.get(d, NONE) for law, (_, w) in zip(laws, PARTS, strict=True)))


def by_token(seen: Seen, x: Outcome) -> Callable[[Outcome], float]:
    """At every prefix the products of all V tokens, over their sum."""
    models = [seen.case.models[phase, LAST] for phase, _ in PARTS]

    @cache
    def row(prefix: Outcome) -> list[float]:
        found = [product([model[prefix][token] for model in models]) for token in range(V)]
        return [value / math.fsum(found) if any(found) else 0.0 for value in found]

    return lambda d: math.prod(row(d[:t])[d[t]] for t in range(len(x), len(d)))


def by_string(seen: Seen, x: Outcome) -> Callable[[Outcome], float]:
    """Over everything that the vocabulary can write, also what P lacks."""
    laws = [seen.model(phase, LAST, x) for phase, _ in PARTS]
    total = math.fsum(product([law.get(d, NONE) for law in laws]) for d in set.intersection(*map(set, laws)))
    return lambda d: product([law.get(d, NONE) for law in laws]) / total if total else 0.0


KINDS = {"arithmetic": arithmetic, "geometric per token": by_token, "geometric per string": by_string}


def mixture_kl(seen: Seen) -> Values:
    """Answer by answer."""
    case = seen.case
    for at, kind in KINDS.items():
        for of, truth, law in (("P||m", case.p, seen.p_name), ("S||m", case.s, seen.s_name)):
            weights, values = seen.weights(truth), {}
            for x in weights:
                m = kind(seen, x)
                terms = ((float(p), m(d)) for d, p in seen.given(truth, x).items())
                values[x] = math.fsum(p * math.log(p / q) if q else math.inf for p, q in terms)
            for index in range(len(STEPS)):
                yield MEAN, index, of, at, law, average(weights, values)
