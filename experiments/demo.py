"""The main job, measured: is the run valid, what did SFT do to entropy, support and styles, what did the control do.

Also reads the records of other runs: python -m experiments demo outputs/<name>.
"""

from typing import Any

import numpy as np
import polars as pl

from experiments._about import NO_VERDICT, about, predictions, sample_space, validity
from experiments._examples import example_tables, examples
from experiments._numbers import Number, legend
from experiments._report import Block, Heading, Paragraph, Table
from experiments._sentences import shows, shows_not, warnings
from experiments._summary import BASE, BEST, JOINT, LOST, TRUTH, TUNED, P, S, controls, summary
from sim.disk.records import Record
from sim.metrics.identities import TOLERANCES, violations
from sim.rows import documents_table, metrics_table, strings_table

SECTIONS = {
    "diversity": ("Entropy and diversity", "Entropy H and the Hill numbers e^H, N₂ and N_∞ of the {strings}."),
    "waterfall": (
        "Diversity waterfall",
        "What is lost of H(P), step by step [nat]: positive where diversity is lost, negative where it is gained. "
        "The figure draws the same steps as changes of entropy, from H(P) to H(q), with the opposite sign.",
    ),
    "fit": ("Fit", "How far from the data S{best}."),
    "forgetting": (
        "Forgetting",
        "KL(P‖·) = gate + kept + erasure, exactly. A is what SFT keeps, B the rest of P.",
    ),
    "accounting": ("Shift accounting", "How far S lies from P [nat], before any training."),
    "support": ("ε-support", "Number of {strings} with probability at least ε."),
    "styles": (
        "Mass of the styles",
        "Share of the {strings} in each style; what is missing from 1 is off the support.",
    ),
}


def analyse(record: Record) -> dict[str, pl.DataFrame]:
    """Tables of one run: metrics, documents, strings, summary, examples, identities and run (one row)."""
    metrics, documents, strings = metrics_table(record), documents_table(record), strings_table(record)
    return {
        "metrics": metrics,
        "documents": documents,
        "strings": strings,
        "summary": summary(metrics, documents),
        "examples": examples(documents, strings),
        "identities": identities(record),
        "run": about(record, metrics),
    }


def identities(record: Record) -> pl.DataFrame:
    """Residuals and slacks of the identities as the run stored them, with their tolerances."""
    found = record.facts["residuals"]
    return pl.DataFrame(
        [
            {
                "phase": where.split("/")[0],
                "view": where.split("/")[1],
                "identity": name,
                "kind": TOLERANCES[name].kind,
                "value": value,
                "tolerance": TOLERANCES[name].value,
                "holds": not violations({name: value}),
            }
            for where, values in found.items()
            for name, value in values.items()
        ],
        schema_overrides={"value": pl.Float64},
    )


def report(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """The tables of `analyse` in words; sections that the world does not have are left out."""
    run, names = tables["run"].row(0, named=True), controls(tables["metrics"])
    blocks: list[Block] = [Heading(f"Report of {run['name']}, run {run['run']}, seed {run['seed']}")]
    blocks += validity(run, warnings(tables))
    marks = legend(set(tables["summary"]["exactness"]))
    blocks += [Paragraph(text) for text in (marks, sample_space(run), predictions(run))]
    for section, (title, _) in SECTIONS.items():
        part = tables["summary"].filter(section=section)
        if part.height:
            blocks += [Heading(title), Paragraph(explained(section, run, part)), section_table(part, run)]
    given = "given the prompt, " if run["num_prompts"] else ""
    blocks += [Heading("Most likely before and after SFT"), Paragraph(f"Probabilities {given}exact up to rounding.")]
    blocks += example_tables(tables["examples"], names)
    blocks.append(Heading("What this shows" if run["valid"] else f"NOT VALID: {NO_VERDICT}"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows(tables)]
    blocks.append(Heading("What it does not show"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows_not(tables)]
    return [*blocks, Heading("Identities"), Paragraph(residual_line(tables["identities"]))]


def explained(section: str, run: dict[str, Any], part: pl.DataFrame) -> str:
    """What a section shows and which law of prompts its rows average over."""
    per_prompt = "answers to a prompt" if run["num_prompts"] else "strings"
    best = " and from the predicted optimum q*" if run["target"] == BEST else ""
    said = SECTIONS[section][1].format(strings=per_prompt, best=best)
    if not run["num_prompts"]:
        return said
    if section == "diversity":
        return f"{said} Each row compares under one law; e^H, N₂ and N_∞ have x ~ {part['law'][-1]}."
    if section == "accounting":
        return (
            f"{said} Of answers x ~ S(x) and −log P(A) is E[−log P(A|x)]; the joint KL(S‖P) of documents is that of "
            "answers plus KL(S(x)‖P(x)), what SFT shifts among the prompts."
        )
    return f"{said} Prompts x ~ {part['law'][0]}."


def head(column: str, run: dict[str, Any], columns: list[str]) -> str:
    """The head of a column: what it holds and, for a truth, what it predicts."""
    others = any(name not in (P, S, BEST, BASE, TUNED) for name in columns)
    prompts = run["num_prompts"]
    heads = {
        P: "P, target of\nq₀ and control" if others else "P, target\nof q₀",
        S: "S = q*,\ntarget of q" if run["target"] == S else "S, data\nof SFT",
        BEST: "q*, optimum\npredicted",
        BASE: "q₀\nbase",
        TUNED: "q\nafter SFT",
        LOST: "lost",
        TRUTH: "answers\ngiven x" if prompts else "truth",
        JOINT: "documents\n(joint)",
    }
    return heads.get(column, f"{column}\ncontrol")


def section_table(part: pl.DataFrame, run: dict[str, Any]) -> Table:
    """One section of the summary; the number of columns is that of its quantities."""
    columns = [str(column) for column in part["column"].unique(maintain_order=True)]
    rows = []
    for (label,), lines in part.group_by("label", maintain_order=True):
        numbers = {row["column"]: row for row in lines.iter_rows(named=True) if row["exactness"]}
        rows.append((str(label), *(_text(numbers.get(column)) for column in columns)))
    return Table(("", *(head(column, run, columns) for column in columns)), tuple(rows))


def _text(row: dict[str, object] | None) -> str:
    return (
        "–" if row is None else Number(float(str(row["lower"])), float(str(row["upper"])), str(row["exactness"])).text
    )


def residual_line(table: pl.DataFrame) -> str:
    """The largest residual, the least slack, and whether every identity holds."""
    residuals, slacks = (table.filter(kind=kind)["value"].to_numpy() for kind in ("residual", "slack"))
    broken = table.filter(~pl.col("holds")).height
    verdict = f"all {table.height} within tolerance" if not broken else f"{broken} of {table.height} OUT OF TOLERANCE"
    largest, least = float(np.max(np.abs(residuals))), float(np.min(slacks))
    tolerance = float(table["tolerance"].to_numpy().min())
    return f"{verdict}: largest residual {largest:.1e} (tolerance {tolerance:.0e}), least slack of a bound {least:.1e}."
