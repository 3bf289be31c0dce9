"""Powers of laws with fifty digits: weighted lists, machines and bracket grammars, given by the logs of weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath

from sim.selftest.oracles.numbers import DIGITS

Real: TypeAlias = mpmath.mpf
Weighed: TypeAlias = tuple[tuple[int, ...], Real]
"""A string and its log weight."""

Logs: TypeAlias = Mapping[tuple[int, ...], Real]
"""The log weight of every string. Strings of weight 0 are left out."""


def precise() -> Any:
    """Set fifty digits, or keep the current number if it is larger: numerical derivatives use twice as many."""
    return mpmath.workdps(max(DIGITS, mpmath.mp.dps))


def log_total(logs: Logs, tau: Real) -> Real:
    """log of the sum of w^(1/tau)."""
    with precise():
        return mpmath.log(mpmath.fsum(mpmath.exp(value / tau) for value in logs.values()))


def tilted(logs: Logs, tau: Real) -> dict[tuple[int, ...], Real]:
    """Return the logs of the law that is proportional to w^(1/tau) [nat]."""
    with precise():
        whole = log_total(logs, tau)
        return {x: value / tau - whole for x, value in logs.items()}


def entropy(logs: Logs) -> Real:
    """Entropy -sum p log p of a law that is given by its logs [nat]."""
    with precise():
        return -mpmath.fsum(mpmath.exp(value) * value for value in logs.values())


@dataclass(frozen=True)
class Weights:
    """A deterministic machine: for every state, symbol -> (next state, log weight), and the log weight of the stop."""

    arcs: Sequence[Mapping[int, tuple[int, Real]]]
    stops: Sequence[Real | None]
    start: int

    @property
    def cyclic(self) -> bool:
        """Whether a path can return to a state."""
        ahead = [{t for t, _ in arcs.values()} for arcs in self.arcs]
        for _ in ahead:
            ahead = [near.union(*(ahead[t] for t in near)) for near in ahead]
        return any(s in near for s, near in enumerate(ahead))

    def log_weight(self, x: Sequence[int]) -> Real | None:
        """Return the log weight of a string; None if the machine does not have it."""
        state, value = self.start, mpmath.mpf(0)
        with precise():
            for token in x:
                if token not in self.arcs[state]:
                    return None
                state, step = self.arcs[state][token]
                value += step
            stop = self.stops[state]
            return None if stop is None else value + stop


def simple_paths(machine: Weights) -> Iterator[Weighed]:
    """Yield the strings that visit no state twice, with log weights. The likeliest strings are among them."""

    def onward(state: int, seen: frozenset[int], x: tuple[int, ...], value: Real) -> Iterator[Weighed]:
        stop = machine.stops[state]
        if stop is not None:
            yield x, value + stop
        for token, (t, step) in machine.arcs[state].items():
            if t not in seen:
                yield from onward(t, seen | {t}, (*x, token), value + step)

    yield from onward(machine.start, frozenset({machine.start}), (), mpmath.mpf(0))


def derivations(rules: Mapping[tuple[int, tuple[int, ...]], Real], head: int) -> list[Weighed]:
    """Return the string and log weight of every derivation of non-terminal n (written ~n in right-hand sides)."""
    out: list[Weighed] = []
    for (lhs, rhs), value in rules.items():
        if lhs == head:
            found: list[Weighed] = [((), value)]
            for symbol in rhs:
                parts = derivations(rules, ~symbol) if symbol < 0 else [((symbol,), mpmath.mpf(0))]
                found = [(x + y, a + b) for x, a in found for y, b in parts]
            out += found
    return out


def machine_totals(machine: Weights, tau: Real, marks: Real = 1) -> list[Real] | None:
    """Sum over all strings of w^(1/tau) marks^|x| from every state; None if it diverges.

    The linear system is solved by LU. Every state can stop, so a solution is positive if and only if the sums exist.
    """
    with precise():
        size = len(machine.arcs)
        matrix, ends = mpmath.eye(size), mpmath.matrix(size, 1)
        for s, (arcs, stop) in enumerate(zip(machine.arcs, machine.stops, strict=True)):
            ends[s] = 0 if stop is None else mpmath.exp(stop / tau)
            for t, value in arcs.values():
                matrix[s, t] -= marks * mpmath.exp(value / tau)
        try:
            solution = mpmath.lu_solve(matrix, ends)
        except ZeroDivisionError:
            return None
        found = [solution[s] for s in range(size)]
        return found if all(value > 0 for value in found) else None


def bracket_total(log_more: Real, log_end: Real, tau: Real, marks: Real = 1) -> Real | None:
    """Least solution of Z = m w^(1/tau) Z^2 + v^(1/tau); None if there is none.

    w and v are the weights of the rules S -> ( S ) S and S -> empty, and m is `marks`.
    """
    with precise():
        more, end = marks * mpmath.exp(log_more / tau), mpmath.exp(log_end / tau)
        under = 1 - 4 * more * end
        return None if under < 0 else 2 * end / (1 + mpmath.sqrt(under))


def entropy_of_total(log_sum: Callable[[Real], Real], tau: Real) -> Real:
    """Entropy [nat] of the law proportional to w^b with b = 1/tau, from its log sum log Z: log Z - b (log Z)'."""
    with precise():
        b = 1 / mpmath.mpf(tau)
        return log_sum(1 / b) - b * mpmath.diff(lambda c: log_sum(1 / c), b)


def mean_of_total(log_sum: Callable[[Real], Real]) -> Real:
    """Expected number of symbols: the derivative at m = 1 of the log of the sum of w m^|x|."""
    with precise():
        return mpmath.diff(log_sum, 1)


def least_step(machine: Weights, tau: Real) -> Real:
    """log of the smallest probability of a step or a stop [nat], in the law of w^(1/tau), which must exist."""
    found = machine_totals(machine, tau)
    assert found is not None
    with precise():
        steps = [
            value / tau + mpmath.log(found[t]) - mpmath.log(found[s])
            for s, arcs in enumerate(machine.arcs)
            for t, value in arcs.values()
        ]
        ends = [end / tau - mpmath.log(found[s]) for s, end in enumerate(machine.stops) if end is not None]
        return min(steps + ends)


def least_rule(rules: Mapping[tuple[int, tuple[int, ...]], Real], tau: Real) -> Real:
    """log of the smallest probability of a rule given its left-hand side [nat], in the law of w^(1/tau)."""
    with precise():
        shares = []
        for lhs, rhs in rules:
            others = {key: value for key, value in rules.items() if key[0] != lhs or key[1] == rhs}
            one, every = (
                mpmath.fsum(mpmath.exp(value / tau) for _, value in derivations(some, lhs)) for some in (others, rules)
            )
            shares.append(mpmath.log(one) - mpmath.log(every))
        return min(shares)
