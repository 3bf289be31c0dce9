"""The conclusions about a run in five lines, each short enough for a terminal."""

import math
from collections.abc import Callable

from experiments.demo.lines import BASE, BEST, TUNED, P, S
from experiments.demo.sentences import Tables, Told, by
from sim.quantity import Quantity
from sim.show.writing import bare, difference, percent, sign_of, text

SMALL = 0.005
"""Largest share of the forgetting that the headline leaves out."""


def five(tables: Tables) -> list[str]:
    """Validity, diversity, entropy, forgetting, and the first control, if there is one."""
    run = Told(tables)
    said = [validity(run), diversity(run), entropy(run), forgetting(run)]
    return [*said, *(control(run, name) for name in run.controls[:1])]


def validity(run: Told) -> str:
    """Whether pretraining came near enough to P."""
    reached, limit = text(Quantity.of(run.facts["joint_kl"])), bare(Quantity.of(run.facts["limit"]))
    if run.facts["valid"]:
        return f"VALID: joint KL(P‖q₀) {reached} ≤ {limit} nats, the limit on pretraining"
    return f"NOT VALID, no verdict: joint KL(P‖q₀) {reached} > {limit} nats, the limit"


def diversity(run: Told) -> str:
    """The effective number of answers, e^H, before and after, and that of the data."""
    target = BEST if run.target == BEST else S
    name = "optimum q*" if target == BEST else "data"
    before, after, best = (short(run["hill_1", column]) for column in (BASE, TUNED, target))
    return f"Likely {run.strings}{run.per}: {before} before, {after} after, {name} {best}"


def entropy(run: Told) -> str:
    """How far H(q) moved, and how far the data alone move it."""
    data = difference(run["entropy", S], run["entropy", P])
    return f"Entropy: {_by(run.change('entropy'))}; H(S) − H(P) = {bare(data)} nats"


def forgetting(run: Told) -> str:
    """Forgetting and its exact split. What is off within A is left out if it is at most 0.5 %."""
    if math.inf in (run["kl_p", BASE].upper, run["kl_p", TUNED].upper):
        return f"Forgetting: KL(P‖·) = {bare(run['kl_p', BASE])} before, {bare(run['kl_p', TUNED])} after"
    gained = run.change("kl_p")
    said = f"Forgetting: KL(P‖·) {by(gained)}"
    if sign_of(gained) <= 0:
        return said
    share = {part: run.change(part).lower / gained.lower for part in ("gate", "erasure", "kept")}
    if abs(share["kept"]) <= SMALL:
        del share["kept"]
    return f"{said}: {', '.join(f'{percent(value)} {part}' for part, value in share.items())}"


def control(run: Told, name: str) -> str:
    """What the same fine-tuning does without a restriction."""
    return f"Control on P: KL(P‖·) {by(run.change('kl_p', name), '')}, entropy {_by(run.change('entropy', name))}"


def short(number: Quantity) -> str:
    """A number >= 0 in three significant digits; bounds are rounded outward."""
    if not math.isfinite(number.upper):
        return bare(number)
    if number.exact:
        return f"{number.lower:.3g}"
    return f"[{_rounded(number.lower, math.floor)}, {_rounded(number.upper, math.ceil)}]"


def _rounded(value: float, to: Callable[[float], int]) -> str:
    digits = 2 - math.floor(math.log10(value)) if value > 0.0 else 0
    return f"{to(value * 10.0**digits) / 10.0**digits:.3g}"


def _by(change: Quantity) -> str:
    """A change in few words; the interval alone where its sign is open."""
    return by(change) if sign_of(change) or change.exact else f"moved by {bare(change)} nats"
