"""What a metric may use, and how a metric is declared: in the list `METRICS` of a file in this folder."""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from sim.disk.records import Record
from sim.languages.finite import FiniteLanguage
from sim.metrics.law_record import scored_from
from sim.metrics.optimum import in_stage, optimum, seen_from
from sim.metrics.scored import Scored, TrieView, View, known
from sim.numerics import SpecificationError
from sim.phases import Meaning
from sim.quantity import Quantity

Found = TypeVar("Found")

TRUTH = "truth"
"""The name that stands for a phase in rows about the world itself, before anything is trained."""


@dataclass(frozen=True, eq=False)
class World:
    """What is exactly known about a run's world in one view: P, P_A, S and q* on P's trie, and the two prompt laws.

    S, A and q* are those of the fine-tuning or, with `stage`, those of this later stage; then `record` holds them where
    a record holds those of the fine-tuning. `whole` is the world of the fine-tuning; None for itself.
    """

    record: Record
    view: View
    stage: str = ""
    whole: "World | None" = None
    _stages: dict[str, "World"] = field(default_factory=dict, repr=False)

    def of_phase(self, phase: str) -> "World":
        """Return the world with the S, A and q* of the stage of a phase."""
        stage = self.record.meanings[phase].stage
        return self.of_stage(stage if stage in self.record.stages else "")

    def of_stage(self, stage: str) -> "World":
        """Return the world of a later stage; that of the fine-tuning for ""."""
        whole = self.whole or self
        if stage == self.stage or not stage:
            return self if stage == self.stage else whole
        if stage not in whole._stages:
            found = World(seen_from(whole.record, stage), self.view, stage, whole)
            found.__dict__.update({name: getattr(whole, name) for name in ("trie", "p", "p_law")})  # they are the same
            whole._stages[stage] = found
        return whole._stages[stage]

    def shown(self, text: str) -> str:
        """Return a text of the columns `of` and `prompt_law` with the names of this stage: S_2, A_2, q*_2.

        S and A keep their names in a stage that has those of the fine-tuning. Its q* has a name of its own.
        """
        return in_stage(text, self.stage, self.record.stages[self.stage].own) if self.stage else text

    @cached_property
    def trie(self) -> TrieView:
        """The common trie, P's, in this view."""
        return TrieView.of(self.record.p.trie, self.record.p.prompts, self.view)

    def of(self, language: FiniteLanguage) -> Scored:
        """Return a language on the common trie."""
        return known(language, self.trie)

    def law_of(self, language: FiniteLanguage) -> np.ndarray:
        """log prompt law [nat] of a language over the prompts of P: float64[G]; one group in the joint view."""
        return language.prompts.log_p if self.view == "response" else np.zeros(1)

    @cached_property
    def p(self) -> Scored:
        """P on the common trie."""
        return self.of(self.record.p)

    @cached_property
    def kept(self) -> Scored:
        """P_A on the common trie."""
        return self.of(self.record.restricted.kept)

    @cached_property
    def s(self) -> Scored:
        """S on the common trie."""
        return self.of(self.record.restricted.s)

    @cached_property
    def best(self) -> Scored | None:
        """q*, the optimum that theory predicts for the fine-tuning on S; None if none is predicted."""
        log_q = optimum(self.record)
        return None if log_q is None else self.of(self.record.p.with_law(log_q))

    @cached_property
    def languages(self) -> dict[str, Scored]:
        """The languages by name: P, P_A, S, and q* if it is predicted."""
        found = {"P": self.p, "P_A": self.kept, "S": self.s}
        return found if self.best is None else found | {"q*": self.best}

    @cached_property
    def p_law(self) -> np.ndarray:
        """log P(x) [nat]: float64[G]."""
        return self.law_of(self.record.p)

    @cached_property
    def s_law(self) -> np.ndarray:
        """log S(x) [nat]: float64[G]."""
        return self.law_of(self.record.restricted.s)

    @property
    def law_names(self) -> tuple[str, str]:
        """The names of the prompt laws P(x) and S(x); both are "" in the joint view, which has only one law."""
        return ("P(x)", "S(x)") if self.view == "response" else ("", "")

    @cached_property
    def laws(self) -> dict[str, np.ndarray]:
        """The prompt laws by name."""
        return dict(zip(self.law_names, (self.p_law, self.s_law), strict=True))

    @cached_property
    def truth(self) -> "Evaluation":
        """The world itself as an evaluation; its subjects are the languages."""
        return Evaluation(self, TRUTH, 0, 0, True, self.languages)

    def scored(self, phase: str, index: int) -> Scored:
        """Return the model of a phase at one evaluation."""
        return scored_from(self.trie, self.view, self.record.p.prompts, self.record.phases[phase].at(index))

    def start(self, phase: str) -> Scored:
        """Return the model with which a phase began; for an edit it is q0, the model before the fine-tuning."""
        place = ("pretrain", -1) if self.record.meanings[phase].role == "edit" else (phase, 0)
        return self.truth.once(("start", *place), lambda: self.scored(*place))

    def evaluations(self, phase: str) -> Iterator["Evaluation"]:
        """Iterate over the evaluations of a phase in the order of its steps."""
        for index in range(len(self.record.phases[phase].steps)):
            yield self.evaluation(phase, index)

    def evaluation(self, phase: str, index: int) -> "Evaluation":
        """Return one evaluation of a phase. Its world is that of the stage of the phase."""
        steps = self.record.phases[phase].steps
        at_end = index in (0, len(steps) - 1)
        subjects = {"q": self.scored(phase, index)}
        return Evaluation(self.of_phase(phase), phase, index, int(steps[index]), at_end, subjects)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Some distributions of one world: its languages (phase "truth"), or a model after some steps of a phase.

    subjects: the distributions by name: P, P_A, S and q* for the truth, q for a model; at_end: whether this is the
    first or the last evaluation of its phase.
    """

    world: World
    phase: str
    index: int
    step: int
    at_end: bool
    subjects: Mapping[str, Scored]
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @property
    def is_truth(self) -> bool:
        """Whether the subjects are the languages of the world."""
        return self.phase == TRUTH

    @property
    def meaning(self) -> Meaning:
        """The meaning of the phase. It raises KeyError for the truth, which is not a phase."""
        return self.world.record.meanings[self.phase]

    @property
    def q(self) -> Scored:
        """The model. It raises KeyError for the truth."""
        return self.subjects["q"]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The recorded arrays of this evaluation; empty for the truth. Those of probes are only in the phase "sft"."""
        return {} if self.is_truth else self.world.record.phases[self.phase].at(self.index)

    def pairs(self) -> Iterator[tuple[str, Scored, str, np.ndarray]]:
        """Iterate over the distributions and, for each, over the prompt laws under which it can be averaged.

        The items are (name of the distribution, distribution, name of the law, log law).
        """
        for of, scored in self.subjects.items():
            for name, law in self.world.laws.items():
                if not self.is_truth or scored.covers(law):
                    yield of, scored, name, law

    def once(self, key: Hashable, make: Callable[[], Found]) -> Found:
        """Return the result of `make`, which is called only once for each key of this evaluation."""
        if key not in self._known:
            self._known[key] = make()
        found: Found = self._known[key]
        return found


@dataclass(frozen=True)
class Cell:
    """One number, with its distributions (`of`), its threshold, style or position (`at`), and its prompt law."""

    of: str
    number: Quantity
    law: str = ""
    at: str = ""


@dataclass(frozen=True)
class Metric:
    """A kind of number that tables, reports and the help of `sim.rows` show.

    name: its name in the column `metric`; symbol, description: texts for people; unit: "1" for probabilities; measure:
    a function that yields its numbers at one evaluation; section: the section of a run's report, "" for none. The row
    in the report shows the cells without `at` of the truths P, S and q*, and of the models, which have `of` = "q".
    """

    name: str
    symbol: str
    unit: str
    description: str
    measure: Callable[[Evaluation], Iterator[Cell]]
    section: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", str(self.name)):
            raise SpecificationError(
                f"metric {self.name!r}: a name in lower-case letters, digits and _ is required; rename it"
            )
        texts = {name: getattr(self, name) for name in ("symbol", "unit", "description", "section")}
        wrong = {name: text for name, text in texts.items() if not isinstance(text, str)}
        if wrong or not callable(self.measure):
            place, found = next(iter((wrong or {"measure": self.measure}).items()))
            wanted = "text" if wrong else "a function of an Evaluation"
            raise SpecificationError(f"metric {self.name}: {place}: {wanted} is required, found {found!r}")


def of_language(
    name: str,
    symbol: str,
    unit: str,
    description: str,
    function: Callable[[Scored, np.ndarray], Quantity | float],
    exact: bool = False,
    section: str = "",
) -> Metric:
    """Declare a metric that is a function of one distribution (a truth or a model) and a log prompt law, float64[G].

    If the function returns plain numbers, `exact=True` must declare that they are exact. Else it returns a Quantity.
    """

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        for of, scored, law_name, law in evaluation.pairs():
            yield Cell(of, certified(name, function(scored, law), exact), law_name)

    return Metric(name, symbol, unit, description, measure, section)


def of_model(
    name: str,
    symbol: str,
    unit: str,
    description: str,
    function: Callable[[World, Scored], Quantity | float],
    of: str = "q",
    law: str = "P(x)",
    exact: bool = False,
    section: str = "",
) -> Metric:
    """Declare a metric that is a function of a world and a model. `law` names the prompt law of its average."""

    def measure(evaluation: Evaluation) -> Iterator[Cell]:
        if not evaluation.is_truth:
            world = evaluation.world
            yield Cell(
                of, certified(name, function(world, evaluation.q), exact), law if world.view == "response" else ""
            )

    return Metric(name, symbol, unit, description, measure, section)


def certified(name: str, value: Quantity | float, exact: bool) -> Quantity:
    """Return a value as a Quantity. Raises TypeError for a plain number that was not declared exact."""
    if isinstance(value, Quantity):
        return value
    if not exact:
        raise TypeError(f"metric {name}: a Quantity or exact=True is required, found a plain number without either")
    return Quantity.of(value)
