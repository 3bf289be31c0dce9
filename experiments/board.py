"""The verdict board: all predictions of the claims that have been judged, and what follows for the conversation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from experiments import conversation
from experiments.citing import cited
from experiments.predictions import Amendment
from experiments.standing import RULE, counting
from experiments.statistics import BOOTSTRAP_FROM, interval
from experiments.study import Judged
from sim.show.blocks import Block, Heading, Paragraph, Picture, Quote, Table
from sim.show.writing import counted

COLUMNS = ("prediction", "kind", "sentence", "case", "predicted", "measured", "worlds", "verdict")

WORDS = {
    "supported": "stands",
    "refuted": "falls",
    "holds only if": "stands under a condition",
    "undecided": "is open",
    "not valid": "is open: no run counts",
}

SAYS = {"same": "says so", "opposite": "says the opposite", "silent": "–"}

DRAWS = 2_000
"""Number of simulated studies for the coverage that the board prints."""


def blocks(judged: Sequence[Judged]) -> Iterator[Block]:
    """Iterate over the blocks of the board: the verdicts, then each claim with its predictions, then the methods."""
    yield Heading("Verdict board")
    for one in judged:
        yield Paragraph(f"{one.claim.title} {WORDS[one.standing]}. {sentence(one)}", bullet=True)
    for one in judged:
        yield from _of_claim(one)
    if len(judged) > 1:
        yield from _of_conversation(judged)
    yield Heading("How the predictions decide a sentence")
    yield Paragraph(RULE)
    yield Heading("How the intervals are made")
    yield Paragraph(method(judged))


def _of_conversation(judged: Sequence[Judged]) -> Iterator[Block]:
    """What is done with every sentence of the conversation; on the board of all claims."""
    yield Heading("Sentence by sentence")
    yield Paragraph(
        "What the conversation says, in English, and what is done with it here. A dial is assumed, and varied. Only "
        "what is tested can come out otherwise."
    )
    found = {one.claim.identifier: one.findings for one in judged}
    yield Table(conversation.COLUMNS, tuple(conversation.rows(found)), num_left=4)


def _of_claim(one: Judged) -> Iterator[Block]:
    claim = one.claim
    yield Heading(title(one))
    yield Quote(claim.sentence)
    yield Paragraph(f"What counts. {claim.rule}")
    if one.made_for == "other":
        yield Paragraph(
            "The predictions were edited after these runs were made, or some runs were made for other predictions, so "
            "the runs do not test them. Move or delete the records of these runs, and give the command below again; "
            "or add an Amendment to the claim, if it was changed on purpose."
        )
    for amendment in claim.amendments:
        yield from _amended(one, amendment)
    yield Table(COLUMNS, tuple(lines(one.findings.filter(~pl.col("instrument")))), num_left=6)
    checks = tuple(lines(one.findings.filter(pl.col("instrument"))))
    if checks:
        yield Paragraph("These are true by construction. They check the instrument and support no claim:")
        yield Table(COLUMNS, checks, num_left=6)
    yield from _refused(one.findings)
    for each in claim.predictions:
        decided = f"Predicted: {each.predicted}. {each.rule} Counts: {each.only}. Control: {each.control}."
        yield Paragraph(f"{each.identifier} {each.statement} {decided}", bullet=True)
    for file in one.figures:
        yield Picture(file, caption(file))
    yield Paragraph(f"Again: {claim.command}. Digest of the predictions: {claim.digest}.")
    yield Paragraph(cited(claim.identifier))


def _refused(findings: pl.DataFrame) -> Iterator[Block]:
    """Why cases without any estimate are refused, a line each."""
    without = findings.filter(verdict="refused")
    if without.height:
        yield Paragraph("These cases are refused, and count for nothing: not one of their worlds has a number.")
    for row in without.iter_rows(named=True):
        yield Paragraph(f"{row['prediction']}, {row['case']}: {row['note']}.", bullet=True)


def _amended(one: Judged, amendment: Amendment) -> Iterator[Block]:
    """What was changed after runs were made, with the verdicts before and now."""
    yield Paragraph(
        f"Amended on {amendment.date}: {amendment.reason}. Verdict before: {amendment.verdict_before}. "
        f"Verdict now: {one.standing}."
    )
    if amendment.predictions:
        now = {name: " and ".join(sorted(found)) for name, found in _verdicts(counting(one.findings)).items()}
        changed = tuple(
            (name, before or "new", now.get(name, "withdrawn")) for name, before in amendment.predictions.items()
        )
        yield Table(("prediction", f"before {amendment.date}", "now"), changed, num_left=3)


def _verdicts(findings: pl.DataFrame) -> dict[str, set[str]]:
    """The verdicts on every prediction, over its cases."""
    groups = findings.group_by("prediction", maintain_order=True)
    return {str(name): set(rows["verdict"].to_list()) for (name,), rows in groups}


def caption(file: Any) -> str:
    """Return the caption that was written beside a figure; if there is none, the name of the figure."""
    text = file.with_suffix(".txt")
    return " ".join(text.read_text(encoding="utf-8").split()) if text.exists() else str(file.stem)


def title(one: Judged) -> str:
    """Return the claim and its verdict, with the condition of the verdict if it has one."""
    condition = f" {one.reason.split(':')[0]}" if one.standing == "holds only if" else ""
    return f"{one.claim.identifier} {one.claim.title}: {one.standing}{condition}"


def sentence(one: Judged) -> str:
    """Return the verdict on the sentence of the conversation, and its reason."""
    said = f"{one.claim.identifier} {one.standing}" + (" " if one.standing == "holds only if" else ": ")
    return f"{said}{one.reason}."


def lines(findings: pl.DataFrame) -> Iterator[tuple[str, ...]]:
    """Iterate over the findings as rows of the table."""
    for row in findings.iter_rows(named=True):
        yield (
            row["prediction"], row["kind"], SAYS[row["says"]], row["case"], predicted(row), measured(row), _sample(row),
            row["verdict"],
        )  # fmt: skip


def short(value: float) -> str:
    """Write a number with three digits. Rounding (below 1e-12) is 0; the interval of one seed has no finite ends."""
    shown = "0" if abs(value) < 1e-12 else f"{value:.3g}"
    return shown.replace("-", "−").replace("inf", "∞")


def measured(row: dict[str, Any]) -> str:
    """Write an estimate with its interval, or only the value if the interval has width 0."""
    if row["measured"] is None:
        return "–"
    unit = "" if row["unit"] == "1" else f" {row['unit']}"
    if row["lower"] == row["upper"]:
        return f"{short(row['measured'])}{unit}"
    return f"{short(row['measured'])} [{short(row['lower'])}, {short(row['upper'])}]{unit}"


def predicted(row: dict[str, Any]) -> str:
    """Write the predicted value with its margin, or its sign if only that is predicted."""
    if row["kind"] == "sign" and row["predicted"] is None and row["measured"] is not None:
        return f"above {short(row['threshold'])}"
    if row["predicted"] is None:
        return "–"
    if row["kind"] == "sign":
        return f"{'above' if row['predicted'] > 0 else 'below'} 0 (truth {short(row['predicted'])})"
    if row["kind"] == "bound":
        return "never violated"
    margin = "" if row["margin"] is None else f" ± {short(row['margin'])}"
    return f"{short(row['predicted'])}{margin}"


def _sample(row: dict[str, Any]) -> str:
    """Write the number of seeds of an interval, or the number of runs in which a bound was checked."""
    if not row["num_seeds"]:
        return "–"
    return counted(row["num_seeds"], "run") if row["kind"] == "bound" else str(row["num_seeds"])


def coverage(num_seeds: int) -> dict[str, float]:
    """Simulate how often the interval covers the expectation, for normal and for exponential values."""
    dice = np.random.default_rng(num_seeds)
    shape = (DRAWS, num_seeds)
    sources = {"normal": (dice.normal(size=shape), 0.0), "skewed": (dice.exponential(size=shape), 1.0)}
    return {
        name: float(np.mean([one.lower <= truth <= one.upper for one in map(interval, rows)]))
        for name, (rows, truth) in sources.items()
    }


def method(judged: Sequence[Judged]) -> str:
    """Explain which intervals are used and how often they cover."""
    sizes = sorted({int(n) for one in judged for n in one.findings.filter(pl.col("method") == "t")["num_seeds"]})
    said = [
        f"with {size} worlds {found['normal']:.0%} of the time for normal and {found['skewed']:.0%} for skewed values"
        for size in sizes
        for found in [coverage(size)]
    ]
    return (
        "Intervals are 95 % over paired worlds, and every seed has a world of its own: Student's t below "
        f"{BOOTSTRAP_FROM} worlds, the BCa bootstrap from there on. They cover (simulated) "
        f"{'; '.join(said) or 'as the tests say'}. Where a number of a run is only bounded, the interval covers both "
        "ends. An equality holds if the 90 % interval lies within the margin, and is refuted if the 95 % interval lies "
        "outside."
    )
