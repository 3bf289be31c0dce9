"""The lines of the summary, read from the metrics table of a run; view response: conditional on the prompt."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from experiments._numbers import Number, measured

EPSILONS = (0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Thresholds of the eps-support that a report shows [probability per answer]; figures show the whole curve."""

NOT_CONTROLS = ("truth", "pretrain", "sft", "linearised", "recovery", "scratch")

P, S, BEST, BASE, TUNED = "P", "S", "q*", "q₀", "q"
"""Columns: the truths, the predicted optimum of the fine-tuning where it is not S, and the models."""

LOST, TRUTH, JOINT = "lost", "truth", "joint"
"""Columns of the waterfall and of the shift accounting (per prompt, and of whole documents)."""

Cells = dict[str, Number | None]


@dataclass(frozen=True)
class Line:
    """One quantity of the summary; all its cells are averages over one prompt law ("" where there are no prompts)."""

    section: str
    quantity: str  # identifier
    label: str
    unit: str
    law: str
    cells: Cells


def controls(metrics: pl.DataFrame) -> list[str]:
    """The phases that are control fine-tunings."""
    return [str(phase) for phase in metrics["phase"].unique(maintain_order=True) if phase not in NOT_CONTROLS]


class Lines:
    """Reads the metrics table; `own` says whether q* is a column of its own, different from S."""

    def __init__(self, metrics: pl.DataFrame, documents: pl.DataFrame, own: bool) -> None:
        self.numbers = measured(metrics)
        last = dict(metrics.group_by("phase").agg(pl.col("step").max()).iter_rows())
        self.models = {BASE: "pretrain", TUNED: "sft"} | {name: name for name in controls(metrics)}
        self.steps = {column: last[phase] for column, phase in self.models.items()}
        self.metrics, self.documents, self.own = metrics, documents, own
        self.prompts = bool((documents["prompt"] != "").any())
        self.strings = "answers" if self.prompts else "strings"
        self.styles = _names(metrics, "style_mass", "P ")
        self.law = "S(x)" if self.truth("entropy", S, "P(x)") is None else "P(x)"

    def truth(self, metric: str, of: str, law: str = "", view: str = "response") -> Number | None:
        """A number of the world."""
        return self.numbers.get(("truth", 0, view, metric, of, law))

    def truths(self, metric: str, law: str, of: str = "") -> Cells:
        """A measure of P, S and q* where it is a column."""
        shown = (P, S, BEST) if self.own else (P, S)
        return {column: self.truth(metric, f"{column}{of}", law) for column in shown}

    def line(self, section: str, quantity: str, label: str, metric: str, of: str, law: str, truths: Cells) -> Line:
        """One line: the truths given and the last evaluation of every model."""
        cells: Cells = {column: truths.get(column) for column in ((P, S, BEST) if self.own else (P, S))}
        for column, phase in self.models.items():
            cells[column] = self.numbers.get((phase, self.steps[column], "response", metric, of, law))
        unit = str(self.metrics.filter(metric=metric)["unit"].first())
        return Line(section, quantity, label, unit, self.said(law), cells)

    def said(self, law: str) -> str:
        """The name of a prompt law, empty in a world without prompts."""
        return law if self.prompts else ""

    def all(self) -> Iterator[Line]:
        """Every line, in the order of the report."""
        yield from self.diversity()
        yield from self.waterfall()
        yield from self.fit()
        yield from self.forgetting()
        yield from self.accounting()
        law = self.law
        for epsilon in EPSILONS:
            of = f" eps={epsilon:g}"
            truths = self.truths("epsilon_support", law, of)
            yield self.line("support", f"support{of}", f"ε = {epsilon:g}", "epsilon_support", f"q{of}", law, truths)
        for style in self.styles:
            truths = self.truths("style_mass", law, f" {style}")
            yield self.line("styles", f"style {style}", style, "style_mass", f"q {style}", law, truths)

    def diversity(self) -> Iterator[Line]:
        """Entropy over both prompt laws, Hill numbers over the one that S allows."""
        over = ", x ~ S(x)" if self.prompts else ""
        yield self.line("diversity", "entropy", f"H{over}", "entropy", "q", "S(x)", self.truths("entropy", "S(x)"))
        if self.prompts:
            truths = self.truths("entropy", "P(x)")
            yield self.line("diversity", "entropy_p", "H, x ~ P(x)", "entropy", "q", "P(x)", truths)
        for metric, symbol in (("hill_1", "e^H"), ("hill_2", "N₂ = 1/C"), ("hill_inf", "N_∞")):
            label = f"{symbol} [{self.strings}]"
            yield self.line("diversity", metric, label, metric, "q", self.law, self.truths(metric, self.law))

    def waterfall(self) -> Iterator[Line]:
        """What is lost of H(P) on the way to H(q), step by step; positive where diversity is lost."""
        step = {part: self.lost(part, "H(P)-H(q)") for part in ("conditioning", "narrowing", "learning")}
        entropy = {column: self.truth("entropy", column, "S(x)") for column in (P, BEST)}
        model = {column: self.entropy(column) for column in self.models}
        lines = [("conditioning", "conditioning: H(P) − H(P_A)", step["conditioning"])]
        lines.append(("narrowing", "narrow data: H(P_A) − H(S)", step["narrowing"]))
        lines.append(("learning", "learning: H(S) − H(q)", step["learning"]))
        if self.own:
            gap = self.lost("objective_gap", "H(S)-H(q*)")
            lines.append(("objective_gap", "  objective gap: H(S) − H(q*)", gap))
            lines.append(("learning_gap", "  learning gap: H(q*) − H(q)", _minus(entropy[BEST], model[TUNED])))
        lines.append(("lost", "in all: H(P) − H(q)", _minus(entropy[P], model[TUNED])))
        for column in self.models:
            if column != TUNED:
                label = f"{'base' if column == BASE else 'control'}: H(P) − H({column})"
                lines.append((f"lost_{column}", label, _minus(entropy[P], model[column])))
        for quantity, label, number in lines:
            yield Line("waterfall", quantity, label, "nat", self.said("S(x)"), {LOST: number})

    def entropy(self, column: str) -> Number | None:
        """H of a model at its last evaluation over S(x) [nat]."""
        return self.numbers.get((self.models[column], self.steps[column], "response", "entropy", "q", "S(x)"))

    def lost(self, part: str, of: str) -> Number | None:
        """A step of the waterfall of the fine-tuning [nat]."""
        metric = part if part == "objective_gap" else f"waterfall_{part}"
        found = self.numbers.get(("sft", self.steps[TUNED], "response", metric, of, "S(x)"))
        return None if found is None else found.settled

    def fit(self) -> Iterator[Line]:
        """How far the models are from S and from the predicted optimum q*; under S(x)."""
        zero, shift = Number.of(0.0), self.truth("shift_total", "S||P", "S(x)")
        truths: Cells = {P: shift, S: zero} | ({BEST: self.truth("kl", "S||q*", "S(x)")} if self.own else {})
        yield self.line("fit", "kl_s", "KL(S‖·)", "kl", "S||q", "S(x)", truths)
        if self.own:
            best = self.line("fit", "kl_best", "KL(q*‖·)", "kl", "q*||q", "S(x)", {BEST: zero})
            start = self.numbers.get(("sft", 0, "response", "kl", "q*||q", "S(x)"))
            yield Line(best.section, best.quantity, best.label, best.unit, best.law, best.cells | {BASE: start})

    def forgetting(self) -> Iterator[Line]:
        """KL(P‖·) and its exact split, and where the mass is; under P(x)."""
        zero, one = Number.of(0.0), Number.of(1.0)
        shift = self.truth("shift_total", "S||P", "S(x)")
        covered = shift is not None and shift.upper < math.inf and self.law == "P(x)"
        best: Cells = {BEST: self.truth("kl", "P||q*", "P(x)")} if self.own else {}
        truths = {P: zero, S: Number.of(self.divergence_to_s())} | best
        yield self.line("forgetting", "kl_p", "KL(P‖·)", "kl", "P||q", "P(x)", truths)
        parts = {"gate": "gate: mass moved", "kept": "kept: off within A", "erasure": "erasure: B damaged"}
        for part, label in parts.items():
            yield self.line("forgetting", part, f"  {label}", part, "A", "P(x)", {P: zero})
        truths = {P: self.truth("event_mass", "P(A)"), S: one if covered else None}
        yield self.line("forgetting", "kept_mass", "mass of A [1]", "event_mass", "q(A)", "P(x)", truths)
        truths = {P: zero, S: zero if covered else None} | ({BEST: zero} if self.own else {})
        yield self.line("forgetting", "off_support", "mass off support [1]", "off_support", "q", "P(x)", truths)

    def divergence_to_s(self) -> float:
        """KL(P‖S) [nat] over P(x), from the truths alone; infinite where S leaves out part of P."""
        once = self.documents.filter(pl.col("p") > 0.0)
        if (once["s"] == 0.0).any():
            return math.inf
        terms = once.select(pl.col("prompt_mass") * pl.col("p") * (pl.col("p") / pl.col("s")).log())
        return float(terms.to_series().sum())

    def accounting(self) -> Iterator[Line]:
        """KL(S‖P) per prompt and of whole documents; the two differ by the shift of the prompts."""
        names = {"shift_total": "KL(S‖P)", "shift_conditioning": "  −log P(A)", "shift_narrowing": "  KL(S‖P_A)"}
        if self.truth("latent_shift_total", "S||P", "S(x)") is not None:  # styles overlap: P_z is P(·|A) for no A
            names |= {
                "latent_shift_conditioning": "  or −log P(z)",
                "latent_shift_narrowing": "  + KL(S‖P_z)",
                "latent_shift_overlap": "  + E_S log P(z|x,y)",
            }
        for part, label in names.items():
            value = self.truth(part, "S||P", "S(x)")
            cells: Cells = {TRUTH: value and value.settled}
            if self.prompts:
                joint = self.truth(part, "S||P", view="joint")
                cells[JOINT] = joint and joint.settled
            yield Line("accounting", part, label, "nat", self.said("S(x)"), cells)
        if self.prompts:
            prompts = self.truth("shift_prompts", "S(x)||P(x)")
            cells = {TRUTH: None, JOINT: prompts and prompts.settled}
            yield Line("accounting", "shift_prompts", "KL(S(x)‖P(x))", "nat", "", cells)


def _minus(left: Number | None, right: Number | None) -> Number | None:
    return None if left is None or right is None else left - right


def _names(metrics: pl.DataFrame, metric: str, prefix: str) -> list[str]:
    truths = metrics.filter((pl.col("phase") == "truth") & (pl.col("metric") == metric))
    found = truths.filter(pl.col("of").str.starts_with(prefix))["of"]
    return [str(of).removeprefix(prefix) for of in found.unique(maintain_order=True)]
