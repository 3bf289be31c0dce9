"""Grammar files of JFLAP: finite automata (names that end in .jff), with weights in their labels."""

import re
import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sim.grammars._reading import known, problem
from sim.grammars._weights import DECIMAL, RATIO, probability

WEIGHT = re.compile(rf"\s*(?:{DECIMAL.pattern}|{RATIO.pattern})\s*")
WHERE = "write it in JFLAP as a finite automaton"


@dataclass(frozen=True)
class _Arc:
    """A transition. Its weight is the text after the last colon of its label; without one it is None."""

    place: str
    source: str
    to: str
    symbol: str
    weight: str | None


@dataclass(frozen=True)
class _State:
    """A state: its name, whether it may stop, and the number in its label, which is the weight to stop."""

    name: str
    final: bool
    label: str | None


def jflap(path: str, text: str) -> dict[str, Any] | None:
    """The automaton of the file, as the mapping of a grammar file of type `pfsa`; None if the text is not XML.

    A label `a:1/2` is the symbol a with the probability 1/2, and the label of a final state is its probability to stop.
    Without that, a final state stops with what its transitions leave of 1. If no transition has a number, then each
    transition of a state, and stopping in a final state, is equally likely; states from which no final state can be
    reached are left out first; a warning says so. A label is one symbol, however long. Raises `SpecificationError` for
    anything but a finite automaton with one initial state, for empty labels (λ), and for numbers on some transitions
    only. Source: Rodger & Finley 2006, "JFLAP: An Interactive Formal Languages and Automata Package".
    """
    if not text.lstrip().startswith("<"):
        return None
    root = _parsed(path, text)
    kind = (root.findtext("type") or "").strip()
    if root.tag != "structure" or kind != "fa":
        found = repr(kind) if root.tag == "structure" else "another kind of file"
        raise problem(path, "a finite automaton of JFLAP (structure type fa) is required", found, WHERE)
    states, initial = _states(path, root)
    arcs = [_arc(f"{path}: transition {n}", one, states) for n, one in enumerate(root.iter("transition"), start=1)]
    if not any(state.final for state in states.values()):
        raise problem(path, "a final state is required", "none", "mark one in JFLAP")
    weighted = [arc for arc in arcs if arc.weight is not None]
    if weighted and len(weighted) < len(arcs):
        bare = next(arc for arc in arcs if arc.weight is None)
        requirement = "a weight on every transition is required (or on none)"
        raise problem(bare.place, requirement, f"the label {bare.symbol!r}", f"write {bare.symbol}:1/2")
    if not weighted:
        states, arcs = _leading(path, states, initial, arcs)
    final = _weighted_stops(states, arcs) if weighted else {one: "1" for one, state in states.items() if state.final}
    shares = Counter(arc.source for arc in arcs) + Counter(one for one in final if not weighted)
    transitions = [
        {
            "from": states[arc.source].name,
            "symbol": arc.symbol,
            "to": states[arc.to].name,
            "p": arc.weight or str(Fraction(1, shares[arc.source])),
        }
        for arc in arcs
    ]
    stops = {states[one].name: p if weighted else str(Fraction(1, shares[one])) for one, p in final.items()}
    return {
        "type": "pfsa",
        "states": [state.name for state in states.values()],
        "initial": {states[initial].name: "1"},
        "transitions": transitions,
        "final": stops,
    }


def _parsed(path: str, text: str) -> ElementTree.Element:
    """The XML of a text. A document type is refused, because only there can entities be declared."""
    if "<!DOCTYPE" in text:
        raise problem(path, "XML without a document type is required", "<!DOCTYPE", "remove it, and all entities")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        place = f"{path}: line {line}, column {column + 1}"
        raise problem(place, "XML is required", "a mistake", "save it in JFLAP again") from None
    except ValueError as error:
        raise problem(path, "XML is required", str(error), "save it in JFLAP again") from None


def _states(path: str, root: ElementTree.Element) -> tuple[dict[str, _State], str]:
    """The states by their identifiers, and the identifier of the initial state."""
    found: dict[str, _State] = {}
    initial = []
    names = Counter(one.get("name") for one in root.iter("state"))
    for one in root.iter("state"):
        number, name = one.get("id"), one.get("name")
        if not number or number in found:
            raise problem(f"{path}: states", "an id of its own for every state is required", repr(number), "correct it")
        label = (one.findtext("label") or "").strip()
        named = name if name and names[name] == 1 else f"{name or 'q'} (id {number})"
        found[number] = _State(named, one.find("final") is not None, label or None)
        initial += [number] if one.find("initial") is not None else []
    if len(initial) != 1:
        raise problem(path, "one initial state is required", f"{len(initial)} of them", "mark one in JFLAP")
    return found, initial[0]


def _arc(place: str, one: ElementTree.Element, states: dict[str, _State]) -> _Arc:
    source, to = (
        known(f"{place}: {end}", (one.findtext(end) or "").strip(), states, "the id of a state")
        for end in ("from", "to")
    )
    label = (one.findtext("read") or "").strip()
    symbol, colon, weight = label.rpartition(":")
    if not colon or not WEIGHT.fullmatch(weight):
        symbol, weight = label, ""
    if not symbol.strip():
        fix = "give it a symbol, as in a:1/2 (without weights, Convert > Convert to DFA in JFLAP removes it)"
        raise problem(place, "a symbol is required", "an empty label (λ)", fix)
    return _Arc(place, source, to, symbol.strip(), weight.strip() or None)


def _leading(
    path: str, states: dict[str, _State], initial: str, arcs: list[_Arc]
) -> tuple[dict[str, _State], list[_Arc]]:
    """The states that lead to a final state, and the transitions between them; with a warning about the weights."""
    leading = {one for one, state in states.items() if state.final}
    while more := {arc.source for arc in arcs if arc.to in leading} - leading:
        leading |= more
    said = "no weights, so in every state its transitions, and stopping if it is final, are equally likely"
    if lost := [state.name for one, state in states.items() if one not in leading]:
        said += f"; left out, because no final state follows: {', '.join(map(repr, lost[:5]))}"
    warnings.warn(f"{path}: {said}", stacklevel=2)
    if initial not in leading:
        raise problem(path, "a path from the initial to a final state is required", "none", "add transitions")
    kept = [arc for arc in arcs if arc.source in leading and arc.to in leading]
    return {one: state for one, state in states.items() if one in leading}, kept


def _weighted_stops(states: dict[str, _State], arcs: list[_Arc]) -> dict[str, str]:
    """The weights to stop of the final states: their labels, or what their transitions leave of 1."""
    found = {}
    for one, state in states.items():
        if not state.final:
            continue
        if state.label is not None:
            found[one] = state.label
            continue
        own = [probability(arc.place, arc.weight, weight=True) for arc in arcs if arc.source == one]
        rest = 1 - sum(own, Fraction(0))
        if rest < 0:
            requirement = "transitions of a final state without a label must sum to at most 1"
            place = next(arc.place for arc in arcs if arc.source == one)
            fix = "correct them, or write the weight to stop into the label of the state"
            raise problem(place, requirement, f"{float(1 - rest):.12g}", fix)
        found[one] = str(rest)
    return found
