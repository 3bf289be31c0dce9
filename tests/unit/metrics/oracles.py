"""What the rows of metrics are, as sums over listed strings in fractions: by their definitions, not by their code."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np

from tests.unit.metrics.decoded_oracles import DECODED
from tests.unit.metrics.mixture_oracles import mixture_kl
from tests.unit.metrics.oracle_worlds import (
    NONE,
    PEAK,
    PROBED,
    RATE,
    SEPARATOR,
    STEPS,
    STYLES,
    WATCHED,
    Seen,
    average,
)
from tests.unit.metrics.parameter_oracles import ORACLES as OF_PARAMETERS
from tests.unit.metrics.plane_oracles import PLANES
from tests.unit.metrics.small_worlds import Conditionals, Law, Outcome, V, log, surprise

Values = Iterator[tuple[str, int, str, str, str, float]]
"""Phase, index of the evaluation, the columns `of`, `at` and `prompt_law`, and the true value."""

Pairs = list[tuple[Fraction, Fraction]]
Floats = Mapping[Outcome, float]
"""A law in floating-point numbers: sums over all outcomes of a model would be slow in fractions."""

FINETUNED = ("sft", "identity", "carried", "linearised")
ON_S = ("sft", "linearised")
"""Phases that are trained on S; the other fine-tunings are trained on P."""


def models(seen: Seen, phases: tuple[str, ...] | None = None) -> Iterator[tuple[str, int]]:
    for phase in seen.case.phases:
        if phases is None or phase in phases:
            yield from ((phase, index) for index in range(len(STEPS)))


def pairs(p: Law, q: Law) -> Pairs:
    return [(p.get(d, NONE), q.get(d, NONE)) for d in p.keys() | q.keys()]


def kl_of(both: Pairs) -> float:
    return math.fsum(float(a) * (log(a) - log(b)) for a, b in both if a)


def product(q: Conditionals, document: Outcome, start: int) -> Fraction:
    """q of the tokens of a document from one on."""
    return math.prod((q[document[:t]][document[t]] for t in range(start, len(document))), start=Fraction(1))


# -- how far apart ----------------------------------------------------------------------------------------------------


def kl(seen: Seen) -> Values:
    case = seen.case
    on_p, on_s = seen.weights(case.p), seen.weights(case.s)
    for name, truth, weights, law in (("P", case.p, on_p, seen.p_name), ("S", case.s, on_s, seen.s_name)):
        yield (
            "truth",
            0,
            f"{name}||q*",
            "",
            law,
            kl_to(seen, truth, weights, {x: seen.given(case.best, x) for x in on_p}),
        )
    unknown = {x: weight for x, weight in on_p.items() if x not in on_s}
    for phase, index in models(seen):
        q = {x: seen.answers(phase, index, x) for x in on_p}
        yield phase, index, "P||q", "", seen.p_name, kl_to(seen, case.p, on_p, q)
        yield phase, index, "S||q", "", seen.s_name, kl_to(seen, case.s, on_s, q)
        yield phase, index, "P_A||q", "", seen.s_name, kl_to(seen, case.kept, on_s, q)
        if phase in ON_S:
            yield phase, index, "q*||q", "", seen.s_name, kl_to(seen, case.best, on_s, q)
        if unknown:
            weights = {x: weight / sum(unknown.values()) for x, weight in unknown.items()}
            yield phase, index, "P||q", "", "P(x | S(x) = 0)", kl_to(seen, case.p, weights, q)


def kl_to(seen: Seen, truth: Law, weights: Mapping[Outcome, Fraction], q: Mapping[Outcome, Law]) -> float:
    """KL of a law of documents to laws of answers by prompt, averaged over prompts."""
    return average(
        weights, {x: kl_of([(v, q[x].get(d, NONE)) for d, v in seen.given(truth, x).items()]) for x in weights}
    )


def moved(seen: Seen, of: str, measure: Callable[[Pairs], float], back: bool = False) -> Values:
    """A measure between the model at the start of a fine-tuning and later, under the prompts that are tuned on."""
    weights = seen.weights(seen.case.s)
    for phase, index in models(seen, FINETUNED):
        ends = (index, 0) if back else (0, index)
        both = {x: pairs(*(seen.merged(phase, end, x) for end in ends)) for x in weights}
        yield phase, index, of, "", seen.s_name, average(weights, {x: measure(both[x]) for x in weights})


def kl_moved(seen: Seen) -> Values:
    yield from moved(seen, "q0||q", kl_of)
    yield from moved(seen, "q||q0", kl_of, back=True)


def total_variation_moved(seen: Seen) -> Values:
    """The largest difference that an event can make: that of all atoms that have become likelier."""
    yield from moved(seen, "q0,q", lambda both: float(sum(max(b - a, NONE) for a, b in both)))


def jensen_shannon_moved(seen: Seen) -> Values:
    """H of the mean law, minus the mean of both H."""

    def one(both: Pairs) -> float:
        middle = surprise((a + b) / 2 for a, b in both)
        return middle - (surprise(a for a, _ in both) + surprise(b for _, b in both)) / 2

    yield from moved(seen, "q0,q", one)


def hellinger_moved(seen: Seen) -> Values:
    """The square is 1 minus the overlap of both, the sum of sqrt(p q); it is averaged before the root."""

    def square(both: Pairs) -> float:
        with mpmath.workdps(50):
            return float(1 - mpmath.fsum(mpmath.sqrt(real(a * b)) for a, b in both))

    for *tags, value in moved(seen, "q0,q", square):
        yield *tags, math.sqrt(abs(value))


def real(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def kl_lost(seen: Seen) -> Values:
    lost, law = seen.case.lost, "P_B(x)" if seen.response else ""
    weights = seen.weights(lost)
    for phase, index in models(seen) if lost else ():
        q = {x: seen.answers(phase, index, x) for x in weights}
        yield phase, index, "P_B||q", "", law, kl_to(seen, lost, weights, q)


def kl_lost_given(seen: Seen) -> Values:
    """Answer by answer, with the shares of both laws among the lost answers to a prompt."""
    lost, law = seen.case.lost, "P_B(x)" if seen.response else ""
    weights = seen.weights(lost)
    for phase, index in models(seen) if lost else ():
        values = {}
        for x in weights:
            truth, q = seen.given(lost, x), seen.answers(phase, index, x)
            total = sum(q[d] for d in truth)
            values[x] = kl_of([(v, q[d] / total) for d, v in truth.items()]) if total else None
        if None not in values.values():
            yield phase, index, "P_B||q_B", "", law, average(weights, values)


# -- the kernel -------------------------------------------------------------------------------------------------------


def aim(seen: Seen) -> tuple[list[Outcome], list[Outcome]]:
    """The documents that S has, and those that it leaves out of its own prompts."""
    case = seen.case
    has = [d for d, v in case.s.items() if v]
    prompts = {d[: seen.start(d)] for d in has}
    return has, [d for d, v in case.p.items() if v and d not in has and d[: seen.start(d)] in prompts]


def said(seen: Seen, phase: str, index: int) -> Law:
    """S(x) q(y|x) of every document."""
    weights, q = seen.weights(seen.case.s), seen.case.models[phase, index]
    return {d: weights.get(d[: seen.start(d)], NONE) * product(q, d, seen.start(d)) for d in seen.case.documents}


def lost_mass(seen: Seen) -> Values:
    _, gone = aim(seen)
    for phase, index in models(seen) if gone else ():
        q = said(seen, phase, index)
        yield phase, index, "q", "", seen.s_name, float(sum(q[d] for d in gone))


def kernels(seen: Seen) -> Iterator[tuple[int, np.ndarray]]:
    """The recorded kernels, where the loss is on what the view looks at and S leaves out something."""
    case, number = seen.case, len(seen.case.documents)
    on = case.record.config["finetune"]["loss_on"] == "response"
    if (on == seen.response or not case.record.p.prompts.length.any()) and aim(seen)[1]:
        for index in range(len(STEPS)):
            numbers, found = iter(case.record.phases[PROBED].arrays["kernel"][index]), np.zeros((number, number))
            for a in range(number):
                for b in range(a + 1):
                    found[a, b] = found[b, a] = next(numbers)
            yield index, found


def kernel_limit(seen: Seen) -> Values:
    """Of all sets of lost documents the one that fulfils the conditions of a minimum with w >= 0 on all of them."""
    has, gone = aim(seen)
    for index, kernel in kernels(seen):
        sets = itertools.chain.from_iterable(itertools.combinations(gone, size) for size in range(len(gone), 0, -1))
        best = next(kappa for chosen in sets if (kappa := curvature(seen, kernel, has, chosen, gone)))
        yield PROBED, index, "q", "", seen.s_name, 1 / best


def curvature(
    seen: Seen, kernel: np.ndarray, has: list[Outcome], chosen: tuple[Outcome, ...], gone: list[Outcome]
) -> float:
    """vᵀ K v where only the chosen documents are lost, by the equations of Lagrange; 0 where it is not the minimum."""
    place = {d: at for at, d in enumerate(seen.case.documents)}
    names = [*has, *chosen]
    own, size = [place[d] for d in names], len(names)
    of_prompt = {x: [float(d[: seen.start(d)] == x) for d in names] for x in {d[: seen.start(d)] for d in has}}
    rows = np.array([*of_prompt.values(), [float(d in chosen) for d in names]])
    matrix = np.block([[kernel[np.ix_(own, own)], rows.T], [rows, np.zeros((len(rows),) * 2)]])
    found = np.linalg.solve(matrix, np.append(np.zeros(size + len(rows) - 1), -1.0))
    v, prices = found[:size], dict(zip(of_prompt, found[size:-1], strict=True))
    others = [kernel[place[d], own] @ v + prices[d[: seen.start(d)]] + found[-1] for d in gone if d not in chosen]
    right = (v[len(has) :] <= 0).all() and all(value <= 0 for value in others)
    return float(v @ kernel[np.ix_(own, own)] @ v) if right else 0.0


def kernel_speed(seen: Seen) -> Values:
    documents, (_, gone) = seen.case.documents, aim(seen)
    for index, kernel in kernels(seen):
        q, weights = said(seen, PROBED, index), seen.weights(seen.case.s)
        given = {d: weights.get(d[: seen.start(d)], NONE) * seen.given(seen.case.s, d[: seen.start(d)]).get(d, NONE)
                 for d in documents if d[: seen.start(d)] in weights}  # fmt: skip
        mass = sum(q[d] for d in gone)
        gap = [float(given.get(d, NONE) - q[d]) for d in documents]
        if mass:
            falls = [float(q[d]) * (kernel[at] @ gap) if d in gone else 0.0 for at, d in enumerate(documents)]
            yield PROBED, index, "q", "", seen.s_name, -math.fsum(falls) / float(mass) ** 2


def behind(seen: Seen) -> Values:
    """Of every document of P what follows its first token that S never takes; all of it if S never has its prompt."""
    case = seen.case
    taken = {d[:depth] for d, v in case.s.items() if v for depth in range(len(d) + 1)}
    mass = sum(v for d, v in case.p.items() if d not in case.event)
    for phase, index in models(seen):
        total = 0.0
        for d, v in case.p.items():
            first = next((depth for depth in range(seen.start(d), len(d)) if d[:depth] not in taken), len(d))
            truth = v / sum(w for other, w in case.p.items() if other[:first] == d[:first])
            total += float(v) * (log(truth) - log(product(case.models[phase, index], d, first)))
        yield phase, index, "P,q", "", seen.p_name, total / float(mass) if mass else 0.0


# -- forgotten elsewhere ----------------------------------------------------------------------------------------------


def prompt_laws(seen: Seen) -> dict[str, dict[Outcome, Fraction]]:
    """The prompt law of P, that of S, and that of P on the prompts that S lacks."""
    found = {seen.p_name: seen.weights(seen.case.p), seen.s_name: seen.weights(seen.case.s)}
    left = {x: w for x, w in found[seen.p_name].items() if x not in seen.weights(seen.case.s)}
    return found | ({"P(x | S(x) = 0)": {x: w / sum(left.values()) for x, w in left.items()}} if left else {})


def by_law(seen: Seen, of: str, at: str, value: Callable[[Law, Law], float | Fraction | None]) -> Values:
    """A number of P and q given the prompt, averaged under each prompt law; None where it does not exist."""
    for phase, index in models(seen):
        for law, weights in prompt_laws(seen).items():
            each = {x: value(seen.given(seen.case.p, x), seen.answers(phase, index, x)) for x in weights}
            if None not in each.values():
                yield phase, index, of, at, law, average(weights, each)


def reverse_kl(seen: Seen) -> Values:
    yield from by_law(seen, "q_P||P", "", lambda p, q: to_reference(p, known(seen, q)))


def to_reference(reference: Law, q: Law) -> float | None:
    """KL of q, renormalised on the answers of P, to a reference."""
    total = sum(q.values())
    return kl_of([(v / total, reference[d]) for d, v in q.items()]) if total else None


def known(seen: Seen, q: Law) -> Law:
    """A model's probabilities of the answers of P, without other strings that are listed."""
    return {d: v for d, v in q.items() if d in seen.case.p}


def reverse_kl_moved(seen: Seen) -> Values:
    weights = seen.weights(seen.case.s)
    for phase, index in models(seen, FINETUNED):
        each = {x: to_reference(seen.answers(*Q0, x), known(seen, seen.answers(phase, index, x))) for x in weights}
        yield phase, index, "q_P||q0", "", seen.s_name, average(weights, each)


def total_variation(seen: Seen) -> Values:
    """The largest advantage of P for any set of answers: that of all answers that q makes rarer."""
    for row in by_law(seen, "P,q", "", lambda p, q: sum(max(v - q[d], NONE) for d, v in p.items())):
        if row[4] != "S(x)":
            yield row


def coverage_lost(seen: Seen) -> Values:
    for ratio in (2, 10):
        yield from by_law(
            seen, "P,q", str(ratio), lambda p, q, n=ratio: sum((v for d, v in p.items() if v >= n * q[d]), NONE)
        )


def greedy_accuracy(seen: Seen) -> Values:
    """P of the answer that is made token by token, by the largest share and of equal ones the first."""
    for phase, index in models(seen):
        q = seen.case.models[phase, index]
        for law, weights in prompt_laws(seen).items():
            values = {}
            for x in weights:
                answer = x
                while answer in q and 0 not in answer:
                    answer = (*answer, q[answer].index(max(q[answer])))
                values[x] = seen.given(seen.case.p, x).get(answer, NONE)
            yield phase, index, "q", "", law, average(weights, values)


def collision(seen: Seen) -> Values:
    yield from by_law(seen, "q", "", lambda p, q: sum(q[d] ** 2 for d in p))


# -- masses -----------------------------------------------------------------------------------------------------------


def event_mass(seen: Seen) -> Values:
    case, weights = seen.case, seen.weights(seen.case.p)
    kept = float(sum(case.p[d] for d in case.event))
    yield "truth", 0, "P(A)", "", "", kept
    yield "truth", 0, "P(B)", "", "", 1 - kept
    for phase, index in models(seen):
        q = {x: seen.answers(phase, index, x) for x in weights}
        for name, inside in (("A", case.event), ("B", case.p.keys() - case.event)):
            masses = {x: sum(v for d, v in q[x].items() if d in inside) for x in weights}
            yield phase, index, f"q({name})", "", seen.p_name, average(weights, masses)


def style_mass(seen: Seen) -> Values:
    case = seen.case
    truths = {"P": case.p, "P_A": case.kept, "S": case.s, "q*": case.best}
    for name, weights in {seen.p_name: seen.weights(case.p), seen.s_name: seen.weights(case.s)}.items():
        laws = {("truth", 0, of): {x: seen.given(law, x) for x in weights} for of, law in truths.items()}
        laws |= {(*at, "q"): {x: seen.answers(*at, x) for x in weights} for at in models(seen)}
        for (phase, index, of), law in laws.items():
            if all(law.values()) and case.share:
                for z, style in enumerate(STYLES):
                    masses = {x: sum(v * case.share[d][z] for d, v in law[x].items()) for x in weights}
                    yield phase, index, of, style, name, average(weights, masses)


def by_style(seen: Seen) -> Iterator[tuple[str, int, float, list[float]]]:
    """The gate, and P(z) KL(P_z‖q_z) of every style: P and q are both split by P(z | document)."""
    case, weights = seen.case, seen.weights(seen.case.p)
    for phase, index in models(seen) if case.share else ():
        parts = [{x: in_style(seen, phase, index, x, z) for x in weights} for z in range(len(STYLES))]
        gates, withins = (
            [average(weights, {x: value[term] for x, value in part.items()}) for part in parts] for term in (0, 1)
        )
        yield phase, index, math.fsum(gates), withins


def in_style(seen: Seen, phase: str, index: int, x: Outcome, z: int) -> tuple[float, float]:
    """A style is what P says in it: q(z) is q(supp P_z), without listed strings that P lacks."""
    share = seen.case.share
    p = {d: v * share[d][z] for d, v in seen.given(seen.case.p, x).items()}
    q = {d: v * share[d][z] for d, v in seen.answers(phase, index, x).items() if seen.case.p.get(d)}
    p_z, q_z = sum(p.values()), sum(q.values())
    if not p_z:
        return 0.0, 0.0
    inner = kl_of([(v / p_z, q[d] / q_z) for d, v in p.items()]) if q_z else 0.0
    return kl_of([(p_z, q_z)]), float(p_z) * inner


def style_gate(seen: Seen) -> Values:
    for phase, index, gate, _ in by_style(seen):
        yield phase, index, "z", "", seen.p_name, gate


def style_within(seen: Seen) -> Values:
    for phase, index, _, withins in by_style(seen):
        for style, value in zip(STYLES, withins, strict=True):
            yield phase, index, "z", style, seen.p_name, value


# -- what a stage loses against its start -----------------------------------------------------------------------------


def by_event(seen: Seen, q: Mapping[Outcome, Law]) -> dict[str, float]:
    """KL(P‖q) and its parts by the event A: sums over the documents of each prompt."""
    found = dict.fromkeys(("kl", "gate", "kept", "erasure"), 0.0)
    for x, weight in seen.weights(seen.case.p).items():
        p = seen.given(seen.case.p, x)
        found["kl"] += float(weight) * kl_of([(v, q[x].get(d, NONE)) for d, v in p.items()])
        for name, inside in (("kept", True), ("erasure", False)):
            mine = [d for d in p if (d in seen.case.event) == inside]
            mass, left = sum(p[d] for d in mine), sum(q[x].get(d, NONE) for d in mine)
            if mine:
                found["gate"] += float(weight) * kl_of([(mass, left)])
            if mine and left:
                inner = kl_of([(p[d] / mass, q[x].get(d, NONE) / left) for d in mine])
                found[name] += float(weight * mass) * inner
    return found


def started(seen: Seen, phase: str, x: Outcome) -> Law:
    """The law of the answers at the start of a phase. The start of the pretraining is P."""
    return seen.given(seen.case.p, x) if phase == "pretrain" else seen.answers(phase, 0, x)


def stage_part(part: str) -> Callable[[Seen], Values]:
    def values(seen: Seen) -> Values:
        for phase, index in models(seen, ("pretrain", *FINETUNED)):
            if index == len(STEPS) - 1:
                laws = {x: (started(seen, phase, x), seen.answers(phase, index, x)) for x in seen.weights(seen.case.p)}
                first, now = (by_event(seen, {x: pair[at] for x, pair in laws.items()})[part] for at in (0, 1))
                if not math.isinf(first):
                    of = "KL(P||q)-KL(P||start)" if part == "kl" else "A"
                    yield phase, index, of, "", seen.p_name, now - first

    return values


# -- erasure against q0 -----------------------------------------------------------------------------------------------

Q0 = ("sft", 0)


def events_lost(seen: Seen) -> list[set[Outcome]]:
    """The documents of each style that S loses whole, or all that it loses; nothing if styles overlap."""
    case = seen.case
    if any(0 < share[0] < 1 for share in case.share.values()):
        return []
    known = {d: share for d, share in case.share.items() if d in case.p}
    styles = [{d for d, share in known.items() if share[z]} for z in range(len(STYLES))]
    whole = [style for style in styles if style and not style & case.event]
    left = set(case.p) - case.event
    return whole or ([left] if left else [])


def surprise_by(seen: Seen, events: list[set[Outcome]], log_q: Callable[[Law, Outcome], float]) -> float:
    """Sum of P(y, z) (log P(y|x, z) - log q) / P(B), document by document; `log_q` sees the law of z given x."""
    terms, total = [], NONE
    for event in events:
        for d in event:
            mine = {y: v for y, v in seen.case.p.items() if y in event and y[: seen.start(d)] == d[: seen.start(d)]}
            p = seen.case.p[d]
            terms.append(float(p) * (log(p / sum(mine.values())) - log_q(mine, d)))
            total += p
    return math.fsum(terms) / float(total)


def style_erasure(seen: Seen) -> Values:
    for phase, index in models(seen, (*FINETUNED, "recovery", "scratch")):
        now, before = (inner_error(seen, *at) for at in ((phase, index), Q0))
        if now is not None and before is not None:
            yield phase, index, "E", "", seen.p_name, now - before


def inner_error(seen: Seen, phase: str, index: int) -> float | None:
    """KL(P_z‖q_z), q renormalised on each event; None without an event, or where q has nothing of one."""
    q, events = seen.case.models[phase, index], events_lost(seen)

    def log_q(mine: Law, d: Outcome) -> float:
        total = sum(product(q, y, seen.start(y)) for y in mine)
        return log(product(q, d, seen.start(d)) / total) if total else math.nan

    found = surprise_by(seen, events, log_q) if events else math.nan
    return None if math.isnan(found) else found


def kept_behind_gate(seen: Seen) -> Values:
    for phase, index, _, at, law, value in style_erasure(seen):
        yield phase, index, "exp(-E)", at, law, math.exp(-value)


def shown_erasure(seen: Seen) -> Values:
    """Only the world with shown styles has rows, and none where the prompt is part of what is looked at."""
    events = events_lost(seen) if seen.case.shown and seen.response else []
    for phase, index in models(seen, (*FINETUNED, "recovery", "scratch")) if events else ():
        ends = [
            surprise_by(seen, events, lambda _, d, at=at: log(product(seen.case.models[at], d, seen.start(d) + 1)))
            for at in ((phase, index), Q0)
        ]
        yield phase, index, "E shown", "", seen.p_name, ends[0] - ends[1]


def zeros(seen: Seen) -> Values:
    for phase, index in models(seen):
        q = seen.case.models[phase, index]
        yield phase, index, "q", "", "", sum(not product(q, d, seen.start(d)) for d in seen.case.p)


# -- next tokens ------------------------------------------------------------------------------------------------------


def next_tokens(law: Law) -> Conditionals:
    """The next-token law of a law of documents at every prefix that it has."""
    found: Conditionals = {}
    for d, value in law.items():
        for depth in range(len(d)):
            found.setdefault(d[:depth], [NONE] * V)[d[depth]] += value
    return {h: [v / sum(row) for v in row] for h, row in found.items() if sum(row)}


def tellers(seen: Seen) -> Iterator[tuple[str, int, str, Conditionals]]:
    """Everything that has next-token laws."""
    case = seen.case
    for of, law in {"P": case.p, "P_A": case.kept, "S": case.s, "q*": case.best}.items():
        yield "truth", 0, of, next_tokens(law)
    for phase, index in models(seen):
        yield phase, index, "q", case.models[phase, index]


def at_position(seen: Seen, t: int, metric: Callable[[list[Fraction]], float | Fraction], q: Conditionals) -> float:
    """A number of next-token laws, summed over the prefixes of S at a position with their probabilities."""
    here = [(w, h) for at, w, h in seen.prefixes(seen.case.s) if at == t]
    return math.fsum(float(w) * float(metric(q[h])) for w, h in here)


def live(seen: Seen) -> Values:
    for t in seen.positions:
        value = float(sum(v for d, v in seen.case.s.items() if len(d) - seen.start(d) > t))
        yield "truth", 0, "S", str(t), seen.s_name, value


def branching(seen: Seen) -> Values:
    for phase, index, of, q in tellers(seen):
        for t in seen.positions:
            entropy = at_position(seen, t, lambda row: surprise(iter(row)), q)
            yield phase, index, of, str(t), seen.s_name, math.exp(entropy)


def mean_at(seen: Seen, metric: Callable[[list[Fraction]], float | Fraction]) -> Values:
    """The mean over the prefixes of S that are alive at a position; 1 where there is none."""
    for phase, index, of, q in tellers(seen):
        for t in seen.positions:
            alive, total = at_position(seen, t, lambda _: 1.0, q), at_position(seen, t, metric, q)
            yield phase, index, of, str(t), seen.s_name, total / alive if alive else 1.0


def top_one_at(seen: Seen) -> Values:
    yield from mean_at(seen, max)


def nucleus(seen: Seen) -> Values:
    """The least number of tokens that hold 90 %, up to a slack of 1e-9."""

    def size(row: list[Fraction]) -> int:
        ordered = sorted(row, reverse=True)
        return next(k for k in range(1, V + 1) if sum(ordered[:k]) >= Fraction(9, 10) - Fraction(1, 10**9))

    yield from mean_at(seen, size)


def top_one(seen: Seen) -> Values:
    decisions = seen.prefixes(seen.case.s)
    for phase, index, of, q in tellers(seen):
        total = math.fsum(float(w) * float(max(q[h])) for _, w, h in decisions)
        yield phase, index, of, "", seen.s_name, total / float(sum(w for _, w, _ in decisions))


# -- the tangent space ------------------------------------------------------------------------------------------------


def changes(seen: Seen, phase: str) -> list[float]:
    """The change of log q of every string of P that S lacks, in the order of the trie."""
    unseen = [d for d in seen.case.documents if seen.case.p.get(d) and not seen.case.s.get(d)]
    ends = [[log(product(seen.case.models[phase, at], d, seen.start(d))) for d in unseen] for at in (0, 1)]
    return [after - before for before, after in zip(*ends, strict=True)]


def r2(truth: list[float], guess: list[float]) -> float:
    mean = math.fsum(truth) / len(truth)
    wrong = math.fsum((a - b) ** 2 for a, b in zip(truth, guess, strict=True))
    return 1 - wrong / math.fsum((a - mean) ** 2 for a in truth)


def of_unseen(seen: Seen, value: Callable[[list[float], list[float]], float]) -> Values:
    """True changes and those of the linearised fine-tuning, where all are finite and there is an unseen string."""
    truth, line = (changes(seen, phase) for phase in ("sft", "linearised"))
    if truth and np.isfinite([*truth, *line]).all():
        yield "sft", 1, "q", "", "", value(truth, line)


def kernel_r2(seen: Seen) -> Values:
    yield from of_unseen(seen, r2)


def kernel_share(seen: Seen) -> Values:
    yield from of_unseen(seen, lambda truth, line: math.fsum(line) / math.fsum(truth))


def moved_unseen(seen: Seen) -> Values:
    yield from of_unseen(seen, lambda truth, _: math.fsum(truth) / len(truth))


def differentiated(seen: Seen) -> bool:
    """Whether the recorded derivatives, those of what the loss was on, are of what this view looks at."""
    loss_on = seen.case.record.config["finetune"]["loss_on"]
    return seen.case.prompts == [()] or loss_on == ("response" if seen.response else "document")


def first_order_r2(seen: Seen) -> Values:
    velocity = seen.case.record.phases[PROBED].arrays["tangent_velocity"][1]
    both, (p, s) = zip(seen.case.documents, velocity, strict=True), (seen.case.p, seen.case.s)
    guess = [RATE * STEPS[1] * v for d, v in both if p.get(d) and not s.get(d)]
    truth = changes(seen, PROBED)
    if differentiated(seen) and truth and np.isfinite(truth).all():
        yield PROBED, 1, "q", "", "", r2(truth, guess)


def fisher(seen: Seen) -> Values:
    """Half the second derivative of KL(q0‖q(e)) at e = 0, for q(e) proportional to q0 exp(e d), by a very small e.

    d of the atom off the support is such that q0's mean of d is 0.
    """
    d = dict(zip(seen.case.documents, seen.case.record.phases[PROBED].arrays["tangent_displacement"][1], strict=True))

    def curvature(x: Outcome) -> float:
        with mpmath.workdps(80):
            e, mass = mpmath.mpf(10) ** -20, {y: real(v) for y, v in seen.merged(PROBED, 0, x).items()}
            slopes = {y: mpmath.mpf(d[y]) for y in mass if y}
            slopes[()] = -mpmath.fsum(mass[y] * slope for y, slope in slopes.items()) / mass[()]
            normaliser = mpmath.fsum(v * mpmath.exp(e * slopes[y]) for y, v in mass.items())
            return float(mpmath.fsum(v * (mpmath.log(normaliser) - e * slopes[y]) for y, v in mass.items()) / e**2)

    weights = seen.weights(seen.case.s)
    if differentiated(seen):
        yield PROBED, 1, "q0,q", "", seen.s_name, average(weights, {x: curvature(x) for x in weights})


def weight_distance(seen: Seen) -> Values:
    yield PROBED, 1, "q0,q", "", "", float(seen.case.record.phases[PROBED].arrays["weight_distance"][1][0])


def sharpness(seen: Seen) -> Values:
    """It is of q0, so it is a number of the start."""
    yield PROBED, 0, "q0", "", "", float(seen.case.record.phases[PROBED].arrays["sharpness"][0][0])


def gradient_noise(seen: Seen) -> Values:
    for index, recorded in enumerate(seen.case.record.phases[PROBED].arrays["gradient_noise"]):
        yield PROBED, index, "q", "", "", float(recorded[0])


# -- accounts ---------------------------------------------------------------------------------------------------------


def objective_gap(seen: Seen) -> Values:
    case, weights = seen.case, seen.weights(seen.case.s)
    h_s, h_best = (
        average(weights, {x: surprise(iter(seen.given(law, x).values())) for x in weights})
        for law in (case.s, case.best)
    )
    for phase, index in models(seen, ("pretrain", *FINETUNED)):
        law, gap = (seen.s_name, h_s - h_best) if phase in ON_S else (seen.p_name, 0.0)
        yield phase, index, "H(S)-H(q*)", "", law, gap


def latent_shift(part: str) -> Callable[[Seen], Values]:
    """Of a latent event z: −log P(z|x), KL(S‖P_z) and E_S log P(z|x, y), and KL(S‖P), which is their sum."""

    def one(seen: Seen, x: Outcome) -> float:
        share, p, s = seen.case.share, seen.given(seen.case.p, x), seen.given(seen.case.s, x)
        member = {d: v * share[d][0] for d, v in p.items()}
        mass = sum(member.values())
        return {
            "total": kl_of([(v, p[d]) for d, v in s.items()]),
            "conditioning": -log(mass),
            "narrowing": kl_of([(v, member[d] / mass) for d, v in s.items()]),
            "overlap": math.fsum(float(v) * log(share[d][0]) for d, v in s.items()),
        }[part]

    def values(seen: Seen) -> Values:
        weights = seen.weights(seen.case.s)
        if seen.case.record.restricted.log_member is not None:
            yield "truth", 0, "S||P", "", seen.s_name, average(weights, {x: one(seen, x) for x in weights})

    return values


SLACKS = ("kl_nonnegative", "pinsker", "collision_continuity", "entropy_continuity")


def identity(seen: Seen) -> Values:
    """Slacks: the least over the prompts of P of a bound minus what it bounds, everything off the support merged.

    Residuals are 0; one of them is about styles.
    """
    case = seen.case
    residuals = {
        "cross_entropy", "chain_rule_entropy", "chain_rule_kl", "gate_erasure", "shift_accounting", "waterfall",
        "conditionals", "total_mass", *(["style_split"] if case.share else []),
    }  # fmt: skip
    for phase in case.phases:
        found = [
            slack(pairs(seen.given(case.p, x) | {(): NONE}, seen.merged(phase, 1, x))) for x in seen.weights(case.p)
        ]
        for name in SLACKS:
            yield phase, 1, "P,q", name, "", min(one[name] for one in found)
        for name in residuals | ({"kl_every_step"} if phase in WATCHED else set()):
            yield phase, 1, "P,q", name, "", 0.0


def slack(both: Pairs) -> dict[str, float]:
    tv = float(sum(abs(a - b) for a, b in both) / 2)
    gap = surprise(a for a, _ in both) - surprise(b for _, b in both)
    collisions = sum(a * a for a, _ in both) - sum(b * b for _, b in both)
    atoms = sum(1 for a, b in both if a or b)
    coin = -sum(t * math.log(t) for t in (tv, 1 - tv) if t)
    return {
        "kl_nonnegative": kl_of(both),
        "pinsker": kl_of(both) - 2 * tv**2,
        "collision_continuity": kl_of(both) - float(collisions) ** 2,
        "entropy_continuity": tv * math.log(atoms - 1) + coin - abs(gap),
    }


# -- what theory predicts ---------------------------------------------------------------------------------------------


def split_by_prompt(seen: Seen) -> list[tuple[list[Outcome], list[Outcome]]]:
    """The listed answers that S has and those that it lacks, of every prompt that it has with both."""
    found = []
    for x in seen.weights(seen.case.s):
        mine = [d for d in seen.case.documents if d[: len(x)] == x]
        found.append(([d for d in mine if seen.case.s.get(d)], [d for d in mine if not seen.case.s.get(d)]))
    return [(has, lacks) for has, lacks in found if lacks]


def decay_constant(seen: Seen) -> Values:
    """n_A n_B / (n_A + n_B) of every prompt; k f / (k + f) of every prefix, with k tokens that S takes and f others."""
    flat = sum(Fraction(len(has) * len(lacks), len(has) + len(lacks)) for has, lacks in split_by_prompt(seen))
    following: dict[Outcome, set[int]] = {}
    for d, v in seen.case.s.items():
        for depth in range(seen.start(d), len(d) if v else 0):
            following.setdefault(d[:depth], set()).add(d[depth])
    trie = sum(Fraction(len(taken) * (V - len(taken)), V) for taken in following.values())
    yield "truth", 0, "S", "tabular_strings", seen.s_name, float(flat)
    yield "truth", 0, "S", "tabular_trie", seen.s_name, float(trie)


def largest_fit_kl(seen: Seen) -> Values:
    """The largest one is PEAK above KL(S||q) after the last step."""
    on_s = seen.weights(seen.case.s)
    for phase in WATCHED:
        answers = {x: seen.answers(phase, 1, x) for x in on_s}
        yield phase, 1, "q", "", seen.s_name, PEAK + kl_to(seen, seen.case.s, on_s, answers)


def squared_path(seen: Seen) -> Values:
    """Step t has the squared length t, known within a tenth of itself."""
    for phase in WATCHED:
        yield phase, 1, "q0,q", "", "", float(sum(range(1, STEPS[1] + 1)))


def excursion(seen: Seen) -> Values:
    """The first step has KL(S‖q) = 0, and the largest one comes after it."""
    on_s = seen.weights(seen.case.s)
    best = kl_to(seen, seen.case.s, on_s, {x: seen.given(seen.case.best, x) for x in on_s})
    for phase, index, _, at, law, value in largest_fit_kl(seen):
        if phase in ON_S:
            yield phase, index, "X", at, law, value - best


def levelling(seen: Seen) -> Values:
    shares = [len(has) / len(has + lacks) for has, lacks in split_by_prompt(seen)]
    if shares:
        yield "truth", 0, "S", "tabular_strings", seen.s_name, min(shares)


def decay_slope(seen: Seen) -> Values:
    """The mass of what S lacks, of the prompts that it has; the softmax of another prompt is not trained."""
    lost = {d for _, lacks in split_by_prompt(seen) for d in lacks}
    yield "truth", 0, "S", "", seen.p_name, float(sum(seen.case.p.get(d, NONE) for d in lost))


# -- finite data ------------------------------------------------------------------------------------------------------


def shown_and_not(seen: Seen) -> dict[str, dict[Outcome, Fraction]]:
    """The prompt laws of the prompts that S has, and of those that it lacks."""
    return {name: law for name, law in prompt_laws(seen).items() if name != seen.p_name}


def every(seen: Seen, phase: str, index: int, x: Outcome) -> Floats:
    """q(. | x) over every outcome, rounded."""
    return rounded(seen.model(phase, index, x))


def rounded(law: Law) -> Floats:
    return {d: float(v) for d, v in law.items()}


def apart(first: Floats, second: Floats, third: Floats, fourth: Floats) -> float:
    """The inner product of two differences of laws."""
    keys = first.keys() | second.keys() | third.keys() | fourth.keys()
    return math.fsum((first.get(d, 0.0) - second.get(d, 0.0)) * (third.get(d, 0.0) - fourth.get(d, 0.0)) for d in keys)


def over(weights: Mapping[Outcome, Fraction], value: Callable[[Outcome], float]) -> float:
    return average(weights, {x: value(x) for x in weights})


def moves(seen: Seen) -> Iterator[tuple[str, int, str, float, float, float]]:
    """Of every movement E<moved, S - P>, E|S - P|^2 and E|moved|^2, over all outcomes."""
    weights = seen.weights(seen.case.s) if seen.response else {}
    p, s = ({x: rounded(seen.given(law, x)) for x in weights} for law in (seen.case.p, seen.case.s))
    size = over(weights, lambda x: apart(s[x], p[x], s[x], p[x]))
    q0 = {x: every(seen, *Q0, x) for x in weights}
    for phase, index in models(seen, FINETUNED) if size else ():
        q = {x: every(seen, phase, index, x) for x in weights}
        for of, start in (("q-P", p), ("q-q0", q0)):
            along, total = (
                over(weights, lambda x, q=q, a=start, b=to: apart(q[x], a[x], b[x], p[x] if b is s else a[x]))
                for to in (s, q)
            )
            yield phase, index, of, along, size, total


def memorisation(seen: Seen) -> Values:
    for phase, index, of, along, size, _ in moves(seen):
        yield phase, index, of, "", "S(x)", along / size


def memorisation_residual(seen: Seen) -> Values:
    """One minus the squared cosine of the angle between the movement and S - P."""
    for phase, index, of, along, size, total in moves(seen):
        if total:
            yield phase, index, of, "", "S(x)", 1 - along**2 / (size * total)


def worth(seen: Seen) -> Iterator[tuple[str, int, str, float, float]]:
    """Of the data and of every model the excess of C and the squared distance from P, by the chance of two answers."""
    weights = seen.weights(seen.case.s) if seen.response else {}
    p, s = ({x: rounded(seen.given(law, x)) for x in weights} for law in (seen.case.p, seen.case.s))
    room = over(weights, lambda x: math.fsum(a * b for d, a in p[x].items() for e, b in p[x].items() if d != e))
    laws = {("truth", 0, "S"): s}
    laws |= {(*at, "q"): {x: every(seen, *at, x) for x in weights} for at in models(seen, FINETUNED)}
    for (phase, index, of), q in laws.items() if room else ():
        more = over(weights, lambda x, q=q: apart(q[x], {}, q[x], {}) - apart(p[x], {}, p[x], {}))
        far = over(weights, lambda x, q=q: apart(q[x], p[x], q[x], p[x]))
        yield phase, index, of, more / room, far / room


def excess_collision(seen: Seen) -> Values:
    for phase, index, of, more, _ in worth(seen):
        yield phase, index, of, "", "S(x)", more


def m_dist(seen: Seen) -> Values:
    for phase, index, of, _, far in worth(seen):
        yield phase, index, of, "", "S(x)", 1 / far if far else math.inf


def m_eff(seen: Seen) -> Values:
    number = seen.case.record.restricted.notes.get("num_answers")
    for phase, index, of, more, _ in worth(seen) if number else ():
        yield phase, index, f"C({of})", "", "S(x)", 1 / more if more > 0 else math.inf
    for phase, index, of, along, size, _ in moves(seen) if number else ():
        if of == "q-q0":
            yield phase, index, "m/rho^2", "", "S(x)", number * (size / along) ** 2 if along else math.inf


def answer_mass(seen: Seen) -> Values:
    case = seen.case
    for law, weights in shown_and_not(seen).items() if seen.response else ():
        for phase, index, of in [("truth", 0, "P"), *((*at, "q") for at in models(seen))]:
            sums = dict.fromkeys(("seen", "unseen", "invalid"), 0.0)
            for x, w in weights.items():
                q = rounded(seen.given(case.p, x)) if of == "P" else every(seen, phase, index, x)
                for d, v in q.items():
                    sums["seen" if case.s.get(d) else "unseen" if case.p.get(d) else "invalid"] += float(w) * v
            for at, value in sums.items():
                if at != "seen" or law == seen.s_name:
                    yield phase, index, of, at, law, value


def good_turing(seen: Seen) -> Values:
    number = seen.case.record.restricted.notes.get("num_answers")
    if seen.response and number:
        weights = seen.weights(seen.case.s)
        once = {x: sum(v * int(number) == 1 for v in seen.given(seen.case.s, x).values()) for x in weights}
        yield "truth", 0, "S", "", "S(x)", average(weights, {x: Fraction(n, int(number)) for x, n in once.items()})


def answer_collision(seen: Seen) -> Values:
    for law, weights in prompt_laws(seen).items() if seen.response else ():
        truths = {"P": seen.case.p, "S": seen.case.s}
        laws = {("truth", 0, of): {x: rounded(seen.given(one, x)) for x in weights} for of, one in truths.items()}
        laws |= {(*at, "q"): {x: every(seen, *at, x) for x in weights} for at in models(seen)}
        for (phase, index, of), q in laws.items():
            if all(q.values()):
                yield phase, index, of, "", law, over(weights, lambda x, q=q: apart(q[x], {}, q[x], {}))


def entropy_held_out(seen: Seen) -> Values:
    for law, weights in shown_and_not(seen).items() if seen.response else ():
        if law != seen.s_name:
            p = {x: surprise(seen.given(seen.case.p, x).values()) for x in weights}
            yield "truth", 0, "P", "", law, average(weights, p)
            for at in models(seen):
                yield *at, "q", "", law, over(weights, lambda x, at=at: of_floats(every(seen, *at, x)))


def of_floats(law: Floats) -> float:
    """The entropy [nat]."""
    return math.fsum(-v * math.log(v) for v in law.values() if v)


def covering_slope(seen: Seen) -> Values:
    """By least squares on log r and an indicator of every prompt."""
    shown = {seen.s_name: prompt_laws(seen)[seen.s_name]}
    pairs = [("truth", 0, "P", shown)] if seen.response else []
    for at in models(seen, FINETUNED) if seen.response else ():
        pairs += [(*at, "P", prompt_laws(seen)), (*at, "S", shown)]
    for phase, index, of, averaged in pairs:
        r = seen.case.p if of == "P" else seen.case.s
        for law, weights in averaged.items():
            q = {x: seen.given(seen.case.s, x) if phase == "truth" else seen.answers(phase, index, x) for x in weights}
            for at in ("mass", "equal"):
                value = fitted({x: seen.given(r, x) for x in weights}, q, weights, at == "equal")
                if value is not None:
                    yield phase, index, f"{of},{'S' if phase == 'truth' else 'q'}", at, law, value


def fitted(
    r: Mapping[Outcome, Law], q: Mapping[Outcome, Law], weights: Mapping[Outcome, Fraction], equal: bool
) -> float | None:
    """The slope of log(q/r) on log r; None if q lacks an answer of r or r is uniform for every prompt."""
    rows, sides = [], []
    for place, (x, w) in enumerate(weights.items()):
        for d, v in r[x].items():
            if not q[x].get(d, NONE):
                return None
            root = math.sqrt(float(w) * (1 / len(r[x]) if equal else float(v)))
            rows.append([root * log(v), *(root * (place == other) for other in range(len(weights)))])
            sides.append(root * (log(q[x][d]) - log(v)))
    if all(len(set(law.values())) == 1 for law in r.values()):
        return None
    return float(np.linalg.lstsq(np.array(rows), np.array(sides))[0][0])


# -- leaving the path of S -------------------------------------------------------------------------------------------


def starts(law: Law) -> set[Outcome]:
    """Every beginning of a document that has probability."""
    return {d[:size] for d, v in law.items() if v for size in range(len(d) + 1)}


def last_step(seen: Seen) -> int:
    """The number of symbols in the longest answer of S."""
    return max(len(d) - seen.start(d) - 1 for d, v in seen.case.s.items() if v)


def walkers(seen: Seen) -> Iterator[tuple[str, int, str, Conditionals]]:
    """P where it has all of S, and the models."""
    for phase, index, of, q in tellers(seen):
        if of == "q" or (of == "P" and all(seen.case.p.get(d) for d, v in seen.case.s.items() if v)):
            yield phase, index, of, q


def shown_steps(seen: Seen) -> list[int]:
    last = last_step(seen)
    return sorted({t for t in (1, 2, 4, 8, last) if 0 < t <= last})


def leaving(seen: Seen, q: Conditionals, h: Outcome) -> tuple[Fraction, Fraction]:
    """Probability of the next tokens that lead from a prefix of S to other strings of P, and to none."""
    kept, known = starts(seen.case.s), starts(seen.case.p)
    gone = [a for a in range(V) if (*h, a) not in kept]
    to_p = sum((q[h][a] for a in gone if (*h, a) in known), NONE)
    return to_p, sum((q[h][a] for a in gone), NONE) - to_p


def by_prefix(seen: Seen, q: Conditionals) -> dict[int, list[tuple[Fraction, Fraction, tuple[Fraction, ...]]]]:
    """By step: S(h), S(x) q(h|x), and the hazards (all, to P, out) of the prefixes of S."""
    found: dict[int, list[tuple[Fraction, Fraction, tuple[Fraction, ...]]]] = {}
    weights = seen.weights(seen.case.s)
    for at, mass, h in seen.prefixes(seen.case.s):
        if at < last_step(seen):
            to_p, out = leaving(seen, q, h)
            own = weights[h[: seen.start(h)]] * product(q, h, seen.start(h))
            found.setdefault(at + 1, []).append((mass, own, (to_p + out, to_p, out)))
    return found


def hazards(law: int | None) -> Callable[[Seen], Values]:
    """Means under S (0) or under q (1), or their difference (None)."""

    def mean(rows: list[tuple[Fraction, Fraction, tuple[Fraction, ...]]], kind: int, law: int) -> Fraction | None:
        total = sum(row[law] for row in rows)
        return sum(row[law] * row[2][kind] for row in rows) / total if total else None

    def values(seen: Seen) -> Values:
        for phase, index, of, q in walkers(seen):
            table = by_prefix(seen, q)
            for kind, name in enumerate((of, f"{of} to P", f"{of} to ⊥")):
                at = {t: [mean(rows, kind, one) for one in (0, 1)] for t, rows in table.items()}
                live = {t: sum(row[0] for row in rows) for t, rows in table.items()}
                picked = {
                    t: both[law] if law is not None else None if both[1] is None else both[1] - both[0]
                    for t, both in at.items()
                }
                shown = {str(t): picked[t] for t in shown_steps(seen)}
                if None not in picked.values():
                    shown[""] = sum(live[t] * value for t, value in picked.items()) / sum(live.values())
                for label, value in shown.items():
                    if value is not None:
                        yield phase, index, name, label, seen.s_name, float(value)

    return values


def expected(seen: Seen, phase: str, index: int, of: str, counts: Callable[[Outcome], list[bool]]) -> list[float]:
    """The mean of some flags, one for each step, over every outcome that the vocabulary can write (of P: documents)."""
    total = np.zeros(last_step(seen))
    for x, weight in seen.weights(seen.case.s).items():
        law = seen.model(phase, index, x) if of == "q" else seen.given(seen.case.p, x)
        for d, v in law.items():
            total += float(weight * v) * np.array(counts(d if d[: len(x)] == x else x + d))
    return total.tolist()


def shown_sums(seen: Seen, by_step: list[float]) -> Iterator[tuple[str, float]]:
    for t in shown_steps(seen):
        yield str(t), math.fsum(by_step[:t])
    yield "", math.fsum(by_step)


def two_states(hazards: list[Fraction], recoveries: list[Fraction]) -> list[float]:
    """The probability to be off after each step, as a product of matrices."""
    on, off, found = Fraction(1), NONE, []
    for hazard, recovery in zip(hazards, recoveries, strict=True):
        on, off = on * (1 - hazard) + off * recovery, on * hazard + off * (1 - recovery)
        found.append(float(off))
    return found


def steps_off(seen: Seen) -> Values:
    """Outcome by outcome: how many of the first t tokens come at or after the first one that leaves S."""
    kept, last = starts(seen.case.s), last_step(seen)

    @cache
    def gone(d: Outcome) -> list[bool]:
        return [d[: seen.start(d) + t + 1] not in kept for t in range(last)]

    for phase, index, of, q in walkers(seen):
        by_step = expected(seen, phase, index, of, gone)
        for at, value in shown_sums(seen, by_step):
            yield phase, index, of, at, seen.s_name, value
        rows = by_prefix(seen, q)
        true = [sum(mass * hazard[0] for mass, _, hazard in rows[t + 1]) for t in range(last)]
        for at, value in shown_sums(seen, two_states(true, [NONE] * last)):
            yield phase, index, f"{of}, E_S[ε]", at, seen.s_name, value


def token(seen: Seen, d: Outcome, t: int) -> int:
    """The token of an answer at a step from 0; 0 after the end."""
    at = seen.start(d) + t
    return d[at] if at < len(d) else 0


def known_tokens(seen: Seen, x: Outcome) -> list[set[int]]:
    """What S says at each step of an answer to a prompt."""
    mine = [d for d, v in seen.case.s.items() if v and d[: len(x)] == x]
    return [{token(seen, d, t) for d in mine} for t in range(last_step(seen))]


def tokens_off(seen: Seen) -> Values:
    """Outcome by outcome; the token with which an outcome leaves the list counts in any case."""
    listed, last = starts(dict.fromkeys(seen.case.documents, Fraction(1))), last_step(seen)
    known = {x: known_tokens(seen, x) for x in seen.weights(seen.case.s)}

    @cache
    def strange(d: Outcome) -> list[bool]:
        x = d[: seen.start(d)]
        leaks = [d[: len(x) + t] in listed and d[: len(x) + t + 1] not in listed for t in range(last)]
        return [leak or token(seen, d, t) not in known[x][t] for t, leak in enumerate(leaks)]

    for phase, index, of, q in walkers(seen):
        by_step = expected(seen, phase, index, of, strange)
        for at, value in shown_sums(seen, by_step):
            yield phase, index, of, at, seen.s_name, value
        hazard = [NONE] * last
        for at, mass, h in seen.prefixes(seen.case.s):
            if at < last:
                x = h[: seen.start(h)]
                hazard[at] += mass * sum(
                    v for a, v in enumerate(q[h]) if (*h, a) not in listed or a not in known[x][at]
                )
        back = [value or NONE for value in returns(seen, q, seen.case.p, known, listed)]
        for at, value in shown_sums(seen, two_states(hazard, back)):
            yield phase, index, f"{of}, E_S[ε]", at, seen.s_name, value


def returns(
    seen: Seen, q: Conditionals, law: Law | Conditionals, known: Mapping[Outcome, list[set[int]]], listed: set[Outcome]
) -> list[Fraction | None]:
    """Mean probability of q to come back at each step, over the prefixes of a law or model; None without any."""
    last, weights = last_step(seen), seen.weights(seen.case.s)
    parts: list[list[tuple[Fraction, Fraction]]] = [[] for _ in range(last)]
    for h in {d[:size] for d in seen.case.documents for size in range(len(d))}:
        x = next((x for x in weights if h[: len(x)] == x), None)
        t = -1 if x is None else len(h) - len(x)
        if x is None or not 0 < t < last or h[-1] in known[x][t - 1]:
            continue
        if () in law and not isinstance(law[()], Fraction):
            mass = product(law, h, len(x))
        else:
            given = seen.given(law, x)
            mass = sum((v for d, v in given.items() if d[: len(h)] == h), NONE)
        if mass:
            back = sum(v for a, v in enumerate(q[h]) if (*h, a) in listed and a in known[x][t])
            parts[t].append((weights[x] * mass, back))
    return [sum(w * v for w, v in part) / sum(w for w, _ in part) if part else None for part in parts]


def recovery(seen: Seen) -> Values:
    listed = starts(dict.fromkeys(seen.case.documents, Fraction(1)))
    known = {x: known_tokens(seen, x) for x in seen.weights(seen.case.s)}
    for phase, index, of, q in walkers(seen):
        for name, law in ((of, seen.case.p), (f"{of}, own", seen.case.p if of == "P" else q)):
            values = returns(seen, q, law, known, listed)
            for t in shown_steps(seen):
                if values[t - 1] is not None:
                    yield phase, index, name, str(t), seen.s_name, float(values[t - 1])


def total_variation_s(seen: Seen) -> Values:
    weights = seen.weights(seen.case.s)
    for phase, index in models(seen):
        both = {x: pairs(seen.given(seen.case.s, x), seen.merged(phase, index, x)) for x in weights}
        far = {x: float(sum(max(b - a, NONE) for a, b in both[x])) for x in weights}
        yield phase, index, "S,q", "", seen.s_name, average(weights, far)


def step_variation(seen: Seen) -> Values:
    truth = next_tokens(seen.case.s)
    for phase, index in models(seen):
        q = seen.case.models[phase, index]
        rows = [(w, sum(max(a - b, NONE) for a, b in zip(truth[h], q[h], strict=True)))
                for _, w, h in seen.prefixes(seen.case.s)]  # fmt: skip
        yield phase, index, "S,q", "", seen.s_name, math.fsum(float(w * far) for w, far in rows)


# -- styles elsewhere -------------------------------------------------------------------------------------------------


def mixtures(seen: Seen) -> Iterator[tuple[str, int, str, list[float], float]]:
    """The weights of two styles by bisection of the derivative, and the KL that remains, at prompts that S lacks."""
    law = prompt_laws(seen).get("P(x | S(x) = 0)", {}) if seen.case.share else {}
    for phase, index in models(seen) if law else ():
        weights, rest = {}, {}
        for x in law:
            p, q = seen.given(seen.case.p, x), seen.answers(phase, index, x)
            total = sum(q[d] for d in p)
            if not total:
                break
            prior = sum(v * seen.case.share[d][0] for d, v in p.items())
            parts = [
                (float(q[d] / total), *(float(v * seen.case.share[d][z] / mass) if mass else 0.0
                                        for z, mass in enumerate((prior, 1 - prior))))
                for d, v in p.items() if q[d]
            ]  # fmt: skip
            weights[x] = 1.0 if prior == 1 else 0.0 if not prior else root(parts)
            rest[x] = math.fsum(c * math.log(c / (weights[x] * a + (1 - weights[x]) * b)) for c, a, b in parts)
        else:
            mean = average(law, weights)
            yield phase, index, "P(x | S(x) = 0)", [mean, 1 - mean], average(law, rest)


def root(parts: list[tuple[float, float, float]]) -> float:
    """Where the likelihood of w a + (1 - w) b is largest; its derivative falls."""
    lower, upper = 0.0, 1.0
    for _ in range(60):
        w = (lower + upper) / 2
        rises = math.fsum(c * (a - b) / (w * a + (1 - w) * b) for c, a, b in parts) > 0
        lower, upper = (w, upper) if rises else (lower, w)
    return (lower + upper) / 2


def style_weight(seen: Seen) -> Values:
    law = prompt_laws(seen).get("P(x | S(x) = 0)", {}) if seen.case.share else {}
    for z, style in enumerate(STYLES) if law else ():
        shares = {x: sum(v * seen.case.share[d][z] for d, v in seen.given(seen.case.p, x).items()) for x in law}
        yield "truth", 0, "P", style, "P(x | S(x) = 0)", average(law, shares)
    for phase, index, name, weights, _ in mixtures(seen):
        for style, value in zip(STYLES, weights, strict=True):
            yield phase, index, "q", style, name, value


def style_residual(seen: Seen) -> Values:
    for phase, index, name, _, rest in mixtures(seen):
        yield phase, index, "q", "", name, rest


# -- across prompts ---------------------------------------------------------------------------------------------------


def across(seen: Seen) -> Iterator[tuple[str, int, str, str, Mapping[Outcome, float], dict[Outcome, Floats]]]:
    """The laws of all outcomes of every language and model at the prompts of a law; truths only where they exist."""
    case = seen.case
    truths = {"P": case.p, "P_A": case.kept, "S": case.s, "q*": case.best}
    models_of_x = {
        (*at, x): {d: float(v) for d, v in seen.model(*at, x).items()}
        for at in models(seen) for x in seen.weights(case.p) if seen.response
    }  # fmt: skip
    for name, weights in {seen.p_name: seen.weights(case.p), seen.s_name: seen.weights(case.s)}.items():
        if not seen.response:
            continue
        shares = {x: float(weight) for x, weight in weights.items()}
        for of, law in truths.items():
            given = {x: {d: float(v) for d, v in seen.given(law, x).items() if v} for x in weights}
            if all(given.values()):
                yield "truth", 0, of, name, shares, given
        for at in models(seen):
            yield *at, "q", name, shares, {x: models_of_x[(*at, x)] for x in weights}


def marginal_of(weights: Mapping[Outcome, float], laws: Mapping[Outcome, Floats]) -> dict[Outcome, float]:
    """The law of the answers to all prompts, as strings without their prompts."""
    found: dict[Outcome, float] = {}
    for x, weight in weights.items():
        for d, v in laws[x].items():
            found[d[len(x) :]] = found.get(d[len(x) :], 0.0) + weight * v
    return found


def prompt_information(seen: Seen) -> Values:
    """KL from the joint law of prompt and answer to the product of both marginals."""
    for phase, index, of, name, weights, laws in across(seen):
        marginal = marginal_of(weights, laws)
        terms = (w * v * math.log(v / marginal[d[len(x) :]]) for x, w in weights.items() for d, v in laws[x].items())
        yield phase, index, of, "", name, math.fsum(terms)


def marginal_entropy(seen: Seen) -> Values:
    for phase, index, of, name, weights, laws in across(seen):
        marginal = marginal_of(weights, laws)
        yield phase, index, of, "", name, math.fsum(-v * math.log(v) for v in marginal.values())


# -- worked examples --------------------------------------------------------------------------------------------------


def with_examples(seen: Seen) -> Iterator[tuple[int, str, dict[Outcome, Fraction]]]:
    """Number of examples, their style ("" for any), and the law of the prompts with them."""
    case = seen.case
    if not seen.response or ";" not in case.record.p.vocabulary.symbols:
        return
    for k in sorted({x.count(SEPARATOR) for x in seen.weights(case.p)}):
        mine = [d for d in case.p if case.p[d] and d[: seen.start(d)].count(SEPARATOR) == k]
        for z, style in ((None, ""), *enumerate(STYLES)):
            law: dict[Outcome, Fraction] = {}
            for d in mine:
                x = d[: seen.start(d)]
                law[x] = law.get(x, NONE) + case.p[d] * (1 if z is None else case.share[d][z])
            if total := sum(law.values()):
                yield k, style, {x: v / total for x, v in law.items() if v}


def without_examples(seen: Seen, document: Outcome) -> Outcome:
    """The question and the answer of a document."""
    prompt = document[: seen.start(document)]
    return document[len(prompt) - prompt[::-1].index(SEPARATOR) :] if SEPARATOR in prompt else document


def judged(seen: Seen, document: Outcome, z: int) -> Fraction:
    """P(z | question, answer), from every document of P that ends so."""
    p, mine = seen.case.p, without_examples(seen, document)
    same = [d for d in p if without_examples(seen, d) == mine]
    return sum(p[d] * seen.case.share[d][z] for d in same) / sum(p[d] for d in same)


def examples_kl(seen: Seen) -> Values:
    for k, style, weights in with_examples(seen):
        for phase, index in models(seen) if not style else ():
            q = {x: seen.answers(phase, index, x) for x in weights}
            yield phase, index, "P||q", str(k), f"P(x | {k} examples)", kl_to(seen, seen.case.p, weights, q)


def by_examples(
    seen: Seen, value: Callable[[list[list[Fraction]]], float | Fraction | None], every: bool, truths: bool = True
) -> Values:
    """A number of the masses of all answers to a prompt in one style and, after them, in the others; a mean over x."""
    case = seen.case
    languages = {"P": case.p, "P_A": case.kept, "S": case.s, "q*": case.best} if truths else {}
    for k, style, weights in with_examples(seen):
        laws = {("truth", 0, of): {x: seen.given(law, x) for x in weights} for of, law in languages.items()}
        laws |= {(*at, "q"): {x: seen.answers(*at, x) for x in weights} for at in models(seen)}
        for (phase, index, of), law in laws.items() if style else ():
            for z, other in enumerate(STYLES):
                if all(law.values()) and (every or other == style):
                    parts = {x: [[v * judged(seen, d, a) for d, v in law[x].items()] for a in (z, 1 - z)] for x in law}
                    for x, part in parts.items():
                        part[1].append(1 - sum(law[x].values()))
                    values = {x: value(part) for x, part in parts.items()}
                    known = [one for one in values.values() if one is not None]
                    if len(known) == len(values) and not {math.inf, -math.inf} <= set(known):
                        yield phase, index, of, other, f"P(x | {k} examples of {style})", average(weights, values)


def examples_style(seen: Seen) -> Values:
    yield from by_examples(seen, lambda parts: sum(parts[0]), every=True)


def examples_content(seen: Seen) -> Values:
    def one(parts: list[list[Fraction]]) -> float | None:
        total = sum(parts[0])
        return surprise(v / total for v in parts[0]) if total else None

    yield from by_examples(seen, one, every=False)


def examples_log_odds(seen: Seen) -> Values:
    def one(parts: list[list[Fraction]]) -> float | None:
        own, others = map(sum, parts)
        return log(own) - log(others) if own or others else None

    yield from by_examples(seen, one, every=False, truths=False)


ORACLES: dict[str, Callable[[Seen], Values]] = {
    one.__name__: one
    for one in (
        prompt_information, marginal_entropy, examples_kl, examples_style, examples_content, examples_log_odds,
        kl, kl_moved, total_variation_moved, jensen_shannon_moved, hellinger_moved, kl_lost, behind, event_mass,
        style_mass, style_gate, style_within, zeros, live, branching, top_one_at, top_one, nucleus, kernel_r2,
        kernel_share, moved_unseen, first_order_r2, fisher, weight_distance, objective_gap, identity,
        decay_constant, decay_slope, levelling, largest_fit_kl, squared_path, excursion, style_erasure,
        kept_behind_gate, shown_erasure, reverse_kl, reverse_kl_moved, total_variation, coverage_lost,
        greedy_accuracy, collision,
        kl_lost_given, lost_mass, kernel_limit, kernel_speed, memorisation, memorisation_residual, excess_collision,
        m_dist, m_eff, answer_mass, good_turing, answer_collision, entropy_held_out, covering_slope,
        steps_off, tokens_off, recovery, total_variation_s, step_variation, style_weight, style_residual,
    )
}  # fmt: skip
ORACLES |= {f"stage_{part}": stage_part(part) for part in ("kl", "gate", "kept", "erasure")}
ORACLES |= {f"latent_shift_{part}": latent_shift(part) for part in ("total", "conditioning", "narrowing", "overlap")}
ORACLES |= DECODED
ORACLES |= OF_PARAMETERS
ORACLES |= PLANES
ORACLES |= {"mixture_kl": mixture_kl}
ORACLES |= {"hazard": hazards(0), "own_hazard": hazards(1), "hazard_shift": hazards(None)}
"""What every row of a metric is; of a metric whose numbers are only bounded, the true value."""
