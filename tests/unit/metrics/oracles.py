"""What the rows of metrics are, as sums over listed strings in fractions: by their definitions, not by their code."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

import mpmath
import numpy as np

from tests.unit.metrics.oracle_worlds import NONE, PEAK, PROBED, RATE, STEPS, STYLES, WATCHED, Seen, average
from tests.unit.metrics.small_worlds import Conditionals, Law, Outcome, V, log, surprise

Values = Iterator[tuple[str, int, str, str, str, float]]
"""Phase, index of the evaluation, the columns `of`, `at` and `prompt_law`, and the true value."""

Pairs = list[tuple[Fraction, Fraction]]

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


ORACLES: dict[str, Callable[[Seen], Values]] = {
    one.__name__: one
    for one in (
        kl, kl_moved, total_variation_moved, jensen_shannon_moved, hellinger_moved, kl_lost, behind, event_mass,
        style_mass, style_gate, style_within, zeros, live, branching, top_one_at, top_one, nucleus, kernel_r2,
        kernel_share, moved_unseen, first_order_r2, fisher, weight_distance, objective_gap, identity,
        decay_constant, decay_slope, levelling, largest_fit_kl, excursion, style_erasure, kept_behind_gate,
        shown_erasure, reverse_kl, reverse_kl_moved, total_variation, coverage_lost, greedy_accuracy, collision,
        kl_lost_given, lost_mass, kernel_limit, kernel_speed,
    )
}  # fmt: skip
ORACLES |= {f"stage_{part}": stage_part(part) for part in ("kl", "gate", "kept", "erasure")}
ORACLES |= {f"latent_shift_{part}": latent_shift(part) for part in ("total", "conditioning", "narrowing", "overlap")}
"""What every row of a metric is; of a metric whose numbers are only bounded, the true value."""
