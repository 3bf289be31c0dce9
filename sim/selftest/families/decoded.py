"""Check decoding transforms of lists and machines against laws in fractions, prefix by prefix."""

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import mpmath
import numpy as np

from sim.languages import decoding
from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, PLAIN, as_language, declined, law_on, plain_law
from sim.selftest.oracles import decoding as oracle
from sim.selftest.oracles import lists
from sim.selftest.oracles.lists import Symbols
from sim.selftest.oracles.numbers import log

SIZE = len(PLAIN)
Choice = tuple[str, decoding.Transform, Callable[[oracle.Row], oracle.Logs]]


def checks(rng: random.Random) -> Iterator[Check]:
    """Check one transform of a list and of a machine, and that an invalid argument is refused."""
    name, transform, law = _choice(rng)
    yield from _list(rng, name, transform, law)
    yield from _machine(rng, name, transform, law)
    bad: list[Callable[[], object]] = [
        lambda: decoding.temperature(-0.5),
        lambda: decoding.temperature(math.nan),
        lambda: decoding.top_k(0),
        lambda: decoding.top_p(rng.choice((0.0, 1.5, math.nan))),
        lambda: decoding.min_p(rng.choice((-0.1, 1.1, math.nan))),
    ]
    yield Check("bad arguments are refused", declined(rng.choice(bad), "is required, found"), True)


def _choice(rng: random.Random) -> Choice:
    tau, number = math.exp(rng.uniform(-3, 2)), rng.randint(1, 5)
    mass, share = (rng.choice((Fraction(rng.randint(1, 20), 20), Fraction(1, 2), Fraction(1))) for _ in range(2))
    choices: list[Choice] = [
        ("temperature", decoding.temperature(tau), oracle.temperature(tau)),
        ("greedy", decoding.temperature(0.0), oracle.greedy),
        ("top-k", decoding.top_k(number), oracle.top_k(number)),
        ("top-p", decoding.top_p(float(mass)), oracle.top_p(mass)),
        ("min-p", decoding.min_p(float(share)), oracle.min_p(share)),
        ("min-p", decoding.min_p(0.0), oracle.min_p(Fraction(0))),
    ]
    return rng.choice(choices)


def _log_prob(x: Symbols, law: Callable[[Symbols], oracle.Logs]) -> mpmath.mpf:
    """log P(x) [nat] of a string from the laws after its prefixes, the decision to stop included."""
    total = mpmath.mpf(0)
    for place, token in enumerate((*x, 0)):
        step = law(x[:place])[token]
        if mpmath.isinf(step):
            return step
        total += step
    return total


def _list(
    rng: random.Random, name: str, transform: decoding.Transform, law: Callable[[oracle.Row], oracle.Logs]
) -> Iterator[Check]:
    strings = plain_law(rng)
    if rng.random() < 0.4:
        strings = lists.normalised(dict.fromkeys(strings, 1))
    found = decoding.decoded(as_language(strings, rng=rng), transform)
    rows = {x: law(lists.next_law(strings, x, SIZE)) for x in lists.prefixes(strings) if lists.mass(strings, x)}
    for x, p in strings.items():
        wanted = _log_prob(x, rows.__getitem__) if p else -math.inf
        yield Check(f"list, {name}: log P(x)", found.log_prob(x), wanted, floor=LOG_FLOOR)


def _machine(
    rng: random.Random, name: str, transform: decoding.Transform, law: Callable[[oracle.Row], oracle.Logs]
) -> Iterator[Check]:
    rows, ahead = _random_machine(rng)
    table = np.array([[ahead.get((s, token), -1) for token in range(SIZE)] for s in range(len(rows))])
    language = Automaton(PLAIN, table, np.array([[float(log(p)) for p in row] for row in rows]), 0)
    laws = [law(row) for row in rows]
    if not _ends(laws, ahead):
        refused = declined(lambda: decoding.decoded(language, transform), "some strings would never stop")
        yield Check(f"machine, {name}: endless strings are refused", refused, True)
        return
    found = decoding.decoded(language, transform)
    for _ in range(6):
        x = tuple(rng.choices((1, 2, 3), k=rng.randint(0, 4)))
        yield from _string(name, found, x, laws, ahead)


def _string(
    name: str, found: ExactLanguage, x: Symbols, laws: list[oracle.Logs], ahead: dict[tuple[int, int], int]
) -> Iterator[Check]:
    state, total = 0, mpmath.mpf(0)
    for token in x:
        total += laws[state][token]
        if mpmath.isinf(total):
            break
        state = ahead[state, token]
    yield Check(f"machine, {name}: log P(prefix)", found.log_prefix(x), total, floor=LOG_FLOOR)
    wanted = total if mpmath.isinf(total) else total + laws[state][0]
    yield Check(f"machine, {name}: log P(x)", found.log_prob(x), wanted, floor=LOG_FLOOR)
    if not mpmath.isinf(total):
        yield Check(f"machine, {name}: law after x", found.next_log_probs(x), laws[state], floor=LOG_FLOOR)


def _random_machine(rng: random.Random) -> tuple[list[list[Fraction]], dict[tuple[int, int], int]]:
    rows: list[list[Fraction]] = []
    ahead: dict[tuple[int, int], int] = {}
    size = rng.randint(1, 4)
    for s in range(size):
        tokens = [0, *rng.sample((1, 2, 3), rng.randint(1, 3))]
        even = rng.random() < 0.3
        some = law_on(rng, [(token,) for token in tokens], zeros=False, spread=2)
        row = [some.get((token,), Fraction(0)) for token in range(SIZE)]
        rows.append([Fraction(int(token in tokens), len(tokens)) for token in range(SIZE)] if even else row)
        ahead |= {(s, token): rng.randrange(size) for token in tokens if token}
    return rows, ahead


def _ends(laws: list[oracle.Logs], ahead: dict[tuple[int, int], int]) -> bool:
    """Return whether every reachable state has a path to an end."""

    def onward(s: int) -> set[int]:
        return {t for (u, token), t in ahead.items() if u == s and not mpmath.isinf(laws[s][token])}

    def reached(s: int) -> set[int]:
        seen = {s}
        for _ in laws:
            seen |= {t for u in seen for t in onward(u)}
        return seen

    return all(any(not mpmath.isinf(laws[t][0]) for t in reached(s)) for s in reached(0))
