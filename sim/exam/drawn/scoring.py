"""From what is handed in to a table of numbers: what is read, what is refused, and what a tokenizer changes."""

import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.disk.records import run_hash
from sim.exam.drawn.entropies import entropies
from sim.exam.drawn.estimating import Found, Paired, changes, contradicted, numbers
from sim.exam.drawn.means import Mean
from sim.exam.drawn.own_documents import Own, read_own
from sim.exam.drawn.world import DrawnWorld
from sim.exam.scoring import Terms, with_steps
from sim.exam.sheets import UNITS, How, Name, Sheet, check_numbers, divided, positions
from sim.exam.tables import DOCUMENT, read_columns
from sim.numerics import SpecificationError
from sim.quantity import Quantity, exponential

POSITIVE = ("fit", "forgetting", "kept", "erasure", "total_variation", "jensen_shannon", "coverage_lost")
"""Numbers that are upper bounds if the tokenizer is another one, and at least 0."""

FREE = ("part_a", "part_b")
"""Numbers that are upper bounds then, and can be negative."""


@dataclass(frozen=True)
class Given:
    """What is declared besides `Terms`. worst: no document has a larger log P/q or log S/q [nat]; None: not known."""

    terms: Terms
    worst: float | None = None

    def check(self) -> None:
        """Raise SpecificationError for a term that cannot hold, or has no use without a list."""
        self.terms.check()
        if self.terms.strings != math.inf:
            raise SpecificationError(
                f"strings: a world whose documents are all listed is required, found {self.terms.strings:g} for one "
                "whose documents are drawn; leave it out"
            )
        if self.worst is not None and not 0.0 <= self.worst < math.inf:
            raise SpecificationError(f"worst: a number of nats of at least 0 is required, found {self.worst!r}")


@dataclass(frozen=True, eq=False)
class Judged:
    """The models of an exam: a table with a number in each row, and what was said about the files."""

    world: DrawnWorld
    given: Given
    config: Mapping[str, Any]
    table: pl.DataFrame
    own: Mapping[str, Own]
    contradicted: Sequence[str] = ()  # models whose own documents and log-probabilities contradict each other

    @property
    def hash(self) -> str:
        """The hash of the exam: of the world, of what was handed in, and of what was declared."""
        return run_hash(self.config)


def gather(files: Mapping[Name, Sequence[Path]], world: DrawnWorld, given: Given) -> list[Sheet]:
    """Return the sheets of all files, in the order of models and steps.

    Raises SpecificationError for missing or doubled documents, those of another world, nan, probabilities above 1, and
    if the control, or nothing but a model before, is there.
    """
    given.check()
    how = How(given.terms.unit, given.terms.rounding)
    found = with_steps([
        sheet for name, places in files.items() for file in places for sheet in _sheets(file, name, world, how)
    ])  # fmt: skip
    there = {sheet.name for sheet in found}
    if "control" in there and "before" not in there:
        raise SpecificationError("control: the model before the fine-tuning is required too, found none; add --before")
    for sheet in found:
        _check_worst(sheet, world, given)
    return found


def _sheets(file: Path, name: Name, world: DrawnWorld, how: How) -> Iterator[Sheet]:
    columns = read_columns(file)
    if DOCUMENT not in columns:
        raise SpecificationError(
            f"{file}: the columns id and {DOCUMENT} are required in a world without prompts whose documents are drawn, "
            "found others; sum over all tokens of a document"
        )
    values, keys = columns.numbers(DOCUMENT) * UNITS[how.unit], np.array(columns.texts(columns.key))
    ids = world.document_ids
    for sheet, rows in divided(columns, name):
        order = positions(file, keys[rows], ids, f"ids of the world {world.name}", "document")
        missing = np.flatnonzero(order < 0)
        if len(missing):
            raise SpecificationError(
                f"{file}: every document ({len(ids):,}) is required, found {len(missing):,} missing, such as "
                f"{ids[missing[0]]!r}"
            )
        one = replace(sheet, documents=values[rows][order])
        assert one.documents is not None
        check_numbers(one, DOCUMENT, one.documents, ids, how)
        _check_mass(one, world, how)
        yield one


def _check_mass(sheet: Sheet, world: DrawnWorld, how: How) -> None:
    """Equal documents have one probability, and different ones together at most 1."""
    strings, log_q = world.documents.strings, sheet.documents
    assert log_q is not None
    _, first, same = np.unique(strings, axis=0, return_index=True, return_inverse=True)
    other = log_q[first][same.reshape(-1)]
    apart = np.where(log_q == other, 0.0, np.abs(log_q - np.where(log_q == other, 0.0, other)))
    worst = int(np.argmax(apart))
    if apart[worst] > 2.0 * how.rounding:
        twin = world.document_ids[first[same.reshape(-1)[worst]]]
        raise SpecificationError(
            f"{sheet.place}: {DOCUMENT}: one probability of equal documents is required, found two that are "
            f"{apart[worst]:.3g} nats apart, for {world.document_ids[worst]!r} and {twin!r}; score without dropout"
        )
    total = math.fsum(np.exp(log_q[first]))
    if total > math.exp(how.rounding):
        raise SpecificationError(
            f"{sheet.place}: {DOCUMENT}: a total probability of different documents of at most 1 is required, found "
            f"{total:.6g}; include the end of the string, and check unit and columns"
        )


def _check_worst(sheet: Sheet, world: DrawnWorld, given: Given) -> None:
    if given.worst is None:
        return
    assert sheet.documents is not None
    paired = Paired(world, sheet.documents)
    ratio = np.concatenate([paired.ratio_p, paired.ratio_s])
    if ratio.max() > given.worst + given.terms.rounding:
        raise SpecificationError(
            f"--worst: a number that no document exceeds is required, found log p/q = {ratio.max():.6g} nats for "
            f"{world.document_ids[int(np.argmax(ratio))]!r} of {sheet.place}; declare what is known before scoring"
        )


def judged(sheets: Sequence[Sheet], samples: Sequence[Path], world: DrawnWorld, given: Given) -> Judged:
    """Return the numbers of all models. samples: files of documents that the models wrote."""
    own = read_own(samples, world, How(given.terms.unit, given.terms.rounding))
    names = {sheet.name for sheet in sheets}
    for name, one in own.items():
        if name not in names:
            raise SpecificationError(f"{one.place}: documents of a model that was scored are required, found {name!r}")
    config = _config(sheets, own, world, given)
    rows = [*_truths(world), *_models(sheets, own, world, given)]
    exam = {"exam": run_hash(config), "name": given.terms.name, "world": world.name, "world_hash": world.hash}
    table = pl.DataFrame([exam | row for row in rows], schema=_schema())
    return Judged(world, given, config, table, own, list(_contradicted(sheets, own, world)))


def _contradicted(sheets: Sequence[Sheet], own: Mapping[str, Own], world: DrawnWorld) -> Iterator[str]:
    last = {sheet.name: sheet.documents for sheet in sheets}
    for name, one in own.items():
        log_q = next(values for key, values in last.items() if key == name)
        if log_q is not None and world.laws.of_strings:
            if contradicted(Paired(world, log_q), functools.partial(one.masses, True)):
                yield name


def _models(
    sheets: Sequence[Sheet], own: Mapping[str, Own], world: DrawnWorld, given: Given
) -> Iterator[dict[str, Any]]:
    last: dict[str, Sheet] = {sheet.name: sheet for sheet in sheets}
    paired = {id(sheet): Paired(world, sheet.documents) for sheet in sheets if sheet.documents is not None}
    for sheet in sheets:
        here = own.get(sheet.name) if sheet is last[sheet.name] else None
        count = None if here is None else functools.partial(here.masses, world.laws.of_strings)
        found = list(numbers(paired[id(sheet)], given.worst, count))
        found += [] if here is None else list(here.numbers())
        for against in ("before", "control"):
            earlier = last.get(against)
            compared = earlier is not None and sheet.name not in ("before", against)
            if compared and earlier is not None and given.terms.tokenizer == "own":
                found += changes(paired[id(earlier)], paired[id(sheet)], given.worst, against)
        for one in found:
            one = one if given.terms.tokenizer == "own" else _one_sided(one)
            yield {"model": sheet.name, "step": sheet.step, **_row(one)}


def _one_sided(found: Found) -> Found:
    """Of sums over one of several ways to write a text, which are at most log q, only upper ends of distances hold.

    Lower ends of masses hold as well, and so do the upper ends that follow from them, and the gate between.
    """
    number = found.mean.number
    if found.metric in POSITIVE:
        return replace(found, mean=Mean(replace(number, lower=0.0)))
    return replace(found, mean=Mean(replace(number, lower=-math.inf))) if found.metric in FREE else found


def _truths(world: DrawnWorld) -> Iterator[dict[str, Any]]:
    """The numbers of P and S: entropies, lengths, and KL(S‖P), which is -log P(A) if A is a set of strings."""
    laws = world.laws
    for (name, number), law in zip(entropies(world).items(), (laws.p, laws.s), strict=True):
        yield {"model": name[2], "step": 0, **_row(Found("entropy", Mean(number)))}
        if math.isfinite(tokens := law.expected_length() + 1.0):
            yield {"model": name[2], "step": 0, **_row(Found("tokens", Mean(Quantity.of(tokens))))}
    if laws.of_strings:
        yield {"model": "S", "step": 0, **_row(Found("shift", Mean(Quantity.of(-laws.log_mass))))}
        yield {"model": "P", "step": 0, **_row(Found("mass_a", Mean(Quantity.of(exponential(laws.log_mass)))))}


def _row(found: Found) -> dict[str, Any]:
    number, usual = found.mean.number, found.mean.usual or (None, None)
    return {
        "metric": found.metric, "per": found.per, "against": found.against, "known": number.kind,
        "value": number.value, "lower": number.lower, "upper": number.upper, "level": number.level,
        "method": number.method, "usual_lower": usual[0], "usual_upper": usual[1], "documents": number.count,
    }  # fmt: skip


def _schema() -> dict[str, Any]:
    texts = ("exam", "name", "world", "world_hash", "model", "metric", "per", "against", "known", "method")
    counts = ("step", "documents")
    order = (
        "exam", "name", "world", "world_hash", "model", "step", "metric", "per", "against", "known", "value", "lower",
        "upper", "level", "method", "usual_lower", "usual_upper", "documents",
    )  # fmt: skip
    return {name: pl.String if name in texts else pl.Int64 if name in counts else pl.Float64 for name in order}


def _config(sheets: Sequence[Sheet], own: Mapping[str, Own], world: DrawnWorld, given: Given) -> dict[str, Any]:
    """Return what decides the hash of an exam."""
    files = {
        f"{sheet.name} {sheet.step}": hashlib.sha256(np.asarray(sheet.documents).tobytes()).hexdigest()
        for sheet in sheets
    }
    for name, one in own.items():
        parts = [one.log_p, one.kept, one.cut, *([] if one.log_q is None else [one.log_q])]
        files[f"own {name}"] = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    exam = {
        "world": world.name, "world_hash": world.hash, "models": files, "tokenizer": given.terms.tokenizer,
        "rounding": given.terms.rounding, "worst": given.worst,
    }  # fmt: skip
    return {"name": given.terms.name, "seed": 0, "exam": exam, "world": json.loads(json.dumps(world.definition))}
