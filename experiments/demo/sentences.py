"""Sentences about one run. Every word of judgement in them is chosen by a number; none of them is a verdict."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from experiments.demo.facts import NO_VERDICT
from experiments.demo.lines import BASE, BEST, LOST, TUNED, P, S, named
from sim.quantity import Quantity
from sim.show.writing import NEGLIGIBLE, bare, counted, difference, percent, restored, sign_of, written

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Told:
    """The tables of one run with quick access to the numbers of its lines."""

    tables: Tables

    @cached_property
    def found(self) -> dict[tuple[str, str], Quantity]:
        """Map (quantity, column) to the number, for the numbers that exist."""
        there = self.tables["lines"].filter(pl.col("exactness") != "")
        keys = there.select("quantity", "column", "lower", "upper", "exactness").iter_rows()
        return {(quantity, column): restored(*number) for quantity, column, *number in keys}

    def __getitem__(self, key: tuple[str, str]) -> Quantity:
        return self.found[key]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The row of the table `run`."""
        return self.tables["run"].row(0, named=True)

    @cached_property
    def controls(self) -> list[str]:
        """The columns of the controls."""
        return [column for column in named(self.tables["phases"]) if column not in (BASE, TUNED)]

    @property
    def target(self) -> str:
        """The column that q is compared with: q* if it differs from S, else S."""
        return str(self.facts["target"] or S)

    @property
    def fit(self) -> str:
        """The quantity that measures how far the models are from the target."""
        return "kl_best" if self.target == BEST else "kl_s"

    @property
    def strings(self) -> str:
        """What is counted: answers to a prompt, or whole strings."""
        return "answers" if self.facts["num_prompts"] else "strings"

    @property
    def per(self) -> str:
        """The words " per prompt" if answers are counted, else ""."""
        return " per prompt" if self.facts["num_prompts"] else ""

    @property
    def q(self) -> str:
        """The symbol of the probability of one of them under q."""
        return "q(y|x)" if self.facts["num_prompts"] else "q(y)"

    def over(self, quantity: str) -> str:
        """Return the prompt law of a quantity as a remark; "" if there are no prompts."""
        law = self.tables["lines"].filter(quantity=quantity)["law"][0]
        return f" (x ~ {law})" if law else ""

    def change(self, quantity: str, column: str = TUNED) -> Quantity:
        """Return the change of a quantity from q₀ to another model."""
        return difference(self[quantity, column], self[quantity, BASE])


def shows(tables: Tables) -> list[str]:
    """Return plain sentences on what the numbers of the run show."""
    run = Told(tables)
    sentences = [diversity(run), entropy(run), steps_of_entropy(run), support(run), fit(run), *forgetting(run)]
    return [*sentences, *styles(run), *(control(run, name) for name in run.controls)]


def warnings(tables: Tables) -> list[str]:
    """Return a warning if the fine-tuning ended further from its target than it began."""
    run = Told(tables)
    before, after = run[run.fit, BASE], run[run.fit, TUNED]
    if after.lower <= before.upper + NEGLIGIBLE:
        return []
    return [
        f"after fine-tuning KL({run.target}‖q) is {bare(after)} nats, which is more than the {bare(before)} at its "
        "start: the model moved away from what it trains towards; look at the learning rate and the number of steps."
    ]


def moved(change: Quantity) -> str:
    """Return the verb for the sign of a change. The sign can be open if only bounds are known."""
    if sign_of(change):
        return "rose" if sign_of(change) > 0 else "fell"
    return "did not change" if change.exact else "did not certifiably change"


def by(change: Quantity, unit: str = " nats") -> str:
    """Describe a change: its direction and, if that is known, its size."""
    if sign_of(change):
        ends = sorted((abs(change.lower), abs(change.upper)))
        return f"{moved(change)} by {bare(Quantity(ends[0], ends[1]))}{unit}"
    return moved(change) + ("" if change.exact else f" (the change lies in {bare(change)}{unit})")


def diversity(run: Told) -> str:
    """Describe the effective number of answers before and after the fine-tuning."""
    best = f", its predicted optimum q* has {bare(run['hill_1', BEST])}" if run.target == BEST else ""
    return (
        f"Diversity{run.over('hill_1')}: the effective number of {run.strings}{run.per}, e^H, was "
        f"{bare(run['hill_1', BASE])} before the fine-tuning and is {bare(run['hill_1', TUNED])} after it. The data "
        f"have {bare(run['hill_1', S])}{best}; the language P has {bare(run['hill_1', P])}."
    )


def entropy(run: Told) -> str:
    """Describe the change of H(q), and the change that the data predict."""
    change = difference(run["entropy", S], run["entropy", P])
    return (
        f"Entropy{run.over('entropy')}: the entropy of the model {by(run.change('entropy'))}; that of the data is "
        f"{_apart(change)} P."
    )


def _apart(change: Quantity) -> str:
    if not sign_of(change):
        return "that of"
    ends = sorted((abs(change.lower), abs(change.upper)))
    word = "above" if sign_of(change) > 0 else "below"
    return f"{bare(Quantity(ends[0], ends[1]))} nats {word} that of"


def steps_of_entropy(run: Told) -> str:
    """Describe where the change of entropy comes from."""
    left, gap = run["learning", LOST], ""
    if run.target == BEST:
        left, gap = (
            run["learning_gap", LOST],
            f" {bare(run['objective_gap', LOST])} because of the objective (H(S) − H(q*)),",
        )
    return (
        f"The loss H(P) − H(q) has these parts: {bare(run['conditioning', LOST])} nats because part of P is left out, "
        f"{bare(run['narrowing', LOST])} because the data are narrow,{gap} and, from H({run.target}) to H(q), "
        f"{bare(left)} because of the model."
    )


def support(run: Told) -> str:
    """Describe how the eps-support moved at each threshold, and whether any string is lost."""
    sides: dict[str, list[str]] = {}
    of_support = run.tables["lines"].filter(section="support")
    for quantity in of_support["quantity"].unique(maintain_order=True):
        sides.setdefault(moved(run.change(quantity)), []).append(quantity.removeprefix("support "))
    said = "; it ".join(f"{word} at ε = {', '.join(where)}" for word, where in sides.items())
    over = run.over("support 0.1")
    return f"Support{over}: the number of {run.strings} with {run.q} ≥ ε {said}. {nothing_lost(run)}"


def nothing_lost(run: Told) -> str:
    """Say whether q still gives a positive probability to every string of P."""
    strings = run.tables["strings"].filter(phase=named(run.tables["phases"])[TUNED])
    last = strings.filter(pl.col("step") == pl.col("step").max())
    asked = run.tables["documents"].filter(pl.col("p") > 0.0).join(last, on="index")
    lost = asked.filter(pl.col("q") == 0.0).height
    if lost:
        return f"Of the {counted(asked.height, 'string')} of P, q gives probability 0 in float64 to {lost}."
    return f"No string is lost entirely: q > 0 for all {counted(asked.height, 'string')} of P."


def fit(run: Told) -> str:
    """Describe how near q came to its predicted optimum."""
    before, after = run[run.fit, BASE], run[run.fit, TUNED]
    said = f"Fit{run.over(run.fit)}: KL({run.target}‖q) went from {bare(before)} to {bare(after)} nats"
    if not run.facts["target"]:
        return f"{said}; theory predicts no optimum for this objective, so S is not a target."
    if sign_of(difference(before, after)) > 0 and math.isfinite(before.lower):
        said += f", {percent(1.0 - after.lower / before.lower)} of the way to the optimum {run.target} of theory"
    if run.target == BEST:
        said += f"; KL(S‖q) went from {bare(run['kl_s', BASE])} to {bare(run['kl_s', TUNED])}"
    return f"{said}."


def forgetting(run: Told) -> Iterator[str]:
    """Describe forgetting and its exact split."""
    if run["kl_p", TUNED].upper == math.inf:
        yield "Forgetting: KL(P‖q) = ∞ nats, because q gives no mass to a part of P. So its parts have no shares."
        return
    if run["kl_p", BASE].upper == math.inf:
        yield f"Forgetting: KL(P‖q₀) = ∞ nats before and {bare(run['kl_p', TUNED])} after, so no change is defined."
        return
    gained = run.change("kl_p")
    said = f"Forgetting{run.over('kl_p')}: KL(P‖q) − KL(P‖q₀) = {bare(gained)} nats"
    if sign_of(gained) <= 0:
        yield said + (": nothing was forgotten." if run.facts["valid"] else ": KL(P‖·) did not rise.")
        return
    share = {part: run.change(part).lower / gained.lower for part in ("gate", "kept", "erasure")}
    yield (
        f"{said}. Of it {percent(share['gate'])} is gate (mass that left the lost {run.strings}), "
        f"{percent(share['erasure'])} erasure (wrong proportions among them), and {percent(share['kept'])} wrong "
        f"proportions among the kept {run.strings}."
    )


def styles(run: Told) -> Iterator[str]:
    """Describe which styles gained and which lost, as far as the printed digits show."""
    lines = run.tables["lines"].filter(section="styles")
    names = [str(label) for label in lines["label"].unique(maintain_order=True)]
    if not names:
        return
    mass = {name: tuple(run[f"style {name}", column].lower for column in (BASE, TUNED)) for name in names}
    said = []
    for word, sign in (("rose", 1), ("fell", -1)):
        those = [name for name in names if _direction(*mass[name]) == sign]
        sums = [written(math.fsum(mass[name][side] for name in those)) for side in (0, 1)]
        together = " together" if len(those) > 1 else ""
        said += [f"the mass of {', '.join(those)}{together} {word} from {sums[0]} to {sums[1]}"] if those else []
    still = [f"{name} ({written(mass[name][0])})" for name in names if not _direction(*mass[name])]
    said += [f"to the digits printed, the mass of {', '.join(still)} did not change"] if still else []
    yield f"Styles{run.over(f'style {names[0]}')}: {'; '.join(said)}."


def _direction(before: float, after: float) -> int:
    same = written(before) == written(after)
    return 0 if same else 1 if after > before else -1


def control(run: Told, name: str) -> str:
    """Describe what the same fine-tuning does on P itself."""
    entropy_over = run.over("entropy")
    return (
        f"Control ({name}): the same fine-tuning on P itself. There KL(P‖·){run.over('kl_p')} "
        f"{by(run.change('kl_p', name))}, and the entropy{entropy_over} {by(run.change('entropy', name))}."
    )


def shows_not(tables: Tables) -> list[str]:
    """Return sentences on the limits of one run, from its configuration and its last steps."""
    facts = Told(tables).facts
    said = [] if facts["valid"] else [f"It shows nothing about a model that knows P: {NO_VERDICT}."]
    said.append(
        f"It is one seed ({facts['seed']}), one world ({facts['world']}), one restriction ({facts['restriction']}) and "
        f"one optimiser ({facts['optimizer']}). Without an interval over seeds there is no verdict on any claim."
    )
    if facts["targets"] == "exact":
        said.append("The targets were exact next-token laws: effects of finite samples are not in it.")
    elif facts["targets"]:
        said.append(f"The targets were {facts['targets']} tokens: the objective and the noise of sampling are mixed.")
    tuned = named(tables["phases"])[TUNED]
    curve = tables["metrics"].filter(phase=tuned, view="response", metric="kl", of="P||q", prompt_law="P(x)")
    curve = curve.sort("step").tail(2)
    if curve.height == 2:
        (early, late), (start, end) = curve["step"].to_list(), curve["lower"].to_list()
        if end != start and math.isfinite(start) and math.isfinite(end):
            word = "grew" if end > start else "fell"
            said.append(
                f"KL(P‖q) still {word} by {written(abs(end - start))} nats from step {early} to {late}: its value "
                "belongs to this number of steps."
            )
    return said
