"""Build a world whose strings are not listed: from a configuration, or from its own definition."""

import functools
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.config import construct, resolve
from sim.exam import _frozen
from sim.exam.building import configuration, node_of
from sim.exam.drawn.world import DrawnWorld, Laws, draw_documents
from sim.grammars import file
from sim.languages.endless import Endless
from sim.languages.events import Dfa
from sim.languages.exact import ExactLanguage
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Narrowed
from sim.languages.unlisted import Unlisted
from sim.laws.by_length import of_length, within
from sim.laws.nonrecursive import NonRecursive
from sim.laws.protocol import Law
from sim.laws.reading import law as law_of
from sim.numerics import SpecificationError, nearest
from sim.restrictions._kinds import conditioned

FROZEN = Path(__file__).resolve().parent / "worlds"
"""The files of frozen worlds. Each holds one language in several forms, and all versions that it ever had."""

KEYS = ("grammar", "restriction", "horizon", "symbols", "documents")
"""Keys of a configuration of a world that is judged by drawn documents. The last three make it one."""

FILES = ("file", "unlisted")
"""The grammars that are read from a file; a definition holds the content of the file."""

NUMBER, SEED = 10_000, 0
"""Documents that are drawn from each of P and S to be scored, and the seed of the draws, unless something is said."""

LEAST = 100
"""Fewest documents of each law: with fewer, intervals say next to nothing."""


def frozen_files() -> dict[str, Mapping[str, Any]]:
    """Return the contents of the files of frozen worlds, by their names without an ending."""
    return _frozen.files(FROZEN)


def frozen_worlds() -> dict[str, Mapping[str, Any]]:
    """Return the entries of all frozen worlds of this kind by name."""
    return _frozen.worlds(FROZEN)


def frozen(name: str) -> DrawnWorld:
    """Return a frozen world. Raises SpecificationError if this program no longer builds the world of that hash."""
    entry = frozen_worlds()[name]
    found = built({key: entry[key] for key in KEYS if key in entry}, name, name)
    _frozen.check_unchanged(name, entry["hash"], found.hash, "a grammar, a restriction or a way to draw")
    return found


def named_world(named: str, number: int | None = None) -> DrawnWorld | None:
    """Return the world of a name or of a YAML file if it is one of this kind, else None.

    number: documents to be drawn from each law; given, it makes a YAML file one of this kind. Raises SpecificationError
    for a number beside a frozen world, whose documents are a part of it.
    """
    if named in frozen_worlds():
        if number is not None:
            raise SpecificationError(
                f"{named}: the documents of a frozen world are a part of it, found {number} asked for; leave "
                "--documents out, or write the world to a YAML file of your own"
            )
        return frozen(named)
    place = Path(named)
    if not place.is_file():
        return None
    config = configuration(place)
    if number is None and not set(KEYS[2:]) & set(config):
        return None
    return built(config, place.stem, named, number)


def built(config: Mapping[str, Any], name: str, place: str, number: int | None = None) -> DrawnWorld:
    """Return the world of a configuration with the keys KEYS, with its documents drawn and scored.

    Raises SpecificationError for what cannot be built, for a grammar that is a list of strings, and for a restriction
    that is not P given an event.
    """
    return from_definition(defined(config, place, number), name, place)


def from_definition(definition: Mapping[str, Any], name: str, place: str) -> DrawnWorld:
    """Return the world of a definition, with its documents drawn and scored."""
    laws, drawn = laws_of(definition, place), definition["documents"]
    return DrawnWorld(name, laws, draw_documents(laws, drawn["number"], drawn["seed"]), definition)


def laws_of(definition: Mapping[str, Any], place: str) -> Laws:
    """Return the laws of P and S. The grammar is restricted first, and then both are given the lengths that are kept.

    So log P(A) of what is judged is log P(A) of the grammar + log S(lengths) - log P(lengths), exact. The last few are
    kept, because a longest length can take seconds to build in.
    """
    asked = {key: definition[key] for key in KEYS[:4]}
    return _laws_of(json.dumps(asked, sort_keys=True, ensure_ascii=False), place)


@functools.lru_cache(maxsize=4)
def _laws_of(text: str, place: str) -> Laws:
    definition = json.loads(text)
    language = _language(definition["grammar"], place)
    p = law_of(language)
    narrowed = construct("restriction", definition["restriction"], "restriction", language)
    assert isinstance(narrowed, Narrowed), "a restriction of a language that is not listed"
    if narrowed.kept is not narrowed.s:
        raise SpecificationError(
            f"{place}: a restriction to P given an event (regular, sub_grammar, everything) is required, found "
            f"{definition['restriction']['kind']}, which changes P inside the event; choose another"
        )
    s, longest = law_of(narrowed.s), float(getattr(language, "longest", math.inf))
    kept = _kept(definition)
    if kept is None:
        return Laws(p, s, narrowed.log_mass, narrowed.of_strings, 0.0, longest)
    p, log_p, dropped = _of_lengths(p, kept, place)
    s, log_s, _ = _of_lengths(s, kept, f"{place}: S")
    longest = min(longest, len(kept) - 1.0)
    return Laws(p, s, narrowed.log_mass + log_s - log_p, narrowed.of_strings, dropped, longest)


def _language(grammar: Mapping[str, Any], place: str) -> ExactLanguage:
    """Return the language of the grammar in a definition: of the content of a file, or of a member's node."""
    if "node" in grammar:
        made = construct("grammar", grammar["node"], "grammar")
        assert isinstance(made, Unlisted), "a grammar that is marked as unlisted"
        return made.language
    language = file.language_of(place, dict(grammar["content"]), grammar["renormalise"])
    if isinstance(language, FiniteLanguage | Endless):
        what = "a list of strings" if isinstance(language, FiniteLanguage) else "a machine whose sequences never end"
        raise SpecificationError(
            f"{place}: a grammar, or an automaton or a hidden machine that stops, is required, found {what}; leave out "
            f"{', '.join(KEYS[2:])}: a world that is listed is judged exactly"
        )
    return language


def _grammar(given: Any, place: str) -> dict[str, Any]:
    """Return the grammar of a configuration as a definition has it."""
    node = node_of("grammar", given)
    marked = getattr(resolve("grammar", node["kind"], "grammar"), "unlisted", False)
    if node["kind"] not in FILES and not marked:
        raise SpecificationError(
            f"{place}: grammar: one of {', '.join(FILES)}, cfg3 is required for documents that are drawn, found "
            f"{node['kind']}; leave out {', '.join(KEYS[2:])} for a world that is listed"
        )
    if node.get("length") is not None:
        raise SpecificationError(
            f"{place}: grammar.length: none is required for documents that are drawn, found {node['length']}; set "
            "horizon beside grammar, for documents that are shorter"
        )
    if node["kind"] not in FILES:
        return {"node": node}
    content = file.load(node["path"], node["normalise"], node["text"])
    return {"content": content, "renormalise": node["renormalise"]}


def _kept(definition: Mapping[str, Any]) -> np.ndarray | None:
    """Which numbers of symbols are kept: bool[n]; None for all."""
    if definition["horizon"] is not None:
        return np.ones(definition["horizon"], bool)
    if definition["symbols"] is not None:
        return np.arange(definition["symbols"] + 1) == definition["symbols"]
    return None


def _of_lengths(law: Law, kept: np.ndarray, place: str) -> tuple[Law, float, float]:
    """Return a law given that the length is kept, log P(it is kept) [nat], and the mass that is dropped."""
    if isinstance(law, NonRecursive):
        found = within(law, len(kept)) if kept.all() else of_length(law, len(kept) - 1)
        return found, found.log_mass, found.dropped_mass
    language = law.language  # type: ignore[attr-defined]  # the laws of exact languages have it
    last = len(kept)  # the state of all strings that are too long
    steps = np.minimum(np.arange(last + 1) + 1, last)[:, None].repeat(len(law.vocabulary), axis=1)
    narrowed = conditioned(language, Dfa(steps, np.append(kept, False), 0), f"{place}: lengths")
    assert isinstance(narrowed, Narrowed)
    return law_of(narrowed.s), narrowed.log_mass, -math.expm1(narrowed.log_mass)


def defined(config: Mapping[str, Any], place: str, number: int | None = None) -> dict[str, Any]:
    """Return the definition of a configuration, as JSON. Raises SpecificationError for what cannot be one."""
    unknown = [key for key in config if key not in KEYS]
    missing = [key for key in KEYS[:2] if key not in config]
    if unknown or missing:
        what = f"no {missing[0]}" if missing else f"{unknown[0]!r}{nearest(unknown[0], KEYS)}"
        raise SpecificationError(
            f"{place}: the keys {', '.join(KEYS)} (the last three may be left out) are required, found {what}"
        )
    drawn = config.get("documents")
    drawn = drawn if isinstance(drawn, Mapping) else {} if drawn is None else {"number": drawn}
    if set(drawn) - {"number", "seed"}:
        raise SpecificationError(f"{place}: documents: a number, or number and seed, is required, found {dict(drawn)}")
    limits = {key: _whole(config.get(key), 1 if key == "horizon" else 0, f"{place}: {key}") for key in KEYS[2:4]}
    if None not in limits.values():
        raise SpecificationError(f"{place}: either horizon or symbols is required, found both; leave one out")
    return {
        "grammar": _grammar(config["grammar"], place),
        "restriction": node_of("restriction", config["restriction"]),
        **limits,
        "documents": {
            "number": _whole(drawn.get("number", NUMBER) if number is None else number, LEAST, f"{place}: documents"),
            "seed": _whole(drawn.get("seed", SEED), 0, f"{place}: documents.seed"),
        },
    }


def _whole(value: Any, least: int, place: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise SpecificationError(f"{place}: a whole number of at least {least} is required, found {value!r}")
    return value


def listed() -> Iterator[str]:
    """Iterate over the frozen worlds as lines of a help text."""
    for stem, held in frozen_files().items():
        names = [name for name in frozen_worlds() if re.fullmatch(rf"{stem}_[a-z]+@\d+", name)]
        yield f"  {held['about']}: {', '.join(names)}"
