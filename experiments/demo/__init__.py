"""The report of one run: is it valid, what did SFT do to entropy, support and styles, what did the control do?

It reads the record of any run: python -m experiments demo outputs/<name>.
"""

import re
from typing import Any

import numpy as np
import polars as pl

from experiments.demo import beside_atlas, exam
from experiments.demo.examples import example_tables, examples, sample_table, samples
from experiments.demo.facts import NO_VERDICT, facts, predictions, sample_space, setting, validity
from experiments.demo.headline import five
from experiments.demo.lines import BASE, BEST, JOINT, LOST, SECTIONS, TRUTH, TUNED, P, S, lines_table
from experiments.demo.sentences import shows, shows_not, warnings
from sim.disk.records import Record
from sim.metrics.frames import documents_table, metrics_table, phases_table, strings_table
from sim.metrics.identities import TOLERANCES, violations
from sim.metrics.table import metrics
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import legend, restored, text

EXPLAINED = {
    "diversity": ("Entropy and diversity", "Entropy H and the Hill numbers e^H, N₂ and N_∞ of the {strings}."),
    "waterfall": (
        "Diversity waterfall",
        "What is lost of H(P), step by step [nat]: positive where diversity is lost, negative where it is gained. "
        "The figure draws the same steps as changes of entropy, from H(P) to H(q), with the opposite sign.",
    ),
    "fit": ("Fit", "How far a distribution is from the data S{best}."),
    "forgetting": (
        "Forgetting",
        "KL(P‖·) = gate + kept + erasure, exactly. A is what SFT keeps, and B is the rest of P.",
    ),
    "accounting": ("Shift accounting", "How far S lies from P [nat], before any training."),
    "support": ("ε-support", "Number of {strings} with probability at least ε."),
    "styles": (
        "Mass of the styles",
        "Share of the {strings} in each style; what is missing from 1 is off the support.",
    ),
}


def analyse(record: Record) -> dict[str, pl.DataFrame]:
    """Return the tables of a run: metrics, documents, strings, phases, lines, examples, samples, identities, run."""
    numbers, documents, strings = metrics_table(record), documents_table(record), strings_table(record)
    phases = phases_table(record)
    found = {"metrics": numbers, "documents": documents, "strings": strings, "phases": phases}
    if "exam" in record.config:
        path = exam.path(numbers)
        found |= {"path": path, "crossings": exam.crossings(path), "run": exam.facts(record)}
        found["atlas"] = beside_atlas.ways(record)
    else:
        found["run"] = facts(record, numbers)
    if any(meaning.role == "fine-tuning" for meaning in record.meanings.values()):  # a single model has no "after"
        found |= {
            "lines": lines_table(numbers, documents, phases),
            "examples": examples(documents, strings, phases),
            "samples": samples(documents, strings, phases, record.config["seed"]),
        }
    return found | {"identities": identities(record)}


def identities(record: Record) -> pl.DataFrame:
    """Return the residuals and slacks of the identities from the record, with their tolerances."""
    found = record.facts["residuals"]
    rows = [
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
    ]
    texts = dict.fromkeys(("phase", "view", "identity", "kind"), pl.String)
    numbers_ = dict.fromkeys(("value", "tolerance"), pl.Float64)
    return pl.DataFrame(rows, schema={**texts, **numbers_, "holds": pl.Boolean})


def headline(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """Return only the conclusions, in five lines."""
    if exam.is_exam(tables):
        return exam.headline(tables)
    run = tables["run"].row(0, named=True)
    blocks: list[Block] = [Heading(f"{run['name']}, run {run['run']}: {run['restriction']}")]
    blocks += [Paragraph(f"WARNING: {warning}", bullet=True) for warning in warnings(tables)]
    return blocks + [Paragraph(line, bullet=True) for line in five(tables)]


def report(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """Return the whole report: the conclusions, then the tables of `analyse`. Empty sections are left out."""
    if exam.is_exam(tables):
        return [*exam.opening(tables), *(_numbers(tables) if "lines" in tables else ())]
    run = tables["run"].row(0, named=True)
    blocks: list[Block] = [Heading(f"Report of {run['name']}, run {run['run']}, seed {run['seed']}")]
    blocks += [Paragraph(f"WARNING: {warning}") for warning in warnings(tables)]
    blocks += [validity(run), setting(run)]
    blocks.append(Heading("What this shows" if run["valid"] else f"NOT VALID: {NO_VERDICT}"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows(tables)]
    blocks.append(Heading("What it does not show"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows_not(tables)]
    return [*blocks, *_numbers(tables)]


def _numbers(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """Return what follows the sentences: samples, likely answers, and the sections with the numbers."""
    run = tables["run"].row(0, named=True)
    blocks: list[Block] = [Heading("Sampled before and after"), sample_table(tables["samples"])]
    given = "given the prompt, " if run["num_prompts"] else ""
    blocks += [Heading("Most likely before and after SFT"), Paragraph(f"Probabilities {given}exact up to rounding.")]
    blocks += example_tables(tables["examples"], tables["phases"])
    blocks.append(Heading("How to read the numbers"))
    marks = legend(set(tables["lines"]["exactness"]))
    blocks += [Paragraph(sentence) for sentence in (f"Numbers are in nats unless a unit is given. {marks}",)]
    if exam.is_exam(tables):
        blocks += exam.space(run)
    else:
        blocks += [Paragraph(sentence) for sentence in (sample_space(run), predictions(run))]
    for section in sections(tables["lines"]):
        part = tables["lines"].filter(section=section)
        title, _ = EXPLAINED.get(section, (section.capitalize(), ""))
        blocks += [Heading(title), *explained(section, run, part), *meanings(section, part)]
        blocks.append(section_table(part, run))
    if tables["identities"].is_empty():
        return blocks
    return [*blocks, Heading("Identities"), Paragraph(residual_line(tables["identities"]))]


def sections(lines: pl.DataFrame) -> list[str]:
    """Return the sections that have lines: first the report's own in their order, then those that metrics name."""
    there = lines["section"].unique(maintain_order=True).to_list()
    return [*(name for name in SECTIONS if name in there), *(name for name in there if name not in SECTIONS)]


def explained(section: str, run: dict[str, Any], part: pl.DataFrame) -> list[Paragraph]:
    """Explain what a section shows, and over which law of prompts its rows are averaged."""
    per_prompt = "answers to a prompt" if run["num_prompts"] else "strings"
    best = " and from the predicted optimum q*" if run["target"] == BEST else ""
    said = EXPLAINED.get(section, ("", ""))[1].format(strings=per_prompt, best=best)
    if run["num_prompts"] and section == "diversity":
        law = part.filter(quantity="hill_1")["law"][0]
        said += f" Each row compares under one law; e^H, N₂ and N_∞ have x ~ {law}."
    elif run["num_prompts"] and section == "accounting":
        said += (
            " For answers, x ~ S(x), and −log P(A) stands for E[−log P(A|x)]. The joint KL(S‖P) of documents is the "
            "KL of answers plus KL(S(x)‖P(x)), the shift of the prompts."
        )
    elif run["num_prompts"] and part["law"][0]:
        said += f" Prompts x ~ {part['law'][0]}."
    return [Paragraph(said.strip())] if said.strip() else []


def meanings(section: str, part: pl.DataFrame) -> list[Paragraph]:
    """Describe the metrics that name a section, unless the section's own text has their symbols."""
    known = re.findall(r"[^\s,.;]+", EXPLAINED.get(section, ("", ""))[1])
    there = [one for one in metrics() if one.section == section and one.name in set(part["quantity"])]
    said = [f"{one.symbol}: {one.description}" for one in there if one.symbol.split()[0] not in known]
    return [Paragraph(f"{'; '.join(said)}.")] if said else []


def head(column: str, run: dict[str, Any], columns: list[str]) -> str:
    """Return the head of a column: what it holds and, for a truth, what it predicts."""
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
    """Return the table of one section of the report, with a column for each column of its lines."""
    columns = [str(column) for column in part["column"].unique(maintain_order=True)]
    rows = []
    for (label,), lines in part.group_by("label", maintain_order=True):
        numbers = {row["column"]: row for row in lines.iter_rows(named=True) if row["exactness"]}
        rows.append((str(label), *(_text(numbers.get(column)) for column in columns)))
    return Table(("", *(head(column, run, columns) for column in columns)), tuple(rows))


def _text(row: dict[str, Any] | None) -> str:
    return "–" if row is None else text(restored(row["lower"], row["upper"], row["exactness"]))


def residual_line(table: pl.DataFrame) -> str:
    """Report the largest residual, the least slack, and whether every identity holds."""
    residuals, slacks = (table.filter(kind=kind)["value"].to_numpy() for kind in ("residual", "slack"))
    broken = table.filter(~pl.col("holds")).height
    verdict = f"All {table.height} hold" if not broken else f"{broken} of {table.height} are OUT OF TOLERANCE"
    largest, least = float(np.max(np.abs(residuals))), float(np.min(slacks))
    tolerance = float(table["tolerance"].to_numpy().min())
    return (
        f"{verdict}: the largest residual is {largest:.1e} (tolerance {tolerance:.0e}), the least slack of a bound "
        f"{least:.1e}."
    )
