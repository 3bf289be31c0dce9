"""Sentences whose every word that judges is chosen by a number; nothing here is a verdict."""

import math
from collections.abc import Iterator

import polars as pl

from experiments._numbers import Number, written
from experiments._summary import BASE, TUNED, P, S

Cells = dict[tuple[str, str], Number]
"""(quantity, column) -> number."""


def cells(table: pl.DataFrame) -> Cells:
    """The summary as a dictionary of the numbers that exist."""
    there = table.filter(pl.col("exactness") != "")
    return {
        (quantity, column): Number(*number)
        for quantity, column, *number in there.select("quantity", "column", "lower", "upper", "exactness").iter_rows()
    }


def shows(table: pl.DataFrame, controls: list[str]) -> list[str]:
    """What the numbers of one run say, in plain sentences."""
    found = cells(table)
    sentences = [entropy(found), effective(found), support(table, found), fit(found), *forgetting(found)]
    return [*sentences, *styles(table, found), *(sentence for name in controls for sentence in control(found, name))]


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.1f} %" if abs(share) >= 0.001 or share == 0.0 else f"{100 * share:.1g} %"


def moved(change: Number, words: tuple[str, str, str] = ("rose", "fell", "did not certifiably change")) -> str:
    """The word for the sign of a change."""
    return words[0] if change.sign > 0 else words[1] if change.sign < 0 else words[2]


def distance(change: Number) -> str:
    """The size of a change, given that its sign is known."""
    ends = sorted((abs(change.lower), abs(change.upper)))
    return Number(ends[0], ends[1], change.exactness).bare


def entropy(found: Cells) -> str:
    """How far H(q) moved, and how far the data alone ask it to."""
    change = found["entropy", TUNED] - found["entropy", BASE]
    data = found["entropy", S] - found["entropy", P]
    learning = found["learning", TUNED]
    by = f" by {distance(change)} nats" if change.sign else ""
    asked = f"{'rise' if data.sign > 0 else 'fall'} by {distance(data)} nats" if data.sign else "stay"
    return (
        f"Entropy: H(q) {moved(change)}{by}. The data alone ask it to {asked} (P to S: conditioning takes "
        f"{found['conditioning', TUNED].bare}, narrowing {found['narrowing', TUNED].bare}); what is left to learning, "
        f"H(S) − H(q), is {learning.bare} nats."
    )


def effective(found: Cells) -> str:
    """The same as a number of answers."""
    return (
        f"Diversity: the effective number of answers per prompt, e^H, went from {found['hill_1', BASE].bare} to "
        f"{found['hill_1', TUNED].bare}; S itself has {found['hill_1', S].bare} and P {found['hill_1', P].bare}."
    )


def support(table: pl.DataFrame, found: Cells) -> str:
    """In which direction the eps-support moved, threshold by threshold."""
    sides: dict[str, list[str]] = {"fell": [], "rose": [], "cannot be certified to have moved": []}
    for quantity in table.filter(section="support")["quantity"].unique(maintain_order=True):
        change = found[quantity, TUNED] - found[quantity, BASE]
        sides[moved(change, ("rose", "fell", "cannot be certified to have moved"))].append(quantity.split("eps=")[1])
    said = [f"{word} at ε = {', '.join(where)}" for word, where in sides.items() if where]
    return f"Support: the number of answers with q(y|x) ≥ ε {'; it '.join(said)}. A softmax loses no answer entirely."


def fit(found: Cells) -> str:
    """How near q came to its predicted optimum."""
    before, after = found["kl_s", BASE].lower, found["kl_s", TUNED].lower
    share = (
        f", {percent(1.0 - after / before)} of the way to the optimum S that theory predicts" if before > after else ""
    )
    return f"Fit: KL(S‖q) went from {written(before)} to {written(after)} nats{share}."


def forgetting(found: Cells) -> Iterator[str]:
    """Forgetting and its exact split."""
    if found["kl_p", TUNED].upper == math.inf:
        yield "Forgetting: KL(P‖q) = ∞ nats: q gives no mass to a part of P, and shares of infinity mean nothing."
        return
    gained = found["kl_p", TUNED] - found["kl_p", BASE]
    if gained.sign <= 0:
        yield f"Forgetting: KL(P‖q) − KL(P‖q₀) = {gained.bare} nats: nothing was forgotten."
        return
    share = {
        part: (found[part, TUNED].lower - found[part, BASE].lower) / gained.lower
        for part in ("gate", "kept", "erasure")
    }
    larger = max(share, key=lambda part: share[part])
    words = {
        "gate": "the gate: mass that moved away from the lost answers",
        "erasure": "erasure: damaged proportions among the lost answers",
        "kept": "within A: damaged proportions among the kept answers",
    }
    yield (
        f"Forgetting: KL(P‖q) − KL(P‖q₀) = {gained.bare} nats, of which {percent(share['gate'])} is gate, "
        f"{percent(share['erasure'])} erasure and {percent(share['kept'])} within A. The largest share is "
        f"{words[larger]}."
    )


def styles(table: pl.DataFrame, found: Cells) -> Iterator[str]:
    """Which styles gained and which lost."""
    names = [str(label) for label in table.filter(section="styles")["label"].unique(maintain_order=True)]
    if not names:
        return
    mass = {name: (found[f"style {name}", BASE].lower, found[f"style {name}", TUNED].lower) for name in names}
    gained = [name for name in names if mass[name][1] > mass[name][0]]
    lost = [name for name in names if name not in gained]
    rises = ", ".join(f"{name} from {written(mass[name][0])} to {written(mass[name][1])}" for name in gained)
    sums = [sum(mass[name][side] for name in lost) for side in (0, 1)]
    falls = f"{', '.join(lost)} together from {written(sums[0])} to {written(sums[1])}"
    yield (
        "Styles: "
        + "; ".join(part for part, any_ in ((f"mass rose in {rises}", gained), (f"it fell in {falls}", lost)) if any_)
        + "."
    )


def control(found: Cells, name: str) -> Iterator[str]:
    """What the same fine-tuning does without a restriction."""
    change = found["kl_p", name] - found["kl_p", BASE]
    tuned = found["kl_p", TUNED] - found["kl_p", BASE]
    entropy_change = found["entropy", name] - found["entropy", BASE]
    part = f", {percent(abs(change.lower) / tuned.lower)} of what the restriction did" if tuned.sign > 0 else ""
    yield (
        f"Control ({name}): the same fine-tuning on fresh data from P changed KL(P‖·) by {change.bare} nats{part}, and "
        f"H by {entropy_change.bare} nats; its KL(S‖·) is {written(found['kl_s', name].lower)}, and that of P is "
        f"{found['kl_s', P].bare}."
    )


def shows_not(about: dict[str, object], metrics: pl.DataFrame) -> list[str]:
    """The limits of one run, from its configuration and its last steps."""
    said = [
        f"One seed ({about['seed']}), one world ({about['world']}), one restriction ({about['restriction']}), one "
        f"optimiser ({about['optimizer']}): no interval over seeds, so no verdict on any claim."
    ]
    if about["targets"] == "exact":
        said.append("Targets were exact next-token laws: the objective alone. Effects of finite samples are not in it.")
    elif about["targets"]:
        said.append(f"Targets were {about['targets']} tokens: the objective and sampling noise are not separated here.")
    curve = metrics.filter(phase="sft", view="response", metric="kl", of="P||q").sort("step").tail(2)
    (early, late), (start, end) = curve["step"].to_list(), curve["lower"].to_list()
    if end != start:
        word = "grew" if end > start else "fell"
        said.append(
            f"KL(P‖q) still {word} by {written(abs(end - start))} nats from step {early} to {late}: its value belongs "
            "to this number of steps."
        )
    return said
