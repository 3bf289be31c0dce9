"""The identity of a run: the hash of its configuration and of everything else that decides its numbers."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.config import GROUPS, given, members, nodes, resolve
from sim.config.content import member_digest
from sim.config.discovery import Member
from sim.disk.records import Described, Record, folder, run_hash


def identity(chosen: Mapping[str, Any]) -> str:
    """Return the hash of the run of a canonical configuration, see `sim.disk.records.run_hash`.

    The hash also covers the content of the grammar file, if there is one. For a member of another package it covers the
    distribution, its version and the source. If one of these changes, the run is another run.
    """
    return run_hash({**without_text(chosen), **beside(chosen)})


def beside(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the identity covers besides the configuration: the hash of the grammar file, members from outside."""
    found: dict[str, Any] = {}
    if (file := grammar_file(chosen)) is not None:
        found["file"] = file["sha256"]
    if outside := [one for one in members_of(chosen) if one.package is not None]:
        found["members"] = [
            [one.kind, one.name, one.package.distribution, one.package.version, member_digest(one)]
            for one in outside
            if one.package is not None
        ]
    return found


def members_of(chosen: Mapping[str, Any]) -> list[Member]:
    """Return the members that a canonical configuration, or a part of one, names: sorted, each once."""
    owners = [chosen, chosen.get("pretrain", {}), *chosen.get("stages", ())]
    found = {
        members(group)[node["kind"]]
        for owner in owners
        for group in GROUPS
        for node in nodes(group, owner.get(group))
        if node["kind"] in members(group)
    }
    tuning = chosen.get("finetune", {})
    found |= {members("probe")[name] for name in tuning.get("probes", ())}
    found |= {members("edit")[node["kind"]] for node in tuning.get("edits", ()) if node["kind"] in members("edit")}
    return sorted(found, key=lambda one: (one.kind, one.name))


def digests(chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the source of every member that a canonical configuration names, by file, for a record."""
    return {str(_shown(one)): member_digest(one) for one in members_of(chosen)}


def edited_since(record: Record | Described) -> list[str]:
    """Return the files of members that were edited since a record was made; what a member imports counts too."""
    then = record.facts.get("members", {})
    return [file for file, digest in digests(record.config).items() if file in then and then[file] != digest]


def _shown(member: Member) -> Path:
    """Return the file of a member, relative to the folder that holds its package."""
    top = member.module.split(".")[0]
    return Path(*member.file.parts[len(member.file.parts) - 1 - member.file.parts[::-1].index(top) :])


def grammar_file(chosen: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the SHA-256 and the text of the file that the grammar was read from; None if there is no such file.

    The text is part of the canonical configuration: the file is read once, in `sim.running.build.settings`.
    """
    text = chosen["grammar"].get("text")
    if text is None:
        return None
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def without_text(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical configuration as a record shows it: the content of the grammar file has a place of its own."""
    grammar = {key: value for key, value in chosen["grammar"].items() if key != "text"}
    return {**chosen, "grammar": grammar}


def recorded_config(record: Record) -> dict[str, Any]:
    """Return the canonical configuration of a record with the content of its grammar file."""
    file = record.facts.get("grammar_file")
    if file is None:
        return dict(record.config)
    return {**record.config, "grammar": {**record.config["grammar"], "text": file["text"]}}


def target(chosen: Mapping[str, Any]) -> Path:
    """Return the folder for the record of a canonical configuration: outputs/<name>/<hash>."""
    return folder(chosen["outputs"], chosen["name"], identity(chosen))


def pretraining_key(chosen: Mapping[str, Any]) -> str:
    """Return the identity of the pretraining of a run, see `sim.disk.store`. What comes later does not change it."""
    return run_hash(pretraining_content(chosen))


def pretraining_content(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that decides the pretraining of a run.

    It covers the source of all members that the pretraining uses. So if one of them is edited, it is done again.
    """
    recipe = {name: value for name, value in chosen["pretrain"].items() if name != "limit"}  # it is used afterwards
    parts = {**world_parts(chosen), "model": chosen["model"], "pretrain": recipe}
    if chosen["record"] != "full":
        recipe["record"] = chosen["record"]
    if "judged" in chosen:  # what is recorded of a model depends on it
        recipe["judged"] = {name: chosen["judged"][name] for name in ("rows", "own")}
    return {**without_text(parts), "seed": chosen["seed"], "sources": digests(parts), **beside(parts)}


def world_parts(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides P and the strings on which all languages of a run are listed: the grammar and the dial.

    The restriction is added if it has strings that P does not have, without the arguments that change no string.
    """
    parts, node = {"grammar": chosen["grammar"], "dial": chosen["dial"]}, chosen["restriction"]
    return parts | {"restriction": _of_strings(node)} if _widens(node) else parts


def _widens(node: Any) -> bool:
    """Return whether a restriction, or one inside it, adds strings to those of P. Its constructor is marked so."""
    if isinstance(node, Mapping):
        return bool(_mark(node, "widens")) or any(_widens(value) for value in node.values())
    return isinstance(node, list | tuple) and any(_widens(value) for value in node)


def _of_strings(node: Any) -> Any:
    """Return a restriction without the arguments, also of those inside it, that change probabilities alone."""
    if isinstance(node, Mapping):
        without = _mark(node, "weighs") or ()
        return {name: _of_strings(value) for name, value in node.items() if name not in without}
    return [_of_strings(value) for value in node] if isinstance(node, list | tuple) else node


def _mark(node: Mapping[str, Any], name: str) -> Any:
    """Return a mark of the constructor of a restriction (`sim.languages.restricted`); None if it has none."""
    kind = node.get("kind")
    if given.is_given(node):
        return getattr(given.object_of(node, "restriction"), name, None)
    return getattr(resolve("restriction", kind, "restriction"), name, None) if isinstance(kind, str) else None
