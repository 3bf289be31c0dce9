"""Next-token laws of whole batches against one string at a time in plain Python, and samples against nltk's rules."""

import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Result, alternate, ratios, spread
from benchmarks.placed import on_cores
from sim.grammars._levels import level_grammar
from sim.grammars.file import read
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.rules import binarised
from sim.laws._order import Order
from sim.laws.nonrecursive import NonRecursive
from sim.numerics import EOS

CFG3B = Path(__file__).parents[1] / "examples" / "grammars" / "cfg3b.json"

PER_TOKEN, AGAINST_PYTHON, AGAINST_NLTK = 3.0, 1e4, 100.0
"""Goals: microseconds of a core for the law of a token; ratios to plain Python, and to a loop over nltk's rules."""


def seconds(work: Callable[[], object]) -> float:
    """Time of the cores for one call [s]. None of these programs uses a second core, so it is that of one."""
    began = time.process_time()
    work()
    return time.process_time() - began


TOLERANCE = 1e-12
"""Largest difference of two programs that compute the same laws."""


class Plain:
    """Inside and prefix weights of one string in straightforward Python: a chart over all spans, from short to long.

    Rules are brought to at most two symbols on the right (CKY), and the weights of prefixes go down the same chart.
    This is what a program does that parses string by string; it uses lists and loops, and no array.
    """

    def __init__(self, grammar: ContextFree) -> None:
        short, self.count = binarised(grammar.rules, len(grammar.nonterminals))
        self.start, self.vocab_size = grammar.start, len(grammar.vocabulary)
        self.pairs = [(r.lhs, *map(self._at, r.rhs), float(r.p)) for r in short if len(r.rhs) == 2]
        rank = Order(grammar).bottom_up.index  # chains of rules with one symbol are followed from below
        singles = sorted((rule for rule in short if len(rule.rhs) == 1), key=lambda rule: rank(rule.lhs))
        self.singles = [(r.lhs, self._at(r.rhs[0]), float(r.p)) for r in singles]

    def _at(self, symbol: int) -> int:
        return ~symbol if symbol < 0 else self.count + symbol

    def laws(self, string: list[int]) -> list[list[float]]:
        """The next-token law after every prefix of the string, EOS first."""
        n, size = len(string), self.count + self.vocab_size
        inside = [[[0.0] * size for _ in range(n + 1)] for _ in range(n + 1)]
        for i, token in enumerate(string):
            inside[i][i + 1][self.count + token] = 1.0
        for width in range(1, n + 1):
            for i in range(n - width + 1):
                cell, row = inside[i][i + width], inside[i]
                for middle in range(i + 1, i + width):
                    left, right = row[middle], inside[middle][i + width]
                    for lhs, b, c, p in self.pairs:
                        if left[b] and right[c]:
                            cell[lhs] += p * left[b] * right[c]
                for lhs, b, p in self.singles:  # a rule with one symbol derives a token or another such rule
                    cell[lhs] += p * cell[b]
        begun = [[0.0] * size for _ in range(n + 1)]
        begun[0][self.start] = 1.0
        return [self._after(inside, begun, i) for i in range(n + 1)]

    def _after(self, inside: list[list[list[float]]], begun: list[list[float]], i: int) -> list[float]:
        own = begun[i]
        waiting = [head for head in range(self.count) if own[head]]
        while waiting:
            head, waiting = waiting[0], waiting[1:]
            weight, own[head] = own[head], 0.0
            for lhs, b, c, p in self.pairs:
                if lhs == head:
                    own[b] += weight * p
                    for j in range(i + 1, len(begun)):
                        begun[j][c] += weight * p * inside[i][j][b]
                    waiting += [b] if b < self.count and b not in waiting else []
            for lhs, b, p in self.singles:
                if lhs == head:
                    own[b] += weight * p
                    waiting += [b] if b < self.count and b not in waiting else []
        weights = [inside[0][i][self.start] if i else 0.0, *own[self.count + 1 :]]
        total = sum(weights)
        return [weight / total for weight in weights]


def nltk_sampler(grammar: ContextFree) -> Callable[[], list[str]]:
    """Return a function that draws one string with nltk's productions: a random one for every non-terminal."""
    from nltk import Nonterminal, ProbabilisticProduction  # type: ignore[attr-defined, unused-ignore]
    from nltk.grammar import PCFG

    name = {~n: Nonterminal(str(n)) for n in range(len(grammar.nonterminals))}
    rules = [
        ProbabilisticProduction(name[~r.lhs], [name.get(s, f"t{s}") for s in r.rhs], prob=float(r.p))
        for r in grammar.rules
    ]
    parsed = PCFG(name[~grammar.start], rules)

    def once() -> list[str]:
        string, waiting = [], [parsed.start()]
        while waiting:
            symbol = waiting.pop()
            if isinstance(symbol, str):
                string.append(symbol)
            else:
                own = parsed.productions(lhs=symbol)
                waiting.extend(reversed(random.choices(own, [rule.prob() for rule in own])[0].rhs()))
        return string

    return once


def against_python(name: str, grammar: ContextFree, strings: int, rounds: int) -> Result:
    """Next-token laws of a batch against those of one string of about the mean length in plain Python.

    Raises ArithmeticError if the two programs differ by more than `TOLERANCE`.
    """
    law, plain = NonRecursive(grammar), Plain(grammar)
    batch = law.sample(np.random.default_rng(0), strings)
    lengths = (batch != EOS).sum(axis=1)
    middle = int(np.argmin(abs(lengths - grammar.expected_length())))
    row = [int(token) for token in batch[middle] if token]
    tokens, kept = int(lengths.sum()) + strings, list[list[list[float]]]()
    found = alternate(
        {
            "batch": lambda: seconds(partial(law.next_token, batch)) / tokens * 1e6,
            "Python": lambda: seconds(lambda: kept.append(plain.laws(row))) / (len(row) + 1) * 1e6,
        },
        rounds,
    )
    difference = float(np.abs(np.array(kept[0]) - law.next_token([row])[0]).max())
    if difference > TOLERANCE:
        raise ArithmeticError(f"laws: the two programs differ by {difference}")
    return Result(
        "laws",
        f"next-token laws of a batch against one string at a time in plain Python, {name}",
        **ratios(found["Python"], found["batch"]),
        reach=AGAINST_PYTHON,
        note=f"{strings:,} strings, and one of {len(row)} tokens",
        measured={f"{key} µs a token": float(np.median(values)) for key, values in found.items()}
        | {"difference": difference},
    )


def against_nltk(name: str, grammar: ContextFree, strings: int, rounds: int) -> Result:
    """Strings per second, against a loop over nltk's rules."""
    law, draw, dice = NonRecursive(grammar), nltk_sampler(grammar), np.random.default_rng(1)
    some = max(strings // 40, 1)
    found = alternate(
        {
            "batch": lambda: strings / seconds(partial(law.sample, dice, strings)),
            "nltk": lambda: some / seconds(lambda: [draw() for _ in range(some)]),
        },
        rounds,
    )
    return Result(
        "laws",
        f"sampling against a loop over nltk's rules, {name}",
        **ratios(found["batch"], found["nltk"]),
        reach=AGAINST_NLTK,
        note=f"{strings:,} strings of {grammar.expected_length():.0f} tokens on average",
        measured={f"{key} strings/s": float(np.median(values)) for key, values in found.items()},
    )


def times(name: str, grammar: ContextFree, strings: int, rounds: int) -> list[Result]:
    """Microseconds for the next-token law of a token, and for its share of the parses."""
    law = NonRecursive(grammar)
    batch = law.sample(np.random.default_rng(0), strings)
    tokens = int((batch != EOS).sum()) + strings
    work = {"next-token law": (law.next_token, PER_TOKEN), "parse": (law.parse, None)}
    found = alternate(
        {key: lambda call=call: seconds(partial(call, batch)) / tokens * 1e6 for key, (call, _) in work.items()}, rounds
    )
    note = f"{strings:,} strings of {tokens / strings - 1:.0f} tokens on average"
    return [
        Result("laws", f"{key} of a token, {name}", **spread(found[key]), unit="µs", reach=reach, note=note)
        for key, (_, reach) in work.items()
    ]


def run(quick: bool = False) -> list[Result]:
    """Measure cfg3b, a grammar of seven levels with strings as long as those of cfg3j, and device forms."""
    if quick:
        tiny = level_grammar(2, seed=0)
        found = [*times("tiny", tiny, 3, 1), against_python("tiny", tiny, 3, 1), against_nltk("tiny", tiny, 3, 1)]
        return [*found, *on_cores(quick, seconds)]
    cfg3b, deep = read(str(CFG3B)), level_grammar(7, 3, 3, (2, 3), seed=0)
    assert isinstance(cfg3b, ContextFree)
    return [
        *times("cfg3b", cfg3b, 500, 7),
        *times("seven levels", deep, 250, 7),
        against_python("cfg3b", cfg3b, 500, 3),
        against_nltk("cfg3b", cfg3b, 4_000, 7),
        *on_cores(quick, seconds),
    ]
