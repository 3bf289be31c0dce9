"""The report of an exam whose documents are drawn: the numbers with their intervals, and what documents do not tell."""

import math
from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

import polars as pl

from sim.config import described
from sim.exam.drawn.means import SURPRISE
from sim.exam.drawn.scoring import Judged
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import written

LABELS = {
    "fit": "fit, KL(S‖q)",
    "forgetting": "forgetting, KL(P‖q)",
    "part_a": "  on documents of A, E_P[log P/q; A]",
    "part_b": "  on documents of B, E_P[log P/q; B]",
    "gate": "  gate",
    "kept": "  kept",
    "erasure": "  erasure",
    "mass_a": "q(A), kept part",
    "mass_b": "q(B), lost part",
    "off_support": "q(⊥), outside of P",
    "total_variation": "TV(P, q)",
    "jensen_shannon": "JS(P, q)",
    "coverage_lost": "P-mass made 10 times rarer",
    "entropy": "H(q)",
    "reverse": "KL(q‖P), inside of P",
    "own_surprise": "−log P of its own valid documents",
    "tokens": "tokens of a document, end included",
    "shift": "KL(S‖P) = −log P(A)",
}
"""The names of numbers in tables, in their order."""

METRICS = {
    "fit": "KL(S‖q) [nat per document or token]",
    "forgetting": "KL(P‖q) [nat]",
    "part_a": "E_P[log P(x)/q(x); x in A] [nat]; with part_b it sums to the forgetting",
    "part_b": "the same of B, what P writes outside of A [nat]",
    "gate": "KL((P(A), P(B), 0)‖(q(A), q(B), q(⊥))) [nat]",
    "kept": "P(A) KL(P_A‖q_A) [nat]",
    "erasure": "P(B) KL(P_B‖q_B) [nat]",
    "mass_a": "q(A) [1], A inside of the strings of P",
    "mass_b": "q(B) [1]",
    "off_support": "q(⊥) [1], the probability of what P cannot write",
    "total_variation": "TV(P, q) [1]",
    "jensen_shannon": "JS(P, q) [nat]",
    "coverage_lost": "P(P(x)/q(x) >= 10) [1]",
    "entropy": "H of P, S or q [nat]",
    "reverse": "KL(q'‖P) [nat], q' = q given that P can write the document",
    "own_surprise": "E[-log P(x)] [nat] over documents of q that P can write",
    "tokens": "E of the number of tokens, the end included",
    "shift": "KL(S‖P) [nat]",
}
"""The column `metric` of the table, in words."""


def headline(judged: Judged) -> list[Block]:
    """Return only the place of every model at its last step, and what changed."""
    blocks: list[Block] = [Heading(_title(judged))]
    for model, step, rows in _models(judged.table):
        said = [f"{LABELS[name].strip()} {_interval(rows[name, 'document', ''])}" for name in ("fit", "forgetting")]
        said += [f"{LABELS[name].strip()} {_interval(found)}" for name in ("mass_b", "off_support")
                 if (found := rows.get((name, "document", ""))) is not None]  # fmt: skip
        blocks.append(Paragraph(f"{model.capitalize()}, step {step}: {'; '.join(said)}", bullet=True))
    return blocks


def report(judged: Judged) -> list[Block]:
    """Return the whole report."""
    blocks = [*headline(judged), _setting(judged)]
    blocks += [Heading("What it does not tell"), *(Paragraph(line, bullet=True) for line in told(judged))]
    blocks += [Heading("Numbers in nats, unless they are probabilities"), _truths(judged)]
    for model, step, rows in _models(judged.table):
        blocks.append(_table(rows, "", f"{model.capitalize()}, step {step}"))
        for against in ("before", "control"):
            if any(key[2] == against for key in rows):
                blocks.append(_table(rows, against, f"Change from {against} to {model}, by the same documents"))
    return blocks


def told(judged: Judged) -> Iterator[str]:
    """Iterate over sentences on what documents that were drawn tell, and what they do not tell."""
    laws, given = judged.world.laws, judged.given
    yield (
        "Every number is an estimate from independent documents, and its interval holds it in at least 95 % of draws, "
        "or in about 95 % where t is named. Student's stands beside it for comparison, and may hold less often."
    )
    if given.worst is None:
        yield (
            "KL(P‖q), KL(S‖q) and their parts have a lower end alone: a rare document that was not drawn can have any "
            "log P/q. --worst declares the largest one, and then they have an upper end, and changes an interval."
        )
    else:
        yield f"It is declared that log P/q and log S/q are at most {given.worst:g} nats (--worst)."
    if "after" not in judged.own:
        yield (
            "What the model writes outside of P is seen by no document of P: q(⊥) has an upper end, and its lower end "
            "is 0. --samples takes documents that the model wrote, and counts those that P cannot write."
        )
    if any(one.cut.any() for one in judged.own.values()):
        yield "Some documents of the model were cut off; they count as anything, so H(q) and KL(q‖P) are not known."
    for name in judged.contradicted:
        yield (
            f"The documents of the model {name} and its log-probabilities contradict each other about q(A), q(B) or "
            "q(⊥), which happens in at most 5 % of exams by chance. Draw from the model as it is, at temperature 1."
        )
    if not laws.of_strings:
        yield (
            "A is a set of derivations, and strings may have several. So q(A), gate, kept and erasure are not known, "
            "and −log P(A) is an upper bound of KL(S‖P)."
        )
    if given.terms.tokenizer == "other":
        yield (
            "The tokenizer can write a text in several ways, and one of them was summed: so KL(P‖q), KL(S‖q), their "
            "parts, kept, erasure, TV, JS and the rarer mass have upper ends alone. Masses and the gate keep both. "
            "Changes have no direction, and no rows."
        )
    yield (
        "The number of strings with q ≥ ε, the entropy of a model without its own documents, and whatever is known at "
        "prefixes need a list of all strings; they have no rows."
    )
    yield (
        f"Log-probabilities are taken as they are. If each is off by at most {given.terms.rounding:g} nats, so are "
        f"KL(P‖q) and KL(S‖q). In intervals, ratios below −{SURPRISE:g} nats are cut, and the ends moved by what "
        "this can change, 5e-5 nats."
    )
    yield "How the model was trained is not known, so no optimum is predicted. It is one model and gives no verdict."


def _title(judged: Judged) -> str:
    return f"{judged.given.terms.name}, exam {judged.hash}: a model on {judged.world.name}"


def _setting(judged: Judged) -> Paragraph:
    world = judged.world
    laws, each = world.laws, world.documents.each
    restriction = described("restriction", world.definition["restriction"])
    dropped = f" Lengths that are left out have the mass {written(laws.dropped)}." if laws.dropped else ""
    derivations = "" if laws.of_strings else ", of derivations"
    return Paragraph(
        f"World: {world.name}, judged by {each:,} documents of P and {each:,} of S, hash {world.hash[:12]}. Data of "
        f"the fine-tuning: {restriction}; −log P(A) = {written(-laws.log_mass)} nats, exact{derivations}.{dropped}"
    )


Rows = Mapping[tuple[str, str, str], dict[str, Any]]
"""The numbers of one model at one step, by metric, per, and the model before."""


def _models(table: pl.DataFrame) -> Iterator[tuple[str, int, Rows]]:
    """Iterate over the models at their last steps."""
    for model in table.filter(~pl.col("model").is_in(["P", "S"]))["model"].unique(maintain_order=True):
        own = table.filter(model=model)
        step = own["step"].max()
        rows = {(row["metric"], row["per"], row["against"]): row for row in own.filter(step=step).iter_rows(named=True)}
        yield str(model), int(str(step)), rows


def _truths(judged: Judged) -> Table:
    rows = []
    for metric in ("entropy", "tokens", "mass_a", "shift"):
        found = {row["model"]: row for row in judged.table.filter(metric=metric).iter_rows(named=True)
                 if row["model"] in "PS"}  # fmt: skip
        if found:
            label = {"entropy": "entropy", "mass_a": "probability of A"}.get(metric, LABELS[metric])
            rows.append((label, *(_interval(found[one]) if one in found else "–" for one in "PS")))
    return Table(("", "P", "S"), tuple(rows), title="The truth")


def _table(rows: Rows, against: str, title: str) -> Table:
    """The numbers of a model, or of a change: estimate, the interval that holds, and Student's."""
    lines = []
    for metric, label in LABELS.items():
        for per in ("document", "token"):
            if (row := rows.get((metric, per, against))) is not None:
                usual = "–" if row["usual_lower"] is None else _ends(row["usual_lower"], row["usual_upper"])
                name = label if per == "document" else "  per token"
                value = "–" if row["value"] is None else written(row["value"])
                held = "–" if row["method"] == "none" else _ends(row["lower"], row["upper"])
                lines.append((name, value, held, row["method"], usual))
    return Table(("", "estimate", "95 % interval", "how", "Student's"), tuple(lines), 1, title)


def _interval(row: Mapping[str, Any]) -> str:
    """Write a number with its interval."""
    if row["known"] != "estimated":
        return f"= {written(row['lower'])}"
    value = "" if row["value"] is None else f"≈ {written(row['value'])} "
    return f"{value}in {_ends(row['lower'], row['upper'])}"


def _ends(lower: float, upper: float) -> str:
    """Write the ends of an interval, rounded outward; one of them alone if the other says nothing."""
    if math.isnan(lower) or math.isnan(upper):
        return "–"
    return f"[{written(lower, ROUND_FLOOR)}, {written(upper, ROUND_CEILING)}]"
