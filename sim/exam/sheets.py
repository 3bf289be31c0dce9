"""The models that files describe: one sheet for each model at each step, with a number for every listed document."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from sim.exam.tables import ANSWER, DOCUMENT, LAWS, MODEL, STEP, Columns, read_columns
from sim.exam.world import MARK, ExamWorld
from sim.numerics import SpecificationError, log_sum_exp, nearest

Name: TypeAlias = Literal["before", "after", "control"]
"""Which model: before the fine-tuning, after it, or after the same fine-tuning on P."""

UNITS = {"nat": 1.0, "log2": math.log(2.0)}
"""Units of log-probabilities in a file, in nats."""

ROUNDING = 1e-3
"""How far log-probabilities may be off by rounding [nat], unless it is said: float32 sums over a document are."""


@dataclass(frozen=True)
class How:
    """How to read files: the unit of their numbers, and by how much they may be off by rounding [nat]."""

    unit: str = "nat"
    rounding: float = ROUNDING


@dataclass(frozen=True, eq=False)
class Sheet:
    """What is said about one model at one step. Exactly one of the routes is taken: answers or documents, or laws.

    answers: log q(y|x); documents: log q(xy), float64[N] [nat]; laws: log q(token | prefix), float64[M, K] [nat], with
    rows of zeros where they are not known, which is inside prompts alone (`whole` is False).
    """

    place: Path
    name: Name
    step: int | None
    answers: np.ndarray | None = None
    documents: np.ndarray | None = None
    laws: np.ndarray | None = None
    whole: bool = True

    @property
    def said(self) -> tuple[bool, bool, bool, bool]:
        """What is known: all sheets of an exam must have it in common."""
        return self.answers is not None, self.documents is not None, self.laws is not None, self.whole


def read_sheets(file: Path, name: Name, world: ExamWorld, how: How) -> list[Sheet]:
    """Return the sheets of a file; `name` is that of rows that name no model.

    Raises SpecificationError for missing or doubled documents, those of another world, nan, a probability above 1, and
    a total probability above 1.
    """
    columns = read_columns(file)
    found = list(divided(columns, name))
    numbers = {one: columns.numbers(one) for one in (ANSWER, DOCUMENT) if one in columns}
    vectors = columns.vectors(LAWS) if LAWS in columns else None
    keys = np.array(columns.texts(columns.key))
    if not len(keys):
        raise SpecificationError(f"{file}: a row for every document is required, found none")
    sheets = []
    for one, rows in found:
        order, whole = _order(file, keys[rows], columns.key, world)
        if vectors is None:
            values = {key: numbers[key][rows][order] * UNITS[how.unit] for key in numbers}
            one = replace(one, answers=values.get(ANSWER), documents=values.get(DOCUMENT))
        else:
            laws = np.zeros((len(world.prefix_ids), vectors.shape[1]))
            laws[order >= 0] = vectors[rows][order[order >= 0]] * UNITS[how.unit]
            one = replace(one, laws=laws, whole=whole)
        check_sheet(one, world, how, order >= 0)
        sheets.append(one)
    return sheets


def divided(columns: Columns, name: Name) -> Iterator[tuple[Sheet, np.ndarray]]:
    """Iterate over the models and steps of a file, each with its rows."""
    names = np.array(columns.texts(MODEL) if MODEL in columns else [name] * len(columns))
    steps = columns.steps() if STEP in columns else np.full(len(columns), -1)
    for one in dict.fromkeys(names.tolist()):
        if one not in get_args(Name):
            known = ", ".join(get_args(Name))
            raise SpecificationError(
                f"{columns.place}: {MODEL}: one of {known} is required, found {one!r}{nearest(one, get_args(Name))}"
            )
        for step in dict.fromkeys(steps[names == one].tolist()):
            rows = np.flatnonzero((names == one) & (steps == step))
            yield Sheet(columns.place, one, None if step < 0 else step), rows


def _order(file: Path, keys: np.ndarray, key: str, world: ExamWorld) -> tuple[np.ndarray, bool]:
    """Return the row of every document or prefix of the world, and whether all are there; -1 where none is needed.

    Only prefixes inside prompts can be missing, and only all of them.
    """
    wanted = world.document_ids if key == "id" else world.prefix_ids
    what = "document" if key == "id" else "prefix"
    found = positions(file, keys, wanted, f"{key}s of the world {world.name}", what)
    needed = np.ones(len(wanted), bool) if key == "id" else in_answers(world)
    missing = np.flatnonzero((found < 0) & needed)
    if len(missing) or ((found[~needed] >= 0).any() and (found < 0).any()):
        missing = np.flatnonzero(found < 0)
        raise SpecificationError(
            f"{file}: every {what} ({len(wanted):,}) is required, found {len(missing):,} missing, such as "
            f"{wanted[missing[0]]!r}"
        )
    return found, bool((found >= 0).all())


def positions(file: Path, keys: np.ndarray, wanted: Sequence[str], of: str, what: str) -> np.ndarray:
    """Return the row of each wanted id, -1 where it is missing: int[N].

    of: which ids these are, and what: what an id is about, in words. Raises SpecificationError for an id that is not
    wanted, above all one of another world, and for an id that is there twice.
    """
    at = {one: row for row, one in enumerate(keys.tolist())}
    listed, mark = set(wanted), wanted[0][:MARK]
    others = [one for one in at if one not in listed]
    if others:
        strange = next((one for one in others if one[:MARK] != mark), None)
        if strange is not None:
            raise SpecificationError(
                f"{file}: {of}, which begin with {mark}, are required, found "
                f"{strange!r}; give the folder of the world that was scored with --world"
            )
        raise SpecificationError(f"{file}: ids of the listed {what}s are required, found {others[0]!r}")
    if len(at) < len(keys):
        seen: set[str] = set()
        twice = next(one for one in keys.tolist() if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise SpecificationError(f"{file}: every {what} once is required, found {twice!r} twice; leave one of them out")
    return np.array([at.get(one, -1) for one in wanted])


def in_answers(world: ExamWorld) -> np.ndarray:
    """Whether the next token after each prefix belongs to an answer: bool[M]."""
    trie = world.p.trie
    return np.asarray(trie.depth >= world.p.prompts.length[trie.first_string])


def check_sheet(sheet: Sheet, world: ExamWorld, how: How, there: np.ndarray) -> None:
    """Raise SpecificationError for numbers that are no log-probabilities of a model, or that cannot belong together."""
    for column, values in ((ANSWER, sheet.answers), (DOCUMENT, sheet.documents)):
        if values is not None:
            ids = world.document_ids
            check_numbers(sheet, column, values, ids, how)
            given = world if column == ANSWER else world.without_prompts()
            _check_mass(sheet, column, values, given, how)
    if sheet.laws is not None:
        values = sheet.laws[there]
        ids = [one for one, known in zip(world.prefix_ids, there, strict=True) if known]
        _check_laws(sheet, values, ids, world, how)
    if sheet.answers is not None and sheet.documents is not None:
        _check_together(sheet, world, how)


def check_numbers(sheet: Sheet, column: str, values: np.ndarray, ids: Sequence[str], how: How) -> None:
    """Raise SpecificationError for nan, and for a logarithm above 0 by more than rounding."""
    wrong = np.flatnonzero(np.isnan(values) | (values > how.rounding))
    if len(wrong):
        found = values[wrong[0]] / UNITS[how.unit]
        mend = "" if np.isnan(found) else "; give log-probabilities, with their minus sign"
        raise SpecificationError(
            f"{sheet.place}: {column}: logarithms of probabilities, at most 0, are required, found {found:g} for "
            f"{ids[wrong[0]]!r}{mend}"
        )


def _check_mass(sheet: Sheet, column: str, values: np.ndarray, world: ExamWorld, how: How) -> None:
    prompts = world.p.prompts
    mass = np.bincount(prompts.group, np.exp(values), prompts.num_groups)
    worst = int(np.argmax(mass))
    if mass[worst] > math.exp(how.rounding):
        first = prompts.first[worst]
        prompt = world.p.vocabulary.decode(world.p.trie.strings[first][: prompts.length[first]])
        at = f" given {prompt!r}" if world.has_prompts else ""
        mend = "include the end of the string, and check unit and columns"
        raise SpecificationError(
            f"{sheet.place}: {column}: a total probability of at most 1 is required, found {mass[worst]:.6g}{at}; "
            f"{mend}"
        )


def _check_laws(sheet: Sheet, values: np.ndarray, ids: Sequence[str], world: ExamWorld, how: How) -> None:
    size = len(world.p.vocabulary)
    if values.shape[1] not in (size, size + 3):
        raise SpecificationError(
            f"{sheet.place}: {LAWS}: the {size} ids of the tokenizer, or these and its 3 further ones, are required, "
            f"found {values.shape[1]} numbers in a row"
        )
    total = log_sum_exp(np.where(np.isnan(values), np.inf, values), axis=1)
    wrong = np.flatnonzero(~(np.abs(total) <= how.rounding))
    if len(wrong):
        found = np.exp(total[wrong[0]]) if np.isfinite(total[wrong[0]]) else math.nan
        mend = "" if values.shape[1] > size else f"; the further ids {size} to {size + 2} may hold the rest"
        raise SpecificationError(
            f"{sheet.place}: {LAWS}: probabilities that sum to 1 are required, found {found:.6g} after "
            f"{ids[wrong[0]]!r}{mend}"
        )


def _check_together(sheet: Sheet, world: ExamWorld, how: How) -> None:
    """log q(x) = log q(xy) - log q(y|x) is one number for every prompt, and at most 0."""
    assert sheet.answers is not None
    assert sheet.documents is not None
    both = np.isfinite(sheet.answers) & np.isfinite(sheet.documents)
    prompt = np.where(both, sheet.documents - np.where(both, sheet.answers, 0.0), 0.0)
    prompts = world.p.prompts
    top, low = np.full(prompts.num_groups, -np.inf), np.full(prompts.num_groups, np.inf)
    np.maximum.at(top, prompts.group[both], prompt[both])
    np.minimum.at(low, prompts.group[both], prompt[both])
    apart = np.where(np.isfinite(top), top - np.where(np.isfinite(low), low, 0.0), 0.0)
    worst = int(np.argmax(apart))
    if apart[worst] > 2.0 * how.rounding or (np.isfinite(top) & (top > how.rounding)).any():
        raise SpecificationError(
            f"{sheet.place}: {DOCUMENT} - {ANSWER} = log q(x), the same for all answers to a prompt and at most 0, is "
            f"required, found numbers up to {apart[worst]:.3g} apart or above 0; cut prompt and answer at a token, "
            "and use one start token in both"
        )
