"""Objects that break the protocol of their kind are refused in one line: kind, requirement, what was found, whose."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

import sim
from sim.interface.compose import composed
from sim.interface.perform import split
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.languages.trie import Trie
from sim.models.tabular_trie import TabularTrie, tabular_trie
from sim.numerics import SpecificationError
from sim.objectives._context import cross_entropy
from sim.objectives.sft import Sft
from sim.optimizers.sgd import Sgd
from sim.running.build import build, settings
from sim.theory.laws import Laws

WORDS = sim.Vocabulary(("<eos>", "heads", "tails"))
STRINGS = np.array([[1, 1, 0], [1, 2, 0], [2, 1, 0], [2, 2, 0]])
COINS = FiniteLanguage.from_strings(WORDS, STRINGS, np.log([0.4, 0.3, 0.2, 0.1]))


def kept(p: FiniteLanguage) -> tuple[FiniteLanguage, np.ndarray, float]:
    event = p.trie.strings[:, 0] == 1
    s, log_mass = p.condition(event)
    return s, event, log_mass


def heads(p: FiniteLanguage) -> Restricted:
    s, event, log_mass = kept(p)
    return Restricted(s, s, event, log_mass)


def built(**choices: Any) -> Any:
    options, changes = split({"grammar": COINS, "restriction": heads, "model": "tabular_trie"} | choices)
    options["scale"] = "smoke"
    return build(settings(composed(options, changes)))[0]


def plain(q: Any, context: Any, batch: Any, key: Any) -> Any:
    tokens = batch.tokens
    return jnp.sum(
        batch.weight * cross_entropy(q.next_log_probs(tokens), context.truth, tokens, context.loss_mask(tokens))
    )


@dataclasses.dataclass
class Predicting:
    """An objective that is no pytree, with an optimum to choose."""

    stated: Callable[[Laws], Any]

    def __call__(self, q: Any, context: Any, batch: Any, key: Any) -> Any:
        """Loss."""
        return plain(q, context, batch, key)

    def optimum(self, laws: Laws) -> Any:
        """What is stated."""
        return self.stated(laws)


def wrong_mass(p: FiniteLanguage) -> Restricted:
    s, event, log_mass = kept(p)
    return Restricted(s, s, event, log_mass + 0.1)


def wrong_sign(p: FiniteLanguage) -> Restricted:
    s, event, log_mass = kept(p)
    return Restricted(s, s, event, -log_mass)


def wrong_event(p: FiniteLanguage) -> Restricted:
    s, _, log_mass = kept(p)
    return Restricted(s, s, np.array([True, False]), log_mass)


def complement(p: FiniteLanguage) -> Restricted:
    s, event, _ = kept(p)
    return Restricted(s, s, ~event, float(np.log(0.3)))


def wrong_kept(p: FiniteLanguage) -> Restricted:
    s, event, log_mass = kept(p)
    return Restricted(s, p, event, log_mass)


def long_model(trie: Trie) -> TabularTrie:
    return tabular_trie(FiniteLanguage.from_strings(WORDS, np.array([[1, 1, 1, 0]]), np.zeros(1)).trie)


class NoPytree:
    """A model that was not made a pytree."""

    length, vocab_size = 3, 3

    def init(self, key: Any) -> Any:
        """Nothing."""

    def logits(self, params: Any, tokens: Any) -> Any:
        """Nothing."""


def no_model(trie: Trie) -> object:
    return 3


def no_pytree(trie: Trie) -> object:
    return NoPytree()


LAWS: dict[str, Callable[[Laws], Any]] = {
    "optimum(laws) whose probabilities sum to 1 within 1e-09 is required, found 2.71828": lambda laws: laws.log_s + 1.0,
    "optimum(laws) of float64[4] is required, found float64[2]": lambda laws: laws.log_s[:2],
    "optimum(laws) of float64[4] is required, found float from": lambda laws: 0.5,
}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"grammar": ["a", "b"]}, "mapping of notes, is required, found list from list"),
        ({"restriction": lambda p: p}, "restriction: a Restricted is required, found FiniteLanguage from <lambda>"),
        ({"restriction": lambda p: (p, 0.0)}, "restriction: a Restricted is required, found tuple"),
        ({"restriction": wrong_mass}, "log_mass = log P(A) = -0.356674944 nat is required, found -0.2566"),
        ({"restriction": wrong_sign}, "log_mass = log P(A) = -0.356674944 nat is required, found 0.3566"),
        ({"restriction": wrong_event}, "an event of 4 booleans is required, found bool[2] from wrong_event"),
        ({"restriction": complement}, "restriction: kept = P(. | A) is required, found another law from complement"),
        ({"restriction": wrong_kept}, "restriction: kept = P(. | A) is required, found another law from wrong_kept"),
        ({"model": no_model}, "model: a model with length, vocab_size, init and logits is required, found none of ["),
        ({"model": no_pytree}, "model: a pytree is required, found NoPytree from no_pytree; decorate"),
        ({"model": long_model}, "model: length 3 and vocab_size 3 is required, found 4 and 3 from long_model"),
        ({"objective": Sft}, "objective: an object is required, found the class Sft from Sft; write Sft(...)"),
        ({"objective": 3.0}, "objective: a callable (q, context, batch, key) is required, found float"),
        ({"optimizer": 3.0}, "optimizer: a method transformation(num_steps) is required, found float"),
        ({"optimizer": Sgd}, "optimizer: an object is required, found the class Sgd"),
        *(({"objective": Predicting(stated)}, f"objective: {message}") for message, stated in LAWS.items()),
    ],
)  # fmt: skip
def test_an_object_that_breaks_its_protocol_is_refused_before_any_training(
    choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecificationError) as refused:
        built(**choices)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_objective_may_be_a_function_a_dataclass_or_a_pytree() -> None:
    for one in (plain, Predicting(lambda laws: laws.log_s), Predicting(lambda laws: None), Sft()):
        run = built(objective=one)
        assert callable(run.finetune.objective)
        assert not [
            leaf for leaf in jax.tree.leaves(run.finetune.objective) if not isinstance(leaf, float | int | np.ndarray)
        ]


@struct.dataclass
class Wide:
    """A model with one logit too many."""

    length: int = struct.field(pytree_node=False)
    vocab_size: int = struct.field(pytree_node=False)

    def init(self, key: Any) -> Any:
        """One array."""
        return {"logits": jnp.zeros(self.vocab_size + 1)}

    def logits(self, params: Any, tokens: Any) -> Any:
        """The same at all positions."""
        return jnp.broadcast_to(params["logits"], (*tokens.shape, self.vocab_size + 1))


@struct.dataclass
class NoRule:
    """An optimiser without a rule."""

    def transformation(self, num_steps: Any) -> optax.GradientTransformation | None:
        """Nothing."""


def wide(trie: Trie) -> Wide:
    return Wide(trie.length, trie.vocab_size)


def vector(q: Any, context: Any, batch: Any, key: Any) -> Any:
    return batch.weight


def number(q: Any, context: Any, batch: Any, key: Any) -> Any:
    return 1.0


def misspelt(q: Any, context: Any, batch: Any, key: Any) -> Any:
    return context.datta


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"model": wide}, "model: logits of shape (2, 3, 3) for tokens (2, 3) is required, found (2, 3, 4) from wide"),
        ({"objective": vector}, "objective: a callable (q, context, batch, key) that returns a scalar is required"),
        ({"objective": number}, "objective: a callable (q, context, batch, key) that returns a scalar is required"),
        ({"objective": misspelt}, "found AttributeError: 'Context' object has no attribute 'datta' from misspelt"),
        ({"optimizer": NoRule()}, "transformation(num_steps) that returns an optax.GradientTransformation is required"),
    ],
)
def test_what_only_a_failure_shows_is_explained_in_one_line(
    choices: dict[str, Any], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    choices = {"model": "tabular_trie"} | choices
    with pytest.raises(SpecificationError) as refused:
        sim.simulate(COINS, heads, scale="smoke", outputs=tmp_path, progress=False, **choices)
    assert message in str(refused.value)
    assert "Traceback" not in capfd.readouterr().err


def test_an_optimum_that_is_wrong_for_the_trained_model_is_not_published(tmp_path: Path) -> None:
    """It is a law if the model is P, but a model also has mass off the list."""
    wrong = Predicting(lambda laws: laws.log_q0)
    with pytest.raises(SpecificationError) as refused:
        sim.simulate(COINS, heads, "tabular_trie", wrong, scale="smoke", outputs=tmp_path, progress=False)
    said = "objective: optimum(laws) whose probabilities sum to 1 within 1e-09 is required, found 0."
    assert said in str(refused.value)
    assert not list(tmp_path.glob("scratch/[0-9a-f]*/manifest.json"))


@pytest.mark.parametrize("objective", ["neftune", "dropout"])
def test_an_objective_that_needs_hidden_states_refuses_a_table_before_anything_is_trained(objective):
    assert built(objective=objective, model="transformer").finetune.objective.needs
    with pytest.raises(SpecificationError, match=r"^objective: a model with hidden states is required for \w+, found"):
        built(objective=objective)
    with pytest.raises(SpecificationError, match=r"^stages\[0\].objective: a model with hidden states is required"):
        built(stages=[{"objective": {"kind": objective}, "num_steps": 3}])
    with pytest.raises(SpecificationError, match=r"^finetune.controls: no linearised is required"):
        built(objective=objective, model="transformer", finetune={"controls": ["linearised"]})
