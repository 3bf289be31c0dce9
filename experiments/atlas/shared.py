"""What has to agree before runs of two places are compared: the truth of their world, and the settings they share."""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import yaml

from sim.config import conf_folders
from sim.config.leaves import leaves
from sim.disk.records import Record
from sim.numerics import SpecificationError

DECIMALS = 6
"""Decimals of log-probabilities [nat] in the hash of a world: machines differ in the last bits of a logarithm."""

OF_THE_WORLD = ("grammar", "restriction", "dial", "seed")
"""Parts of a configuration that make the world. They are compared by the hash of what they made."""

NO_SETTING = (
    "name", "outputs", "claim", "study", "record", "pretrain.limit", "finetune.controls", "finetune.probes",
    "finetune.kl_every_step", "finetune.siblings",
)  # fmt: skip
"""Parts that change no number of a fine-tuning."""

ALWAYS_OWN = ("objective",)
"""What every method may choose, whether its file names it or not."""

WHOLE = ("finetune.adapter",)
"""A method that sets a part of these sets all of it: a canonical configuration has no adapter that changes nothing."""

VERSION = "results_version"
"""The setting that stands for the version of the program (`sim.disk.records.RESULTS_VERSION`)."""


def truth_hash(record: Record) -> str:
    """Return 12 hex digits of the SHA-256 of what is true in a world: strings, prompts, P, S and the event A.

    Log-probabilities are rounded to `DECIMALS`, so that the last bits of another machine give the same hash.
    """
    words, of = record.p.vocabulary, hashlib.sha256()
    of.update(json.dumps([words.symbols, words.prompt_end], ensure_ascii=False).encode())
    of.update(np.ascontiguousarray(record.p.trie.strings, np.int64).tobytes())
    of.update(np.ascontiguousarray(record.restricted.event, bool).tobytes())
    for law in (record.p.log_p, record.restricted.s.log_p):
        of.update((np.round(law, DECIMALS) + 0.0).astype(np.float64).tobytes())  # + 0.0: there is no -0
    return of.hexdigest()[:12]


def settings(record: Record) -> dict[str, Any]:
    """Return the leaves of a configuration that decide a fine-tuning, and are not its world, by their dotted names."""
    known = record.facts.get("identity") or {}
    found = leaves(dict(record.config))
    kept = {name: value for name, value in found.items() if not within(name, (*OF_THE_WORLD, *NO_SETTING, *ALWAYS_OWN))}
    return {**kept, VERSION: known.get(VERSION)}


def within(name: str, keys: Iterable[str]) -> bool:
    """Return whether a leaf is one of some keys, or lies below one of them."""
    return any(name == key or name.startswith(f"{key}.") for key in keys)


def differences(
    found: Mapping[str, Any], wanted: Mapping[str, Any], own: Iterable[str] = ()
) -> list[tuple[str, Any, Any]]:
    """Return the settings that differ, as (name, wanted, found), without those below the keys of `own`.

    A leaf that one side lacks is None there.
    """
    free = tuple(own)
    both = ((name, wanted.get(name), found.get(name)) for name in sorted({*found, *wanted}) if not within(name, free))
    return [one for one in both if one[1] != one[2]]


def shared(runs: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the settings that all runs share, from the method and the settings of each.

    A setting counts in the runs whose methods do not set it themselves, and is left out if there are none. Raises
    SpecificationError if these runs differ in it.
    """
    given = [(own_keys(method), found) for method, found in runs]
    common: dict[str, Any] = {}
    for name in sorted({name for _, found in given for name in found}):
        values = {json.dumps(found.get(name)) for own, found in given if not within(name, own)}
        if len(values) > 1:
            raise SpecificationError(
                f"{name}: one value in all runs of methods that do not set it is required, found "
                f"{', '.join(sorted(values))}; keep runs with other settings in a folder of their own (name=)"
            )
        if values and (value := json.loads(values.pop())) is not None:
            common[name] = value
    return common


@functools.cache
def own_keys(method: str) -> tuple[str, ...]:
    """Return the keys that the file of a method sets, such as `optimizer` and `optimizer.learning_rate`.

    The file is the one in conf/method/, of this project or of an installed package, whose study has the name of the
    method. There are none if no file has it. Raises SpecificationError if a file is no YAML.
    """
    for folder in conf_folders():
        for file in sorted((folder / "method").glob("*.yaml")):
            try:
                found = yaml.safe_load(file.read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as problem:
                raise SpecificationError(f"{file}: YAML is required, found {problem}") from problem
            if isinstance(found, Mapping) and isinstance(found.get(method), Mapping):
                keys = tuple(map(str, found[method]))
                return keys + tuple(one for one in WHOLE if any(within(key, [one]) for key in keys))
    return ()
