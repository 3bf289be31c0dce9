"""Build the simulation of a configuration: this module turns the names in it into objects."""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim.config import GROUPS, canonical, canonical_of, construct, given, member
from sim.disk.later import LaterWorld
from sim.grammars._reading import content
from sim.languages.dial import dial as entropy_dial
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.numerics import SpecificationError
from sim.phases import entries
from sim.running import adapting, checks, editing, late, schema, stages
from sim.running.unlisted import asked
from sim.theory.laws import Laws
from sim.training.adapter import Adapter
from sim.training.simulation import Edit, Later, Recipe, Simulation
from sim.training.sweep import Probe, evaluation_steps


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canonical configuration: every leaf is checked and cast, every default is filled in.

    Equal runs have equal canonical configurations. The content of a grammar file becomes part of it, so that the file
    is read once and may be edited while runs of it are under way. It raises `SpecificationError` with one line for the
    first leaf that is misspelt, of a wrong type or out of range. Configurations share parts, so change nothing in them.
    """
    top = canonical_of(schema.run, config, "")
    top |= {group: _part(canonical, group, top[group], group) for group in GROUPS}
    top["grammar"] = _with_text(_as_before("grammar", top["grammar"]))
    top |= {group: _as_before(group, top[group]) for group in ("restriction", "objective")}
    first = dict(_part(canonical_of, schema.pretrain, top["pretrain"], "pretrain"))
    for name, form in (("dial", schema.dial), ("study", schema.study), ("relearn", schema.relearn)):
        top[name] = _part(canonical_of, form, top[name], name)
    for group in ("objective", "optimizer"):
        first[group] = _part(canonical, group, first[group], f"pretrain.{group}")
    second = adapting.canonical_adapter(_part(canonical_of, schema.finetune, top["finetune"], "finetune"))
    second = editing.canonical_edits(second)
    for index, name in enumerate(second["probes"]):
        member("probe", name, f"finetune.probes[{index}]")
    for name, phase in (("pretrain", first), ("finetune", second)):
        if phase["num_evals"] > phase["num_steps"]:
            raise SpecificationError(
                f"{name}.num_evals: at most num_steps ({phase['num_steps']}) is required, found {phase['num_evals']}"
            )
    return asked.checked(stages.canonical_stages(top | {"pretrain": first, "finetune": second}))


def _part(function: Callable[..., dict[str, Any]], form: Any, node: Any, place: str) -> dict[str, Any]:
    """Return `function(form, node, place)`. The runs of a multirun have most parts in common: each is checked once."""
    try:
        text = json.dumps(node)
        plain = json.loads(text) == node and f'"{given.KIND}"' not in text
    except (TypeError, ValueError):
        plain = False
    return _checked_once(function, form, text, place) if plain else function(form, node, place)


@functools.lru_cache(maxsize=1024)
def _checked_once(function: Callable[..., dict[str, Any]], form: Any, text: str, place: str) -> dict[str, Any]:
    return function(form, json.loads(text), place)


LATER: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("grammar", "file"): {"normalise": False},
    ("restriction", "answers"): {"temperature": None},
    ("objective", "self_replay"): {"targets": "exact"},
}
"""Arguments by group and kind that are younger than runs on disks, with their defaults."""


def _as_before(group: str, node: dict[str, Any]) -> dict[str, Any]:
    """Return a node without the arguments of `LATER` at their defaults, because hashes of old runs must not change."""
    later = LATER.get((group, node.get("kind", "")), {})
    young = {name for name, default in later.items() if node.get(name, later) == default}
    return {name: value for name, value in node.items() if name not in young} if young else node


def _with_text(grammar: dict[str, Any]) -> dict[str, Any]:
    """Return the node of a grammar with the content of its file."""
    if grammar.get("path") is None or grammar.get("text", "") is not None:
        return grammar
    try:
        return grammar | {"text": content(grammar["path"])}
    except SpecificationError as problem:
        raise SpecificationError(f"grammar: {problem}") from None


def world(
    grammar: Mapping[str, Any], dialled: Mapping[str, Any] | None = None
) -> tuple[FiniteLanguage, dict[str, float]]:
    """Return the pretraining language P and the notes of its construction (such as the mass dropped at the horizon).

    `dialled` is a canonical `dial`. If it names an entropy, P is tilted to it, and the notes hold the `temperature`.
    """
    language, notes = checks.language(construct("grammar", grammar, "grammar"), grammar)
    if dialled is None or dialled["entropy"] is None:
        return language, notes
    wanted, per, keep_prompts = (dialled[name] for name in ("entropy", "per", "keep_prompts"))
    tilted, temperature = entropy_dial(language, wanted, per, keep_prompts, "dial.entropy")
    assert isinstance(tilted, FiniteLanguage), "a tilted language is of the same kind"
    return tilted, {**notes, "temperature": temperature}


def build(chosen: Mapping[str, Any]) -> tuple[Simulation, dict[str, float]]:
    """Return the simulation of a canonical configuration (see `settings`), and the notes of its world.

    It raises `SpecificationError` if a part does not fit the language, before anything is trained. Runs with equal
    worlds get the same language objects. So these are built once, and their tables can be shared.
    """
    p, notes, restricted, model = _world(*_texts(chosen, "restriction", "model"))
    predicted(chosen)
    first, second = chosen["pretrain"], chosen["finetune"]
    adapter = adapting.adapter(second, model)
    tuning = replace(_recipe(second, chosen, ""), adapter=adapter)
    whole = Simulation(
        chosen["seed"],
        p,
        restricted,
        model,
        _recipe(first, first, "pretrain."),
        tuning,
        tuple(second["controls"]),
        _relearning(tuning, chosen["relearn"], restricted, p),
        tuple(checks.probe(probe(name), name, model) for name in second["probes"]),
        second["kl_every_step"],
        chosen["record"] == "laws",
        _edits(*_texts(chosen, "restriction", "model"), json.dumps(editing.asked(second))),
        _later(chosen, adapter, p),
        late.make(chosen["restriction"], "restriction", p),
        second.get("siblings", 0),
    )
    adapting.check(whole)
    checks.simulation(whole)
    return whole, dict(notes)


def languages(chosen: Mapping[str, Any]) -> tuple[FiniteLanguage, Restricted]:
    """Return P and its restriction for a canonical configuration. Nothing here needs the device."""
    restricted = _restricted(*_texts(chosen, "restriction"))
    return _language(*_texts(chosen))[0] if restricted.p is None else restricted.p, restricted


def predicted(chosen: Mapping[str, Any]) -> np.ndarray | None:
    """Return log q* of whole documents [nat], with P in place of the model, which is not trained yet.

    It is None if the objective predicts no optimum.
    """
    return _optimum(*_texts(chosen, "restriction", "objective"), chosen["finetune"]["loss_on"])


def later_worlds(chosen: Mapping[str, Any]) -> dict[str, LaterWorld]:
    """Return the world of every later stage, by name, with the P of the run in place of the model before the stage.

    It raises SpecificationError, which names the entry, if a restriction or an objective does not fit.
    """
    found = {}
    for number, (stage, entry) in enumerate(entries(chosen).items(), 2):
        place, texts = stages.place_of(number), _texts(chosen, "restriction")
        own = late.text(entry["restriction"], chosen["model"], number)
        restricted = _restricted_later(*texts, own, f"{place}.restriction")
        best = _optimum_later(*texts, own, json.dumps(entry["objective"], sort_keys=True), place, entry["loss_on"])
        found[stage] = LaterWorld(restricted, own != texts[1], best)
    return found


def _later(chosen: Mapping[str, Any], adapter: Adapter | None, p: FiniteLanguage) -> tuple[Later, ...]:
    """Return the later stages of a canonical configuration. It raises SpecificationError if one cannot be built."""
    worlds, found = later_worlds(chosen), []
    for number, (stage, entry) in enumerate(entries(chosen).items(), 2):
        recipe = replace(_recipe(entry, entry, f"{stages.place_of(number)}."), adapter=adapter)
        make = late.make(entry["restriction"], f"{stages.place_of(number)}.restriction", p)
        found.append(Later(stage, recipe, worlds[stage].restricted, make, entry["begin"] == "scratch"))
    return tuple(found)


def _texts(chosen: Mapping[str, Any], *groups: str) -> list[str]:
    """Return the grammar with its dial, and some groups, as texts. Languages and models are kept by their texts."""
    found = [json.dumps({"grammar": chosen["grammar"], "dial": chosen["dial"]}, sort_keys=True)]
    for group in groups:
        node, may_be_late = chosen[group], group == "restriction"
        found.append(late.text(node, chosen["model"], 1) if may_be_late else json.dumps(node, sort_keys=True))
    return found


@functools.lru_cache(maxsize=32)
def _world(grammar: str, restriction: str, model: str) -> tuple[Any, ...]:
    p, notes = _language(grammar)
    restricted = _restricted(grammar, restriction)
    p = p if restricted.p is None else restricted.p
    node = json.loads(model)
    return p, notes, restricted, checks.model(construct("model", node, "model", p.trie), p.trie, node)


@functools.lru_cache(maxsize=32)
def _edits(grammar: str, restriction: str, model: str, tuning: str) -> tuple[Edit, ...]:
    return editing.edits(json.loads(tuning), _world(grammar, restriction, model)[3])


@functools.lru_cache(maxsize=32)
def _language(grammar: str) -> tuple[FiniteLanguage, dict[str, float]]:
    node = json.loads(grammar)
    return world(node["grammar"], node["dial"])


@functools.lru_cache(maxsize=32)
def _restricted(grammar: str, restriction: str) -> Restricted:
    return late.restricted(restriction, "restriction", _language(grammar)[0])


@functools.lru_cache(maxsize=32)
def _restricted_later(grammar: str, first: str, restriction: str, place: str) -> Restricted:
    """Return the restriction of a later stage. It is on the strings of the run; `first` is the restriction of the run.

    Stages that have the restriction of the run get the same object.
    """
    before = _restricted(grammar, first)
    if restriction == first:
        return before
    p = _language(grammar)[0] if before.p is None else before.p
    found = stages.at(place, lambda: late.restricted(restriction, place, p))
    if found.p is not None:
        kind = json.loads(restriction)["kind"]
        raise SpecificationError(
            f"{place}: a restriction that adds no strings to P is required, found {kind}; "
            "make it the restriction of the run"
        )
    return found


@functools.lru_cache(maxsize=32)
def _optimum_later(
    grammar: str, first: str, restriction: str, objective: str, place: str, loss_on: str
) -> np.ndarray | None:
    node, result = json.loads(objective), _restricted_later(grammar, first, restriction, f"{place}.restriction")
    first_p = _restricted(grammar, first).p
    p = _language(grammar)[0] if first_p is None else first_p
    prompts = p.prompts if loss_on == "response" else None
    laws = Laws(p.trie, p.log_p, result.s.log_p, result.event, p.log_p, prompts)
    at = f"{place}.objective"
    return stages.at(at, lambda: checks.optimum(_objective(node, at), laws, node))


@functools.lru_cache(maxsize=32)
def _optimum(grammar: str, restriction: str, objective: str, loss_on: str) -> np.ndarray | None:
    node, result = json.loads(objective), _restricted(grammar, restriction)
    p = _language(grammar)[0] if result.p is None else result.p
    prompts = p.prompts if loss_on == "response" else None
    laws = Laws(p.trie, p.log_p, result.s.log_p, result.event, p.log_p, prompts)  # a record has the model as q0
    return checks.optimum(_objective(node, "objective"), laws, node)


def _objective(node: Mapping[str, Any], place: str) -> Any:
    return checks.objective(construct("objective", node, place), place, node)


def probe(name: str) -> Probe:
    """Return the probe with this name: a function of a job and of parameters, see `sim.probes`."""
    found: Probe = getattr(member("probe", name, "finetune.probes").load(), name)
    return found


def _relearning(tuning: Recipe, wanted: Mapping[str, Any], restricted: Restricted, p: FiniteLanguage) -> Recipe | None:
    """Return the recipe of learning again. It raises SpecificationError if the restriction leaves nothing out."""
    if not wanted["num_steps"]:
        return None
    if not ((p.log_p > -np.inf) & ~restricted.event).any():
        raise SpecificationError(
            "relearn.num_steps: 0 is required with a restriction that keeps every string, "
            f"found {wanted['num_steps']}; choose a restriction that leaves something out"
        )
    steps = evaluation_steps(wanted["num_steps"], wanted["num_evals"], "log")
    return replace(tuning, num_steps=wanted["num_steps"], steps=steps, adapter=None)


def _recipe(phase: Mapping[str, Any], owner: Mapping[str, Any], place: str) -> Recipe:
    """Return the recipe of a stage; `owner` holds its objective and its optimiser."""
    optimizer, at = owner["optimizer"], f"{place}optimizer"
    objective = _objective(owner["objective"], f"{place}objective")
    switch = getattr(objective, "switch", None)
    if switch is not None and switch >= phase["num_steps"]:
        raise SpecificationError(
            f"{place}objective.switch: less than num_steps ({phase['num_steps']}) is required, found {switch:g}; "
            "choose an earlier step, or null for no switch"
        )
    return Recipe(
        objective,
        checks.optimizer(construct("optimizer", optimizer, at), at, optimizer),
        phase["num_steps"],
        phase["batch_size"],
        evaluation_steps(phase["num_steps"], phase["num_evals"], phase["spacing"]),
        phase["loss_on"],
        phase["prefixes"] == "all",
    )
