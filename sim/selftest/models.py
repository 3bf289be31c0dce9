"""Random worlds with a model that leaves the support: a truth P, an SFT language S, and the conditionals of q."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.metrics.scored import Scored, score, truth
from sim.selftest.checks import Value
from sim.selftest.drawn import BAR, PROMPTED, as_language, law_on, strings_of
from sim.selftest.oracles import lists
from sim.selftest.oracles.measures import mean_of
from sim.selftest.oracles.models import Conditionals, Outcome, Seen, log, spread, times, total

SIZE, LENGTH = len(PROMPTED), 5
"""V, and the horizon L, which counts the end."""


@dataclass(frozen=True, eq=False)
class World:
    """Laws on one list of documents, and a model. `view` is the view of `Scored`."""

    view: str
    p: lists.Law
    s: lists.Law
    event: frozenset[Outcome]  # A, documents without their end
    posterior: dict[Outcome, list[Fraction]]
    conditionals: Conditionals
    language: FiniteLanguage

    @cached_property
    def documents(self) -> list[Outcome]:
        """The documents in the order of the rows, without their end."""
        return strings_of(self.language)

    @cached_property
    def prompts(self) -> list[Outcome]:
        """The prompts in the order of the groups; one empty prompt in the joint view."""
        if self.view == "joint":
            return [()]
        return [lists.prompt_of(self.documents[row], BAR) for row in self.language.prompts.first.tolist()]

    def listed(self, law: lists.Law) -> FiniteLanguage:
        """Return a law on the documents as a language on the trie of P."""
        return self.language.with_law(np.array([float(log(law[x])) for x in self.documents]))

    def truth(self, law: lists.Law) -> Scored:
        """Return a law on the documents as the package sees it."""
        return truth(self.listed(law), self.language.prompts, self.view)

    def weights(self, law: lists.Law) -> list[Fraction]:
        """Return the prompt probabilities of a law, in the order of the groups."""
        if self.view == "joint":
            return [sum(law.values(), Fraction(0))]
        found = lists.prompt_law(law, BAR)
        return [found[x] for x in self.prompts]

    def log_law(self, law: lists.Law) -> np.ndarray:
        """Return the same as logs for the package [nat]."""
        return np.array([float(log(w)) for w in self.weights(law)])

    def _ended(self, start: Outcome) -> list[Outcome]:
        return [(*x, 0) for x in self.documents if x[: len(start)] == start]

    def seen(self, law: lists.Law) -> list[Seen]:
        """Return a law on the documents given each prompt, for the oracle."""
        out = []
        for start, weight in zip(self.prompts, self.weights(law), strict=True):
            inside = self._ended(start)
            out.append(Seen({x: law[x[:-1]] / weight for x in inside} if weight else {}, inside, start))
        return out

    @cached_property
    def model(self) -> list[Seen]:
        """q given each prompt, for the oracle."""
        return [Seen(spread(self.conditionals, x, LENGTH), self._ended(x), x, self.conditionals) for x in self.prompts]

    @cached_property
    def scored(self) -> Scored:
        """q as the package sees it."""
        return score(self.language.trie, self.language.prompts, self._record(), self.view)

    def _record(self) -> dict[str, np.ndarray]:
        trie = self.language.trie
        rows = trie.strings[trie.first_string].tolist()
        at = [tuple(row[:depth]) for row, depth in zip(rows, trie.depth.tolist(), strict=True)]
        legal = trie.legal.tolist()
        laws = [self.conditionals[x] for x in at]
        wrong = [[q for q, ok in zip(law, row, strict=True) if not ok] for law, row in zip(laws, legal, strict=True)]
        edges = [laws[n][a] for n, a in zip(trie.edge_node.tolist(), trie.edge_token.tolist(), strict=True)]
        return {
            "edge_log_q": np.array([float(log(q)) for q in edges]),
            "leak": np.array([float(sum(row)) for row in wrong]),
            "leak_plogp": np.array([float(total(times(q, log(q)) for q in row)) for row in wrong]),
            "leak_square": np.array([float(sum(q * q for q in row)) for row in wrong]),
            "leak_max": np.array([float(max(row, default=0)) for row in wrong]),
        }


def random_world(rng: random.Random) -> World:
    """Draw a few documents with one to three prompts, with or without zeros in S and in the model."""
    prompts = rng.sample([(1, BAR), (2, BAR), (BAR,)], rng.randint(1, 3))
    answers = [y for size in range(3) for y in itertools.product((1, 2), repeat=size)]
    documents = {x + y for x in prompts for y in rng.sample(answers, rng.randint(1, 4))}
    p = law_on(rng, documents, zeros=False)
    event = frozenset(x for x in p if rng.random() < 0.6) or frozenset(list(p)[:1])
    s = law_on(rng, event)
    posterior = {}
    for x in p:
        u = Fraction(rng.choice((0, 1, 2, 4, 4)), 4) if rng.random() < 0.6 else Fraction(rng.choice((0, 1)))
        posterior[x] = [u, 1 - u]
    language = as_language(p, PROMPTED, padding=LENGTH - 1 - max(map(len, p)), rng=rng)
    view = rng.choice(("response", "joint"))
    return World(view, p, {x: s.get(x, Fraction(0)) for x in p}, event, posterior, _model(rng, p), language)


def _model(rng: random.Random, p: lists.Law) -> Conditionals:
    """Draw a law after every prefix. On the support, its leak has a random size, possibly 0."""
    nodes = {x[:size] for x in p for size in range(len(x) + 1)}
    legal = {(*x, 0) for x in p} | nodes
    leak = rng.choice((Fraction(0), Fraction(1, 10**9), Fraction(1, 100), Fraction(1)))
    gaps = rng.random() < 0.3
    out = {}
    for size in range(LENGTH):
        for prefix in itertools.product(range(1, SIZE), repeat=size):
            row = [Fraction(rng.randint(0 if gaps and rng.random() < 0.2 else 1, 9)) for _ in range(SIZE)]
            if prefix in nodes:
                row = [w if (*prefix, token) in legal else w * leak for token, w in enumerate(row)]
            if not any(row):
                row[next((token for token in range(SIZE) if (*prefix, token) in legal), 0)] = Fraction(1)
            out[prefix] = [w / sum(row) for w in row]
    return out


@dataclass(frozen=True, eq=False)
class Pair:
    """Two laws as the package and as the oracle see them, and a law of prompts."""

    p: Scored
    q: Scored
    log_law: np.ndarray
    weights: list[Fraction]
    p_seen: list[Seen]
    q_seen: list[Seen]

    def mean(self, value: Callable[[Seen, Seen], Value]) -> Value:
        """Return the average over prompts of a number that depends on both laws."""
        rows = zip(self.weights, self.p_seen, self.q_seen, strict=True)
        return mean_of([(w, value(p, q)) for w, p, q in rows if w])

    def mean_q(self, value: Callable[[Seen], Value]) -> Value:
        """Return the average over prompts of a number that depends on q."""
        return self.mean(lambda _, q: value(q))


def pair_of(world: World, law: lists.Law, prompts: lists.Law) -> Pair:
    """Return a truth and the model, under a law of prompts."""
    return Pair(
        world.truth(law), world.scored, world.log_law(prompts), world.weights(prompts), world.seen(law), world.model
    )


def random_pair(rng: random.Random, world: World) -> Pair:
    """Draw P or S with the model, or P and S in either order, under P(x), or under S(x), which may lack prompts."""
    kind = rng.choice(("model", "model under S", "model of S", "S", "P"))
    if kind.startswith("model"):
        return pair_of(world, world.s if kind == "model of S" else world.p, world.p if kind == "model" else world.s)
    one, other = (world.p, world.s) if kind == "S" else (world.s, world.p)
    return Pair(
        world.truth(one),
        world.truth(other),
        world.log_law(world.s),
        world.weights(world.s),
        world.seen(one),
        world.seen(other),
    )
