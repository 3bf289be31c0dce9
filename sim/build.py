"""Configuration -> Run: the only module that turns names into objects."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from sim.config import Check, Name, NonNegative, Positive, canonical, canonical_of, construct, resolve
from sim.languages.dial import dial as entropy_dial
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.tilting import Per
from sim.numerics import SpecificationError
from sim.records import folder, run_hash
from sim.simulation import Recipe, Run
from sim.sweep import evaluation_steps

Spacing = Literal["linear", "log"]
LossOn = Literal["response", "document"]
Prefixes = Literal["sampled", "all"]
Control = Literal["identity"]
Seed = Check("an integer from 0 to 2^32 - 1", lambda value: 0 <= value < 2**32)  # jax drops the higher bits silently
Announced = Check(
    "the predictions of a claim, as name@12 hexadecimal digits,",
    lambda value: value is None or re.fullmatch("[a-z0-9_]+@[0-9a-f]{12}", value) is not None,
)
Seeds = Check(
    "seeds to sweep, such as range(5) or 0,1,2,",
    lambda value: re.fullmatch(r"range\(\d+(,\d+)?\)|\d+(,\d+)*", value) is not None,
)
Distinct = Check("a list without repeats", lambda values: len(set(values)) == len(values))


def run(
    *,
    name: Annotated[str, Name],
    seed: Annotated[int, Seed],
    outputs: str,
    grammar: dict[str, Any],
    restriction: dict[str, Any],
    model: dict[str, Any],
    objective: dict[str, Any],
    optimizer: dict[str, Any],
    pretrain: dict[str, Any],
    finetune: dict[str, Any],
    dial: dict[str, Any] = {},  # noqa: B006, a schema is never called
    claim: Annotated[str | None, Announced] = None,
    study: dict[str, Any] = {},  # noqa: B006
) -> None:
    """The schema of a run: its top-level keys. `objective` and `optimizer` are those of the fine-tuning.

    `claim` says which predictions the run was made for, as name@digest; `study` is what a scale offers to experiments
    (they refer to it). Neither is part of what the run is: like name and outputs they are left out of its hash.
    """


def study(
    *,
    seeds: Annotated[str, Seeds] = "range(5)",
    pretrain_steps: Annotated[int, Positive] = 2000,
    finetune_steps: Annotated[int, Positive] = 1000,
) -> None:
    """The schema of `study`, how large an experiment with several runs is: its seeds, as swept, and its steps."""


def dial(
    *,
    entropy: Annotated[float | None, NonNegative] = None,
    per: Per = "string",
    keep_prompts: bool = False,
) -> None:
    """The schema of `dial`, which tilts the pretraining language to an entropy, see `sim.languages.dial`.

    entropy: of P [nat], null for P as the grammar has it; per: string or token; keep_prompts: tilt the answers of every
    prompt and keep P(x), then the entropy is that of the answers given the prompt.
    """


def pretrain(
    *,
    num_steps: Annotated[int, Positive],
    batch_size: Annotated[int, Positive],
    num_evals: Annotated[int, Positive],
    objective: dict[str, Any],
    optimizer: dict[str, Any],
    loss_on: LossOn = "document",
    spacing: Spacing = "linear",
    prefixes: Prefixes = "sampled",
    limit: Annotated[float, Positive] = 0.02,
) -> None:
    """The schema of `pretrain`: optimiser steps, strings per step, evaluations, and when it counts as converged.

    prefixes: `sampled` draws a batch of strings per step, `all` uses the whole support with its probabilities.
    limit: the largest joint KL(P||q0) [nat per string] with which a run is valid.
    """


def finetune(
    *,
    num_steps: Annotated[int, Positive],
    batch_size: Annotated[int, Positive],
    num_evals: Annotated[int, Positive],
    loss_on: LossOn = "response",
    spacing: Spacing = "log",
    prefixes: Prefixes = "sampled",
    controls: Annotated[list[Control], Distinct],
) -> None:
    """The schema of `finetune`; objective and optimiser stand at the top level. `controls` run beside it."""


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The canonical configuration: every leaf checked and cast, every default filled in; equal for equal runs.

    Raises `SpecificationError` with one line for the first leaf that is misspelt, ill-typed or out of range.
    """
    top = canonical_of(run, config, "")
    groups = ("grammar", "restriction", "model", "objective", "optimizer")
    top |= {group: canonical(group, top[group], group) for group in groups}
    first = canonical_of(pretrain, top["pretrain"], "pretrain")
    top["dial"] = canonical_of(dial, top["dial"], "dial")
    top["study"] = canonical_of(study, top["study"], "study")
    for group in ("objective", "optimizer"):
        first[group] = canonical(group, first[group], f"pretrain.{group}")
    second = canonical_of(finetune, top["finetune"], "finetune")
    for name, phase in (("pretrain", first), ("finetune", second)):
        if phase["num_evals"] > phase["num_steps"]:
            raise SpecificationError(
                f"{name}.num_evals: at most num_steps ({phase['num_steps']}) is required, found {phase['num_evals']}"
            )
    return top | {"pretrain": first, "finetune": second}


def identity(chosen: Mapping[str, Any]) -> str:
    """Hash of the run of a canonical configuration, see `sim.records.run_hash`.

    A grammar that is read from a file counts by what the file holds too: an edited file is another run.
    """
    content = grammar_file(chosen)
    return run_hash(chosen) if content is None else run_hash({**chosen, "file": content["sha256"]})


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


def world(
    grammar: Mapping[str, Any], dialled: Mapping[str, Any] | None = None
) -> tuple[FiniteLanguage, dict[str, float]]:
    """The pretraining language P, and what its construction wants reported (such as mass dropped at the horizon).

    `dialled` is a canonical `dial`: P is then tilted to its entropy, and the notes have the `temperature`.
    """
    built = construct("grammar", grammar, "grammar")
    language, notes = built if isinstance(built, tuple) else (built, {})
    if dialled is None or dialled["entropy"] is None:
        return language, dict(notes)
    wanted, per, keep_prompts = (dialled[name] for name in ("entropy", "per", "keep_prompts"))
    tilted, temperature = entropy_dial(language, wanted, per, keep_prompts, "dial.entropy")
    assert isinstance(tilted, FiniteLanguage), "a tilt is of the same kind"
    return tilted, {**notes, "temperature": temperature}


def target(chosen: Mapping[str, Any]) -> Path:
    """Where the record of a canonical configuration lies: outputs/<name>/<hash>."""
    return folder(chosen["outputs"], chosen["name"], identity(chosen))


def pretraining_key(chosen: Mapping[str, Any]) -> str:
    """Identity of the pretraining of a run: equal for runs that differ in what comes after it, see `sim.store`."""
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
        own = isinstance(kind, str) and getattr(resolve("restrictions", kind, "restriction"), "widens", False)
        return own or any(_widens(value) for value in node.values())
    return isinstance(node, list | tuple) and any(_widens(value) for value in node)


def build(chosen: Mapping[str, Any]) -> tuple[Run, dict[str, float]]:
    """The run of a canonical configuration (see `settings`), and the notes of its world.

    Raises `SpecificationError` if a part does not fit the language, before anything is trained. Runs with equal worlds
    get the same language objects, so that these are built once and their tables can be shared.
    """
    file = grammar_file(chosen)
    grammar = {"grammar": chosen["grammar"], "dial": chosen["dial"]}
    texts = [json.dumps(node, sort_keys=True) for node in (grammar, chosen["restriction"], chosen["model"])]
    p, notes, restricted, model = _world(*texts, None if file is None else file["sha256"])
    first, second = chosen["pretrain"], chosen["finetune"]
    whole = Run(
        chosen["seed"],
        p,
        restricted,
        model,
        _recipe(first, first, "pretrain."),
        _recipe(second, chosen, ""),
        tuple(second["controls"]),
    )
    return whole, dict(notes)


@functools.lru_cache(maxsize=32)
def _world(grammar: str, restriction: str, model: str, file: str | None) -> tuple[Any, ...]:
    p, notes = _language(grammar, file)
    restricted = _restricted(grammar, restriction, file)
    p = p if restricted.p is None else restricted.p
    return p, notes, restricted, construct("model", json.loads(model), "model", p.trie)


@functools.lru_cache(maxsize=32)
def _language(grammar: str, file: str | None) -> tuple[FiniteLanguage, dict[str, float]]:
    del file  # its content is part of what is cached
    node = json.loads(grammar)
    return world(node["grammar"], node["dial"])


@functools.lru_cache(maxsize=32)
def _restricted(grammar: str, restriction: str, file: str | None) -> Restricted:
    restricted: Restricted = construct(
        "restriction", json.loads(restriction), "restriction", _language(grammar, file)[0]
    )
    return restricted


def _recipe(phase: Mapping[str, Any], owner: Mapping[str, Any], place: str) -> Recipe:
    """The recipe of a phase; `owner` holds its objective and optimiser."""
    return Recipe(
        construct("objective", owner["objective"], f"{place}objective"),
        construct("optimizer", owner["optimizer"], f"{place}optimizer"),
        phase["num_steps"],
        phase["batch_size"],
        evaluation_steps(phase["num_steps"], phase["num_evals"], phase["spacing"]),
        phase["loss_on"],
        phase["prefixes"] == "all",
    )
