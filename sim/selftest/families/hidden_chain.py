"""Check hidden chains that never stop against sums over all paths, with rational probabilities."""

import random
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from sim.languages.hidden_chain import HiddenChain
from sim.languages.vocabulary import Vocabulary
from sim.selftest import drawn_walks
from sim.selftest.checks import REFUSED, Check, attempt
from sim.selftest.drawn import LOG_FLOOR, logs
from sim.selftest.oracles import hidden_chains
from sim.selftest.oracles.machines import Arc
from sim.selftest.oracles.numbers import entropy

ROUNDING = 1e-10
"""Slack of a bound [nat]: it is a difference of entropies, which are rounded."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check blocks, laws of the next symbol, the long run, and the bounds of the entropy rate."""
    size, symbols, number = rng.randint(1, 3), rng.randint(1, 3), rng.randint(1, 4)
    first, arcs = drawn_walks.row(rng, size), _arcs(rng, size, symbols)
    chain = as_hidden_chain(first, arcs, symbols)
    known = [hidden_chains.blocks(first, arcs, n) for n in range(number + 1)]
    entropies = [entropy(one.values()) for one in known]
    yield Check("block entropies", chain.block_entropies(number), entropies, floor=LOG_FLOOR)
    strings = chain.blocks(number)
    yield Check("number of blocks", strings.support_size, len(known[-1]))
    for x, p in rng.sample(sorted(known[-1].items()), min(len(known[-1]), 4)):
        yield Check("log P(block)", chain.log_prefix(x), logs([p])[0], floor=LOG_FLOOR)
        yield Check("log P(block as a string)", strings.log_prob(x), logs([p])[0], floor=LOG_FLOOR)
        law = hidden_chains.following(known[-1], x[:-1], symbols)
        yield Check("log P(. | prefix)", chain.next_log_probs(x[:-1]), logs(law), floor=LOG_FLOOR)
    yield Check("long-run frequencies", chain.frequencies(), hidden_chains.shares(arcs, size, symbols))
    lower, upper = hidden_chains.rate_bounds(arcs, size, number)
    found = chain.rate()
    yield Check(
        "lower bound of the entropy rate", float(lower) - ROUNDING <= found.lower <= float(upper) + ROUNDING, True
    )
    yield Check(
        "upper bound of the entropy rate", float(lower) - ROUNDING <= found.upper <= float(upper) + ROUNDING, True
    )
    yield Check("an entropy is refused", attempt(chain.entropy) == REFUSED, True)


def _arcs(rng: random.Random, size: int, symbols: int) -> list[Arc]:
    """Draw arcs of an irreducible machine: every state leads to the next one, and perhaps to others."""
    arcs: list[Arc] = []
    for s in range(size):
        ways = {(rng.randint(1, symbols), (s + 1) % size)}
        ways |= {(rng.randint(1, symbols), rng.randrange(size)) for _ in range(rng.randint(0, 3))}
        law: list[Fraction] = drawn_walks.row(rng, len(ways))
        arcs += [(s, a, t, p) for (a, t), p in zip(sorted(ways), law, strict=True)]
    return arcs


def as_hidden_chain(first: list[Fraction], arcs: list[Arc], symbols: int) -> HiddenChain:
    """Return the chain as the object under test."""
    transitions = np.zeros((symbols + 1, len(first), len(first)))
    for s, a, t, p in arcs:
        transitions[a, s, t] = float(p)
    vocabulary = Vocabulary(("<eos>", *"abc"[:symbols]), joiner="")
    return HiddenChain(vocabulary, np.array([float(p) for p in first]), transitions)
