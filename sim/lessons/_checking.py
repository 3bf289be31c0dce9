"""Find the exercises of all lessons, and check an answer to one of them."""

import functools
import html
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import polars as pl

from sim.lessons._exercise import Answer, Exercise
from sim.numerics import SpecificationError, nearest


@dataclass(frozen=True)
class Checked:
    """What `check` says about an answer: whether it is right (None: nothing was answered), and a text.

    It is true in a condition if and only if the answer is right. A notebook shows it by itself.
    """

    exercise: str
    right: bool | None
    text: str

    def __bool__(self) -> bool:
        return self.right is True

    def __repr__(self) -> str:
        return f"{self.exercise}: {self.text}"

    def _repr_html_(self) -> str:
        mark = {True: "✓", False: "✗", None: "?"}[self.right]
        return f"<p><b>{mark} {self.exercise}</b> {html.escape(self.text)}</p>"


@functools.cache
def exercises() -> Mapping[str, Exercise]:
    """Return all exercises by their names, lesson by lesson. Raises SpecificationError for lessons with one prefix."""
    found: dict[str, Exercise] = {}
    owners: dict[str, str] = {}
    package = importlib.import_module("sim.lessons")
    for name in sorted(one.name for one in pkgutil.iter_modules(package.__path__) if not one.name.startswith("_")):
        prefix = name.partition("_")[0]
        if prefix in owners:
            raise SpecificationError(
                f"lesson: different prefixes are required, found {prefix!r} in sim/lessons/{owners[prefix]}.py and "
                f"sim/lessons/{name}.py; rename one"
            )
        owners[prefix] = name
        module = importlib.import_module(f"sim.lessons.{name}")
        found |= {f"{prefix}.{number}": one for number, one in enumerate(module.EXERCISES, 1)}
    return found


def check(name: str, answer: Any = ..., result: Any = None) -> Checked:
    """Check the answer to an exercise, such as `check("c1.2", 2.5, result)`, and say what is wrong with a wrong one.

    The right answer is computed when it is needed, from exact languages, from published tables, or from `result`, the
    reader's own `sim.Result`. Without an answer (`...`) the question is returned. Raises SpecificationError for an
    unknown exercise, an answer of the wrong kind, and an exercise about a run without the run.
    """
    known = exercises()
    if name not in known:
        raise SpecificationError(
            f"exercise: one of {', '.join(known)} is required, found {name!r:.60}{nearest(str(name), list(known))}"
        )
    one = known[name]
    if isinstance(answer, EllipsisType):
        return Checked(name, None, f"no answer yet. {question_of(one)}")
    given = one.given(name, answer)
    run = run_of(name, one, result)
    right = one.answer(*run)
    if one.accepts(given, right):
        return Checked(name, True, f"right. {one.because}")
    return Checked(name, False, f"not yet. {one.advice(given, *run)}")


def run_of(name: str, exercise: Exercise, result: Any) -> tuple[Any, ...]:
    """Return the arguments of the functions of an exercise: the reader's run, if it is about one, or nothing."""
    if not exercise.of_run:
        return ()
    if not hasattr(result, "record"):
        raise SpecificationError(
            f'{name}: a run (sim.Result) is required, found {result!r:.60}; write check("{name}", answer, result)'
        )
    return (result,)


def question_of(exercise: Exercise) -> str:
    """Return the question with the form of its answer."""
    if exercise.options:
        return f"{exercise.question} One of: {', '.join(map(repr, exercise.options))}."
    unit = "a number" if exercise.unit == "1" else exercise.unit
    return f"{exercise.question} [{unit}, {exercise.accuracy}]"


def key(lesson: str, result: Any = None) -> pl.DataFrame:
    """Return the questions of a lesson with their right answers, for teachers: one row for each exercise.

    Columns: exercise, question, answer (text; "" if it is about a run and no `result` is given), unit, tolerance,
    because, hint. Raises SpecificationError for an unknown lesson.
    """
    found = {name: one for name, one in exercises().items() if name.partition(".")[0] == lesson}
    if not found:
        lessons = list(dict.fromkeys(name.partition(".")[0] for name in exercises()))
        raise SpecificationError(
            f"lesson: one of {', '.join(lessons)} is required, found {lesson!r:.60}{nearest(str(lesson), lessons)}"
        )
    return pl.DataFrame(
        [
            {
                "exercise": name,
                "question": one.question,
                "answer": "" if one.of_run and result is None else written(one.answer(*run_of(name, one, result))),
                "unit": one.unit,
                "tolerance": one.accuracy,
                "because": one.because,
                "hint": one.hint,
            }
            for name, one in found.items()
        ]
    )


def written(answer: Answer) -> str:
    """Return an answer as text, a number with four significant digits."""
    return answer if isinstance(answer, str) else f"{answer:.4g}"
