"""Temperature over whole strings: P_tau(x) proportional to P(x)^(1/tau), and the entropies that it reaches."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from sim.languages.absorbing import SMALLEST
from sim.languages.automaton import Automaton
from sim.languages.automaton_ops import likeliest_to_stop, normalised, num_paths
from sim.languages.automaton_ops import reachable as visited
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import LIST_THEM
from sim.languages.pcfg import weights as pcfg_weights
from sim.languages.pcfg.derivations import likeliest_weights
from sim.languages.pcfg.language import ContextFree
from sim.languages.pcfg.shape import Shape
from sim.numerics import SpecificationError, log_group_sum, log_sum_exp

Per: TypeAlias = Literal["string", "token"]
"""The unit of a wanted entropy: per string, or per token, H / (E|x| + 1), with the end of string as a token."""

TIE = 1e-12
"""Log-probabilities that differ by at most this count as equal. The limit of low temperatures is uniform over ties."""

FARTHEST = 12.0
"""Largest |log tau| that is tried."""


class UnresolvedError(SpecificationError):
    """The temperature is so near to divergence that float64 cannot resolve the total weight."""


def tilt(language: ExactLanguage, temperature: float, keep_prompts: bool = False) -> tuple[ExactLanguage, float]:
    """P_tau proportional to P^(1/tau), again exact and of the same kind, and the log of its normaliser [nat].

    tau < 1 sharpens, and tau > 1 flattens. With `keep_prompts` (listed languages only) the answers to every prompt are
    tilted, P(x) is kept, and the second result is nan. A context-free grammar is tilted over its derivations. Raises
    `SpecificationError` for tau <= 0, if the normaliser diverges, and if a weight underflows; raises `UnavailableError`
    for a hidden automaton.
    """
    if not 0 < temperature < math.inf:
        raise SpecificationError(f"temperature: a positive number is required, found {temperature!r}")
    found = tilted(language, temperature, keep_prompts)
    if found is None:
        raise SpecificationError(
            f"temperature: a value at which the strings have a finite total weight is required, found {temperature:g}; "
            f"lower it (below about {highest_temperature(language):.6g})"
        )
    return found


def tilted(language: ExactLanguage, temperature: float, keep_prompts: bool) -> tuple[ExactLanguage, float] | None:
    """As `tilt`, but None if the normaliser diverges. Raises `UnresolvedError` if float64 cannot resolve it."""
    if isinstance(language, FiniteLanguage):
        return _tilted_list(language, temperature, keep_prompts)
    if keep_prompts:
        raise unavailable("keep_prompts", "only a listed language has prompts", LIST_THEM)
    if isinstance(language, Automaton):
        return _tilted_automaton(language, temperature)
    if isinstance(language, ContextFree):
        return pcfg_weights.tilted(language, temperature)
    why = "a hidden automaton sums over states before the power is taken"
    raise unavailable("temperature over whole strings", why, LIST_THEM)


def _tilted_list(language: FiniteLanguage, temperature: float, keep_prompts: bool) -> tuple[FiniteLanguage, float]:
    """Take powers of the ratio to the likeliest string, because a low temperature magnifies rounding errors."""
    log_p, prompts = language.log_p, language.prompts
    if not keep_prompts:
        top = float(log_p.max())
        relative = (log_p - top) / temperature
        log_total = float(log_sum_exp(relative))
        return language.with_law(relative - log_total), log_total + top / temperature
    tops = np.full(prompts.num_groups, -np.inf)
    np.maximum.at(tops, prompts.group, log_p)
    relative = (log_p - _finite(tops)[prompts.group]) / temperature
    totals = log_group_sum(relative, prompts.group, prompts.num_groups)
    shift = np.where(totals > -np.inf, prompts.log_p - _finite(totals), 0.0)
    return language.with_law(relative + shift[prompts.group]), math.nan


@dataclass(frozen=True, eq=False)
class Relative:
    """The reachable part of an automaton, with arc weights relative to the likeliest string from each state."""

    states: np.ndarray  # int[R], the reachable states, as numbers of the automaton
    start: int
    next_state: np.ndarray  # int[R, V], as positions in `states`
    log_ratio: np.ndarray  # float64[R, V], log p(s, a) + best[next] - best[s] <= 0, with the stop in column 0
    best: float  # log probability of the likeliest string [nat]

    @classmethod
    def of(cls, language: Automaton) -> "Relative":
        """Build it. The three terms of a ratio nearly cancel, so the rounding of the first sum is added back.

        Source: Knuth 1969, "The art of computer programming" 2 (TwoSum).
        """
        seen = visited(language.next_state, language.arcs, language.start)
        number = np.cumsum(seen) - 1
        arcs, log_prob = language.arcs[seen], language.arc_log_prob[seen]
        table = np.where(arcs, number[language.next_state[seen]], 0)
        best = likeliest_to_stop(table, log_prob)
        first, second = np.where(log_prob > -np.inf, log_prob, 0.0), np.where(arcs, best[table], 0.0)
        both = first + second
        part = both - first
        lost = (first - (both - part)) + (second - part)
        ratio = np.where(log_prob > -np.inf, (both - best[:, None]) + lost, -np.inf)
        start = int(number[language.start])
        return cls(np.flatnonzero(seen), start, np.where(arcs, table, -1), ratio, float(best[start]))


def _tilted_automaton(language: Automaton, temperature: float) -> tuple[Automaton, float] | None:
    """Tilt an automaton. Weights are relative to the likeliest string from their state, so they do not underflow."""
    relative = Relative.of(language)
    log_weight = relative.log_ratio / temperature
    if ((np.exp(log_weight) < SMALLEST) & (log_weight > -np.inf)).any():
        raise SpecificationError(
            "temperature: every possible next symbol must keep a probability above 1e-308, found less at "
            f"{temperature:g}; raise it"
        )
    found = normalised(relative.next_state, log_weight, relative.start)
    if found is None:
        return None
    try:
        return language.reweighted(found, relative.states), found.log_mass + relative.best / temperature
    except SpecificationError as problem:
        raise UnresolvedError(
            f"temperature: a value clearly below the one at which the total weight becomes infinite is required, found "
            f"{temperature!r}; lower it ({problem})"
        ) from None


def dial_entropy(language: ExactLanguage, per: Per = "string", keep_prompts: bool = False) -> float:
    """The entropy that the dial sets [nat], per string or per token.

    It is the entropy of strings, of answers given the prompt (`keep_prompts`), or of the derivations of a grammar.
    """
    if isinstance(language, FiniteLanguage) and keep_prompts:
        whole = language.entropy() + float((np.exp(language.prompts.log_p) * _finite(language.prompts.log_p)).sum())
    elif isinstance(language, ContextFree):
        whole = language.derivation_entropy()
    else:
        whole = language.entropy()
    return whole if per == "string" else whole / (language.expected_length() + 1)


def _finite(log_p: np.ndarray) -> np.ndarray:
    return np.where(log_p > -np.inf, log_p, 0.0)


def reachable(language: ExactLanguage, keep_prompts: bool = False) -> tuple[float, float]:
    """The limits of the entropies per string that the dial reaches [nat]. Both limits are excluded.

    As tau goes to 0 the law becomes uniform over the likeliest strings. As tau grows it becomes uniform over all
    strings if there are finitely many; otherwise its entropy grows without bound.
    """
    if isinstance(language, FiniteLanguage):
        return _reachable_list(language, keep_prompts)
    if isinstance(language, Automaton):
        relative = Relative.of(language)
        modes = num_paths(relative.next_state, relative.log_ratio >= -TIE, relative.start)
        size = language.support_size
        return math.log(modes), math.inf if size == math.inf else math.log(size)
    if isinstance(language, ContextFree):
        best = likeliest_weights(language.rules, language.log_p, len(language.nonterminals))
        worth = [best[rule.lhs] - sum(best[child] for child in rule.children) for rule in language.rules]
        kept = [r for r, log_p, at in zip(language.rules, language.log_p, worth, strict=True) if log_p >= at - TIE]
        modal = Shape.of(kept, len(language.nonterminals), language.start)
        return modal.log_derivations, language.shape.log_derivations
    why = "it sets the entropy of strings, which is not exactly known for a hidden automaton"
    raise unavailable("entropy dial", why, LIST_THEM)


def _reachable_list(language: FiniteLanguage, keep_prompts: bool) -> tuple[float, float]:
    if not keep_prompts:
        log_p = language.log_p
        return math.log(np.sum(log_p >= log_p.max() - TIE)), math.log(language.support_size)
    groups, log_p = language.prompts, language.answers
    top = np.full(groups.num_groups, -np.inf)
    np.maximum.at(top, groups.group, log_p)
    alive, law = log_p > -np.inf, np.exp(groups.log_p)
    modes = np.bincount(groups.group, alive & (log_p >= top[groups.group] - TIE), groups.num_groups)
    sizes = np.bincount(groups.group, alive, groups.num_groups)
    low, high = (float(law @ np.log(np.maximum(counts, 1.0))) for counts in (modes, sizes))
    return low, high


def highest_temperature(language: ExactLanguage) -> float:
    """The lowest temperature at which the normaliser diverges, to a relative 1e-7; e^12 if there is none below that."""
    low, high = 0.0, 0.0
    while _converges(language, math.exp(high)) and high < FARTHEST:
        low, high = high, high + 0.125
    while high - low > 1e-7:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _converges(language, math.exp(middle)) else (low, middle)
    return math.exp(low)


def _converges(language: ExactLanguage, temperature: float) -> bool:
    """Whether the total weight is finite, as far as float64 can resolve it."""
    try:
        return tilted(language, temperature, False) is not None
    except UnresolvedError:
        return False
