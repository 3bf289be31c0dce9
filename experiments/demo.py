"""The main job, measured: is the run valid, what did SFT do to entropy, support and styles, what did the control do.

Also reads the records of other runs: python -m experiments demo outputs/<name>.
"""

import numpy as np
import polars as pl

from experiments._examples import example_tables, examples
from experiments._numbers import LEGEND, Number
from experiments._report import Block, Heading, Paragraph, Table
from experiments._sentences import shows, shows_not
from experiments._summary import BASE, TUNED, P, S, controls, summary
from sim.metrics.identities import TOLERANCES, violations
from sim.records import Record
from sim.rows import documents_table, metrics_table, strings_table

SECTIONS = {
    "diversity": ("Entropy and diversity", "H, e^H, N₂ and N_∞ (Hill numbers) of the answers to a prompt."),
    "waterfall": (
        "Diversity waterfall",
        "H(P) − H(·) in three steps [nat]: what is lost by conditioning, by narrow data, by learning.",
    ),
    "forgetting": (
        "Fit and forgetting",
        "KL(P‖·) = gate + kept + erasure, exactly. A is what SFT keeps, B the rest of P.",
    ),
    "accounting": ("Shift accounting", "How far S lies from P [nat], before any training."),
    "support": ("ε-support", "Number of answers per prompt with probability at least ε."),
    "styles": ("Mass of the styles", "Share of the answers in each style; what is missing from 1 is off the support."),
}

COLUMNS = {P: "P, target\nof q₀", S: "S, target\nof q", BASE: "q₀\nbase", TUNED: "q\nafter SFT"}


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
        "run": about(record),
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


def about(record: Record) -> pl.DataFrame:
    """One row: what was run, and whether pretraining reached the truth."""
    config, reached = record.config, record.facts["pretraining"]
    restriction, optimizer = config["restriction"], config["optimizer"]
    details = ", ".join(
        f"{key}={value}" for key, value in restriction.items() if key != "kind" and value not in (None, False)
    )
    prompts = record.p.prompts
    row = {
        "run": record.hash,
        "name": record.name,
        "seed": config["seed"],
        "world": config["grammar"]["kind"],
        "restriction": f"{restriction['kind']}: {details}" if details else restriction["kind"],
        "model": config["model"]["kind"],
        "objective": config["objective"]["kind"],
        "targets": config["objective"].get("targets", ""),
        "optimizer": f"{optimizer['kind']}, learning rate {optimizer.get('learning_rate')}",
        "num_steps": config["finetune"]["num_steps"],
        "num_strings": record.p.support_size,
        "num_prompts": prompts.num_groups if prompts.length.any() else 0,
        "joint_kl": reached["joint_kl"],
        "limit": reached["limit"],
        "valid": reached["valid"],
        "world_notes": "; ".join(f"{name} {float(value):.3g}" for name, value in record.facts["world_notes"].items()),
    }
    return pl.DataFrame([row])


def report(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """The tables of `analyse` in words; sections that the world does not have are left out."""
    run, names = tables["run"].row(0, named=True), controls(tables["metrics"])
    blocks: list[Block] = [Heading(f"Report of {run['name']}, run {run['run']}, seed {run['seed']}"), *validity(run)]
    blocks += [Paragraph(LEGEND), Paragraph(laws(run))]
    for section, (title, explanation) in SECTIONS.items():
        part = tables["summary"].filter(section=section)
        if part.height:
            blocks += [Heading(title), Paragraph(explanation), section_table(part)]
    blocks += [Heading("Most likely answers before and after SFT"), Paragraph("Probabilities given the prompt, exact.")]
    blocks += example_tables(tables["examples"], names)
    blocks.append(Heading("What this shows"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows(tables["summary"], names)]
    blocks.append(Heading("What it does not show"))
    blocks += [Paragraph(sentence, bullet=True) for sentence in shows_not(run, tables["metrics"])]
    return [*blocks, Heading("Identities"), Paragraph(residual_line(tables["identities"]))]


def validity(run: dict[str, object]) -> list[Block]:
    """What was run, and whether pretraining came near enough to P for anything after it to count."""
    prompts = f"{run['num_prompts']} prompts, " if run["num_prompts"] else ""
    notes = f" World: {run['world_notes']}." if run["world_notes"] else ""
    reached, limit = Number.of(float(str(run["joint_kl"]))), Number.of(float(str(run["limit"])))
    sign, verdict = (
        ("≤", "The run is VALID") if run["valid"] else (">", "The run is NOT VALID, read nothing below as a result")
    )
    return [
        Paragraph(
            f"World {run['world']} ({prompts}{run['num_strings']} strings), restriction {run['restriction']}; "
            f"{run['model']}, {run['objective']} for {run['num_steps']} steps, {run['optimizer']}.{notes}"
        ),
        Paragraph(
            f"{verdict}: joint KL(P‖q₀) {reached.text} {sign} {limit.bare} nats per string, the limit on pretraining."
        ),
    ]


def laws(run: dict[str, object]) -> str:
    """How prompts are averaged over and which column predicts which."""
    targets = "A target is what theory predicts from the truths alone: P for q₀ and the control, S for q after SFT."
    if not run["num_prompts"]:
        return targets
    return f"{targets} Answers given prompts x ~ P(x); column S, KL(S‖·) and the waterfall of SFT have x ~ S(x)."


def section_table(part: pl.DataFrame) -> Table:
    """One section of the summary; the number of columns is that of its quantities."""
    columns = [str(column) for column in part["column"].unique(maintain_order=True)]
    rows = []
    for (label,), lines in part.group_by("label", maintain_order=True):
        numbers = {row["column"]: row for row in lines.iter_rows(named=True) if row["exactness"]}
        rows.append((str(label), *(_text(numbers.get(column)) for column in columns)))
    heads = [COLUMNS.get(column, column if column == "truth" else f"{column}\ncontrol") for column in columns]
    return Table(("", *heads), tuple(rows))


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
