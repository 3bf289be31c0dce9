"""Records as tidy tables: numbers of one or many runs, the runs themselves, documents and their probabilities."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from sim.config import GROUPS, described
from sim.config.leaves import leaves
from sim.disk.records import NOT_CONTENT, Described, Record, invalidity
from sim.metrics.scene import World
from sim.metrics.scored import VIEWS, View
from sim.metrics.table import Columns, columns, last_rows, metrics

COLUMNS = """\
  run         hash of the run
  name        name of the run
  seed        seed of the run
  valid       whether the pretraining reached pretrain.limit; if not, no verdict may rest on the run
  <leaf>      one column for every leaf of the configuration that is not the same in all runs, by its dotted name,
              such as optimizer.learning_rate; empty if a run has no such leaf
  phase       truth (what is known of the world before any training), or a phase: pretrain, sft, a control, an edit, ...
  step        optimiser steps of the phase before the evaluation
  view        response: answers given the prompt; joint: whole documents
  metric      what was measured
  of          the distribution or distributions that were measured
  at          the threshold, style or position; empty if there is none
  value       the number; empty if it is only bounded
  lower       the number, or a certified lower bound of it
  upper       the number, or a certified upper bound of it
  exactness   exact | bounded | estimated
  unit        unit of value, lower and upper; 1 for probabilities
  prompt_law  the law of the prompts over which the number is averaged; empty in the joint view

With record=laws, numbers that need prefixes have rows only at the first and the last evaluation of a phase.
"""
"""Columns of the table of all runs of a folder. The table of one run has them without `valid` and the leaves."""

NOT_VARIED = (*NOT_CONTENT, "seed")
"""Keys of a configuration that do not decide a run, or that have a column of their own."""

_TYPES = {"seed": pl.Int64, "step": pl.Int64, "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}


def metrics_table(
    record: Record,
    names: Collection[str] | None = None,
    views: Collection[View] = VIEWS,
    phases: Collection[str] | None = None,
) -> pl.DataFrame:
    """Return the measured numbers of a run, one row each: all, or those of some metrics, views and phases."""
    return numbers_table(record.hash, record.name, record.config["seed"], columns(record, names, views, phases))


def numbers_table(run: str, name: str, seed: int, numbers: Columns) -> pl.DataFrame:
    """Return the table of a run whose numbers are measured already."""
    tags = {"run": run, "name": name, "seed": seed}
    found = {tag: [value] * len(numbers["value"]) for tag, value in tags.items()} | numbers
    return pl.DataFrame([pl.Series(name, values, _TYPES.get(name, pl.String)) for name, values in found.items()])


def as_csv(table: pl.DataFrame, header: bool = True) -> str:
    """Return a table as CSV, with a line of names unless `header` is False.

    A text that a spreadsheet would run as a formula gets an apostrophe in front. Such texts come from symbols of a
    grammar file. They begin with =, +, -, @, a tab or a line end.
    """
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    runs = pl.col(texts).str.contains(r"^[=+\-@\t\r\n]")
    quoted = pl.when(runs).then(pl.lit("'") + pl.col(texts)).otherwise(pl.col(texts))
    return (table.with_columns(quoted.name.keep()) if texts else table).write_csv(include_header=header)


def metrics_help() -> str:
    """Describe every metric in a line: its name, its symbol, its unit and its meaning."""
    lines = [(one.name, one.symbol, one.unit, one.description) for one in metrics()]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "\n".join(
        "  " + "  ".join([*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[3]])
        for line in lines
    )


def runs_table(records: Sequence[Record | Described]) -> pl.DataFrame:
    """Return one row for each run: what tells runs apart, in words and by every leaf of their configurations.

    Columns: run, name, seed, valid, claim (the predictions for which it was made), part (of the experiment), grammar,
    restriction, model, objective and optimizer in words, and the leaves by their dotted names (see `COLUMNS`).
    """
    flat = [leaves({key: value for key, value in one.config.items() if key not in NOT_CONTENT}) for one in records]
    names = sorted({name for one in flat for name in one})
    found = {
        "run": [one.hash for one in records],
        "name": [one.name for one in records],
        "seed": [one.config["seed"] for one in records],
        "valid": [invalidity(one) is None for one in records],
        "claim": [one.config.get("claim") for one in records],
        "part": [one.config.get("study", {}).get("part") or "" for one in records],
    }
    found |= {group: [in_words(one, group) for one in records] for group in GROUPS}
    leaf_columns = {name: [one.get(name) for one in flat] for name in names if name not in found}
    types = {"claim": pl.String}
    return pl.DataFrame(
        [pl.Series(name, values, types.get(name), strict=False) for name, values in (found | leaf_columns).items()]
    )


def in_words(record: Record | Described, group: str) -> str:
    """Describe the member of a group that a run uses: from its record, or else by `sim.config.described`."""
    said: Mapping[str, str] = record.facts.get("described", {})
    return said[group] if group in said else described(group, record.config[group])


def documents_table(record: Record, view: View = "response") -> pl.DataFrame:
    """Return every supported document, with what is known about it before any training.

    Columns: index (row on the trie), prompt, answer, style (the likeliest one if styles overlap), prompt_mass = P(x),
    p = P(y|x), s = S(y|x).
    """
    world, p = World(record, view), record.p
    lengths, strings = p.prompts.length, p.trie.strings
    return pl.DataFrame(
        {
            "index": np.arange(p.trie.num_strings),
            "prompt": [p.vocabulary.decode(row[:size]) for row, size in zip(strings, lengths, strict=True)],
            "answer": [p.vocabulary.decode(row[size:]) for row, size in zip(strings, lengths, strict=True)],
            "style": ["" if p.styles is None else p.styles.names[z] for z in _styles(record)],
            "prompt_mass": np.exp(world.p_law[world.p.group]),
            "p": np.exp(world.p.log_q),
            "s": np.exp(world.s.log_q),
        }
    )


def strings_table(record: Record, view: View = "response") -> pl.DataFrame:
    """Return the probability of every document under the models.

    Columns: phase, step, index (as in `documents_table`), q = q(y|x). The table holds all evaluations of the phases,
    but only the last one of the pretraining.
    """
    world = World(record, view)
    index = pl.int_range(record.p.trie.num_strings, eager=True)
    parts = [
        pl.select(phase=pl.lit(phase), step=pl.lit(int(step)), index=index, q=np.exp(world.scored(phase, at).log_q))
        for phase, recorded in record.phases.items()
        for at, step in enumerate(recorded.steps)
        if record.meanings[phase].role != "pretraining" or at == len(recorded.steps) - 1
    ]
    return pl.concat(parts)


def phases_table(record: Record) -> pl.DataFrame:
    """Return one row for each phase of a run, with its meaning, see `sim.phases`."""
    return pl.DataFrame(
        [
            {
                "phase": name,
                "stage": record.meanings[name].stage,
                "role": record.meanings[name].role,
                "data": record.meanings[name].data,
                "model": record.meanings[name].model,
                "title": record.meanings[name].title,
                "last_step": int(recorded.steps[-1]),
            }
            for name, recorded in record.phases.items()
        ]
    )


BY_STAGE = ("stage_entropy", "stage_target", "stage_kl", "stage_gate", "stage_kept", "stage_erasure", "stage_support")
"""The metrics of `stages_table`."""


def stages_table(record: Record, view: View = "response") -> pl.DataFrame:
    """Return the waterfall by stage: what every stage, and every control, loses against the model at its start.

    It holds the rows of the metrics BY_STAGE, see `sim.metrics.by_stage`, in the order of the phases. The losses of
    `pretrain`, `sft`, `stage_2`, ... under one prompt law add up to all that is lost against P.
    """
    found = [
        {name: row[name] for name in ("phase", "metric", "of", "at", "lower", "upper", "exactness", "prompt_law")}
        for phase, meaning in record.meanings.items()
        if phase in record.phases and meaning.role not in ("relearning", "edit", "sibling")
        for name in BY_STAGE
        for row in last_rows(record, name, view, phase)
    ]
    return pl.DataFrame(found, schema_overrides={"lower": pl.Float64, "upper": pl.Float64})


def _styles(record: Record) -> np.ndarray:
    styles = record.p.styles
    return np.zeros(record.p.trie.num_strings, np.int64) if styles is None else np.argmax(styles.log_posterior, axis=1)
