"""Tiny worlds of every kind with the record that a run of each would leave; all laws are known as fractions."""

import dataclasses
import math
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from itertools import product

import numpy as np

from sim.disk.records import PhaseRecord, Record
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.restricted import Restricted
from sim.languages.vocabulary import Vocabulary
from sim.metrics.table import residuals
from sim.phases import MEANINGS
from sim.probes.decoded import decoded_arrays
from tests.unit.metrics.small_worlds import (
    BAR,
    Conditionals,
    L,
    Law,
    Outcome,
    V,
    World,
    log,
    make_world,
    node_prefixes,
    random_model,
    spread,
)
from tests.unit.metrics.small_worlds import record as node_arrays

NONE = Fraction(0)
STYLES = ("plain", "ornate")
STEPS = (0, 10)
RATE = 0.05
PHASES = ("pretrain", "sft", "identity", "carried", "linearised", "recovery", "scratch")
PROBED = "sft"
"""The phase in which derivatives are recorded."""
RULES = (("temperature", 2.0), ("temperature", 0.5), ("top_k", 2.0), ("top_p", 0.75), ("min_p", 0.25))
"""The decoding rules in the same phase."""
MEAN, PARTS = "carried", (("pretrain", 0.25), ("sft", 0.25), ("linearised", 0.5))
"""A phase that counts as a weighted mean of the parameters of others here, and these with their weights."""
WATCHED, PEAK = ("sft", "identity"), 0.25
"""Phases with numbers after every step, and by how much the largest is above the last one [nat]."""
SHOWS = 2
"""The token that begins all answers of the second style in the world with shown styles."""
SEPARATOR, WITH_EXAMPLES = 2, ("shown", "overlapping")
"""The token that closes an example in a prompt, in the worlds with these styles; in others it is a letter."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A world, its record, and everything in it as fractions; documents are in the order of the trie.

    prompts: those of P, or the empty one alone; share: P(z | document), by document, empty without styles; models: q at
    every evaluation of every phase, as the next-token law at every prefix; weight: of replay, 0 for SFT.
    """

    documents: list[Outcome]
    prompts: list[Outcome]
    p: Law
    s: Law
    event: set[Outcome]
    share: Mapping[Outcome, tuple[Fraction, ...]]
    models: Mapping[tuple[str, int], Conditionals]
    weight: Fraction
    record: Record

    @property
    def kept(self) -> Law:
        """P_A."""
        return normalised({d: v for d, v in self.p.items() if d in self.event})

    @property
    def lost(self) -> Law:
        """P_B; empty where nothing is lost."""
        return normalised({d: v for d, v in self.p.items() if d not in self.event})

    @property
    def best(self) -> Law:
        """q* of the fine-tuning: (1 - weight) S + weight P."""
        mixed = ((1 - self.weight) * self.s.get(d, NONE) + self.weight * self.p.get(d, NONE) for d in self.documents)
        return dict(zip(self.documents, mixed, strict=True))

    @property
    def shown(self) -> bool:
        """Whether the second style is the one whose answers begin with its token."""
        return bool(self.share) and all((d[d.index(BAR) + 1] == SHOWS) == bool(v[1]) for d, v in self.share.items())

    @property
    def phases(self) -> list[str]:
        """The phases of the record."""
        return list(self.record.phases)


def normalised(law: Law) -> Law:
    total = sum(law.values())
    return {d: v / total for d, v in law.items() if v}


def case(
    seed: int,
    prompted: bool = True,
    styles: str = "disjoint",
    weight: Fraction = NONE,
    whole: bool = False,
    missed: bool = False,
    new: bool = False,
    loss_on: str = "response",
    answers: int = 0,
) -> Case:
    """A world with prompts or without, whose styles are disjoint, overlapping or none.

    With overlapping styles S is P given the first one, which is no set of strings. With shown styles, the second one is
    lost and all its answers, and no others, begin with one token. whole: S keeps all that P has; missed: models give
    probability 0 to some strings that S keeps and to some that it lacks; new: strings that P lacks are listed too, and
    S has half of them in a third of its documents; answers: how many were drawn for each of the first two prompts.
    """
    world = make_world(seed, leak=Fraction(1, 10))
    strange = lacking(world) if new else []
    if new:
        world = with_new(world, strange)
    documents = world.documents()
    share = shares(documents, styles, seed)
    event, s = world.event, world.s
    if whole:
        event, s = set(documents), dict(world.p)
    elif styles == "overlapping":
        event = {d for d in documents if share[d][0]}
        s = normalised({d: v * share[d][0] for d, v in world.p.items()})
    elif styles == "shown":
        event = {d for d in documents if share[d][0]}
        s = normalised({d: v * (1 + len(d)) for d, v in world.p.items() if d in event})
    elif answers:
        s = drawn(world, answers, seed)
        event = set(s)
    models = {(phase, index): a_model(world, number) for number, (phase, index) in enumerate(evaluations(whole))}
    for phase in ("carried", "identity", "linearised"):  # every fine-tuning begins where the pretraining ended
        models[phase, 0] = models["pretrain", 1]
    models["sft", 0] = models["pretrain", 1]
    if missed:
        left = [next(d for d in reversed(documents) if (d in event) == kept) for kept in (True, False)]
        for key in [("sft", 1), ("linearised", 1)]:
            models[key] = without(models[key], left)
    prompts = world.group_prompts() if prompted else [()]
    notes = {"kept": 0.25} | ({"num_answers": float(answers)} if answers else {})
    record = recorded(world, prompted, event, s, share, styles, models, weight, loss_on, seed, notes)
    return Case(documents, prompts, world.p, s, event, share, models, weight, record)


def drawn(world: World, number: int, seed: int) -> Law:
    """S: the shares of some draws from P(y|x) for each of the first two prompts, which keep their relative weight."""
    dice, law = random.Random(seed), dict[Outcome, Fraction]()
    for x in world.prompts[:2]:
        own = [d for d in world.p if d[: len(x)] == x]
        mass = sum(world.p[d] for d in own)
        for d in dice.choices(own, [float(world.p[d]) for d in own], k=number):
            law[d] = law.get(d, NONE) + mass / number
    return normalised(law)


def lacking(world: World) -> list[Outcome]:
    """Two answers to every prompt that P lacks, in words that it knows."""
    found = []
    for x in world.prompts:
        room = L - 1 - len(x)
        answers = [(*x, *y, 0) for size in range(room + 1) for y in product((1, 2), repeat=size)]
        found += [d for d in answers if d not in world.p][:2]
    return found


def with_new(world: World, strange: list[Outcome]) -> World:
    """The world with more strings on its trie. S draws from every second one of them, where it has the prompt."""
    strings, log_p = np.zeros((len(world.p) + len(strange), L), np.int32), []
    for row, document in enumerate([*world.p, *strange]):
        strings[row, : len(document)] = document
        log_p.append(log(world.p.get(document, NONE)))
    language = FiniteLanguage.from_strings(world.language.vocabulary, strings, np.array(log_p))
    known = [d for d in strange[::2] if any(v and d[: d.index(BAR)] == y[: y.index(BAR)] for y, v in world.s.items())]
    s = {d: v * Fraction(2, 3) for d, v in world.s.items()} | {d: Fraction(1, 3 * len(known)) for d in known}
    return dataclasses.replace(world, language=language, s=s)


def evaluations(whole: bool) -> list[tuple[str, int]]:
    """Where nothing is lost there is nothing to be learnt again."""
    phases = PHASES[:-2] if whole else PHASES
    return [(phase, index) for phase in phases for index in range(len(STEPS))]


def shares(documents: list[Outcome], styles: str, seed: int) -> dict[Outcome, tuple[Fraction, ...]]:
    if styles == "none":
        return {}
    if styles == "disjoint":
        return {d: ((Fraction(1), NONE) if len(d) <= 4 else (NONE, Fraction(1))) for d in documents}
    if styles == "shown":
        return {d: (NONE, Fraction(1)) if d[d.index(BAR) + 1] == SHOWS else (Fraction(1), NONE) for d in documents}
    dice = random.Random(seed)
    first = {d: Fraction(dice.choice([0, 1, 2, 3, 4]), 4) for d in documents} | {documents[0]: Fraction(1, 2)}
    return {d: (value, 1 - value) for d, value in first.items()}


def a_model(world: World, number: int) -> Conditionals:
    return random_model(random.Random(number), world.p, Fraction(1, 10), zeros=True)


def without(model: Conditionals, documents: list[Outcome]) -> Conditionals:
    """The model with probability 0 for some documents: the last token of each becomes impossible."""
    changed = dict(model)
    for d in documents:
        row = [NONE if token == d[-1] else value for token, value in enumerate(changed[d[:-1]])]
        changed[d[:-1]] = [value / sum(row) for value in row]
    return changed


def recorded(
    world: World,
    prompted: bool,
    event: set[Outcome],
    s: Law,
    share: Mapping[Outcome, tuple[Fraction, ...]],
    styles: str,
    models: Mapping[tuple[str, int], Conditionals],
    weight: Fraction,
    loss_on: str,
    seed: int,
    notes: Mapping[str, float],
) -> Record:
    documents = world.documents()
    named = Styles(STYLES, np.array([[log(v) for v in share[d]] for d in documents])) if share else None
    symbols = world.language.vocabulary.symbols
    if styles in WITH_EXAMPLES:
        symbols = tuple(";" if token == SEPARATOR else symbol for token, symbol in enumerate(symbols))
    vocabulary = Vocabulary(symbols, world.language.vocabulary.prompt_end if prompted else None)

    def language(law: Law) -> FiniteLanguage:
        return FiniteLanguage(vocabulary, world.trie, np.array([log(law.get(d, NONE)) for d in documents]), named)

    kept = normalised({d: v for d, v in world.p.items() if d in event})
    mask, log_mass = np.array([d in event for d in documents]), log(sum(v for d, v in world.p.items() if d in event))
    member = np.array([log(share[d][0]) for d in documents]) if styles == "overlapping" else None
    restricted = Restricted(language(s), language(kept), mask, log_mass, notes, member)
    phases = {}
    for phase in dict.fromkeys(name for name, _ in models):
        rows = [node_arrays(world.trie, models[phase, index]) for index in range(len(STEPS))]
        arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        if phase == PROBED:
            arrays |= derivatives(len(documents), seed)
            both = [after_rules(language(world.p), models[phase, index]) for index in range(len(STEPS))]
            arrays |= {name: np.stack([one[name] for one in both]) for name in both[0]}
        if phase == MEAN:
            both = [models[part, len(STEPS) - 1] for part, _ in PARTS]
            arrays["mixture_log_z"] = np.array([log_sums_of_products(world, both)] * len(STEPS))
        seen = by_step(models[phase, 1], s, vocabulary.prompt_end) if phase in WATCHED else None
        squares = (
            np.array([[0.9, 1.1]] * STEPS[1]) * np.arange(1.0, STEPS[1] + 1.0)[:, None] if phase in WATCHED else None
        )
        phases[phase] = PhaseRecord(np.array(STEPS), np.array([math.nan, 2.5]), arrays, seen, squares)
    objective = {"kind": "replay", "weight": float(weight)} if weight else {"kind": "sft"}
    config = {
        "name": "tiny", "seed": seed, "objective": objective, "pretrain": {"limit": 0.02, "num_steps": 20},
        "finetune": {"loss_on": loss_on}, "optimizer": {"learning_rate": RATE},
    }  # fmt: skip
    facts = {"pretraining": {"joint_kl": 1.5, "limit": 0.02, "valid": False}}
    params = {phase: parameters(seed, phase) for phase in phases}
    meanings = {phase: MEANINGS[phase] for phase in phases}
    meanings[MEAN] = dataclasses.replace(meanings[MEAN], parts=PARTS)
    record = Record("tiny", "0" * 12, config, language(world.p), restricted, phases, facts, params, meanings=meanings)
    record.facts["residuals"] = residuals(record)
    return record


def by_step(q: Conditionals, s: Law, prompt_end: int | None) -> np.ndarray:
    """KL(S‖q) of prompts and of answers after every step: 0, then that of the last evaluation, once PEAK above it."""
    parts = []
    for of_prompt in (True, False):
        total = 0.0
        for document, mass in s.items():
            end = 0 if prompt_end is None else document.index(prompt_end) + 1
            for t in range(end) if of_prompt else range(end, len(document)):
                here = sum((v for d, v in s.items() if d[:t] == document[:t]), NONE)
                there = sum((v for d, v in s.items() if d[: t + 1] == document[: t + 1]), NONE)
                total += float(mass) * (log(there / here) - log(q[document[:t]][document[t]])) if mass else 0.0
        parts.append(total)
    found = np.tile(np.array(parts), (STEPS[1], 1))
    found[0] = 0.0  # here the model is as near to S as any optimum is
    found[2, 1] += PEAK
    return found


def derivatives(number: int, seed: int) -> dict[str, np.ndarray]:
    """What the probe would record; the metrics do not ask where it comes from."""
    dice = np.random.default_rng(seed)
    size = (len(STEPS), number)
    return {
        "tangent_displacement": dice.normal(size=size),
        "tangent_velocity": dice.normal(size=size),
        "weight_distance": np.array([[0.0], [1.75]]),
        "kernel": np.array([triangle(dice.normal(size=(number, 2 * number))) for _ in STEPS]),
        "sharpness": np.array([[40.5], [40.5]]),
        "gradient_noise": np.array([[0.5], [0.75]]),
        **moments(seed),
    }


def after_rules(p: FiniteLanguage, model: Conditionals) -> dict[str, np.ndarray]:
    """What the probe `decoded` would record of a model."""
    table = np.array([[log(value) for value in model[prefix]] for prefix in node_prefixes(p.trie)])
    return decoded_arrays(table, p.trie, p.prompts, RULES)


def log_sums_of_products(world: World, models: list[Conditionals]) -> list[float]:
    """What would be recorded of a mean: at every node the log of the sum over all tokens of Π q_i^w_i."""
    found = []
    for prefix in node_prefixes(world.trie):
        rows = [model[prefix] for model in models]
        products = [math.prod(float(row[a]) ** w for row, (_, w) in zip(rows, PARTS, strict=True)) for a in range(V)]
        found.append(math.log(math.fsum(products)) if any(products) else -math.inf)
    return found


def states(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of six prefixes, and hidden states of three numbers by step, layer and prefix. One does not vary."""
    dice = np.random.default_rng(seed + 1)
    found = dice.normal(size=(len(STEPS), 3, 6, 3))
    found[:, 0] = 2.0
    return dice.dirichlet(np.ones(6)), found


def moments(seed: int) -> dict[str, np.ndarray]:
    """What the probe `hidden` would record of these states."""
    weight, h = states(seed)
    return {
        "hidden_mean": np.einsum("r,slrd->sld", weight, h),
        "hidden_second": np.einsum("r,slrd,slre->slde", weight, h, h),
        "hidden_cross": np.einsum("r,slrd,lre->slde", weight, h, h[0]),
    }


def parameters(seed: int, phase: str) -> dict[str, np.ndarray]:
    """The parameters at the end of a phase: matrices, one of them still and one with three axes, and a vector."""
    dice = np.random.default_rng([seed, *phase.encode()])
    shapes = {"block.kernel": (4, 3), "heads": (2, 2, 5), "norm": (3,)}
    drawn = {name: dice.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    impossible = np.array([[-math.inf, 0.5], [1.5, sum(phase.encode()) / 70]], np.float32)
    return drawn | {"still": np.ones((2, 2), np.float32), "table": impossible}


def triangle(jacobian: np.ndarray) -> np.ndarray:
    """The lower triangle of the kernel of some derivatives, row by row."""
    return np.concatenate([row[: at + 1] for at, row in enumerate(jacobian @ jacobian.T)])


MAKERS: dict[str, Callable[[], Case]] = {
    "prompts": lambda: case(11, weight=Fraction(1, 4)),
    "shown styles": lambda: case(8, styles="shown"),
    "no prompts": lambda: case(3, prompted=False, styles="none"),
    "overlapping styles": lambda: case(1, styles="overlapping", loss_on="document"),
    "missed strings": lambda: case(4, missed=True),
    "all kept": lambda: case(5, whole=True),
    "new strings": lambda: case(8, new=True),
    "few answers": lambda: case(2, answers=3),
}


@cache
def made(name: str) -> Case:
    """One of the worlds, made once."""
    return MAKERS[name]()


# -- sums over strings ------------------------------------------------------------------------------------------------


class Seen:
    """The laws of a case in one view: given the prompt, or of whole documents as answers to the empty prompt."""

    def __init__(self, of: Case, view: str) -> None:
        self.case, self.response = of, view == "response"
        self.prompts: list[Outcome] = of.prompts if self.response else [()]
        self.p_name, self.s_name = ("P(x)", "S(x)") if self.response else ("", "")

    def given(self, law: Law, x: Outcome) -> Law:
        """The law of the answers to a prompt, by whole documents; empty if the prompt has probability 0."""
        inside = {d: v for d, v in law.items() if d[: len(x)] == x}
        return normalised(inside) if sum(inside.values()) else {}

    def weights(self, law: Law) -> dict[Outcome, Fraction]:
        """The prompt law of a law of documents; prompts of probability 0 are left out."""
        found = {x: sum((v for d, v in law.items() if d[: len(x)] == x), NONE) for x in self.prompts}
        return {x: weight for x, weight in found.items() if weight}

    @cache  # noqa: B019, there are few
    def model(self, phase: str, index: int, x: Outcome) -> Law:
        """q(. | x) over every outcome that the vocabulary can write."""
        return spread(self.case.models[phase, index], x)

    @cache  # noqa: B019
    def answers(self, phase: str, index: int, x: Outcome) -> Law:
        """q(. | x) of the listed documents alone: products of next-token probabilities."""
        q = self.case.models[phase, index]
        mine = [d for d in self.case.documents if d[: len(x)] == x]
        return {d: math.prod((q[d[:t]][d[t]] for t in range(len(x), len(d))), start=Fraction(1)) for d in mine}

    def merged(self, phase: str, index: int, x: Outcome) -> Law:
        """The same with everything else as one more atom, the empty outcome."""
        law = self.answers(phase, index, x)
        return law | {(): 1 - sum(law.values())}

    def prefixes(self, law: Law) -> list[tuple[int, Fraction, Outcome]]:
        """(position, probability, prefix) of every prefix at which a token of an answer is still to come."""
        found: dict[Outcome, Fraction] = {}
        for d, value in law.items():
            for depth in range(self.start(d), len(d)):
                found[d[:depth]] = found.get(d[:depth], NONE) + value
        return [(len(h) - self.start(h), value, h) for h, value in found.items() if value]

    def start(self, tokens: Outcome) -> int:
        """How many tokens of a document belong to its prompt."""
        return next(len(x) for x in self.prompts if tokens[: len(x)] == x)

    @property
    def positions(self) -> range:
        """The positions that occur in an answer of P."""
        return range(max(len(d) - self.start(d) for d in self.case.documents))


def average(weights: Mapping[Outcome, Fraction], values: Mapping[Outcome, float | Fraction]) -> float:
    """The mean over prompts of a number for each."""
    return math.fsum(float(weights[x]) * float(value) for x, value in values.items())
