"""Build the world that a person names: a frozen one, the record of a run, an exported folder, or a configuration."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from sim.config import canonical, construct
from sim.config.options import option
from sim.disk import folders
from sim.exam import _frozen
from sim.exam.stored import is_exported, read_world
from sim.exam.world import ExamWorld
from sim.grammars._reading import content
from sim.languages.dial import dial
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError, nearest

FROZEN = Path(__file__).resolve().parent / "worlds"
"""The files of frozen worlds. Each holds one language in several sizes, and all versions that it ever had."""

LICENCE = "Apache-2.0"
"""The licence of the worlds and of all that is exported of them: that of the project."""

KEYS = ("grammar", "restriction", "dial")
"""Keys of a configuration of a world."""


def frozen_files() -> dict[str, Mapping[str, Any]]:
    """Return the contents of the files of frozen worlds, by their names without an ending."""
    return _frozen.files(FROZEN)


def frozen_worlds() -> dict[str, Mapping[str, Any]]:
    """Return the entries of all frozen worlds of this kind by name."""
    return _frozen.worlds(FROZEN)


def frozen(name: str) -> ExamWorld:
    """Return a frozen world. Raises SpecificationError if this program no longer builds the world of that hash."""
    entry = frozen_worlds()[name]
    found = built({key: entry[key] for key in KEYS if key in entry}, name, name)
    _frozen.check_unchanged(name, entry["hash"], found.hash, "a grammar or a restriction")
    return found


def world_of(named: str) -> ExamWorld:
    """Return the world of a name or of a place. Raises SpecificationError if it is none."""
    if named in frozen_worlds():
        return frozen(named)
    place = Path(named)
    if place.is_dir():
        return read_world(place) if is_exported(place) else _recorded(place)
    if place.is_file():
        return built(configuration(place), place.stem, named)
    names = list(frozen_worlds())
    raise SpecificationError(
        f"world: a frozen world ({', '.join(names)}), the folder of a run, or a YAML file with grammar and restriction "
        f"is required, found {named!r}{nearest(named, names)}"
    )


def built(config: Mapping[str, Any], name: str, place: str) -> ExamWorld:
    """Return the world of a configuration with the keys KEYS. A grammar or a restriction is an option, or a node.

    Raises SpecificationError for what cannot be built, or has no list of strings.
    """
    unknown = [key for key in config if key not in KEYS]
    missing = [key for key in KEYS[:2] if key not in config]
    if unknown or missing:
        what = f"no {missing[0]}" if missing else f"{unknown[0]!r}{nearest(unknown[0], KEYS)}"
        raise SpecificationError(
            f"{place}: the keys {', '.join(KEYS)} (dial may be left out) are required, found {what}"
        )
    nodes = {group: node_of(group, config[group]) for group in KEYS[:2]}
    made = construct("grammar", nodes["grammar"], "grammar")
    p, notes = made if isinstance(made, tuple) else (made, {})
    if not isinstance(p, FiniteLanguage):
        raise SpecificationError(
            f"{place}: a grammar with a list of strings is required, found another; give a length, or documents: 10000 "
            "to draw documents and judge by them"
        )
    known: dict[str, Any] = dict(nodes)
    if config.get("dial") is not None:
        p, temperature = _dialled(p, config["dial"], place)
        known["dial"], notes = dict(config["dial"]), {**notes, "temperature": temperature}
    restricted = construct("restriction", nodes["restriction"], "restriction", p)
    if not isinstance(restricted, Restricted):
        raise SpecificationError(f"{place}: a restriction of a list of strings is required, found another; choose one")
    return ExamWorld.of(name, p, restricted, known, notes)


def node_of(group: str, given: Any) -> dict[str, Any]:
    """Return the canonical node of a group: of the name of an option, or of a mapping with a kind."""
    node = option(given, group, group) if isinstance(given, str) else given
    found = canonical(group, node, group)
    if found.get("path") is not None and found.get("text", "") is None:
        found["text"] = content(found["path"])
    return found


def _dialled(p: FiniteLanguage, given: Any, place: str) -> tuple[FiniteLanguage, float]:
    allowed = ("entropy", "per", "keep_prompts")
    if not isinstance(given, Mapping) or "entropy" not in given or set(given) - set(allowed):
        raise SpecificationError(
            f"{place}: dial: a mapping with entropy, and perhaps per and keep_prompts, is required, found {given!r}"
        )
    entropy = given["entropy"]
    if isinstance(entropy, bool) or not isinstance(entropy, int | float):
        raise SpecificationError(f"{place}: dial.entropy: a number of nats is required, found {entropy!r}")
    found, temperature = dial(p, entropy, given.get("per", "string"), given.get("keep_prompts", False), "dial.entropy")
    assert isinstance(found, FiniteLanguage), "a tilted language is of the same kind"
    return found, temperature


def configuration(file: Path) -> Mapping[str, Any]:
    """Return the mapping in a YAML file. Raises SpecificationError if it holds none."""
    try:
        found = yaml.safe_load(content(str(file)))
    except yaml.YAMLError as problem:
        raise SpecificationError(f"{file}: YAML is required, found {type(problem).__name__}; correct it") from None
    if not isinstance(found, Mapping):
        raise SpecificationError(f"{file}: a mapping with grammar and restriction is required, found another content")
    return {str(key): value for key, value in found.items()}


def _recorded(place: Path) -> ExamWorld:
    """Return the world of a finished run."""
    record = folders.read(place)
    config = {key: record.config[key] for key in KEYS[:2] if key in record.config}
    return ExamWorld.of(f"run_{record.hash}", record.p, record.restricted, config, record.facts.get("world_notes", {}))


def listed() -> Iterator[str]:
    """Iterate over the frozen worlds as lines of a help text."""
    for stem, held in frozen_files().items():
        names = [name for name in frozen_worlds() if re.fullmatch(rf"{stem}_[a-z]+@\d+", name)]
        yield f"  {held['about']}: {', '.join(names)}"
