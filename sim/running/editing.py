"""Edits of a run: from `finetune.edits` in a configuration to phases of its record, with one evaluation each."""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from sim.config import canonical, configurable, construct, described, is_late, member, resolve
from sim.edits._base import Change
from sim.edits._siblings import Siblings
from sim.metrics.scene import TRUTH
from sim.models._base import Model
from sim.numerics import SpecificationError, nearest
from sim.phases import MEANINGS, Meaning, is_later, is_sibling, of_edit, siblings
from sim.running import checks
from sim.running.claimed import ClaimedRun
from sim.training.programs import Mapping as EnsembleMapping
from sim.training.simulation import Edit, edited
from sim.training.sweep import Training, train_many

PLACE = "finetune.edits"


def canonical_edits(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical `finetune` whose edits are checked, cast and complete, each with the phase that it changes.

    An entry is `kind: <name>` plus the arguments of this kind, and optionally `of: <phase>` (by default "sft"). Without
    edits the key is left out, and so is `siblings` without siblings: runs keep the hashes that they had before there
    was either. It raises SpecificationError in one line for an unknown kind or phase, a wrong argument, an edit that
    needs siblings where there are none, and for two edits of one name.
    """
    entries = [_canonical(entry, f"{PLACE}[{index}]", tuning) for index, entry in enumerate(tuning["edits"])]
    rest = {key: value for key, value in tuning.items() if key != "edits" and (key != "siblings" or value)}
    if not entries:
        return rest
    names = [name_of(entry) for entry in entries]
    for index, (name, entry) in enumerate(zip(names, entries, strict=True)):
        place = f"{PLACE}[{index}]"
        if name in names[:index]:
            raise SpecificationError(f"{place}: edits that differ are required, found a second {name}; leave it out")
        is_taken = name in (*MEANINGS, TRUTH) or is_later(name) or is_sibling(name)
        if is_taken or not re.fullmatch("[a-z][a-z0-9_.+-]*", name):
            found = f"{name!r} from the edit {entry['kind']}"
            fix = "use other arguments, or rename the kind"
            raise SpecificationError(
                f"{place}: a free name of a-z, 0-9, _, ., + and - for its phase is required, found {found}; {fix}"
            )
    return rest | {"edits": entries}


def _canonical(entry: Mapping[str, Any], place: str, tuning: Mapping[str, Any]) -> dict[str, Any]:
    known = ("sft", *(name for name in tuning["controls"] if MEANINGS[name].role == "control"))  # the model is the same
    of = entry.get("of", "sft")
    if of not in known:
        is_left_out = any(of == name for name, one in MEANINGS.items() if one.role == "control")
        fix = "; add it to finetune.controls" if is_left_out else nearest(str(of), known)
        raise SpecificationError(f"{place}.of: one of {', '.join(known)} is required, found {of!r}{fix}")
    node = canonical("edit", {key: value for key, value in entry.items() if key != "of"}, place)
    if "of" in node:
        raise SpecificationError(f"{place}: an edit without an argument named of is required, found one; rename it")
    if is_late("edit", node):  # it needs siblings
        _check_siblings(node["kind"], of, place, tuning["siblings"])
    return {**node, "of": of}


def _check_siblings(kind: str, of: str, place: str, number: int) -> None:
    """Raise SpecificationError if an edit of several fine-tunings on S is asked for another model, or has only one."""
    if of != "sft":
        raise SpecificationError(
            f"{place}.of: sft is required for {kind}, which needs siblings, found {of}; leave it out"
        )
    if not number:
        raise SpecificationError(f"finetune.siblings: at least 1 is required for the edit {kind}, found 0; set it")


def name_of(entry: Mapping[str, Any]) -> str:
    """Return the name of the phase of a canonical entry: its kind and its numbers, such as truncate_2.

    Arguments that have their default value are left out. An edit of a control ends with its name, as in
    truncate_2_of_identity.
    """
    kind, parameters = entry["kind"], configurable(resolve("edit", entry["kind"], PLACE))
    shown = [entry[name] for name, parameter in parameters.items() if entry[name] != parameter.default]
    name = "_".join([kind, *map(_written, shown)])
    return name if entry["of"] == "sft" else f"{name}_of_{entry['of']}"


def _written(value: Any) -> str:
    """Return a value as a part of a name. A number has as few digits as tell it from all others: 2.0 is 2."""
    if isinstance(value, float):
        return np.format_float_positional(value, trim="-")
    return value if isinstance(value, str) else json.dumps(value)


def meanings(tuning: Mapping[str, Any]) -> dict[str, Meaning]:
    """Return the meanings of the phases that the edits of a canonical `finetune` become, by name, in their order."""
    found = {}
    for entry in tuning.get("edits", ()):
        name, node = name_of(entry), {key: value for key, value in entry.items() if key != "of"}
        found[name] = of_edit(name, entry["of"], described("edit", node), _parts(node, entry["of"], tuning))
    return found


def _parts(node: Mapping[str, Any], of: str, tuning: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """Return the phases whose mean an edit makes, with their weights: those of `mean_weights` in its file, if any.

    A mean of one phase is that phase, so it has no parts.
    """
    module = member("edit", node["kind"], PLACE).load()
    if not hasattr(module, "mean_weights"):
        return ()
    weights = module.mean_weights(**{key: value for key, value in node.items() if key != "kind"})
    phases = ("pretrain", of, *siblings(tuning.get("siblings", 0)))
    found = tuple((phase, float(weight)) for phase, weight in zip(phases, weights, strict=False) if weight)
    return found if len(found) > 1 else ()


def asked(tuning: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a canonical `finetune` says of its edits, see `edits`."""
    return {"edits": tuning.get("edits", []), "siblings": tuning.get("siblings", 0)}


def edits(tuning: Mapping[str, Any], model: Model) -> tuple[Edit, ...]:
    """Return the edits of a canonical `finetune`. Each is tried on parameters of the model's shapes.

    It raises SpecificationError in one line if an edit refuses the model or the number of siblings, or returns
    something else than parameters.
    """
    found, entries = meanings(tuning), tuning.get("edits", ())
    like = jax.eval_shape(model.init, jax.random.key(0)) if entries else None
    some = Siblings(
        tuple(jax.tree.map(lambda leaf: np.ones(leaf.shape), like) for _ in siblings(asked(tuning)["siblings"]))
    )
    built = []
    for index, (name, entry) in enumerate(zip(found, entries, strict=True)):
        node, place = {key: value for key, value in entry.items() if key != "of"}, f"{PLACE}[{index}]"
        make = functools.partial(_change, node, place)
        checks.edit(make(some), like, place, node)
        built.append(Edit(name, entry["of"], make, found[name]))
    return tuple(built)


def _change(node: Mapping[str, Any], place: str, others: Siblings) -> Change:
    return functools.partial(construct, "edit", node, place, siblings=others)


def evaluate_edits(runs: Sequence[ClaimedRun], rows: int, mapping: EnsembleMapping, shared: frozenset[str]) -> None:
    """Make the edits of some runs and evaluate them, at most `rows` at a time. A run whose edit fails fails alone.

    The ensemble has the room of the fine-tunings, so the program that evaluated them evaluates the edits as well.
    """
    todo = [(run, one) for run in runs if run.simulation is not None for one in run.simulation.edits]
    for begin in range(0, len(todo), rows):
        made = [(run, one, _made(run, one)) for run, one in todo[begin : begin + rows]]
        trainings = [training for _, _, training in made if training is not None]
        if trainings:
            train_many(trainings, mapping=mapping, size=rows, shared=shared)
        for run, one, training in made:
            if training is None or run.ended is not None:
                continue
            if training.failure is not None:
                run.fail(FloatingPointError(f"{one.name}: {training.failure}"))
                continue
            run.edited[one.name] = replace(training.trained, opt_state=None)  # nothing goes on from here


def _made(run: ClaimedRun, one: Edit) -> Training | None:
    """Return an edit of a run as a training of no steps; None if the run has failed, now or before."""
    assert run.simulation is not None
    if run.ended is None:
        try:
            return edited(run.simulation, one, run.tuned)
        except Exception as problem:  # an edit may be anybody's code
            run.fail(problem)
    return None
