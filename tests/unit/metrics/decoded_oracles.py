"""What a model is after a decoding rule, string by string: at every prefix the rule acts on a list of fractions."""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache

from tests.unit.metrics.oracle_worlds import PROBED, RULES, STEPS, STYLES, Seen
from tests.unit.metrics.small_worlds import Conditionals, L, Outcome, log

Values = Iterator[tuple[str, int, str, str, str, float]]
Law = Mapping[Outcome, float]


def label(kind: str, number: float) -> str:
    return {"temperature": "T =", "top_k": "top-k", "top_p": "top-p", "min_p": "min-p"}[kind] + f" {number:g}"


def ruled(row: list[Fraction], kind: str, number: float) -> list[float]:
    """The law of a token after a rule; of equally likely tokens the first ones stay."""
    order = sorted(range(len(row)), key=lambda token: (-row[token], token))
    if kind == "temperature":
        powers = [float(value) ** (1 / number) for value in row]
        return [power / math.fsum(powers) for power in powers]
    if kind == "top_k":
        stay = set(order[: int(number)])
    elif kind == "min_p":
        stay = {token for token, value in enumerate(row) if value >= Fraction(number) * max(row)}
    else:
        stay = {token for at, token in enumerate(order) if sum(row[t] for t in order[:at]) < Fraction(number)}
    left = [value if token in stay else Fraction(0) for token, value in enumerate(row)]
    return [float(value / sum(left)) for value in left]


class Decoded:
    """The model of one evaluation after a rule, given a prompt."""

    def __init__(self, model: Conditionals, kind: str, number: float) -> None:
        self.row = cache(lambda prefix: ruled(model[prefix], kind, number))

    def answer(self, document: Outcome, start: int) -> float:
        return math.prod(self.row(document[:t])[document[t]] for t in range(start, len(document)))

    def entropy(self, prefix: Outcome) -> float:
        """H of what follows, over everything that the vocabulary can write, by the chain rule."""
        if len(prefix) == L or (prefix and prefix[-1] == 0):
            return 0.0
        row = self.row(prefix)
        return math.fsum(q * (self.entropy((*prefix, a)) - math.log(q)) for a, q in enumerate(row) if q)


def each(seen: Seen) -> Iterator[tuple[int, str, Decoded, dict[Outcome, Law]]]:
    """Every evaluation and rule: its label, the model, and its probabilities of the listed answers to every prompt."""
    prompts = seen.weights(seen.case.p)
    for index in range(len(STEPS)):
        for kind, number in RULES:
            q = Decoded(seen.case.models[PROBED, index], kind, number)
            laws = {x: {d: q.answer(d, len(x)) for d in seen.case.documents if d[: len(x)] == x} for x in prompts}
            yield index, label(kind, number), q, laws


def over(weights: Mapping[Outcome, Fraction], value: Callable[[Outcome], float]) -> float:
    return math.fsum(float(weight) * value(x) for x, weight in weights.items())


def summed(of: str, has: Callable[[Seen, Outcome], float]) -> Callable[[Seen], Values]:
    """The probability of some listed answers, each with a weight."""

    def values(seen: Seen) -> Values:
        weights = seen.weights(seen.case.p)
        for index, at, _, laws in each(seen):
            total = over(weights, lambda x, laws=laws: math.fsum(v * has(seen, d) for d, v in laws[x].items()))
            yield PROBED, index, of, at, seen.p_name, total

    return values


def both(*parts: Callable[[Seen], Values]) -> Callable[[Seen], Values]:
    return lambda seen: (row for part in parts for row in part(seen))


def style_mass(seen: Seen) -> Values:
    for z, style in enumerate(STYLES) if seen.case.share else ():
        yield from summed(f"q({style})", lambda seen, d, z=z: float(seen.case.share[d][z]))(seen)


def kl(seen: Seen) -> Values:
    case = seen.case
    for index, at, _, laws in each(seen):
        for of, law, name in (("P||q", case.p, seen.p_name), ("S||q", case.s, seen.s_name)):
            total = over(seen.weights(law), lambda x, laws=laws, law=law: apart(seen.given(law, x), laws[x]))
            yield PROBED, index, of, at, name, total


def apart(p: Mapping[Outcome, Fraction], q: Law) -> float:
    return math.fsum(float(v) * (log(v) - (math.log(q[d]) if q[d] else -math.inf)) for d, v in p.items() if v)


def entropy(seen: Seen) -> Values:
    weights = seen.weights(seen.case.p)
    for index, at, q, _ in each(seen):
        yield PROBED, index, "q", at, seen.p_name, over(weights, q.entropy)


def missed(ratio: int) -> Callable[[Seen], Values]:
    """The mass of the answers of P, and of P_A under the model given A, that become so many times rarer."""

    def values(seen: Seen) -> Values:
        case = seen.case
        for index, at, _, laws in each(seen):
            weights = seen.weights(case.p)
            yield (
                PROBED,
                index,
                "P,q",
                at,
                seen.p_name,
                over(weights, lambda x, laws=laws: rarer(seen.given(case.p, x), laws[x], ratio)),
            )
            weights = seen.weights(case.kept)
            inside = {x: {d: v for d, v in laws[x].items() if d in case.event and d in case.p} for x in weights}
            given = {x: {d: v / (sum(law.values()) or 1.0) for d, v in law.items()} for x, law in inside.items()}
            name = "P_A(x)" if seen.response else ""
            yield (
                PROBED,
                index,
                "P_A,q_A",
                at,
                name,
                over(weights, lambda x, given=given: rarer(seen.given(case.kept, x), given[x], ratio)),
            )

    return values


def rarer(p: Mapping[Outcome, Fraction], q: Law, ratio: int) -> float:
    return float(sum(v for d, v in p.items() if float(v) >= ratio * q[d] * (1 - 1e-11)))


def gate(seen: Seen) -> Values:
    """The tokens after the prompt: those that begin an answer of P that is left out, and those that begin none."""
    case, weights = seen.case, seen.weights(seen.case.p)
    for index, at, q, _ in each(seen) if seen.response else ():
        for of, event in (("q(B)", [d for d in case.p if d not in case.event]), ("q(⊥)", case.documents)):
            begun = {x: {d[len(x)] for d in event if d[: len(x)] == x} for x in weights}
            total = over(weights, lambda x, q=q, begun=begun, of=of: math.fsum(
                v for a, v in enumerate(q.row(x)) if (a in begun[x]) == (of == "q(B)")
            ))  # fmt: skip
            yield PROBED, index, of, at, seen.p_name, total


def reweighted(seen: Seen) -> Values:
    """Every answer gets the factor P(z|x) / q(z|x) of its style, in fractions."""
    case = seen.case
    if not case.share or any(0 < share[0] < 1 for share in case.share.values()):
        return
    for phase in case.phases:
        for index in range(len(STEPS)):
            total = 0.0
            for x, weight in seen.weights(case.p).items():
                p, q = seen.given(case.p, x), seen.answers(phase, index, x)
                mass = [[sum(law[d] for d in p if case.share[d][z]) for law in (p, q)] for z in range(len(STYLES))]
                for d, v in p.items():
                    wanted, found = mass[0 if case.share[d][0] else 1]
                    total += float(weight * v) * (log(v) - (log(q[d] * wanted / found) if q[d] else -math.inf))
            yield phase, index, "P||q_w", "", seen.p_name, total


DECODED: dict[str, Callable[[Seen], Values]] = {
    "decoded_validity": summed("q", lambda seen, d: float(d in seen.case.p)),
    "decoded_mass": both(
        summed("q(A)", lambda seen, d: float(d in seen.case.event)),
        summed("q(B)", lambda seen, d: float(d in seen.case.p and d not in seen.case.event)),
    ),
    "decoded_style_mass": style_mass,
    "decoded_kl": kl,
    "decoded_entropy": entropy,
    "decoded_lost_2": missed(2),
    "decoded_lost_10": missed(10),
    "decoded_gate": gate,
    "reweighted_kl": reweighted,
}
