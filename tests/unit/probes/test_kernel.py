"""The recorded kernel against forward derivatives, and against what one small step on a string does to all others."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.numerics import SpecificationError
from sim.probes.kernel import kernel
from sim.probes.tangent import log_probs, tangent
from sim.theory.kernel import unpacked
from tests.unit.probes.test_tangent import MODELS, A, P, job


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "transformer")) for name in MODELS]
)
def test_the_kernel_times_s_is_the_velocity_and_its_columns_are_steps_on_strings(name):
    one = job(name)
    found = kernel(one, one.init)["kernel"]
    assert found.dtype == np.float64
    assert found.shape == (21,)
    full = unpacked(found)
    s = np.exp(P.condition(A)[0].log_p)
    np.testing.assert_allclose(full @ s, tangent(one, one.init)["tangent_velocity"], rtol=2e-4, atol=2e-5)
    strings = one.phase.base.strings
    uphill = jax.grad(lambda params: log_probs(one, params, strings[2:3])[0])(one.init)
    sides = [
        log_probs(one, jax.tree.map(lambda a, b, r=r: a + r * b, one.init, uphill), strings) for r in (5e-3, -5e-3)
    ]
    np.testing.assert_allclose((sides[0] - sides[1]) / 1e-2, full[2], rtol=0.02, atol=2e-3)


def test_the_kernel_is_that_of_the_parameters_it_is_given():
    one = job("trie table")
    moved = jax.tree.map(lambda leaf: leaf + jnp.arange(leaf.size, dtype=leaf.dtype).reshape(leaf.shape) / 40, one.init)
    assert np.abs(kernel(one, moved)["kernel"] - kernel(one, one.init)["kernel"]).max() > 0.01
    again = kernel(one.replace(init=moved), moved)["kernel"]
    np.testing.assert_array_equal(kernel(one, moved)["kernel"], again)


def test_a_language_of_too_many_strings_is_refused(monkeypatch):
    monkeypatch.setattr("sim.probes.kernel.LARGEST", 5)
    one = job("trie table")
    with pytest.raises(SpecificationError, match=r"finetune\.probes: at most 5 strings .* found 6"):
        kernel(one, one.init)
