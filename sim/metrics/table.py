"""Record -> tidy rows and identity residuals: every number that a user sees is computed here, from recorded arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim.disk.records import RELEARNT, TUNED_ON_S, Record
from sim.languages.finite import FiniteLanguage
from sim.metrics import identities
from sim.metrics.divergence import jensen_shannon, kl, total_variation
from sim.metrics.diversity import hill_number
from sim.metrics.entropy import entropy_interval
from sim.metrics.forgetting import (
    Part,
    event_parts,
    gate_erasure_of,
    latent_shift_accounting,
    log_event,
    log_styles,
    shift_accounting,
    style_parts,
    style_split_of,
    waterfall,
)
from sim.metrics.scored import VIEWS, Layout, Scored, View, average, known
from sim.metrics.support import epsilon_support, off_support_mass, outside_mass
from sim.quantity import Quantity, exponential
from sim.theory.optima import predicted

EPSILONS = (*(float(f"{mantissa}e{exponent}") for exponent in range(-7, 0) for mantissa in (1, 2, 5)), 1.0)
"""Thresholds of the eps-support [probability per answer]."""

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Truths:
    """What is known exactly of the world in one view: P, P_A, S scored on P's trie, and the two prompt laws."""

    record: Record
    view: View

    def law(self, language: FiniteLanguage) -> np.ndarray:
        """log prompt law [nat] of a language over the prompts of P: float64[G]; one group in the joint view."""
        return language.prompts.log_p if self.view == "response" else np.zeros(1)

    @cached_property
    def layout(self) -> Layout:
        """The common trie in this view."""
        return Layout.of(self.record.p.trie, self.record.p.prompts, self.view)

    def of(self, language: FiniteLanguage) -> Scored:
        """A language on the common trie."""
        return known(language, self.layout)

    @cached_property
    def p(self) -> Scored:
        """P."""
        return self.of(self.record.p)

    @cached_property
    def kept(self) -> Scored:
        """P_A."""
        return self.of(self.record.restricted.kept)

    @cached_property
    def s(self) -> Scored:
        """S."""
        return self.of(self.record.restricted.s)

    @cached_property
    def best(self) -> Scored | None:
        """q*, the optimum that theory predicts for the fine-tuning on S; None where it has no closed form."""
        p, s = self.record.p, self.record.restricted.s
        log_q = predicted(self.record.config.get("objective", {}), s.log_p, p.log_p)
        return None if log_q is None else self.of(p.with_law(log_q))

    @cached_property
    def languages(self) -> dict[str, Scored]:
        """The languages by name: P, P_A, S, and q* where it is known."""
        known = {"P": self.p, "P_A": self.kept, "S": self.s}
        return known if self.best is None else known | {"q*": self.best}

    @cached_property
    def entropies(self) -> dict[str, dict[str, Quantity]]:
        """H [nat] of every language under every prompt law, by the names of both."""
        return {
            name: {of: entropy_interval(q, law) for of, q in self.languages.items()} for name, law in self.laws.items()
        }

    @cached_property
    def event_parts(self) -> list[Part]:
        """What the split of KL(P||q) by the event A has to know of P."""
        return event_parts(self.p, self.record.restricted.event, self.p_law)

    @cached_property
    def style_parts(self) -> list[Part]:
        """What the split of KL(P||q) by style has to know of P."""
        styles = self.record.p.styles
        return [] if styles is None else style_parts(self.p, styles.log_posterior, self.p_law)

    @cached_property
    def laws(self) -> dict[str, np.ndarray]:
        """The prompt laws by name: P(x) and S(x); in the joint view one without a name."""
        return {"P(x)": self.p_law, "S(x)": self.s_law} if self.view == "response" else {"": self.p_law}

    def covers(self, scored: Scored, law: np.ndarray) -> bool:
        """Whether a language has answers to every prompt of a law, so that it can be averaged under it."""
        total = np.bincount(scored.group, np.exp(scored.log_q), scored.num_groups)
        return bool((total[law > -np.inf] > 0.0).all())

    @cached_property
    def p_law(self) -> np.ndarray:
        """log P(x)."""
        return self.law(self.record.p)

    @cached_property
    def s_law(self) -> np.ndarray:
        """log S(x)."""
        return self.law(self.record.restricted.s)

    def scored(self, phase: str, index: int) -> Scored:
        """The model of a phase at one evaluation."""
        arrays = {name: values[index] for name, values in self.record.phases[phase].arrays.items()}
        return self.layout.score(arrays)


def row(metric: str, of: str, value: Quantity | float, unit: str, prompt_law: str) -> Row:
    """One number with its certificate: exact (lower = upper = value) or bounded (value is empty)."""
    quantity = value if isinstance(value, Quantity) else Quantity.of(value)
    return {
        "metric": metric,
        "of": of,
        "value": quantity.value,
        "lower": quantity.lower,
        "upper": quantity.upper,
        "exactness": "exact" if quantity.exact else "bounded",
        "unit": unit,
        "prompt_law": prompt_law,
    }


def rows(record: Record) -> list[Row]:
    """Every measured number of a run, one row each; see the column descriptions in `sim.rows`."""
    found: list[Row] = []
    for view in VIEWS:
        truths = Truths(record, view)
        tag = {"phase": "truth", "step": 0, "view": view}
        found += [tag | one for one in truth_rows(truths)]
        for phase, recorded in record.phases.items():
            for index, step in enumerate(recorded.steps):
                tag = {"phase": phase, "step": int(step), "view": view}
                last = index == len(recorded.steps) - 1
                found += [
                    tag | one for one in model_rows(truths, phase, truths.scored(phase, index), last or not index)
                ]
    return found


def truth_rows(truths: Truths) -> Iterator[Row]:
    """What is known of the world before anything is trained."""
    record, p_name, s_name = truths.record, *law_names(truths.view)
    for of, scored in truths.languages.items():
        for name, law in truths.laws.items():
            if truths.covers(scored, law):
                yield from diversity_rows(scored, of, law, name, EPSILONS, truths.entropies[name][of])
                yield from style_mass_rows(record, scored, of, law, name)
    if truths.view == "joint":
        yield row("expected_length", "P", record.p.expected_length(), "symbols", "")
    if truths.best is not None:
        yield row("kl", "P||q*", kl(truths.p.log_q, truths.best.log_q, truths.p.weights(truths.p_law)), "nat", p_name)
        yield row("kl", "S||q*", kl(truths.s.log_q, truths.best.log_q, truths.s.weights(truths.s_law)), "nat", s_name)
    shift = shift_accounting(truths.p, truths.s, truths.kept, record.restricted.event, truths.s_law)
    yield row("shift_total", "S||P", shift.total, "nat", s_name)
    yield row("shift_conditioning", "S||P", shift.conditioning, "nat", s_name)
    yield row("shift_narrowing", "S||P", shift.narrowing, "nat", s_name)
    if (member := record.restricted.log_member) is not None:
        latent = latent_shift_accounting(truths.p, truths.s, member, truths.s_law)
        for part in ("total", "conditioning", "narrowing", "overlap"):
            yield row(f"latent_shift_{part}", "S||P", getattr(latent, part), "nat", s_name)
    prompts = (record.restricted.s.prompts.log_p, record.p.prompts.log_p)
    yield row("shift_prompts", "S(x)||P(x)", kl(*prompts), "nat", "")
    yield row("event_mass", "P(A)", float(np.exp(record.restricted.log_mass)), "1", "")
    for note, value in record.restricted.notes.items():
        yield row("restriction_note", note, float(value), "see the restriction", "")


def law_names(view: View) -> tuple[str, str]:
    """Names of the prompt laws that numbers are averaged under; empty in the joint view."""
    return ("P(x)", "S(x)") if view == "response" else ("", "")


def model_rows(truths: Truths, phase: str, q: Scored, in_full: bool) -> Iterator[Row]:
    """What is measured of a model at one evaluation; `in_full` adds the whole eps-support curve."""
    record, (p_name, s_name) = truths.record, law_names(truths.view)
    entropies = {name: entropy_interval(q, law) for name, law in truths.laws.items()}
    for name, law in truths.laws.items():
        yield from diversity_rows(q, "q", law, name, EPSILONS if in_full else EPSILONS[::3], entropies[name])
        yield from style_mass_rows(record, q, "q", law, name)
    yield row("kl", "P||q", kl(truths.p.log_q, q.log_q, q.weights(truths.p_law)), "nat", p_name)
    yield row("kl", "S||q", kl(truths.s.log_q, q.log_q, q.weights(truths.s_law)), "nat", s_name)
    if truths.best is not None and phase in TUNED_ON_S:
        yield row("kl", "q*||q", kl(truths.best.log_q, q.log_q, q.weights(truths.s_law)), "nat", s_name)
    yield row("kl", "P_A||q", kl(truths.kept.log_q, q.log_q, q.weights(truths.s_law)), "nat", s_name)
    weights = q.merged_weights(truths.p_law)
    yield row("total_variation", "P,q", total_variation(truths.p.merged, q.merged, weights), "1", p_name)
    yield row("jensen_shannon", "P,q", jensen_shannon(truths.p.merged, q.merged, weights), "nat", p_name)
    yield row("off_support", "q", off_support_mass(q, truths.p_law), "1", p_name)
    yield row("outside_p", "q", outside_mass(truths.p, q, truths.p_law), "1", p_name)
    kept = np.exp(log_event(q, record.restricted.event))
    yield row("event_mass", "q(A)", average(truths.p_law, kept), "1", p_name)
    split = gate_erasure_of(truths.event_parts, q)
    for part in ("gate", "kept", "erasure"):
        yield row(part, "A", getattr(split, part), "nat", p_name)
    if record.p.styles is not None:
        styles = style_split_of(truths.style_parts, q)
        yield row("style_gate", "z", styles.gate, "nat", p_name)
        for name, within in zip(record.p.styles.names, styles.within, strict=True):
            yield row("style_within", name, float(within), "nat", p_name)
    if phase not in RELEARNT:  # which is no way from P
        yield from waterfall_rows(truths, phase, entropies)


def diversity_rows(
    q: Scored, of: str, law: np.ndarray, name: str, epsilons: Sequence[float], entropy: Quantity
) -> Iterator[Row]:
    """Entropy, Hill numbers and the eps-support of one distribution; its entropy under the law is at hand."""
    yield row("entropy", of, entropy, "nat", name)
    yield row("hill_1", of, entropy.increasing(exponential), "strings", name)
    for order, symbol in ((2, "hill_2"), (np.inf, "hill_inf")):
        yield row(symbol, of, hill_number(q, order, law), "strings", name)
    for epsilon, count in zip(epsilons, epsilon_support(q, epsilons, law), strict=True):
        yield row("epsilon_support", f"{of} eps={epsilon:g}", count, "strings", name)


def style_mass_rows(record: Record, q: Scored, of: str, law: np.ndarray, name: str) -> Iterator[Row]:
    """How the mass lies over the styles."""
    if record.p.styles is None:
        return
    mass = np.exp(log_styles(q, record.p.styles.log_posterior))
    for index, style in enumerate(record.p.styles.names):
        yield row("style_mass", f"{of} {style}", average(law, mass[:, index]), "1", name)


def waterfall_rows(truths: Truths, phase: str, entropies: Mapping[str, Quantity]) -> Iterator[Row]:
    """H(P) - H(q) in three steps, given H(q) by prompt law.

    What is trained on P keeps everything, so that the first two steps are 0.
    """
    whole = phase not in TUNED_ON_S
    name = law_names(truths.view)[0 if whole else 1]
    known = truths.entropies[name]
    kept, s, best = ("P", "P", "P") if whole else ("P_A", "S", "q*")
    steps = waterfall(known["P"], known[kept], known[s], entropies[name])
    for part in ("conditioning", "narrowing", "learning"):
        yield row(f"waterfall_{part}", "H(P)-H(q)", getattr(steps, part), "nat", name)
    if best in known:
        yield row("objective_gap", "H(S)-H(q*)", known[s] - known[best], "nat", name)


def residuals(record: Record) -> dict[str, dict[str, float]]:
    """Residuals and slacks of the identities of every phase at its last evaluation, per view: "phase/view" -> name."""
    found = {}
    for view in VIEWS:
        truths = Truths(record, view)
        for phase in record.phases:
            found[f"{phase}/{view}"] = _residuals(truths, truths.scored(phase, -1))
    return found


def _residuals(truths: Truths, q: Scored) -> dict[str, float]:
    p, s, kept, p_law, s_law = truths.p, truths.s, truths.kept, truths.p_law, truths.s_law
    event, styles = truths.record.restricted.event, truths.record.p.styles
    steps = waterfall(*(entropy_interval(one, s_law) for one in (p, kept, s, q)))
    values = {
        "cross_entropy": identities.cross_entropy_identity(p, q, p_law),
        "chain_rule_entropy": identities.chain_rule_entropy_identity(q, p_law),
        "chain_rule_kl": identities.chain_rule_kl_identity(p, q, p_law),
        "gate_erasure": identities.gate_erasure_identity(p, q, event, p_law),
        "shift_accounting": identities.shift_accounting_identity(p, s, kept, event, s_law),
        "waterfall": identities.waterfall_identity(p, q, steps, s_law),
        "conditionals": identities.conditionals_identity(q, p_law),
        "total_mass": identities.total_mass_identity(q, p_law),
        "kl_nonnegative": identities.kl_nonnegative_slack(p, q, p_law),
        "pinsker": identities.pinsker_slack(p, q, p_law),
        "collision_continuity": identities.collision_continuity_slack(p, q, p_law),
        "entropy_continuity": identities.entropy_continuity_slack(p, q, p_law),
    }
    if styles is not None:
        values["style_split"] = identities.style_split_identity(p, q, styles.log_posterior, p_law)
    return values


def violations(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One line per identity that does not hold within its stated tolerance."""
    return [f"{where}: {line}" for where, values in found.items() for line in identities.violations(values)]
