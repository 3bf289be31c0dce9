"""The numbers that every report on a fine-tuning shows, side by side: truths and predictions, models, controls."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from experiments._numbers import Number, measured

EPSILONS = (0.1, 0.01, 1e-3, 1e-4, 1e-5)
"""Thresholds of the eps-support that a report shows [probability per answer]; figures show the whole curve."""

NOT_CONTROLS = ("truth", "pretrain", "sft")

P, S, BASE, TUNED = "P", "S", "q₀", "q"
"""Columns: the truths, which are also what theory predicts (P for q₀ and the control, S for q), and the models."""

Cells = dict[str, Number | None]


@dataclass(frozen=True)
class Line:
    """One quantity of the summary."""

    section: str
    quantity: str  # identifier
    label: str
    unit: str
    cells: Cells


def controls(metrics: pl.DataFrame) -> list[str]:
    """The phases that are control fine-tunings."""
    return [str(phase) for phase in metrics["phase"].unique(maintain_order=True) if phase not in NOT_CONTROLS]


def last_steps(metrics: pl.DataFrame) -> dict[str, int]:
    """The last evaluation of every phase."""
    return dict(metrics.group_by("phase").agg(pl.col("step").max()).iter_rows())


def summary(metrics: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Tidy: section, quantity, label, unit, column, lower, upper, exactness; a row per number that exists."""
    rows = [
        {
            "section": line.section,
            "quantity": line.quantity,
            "label": line.label,
            "unit": line.unit,
            "column": column,
            "lower": number.lower if number else None,
            "upper": number.upper if number else None,
            "exactness": number.exactness if number else "",
        }
        for line in _Lines(metrics, documents).all()
        for column, number in line.cells.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"lower": pl.Float64, "upper": pl.Float64})


class _Lines:
    """Reads the metrics table; `view` is response, so that everything is conditional on the prompt."""

    def __init__(self, metrics: pl.DataFrame, documents: pl.DataFrame) -> None:
        self.numbers = measured(metrics.filter(view="response"))
        last = last_steps(metrics)
        self.models = {BASE: "pretrain", TUNED: "sft"} | {name: name for name in controls(metrics)}
        self.steps = {column: last[phase] for column, phase in self.models.items()}
        self.metrics, self.documents = metrics, documents
        self.prompts = bool((documents["prompt"] != "").any())
        self.styles = _names(metrics, "style_mass", "P ")

    def truth(self, metric: str, of: str, law: str = "") -> Number | None:
        return self.numbers.get(("truth", 0, "response", metric, of, law))

    def line(self, section: str, quantity: str, label: str, metric: str, of: str, law: str, truths: Cells) -> Line:
        cells: Cells = {P: truths.get(P), S: truths.get(S)}
        for column, phase in self.models.items():
            cells[column] = self.numbers.get((phase, self.steps[column], "response", metric, of, law))
        unit = self.metrics.filter(metric=metric)["unit"].first()
        return Line(section, quantity, label, str(unit), cells)

    def both(self, metric: str, of: str = "") -> Cells:
        return {P: self.truth(metric, f"{P}{of}", "P(x)"), S: self.truth(metric, f"{S}{of}", "S(x)")}

    def all(self) -> Iterator[Line]:
        yield from self.diversity()
        yield from self.divergences()
        yield from self.accounting()
        yield from self.waterfall()
        for epsilon in EPSILONS:
            of = f" eps={epsilon:g}"
            truths = self.both("epsilon_support", of)
            yield self.line("support", f"support{of}", f"ε = {epsilon:g}", "epsilon_support", f"q{of}", "P(x)", truths)
        for style in self.styles:
            truths = self.both("style_mass", f" {style}")
            yield self.line("styles", f"style {style}", style, "style_mass", f"q {style}", "P(x)", truths)

    def diversity(self) -> Iterator[Line]:
        truths: Cells = {of: self.truth("entropy", of, "S(x)") for of in (P, S)}
        over = ", over S(x)" if self.prompts else ""
        yield self.line("diversity", "entropy", f"H{over}", "entropy", "q", "S(x)", truths)
        if self.prompts:
            truths = {P: self.truth("entropy", P, "P(x)")}
            yield self.line("diversity", "entropy_p", "H, over P(x)", "entropy", "q", "P(x)", truths)
        for metric, label in (
            ("hill_1", "e^H [answers]"),
            ("hill_2", "N₂ = 1/C [answers]"),
            ("hill_inf", "N_∞ [answers]"),
        ):
            yield self.line("diversity", metric, label, metric, "q", "P(x)", self.both(metric))

    def divergences(self) -> Iterator[Line]:
        zero, one = Number.of(0.0), Number.of(1.0)
        shift = self.truth("shift_total", "S||P", "S(x)")
        inside = shift is not None and shift.upper < math.inf
        truths: Cells = {P: zero, S: Number.of(self.divergence_to_s())}
        yield self.line("forgetting", "kl_p", "KL(P‖·)", "kl", "P||q", "P(x)", truths)
        for part in ("gate", "kept", "erasure"):
            label = {"gate": "  gate: mass moved", "kept": "  kept: off within A", "erasure": "  erasure: B damaged"}[
                part
            ]
            yield self.line("forgetting", part, label, part, "A", "P(x)", {P: zero})
        yield self.line("forgetting", "kl_s", "KL(S‖·)", "kl", "S||q", "S(x)", {P: shift, S: zero})
        truths = {P: self.truth("event_mass", "P(A)"), S: one if inside else None}
        yield self.line("forgetting", "kept_mass", "mass of A [1]", "event_mass", "q(A)", "P(x)", truths)
        truths = {P: zero, S: zero if inside else None}
        yield self.line("forgetting", "off_support", "mass off support [1]", "off_support", "q", "P(x)", truths)

    def divergence_to_s(self) -> float:
        """KL(P‖S) [nat], from the truths alone; infinite where S leaves out part of P."""
        once = self.documents.filter(pl.col("p") > 0.0)
        if (once["s"] == 0.0).any():
            return math.inf
        terms = once.select(pl.col("prompt_mass") * pl.col("p") * (pl.col("p") / pl.col("s")).log())
        return float(terms.to_series().sum())

    def accounting(self) -> Iterator[Line]:
        names = {"total": "KL(S‖P)", "conditioning": "  E[−log P(A|x)]", "narrowing": "  KL(S‖P_A)"}
        for part, label in names.items():
            value = self.truth(f"shift_{part}", "S||P", "S(x)")
            yield Line("accounting", f"shift_{part}", label, "nat", {"truth": value})

    def waterfall(self) -> Iterator[Line]:
        zero, of = Number.of(0.0), "H(P)-H(q)"
        sft = {part: f"waterfall_{part}" for part in ("conditioning", "narrowing", "learning")}
        for part, metric in sft.items():
            predicted = self.numbers.get(("sft", self.steps[TUNED], "response", metric, of, "S(x)"))
            cells: Cells = {P: zero, S: zero if part == "learning" else predicted}
            for column, phase in self.models.items():
                law = "S(x)" if phase == "sft" else "P(x)"
                cells[column] = self.numbers.get((phase, self.steps[column], "response", metric, of, law))
            names = {"conditioning": "P → P_A", "narrowing": "P_A → S", "learning": "S → ·"}
            yield Line("waterfall", part, f"{part}: {names[part]}", "nat", cells)


def _names(metrics: pl.DataFrame, metric: str, prefix: str) -> list[str]:
    found = metrics.filter((pl.col("metric") == metric) & pl.col("of").str.starts_with(prefix))["of"]
    return [str(of).removeprefix(prefix) for of in found.unique(maintain_order=True)]
