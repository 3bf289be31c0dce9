"""The report of a model that was handed in (`sim.exam`): the same tables, and what its files tell and do not tell."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from experiments.atlas.tables import LEVELS
from experiments.demo import beside_atlas
from experiments.demo.facts import restriction_notes, sample_space, world_notes
from experiments.demo.lines import BASE, TUNED, P, S, numbers
from experiments.demo.sentences import Told, control, diversity, entropy, forgetting, styles, support
from sim.disk.records import Record
from sim.metrics.frames import in_words
from sim.quantity import Quantity
from sim.show.blocks import Block, Heading, Paragraph, Table
from sim.show.writing import NEGLIGIBLE, bare, counted, text, written

NAMES = {"pretrain": "before", "sft": "after", "identity": "control"}
"""The models by the phase in whose place they stand."""

ALONE = "model"
"""The name of a model that nothing is compared with."""


@dataclass(frozen=True)
class Asked:
    """A number that the table of all models shows."""

    label: str
    metric: str
    of: str
    law: str
    at: str = ""


ASKED = (
    Asked("fit, KL(S‖q)", "kl", "S||q", "S(x)"),
    Asked("forgetting, KL(P‖q)", "kl", "P||q", "P(x)"),
    Asked("  gate", "gate", "A", "P(x)"),
    Asked("  kept", "kept", "A", "P(x)"),
    Asked("  erasure", "erasure", "A", "P(x)"),
    Asked("erasure E against q₀", "style_erasure", "E", "P(x)"),
    Asked("q(⊥), off the list", "off_support", "q", "P(x)"),
    Asked("q(A), kept part", "event_mass", "q(A)", "P(x)"),
    Asked("q(B), lost part", "event_mass", "q(B)", "P(x)"),
    Asked("TV(P, q)", "total_variation", "P,q", "P(x)"),
    Asked("JS(P, q)", "jensen_shannon", "P,q", "P(x)"),
    Asked("H(q), x ~ S(x)", "entropy", "q", "S(x)"),
    Asked("H(q), x ~ P(x)", "entropy", "q", "P(x)"),
    Asked("P-mass made 10 times rarer", "coverage_lost", "P,q", "P(x)", "10"),
    *(Asked(f"strings with q ≥ {at}", "epsilon_support", "q", "P(x)", at) for at in ("0.01", "0.001", "0.0001")),
)
"""What is shown of every model, and of P and S where it has a meaning there."""

PATH = {"fit": ASKED[0], "forgetting": ASKED[1], "gate": ASKED[2], "erasure": ASKED[4], "off": ASKED[6]}
"""The numbers of a path, by their columns."""


def is_exam(tables: dict[str, pl.DataFrame]) -> bool:
    """Whether tables are those of a model that was handed in."""
    return "path" in tables


def facts(record: Record) -> pl.DataFrame:
    """Return one row: the world, what was handed in, and on what terms. It has the columns of `facts` of a run too."""
    exam, known, prompts = record.config["exam"], record.facts["exam"], record.p.prompts
    last = max(int(phase.steps[-1]) for phase in record.phases.values())
    row = {
        "run": record.hash,
        "name": record.name,
        "seed": record.config["seed"],
        **{group: in_words(record, group) for group in ("restriction", "model", "objective", "optimizer")},
        "world": f"{exam['world']} ({in_words(record, 'grammar')})",
        "targets": "",
        "num_steps": last,
        "num_strings": record.p.support_size,
        "num_prompts": prompts.num_groups if prompts.length.any() else 0,
        "horizon": record.p.trie.length,
        "target": "",
        "valid": True,
        "notes": " ".join([*world_notes(record), *restriction_notes(record)]),
        "world_hash": exam["world_hash"],
        "tokenizer": exam["tokenizer"],
        "rounding": exam["rounding"],
        "log_strings": exam["log_strings"],
        "largest_mass": max(known["mass"].values()),
        **{name: known[name] for name in ("answers", "documents", "laws", "whole", "prompts_ignored")},
    }
    return pl.DataFrame([row], schema_overrides={"log_strings": pl.Float64})


def path(table: pl.DataFrame) -> pl.DataFrame:
    """Return the place of every model at every step: fit, forgetting, gate, erasure and q(⊥), with bounds [nat; 1]."""
    found, rows = numbers(table), []
    steps = table.filter(view="response").select("phase", "step").unique(maintain_order=True)
    for phase, step in steps.filter(pl.col("phase") != "truth").iter_rows():
        row: dict[str, Any] = {
            "model": NAMES[phase] if "sft" in set(steps["phase"]) else ALONE,
            "phase": phase,
            "step": step,
        }
        for name, asked in PATH.items():
            number = found.get((phase, step, "response", asked.metric, asked.of, asked.at, asked.law))
            row |= {f"{name}_lower": number and number.lower, f"{name}_upper": number and number.upper}
        rows.append(row)
    ends = [f"{name}_{end}" for name in PATH for end in ("lower", "upper")]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(ends, pl.Float64))


def crossings(found: pl.DataFrame) -> pl.DataFrame:
    """Return where the series of the fine-tuned model first reaches each fit of LEVELS, among the steps handed in.

    step: the first one at which KL(S‖q) is surely at most the level, null if there is none; above_at: the last one
    before it at which KL(S‖q) is surely above it; forgetting: the upper end of KL(P‖q) at `step`; largest_later: the
    largest KL(S‖q) at `step` and later, a lower bound of that of all steps, for nothing is known of the others. Without
    a model before the fine-tuning there are no rows.
    """
    rows = []
    steps = found.filter(model="after").sort("step")
    for level in LEVELS if steps.height else ():
        row: dict[str, Any] = {"level": level}
        reached = steps.filter(pl.col("fit_upper") <= level)
        if reached.height:
            first = reached["step"][0]
            earlier = steps.filter((pl.col("step") < first) & (pl.col("fit_lower") > level))
            later = steps.filter(pl.col("step") >= first)
            row |= {"above_at": earlier["step"].max(), "step": first, "forgetting": reached["forgetting_upper"][0]}
            row["largest_later"] = later["fit_lower"].max()
        rows.append(row)
    schema = {"level": pl.Float64, "above_at": pl.Int64, "step": pl.Int64}
    return pl.DataFrame(rows, schema={**schema, "forgetting": pl.Float64, "largest_later": pl.Float64})


def headline(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """Return only the conclusions: the place of every model at its last step, and what the fine-tuning did."""
    run = tables["run"].row(0, named=True)
    found, one_sided = numbers(tables["metrics"]), run["tokenizer"] == "other"
    blocks: list[Block] = [Heading(f"{run['name']}, exam {run['run']}: a model on {run['world']}")]
    for phase, step in tables["phases"].select("phase", "last_step").iter_rows():
        places = [found.get((phase, step, "response", one.metric, one.of, one.at, one.law)) for one in PATH.values()]
        said = [
            f"{one.label.strip()} {_said(place, one_sided)}" for one, place in zip(PATH.values(), places, strict=True)
        ]
        name = NAMES[phase] if "lines" in tables else ALONE
        blocks.append(Paragraph(f"{name.capitalize()}, step {step}: {'; '.join(said)}", bullet=True))
    if "lines" in tables:
        blocks += [Paragraph(line, bullet=True) for line in shown(tables)]
    return blocks


def opening(tables: dict[str, pl.DataFrame]) -> list[Block]:
    """Return the conclusions: what was judged, what it shows, what its files do not tell, and the main numbers."""
    run = tables["run"].row(0, named=True)
    blocks: list[Block] = [Heading(f"{run['name']}, exam {run['run']}: a model on {run['world']}"), setting(run)]
    if "lines" in tables:
        blocks += [Heading("What this shows"), *(Paragraph(line, bullet=True) for line in shown(tables))]
    blocks += [Heading("What it does not tell"), *(Paragraph(line, bullet=True) for line in told(run))]
    blocks += [Heading("Numbers in nats, unless they are probabilities or counts"), models_table(tables)]
    return [*blocks, *crossings_table(tables["crossings"]), *beside_atlas.blocks(tables)]


def shown(tables: dict[str, pl.DataFrame]) -> Iterator[str]:
    """Iterate over sentences on the fine-tuning, as in the report of a run. Nothing is said of bounds on one side."""
    run = Told(tables)
    if run.facts["tokenizer"] == "other":
        yield "The numbers below are bounds of the model; changes from before to after have no direction."
        return
    if all(math.isfinite(run["entropy", column].upper) for column in (BASE, TUNED)):
        yield from (diversity(run), entropy(run))
    else:
        before, after = (written(run["entropy", column].lower) for column in (BASE, TUNED))
        yield (
            f"Entropy{run.over('entropy')}: H(q) is at least {before} nats before the fine-tuning and at least {after} "
            f"after it; H(P) = {bare(run['entropy', P])} and H(S) = {bare(run['entropy', S])}."
        )
    yield from (support(run), *forgetting(run), *styles(run))
    yield from (control(run, name) for name in run.controls)


def models_table(tables: dict[str, pl.DataFrame]) -> Table:
    """Return the table of all models at their last step, beside P and S."""
    found, run = numbers(tables["metrics"]), tables["run"].row(0, named=True)
    phases = [(phase, step) for phase, step in tables["phases"].select("phase", "last_step").iter_rows()]
    one_sided = run["tokenizer"] == "other"
    rows = []
    for asked in (*ASKED, *_styles(tables["metrics"])):
        truths = [found.get(("truth", 0, "response", asked.metric, of, asked.at, asked.law)) for of in (P, S)]
        models = [found.get((*one, "response", asked.metric, asked.of, asked.at, asked.law)) for one in phases]
        if any(models):
            written_ = [_said(one, one_sided) for one in models]
            rows.append((asked.label, *("–" if one is None else text(one) for one in truths), *written_))
    names = {phase: NAMES[phase] if "lines" in tables else ALONE for phase, _ in phases}
    return Table(("", P, S, *(f"{names[phase]}\nstep {step}" for phase, step in phases)), tuple(rows))


def _styles(table: pl.DataFrame) -> Iterator[Asked]:
    names = table.filter(phase="truth", metric="style_mass", of="P")["at"].unique(maintain_order=True)
    yield from (Asked(f"style {name}", "style_mass", "q", "P(x)", str(name)) for name in names)


def _said(number: Quantity | None, one_sided: bool) -> str:
    """Write a number. Of a model with another tokenizer, say whether it is an upper or a lower bound, or neither."""
    if number is None:
        return "–"
    if not one_sided:
        return text(number)
    if number.upper == math.inf:
        return "no direction" if number.lower in (-math.inf, 0.0, 1.0) else f"≥ {written(number.lower)}"
    return f"≤ {written(number.upper)}" if number.lower == 0.0 else text(number)


def told(run: dict[str, Any]) -> Iterator[str]:
    """Iterate over sentences on what the files tell, and what they do not tell."""
    yield _of_laws(run) if run["laws"] else _of_documents(run)
    if run["documents"] and not run["answers"] and run["prompts_ignored"]:
        yield "Documents are judged whole: log q(xy) mixes in log q(x), which a tuning on answers does not train."
    if run["tokenizer"] == "other":
        yield (
            "The tokenizer can write a text in several ways, and one of them was summed: q(y|x) is a lower bound, and "
            "it is exact if the others have no mass. So KL(P‖q), KL(S‖q), gate, q(⊥), TV and JS are upper bounds (≤), "
            "probabilities of sets are lower bounds, and entropy, kept, erasure and E have no direction."
        )
    yield (
        "Log-probabilities are taken as they are. If each is off by at most "
        f"{run['rounding']:g} nats, so are KL(P‖q) and KL(S‖q), and q(⊥) is off by at most {run['rounding']:g}."
    )
    if run["largest_mass"] > 1.0 + NEGLIGIBLE:
        yield (
            f"At a prompt the listed strings have the total probability 1 + {run['largest_mass'] - 1.0:.1e}, which is "
            "within this rounding; q(⊥) counts as 0 there."
        )
    yield "How the model was trained is not known, so no optimum is predicted. It is one model and gives no verdict."


def _of_laws(run: dict[str, Any]) -> str:
    inside = "" if run["whole"] else " Nothing was handed in inside prompts, so nothing is said of whole documents."
    return f"Next-token laws at all prefixes are known, so every number is exact or bounded as for a run.{inside}"


def _of_documents(run: dict[str, Any]) -> str:
    what = "answers given their prompt" if run["answers"] else "whole documents"
    strings = run["log_strings"]
    above = "no upper bound, because the number of strings that the model can write is not declared (--strings)"
    if strings is not None:
        above = f"an upper bound with the declared e^{strings:.4g} strings at a prompt"
    entropies = (
        f" So H(q) has a lower bound, in which ⊥ counts as one string, and {above}; so has what learning lost, "
        "H(S) − H(q), on the other side."
    )
    return (
        f"Log-probabilities of {what} are known, and nothing else. What the model writes off the list is one number, "
        f"q(⊥).{entropies if run['tokenizer'] == 'own' else ''} There is no leak by position, no law by position, and "
        "no learning gap."
    )


def crossings_table(found: pl.DataFrame) -> Iterator[Block]:
    """The first crossings of a series, if there is one."""
    if found.is_empty():
        return
    rows = []
    for row in found.iter_rows(named=True):
        earlier = "–" if row["above_at"] is None else str(row["above_at"])
        step = "not reached" if row["step"] is None else str(row["step"])
        forgetting_ = "–" if row["forgetting"] is None else written(row["forgetting"])
        largest = "–" if row["largest_later"] is None else f"≥ {written(row['largest_later'])}"
        rows.append((f"{row['level']:g}", earlier, step, forgetting_, largest))
    heads = ("KL(S‖q) ≤", "above it\nat step", "reached\nat step", "KL(P‖q)\nthere", "largest KL(S‖q)\nlater")
    yield Table(heads, tuple(rows), 1, "First crossings among the steps that were handed in")


def setting(run: dict[str, Any]) -> Paragraph:
    """Describe the world."""
    prompts = f"{counted(run['num_prompts'], 'prompt')}, " if run["num_prompts"] else ""
    restriction = f" Data of the fine-tuning: {run['restriction']}." if run["restriction"] else ""
    return Paragraph(
        f"World: {run['world']}, {prompts}{counted(run['num_strings'], 'string')} of P, hash {run['world_hash'][:12]}."
        f"{restriction}{' ' * bool(run['notes'])}{run['notes']}"
    )


def space(run: dict[str, Any]) -> list[Paragraph]:
    """Explain the sample space, where next-token laws give one."""
    return [Paragraph(sample_space(run))] if run["laws"] else []
