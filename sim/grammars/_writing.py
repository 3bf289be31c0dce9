"""Write grammar files: the mapping of a language, and its text as YAML. It is the inverse of the readers."""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import yaml

from sim.grammars._weights import DECIMAL, LONGEST_NUMBER, RATIO
from sim.languages.automaton import Automaton
from sim.languages.exact import ExactLanguage, unavailable
from sim.languages.finite import FiniteLanguage
from sim.languages.hidden import HiddenAutomaton
from sim.languages.pcfg.language import ContextFree
from sim.languages.vocabulary import Vocabulary
from sim.numerics import EOS, SpecificationError

TEXTS = ("from", "to", "symbol", "lhs", "start", "name", "eos", "separator")
"""Keys with a text as their value, which is quoted if it looks like a number."""

SMALL = -700.0
"""log of the smallest probability that is written as a float [nat]."""

ROUNDED = {"normalise": "true"}
"""Floats may sum to slightly more or less than 1. They are divided by their sum, exactly, when they are read."""

SEPARATORS = (" ", "|", "/", "_", ",")


class _Number(str):
    """A number as it is written, which needs no quotes."""


class _Block(dict[str, Any]):
    """A mapping with one line for each entry."""


class _Line(dict[str, Any]):
    """A mapping on one line."""


class _Dumper(yaml.SafeDumper):
    """Quote every text that another reader of YAML would not take for a text, such as `no` and `1`."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(dumper: yaml.SafeDumper, value: _Number) -> yaml.ScalarNode:
    tag = dumper.resolve(yaml.ScalarNode, str(value), (True, False))
    return yaml.ScalarNode(tag, str(value))


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Texts that are not printable are quoted with escapes, since some line ends would be read as spaces."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"')


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=isinstance(value, _Line))


_Dumper.add_representer(_Block, _mapping)
_Dumper.add_representer(_Line, _mapping)
_Dumper.add_representer(_Number, _plain)
_Dumper.add_representer(str, _text)


def as_yaml(data: dict[str, Any], comment: str) -> str:
    """The text of a grammar file in YAML, below a comment of one line. It is read as the same mapping."""
    options: dict[str, Any] = {"sort_keys": False, "default_flow_style": None, "allow_unicode": True, "width": 110}
    body = yaml.dump(_marked(data, ""), Dumper=_Dumper, **options)
    return f"# {' '.join(comment.split())}\n{body}"


def _marked(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        kind = {"strings": _Block, "rules": _Line}.get(key, dict)
        return kind({name: _marked(item, name) for name, item in value.items()})
    if isinstance(value, list):
        inside = key if key == "rules" else "from"  # names of states and symbols are texts
        return [_marked(item, inside) for item in value]
    if isinstance(value, bool):
        value = str(value).lower()
    number = DECIMAL.fullmatch(value) or RATIO.fullmatch(value) or (key == "normalise")
    return _Number(value) if number and key not in TEXTS else value


def mapping_of(language: ExactLanguage) -> dict[str, Any]:
    """The mapping of the grammar file of a language that was changed.

    Probabilities of rules are the exact rationals of the grammar. Other probabilities are floats, written with all
    their digits. Raises `UnavailableError` for a kind of language that no type of file describes.
    """
    if isinstance(language, FiniteLanguage):
        return _strings(language)
    if isinstance(language, Automaton | HiddenAutomaton):
        return _pfsa(language)
    if isinstance(language, ContextFree):
        return _pcfg(language)
    raise unavailable(
        "--write", "this kind of language cannot be written after a change", "write it without the change"
    )


def _common(kind: str, vocabulary: Vocabulary) -> dict[str, Any]:
    symbols = vocabulary.symbols[EOS + 1 :]
    usual = "" if all(len(symbol) == 1 for symbol in symbols) else " "
    told = {} if vocabulary.joiner == usual else {"separator": vocabulary.joiner}
    return {"type": kind, "eos": vocabulary.symbols[EOS], **told}


def _strings(language: FiniteLanguage) -> dict[str, Any]:
    vocabulary = language.vocabulary
    symbols = vocabulary.symbols[EOS + 1 :]
    common = _common("strings", vocabulary)
    if vocabulary.compact and _readable(language):
        common["separator"] = ""
    elif any(len(symbol) > 1 for symbol in symbols) or vocabulary.joiner:
        taken = "".join(symbols)
        fits = [one for one in (vocabulary.joiner, *SEPARATORS) if one and one not in taken]
        if not fits:
            raise unavailable("--write", "no separator is free: its symbols hold them all", "rename a symbol")
        common["separator"] = fits[0]
    between = common.get("separator", "")
    strings = {}
    for row in np.flatnonzero(language.log_p > -np.inf).tolist():
        words = [vocabulary.symbols[int(token)] for token in language.trie.strings[row] if token != EOS]
        strings[between.join(words)] = _exp(float(language.log_p[row]))
    return {**common, **ROUNDED, "alphabet": list(symbols), "strings": strings}


def _readable(language: FiniteLanguage) -> bool:
    """Whether every string can be cut into its symbols again when nothing stands between them."""
    for row in language.trie.strings[language.log_p > -np.inf]:
        tokens = row[row != EOS]
        try:
            if language.vocabulary.tokens(language.vocabulary.decode(tokens), "string") != tokens.tolist():
                return False
        except SpecificationError:
            return False
    return True


def _exp(log_p: float) -> str:
    """e^log_p as a decimal number, also below the range of floats."""
    if log_p > SMALL:
        return repr(math.exp(log_p))
    if log_p < -2_200.0:
        raise unavailable("--write", "a probability below 1e-950 cannot be written", "keep likelier strings")
    return f"{Decimal(log_p).exp():.17e}"


def _pfsa(language: Automaton | HiddenAutomaton) -> dict[str, Any]:
    names = _unique(language.state_names or [f"s{n}" for n in range(len(language.stops))], ())
    symbols = language.vocabulary.symbols
    if isinstance(language, Automaton):
        pairs = np.argwhere(language.arcs).tolist()
        arcs = [(s, a, int(language.next_state[s, a]), language.prob[s, a]) for s, a in pairs]
    else:
        where = np.argwhere(np.moveaxis(language.transitions, 0, 1))
        arcs = [(s, a, t, language.transitions[a, s, t]) for s, a, t in where.tolist()]
    if not arcs:
        raise unavailable("--write", "its only string is the empty string", "keep another string")
    return {
        **_common("pfsa", language.vocabulary),
        **ROUNDED,
        "alphabet": list(symbols[EOS + 1 :]),
        "states": names,
        "initial": {names[s]: repr(float(p)) for s, p in enumerate(language.first) if p > 0},
        "transitions": [
            {"from": names[s], "symbol": symbols[a], "to": names[t], "p": repr(float(p))} for s, a, t, p in arcs
        ],
        "final": {names[s]: repr(float(p)) for s, p in enumerate(language.stops) if p > 0},
    }


def _pcfg(language: ContextFree) -> dict[str, Any]:
    symbols = language.vocabulary.symbols
    names = _unique(language.nonterminals, symbols)
    rules = [
        {
            "lhs": names[rule.lhs],
            "rhs": [names[~symbol] if symbol < 0 else symbols[symbol] for symbol in rule.rhs],
            "p": _rational(rule.p),
        }
        for rule in language.rules
    ]
    ours = {"start": names[language.start], "nonterminals": names, "terminals": list(symbols[EOS + 1 :])}
    return {**_common("pcfg", language.vocabulary), **ours, "rules": rules}


def _rational(p: Fraction) -> str:
    if len(str(p)) <= LONGEST_NUMBER:
        return str(p)
    why = f"a probability needs a fraction of more than {LONGEST_NUMBER} digits"
    raise unavailable("--write", why, "list the strings with --length")


def _unique(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """The names, made different from one another and from others by a number at their end."""
    taken, times = {*names, *others}, Counter(names)
    found = []
    for name in names:
        called, number = name, 0
        while (called in taken and (number or times[name] > 1)) or called in others:
            number += 1
            called = f"{name}.{number}"
        taken.add(called)
        found.append(called)
    return found
