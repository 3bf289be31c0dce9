"""An exercise of a lesson: a question, how its right answer is computed, and what to say to a wrong one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from sim.numerics import SpecificationError, nearest

Answer: TypeAlias = float | str
"""A number in the unit of the exercise, or one of its options."""


@dataclass(frozen=True)
class Slip:
    """A wrong answer that many people give. `answer` has the arguments of `Exercise.answer`; `says` is the hint."""

    answer: Callable[..., Answer]
    says: str


@dataclass(frozen=True)
class Exercise:
    """One question with a checked answer.

    answer: computes the right answer from exact quantities or from published tables, so none is stored. It has no
    argument, or one: the `sim.Result` of the reader, if `of_run` is true. because: why the answer is right, shown after
    it; hint: shown after a wrong answer; unit: the unit of a number; options: the possible answers if it is no number;
    relative, absolute: a number is right if it differs from the answer by at most the larger one of
    `relative` · |answer| and `absolute` [unit]; slips: wrong answers with hints of their own.
    """

    question: str
    answer: Callable[..., Answer]
    because: str
    hint: str
    unit: str = "1"
    options: tuple[str, ...] = ()
    of_run: bool = False
    relative: float = 0.01
    absolute: float = 1e-6
    slips: tuple[Slip, ...] = ()

    def given(self, place: str, answer: Any) -> Answer:
        """Return an answer as a number or as an option. Raises SpecificationError if it is neither."""
        if self.options:
            if answer in self.options:
                return str(answer)
            raise SpecificationError(
                f"{place}: one of {', '.join(map(repr, self.options))} is required, found {answer!r:.60}"
                f"{nearest(str(answer), list(self.options))}"
            )
        if isinstance(answer, Real) and answer is not True and answer is not False and math.isfinite(answer):
            return float(answer)
        raise SpecificationError(
            f"{place}: a finite number [{self.unit}] is required, found {answer!r:.60}; write it without its unit"
        )

    def accepts(self, answer: Answer, right: Answer) -> bool:
        """Return whether an answer is right: the same option, or a number within the tolerance."""
        if isinstance(answer, str) or isinstance(right, str):
            return answer == right
        return abs(answer - right) <= max(self.relative * abs(right), self.absolute)

    def advice(self, answer: Answer, *run: Any) -> str:
        """Return the hint of the first slip that gives this answer, or else the hint of the exercise."""
        return next((slip.says for slip in self.slips if self.accepts(answer, slip.answer(*run))), self.hint)

    @property
    def accuracy(self) -> str:
        """How exact an answer has to be, in words."""
        if self.options:
            return ""
        return f"within {100 * self.relative:g} %" if self.relative else "exactly"
