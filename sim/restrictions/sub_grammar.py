"""Delete symbols, states, transitions, non-terminals or rules. S is the language of the smaller machine or grammar."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sim.languages.automaton import Automaton
from sim.languages.events import Dfa
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg import weights
from sim.languages.pcfg.language import ContextFree
from sim.languages.restricted import Narrowed, Restricted
from sim.numerics import EOS, SpecificationError, nearest
from sim.restrictions._kinds import conditioned

PLACE = "restriction"

CERTAIN = 1e-9
"""If log P(path avoids | string) is within this of 0, the probability counts as 1."""


def sub_grammar(
    p: ExactLanguage,
    *,
    symbols: Sequence[str] = (),
    states: Sequence[str] = (),
    transitions: Sequence[Mapping[str, str]] = (),
    nonterminals: Sequence[str] = (),
    rules: Sequence[Mapping[str, Any]] = (),
) -> Restricted | Narrowed:
    """S is P given that the string avoids `symbols`, or given that its path or derivation avoids the other named parts.

    `states` and `transitions` ({from, symbol} or {from, symbol, to}) are parts of an automaton. `nonterminals` and
    `rules` ({lhs, rhs}) are parts of a grammar, written as in the grammar file; {lhs, number} is the rule of lhs with
    that number, from 0, in the order of the grammar. A listed language has the parts of the automaton or grammar that
    it was listed from. What is left is renormalised exactly, P_A = P(. | A). If a string has
    several paths or derivations, the event is latent: S is proportional to P(x) P(path avoids the parts | x). Give
    either symbols or other parts, not both. Raises `SpecificationError` for a name that does not exist, if nothing is
    left, and for a language without such parts.
    """
    parts = {"states": states, "transitions": transitions, "nonterminals": nonterminals, "rules": rules}
    named = [name for name, values in parts.items() if values]
    if bool(symbols) == bool(named):
        found = "both" if named else "neither"
        raise SpecificationError(
            f"{PLACE}: either symbols or one of states, transitions, nonterminals and rules is required, found {found}"
        )
    if symbols:
        return conditioned(p, _avoiding(_tokens(p, symbols), len(p.vocabulary)), f"{PLACE}.symbols")
    source = p.source if isinstance(p, FiniteLanguage) else p
    smaller: Automaton | HiddenAutomaton | ContextFree
    if isinstance(source, Automaton | HiddenAutomaton) and not nonterminals and not rules:
        smaller, log_mass = _without_states(source, states, transitions)
    elif isinstance(source, ContextFree) and not states and not transitions:
        smaller, log_mass = _without_rules(source, nonterminals, rules)
    else:
        raise SpecificationError(
            f"{PLACE}: {', '.join(named)}: a language that was made from an automaton (states, transitions) or from a "
            "context-free grammar (nonterminals, rules) is required, found another; name symbols, or use regular"
        )
    if isinstance(p, FiniteLanguage):
        return _on_list(p, source, smaller, log_mass)
    hard = not isinstance(source, HiddenAutomaton | ContextFree) or _tells(source)
    return Narrowed(smaller, smaller, log_mass, 0.0, of_strings=hard)


def _tells(source: HiddenAutomaton | ContextFree) -> bool:
    """Whether every string has only one path or derivation."""
    return source.unambiguous if isinstance(source, HiddenAutomaton) else source.ambiguity.unambiguous


def _tokens(p: ExactLanguage, symbols: Iterable[str]) -> list[int]:
    valid = p.vocabulary.symbols[EOS + 1 :]
    return [_index(symbol, valid, "symbols", "a symbol of the language") + EOS + 1 for symbol in symbols]


def _index(name: Any, names: Sequence[str], where: str, what: str) -> int:
    if str(name) not in names:
        raise SpecificationError(f"{PLACE}.{where}: {what} is required, found {name!r}{nearest(str(name), names)}")
    return list(names).index(str(name))


def _avoiding(tokens: Sequence[int], vocab_size: int) -> Dfa:
    table = np.zeros((2, vocab_size), np.int64)
    table[1] = 1
    table[0, tokens] = 1
    return Dfa(table, np.array([True, False]), 0)


def _without_states(
    source: Automaton | HiddenAutomaton, states: Iterable[str], transitions: Iterable[Mapping[str, str]]
) -> tuple[Automaton | HiddenAutomaton, float]:
    names = source.state_names or tuple(str(s) for s in range(len(source.stops)))
    gone = [_index(name, names, "states", "a state") for name in states]
    arcs: set[tuple[int, int, int]] = set()
    for entry in transitions:
        unknown = set(entry) - {"from", "symbol", "to"}
        if unknown or not {"from", "symbol"} <= set(entry):
            raise SpecificationError(
                f"{PLACE}.transitions: the keys from, symbol and possibly to are required, found {', '.join(entry)}"
            )
        s = _index(entry["from"], names, "transitions.from", "a state")
        a = _tokens(source, [entry["symbol"]])[0]
        leads = source.moves_by(s, a)
        targets = [_index(entry["to"], names, "transitions.to", "a state")] if "to" in entry else leads
        if not targets or not set(targets) <= set(leads):
            raise SpecificationError(f"{PLACE}.transitions: an existing transition is required, found {dict(entry)}")
        arcs |= {(s, a, t) for t in targets}
    if isinstance(source, Automaton):
        return source.without(gone, {(s, a) for s, a, _ in arcs}, PLACE)
    return source.without(gone, arcs, PLACE)


def _without_rules(
    source: ContextFree, nonterminals: Iterable[str], rules: Iterable[Mapping[str, Any]]
) -> tuple[ContextFree, float]:
    gone = [_index(name, source.nonterminals, "nonterminals", "a non-terminal") for name in nonterminals]
    return weights.without(source, gone, numbered(source, rules), PLACE)


def numbered(source: ContextFree, rules: Iterable[Mapping[str, Any] | str]) -> list[int]:
    """The numbers of rules {lhs, rhs}, {lhs, number} or "lhs -> rhs" of a grammar.

    Raises `SpecificationError` for one that it lacks.
    """
    written, found = [source.shown(rule) for rule in source.rules], []
    for entry in rules:
        if isinstance(entry, str):
            found.append(_index(" ".join(entry.split()), written, "rules", "a rule of the grammar"))
            continue
        if set(entry) == {"lhs", "number"}:
            found.append(_of_lhs(source, entry["lhs"], entry["number"]))
            continue
        if set(entry) != {"lhs", "rhs"} or not isinstance(entry["rhs"], list | tuple):
            raise SpecificationError(
                f"{PLACE}.rules: the keys lhs (a name) and rhs (a list of names), or lhs and number, are required, "
                f"found {dict(entry)}"
            )
        shown = f"{entry['lhs']} -> {' '.join(map(str, entry['rhs'])) or '(empty)'}"
        found.append(_index(shown, written, "rules", "a rule of the grammar"))
    return found


def _of_lhs(source: ContextFree, lhs: Any, number: Any) -> int:
    """The number of a rule among all rules, from its number among those of its left-hand side."""
    symbol = _index(lhs, source.nonterminals, "rules.lhs", "a non-terminal")
    own = [at for at, rule in enumerate(source.rules) if rule.lhs == symbol]
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(own):
        raise SpecificationError(
            f"{PLACE}.rules.number: an integer from 0 to {len(own) - 1} is required for {lhs}, found {number!r}; its "
            f"rules are {', '.join(f'{at}: {source.shown(source.rules[one])}' for at, one in enumerate(own))}"
        )
    return own[number]


def _on_list(p: FiniteLanguage, source: Any, smaller: Any, log_mass: float) -> Restricted:
    """Restrict the list P by the event of the smaller machine. P holds the strings of `source` up to a horizon."""
    size = p.trie.num_strings
    own, _ = source.enumerate(p.length, size, PLACE)
    left, _ = smaller.enumerate(p.length, size, PLACE)
    log_own = aligned(p, own) + source.log_mass_within(p.length)
    log_left = aligned(p, left) + smaller.log_mass_within(p.length) + log_mass
    member = np.where(log_left > -np.inf, log_left - np.where(log_left > -np.inf, log_own, 0.0), -np.inf)
    event = (member > -np.inf) & (p.log_p > -np.inf)
    if (member[event] >= -CERTAIN).all():
        kept, log_kept = p.condition(event, place=PLACE)
        return Restricted(kept, kept, event, log_kept)
    member = np.minimum(member, 0.0)  # it can be above 0 only by rounding
    kept, log_kept = p.condition(event, place=PLACE)
    return Restricted(p.given(member, place=PLACE)[0], kept, event, log_kept, log_member=member)


def aligned(p: FiniteLanguage, other: FiniteLanguage) -> np.ndarray:
    """The log probabilities of another list for the strings of P [nat]: float64[N]; -inf if it lacks the string."""
    number = {row[: n - 1].tobytes(): i for i, (row, n) in enumerate(zip(p.trie.strings, p.trie.lengths, strict=True))}
    out = np.full(p.trie.num_strings, -np.inf)
    for row, n, log_q in zip(other.trie.strings, other.trie.lengths, other.log_p, strict=True):
        out[number[row[: n - 1].tobytes()]] = log_q
    return out


def label(**parts: Any) -> str:
    """The restriction in words."""
    gone = [written(one) for names in parts.values() if isinstance(names, list | tuple) for one in names]
    return f"without {', '.join(gone)}" if gone else "nothing is taken out"


def written(part: Any) -> str:
    """A part in words: a rule or a transition with an arrow."""
    if not isinstance(part, Mapping):
        return str(part)
    if "number" in part:
        return f"rule {part['number']} of {part['lhs']}"
    if "lhs" in part:
        return f"{part['lhs']} → {' '.join(map(str, part['rhs'])) or '(empty)'}"
    return f"{part['from']} → {part['symbol']}" + (f" {part['to']}" if "to" in part else "")
