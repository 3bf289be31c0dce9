"""The announced arms: how every trainer pretrains, fine-tunes and edits; read from a file, and checked.

It needs nothing but Python.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ARMS = Path(__file__).with_name("arms.json")
"""The announced arms: how models are pretrained and fine-tuned, the same for every trainer."""

RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "about": (lambda value: isinstance(value, str) and bool(value), "words"),
    "steps": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "batch": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "warmup": (lambda value: type(value) is int and value >= 0, "a whole number of at least 0"),
    "every": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "switch": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "rank": (lambda value: type(value) is int and value >= 1, "a whole number of at least 1"),
    "rate": (lambda value: isinstance(value, float) and value > 0, "a number above 0, such as 0.002"),
    "limit": (lambda value: isinstance(value, float) and value > 0, "a number of nats above 0, such as 0.05"),
    "replay": (lambda value: isinstance(value, float) and 0 <= value < 1, "a share from 0 to below 1, such as 0.01"),
    "targets": (lambda value: value in ("sampled", "even"), "sampled or even"),
    "prompts": (lambda value: value in ("all", "half"), "all or half"),
    "annotator": (lambda value: value in ("sampled", "one", "likeliest"), "sampled, one or likeliest"),
    "of": (lambda value: isinstance(value, str), "the name of an arm"),
}
"""What a value in the file of arms has to be, by its key, and the same in words."""

PRETRAIN, TUNE = ("steps", "batch", "rate", "warmup", "limit"), ("steps", "batch", "rate", "warmup", "every")
OWN = (*TUNE, "about", "targets", "switch", "replay", "prompts", "annotator")
EDIT = ("about", "of", "rank")


class Refused(Exception):  # noqa: N818, it is no error of the program
    """Bad input; its text is one line for the user."""


@dataclass(frozen=True)
class Arm:
    """A way to fine-tune, or with `of` and `rank` an edit of a model: see the README of this folder.

    rate: the peak of a cosine decay to 0 after a linear warm-up [steps]; every: steps between two evaluations.
    """

    name: str
    about: str = ""
    steps: int = 0
    batch: int = 0
    rate: float = 0.0
    warmup: int = 0
    every: int = 1
    targets: str = "sampled"
    switch: int | None = None
    replay: float = 0.0
    prompts: str = "all"
    annotator: str = "sampled"


@dataclass(frozen=True)
class Plan:
    """The content of a file of arms: `pretrain` by key, arms by name, and edits by name as (arm, rank)."""

    pretrain: Mapping[str, Any]
    arms: Mapping[str, Arm]
    edits: Mapping[str, tuple[str, int]]
    digest: str  # of all that decides about the fine-tuning, so that the judge knows the announced arms


def read_arms(file: Path = ARMS) -> Plan:
    """Return the arms of a file. Raises Refused for what is no such file, in one line."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except OSError as problem:
        raise Refused(f"{file}: a file of arms is required, found {(problem.strerror or 'none').lower()}") from None
    except ValueError as problem:
        raise Refused(f"{file}: JSON is required, found an error: {problem}; correct it") from None
    top = ("format", "pretrain", "finetune", "arms", "edits")
    if not isinstance(found, dict) or set(found) != set(top) or found["format"] != 1:
        raise Refused(f"{file}: the keys {', '.join(top)} with format 1 are required, found others; copy {ARMS}")
    pretrain = _checked(file, "pretrain", found["pretrain"], PRETRAIN, PRETRAIN)
    shared = _checked(file, "finetune", found["finetune"], TUNE, TUNE)
    named = {part: _mapping(file, part, found[part]) for part in ("arms", "edits")}
    arms = {
        name: Arm(name, **(shared | _checked(file, f"arms.{name}", one, OWN))) for name, one in named["arms"].items()
    }
    edits = {}
    for name, one in named["edits"].items():
        edit = _checked(file, f"edits.{name}", one, EDIT, EDIT)
        if edit["of"] not in arms:
            raise Refused(f"{file}: edits.{name}.of: one of {', '.join(arms)} is required, found {edit['of']!r}")
        edits[name] = (edit["of"], edit["rank"])
    return Plan(pretrain, arms, edits, digest(arms, edits))


def digest(arms: Mapping[str, Arm], edits: Mapping[str, tuple[str, int]]) -> str:
    """Return twelve hex digits of a SHA-256 of arms and edits, without their words."""
    settings = {name: {key: value for key, value in vars(arm).items() if key != "about"} for name, arm in arms.items()}
    return hashlib.sha256(json.dumps([settings, edits], sort_keys=True).encode()).hexdigest()[:12]


def _mapping(file: Path, place: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise Refused(f"{file}: {place}: a mapping is required, found {found!r}")
    return found


def _checked(
    file: Path, place: str, found: Any, known: tuple[str, ...], needed: tuple[str, ...] = ()
) -> dict[str, Any]:
    for key in needed:
        if key not in _mapping(file, place, found):
            raise Refused(f"{file}: {place}: the key {key} is required, found none; copy {ARMS}")
    for key, value in _mapping(file, place, found).items():
        if key not in known:
            raise Refused(f"{file}: {place}: one of the keys {', '.join(known)} is required, found {key!r}")
        holds, words = RULES[key]
        if not holds(value):
            raise Refused(f"{file}: {place}.{key}: {words} is required, found {value!r}")
    return dict(found)
