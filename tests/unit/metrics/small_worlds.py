"""Worlds small enough to enumerate every string over the vocabulary, in fractions: the oracle of the metric tests."""

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sim.languages.finite import FiniteLanguage, Prompts
from sim.languages.trie import Trie
from sim.languages.vocabulary import Vocabulary
from sim.metrics.scored import Scored, score, truth

V, L = 4, 6
BAR = 3  # closes the prompt
Outcome = tuple[int, ...]  # ends in EOS = 0 if finished, L symbols without EOS if not
Law = dict[Outcome, Fraction]
Conditionals = dict[Outcome, list[Fraction]]


def log(value: Fraction) -> float:
    return -math.inf if value == 0 else math.log(value.numerator) - math.log(value.denominator)


def surprise(law: Iterator[Fraction]) -> float:
    return math.fsum(-float(value) * log(value) for value in law if value)


def normalised(weights: list[int]) -> list[Fraction]:
    return [Fraction(weight, sum(weights)) for weight in weights]


@dataclass
class World:
    """P on a few documents `x y`, an SFT language S and a model q given by a conditional at every prefix."""

    prompts: list[Outcome]
    p: Law
    s: Law
    event: set[Outcome]  # A
    q: Law  # over every outcome of at most L tokens
    q_conditionals: Conditionals
    language: FiniteLanguage
    s_language: FiniteLanguage
    kept_language: FiniteLanguage
    mask: np.ndarray  # A, as rows of the trie

    def documents(self) -> list[Outcome]:
        """Supported documents in the order of the trie."""
        return [tuple(int(t) for t in row[:n]) for row, n in zip(self.trie.strings, self.trie.lengths, strict=True)]

    @property
    def trie(self) -> Trie:
        return self.language.trie

    @property
    def groups(self) -> Prompts:
        return self.language.prompts

    def scored(self, view: str) -> Scored:
        return score(self.trie, self.groups, record(self.trie, self.q_conditionals), view)

    def truth(self, view: str) -> Scored:
        return truth(self.language, self.groups, view)

    def truth_s(self, view: str) -> Scored:
        return truth(self.s_language, self.groups, view)

    def truth_kept(self, view: str) -> Scored:
        return truth(self.kept_language, self.groups, view)

    def log_law(self, view: str, of: str = "p") -> np.ndarray:
        if view == "joint":
            return np.zeros(1)
        return np.array([log(sum(mass(self.law_named(of), x))) for x in self.group_prompts()])

    def law_named(self, of: str) -> Law:
        return {"p": self.p, "s": self.s, "q": self.q}[of]

    def group_prompts(self) -> list[Outcome]:
        """Prompt of each group, in the order of the groups."""
        documents = self.documents()
        return [documents[row][: documents[row].index(BAR) + 1] for row in self.groups.first]

    def laws(self, view: str, of: str) -> list[tuple[Fraction, Law]]:
        """Weight P(x) and the law given x, per group; one group of weight 1 in the joint view."""
        law = self.law_named(of)
        if view == "joint":
            return [(Fraction(1), law)]
        out = []
        for x in self.group_prompts():
            inside = {y: value for y, value in law.items() if y[: len(x)] == x}
            total = sum(inside.values())
            given = {y: value / total for y, value in inside.items()} if total else {}
            out.append((sum(mass(self.p, x)), given))
        return out


def mass(law: Law, prefix: Outcome) -> list[Fraction]:
    return [value for y, value in law.items() if y[: len(prefix)] == prefix] or [Fraction(0)]


def spread(conditionals: Conditionals, prefix: Outcome = (), weight: Fraction = Fraction(1)) -> Law:
    """Every outcome of positive probability."""
    if weight == 0:
        return {}
    if len(prefix) == L or (prefix and prefix[-1] == 0):
        return {prefix: weight}
    out: Law = {}
    for token, share in enumerate(conditionals[prefix]):
        out |= spread(conditionals, (*prefix, token), weight * share)
    return out


def prefixes() -> Iterator[Outcome]:
    for size in range(L):
        yield from itertools.product(range(1, V), repeat=size)


def node_prefixes(trie: Trie) -> list[Outcome]:
    out: list[Outcome] = [()] * trie.num_nodes
    for row, nodes in zip(trie.strings, trie.node, strict=True):
        for depth, node in enumerate(nodes[nodes >= 0]):
            out[node] = tuple(int(t) for t in row[:depth])
    return out


def record(trie: Trie, conditionals: Conditionals) -> dict[str, np.ndarray]:
    """What an evaluator would record, from fractions."""
    at = node_prefixes(trie)
    legal = [set() for _ in at]
    for node, token in zip(trie.edge_node, trie.edge_token, strict=True):
        legal[node].add(int(token))
    illegal = [[q for a, q in enumerate(conditionals[x]) if a not in ok] for x, ok in zip(at, legal, strict=True)]
    return {
        "edge_log_q": np.array(
            [log(conditionals[at[n]][a]) for n, a in zip(trie.edge_node, trie.edge_token, strict=True)]
        ),
        "leak": np.array([float(sum(row)) for row in illegal]),
        "leak_plogp": np.array([-surprise(iter(row)) for row in illegal]),
        "leak_square": np.array([float(sum(q * q for q in row)) for row in illegal]),
        "leak_max": np.array([float(max(row, default=Fraction(0))) for row in illegal]),
    }


def exits(world: World, view: str) -> list[list[tuple[Fraction, int]]]:
    """(q_e, R_e) of every exit given x, per group, from first principles: R_e counts the outcomes behind it."""
    supported = {d[:k] for d in world.documents() for k in range(len(d) + 1)}
    starts = [()] if view == "joint" else world.group_prompts()
    out = []
    for x in starts:
        found = []
        for prefix in sorted(supported):
            if prefix[: len(x)] != x or (prefix and prefix[-1] == 0):
                continue
            reach = Fraction(1)
            for depth in range(len(x), len(prefix)):
                reach *= world.q_conditionals[prefix[:depth]][prefix[depth]]
            for token, share in enumerate(world.q_conditionals[prefix]):
                if (*prefix, token) not in supported:
                    found.append((reach * share, _behind((*prefix, token))))
        out.append(found)
    return out


def _behind(prefix: Outcome) -> int:
    if len(prefix) == L or prefix[-1] == 0:
        return 1
    return sum(_behind((*prefix, token)) for token in range(V))


def make_world(seed: int, leak: Fraction = Fraction(1), zeros: bool = True, stop_early: bool = True) -> World:
    """A random world. `leak` scales the model's mass on illegal tokens; `zeros` lets S and q have zeros;
    without `stop_early` every document is of full length, so that EOS is illegal before."""
    dice = random.Random(seed)
    prompts = [(1, BAR), (2, BAR), (2, 1, BAR)]
    p_weights: dict[Outcome, int] = {}
    for x in prompts:
        room = L - 1 - len(x)
        sizes = range(room + 1) if stop_early else [room]
        answers = [y for size in sizes for y in itertools.product((1, 2), repeat=size)]
        for y in dice.sample(answers, min(len(answers), dice.randint(2, 5))):
            p_weights[(*x, *y, 0)] = dice.randint(1, 20)
    p = dict(zip(p_weights, normalised(list(p_weights.values())), strict=True))
    event = {d for d in p if dice.random() < 0.5} | {next(iter(p))}
    if zeros:  # one prompt is kept whole (P(B|x) = 0), and the last one is lost (P(A|x) = 0)
        event |= {d for d in p if d[: len(prompts[0])] == prompts[0]}
        event -= {d for d in p if d[: len(prompts[2])] == prompts[2]}
    kept = {d: (p[d] if d in event else Fraction(0)) for d in p}
    kept = {d: value / sum(kept.values()) for d, value in kept.items()}
    tilt = {d: value * dice.randint(0 if zeros and len(event) > 1 else 1, 5) for d, value in kept.items()}
    tilt[next(iter(p))] += Fraction(1, 50)
    s = {d: value / sum(tilt.values()) for d, value in tilt.items()}
    conditionals = random_model(dice, p, leak, zeros)
    vocabulary = Vocabulary(("<eos>", "a", "b", "|"), prompt_end=BAR)
    strings = np.zeros((len(p), L), np.int32)
    for row, document in enumerate(p):
        strings[row, : len(document)] = document

    def build(law: Law) -> FiniteLanguage:
        return FiniteLanguage.from_strings(vocabulary, strings, np.array([log(law[d]) for d in p]))

    language = build(p)
    world = World(
        prompts, p, s, event, spread(conditionals), conditionals, language, build(s), build(kept), np.zeros(0)
    )
    world.mask = np.array([d in event for d in world.documents()])
    return world


def random_model(dice: random.Random, p: Law, leak: Fraction, zeros: bool) -> Conditionals:
    supported = {d[:k] for d in p for k in range(len(d) + 1)}
    out = {}
    for prefix in prefixes():
        ok = [(*prefix, token) in supported for token in range(V)]
        weights = [Fraction(dice.randint(0 if zeros and not ok[a] and dice.random() < 0.3 else 1, 9)) for a in range(V)]
        if any(ok):
            weights = [w if good else w * leak for w, good in zip(weights, ok, strict=True)]
        out[prefix] = [w / sum(weights) for w in weights]
    return out
