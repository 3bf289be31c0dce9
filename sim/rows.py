"""Records on disk -> tidy tables.

Columns: run, name, seed, phase (truth, pretrain, sft or a control), step, view (response: conditional on the prompt;
joint: whole documents), metric, of, value, lower, upper, exactness (exact | bounded | estimated), unit, prompt_law.
`value` is empty where a number is only bounded; `lower` and `upper` are always certified.
"""

from pathlib import Path

import numpy as np
import polars as pl

from sim.measure import Truths, rows
from sim.metrics.scored import View
from sim.numerics import SpecificationError
from sim.records import MANIFEST, Record, read


def finished(folder: Path) -> list[Path]:
    """The finished records below outputs/<name>, the oldest first; raises SpecificationError if there is none."""
    manifests = (file for file in folder.glob(f"*/{MANIFEST}") if not _unfinished(file.parent.name))
    found = sorted(manifests, key=lambda file: file.stat().st_mtime)
    if not found:
        raise SpecificationError(
            f"{folder}: at least one finished run is required, found none; run the experiment first"
        )
    return [file.parent for file in found]


def _unfinished(name: str) -> bool:
    """Whether a folder is a draft that was left by a killed process, or a run that violated an identity."""
    return name.startswith(".") or name.endswith(".failed")


def metrics_table(record: Record) -> pl.DataFrame:
    """Every measured number of a run, one row each."""
    schema = {"step": pl.Int64, "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
    table = pl.DataFrame(rows(record), schema_overrides=schema, infer_schema_length=None)
    return table.select(
        pl.lit(record.hash).alias("run"),
        pl.lit(record.name).alias("name"),
        pl.lit(record.config["seed"]).alias("seed"),
        pl.all(),
    )


def documents_table(record: Record, view: View = "response") -> pl.DataFrame:
    """Every supported document with what is known of it before any training.

    Columns: index (row on the trie), prompt, answer, style (the likeliest one where styles overlap),
    prompt_mass = P(x), p = P(y|x), s = S(y|x).
    """
    truths, p = Truths(record, view), record.p
    lengths, strings = p.prompts.length, p.trie.strings
    return pl.DataFrame(
        {
            "index": np.arange(p.trie.num_strings),
            "prompt": [p.vocabulary.decode(row[:size]) for row, size in zip(strings, lengths, strict=True)],
            "answer": [p.vocabulary.decode(row[size:]) for row, size in zip(strings, lengths, strict=True)],
            "style": ["" if p.styles is None else p.styles.names[z] for z in _styles(record)],
            "prompt_mass": np.exp(truths.p_law[truths.p.group]),
            "p": np.exp(truths.p.log_q),
            "s": np.exp(truths.s.log_q),
        }
    )


def strings_table(record: Record, view: View = "response") -> pl.DataFrame:
    """Probability of every document under the model: phase, step, index (as in `documents_table`), q = q(y|x).

    Every evaluation of the fine-tunings, and the last one of the pretraining.
    """
    truths = Truths(record, view)
    index = pl.int_range(record.p.trie.num_strings, eager=True)
    parts = [
        pl.select(phase=pl.lit(phase), step=pl.lit(int(step)), index=index, q=np.exp(truths.scored(phase, at).log_q))
        for phase, recorded in record.phases.items()
        for at, step in enumerate(recorded.steps)
        if phase != "pretrain" or at == len(recorded.steps) - 1
    ]
    return pl.concat(parts)


def _styles(record: Record) -> np.ndarray:
    styles = record.p.styles
    return np.zeros(record.p.trie.num_strings, np.int64) if styles is None else np.argmax(styles.log_posterior, axis=1)


def read_record(folder: Path) -> Record:
    """A verified record; see `sim.records.read`."""
    return read(folder)
