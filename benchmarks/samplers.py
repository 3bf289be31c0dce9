"""Sampling: the compiled alias sampler of a world against plain Python that samples token by token."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

from benchmarks.harness import Result, alternate, ratios
from benchmarks.harness import seconds as seconds_of
from sim.grammars.english import english
from sim.languages.device import on_device
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS

BATCH = 1 << 14
"""Number of strings that the compiled sampler draws at a time."""


@dataclass(frozen=True)
class Rows:
    """Tables of a random walk: the tokens that may follow each state, the next states, and the probabilities."""

    tokens: list[list[int]]
    following: list[list[int]]
    weights: list[list[float]]

    def sample(self) -> list[int]:
        """Draw one string in straightforward Python: `random.choices` for every token."""
        state, string = 0, []
        while True:
            tokens = self.tokens[state]
            at = random.choices(range(len(tokens)), self.weights[state])[0]
            string.append(tokens[at])
            if tokens[at] == EOS:
                return string
            state = self.following[state][at]


def trie_rows(language: FiniteLanguage) -> Rows:
    """Return the walk on the prefix trie of a language."""
    trie = language.trie
    edges = np.split(np.arange(trie.num_edges), np.flatnonzero(np.diff(trie.edge_node)) + 1)
    law = np.exp(language.edge_log_prob)
    return Rows(*([values[own].tolist() for own in edges] for values in (trie.edge_token, trie.edge_child, law)))


def chain(num_symbols: int, length: int) -> tuple[FiniteLanguage, Rows]:
    """Return a Markov chain that ends after `length` symbols: its listed strings, and its walk.

    A state of the walk is a pair of position and symbol.
    """
    dice = np.random.default_rng(0)
    law = dice.dirichlet(np.ones(num_symbols), size=num_symbols + 1)  # the last row is the law of the first symbol
    content = np.stack([index.ravel() for index in np.indices((num_symbols,) * length)], axis=1)
    before = np.column_stack([np.full(len(content), num_symbols), content[:, :-1]])
    vocabulary = Vocabulary(("<eos>", *(f"y{symbol}" for symbol in range(num_symbols))))
    strings = np.pad(content + 1, ((0, 0), (0, 1)))
    language = FiniteLanguage.from_strings(vocabulary, strings, np.log(law[before, content]).sum(axis=1))
    symbols = list(range(num_symbols))
    rows = Rows([[1 + s for s in symbols]], [[1 + s for s in symbols]], [law[-1].tolist()])
    for position in range(1, length):
        for symbol in symbols:
            rows.tokens.append([1 + s for s in symbols])
            rows.following.append([1 + position * num_symbols + s for s in symbols])
            rows.weights.append(law[symbol].tolist())
    for _ in symbols:
        rows.tokens.append([EOS])
        rows.following.append([0])
        rows.weights.append([1.0])
    return language, rows


def compiled(language: FiniteLanguage, batch: int) -> Callable[[float], float]:
    """Return a function of seconds: it runs the alias sampler, as training calls it, and returns strings per second."""
    listed, keys = on_device(language), iter(range(1 << 62))
    draw = jax.jit(lambda listed, key: listed.sample(key, (batch,)))

    def once() -> None:
        draw(listed, jax.random.key(next(keys))).block_until_ready()

    once()
    return lambda seconds: _rate(once, batch, seconds)


def _rate(work: Callable[[], object], strings: int, seconds: float) -> float:
    """Strings per second of `work`, which is repeated for about `seconds`."""
    done, taken = 0, 0.0
    while taken < seconds:
        taken += seconds_of(work)
        done += strings
    return done / taken


def measure(
    work: str, language: FiniteLanguage, rows: Rows, reach: float | None, seconds: float, rounds: int
) -> Result:
    """Measure the ratio for one world."""
    sampler = compiled(language, BATCH)
    found = alternate({"alias": lambda: sampler(seconds), "Python": lambda: _rate(rows.sample, 1, seconds)}, rounds)
    return Result(
        "samplers",
        work,
        **ratios(found["alias"], found["Python"]),
        reach=reach,
        note=f"{language.support_size:,} strings, horizon {language.length}",
        measured={f"{name} strings/s": float(np.median(rates)) for name, rates in found.items()},
    )


def run(quick: bool = False) -> list[Result]:
    """Measure the default world and a Markov chain."""
    seconds, rounds = (0.01, 1) if quick else (1.0, 7)
    default = english(num_prompts=1) if quick else english()
    spoken, rows = chain(2, 3) if quick else chain(4, 8)
    return [
        measure("enumerable world (english)", default, trie_rows(default), 300, seconds, rounds),
        measure("Markov chain, enumerated", spoken, rows, 100, seconds, rounds),
    ]
