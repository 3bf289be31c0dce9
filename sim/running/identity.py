"""What a run is: the hash of its configuration and of everything else that decides its numbers, and where it lies."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.config import GROUPS, given, members, nodes, resolve
from sim.config.content import member_digest
from sim.config.discovery import Member
from sim.disk.records import Record, folder, run_hash


def identity(chosen: Mapping[str, Any]) -> str:
    """Hash of the run of a canonical configuration, see `sim.disk.records.run_hash`.

    A grammar that is read from a file counts by the content of the file too, and a member of a package from outside by
    its distribution, version and source: if one of these is edited, the run is another run.
    """
    content = dict(chosen)
    if (file := grammar_file(chosen)) is not None:
        content["file"] = file["sha256"]
    if outside := [one for one in members_of(chosen) if one.package is not None]:
        content["members"] = [
            [one.kind, one.name, one.package.distribution, one.package.version, member_digest(one)]
            for one in outside
            if one.package is not None
        ]
    return run_hash(content)


def members_of(chosen: Mapping[str, Any]) -> list[Member]:
    """The members that a canonical configuration, or a part of one, names; sorted and without repeats."""
    owners = [chosen, chosen.get("pretrain", {})]
    found = {
        members(group)[node["kind"]]
        for owner in owners
        for group in GROUPS
        for node in nodes(group, owner.get(group))
        if node["kind"] in members(group)
    }
    found |= {members("probe")[name] for name in chosen.get("finetune", {}).get("probes", ())}
    return sorted(found, key=lambda one: (one.kind, one.name))


def digests(chosen: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the source of every member that a canonical configuration names, by its file, for a record."""
    return {str(_shown(one)): member_digest(one) for one in members_of(chosen)}


def edited_since(record: Record) -> list[str]:
    """Files of members whose source, or that of what they import, is not what it was when a record was made."""
    then = record.facts.get("members", {})
    return [file for file, digest in digests(record.config).items() if file in then and then[file] != digest]


def _shown(member: Member) -> Path:
    """The file of a member below the folder that holds its package."""
    top = member.module.split(".")[0]
    return Path(*member.file.parts[len(member.file.parts) - 1 - member.file.parts[::-1].index(top) :])


def grammar_file(chosen: Mapping[str, Any]) -> dict[str, str] | None:
    """SHA-256 and text of the file that the grammar is read from; None if there is no such file."""
    path = chosen["grammar"].get("path")
    if path is None:
        return None
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError):
        return None  # the grammar's constructor says what is wrong with the path
    return {"sha256": hashlib.sha256(content).hexdigest(), "text": content.decode(errors="replace")}


def target(chosen: Mapping[str, Any]) -> Path:
    """Where the record of a canonical configuration lies: outputs/<name>/<hash>."""
    return folder(chosen["outputs"], chosen["name"], identity(chosen))


def pretraining_key(chosen: Mapping[str, Any]) -> str:
    """Identity of the pretraining of a run: equal for runs that differ in what comes after it, see `sim.disk.store`."""
    recipe = {name: value for name, value in chosen["pretrain"].items() if name != "limit"}  # judged afterwards
    return identity({**world_parts(chosen), "model": chosen["model"], "pretrain": recipe, "seed": chosen["seed"]})


def world_parts(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What decides P, and the strings that all languages of a run are listed on: the grammar and the dial.

    And the restriction, if it has strings that P has not.
    """
    parts = {"grammar": chosen["grammar"], "dial": chosen["dial"]}
    return parts | {"restriction": chosen["restriction"]} if _widens(chosen["restriction"]) else parts


def _widens(node: Any) -> bool:
    """Whether a restriction, or one inside it, adds strings to those of P: its constructor says so."""
    if isinstance(node, Mapping):
        kind = node.get("kind")
        if given.is_given(node):
            return bool(getattr(given.object_of(node, "restriction"), "widens", False))
        own = isinstance(kind, str) and getattr(resolve("restriction", kind, "restriction"), "widens", False)
        return own or any(_widens(value) for value in node.values())
    return isinstance(node, list | tuple) and any(_widens(value) for value in node)
