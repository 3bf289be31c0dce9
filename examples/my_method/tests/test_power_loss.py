"""The predicted optimum is the minimiser of the loss as it is trained: scipy finds it in the table of a small world."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from my_method.objectives.power_loss import PowerLoss
from scipy.optimize import minimize

from sim.languages.device import on_device
from sim.languages.finite import FiniteLanguage
from sim.languages.vocabulary import Vocabulary
from sim.models._base import Bound
from sim.models.tabular_trie import tabular_trie
from sim.objectives._context import Batch, Context
from sim.theory.laws import Laws

STRINGS = np.array([[1, 1, 0], [1, 2, 0], [2, 1, 0], [2, 2, 0], [2, 0, 0], [1, 0, 0]])
"""aa, ab, ba, bb, b and a; 0 ends a string."""

P = FiniteLanguage.from_strings(Vocabulary(("<eos>", "a", "b")), STRINGS, np.log([0.25, 0.15, 0.2, 0.1, 0.1, 0.2]))
S, _ = P.condition(P.trie.strings[:, 1] != 2)
"""The language, and the data of the fine-tuning: the strings whose second symbol is not b."""


@pytest.mark.parametrize("power", [-1.0, -0.5, 0.5])
def test_the_predicted_optimum_minimises_the_loss(power: float) -> None:
    objective, model = PowerLoss(power=power), tabular_trie(P.trie)
    context = Context(on_device(S), on_device(S), on_device(P), None, None, jnp.array(True), whole_support=True)
    batch, key = Batch(context.data.strings, context.data.probability), jax.random.key(0)
    start, restored = ravel_pytree(model.init(key))

    @jax.jit
    def loss(flat: jax.Array) -> tuple[jax.Array, jax.Array]:
        return jax.value_and_grad(lambda own: objective(Bound(model, restored(own)), context, batch, key))(flat)

    def of(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = loss(jnp.asarray(flat, jnp.float32))
        return float(value), np.asarray(slope, np.float64)

    trained = restored(jnp.asarray(minimize(of, start, jac=True, options={"gtol": 1e-6}).x, jnp.float32))
    tokens = jnp.asarray(P.trie.strings)
    of_token = jnp.take_along_axis(Bound(model, trained).next_log_probs(tokens), tokens[..., None], -1)[..., 0]
    q = np.exp(np.sum(np.where(context.loss_mask(tokens), of_token, 0.0), axis=-1))
    best = objective.optimum(Laws(P.trie, P.log_p, S.log_p, S.log_p > -np.inf, P.log_p))
    assert best is not None
    kept = S.log_p > -np.inf
    np.testing.assert_allclose(q[kept], np.exp(best[kept]), atol=1e-3)
    assert abs(np.exp(best[kept]) - np.exp(S.log_p[kept])).max() > 0.02, "it is another law than S"
