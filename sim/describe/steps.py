"""Changes that are made to a language before it is described, in a fixed order. Each change reports its effect."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from sim.config import construct
from sim.describe.bounds import Known
from sim.languages import decoding
from sim.languages.automaton import Automaton
from sim.languages.dial import dial
from sim.languages.endless import Endless
from sim.languages.events import Dfa
from sim.languages.exact import ExactLanguage, UnavailableError
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.listed import listed
from sim.languages.pcfg import weights
from sim.languages.pcfg.language import ContextFree
from sim.languages.restricted import Narrowed, Restricted
from sim.languages.tilting import Per, dial_entropy, tilt
from sim.metrics.forgetting import latent_shift_accounting, shift_accounting
from sim.metrics.scored import truth
from sim.numerics import SpecificationError
from sim.quantity import Quantity


@dataclass(frozen=True)
class Changes:
    """The changes that are asked for. None or empty means that a change is not asked for."""

    length: int | None = None
    restrictions: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    tilt: float | None = None
    entropy: float | None = None
    per: Per = "string"
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    max_strings: int = 20_000

    def decodings(self) -> Iterator[tuple[str, int | float, Callable[[Any], decoding.Transform]]]:
        """Yield the requested transforms of the next token as (name, argument, constructor)."""
        every = (
            ("temperature", self.temperature, decoding.temperature),
            ("top_k", self.top_k, decoding.top_k),
            ("top_p", self.top_p, decoding.top_p),
            ("min_p", self.min_p, decoding.min_p),
        )
        return ((name, argument, make) for name, argument, make in every if argument is not None)


Step = dict[str, Any]
"""The effect of a change: a value for each name."""


def conditioned_on_ending(language: ExactLanguage) -> list[Step]:
    """Return the step that reading has made, if a grammar whose derivations may never end was renormalised."""
    if not isinstance(language, ContextFree) or language.ending == 1.0:
        return []
    return [{"step": "renormalisation", "of": "derivations that end", "probability_of_ending": language.ending}]


def changed(language: ExactLanguage, changes: Changes) -> tuple[ExactLanguage, list[Step]]:
    """Return the language after truncation, restrictions, tilt or entropy, and decoding, and the effect of each change.

    If a kind of language does not support a change, the list of its strings is changed instead, provided there are at
    most `max_strings` of them. It raises `SpecificationError` for bad input and `UnavailableError` if a change is
    supported neither by the kind nor by a list.
    """
    acts: list[Callable[[ExactLanguage], tuple[ExactLanguage, Step]]] = []
    if (length := changes.length) is not None:
        acts.append(lambda p: _truncated(p, length))
    acts += [partial(_restricted, node=node, max_strings=changes.max_strings) for node in changes.restrictions]
    if changes.tilt is not None or changes.entropy is not None:
        acts.append(lambda p: _tilted(p, changes))
    acts += [partial(_decoded, name=name, argument=k, transform=make(k)) for name, k, make in changes.decodings()]
    done: list[Step] = []
    for act in acts:
        try:
            language, step = act(language)
        except UnavailableError:
            few = None if isinstance(language, FiniteLanguage | Endless) else listed(language, changes.max_strings)
            if few is None:
                raise
            language, step = act(few)
        done.append(step)
    return language, done


def shorter(length: int, vocab_size: int) -> Dfa:
    """Return the automaton of the event |x| <= `length` - 1."""
    table = np.minimum(np.arange(length + 1) + 1, length)[:, None] + np.zeros(vocab_size, np.int64)
    return Dfa(table.astype(np.int64), np.arange(length + 1) < length, 0)


def _truncated(language: ExactLanguage, length: int) -> tuple[ExactLanguage, Step]:
    """P(. | |x| <= length - 1), renormalised exactly. A chain that never stops gives its first length - 1 symbols."""
    if length < 1:
        raise SpecificationError(f"--length: an integer of at least 1 is required (it counts the end), found {length}")
    step: Step = {"step": "truncation", "length": length}
    if isinstance(language, Endless):
        blocks = language.blocks(length - 1)
        assert isinstance(blocks, Automaton | HiddenAutomaton)
        return blocks, step | {"of": f"blocks of {length - 1} symbols", "dropped_mass": 0.0}
    kept: ExactLanguage
    if isinstance(language, FiniteLanguage):
        kept, dropped = language.enumerate(length, language.support_size, "--length")
        return kept, step | {"dropped_mass": dropped}
    assert isinstance(language, Automaton | HiddenAutomaton | ContextFree)
    dropped = language.dropped_mass(length)
    if language.longest <= length - 1:
        return language, step | {"dropped_mass": 0.0}
    if isinstance(language, ContextFree):
        kept = weights.truncated(language, length, "--length")[0]
    else:
        kept = language.condition(shorter(length, len(language.vocabulary)), "--length")[0]
    return kept, step | {"dropped_mass": dropped}


def _restricted(language: ExactLanguage, node: Mapping[str, Any], max_strings: int) -> tuple[ExactLanguage, Step]:
    """Return S of a restriction, with log P(A) and the parts of the shift KL(S || P) [nat]."""
    found = construct("restriction", node, "restriction", language)
    if isinstance(found, Restricted) and isinstance(language, FiniteLanguage):
        shift = _shift_of_list(language, found)
    else:
        assert isinstance(found, Narrowed)
        total = Quantity.of(-found.log_mass + found.narrowing)
        total = total if found.of_strings else Quantity(0.0, total.upper)
        shift = {"shift_total": total, "shift_conditioning": -found.log_mass, "shift_narrowing": found.narrowing}
    step = {
        "step": "restriction",
        "restriction": dict(node),
        "log_mass": found.log_mass,
        "mass": math.exp(found.log_mass),
        "entropy_before": Known(language, max_strings).entropy(),
        "entropy_after": Known(found.s, max_strings).entropy(),
    }
    return found.s, step | shift | {"notes": dict(found.notes)}


def _shift_of_list(p: FiniteLanguage, found: Restricted) -> Step:
    """KL(S || P) over whole strings and its parts [nat]."""
    whole = p if found.p is None else found.p
    one, s, kept = (truth(law, whole.prompts, "joint") for law in (whole, found.s, found.kept))
    law = np.zeros(1)
    parts = shift_accounting(one, s, kept, found.event, law)
    said = {"shift_total": Quantity.of(parts.total), "shift_conditioning": parts.conditioning}
    said["shift_narrowing"] = parts.narrowing
    if found.log_member is not None:
        latent = latent_shift_accounting(one, s, found.log_member, law)
        said |= {f"latent_{name}": getattr(latent, name) for name in ("conditioning", "narrowing", "overlap")}
    return said


def _tilted(language: ExactLanguage, changes: Changes) -> tuple[ExactLanguage, Step]:
    """Return the law proportional to P^(1/tau) over whole strings, for a given tau or a given entropy."""
    if changes.tilt is not None and changes.entropy is not None:
        raise SpecificationError("--tilt, --entropy: one of the two is required, found both; leave one out")
    if changes.entropy is not None:
        result, tau = dial(language, changes.entropy, changes.per, place="--entropy")
    else:
        assert changes.tilt is not None
        result, tau = tilt(language, changes.tilt)[0], changes.tilt
    of = "derivations" if isinstance(language, ContextFree) and not language.ambiguity.unambiguous else "strings"
    before, after = dial_entropy(language), dial_entropy(result)
    return result, {"step": "tilt", "temperature": tau, "of": of, "entropy_before": before, "entropy_after": after}


def _decoded(
    language: ExactLanguage, name: str, argument: int | float, transform: decoding.Transform
) -> tuple[ExactLanguage, Step]:
    """Return the law of the strings that are sampled if a transform changes every next-token law."""
    result = decoding.decoded(language, transform, f"--{name.replace('_', '-')}")
    before, after = language.entropy(), result.entropy()
    return result, {"step": name, "argument": argument, "entropy_before": before, "entropy_after": after}
