"""The lines of the report of a run, from its table of numbers: truths, predictions, models and controls side by side.

All numbers of one line are averages over one prompt law, which the column `law` of the table names. Answers are taken
given their prompt (view response).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from sim.metrics.table import metrics
from sim.quantity import Quantity
from sim.show.writing import NEGLIGIBLE, difference, restored, settled

SHOWN = ("0.1", "0.01", "0.001", "0.0001", "1e-05")
"""Thresholds of the eps-support that a report shows [probability per answer]. Figures show the whole curve."""

P, S, BEST, BASE, TUNED = "P", "S", "q*", "q₀", "q"
"""Columns: the truths, the predicted optimum of the fine-tuning if it is not S, and the models."""

LOST, TRUTH, JOINT = "lost", "truth", "joint"
"""Columns of the waterfall and of the shift accounting (of answers given the prompt, and of whole documents)."""

SECTIONS = ("diversity", "waterfall", "fit", "forgetting", "accounting", "support", "styles")
"""The sections of every report, in their order. A metric may name a further one."""

Cells = dict[str, Quantity | None]
Key = tuple[str, int, str, str, str, str, str]
"""Phase, step, view, metric, of, at, prompt law."""


@dataclass(frozen=True)
class Line:
    """One quantity of the report. All its cells are averages over one prompt law ("" if there are no prompts)."""

    section: str
    quantity: str  # identifier
    label: str
    unit: str
    law: str
    cells: Cells


def numbers(table: pl.DataFrame) -> dict[Key, Quantity]:
    """Return the table of numbers as a dictionary."""
    keys = table.select("phase", "step", "view", "metric", "of", "at", "prompt_law").iter_rows()
    values = table.select("lower", "upper", "exactness", "value").iter_rows()
    return {key: restored(*value) for key, value in zip(keys, values, strict=True)}


def named(phases: pl.DataFrame) -> dict[str, str]:
    """Return column of the report -> phase, for the base model, the fine-tuned model, and the controls by name."""
    found = {}
    for phase, role in phases.select("phase", "role").iter_rows():
        if role in ("pretraining", "fine-tuning", "control"):
            found[{"pretraining": BASE, "fine-tuning": TUNED}.get(role, phase)] = phase
    return found


def target(table: pl.DataFrame) -> str:
    """Return the column that predicts q after SFT: "S" if q* = S, "q*" if it differs, "" if no q* is predicted."""
    truths = table.filter(phase="truth", view="response")
    apart = truths.filter(metric="kl", of="S||q*")["lower"]
    if apart.is_empty():
        return ""
    everywhere = truths.filter(metric="entropy", prompt_law="P(x)")["of"].to_list()
    more_prompts = BEST in everywhere and S not in everywhere
    return BEST if apart[0] > NEGLIGIBLE or more_prompts else S


def lines_table(table: pl.DataFrame, documents: pl.DataFrame, phases: pl.DataFrame) -> pl.DataFrame:
    """Return the lines as a tidy table, with a row per cell.

    Columns: section, quantity, label, unit, law, column, lower, upper, exactness (empty if there is no number).
    """
    rows = [
        {
            "section": line.section,
            "quantity": line.quantity,
            "label": line.label,
            "unit": line.unit,
            "law": line.law,
            "column": column,
            "lower": number.lower if number else None,
            "upper": number.upper if number else None,
            "exactness": number.kind if number else "",
        }
        for line in Lines(table, documents, phases).all()
        for column, number in line.cells.items()
    ]
    return pl.DataFrame(rows, schema_overrides={"lower": pl.Float64, "upper": pl.Float64})


class Lines:
    """The lines of a run, from its table of numbers. `own` says whether q* differs from S and has its own column."""

    def __init__(self, table: pl.DataFrame, documents: pl.DataFrame, phases: pl.DataFrame) -> None:
        self.numbers = numbers(table)
        last = dict(table.group_by("phase").agg(pl.col("step").max()).iter_rows())
        self.models = named(phases)
        self.steps = {column: last[phase] for column, phase in self.models.items()}
        self.table, self.documents, self.own = table, documents, target(table) == BEST
        self.prompts = bool((documents["prompt"] != "").any())
        self.strings = "answers" if self.prompts else "strings"
        self.law = "S(x)" if self.truth("entropy", S, "P(x)") is None else "P(x)"

    def truth(self, metric: str, of: str, law: str = "", view: str = "response", at: str = "") -> Quantity | None:
        """Return a number of the world; None if there is none."""
        return self.numbers.get(("truth", 0, view, metric, of, at, law))

    def truths(self, metric: str, law: str, at: str = "") -> Cells:
        """Return a measure of P, of S, and of q* if it has its own column."""
        shown = (P, S, BEST) if self.own else (P, S)
        return {column: self.truth(metric, column, law, at=at) for column in shown}

    def model(
        self, column: str, metric: str, of: str, law: str, at: str = "", step: int | None = None
    ) -> Quantity | None:
        """Return a number of a model at its last evaluation, or at another step; None if there is none."""
        when = self.steps[column] if step is None else step
        return self.numbers.get((self.models[column], when, "response", metric, of, at, law))

    def line(
        self, section: str, quantity: str, label: str, metric: str, of: str, law: str, truths: Cells, at: str = ""
    ) -> Line:
        """Return one line: the given truths, and the last evaluation of every model."""
        cells: Cells = {column: truths.get(column) for column in ((P, S, BEST) if self.own else (P, S))}
        cells |= {column: self.model(column, metric, of, law, at) for column in self.models}
        unit = str(self.table.filter(metric=metric)["unit"].first())
        return Line(section, quantity, label, unit, self.said(law), cells)

    def said(self, law: str) -> str:
        """Return the name of a prompt law; "" in a world without prompts."""
        return law if self.prompts else ""

    def all(self) -> Iterator[Line]:
        """Iterate over all lines in the order of the report."""
        yield from self.diversity()
        yield from self.waterfall()
        yield from self.fit()
        yield from self.forgetting()
        yield from self.accounting()
        for at in SHOWN:
            truths = self.truths("epsilon_support", self.law, at)
            label = f"ε = {float(at):g}"
            yield self.line("support", f"support {at}", label, "epsilon_support", "q", self.law, truths, at)
        styles = self.table.filter(phase="truth", metric="style_mass", of="P")["at"].unique(maintain_order=True)
        for style in map(str, styles):
            truths = self.truths("style_mass", self.law, style)
            yield self.line("styles", f"style {style}", style, "style_mass", "q", self.law, truths, style)

    def diversity(self) -> Iterator[Line]:
        """Entropy under both prompt laws, then every metric that names a section, under `law` if it has that law."""
        over = ", x ~ S(x)" if self.prompts else ""
        yield self.line("diversity", "entropy", f"H{over}", "entropy", "q", "S(x)", self.truths("entropy", "S(x)"))
        if self.prompts:
            truths = self.truths("entropy", "P(x)")
            yield self.line("diversity", "entropy_p", "H, x ~ P(x)", "entropy", "q", "P(x)", truths)
        there = set(self.table["metric"].unique())
        for metric in metrics():
            if metric.section and metric.name != "entropy" and metric.name in there:
                unit = {"strings": f" [{self.strings}]", "1": ""}.get(metric.unit, f" [{metric.unit}]")
                laws = self.table.filter(metric=metric.name, view="response")["prompt_law"]
                law = self.law if self.law in laws else str(laws.min() or "")  # a number without a law has ""
                truths, label = self.truths(metric.name, law), f"{metric.symbol}{unit}"
                yield self.line(metric.section, metric.name, label, metric.name, "q", law, truths)

    def waterfall(self) -> Iterator[Line]:
        """The losses from H(P) to H(q), step by step [nat]. They are positive where diversity is lost."""
        step = {part: self.lost(f"waterfall_{part}", "H(P)-H(q)") for part in ("conditioning", "narrowing", "learning")}
        entropy = {column: self.truth("entropy", column, "S(x)") for column in (P, BEST)}
        model = {column: self.model(column, "entropy", "q", "S(x)") for column in self.models}
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

    def lost(self, metric: str, of: str) -> Quantity | None:
        """Return a step of the waterfall of the fine-tuning [nat]."""
        found = self.model(TUNED, metric, of, "S(x)")
        return None if found is None else settled(found)

    def fit(self) -> Iterator[Line]:
        """KL from S, and from the predicted optimum q*, to the models, under S(x) [nat]."""
        zero, shift = Quantity.of(0.0), self.truth("shift_total", "S||P", "S(x)")
        truths: Cells = {P: shift, S: zero} | ({BEST: self.truth("kl", "S||q*", "S(x)")} if self.own else {})
        yield self.line("fit", "kl_s", "KL(S‖·)", "kl", "S||q", "S(x)", truths)
        if self.own:
            best = self.line("fit", "kl_best", "KL(q*‖·)", "kl", "q*||q", "S(x)", {BEST: zero})
            start = self.model(TUNED, "kl", "q*||q", "S(x)", step=0)
            yield Line(best.section, best.quantity, best.label, best.unit, best.law, best.cells | {BASE: start})

    def forgetting(self) -> Iterator[Line]:
        """KL(P‖·) with its exact split, and the places of the mass, under P(x)."""
        zero, one = Quantity.of(0.0), Quantity.of(1.0)
        shift = self.truth("shift_total", "S||P", "S(x)")
        covered = shift is not None and shift.upper < math.inf and self.law == "P(x)"
        best: Cells = {BEST: self.truth("kl", "P||q*", "P(x)")} if self.own else {}
        truths = {P: zero, S: Quantity.of(self.divergence_to_s())} | best
        yield self.line("forgetting", "kl_p", "KL(P‖·)", "kl", "P||q", "P(x)", truths)
        parts = {"gate": "gate: mass moved", "kept": "kept: off within A", "erasure": "erasure: B damaged"}
        for part, label in parts.items():
            yield self.line("forgetting", part, f"  {label}", part, "A", "P(x)", {P: zero})
        truths = {P: self.truth("event_mass", "P(A)"), S: one if covered else None}
        yield self.line("forgetting", "kept_mass", "mass of A [1]", "event_mass", "q(A)", "P(x)", truths)
        truths = {P: zero, S: zero if covered else None} | ({BEST: zero} if self.own else {})
        yield self.line("forgetting", "outside_p", "mass off supp P [1]", "outside_p", "q", "P(x)", truths)

    def divergence_to_s(self) -> float:
        """Return KL(P‖S) under P(x), from the truths [nat]. It is infinite if S leaves out part of P."""
        once = self.documents.filter(pl.col("p") > 0.0)
        if (once["s"] == 0.0).any():
            return math.inf
        terms = once.select(pl.col("prompt_mass") * pl.col("p") * (pl.col("p") / pl.col("s")).log())
        return float(terms.to_series().sum())

    def accounting(self) -> Iterator[Line]:
        """KL(S‖P) of answers and of whole documents [nat]. They differ by the shift of the prompts."""
        names = {"shift_total": "KL(S‖P)", "shift_conditioning": "  −log P(A)", "shift_narrowing": "  KL(S‖P_A)"}
        if self.truth("latent_shift_total", "S||P", "S(x)") is not None:  # styles overlap: no A has P(·|A) = P_z
            names |= {
                "latent_shift_conditioning": "  or −log P(z)",
                "latent_shift_narrowing": "  + KL(S‖P_z)",
                "latent_shift_overlap": "  + E_S log P(z|x,y)",
            }
        for part, label in names.items():
            value = self.truth(part, "S||P", "S(x)")
            cells: Cells = {TRUTH: value and settled(value)}
            if self.prompts:
                joint = self.truth(part, "S||P", view="joint")
                cells[JOINT] = joint and settled(joint)
            yield Line("accounting", part, label, "nat", self.said("S(x)"), cells)
        if self.prompts:
            prompts = self.truth("shift_prompts", "S(x)||P(x)")
            cells = {TRUTH: None, JOINT: prompts and settled(prompts)}
            yield Line("accounting", "shift_prompts", "KL(S(x)‖P(x))", "nat", "", cells)


def _minus(left: Quantity | None, right: Quantity | None) -> Quantity | None:
    return None if left is None or right is None else difference(left, right)
