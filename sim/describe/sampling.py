"""Estimates from drawn strings, beside the exact numbers that they estimate."""

import math
from collections import Counter
from typing import Any

import numpy as np

from sim.describe.bounds import ROUNDING, Known
from sim.describe.sections import Section
from sim.estimators import counts as of_counts
from sim.estimators import good_turing
from sim.languages.drawing import Tokens, drawn
from sim.languages.endless import Endless
from sim.languages.exact import UnavailableError, unavailable
from sim.languages.finite import FiniteLanguage
from sim.numerics import SpecificationError
from sim.quantity import Quantity

MOST = 1_000_000
"""Largest number of strings that are drawn."""

WORK = 10**8
"""Largest sum of cubed lengths of the different strings whose probabilities are added up for the missing mass."""


def check(number: int, seed: int) -> None:
    """Raise `SpecificationError` for a sample of one string (it has no pairs) or too many, and for a negative seed."""
    if number and not 2 <= number <= MOST:
        raise SpecificationError(f"--sample: an integer from 2 to {MOST:,} is required, found {number}")
    if seed < 0:
        raise SpecificationError(f"--seed: an integer of at least 0 is required, found {seed}")


def sample(known: Known | Endless, number: int, seed: int) -> list[Section]:
    """Return the section on estimates from `number` drawn strings; none if `number` is 0.

    Raises `UnavailableError` for a chain that never stops.
    """
    if not number:
        return []
    if isinstance(known, Endless):
        raise unavailable("--sample", "sequences never end, so there are no strings", "use --length")
    strings = Counter(drawn(known.few or known.language, number, np.random.default_rng(seed)))
    section = Section("sample", f"Estimates from a sample of {number:,} strings")
    section.add("number", "", number)
    section.add("seed", "seed", seed)
    section.add("different", "different strings", len(strings))
    counts = np.array(list(strings.values()))
    rows = [
        _row("entropy H(P)", "nat", "plug-in", of_counts.plug_in_entropy(counts), known.entropy()),
        _row("entropy H(P)", "nat", "Miller-Madow", of_counts.miller_madow(counts), known.entropy()),
        _row("entropy H(P)", "nat", "Chao-Shen", of_counts.chao_shen(counts), known.entropy()),
        _row("collision C(P)", "1", "Simpson", good_turing.simpson(counts), known.collision()),
        _row("number of strings N_0", "strings", "Chao1", of_counts.chao1(counts), _size(known, len(strings))),
        _row("mass not in the sample", "1", "Good-Turing", good_turing.missing_mass(counts), _missing(known, strings)),
    ]
    section.add("estimates", "", rows)
    return [section]


def _row(quantity: str, unit: str, estimator: str, estimate: np.ndarray, true: Quantity) -> dict[str, Any]:
    return {"quantity": quantity, "unit": unit, "estimator": estimator, "estimated": float(estimate), "true": true}


def _size(known: Known, seen: int) -> Quantity:
    """N_0, which is at least the number of strings that were seen."""
    if known.infinite:
        return Quantity.of(math.inf)
    try:
        least, most = known.size()
        return Quantity(float(max(least, seen)), float(most))
    except (UnavailableError, OverflowError):  # the number has over 308 digits
        return Quantity(float(seen), math.inf)


def _missing(known: Known, seen: Counter[Tokens]) -> Quantity:
    """The probability that a new string is none of those that were seen."""
    if isinstance(few := known.few or known.language, FiniteLanguage):
        lengths = few.trie.lengths
        rows = zip(few.trie.strings.tolist(), lengths.tolist(), strict=True)
        missed = np.array([tuple(row[: n - 1]) not in seen for row, n in rows])
        return Quantity.of(float(np.exp(few.log_p[missed]).sum()))
    held, work, masses = sorted(seen, key=len), 0, []
    for tokens in held:
        work += len(tokens) ** 3
        if work > WORK:
            break
        masses.append(math.exp(few.log_prob(tokens)))
    rest = 1.0 - math.fsum(masses)
    return Quantity.within_rounding(rest if len(masses) == len(held) else 0.0, rest, ROUNDING)
