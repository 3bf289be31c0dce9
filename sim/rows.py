"""python -m sim.rows <dir> [--out STEM]: the records on disk as tidy tables."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.config.leaves import varying
from sim.disk import files
from sim.disk.records import MANIFEST, NOT_CONTENT, Record, invalidity, read
from sim.disk.store import STORE
from sim.metrics.scored import View
from sim.metrics.table import Truths, rows
from sim.numerics import SpecificationError

DAMAGED, REFUSED = 1, 2
"""Exit statuses: records that cannot be read were left out of the table; bad input."""

COLUMNS = """\
  run         hash of the run
  name        name of the run
  seed        seed of the run
  valid       whether its pretraining came below pretrain.limit; if not, no verdict may rest on the run
  <leaf>      one column for every leaf of the configuration that is not the same in all runs, by its dotted name,
              such as optimizer.learning_rate; empty where a run has no such leaf
  phase       truth (what is known of the world before any training), pretrain, sft, or a control
  step        optimiser steps of the phase before the evaluation
  view        response: answers given the prompt; joint: whole documents
  metric      what was measured
  of          of which distribution, and with which parameters
  value       the number; empty where it is only bounded
  lower       the number, or a certified lower bound of it
  upper       the number, or a certified upper bound of it
  exactness   exact | bounded | estimated
  unit        unit of value, lower and upper; 1 for probabilities
  prompt_law  the law of the prompts under which the number is an average; empty in the joint view
"""
"""Columns of the table of the runs of a folder; the table of one run has them without `valid` and leaves."""

NOT_VARIED = (*NOT_CONTENT, "seed")
"""Keys of a configuration that are no part of what a run is, or have a column of their own."""

_ABOUT = f"""\
All finished runs of a folder as one tidy table, a number per row: rows.parquet and rows.csv.

{COLUMNS}
Runs are in the order of what varies between them, of seed and hash. Tables that are in the folder already are replaced,
for they can be made again; --out replaces nothing. Exit status 0; 1 if records are damaged and were left out; 2 if
the input is wrong and nothing was written."""


def finished(folder: Path) -> list[Path]:
    """The finished records below outputs/<name>, the oldest first; raises SpecificationError if there is none."""
    manifests = (file for file in folder.glob(f"*/{MANIFEST}") if not _unfinished(file.parent.name))
    found = sorted(manifests, key=lambda file: file.stat().st_mtime)
    if folder.name == STORE:
        raise SpecificationError(
            f"{folder}: it holds pretrainings, not runs; give the folder of a name (outputs/<name>)"
        )
    if not found:
        below = sorted({file.parent.parent.name for file in folder.glob(f"[!.]*/*/{MANIFEST}")} - {STORE})
        mend = f"give one of the folders below it ({', '.join(below)})" if below else "run the experiment first"
        raise SpecificationError(f"{folder}: at least one finished run is required, found none; {mend}")
    return [file.parent for file in found]


def _unfinished(name: str) -> bool:
    """Whether a folder is a draft that was left by a killed process, or a run that violated an identity."""
    return name.startswith(".") or name.endswith(".failed")


def metrics_table(record: Record) -> pl.DataFrame:
    """Every measured number of a run, one row each."""
    found = rows(record)
    about = {"run": record.hash, "name": record.name, "seed": record.config["seed"]}
    kinds = {"seed": pl.Int64, "step": pl.Int64, "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
    columns = {name: [value] * len(found) for name, value in about.items()}
    columns |= {name: [one[name] for one in found] for name in found[0]}
    return pl.DataFrame([pl.Series(name, values, kinds.get(name, pl.String)) for name, values in columns.items()])


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
    """A verified record; see `sim.disk.records.read`."""
    return read(folder)


# -- many runs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured:
    """A run without its arrays."""

    hash: str
    config: Mapping[str, Any]
    valid: bool
    table: pl.DataFrame


def measured(record: Record) -> Measured:
    """What the table of several runs takes from a record."""
    return Measured(record.hash, record.config, invalidity(record) is None, metrics_table(record))


def runs_table(runs: Sequence[Measured]) -> pl.DataFrame:
    """Every measured number of one or more runs; see `COLUMNS`. In the order of what varies, of seed and hash."""
    varied = varying([run.config for run in runs], NOT_VARIED)
    kinds = {name: pl.Series(values).dtype for name, values in varied.items()}

    def place(at: int) -> tuple[Any, ...]:
        own = [(False,) if values[at] is None else (True, values[at]) for values in varied.values()]
        return *own, runs[at].config["seed"], runs[at].hash

    def widened(at: int) -> pl.DataFrame:
        own = [pl.lit(values[at], kinds[name]).alias(name) for name, values in varied.items()]
        first, rest = ("run", "name", "seed"), runs[at].table.columns[3:]
        return runs[at].table.select(*first, pl.lit(runs[at].valid).alias("valid"), *own, *rest)

    return pl.concat([widened(at) for at in sorted(range(len(runs)), key=place)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table of a folder; see the exit statuses in `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m sim.rows", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the runs lie (outputs/<name>)")
    parser.add_argument("--out", type=Path, metavar="STEM", help="write STEM.parquet and STEM.csv instead")
    chosen = parser.parse_args(arguments)
    try:
        targets = _targets(chosen.folder, chosen.out)
        sources = finished(chosen.folder)
        runs = list(_readable(sources))
        if runs:
            _write(runs_table(runs), targets, len(runs))
    except SpecificationError as error:
        print(_line(error), file=sys.stderr)
        return REFUSED
    if len(runs) < len(sources):
        left_out = f"{len(sources) - len(runs)} of {len(sources)} records cannot be read and are left out"
        print(left_out if runs else f"{left_out}; no table was written", file=sys.stderr)
        return DAMAGED
    return 0


def _targets(folder: Path, stem: Path | None) -> tuple[Path, Path]:
    """Where the table goes; raises SpecificationError where something lies that could be of value."""
    if stem is None:
        return folder / "rows.parquet", folder / "rows.csv"
    targets = stem.parent / f"{stem.name}.parquet", stem.parent / f"{stem.name}.csv"
    if not stem.name or not stem.parent.is_dir():
        raise SpecificationError(f"--out: a stem in a folder that exists is required, found {stem}; make {stem.parent}")
    for file in targets:
        if file.exists():
            raise SpecificationError(f"--out: {file} exists and is not replaced; delete it, or choose another stem")
    return targets


def _readable(sources: Sequence[Path]) -> Iterator[Measured]:
    """The records, without those that cannot be read; each of these is named on stderr."""
    for source in sources:
        try:
            yield measured(read(source))
        except SpecificationError as error:
            print(_line(error), file=sys.stderr)
        except (OSError, KeyError, TypeError, ValueError) as error:  # the checksums are right, the content is not ours
            kind = type(error).__name__
            print(_line(f"{source}: a record of this program is required, found {kind}: {error}"), file=sys.stderr)


def _write(table: pl.DataFrame, targets: tuple[Path, Path], num_runs: int) -> None:
    """Write the table as Parquet and as CSV and say so in one line; until both are written, what was there stays."""
    replaced = " (replaced)" if any(target.exists() for target in targets) else ""
    parquet = BytesIO()
    table.write_parquet(parquet)
    fresh = [target.with_name(f".{target.name}-{os.getpid()}") for target in targets]
    try:
        for file, data in zip(fresh, (parquet.getvalue(), table.write_csv().encode()), strict=True):
            files.write_bytes(file, data)
        for file, target in zip(fresh, targets, strict=True):
            file.replace(target)
    except OSError as problem:
        raise SpecificationError(
            f"{targets[0].parent}: a folder that can be written is required, found {problem.strerror}"
        ) from None
    finally:
        for file in fresh:
            file.unlink(missing_ok=True)
    runs = "1 run" if num_runs == 1 else f"{num_runs} runs"
    print(f"{targets[0]} and {targets[1].name}: {table.height} rows of {runs}{replaced}")


def _line(error: object) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
