"""Check chains that never stop, with rational probabilities, against rational balance equations and short blocks."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction

import mpmath
import numpy as np

from sim.languages.chain import Chain
from sim.languages.chain_rates import excess_entropy, kl_rate
from sim.languages.vocabulary import Vocabulary
from sim.selftest import drawn_walks
from sim.selftest.checks import REFUSED, Check, attempt
from sim.selftest.drawn import LOG_FLOOR, SMALL, logs
from sim.selftest.oracles import chains
from sim.selftest.oracles.chains import Rows
from sim.selftest.oracles.numbers import DIGITS, entropy, real

WORDS = 4
"""Length of the words from which the excess entropy is computed again."""


def checks(rng: random.Random) -> Iterator[Check]:
    """Check the long run, the beginning, and blocks as strings."""
    symbols = rng.randint(1, 3)
    rows = drawn(rng, symbols)
    chain = as_chain(rows, symbols)
    yield from _long_run(chain, rows, symbols)
    number = rng.randint(0, 5)
    blocks = chains.blocks(rows, 0, number)
    shorter = [entropy(p for _, p in chains.blocks(rows, 0, n).values()) for n in range(number + 1)]
    yield Check("block entropies", chain.block_entropies(number), shorter)
    as_strings = chain.blocks(number)
    yield Check("entropy of blocks", as_strings.entropy(), shorter[-1])
    yield Check("number of blocks", as_strings.support_size, len(blocks))
    for x, (s, p) in rng.sample(sorted(blocks.items()), min(len(blocks), 4)):
        yield Check("log P(block)", as_strings.log_prob(x), logs([p])[0], floor=LOG_FLOOR)
        yield Check("log P(prefix)", chain.log_prefix(x), logs([p])[0], floor=LOG_FLOOR)
        following = logs([rows[s][a][1] if a in rows[s] else Fraction(0) for a in range(symbols + 1)])
        yield Check("log P(. | prefix)", chain.next_log_probs(x), following, floor=LOG_FLOOR)
    yield from _excess_entropy(chain, rows)
    yield from _kl_rate(rng, chain, rows, symbols)
    yield Check("an entropy is refused", attempt(chain.entropy) == REFUSED, True)
    yield Check("a probability is refused", attempt(lambda: chain.log_prob([1])) == REFUSED, True)
    yield Check("expected length", chain.expected_length(), math.inf)


def _long_run(chain: Chain, rows: Rows, symbols: int) -> Iterator[Check]:
    yield Check("entropy rate", chain.entropy_rate(), chains.entropy_rate(rows, 0))
    times = chains.long_run(rows, 0)
    shares = [sum((time * row[a][1] for time, row in zip(times, rows, strict=True) if a in row), Fraction(0))
              for a in range(symbols + 1)]  # fmt: skip
    yield Check("long-run frequencies", chain.frequencies(), shares)
    found = {tuple(sorted(states.tolist())): (share, law, states) for share, states, law in chain.classes}
    expected = chains.closed(rows)
    yield Check("closed classes", sorted(found) == [tuple(block) for block in expected], True)
    for block in expected:
        share, law, states = found[tuple(block)]
        yield Check("probability of a class", share, chains.ends(rows, 0, block))
        by_state = dict(zip(states.tolist(), law.tolist(), strict=True))
        yield Check("stationary law", [by_state[s] for s in block], chains.stationary(rows, block))


def _excess_entropy(chain: Chain, rows: Rows) -> Iterator[Check]:
    """Check E against H(X_1..X_n) - n h in the stationary law, which rises to E as n grows."""
    found, slack = excess_entropy(chain), 1e-12
    with mpmath.workdps(DIGITS):
        partial, finished = mpmath.mpf(0), True
        for block in chains.closed(rows):
            share = chains.ends(rows, 0, block)
            value, determined = chains.excess(rows, block, WORDS)
            partial += real(share) * value
            finished &= determined or not share
    yield Check("excess entropy is not below a partial sum", float(partial) <= found.upper + slack, True)
    if finished:
        yield Check("excess entropy", [found.lower, found.upper], [partial, partial], floor=SMALL)


def _kl_rate(rng: random.Random, chain: Chain, rows: Rows, symbols: int) -> Iterator[Check]:
    laws = [drawn_walks.row(rng, len(row)) for row in rows]
    near = [
        {a: (t, p) for (a, (t, _)), p in zip(row.items(), law, strict=True)}
        for row, law in zip(rows, laws, strict=True)
    ]
    other: Rows = near if rng.random() < 0.7 else drawn(rng, symbols)
    q = as_chain(other, symbols)
    yield Check("KL rate", kl_rate(chain, q), chains.kl_rate(rows, other), floor=SMALL)
    yield Check("KL rate of a chain from itself", kl_rate(chain, chain), 0.0)


def drawn(rng: random.Random, symbols: int) -> Rows:
    """Draw at most six states, all reachable. Sparse chains can have several closed classes, and periods."""
    size, onward = rng.randint(1, 6), rng.random() < 0.5
    rows: list[dict[int, tuple[int, Fraction]]] = []
    for s in range(size):
        stays = onward and s > 0 and rng.random() < 0.6  # such absorbing states give several classes
        targets = [s] if stays else list(range(s if onward else 0, size))
        used = rng.sample(range(1, symbols + 1), rng.randint(1 if stays or not onward else min(2, symbols), symbols))
        law = drawn_walks.row(rng, len(used))
        rows.append({a: (rng.choice(targets), p) for a, p in zip(used, law, strict=True)})
    reached = _reached(rows)
    number = {s: at for at, s in enumerate(reached)}
    return [{a: (number[t], p) for a, (t, p) in rows[s].items()} for s in reached]


def _reached(rows: Rows) -> list[int]:
    """Return the states that can be reached from the first one, in order of discovery."""
    seen = [0]
    for s in seen:  # this list grows during the loop
        for t, _ in rows[s].values():
            if t not in seen:
                seen.append(t)
    return seen


def as_chain(rows: Rows, symbols: int) -> Chain:
    """Return the chain as the object under test."""
    V = symbols + 1
    table, log_prob = np.full((len(rows), V), -1), np.full((len(rows), V), -np.inf)
    for s, row in enumerate(rows):
        for a, (t, p) in row.items():
            table[s, a], log_prob[s, a] = t, float(logs([p])[0])
    return Chain(Vocabulary(("<eos>", *"abc"[:symbols]), joiner=""), table, log_prob, 0)
