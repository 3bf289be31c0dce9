"""Checks that every restriction of a list must pass, given the strings that it keeps and their law."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed, Restricted
from sim.metrics.forgetting import shift_accounting
from sim.metrics.scored import truth
from sim.selftest.checks import Check
from sim.selftest.drawn import LOG_FLOOR, SMALL, logs, strings_of
from sim.selftest.oracles import lists
from sim.selftest.oracles.lists import Law, Symbols
from sim.selftest.oracles.numbers import entropy, kl, log


def of_event(
    name: str,
    p: FiniteLanguage,
    law: Law,
    found: Restricted | Narrowed,
    event: set[Symbols],
    s: Law | None = None,
) -> Iterator[Check]:
    """Check log P(A), P_A, S (P_A if no `s` is given), its entropy, and the parts of its shift KL(S || P)."""
    assert isinstance(found, Restricted)
    member = {x: Fraction(int(x in event)) for x in law}
    kept, mass = lists.given(law, member)
    wanted = kept if s is None else s
    strings = strings_of(p)
    inside = np.array([x in event and law[x] > 0 for x in strings])
    yield Check(f"{name}: A", bool(((found.event & (p.log_p > -np.inf)) == inside).all()), True)
    yield Check(f"{name}: log P(A)", found.log_mass, log(mass), floor=LOG_FLOOR)
    yield Check(f"{name}: log P_A", found.kept.log_p, logs(lists.in_order(kept, strings)), floor=LOG_FLOOR)
    yield Check(f"{name}: log S", found.s.log_p, logs(lists.in_order(wanted, strings)), floor=LOG_FLOOR)
    yield Check(f"{name}: H(S)", found.s.entropy(), entropy(wanted.values()), floor=SMALL)
    rows = [lists.in_order(one, strings) for one in (wanted, law, kept)]
    shift, narrowing = kl(rows[0], rows[1]), kl(rows[0], rows[2])
    yield Check(f"{name}: KL(S || P)", found.s.kl(p), shift, floor=SMALL)
    joint = [truth(one, p.prompts, "joint") for one in (p, found.s, found.kept)]
    parts = shift_accounting(joint[0], joint[1], joint[2], found.event, np.zeros(1))
    yield Check(f"{name}: -log P(A) + KL(S || P_A)", parts.total, shift, floor=SMALL)
    yield Check(f"{name}: KL(S || P_A)", parts.narrowing, narrowing, floor=SMALL)


def support(language: FiniteLanguage) -> set[Symbols]:
    """Return the strings of positive probability."""
    return {x for x, log_p in zip(strings_of(language), language.log_p.tolist(), strict=True) if log_p > -np.inf}
