"""Sentences whose every word that judges is chosen by a number; nothing here is a verdict."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from experiments._about import NO_VERDICT
from experiments._numbers import NEGLIGIBLE, Number, counted, percent, written
from experiments._summary import BASE, BEST, LOST, TUNED, P, S, controls

Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Run:
    """The tables of one run, and the numbers of its summary."""

    tables: Tables

    @cached_property
    def found(self) -> dict[tuple[str, str], Number]:
        """(quantity, column) -> number, for the numbers that exist."""
        there = self.tables["summary"].filter(pl.col("exactness") != "")
        keys = there.select("quantity", "column", "lower", "upper", "exactness").iter_rows()
        return {(quantity, column): Number(*number) for quantity, column, *number in keys}

    def __getitem__(self, key: tuple[str, str]) -> Number:
        return self.found[key]

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The row of what was run."""
        return self.tables["run"].row(0, named=True)

    @property
    def target(self) -> str:
        """What q is compared with: q* where it differs from S, else S."""
        return str(self.facts["target"] or S)

    @property
    def fit(self) -> str:
        """The quantity that says how far the models are from the target."""
        return "kl_best" if self.target == BEST else "kl_s"

    @property
    def strings(self) -> str:
        """What is counted: answers to a prompt, or whole strings."""
        return "answers" if self.facts["num_prompts"] else "strings"

    @property
    def q(self) -> str:
        """Probability of one of them under q."""
        return "q(y|x)" if self.facts["num_prompts"] else "q(y)"

    def over(self, quantity: str) -> str:
        """The prompt law that a quantity is averaged over, as a remark; empty where there are no prompts."""
        law = self.tables["summary"].filter(quantity=quantity)["law"][0]
        return f" (x ~ {law})" if law else ""

    def change(self, quantity: str, column: str = TUNED) -> Number:
        """What a training changed, from q₀."""
        return self[quantity, column] - self[quantity, BASE]


def shows(tables: Tables) -> list[str]:
    """What the numbers of one run say, in plain sentences."""
    run, names = Run(tables), controls(tables["metrics"])
    sentences = [entropy(run), effective(run), support(run), fit(run), *forgetting(run), *styles(run)]
    return [*sentences, *(control(run, name) for name in names)]


def warnings(tables: Tables) -> list[str]:
    """What a reader must know first: the fine-tuning ended further from its target than it began."""
    run = Run(tables)
    before, after = run[run.fit, BASE], run[run.fit, TUNED]
    if after.lower <= before.upper + NEGLIGIBLE:
        return []
    return [
        f"after fine-tuning KL({run.target}‖q) is {after.bare} nats, above the {before.bare} at its start: SFT did not "
        "bring the model nearer to what it trains towards; look at the learning rate and the number of steps."
    ]


def moved(change: Number) -> str:
    """The words for the sign of a change; only bounds can leave it open."""
    if change.sign:
        return "rose" if change.sign > 0 else "fell"
    return "did not change" if change.exactness == "exact" else "did not certifiably change"


def by(change: Number, unit: str = " nats") -> str:
    """A change in words: its direction and, where that is known, its size."""
    ends = sorted((abs(change.lower), abs(change.upper)))
    if change.sign:
        return f"{moved(change)} by {Number(ends[0], ends[1], change.exactness).bare}{unit}"
    return moved(change) + ("" if change.exactness == "exact" else f" (change in {change.bare}{unit})")


def entropy(run: Run) -> str:
    """How far H(q) moved, and how far the data alone move it."""
    parts = f"conditioning takes {run['conditioning', LOST].bare}, narrow data {run['narrowing', LOST].bare}"
    gap, left = "", run["learning", LOST]
    if run.target == BEST:
        gap = f"the objective itself takes H(S) − H(q*) = {run['objective_gap', LOST].bare} nats; "
        left = run["learning_gap", LOST]
    return (
        f"Entropy{run.over('entropy')}: H(q) {by(run.change('entropy'))}. From P to S entropy "
        f"{by(run['entropy', S] - run['entropy', P])} ({parts}); {gap}what is left to learning, H({run.target}) − "
        f"H(q), is {left.bare} nats."
    )


def effective(run: Run) -> str:
    """The same as a number of answers."""
    per = " per prompt" if run.facts["num_prompts"] else ""
    best = f", q* {run['hill_1', BEST].bare}" if run.target == BEST else ""
    return (
        f"Diversity{run.over('hill_1')}: the effective number of {run.strings}{per}, e^H, went from "
        f"{run['hill_1', BASE].bare} to {run['hill_1', TUNED].bare}; S itself has {run['hill_1', S].bare}{best} and P "
        f"{run['hill_1', P].bare}."
    )


def support(run: Run) -> str:
    """In which direction the eps-support moved, threshold by threshold, and whether any string is lost."""
    sides: dict[str, list[str]] = {}
    of_support = run.tables["summary"].filter(section="support")
    for quantity in of_support["quantity"].unique(maintain_order=True):
        sides.setdefault(moved(run.change(quantity)), []).append(quantity.split("eps=")[1])
    said = "; it ".join(f"{word} at ε = {', '.join(where)}" for word, where in sides.items())
    over = run.over("support eps=0.1")
    return f"Support{over}: the number of {run.strings} with {run.q} ≥ ε {said}. {nothing_lost(run)}"


def nothing_lost(run: Run) -> str:
    """Whether q still gives a positive probability to every string of P."""
    strings = run.tables["strings"].filter(phase="sft")
    last = strings.filter(pl.col("step") == pl.col("step").max())
    asked = run.tables["documents"].filter(pl.col("p") > 0.0).join(last, on="index")
    lost = asked.filter(pl.col("q") == 0.0).height
    if lost:
        return f"Of the {counted(asked.height, 'string')} of P, q gives probability 0 in float64 to {lost}."
    return f"None is lost entirely: q > 0 for all {counted(asked.height, 'string')} of P."


def fit(run: Run) -> str:
    """How near q came to its predicted optimum."""
    before, after = run[run.fit, BASE], run[run.fit, TUNED]
    said = f"Fit{run.over(run.fit)}: KL({run.target}‖q) went from {before.bare} to {after.bare} nats"
    if not run.facts["target"]:
        return f"{said}; theory predicts no optimum for this objective, so S is not a target."
    if (before - after).sign > 0 and math.isfinite(before.lower):
        said += f", {percent(1.0 - after.lower / before.lower)} of the way to the optimum {run.target} of theory"
    if run.target == BEST:
        said += f"; KL(S‖q) went from {run['kl_s', BASE].bare} to {run['kl_s', TUNED].bare}"
    return f"{said}."


def forgetting(run: Run) -> Iterator[str]:
    """Forgetting and its exact split."""
    if run["kl_p", TUNED].upper == math.inf:
        yield "Forgetting: KL(P‖q) = ∞ nats: q gives no mass to a part of P, and shares of infinity mean nothing."
        return
    if run["kl_p", BASE].upper == math.inf:
        yield f"Forgetting: KL(P‖q₀) = ∞ nats before and {run['kl_p', TUNED].bare} after, so no change is defined."
        return
    gained = run.change("kl_p")
    said = f"Forgetting{run.over('kl_p')}: KL(P‖q) − KL(P‖q₀) = {gained.bare} nats"
    if gained.sign <= 0:
        yield said + (": nothing was forgotten." if run.facts["valid"] else ": KL(P‖·) did not rise.")
        return
    share = {part: run.change(part).lower / gained.lower for part in ("gate", "kept", "erasure")}
    larger = max(share, key=lambda part: share[part])
    words = {
        "gate": f"the gate: mass that moved away from the lost {run.strings}",
        "erasure": f"erasure: damaged proportions among the lost {run.strings}",
        "kept": f"within A: damaged proportions among the kept {run.strings}",
    }
    yield (
        f"{said}, of which {percent(share['gate'])} is gate, {percent(share['erasure'])} erasure and "
        f"{percent(share['kept'])} within A. The largest share is {words[larger]}."
    )


def styles(run: Run) -> Iterator[str]:
    """Which styles gained and which lost, to the digits that are printed."""
    lines = run.tables["summary"].filter(section="styles")
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


def control(run: Run, name: str) -> str:
    """What the same fine-tuning does without a restriction."""
    change, tuned = run.change("kl_p", name), run.change("kl_p")
    part = f" (in the restricted one it {by(tuned)})" if math.isfinite(tuned.lower) else ""
    entropy_over = run.over("entropy")
    return (
        f"Control ({name}): with the same fine-tuning on fresh data from P, KL(P‖·){run.over('kl_p')} {by(change)}"
        f"{part}, and H{entropy_over} {by(run.change('entropy', name))}; its KL(S‖·){entropy_over} is "
        f"{run['kl_s', name].bare}, and that of P is {run['kl_s', P].bare}."
    )


def shows_not(tables: Tables) -> list[str]:
    """The limits of one run, from its configuration and its last steps."""
    facts = Run(tables).facts
    said = [] if facts["valid"] else [f"Anything about SFT of a model that knows P: {NO_VERDICT}."]
    said.append(
        f"One seed ({facts['seed']}), one world ({facts['world']}), one restriction ({facts['restriction']}), one "
        f"optimiser ({facts['optimizer']}): no interval over seeds, so no verdict on any claim."
    )
    if facts["targets"] == "exact":
        said.append("Targets were exact next-token laws: the objective alone. Effects of finite samples are not in it.")
    elif facts["targets"]:
        said.append(f"Targets were {facts['targets']} tokens: the objective and sampling noise are not separated here.")
    curve = tables["metrics"].filter(phase="sft", view="response", metric="kl", of="P||q").sort("step").tail(2)
    if curve.height == 2:
        (early, late), (start, end) = curve["step"].to_list(), curve["lower"].to_list()
        if end != start and math.isfinite(start) and math.isfinite(end):
            word = "grew" if end > start else "fell"
            said.append(
                f"KL(P‖q) still {word} by {written(abs(end - start))} nats from step {early} to {late}: its value "
                "belongs to this number of steps."
            )
    return said
