"""The kernel for a whole block is the plain model up to rounding, and it moves and computes what its roofline says.

Pallas interprets the kernel here. For a GPU it is only lowered: whether it runs there is not tested.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from benchmarks import roofline
from benchmarks.cases import CASES, TINY, Case, uniform_world
from benchmarks.fused import TOLERANCE, Fused, Tile, Weights, block
from sim.models.transformer import Transformer, transformer

NUM_MODELS = 2
ODD = dataclasses.replace(TINY, batch_size=6)  # three tiles of two strings


def model_of(case: Case) -> Transformer:
    return transformer(uniform_world(case, 4).trie, width=case.width, depth=case.depth, heads=case.heads)


def params_of(model: Transformer, key: jax.Array) -> dict:
    """Parameters in which nothing is zero or one."""
    return jax.tree.map(
        lambda leaf: leaf + 0.3 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), model.init(key)
    )


def off(found: jax.Array, expected: jax.Array) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.slow
def test_a_kernel_for_a_block_is_the_plain_block():
    plain = model_of(ODD)
    params = jax.vmap(lambda key: params_of(plain, key))(jax.random.split(jax.random.key(0), NUM_MODELS))
    shape = (NUM_MODELS, ODD.batch_size, ODD.length)
    tokens = jax.random.randint(jax.random.key(1), shape, 0, ODD.vocab_size)
    weights = jax.random.normal(jax.random.key(2), (*shape, ODD.vocab_size))

    def found(model):
        def of(params, tokens, weights):
            logits = model.logits(params, tokens)
            return (weights * logits).sum(), logits

        (_, logits), gradient = jax.jit(jax.vmap(jax.value_and_grad(of, has_aux=True)))(params, tokens, weights)
        return logits, gradient

    with jax.default_matmul_precision("highest"):
        (expected, gradient), (logits, own) = found(plain), found(Fused(plain, rows=8, interpret=True))
    assert off(logits, expected) <= TOLERANCE
    assert jax.tree.map(off, own, gradient) == jax.tree.map(lambda leaf: pytest.approx(0, abs=TOLERANCE), gradient)


def pieces(case: Case) -> tuple[Tile, list[jax.ShapeDtypeStruct]]:
    """Return the tile of a case for a GPU, and the shapes of activations, their gradient and a block's parameters."""
    width, hidden = case.width, 4 * case.width
    tile = Tile.fit((case.batch_size, case.length), width, case.heads, hidden, 64, False)
    h = (case.batch_size * case.length, width)
    square, wide = (width, width), (width, hidden)
    shapes = [h, h, (width,), (width, 3 * width), square, (width,), wide, (hidden,), wide, (width,)]
    return tile, [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]


def both_ways(tile: Tile):
    """Return a function that calls the forward and the backward kernel of a block."""

    def of(h, given, *weights):
        found, pull = jax.vjp(lambda h, weights: block(tile, h, weights), h, Weights(*weights))
        return found, pull(given)

    return of


def equations(jaxpr, times=1):
    """Iterate over all equations, also inner ones, and how often each is computed."""
    for one in jaxpr.eqns:
        yield one, times
        inner = times * one.params.get("length", 1)
        if one.primitive.name == "pallas_call":
            inner *= math.prod(one.params["grid_mapping"].grid)
        for sub in jaxprs_in_params(one.params):
            yield from equations(sub, inner)


def flops(one) -> int:
    (contracted, _), _ = one.params["dimension_numbers"]
    return 2 * one.outvars[0].aval.size * math.prod(one.invars[0].aval.shape[axis] for axis in contracted)


def test_the_roofline_of_the_kernels_is_what_they_do(monkeypatch):
    case = CASES["C"]
    monkeypatch.setattr(roofline, "demand", lambda case: roofline.Demand(512, 0.0, 0.0, 0))
    expected = roofline.fused_demand(case, 64)
    tile, shapes = pieces(case)
    done = list(equations(jax.make_jaxpr(both_ways(tile))(*shapes).jaxpr))
    computed = sum(times * flops(one) for one, times in done if one.primitive.name == "dot_general")
    assert case.depth * computed == expected.operations
    calls = [one for one, _ in done if one.primitive.name == "pallas_call"]
    moved = sum(4 * each.aval.size for one in calls for each in (*one.invars, *one.outvars))
    parameters = sum(math.prod(one.shape) for one in shapes[2:])
    moved += 4 * parameters * (512 // 64 + 1 + 7)  # partial sums are read, their sum is written; Adam
    assert case.depth * moved == expected.bytes


@pytest.mark.parametrize("name", CASES)
def test_the_kernels_are_lowered_for_a_gpu(name):
    tile, shapes = pieces(CASES[name])
    several = [jax.ShapeDtypeStruct((NUM_MODELS, *one.shape), one.dtype) for one in shapes]
    lowered = jax.jit(jax.vmap(both_ways(tile))).trace(*several).lower(lowering_platforms=("cuda",))
    assert lowered.as_text().count("__gpu$xla.gpu.triton") == 2


def test_sizes_that_triton_lacks_are_refused():
    with pytest.raises(ValueError, match="width of a head: a power of two from 16 on is required, found 4"):
        pieces(dataclasses.replace(TINY, batch_size=16))
    with pytest.raises(ValueError, match=r"tokens of a tile: .* found 12"):
        pieces(dataclasses.replace(CASES["C"], length=12, batch_size=7))


def test_heads_and_models_are_packed_already():
    """A block has 6 products and 12 for gradients, the output 1 and 2. Heads and models are axes of each."""
    assert roofline.products(dataclasses.replace(TINY, heads=4), 3) == 18 * TINY.depth + 3
