"""KL(S‖q) after every step: against the sums over strings in float64, for every kind of model, and after a pause."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sim.languages.device import on_device
from sim.metrics.scored import score
from sim.models._linearised import Linearised
from sim.models.tabular_strings import tabular_strings
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.objectives.sft import Sft
from sim.optimizers.adam import Adam
from sim.training import trie_logits
from sim.training.resume import packed, resume
from sim.training.sweep import Training, train_many
from sim.training.trie_logits import FEW, SMALL_CHUNK, part_plan, part_shape, trie_plan
from sim.training.watched import squares, watched
from tests.unit.models.tiny_worlds import kl, language, log_strings, mask, training

PLAIN = language({"a": 3, "ab": 5, "b": 2, "ba": 4, "bab": 6, "c": 1, "ca": 3, "": 2})
PROMPTED = language({"x|a": 3, "x|ab": 5, "y|b": 2, "y|ba": 4, "y|bab": 6, "xy|c": 1}, prompt_end="|")
MODELS = {
    "transformer": lambda trie: transformer(trie, width=8, depth=1, heads=2),
    "strings": lambda trie: tabular_strings(trie, scale=1.0),
    "trie": lambda trie: tabular_trie(trie, scale=1.0),
}
STEPS = [0, 1, 2, 3, 7]


def watching(world, name, is_watched=True, **chosen):
    s = world.condition(mask(world, lambda text: "c" not in text))[0]
    model = MODELS["trie" if name == "linearised" else name](world.trie)
    params = jax.jit(model.init)(jax.random.key(1))
    if name == "linearised":
        model = Linearised(model, params)
    one = training(
        model, params, on_device(s), on_device(world), objective=Sft(), optimizer=Adam(3e-2), whole_support=False,
        watched=watched(s, is_watched), **chosen,
    )  # fmt: skip
    return Training(one, world.trie, trie_plan(world.trie), STEPS), s


@pytest.mark.parametrize(
    ("world", "name"),
    [(PROMPTED, "transformer"), (PROMPTED, "trie")]
    + [pytest.param(PLAIN, name, marks=pytest.mark.slow) for name in ("strings", "linearised")],
)
def test_it_is_the_kl_of_the_evaluations(world, name):
    """The second route: log q of whole strings from the recorded arrays, and a sum over strings in float64."""
    one, s = watching(world, name)
    train_many([one], size=2)
    found = np.array(one.trained.kl)[:, :2]
    assert found.shape == (STEPS[-1], 2)
    for step, record in zip(STEPS[1:], one.trained.evaluations[1:], strict=True):
        whole = kl(s.log_p, log_strings(world.trie, record))
        assert found[step - 1].sum() == pytest.approx(whole, abs=3e-6)
        answers = score(world.trie, world.prompts, record, "response").log_q
        inside = s.log_p > -np.inf
        given = s.log_p[inside] - s.prompts.log_p[s.prompts.group[inside]]
        expected = float(np.sum(np.exp(s.log_p[inside]) * (given - answers[inside])))
        assert found[step - 1, 1] == pytest.approx(expected, abs=3e-6)
    assert (found[:, 0] > 1e-3).all() if world is PROMPTED else (found[:, 0] == 0).all()
    assert len(np.unique(found[:, 1])) == STEPS[-1]


def test_the_squared_length_of_every_step_is_that_of_the_change_of_the_parameters():
    one, _ = watching(PROMPTED, "transformer")
    one.steps = [0, 1, 2, 3, 4]
    params = {0: one.job.init}
    train_many([one], lambda state: params.update({one.step: state(0).params}))
    leaves = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params[t])]).astype(float) for t in range(5)]
    expected = [np.sum(np.square(after - before)) for before, after in itertools.pairwise(leaves)]
    found = np.array(one.trained.kl)[:, 2]
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # a parameter is rounded when a step is added to it
    assert len(np.unique(found)) == 4
    bounds = squares(found, len(leaves[0]))
    assert (bounds[:, 0] < found).all()
    assert (found < bounds[:, 1]).all()


def test_watching_changes_no_bit_of_the_training():
    one, other = watching(PROMPTED, "transformer")[0], watching(PROMPTED, "transformer", is_watched=False)[0]
    train_many([one])
    train_many([other])
    assert other.trained.kl == []
    for a, b in zip(one.trained.evaluations, other.trained.evaluations, strict=True):
        assert all(np.array_equal(a[name], b[name]) for name in a)


def test_it_goes_on_after_a_pause():
    whole, paused = watching(PLAIN, "trie")[0], watching(PLAIN, "trie")[0]
    states = {}

    def saved(state):
        states[paused.step] = packed(paused, state(0))

    train_many([whole])
    train_many([paused], saved)
    again = watching(PLAIN, "trie")[0]
    resume(again, states[2])
    assert again.step == 2
    train_many([again])
    assert np.array_equal(np.array(again.trained.kl), np.array(whole.trained.kl))
    broken = {**states[2], "kl": states[2]["kl"][:1]}
    with pytest.raises(ValueError, match="watched 1 of 2 steps"):
        resume(watching(PLAIN, "trie")[0], broken)


def test_a_part_of_a_trie_has_the_nodes_of_its_strings():
    kept = np.array(mask(PLAIN, lambda text: text.startswith("b")))
    plan, trie = part_plan(PLAIN.trie, kept), PLAIN.trie
    nodes = sorted(set(trie.node[kept][trie.node[kept] >= 0].tolist()))
    assert plan.node[: len(nodes)].tolist() == nodes
    assert int(plan.num_chunks) == 1
    assert plan.depth[: len(nodes)].tolist() == trie.depth[nodes].tolist()
    ancestors = np.asarray(plan.tree.ancestors).reshape(-1, trie.length)
    for row, node in enumerate(nodes):
        path = [nodes[at] for at in ancestors[row] if at >= 0]
        assert path[-1] == node
        assert all(trie.parent[below] == above for above, below in itertools.pairwise(path))


def test_parts_of_a_small_trie_have_one_shape_and_those_of_a_large_one_few():
    trie = PLAIN.trie
    every, few = np.ones(trie.num_strings, bool), np.arange(trie.num_strings) < 1
    assert part_shape(trie, every) == part_shape(trie, few)
    shapes = {part_plan(trie, kept).node.shape for kept in (every, few)}
    assert shapes == {(SMALL_CHUNK,)}
    room = trie_logits._room
    assert [room(n, 10**6) for n in (1, FEW, FEW + 1, 4 * FEW, 4 * FEW + 1)] == [FEW, FEW, 4 * FEW, 4 * FEW, 16 * FEW]
    assert room(FEW + 1, FEW + 2) == FEW + 2


def test_an_impossible_string_makes_it_infinite_and_the_training_goes_on():
    """The training sees only strings that begin with a; all of P is watched, and the model excludes those with c."""
    model = MODELS["trie"](PLAIN.trie)
    params = model.init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf.at[0, PLAIN.vocabulary.encode(["c"])[0]].set(-jnp.inf), params)
    data = on_device(PLAIN.condition(mask(PLAIN, lambda text: text.startswith("a")))[0])
    one = training(model, params, data, on_device(PLAIN), optimizer=Adam(1e-2), watched=watched(PLAIN))
    run = Training(one, PLAIN.trie, trie_plan(PLAIN.trie), [0, 2])
    train_many([run])
    assert run.failure is None
    assert np.isinf(np.array(run.trained.kl)[:, 1]).all()
