"""Read the table that somebody hands in: csv, JSONL, parquet or npz, as columns of texts and numbers."""

import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.numerics import SpecificationError, in_one_line, nearest
from sim.places import reason

KEYS = ("id", "prefix")
"""Columns that say what a row is about: a document, or a prefix."""

ANSWER, DOCUMENT, LAWS = "log_q_answer", "log_q_document", "log_probs"
"""Columns of numbers: log q(y|x), log q(xy), and the log-probabilities of all next tokens after a prefix."""

MODEL, STEP = "model", "step"
"""Columns that tell models apart."""

COLUMNS = (*KEYS, ANSWER, DOCUMENT, LAWS, MODEL, STEP)
"""All columns that are read. Others may be there, and are left alone."""


class Columns:
    """The columns of one file, each as a list or an array with an entry for each row. `place` is the file."""

    def __init__(self, place: Path, found: Mapping[str, Any]) -> None:
        self.place, self._found = place, {name: found[name] for name in COLUMNS if name in found}
        keys = [key for key in KEYS if key in self._found]
        values = [name for name in (ANSWER, DOCUMENT, LAWS) if name in self._found]
        if len(keys) != 1 or not values or (LAWS in values) != (keys == ["prefix"]) or (LAWS in values and values[1:]):
            raise SpecificationError(
                f"{place}: the columns id and {ANSWER} or {DOCUMENT}, or prefix and {LAWS}, are required, found "
                f"{', '.join(found) or 'none'}{_hint(found)}"
            )
        self.key = keys[0]
        lengths = {name: len(column) for name, column in self._found.items()}
        if len(set(lengths.values())) > 1:
            raise SpecificationError(f"{place}: columns of one length are required, found {lengths}")

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __len__(self) -> int:
        return len(self._found[self.key])

    def texts(self, name: str) -> list[str]:
        """Return a column of texts."""
        return [str(one) for one in self._found[name]]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers, float64[n]. Raises SpecificationError for a row that is none, such as null."""
        column = self._found[name]
        found = np.full(len(column), math.nan)
        for row, value in enumerate(column):
            if (number := _number(value)) is None:
                raise self._refusal(name, row, "a number", value)
            found[row] = number
        return found

    def vectors(self, name: str) -> np.ndarray:
        """Return a column of lists of numbers of one length, float64[n, K]."""
        column = self._found[name]
        try:
            found = np.asarray(column if isinstance(column, np.ndarray) else list(column), np.float64)
        except (TypeError, ValueError):
            found = np.zeros(0)
        if found.ndim != 2:
            raise SpecificationError(
                f"{self.place}: {name}: a list of numbers in every row, all of one length, is required, found others"
            )
        return found

    def steps(self) -> np.ndarray:
        """Return the column of steps, int64[n]."""
        found = self.numbers(STEP)
        wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0) & (found == np.floor(found))))
        if len(wrong):
            raise self._refusal(STEP, int(wrong[0]), "a whole number of at least 0", found[wrong[0]])
        return found.astype(np.int64)

    def _refusal(self, name: str, row: int, wanted: str, found: object) -> SpecificationError:
        return SpecificationError(
            f"{self.place}: {name}: {wanted} is required in every row, found {found!r} in row {row + 1}"
        )


def _hint(found: Mapping[str, Any]) -> str:
    for wanted in (ANSWER, DOCUMENT, LAWS):
        if close := nearest(wanted, found):
            return close.replace("did you mean", "is it").replace(")", f" that should be {wanted}?)").replace("??", "?")
    return ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def read_columns(file: Path) -> Columns:
    """Return the columns of a file. Raises SpecificationError if it is no such table."""
    return Columns(file, read_table(file))


def read_table(file: Path) -> Mapping[str, Any]:
    """Return all columns of a file by name. Raises SpecificationError if it is no table."""
    readers: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {
        ".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet, ".npz": _npz
    }  # fmt: skip
    ending = file.suffix.lower()
    if ending not in readers:
        raise SpecificationError(
            f"{file}: a name that ends in {', '.join(readers)} is required, found {ending or 'no ending'!r}; rename it"
        )
    try:
        return readers[ending](file)
    except SpecificationError:
        raise
    except OSError as problem:
        raise SpecificationError(f"{file}: a file that can be read is required, found {reason(problem)}") from None
    except (ValueError, pl.exceptions.PolarsError, zipfile.BadZipFile) as problem:
        found = in_one_line(problem)[:120]
        raise SpecificationError(f"{file}: a table ({ending[1:]}) is required, found {found}; write it again") from None


def _csv(file: Path) -> Mapping[str, Any]:
    return pl.read_csv(file.read_bytes(), infer_schema=False).to_dict(as_series=False)


def _parquet(file: Path) -> Mapping[str, Any]:
    frame = pl.read_parquet(file.read_bytes(), columns=None)
    return {name: frame[name].to_list() for name in frame.columns}


def _jsonl(file: Path) -> Mapping[str, Any]:
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict) or (rows and set(row) != set(rows[0])):
                raise SpecificationError(
                    f"{file}: an object with the keys of the first line is required in every line, found another in "
                    f"line {number}"
                )
            rows.append(row)
    names: Sequence[str] = list(rows[0]) if rows else []
    return {name: [row[name] for row in rows] for name in names}


def _npz(file: Path) -> Mapping[str, Any]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
