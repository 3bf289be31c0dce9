"""A corridor of T steps: the path branches early and is forced later, and a walker can leave it. Tier A."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from sim.config import AtLeast, Check, HalfOpenFraction, NonNegative, OpenFraction
from sim.grammars._tables import random_law
from sim.languages.finite import FiniteLanguage, Styles
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

FEW_PATHS = 1_024
"""Unless the number of decisions is given, it is the largest one with at most so many paths."""

MAX_PATHS = 16_384
"""Largest number of paths. They may be long, and all of them are listed."""

LONGEST = 1_024
"""Largest number of steps."""

Steps = Check(f"an integer from 1 to {LONGEST}", lambda value: 1 <= value <= LONGEST)
Symbols = Check("an integer from 1 to 26", lambda value: 1 <= value <= 26)


def corridor(
    *,
    num_steps: Annotated[int, Steps] = 16,
    hazard: Annotated[float, OpenFraction] = 0.05,
    recovery: Annotated[float, HalfOpenFraction] = 0.0,
    branching: Annotated[int, AtLeast(0)] = 2,
    num_symbols: Annotated[int, Symbols] = 2,
    zipf: Annotated[float, NonNegative] = 1.0,
    swing: Annotated[float, HalfOpenFraction] = 0.5,
    decisions: Annotated[int | None, AtLeast(1)] = None,
    seed: Annotated[int, AtLeast(0)] = 0,
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Walks "a b b b B B b b" of T = `num_steps` steps, one token for each: small letters on the path, capitals off it.

    The walker begins on the path with the symbol a. At each step it first leaves the path (with its hazard, if it is on
    it) or returns (with probability `recovery`, if it is off it). If it is on the path and the step is one of the first
    `branching` ones, it then draws a new symbol; else it keeps its symbol. So the last token and the step determine the
    law of the next token. The hazard of symbol i is `hazard` (1 + `swing` d_i); the d_i are evenly spaced from -1 to 1,
    in random order. Without branching there is one symbol, and its hazard is `hazard`. Symbols follow Zipf's law with
    exponent `zipf` and a random offset, in random order, for each branching step and each symbol before it. `seed`
    determines laws and orders, on the host; every seed has the same strings.

    With `recovery` 0, leaving is final: the walk breaks off after its first step off the path, because nothing is left
    to decide, and the steps up to T count as off. So there are K + (number of ways to leave) strings for the
    K = `num_symbols`^`branching` paths. Otherwise each decision doubles the number of walks, and a walk goes on to T.
    `decisions` D is the number of steps at which the walker may leave or return: the steps 1 + floor(k T / D),
    k = 0..D-1 (null: as many as give at most 1,024 walks, all T if possible). Between them it keeps its state. Hazard
    and recovery at a decision are those of all the steps since the last one, together: with g steps, π = ε / (ε + r)
    and λ = 1 - ε - r, they are π (1 - λ^g) and (1 - π) (1 - λ^g). So at decisions the walker is on the path with
    exactly the probability that it has with decisions at all steps, if its symbol stays the same.

    Styles: `on` (never off the path), `back` (off it, and on it at the end; only with `recovery`) and `off`. Note:
    `decisions`. Raises `SpecificationError` for a hazard of 1 or more, more decisions than steps, branching beyond T,
    or more than 16,384 walks.
    """
    _check(num_steps, hazard, branching, swing, decisions)
    num_symbols = num_symbols if branching else 1
    chosen = decisions
    if chosen is None:
        chosen = _most_decisions(num_steps, branching, num_symbols, recovery > 0)
    gaps = _gaps(num_steps, chosen)
    count = _count(gaps, branching, num_symbols, recovery > 0)
    if count > MAX_PATHS:
        raise SpecificationError(
            f"a support of at most {MAX_PATHS} strings is required, found {count}; reduce decisions or branching"
        )
    generator = np.random.default_rng(seed)
    spread = np.linspace(-1.0, 1.0, num_symbols) if num_symbols > 1 else np.zeros(1)
    hazards = hazard * (1.0 + swing * generator.permutation(spread))
    laws = [
        np.stack([random_law(generator, num_symbols, num_symbols, zipf) for _ in range(num_symbols)])
        for _ in range(branching)
    ]
    return _listed(_Walks(num_steps), gaps, hazards, recovery, laws), {"decisions": float(chosen)}


class _Walks:
    """The walks so far, one row each: tokens int[N, T + 1], log P [nat], symbol, and whether it is or was off."""

    def __init__(self, num_steps: int) -> None:
        self.tokens = np.full((1, num_steps + 1), EOS)
        self.log_p, self.symbol = np.zeros(1), np.zeros(1, np.int64)
        self.off, self.strayed, self.over = np.zeros(1, bool), np.zeros(1, bool), np.zeros(1, bool)

    def take(self, rows: np.ndarray) -> None:
        """Keep some rows, each as often as it is named."""
        for name, values in vars(self).items():
            setattr(self, name, values[rows])


def _listed(
    walks: _Walks, gaps: Sequence[int], hazards: np.ndarray, recovery: float, laws: Sequence[np.ndarray]
) -> FiniteLanguage:
    num_symbols = len(hazards)
    for t, gap in enumerate(gaps):
        if gap:
            _decide(walks, gap, hazards, recovery)
        if t < len(laws):
            _branch(walks, laws[t])
        token = 1 + walks.symbol + num_symbols * walks.off
        walks.tokens[:, t] = np.where(walks.over, EOS, token)
        walks.over = walks.over | (walks.off & (recovery == 0))
    names = ("on", "back", "off") if recovery > 0 else ("on", "off")
    style = np.where(~walks.strayed, 0, np.where(walks.off, len(names) - 1, 1))
    posterior = np.where(style[:, None] == np.arange(len(names)), 0.0, -np.inf)
    letters = [chr(ord("a") + i) for i in range(num_symbols)]
    vocabulary = Vocabulary(("<eos>", *letters, *(letter.upper() for letter in letters)))
    return FiniteLanguage.from_strings(vocabulary, walks.tokens, walks.log_p, Styles(names, posterior))


def _decide(walks: _Walks, gap: int, hazards: np.ndarray, recovery: float) -> None:
    """Let every walk that is not over keep its state, or change it."""
    going = np.flatnonzero(~walks.over)
    walks.take(np.concatenate([np.arange(len(walks.over)), going]))
    changes = np.zeros(len(walks.over), bool)
    changes[len(changes) - len(going) :] = True
    change = np.where(walks.off, *_rates(gap, hazards[walks.symbol], recovery)[::-1])
    with np.errstate(divide="ignore"):
        walks.log_p = walks.log_p + np.where(walks.over, 0.0, np.where(changes, np.log(change), np.log1p(-change)))
    walks.off = walks.off ^ changes
    walks.strayed = walks.strayed | walks.off


def _branch(walks: _Walks, law: np.ndarray) -> None:
    """Let every walk on the path draw a new symbol."""
    num_symbols = len(law)
    drawing = np.flatnonzero(~walks.off)
    walks.take(np.concatenate([np.flatnonzero(walks.off), np.repeat(drawing, num_symbols)]))
    new = np.tile(np.arange(num_symbols), len(drawing))
    rows = slice(len(walks.off) - len(new), None)
    walks.log_p[rows] += np.log(law[walks.symbol[rows], new])
    walks.symbol[rows] = new


def _rates(gap: int, hazard: np.ndarray, recovery: float) -> tuple[np.ndarray, np.ndarray]:
    """Hazard and recovery of `gap` steps together, for the hazard of one step."""
    if gap == 1:
        return hazard, np.full_like(hazard, recovery)
    forgotten = 1.0 - (1.0 - hazard - recovery) ** gap
    if recovery == 0.0:
        forgotten = -np.expm1(gap * np.log1p(-hazard))
    share = hazard / (hazard + recovery)
    return share * forgotten, (1.0 - share) * forgotten


def _gaps(num_steps: int, decisions: int) -> list[int]:
    """For every step the number of steps since the last decision, itself included; 0 where nothing is decided."""
    at = [k * num_steps // decisions for k in range(decisions)]
    gaps = [0] * num_steps
    for last, step in zip([-1, *at], at, strict=False):
        gaps[step] = step - last
    return gaps


def _count(gaps: Sequence[int], branching: int, num_symbols: int, recoverable: bool) -> int:
    """The number of walks."""
    on, off, over = 1, 0, 0
    for t, gap in enumerate(gaps):
        if gap and recoverable:
            on, off = on + off, on + off
        elif gap:
            over += on
        on *= num_symbols if t < branching else 1
    return on + off + over


def _most_decisions(num_steps: int, branching: int, num_symbols: int, recoverable: bool) -> int:
    """The largest number of decisions with at most `FEW_PATHS` walks; 1 if there is none."""
    for decisions in range(num_steps, 1, -1):
        if _count(_gaps(num_steps, decisions), branching, num_symbols, recoverable) <= FEW_PATHS:
            return decisions
    return 1


def _check(num_steps: int, hazard: float, branching: int, swing: float, decisions: int | None) -> None:
    if hazard * (1.0 + swing) >= 1.0:
        raise SpecificationError(
            f"hazard: hazard (1 + swing) below 1 is required, found {hazard * (1.0 + swing):g}; lower hazard or swing"
        )
    if branching > num_steps:
        raise SpecificationError(
            f"branching: at most num_steps = {num_steps} branching steps are required, found {branching}; lower it"
        )
    if decisions is not None and decisions > num_steps:
        raise SpecificationError(
            f"decisions: at most num_steps = {num_steps} decisions are required, found {decisions}; lower it"
        )


def label(*, recovery: float = 0.0, **_: object) -> str:
    """The world in words."""
    return "corridor with recovery" if recovery > 0 else "corridor"
