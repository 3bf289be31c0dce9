"""What members return is checked before anything is trained, so that a mistake in a member is one line."""

import math
from collections.abc import Mapping
from typing import Any, NoReturn

import jax
import numpy as np
from flax import struct

from sim.config import given, members
from sim.edits._base import Change
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.trie import Trie
from sim.metrics.optimum import predicted
from sim.models._base import Model
from sim.numerics import SpecificationError, log_sum_exp
from sim.optimizers._base import Optimizer
from sim.theory.laws import Laws
from sim.training.sharing import structure
from sim.training.simulation import Simulation
from sim.training.sweep import Probe
from sim.typing import PyTree

TOLERANCE = 1e-9
"""Largest error of a log-probability that a member states [nat]."""


@struct.dataclass
class Plain:
    """An objective that is no pytree, such as a function, as one that a compiled program can take."""

    thing: Any = struct.field(pytree_node=False)

    def __call__(self, *arguments: Any) -> Any:
        """Call it."""
        return self.thing(*arguments)

    def optimum(self, laws: Laws) -> Any:
        """Return the optimum that it predicts; None if it predicts none."""
        return predicted(self.thing, laws)


def owner(group: str, node: Mapping[str, Any]) -> str:
    """Return the name of a member and its file, for messages; of an object given in Python, only its name."""
    if given.is_given(node):
        return str(node["name"])
    return f"{node['kind']} ({members(group)[node['kind']].file})"


def language(built: Any, node: Mapping[str, Any]) -> tuple[FiniteLanguage, dict[str, float]]:
    """Return the language that a grammar built, and the notes of its construction."""
    found, notes = built if isinstance(built, tuple) and len(built) == 2 else (built, {})
    if not isinstance(found, FiniteLanguage) or not isinstance(notes, Mapping):
        wanted = "a FiniteLanguage, or a pair of it and a mapping of notes,"
        refuse("grammar", wanted, kind_of(built), node, "return FiniteLanguage.from_strings(...)")
    return found, dict(notes)


def restricted(built: Any, p: FiniteLanguage, node: Mapping[str, Any]) -> Restricted:
    """Return the result of a restriction of P, if its event, log P(A) and P_A belong together."""
    if not isinstance(built, Restricted):
        refuse("restriction", "a Restricted", kind_of(built), node, "return Restricted(s, kept, event, log_mass)")
    base = p if built.p is None else built.p
    size, event = base.trie.num_strings, np.asarray(built.event)
    if event.shape != (size,) or event.dtype != bool:
        refuse("restriction", f"an event of {size} booleans", f"{event.dtype}{list(event.shape)}", node, "")
    for name in ("s", "kept"):
        law = getattr(built, name)
        if not isinstance(law, FiniteLanguage) or law.log_p.shape != (size,):
            refuse("restriction", f"a language on the {size} strings of P for {name}", kind_of(law), node, "")
    log_mass = float(log_sum_exp(base.log_p[event]))
    if not abs(built.log_mass - log_mass) <= TOLERANCE * max(1.0, abs(log_mass)):
        refuse("restriction", f"log_mass = log P(A) = {log_mass:.9g} nat", f"{built.log_mass:.9g}", node, "")
    kept = np.where(event, base.log_p - log_mass, -np.inf)
    if not np.allclose(np.exp(kept), np.exp(built.kept.log_p), rtol=0.0, atol=TOLERANCE):
        refuse("restriction", "kept = P(. | A)", "another law", node, "use p.condition(event)")
    return built


def model(built: Any, trie: Trie, node: Mapping[str, Any]) -> Model:
    """Return a model, if it has the horizon and the vocabulary of the trie and is a pytree of arrays."""
    _is_object("model", built, node)
    if not isinstance(built, Model):
        missing = [name for name in ("length", "vocab_size", "init", "logits") if not hasattr(built, name)]
        refuse("model", "a model with length, vocab_size, init and logits", f"none of {missing}", node, "")
    if (built.length, built.vocab_size) != (trie.length, trie.vocab_size):
        wanted = f"length {trie.length} and vocab_size {trie.vocab_size}"
        refuse("model", wanted, f"{built.length} and {built.vocab_size}", node, "take them from the trie")
    if not _is_pytree(built):
        refuse("model", "a pytree", kind_of(built), node, "decorate the class with @flax.struct.dataclass")
    return built


def optimizer(built: Any, place: str, node: Mapping[str, Any]) -> Optimizer:
    """Return an optimiser, if it has the method of one and is a pytree of numbers."""
    _is_object(place, built, node, "optimizer")
    if not isinstance(built, Optimizer):
        refuse(place, "a method transformation(num_steps)", kind_of(built), node, "", "optimizer")
    if not _is_pytree(built):
        fix = "decorate the class with @flax.struct.dataclass"
        refuse(place, "a pytree of numbers", kind_of(built), node, fix, "optimizer")
    return built


def objective(built: Any, place: str, node: Mapping[str, Any]) -> Any:
    """Return an objective, if it can be called. One that is no pytree is wrapped."""
    _is_object(place, built, node, "objective")
    if not callable(built):
        refuse(place, "a callable (q, context, batch, key)", kind_of(built), node, "", "objective")
    return built if _is_pytree(built) else Plain(built)


def optimum(built: Any, laws: Laws, node: Mapping[str, Any]) -> np.ndarray | None:
    """Return the optimum that an objective predicts, if it is a law of documents; None if it predicts none."""
    found: Any = predicted(built, laws)
    if found is None:
        return None
    size = laws.trie.num_strings
    fits = isinstance(found, np.ndarray) and found.dtype == np.float64 and found.shape == (size,)
    if not fits:
        what = f"{found.dtype}{list(found.shape)}" if isinstance(found, np.ndarray) else kind_of(found)
        refuse("objective", f"optimum(laws) of float64[{size}]", what, node, "return log q* of every document [nat]")
    total = math.fsum(np.exp(found))
    if not abs(total - 1.0) <= TOLERANCE:
        wanted = f"optimum(laws) whose probabilities sum to 1 within {TOLERANCE:g}"
        refuse("objective", wanted, f"{total:.12g}", node, "return log-probabilities [nat]")
    law: np.ndarray = found
    return law


def edit(change: Change, like: PyTree, place: str, node: Mapping[str, Any]) -> Change:
    """Return an edit, if it makes finite parameters of the model's shapes, `like`, from such parameters."""
    before, after = (jax.tree.map(lambda leaf, one=one: np.full(leaf.shape, one), like) for one in (0.0, 1.0))
    found = change(before, after, jax.random.key(0))
    fix = "return a tree like before and after"
    trees: list[Any] = [jax.tree.structure(tree) for tree in (before, found)]
    if trees[0] != trees[1]:
        refuse(place, "the parameters of the model", kind_of(found), node, fix, "edit")
    for leaf, other in zip(jax.tree.leaves(before), jax.tree.leaves(found), strict=True):
        if np.shape(other) != leaf.shape:
            shapes = f"{list(leaf.shape)}", f"{list(np.shape(other))}"
            refuse(place, f"parameters of shape {shapes[0]}", shapes[1], node, fix, "edit")
        if not np.isfinite(np.asarray(other, np.float64)).all():
            refuse(place, "finite parameters", "nan or infinity", node, "", "edit")
    return change


def probe(found: Probe, name: str, model: Model) -> Probe:
    """Return a probe, if the model has what it reads."""
    needs = getattr(found, "needs", None)
    if needs is not None and not isinstance(model, needs):
        methods = ", ".join(sorted(set(dir(needs)) - set(dir(Model))))
        raise SpecificationError(
            f"finetune.probes: a model with {methods} is required for the probe {name}, found {kind_of(model)}; "
            "choose another model, or leave the probe out"
        )
    return found


def simulation(run: Simulation) -> None:
    """Raise SpecificationError if parts of a simulation do not fit each other."""
    carried(run)
    hidden_states(run)


def hidden_states(run: Simulation) -> None:
    """Raise SpecificationError if an objective needs what a model of the run does not have, such as embeddings."""
    recipes = [("pretrain.objective", run.pretrain), ("objective", run.finetune)]
    recipes += [(f"stages[{number}].objective", one.recipe) for number, one in enumerate(run.later)]
    for place, recipe in recipes:
        needs = getattr(recipe.objective, "needs", None)
        if needs is None:
            continue
        name = kind_of(recipe.objective)
        if not isinstance(run.model, needs):
            raise SpecificationError(
                f"{place}: a model with hidden states is required for {name}, found {kind_of(run.model)}; "
                "choose model=transformer, or another objective"
            )
        if "linearised" in run.controls and recipe is run.finetune:
            raise SpecificationError(
                f"finetune.controls: no linearised is required with the objective {name}, which needs hidden states, "
                "found it; leave it out"
            )


def carried(run: Simulation) -> None:
    """Raise SpecificationError if the fine-tuning cannot continue with the optimiser state of the pretraining."""
    if "carried" not in run.controls:
        return
    tiny = {"weight": np.zeros(1, np.float32)}
    first, second = (structure(one.optimizer.transformation(1.0).init(tiny)) for one in (run.pretrain, run.finetune))
    if first != second:
        is_same_kind = type(run.pretrain.optimizer) is type(run.finetune.optimizer)
        alike = "both with the same of clip and average" if is_same_kind else "of the same kind"
        raise SpecificationError(
            "finetune.controls: with carried, one kind of optimiser in both stages is required, found "
            f"{_written(run.finetune.optimizer)} after {_written(run.pretrain.optimizer)}; "
            f"leave carried out, or choose optimizer and pretrain.optimizer {alike}"
        )


def _written(optimizer: Any) -> str:
    """Return the kind of an optimiser, with its options that need a state of their own."""
    options = [f"{name} {value:g}" for name in ("clip", "average") if (value := getattr(optimizer, name, None))]
    return " with ".join([type(optimizer).__name__, *options])


def _is_object(place: str, built: Any, node: Mapping[str, Any], group: str = "") -> None:
    if isinstance(built, type):
        refuse(place, "an object", f"the class {built.__name__}", node, f"write {built.__name__}(...)", group)


def _is_pytree(built: Any) -> bool:
    """Return whether all leaves of an object are numbers or arrays."""
    return all(isinstance(leaf, int | float | np.ndarray | jax.Array) for leaf in jax.tree.leaves(built))


def kind_of(found: Any) -> str:
    """Return the name of the type of an object."""
    return type(found).__name__


def refuse(place: str, wanted: str, found: str, node: Mapping[str, Any], fix: str, group: str = "") -> NoReturn:
    """Raise SpecificationError in one line: place, requirement, what was found, the member and its file, the fix."""
    said = f"{place}: {wanted} is required, found {found} from {owner(group or place, node)}"
    raise SpecificationError(f"{said}; {fix}" if fix else said)
