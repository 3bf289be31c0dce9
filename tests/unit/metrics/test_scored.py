import math
from fractions import Fraction

import numpy as np
import pytest
from small_worlds import L, V, exits, log, make_world, record, surprise

from sim.metrics.entropy import entropy_interval
from sim.metrics.scored import average, log_completions, no_leak, score, truth

VIEWS = ["response", "joint"]


@pytest.mark.parametrize("vocab_size", [2, 3, 7])
def test_completions_are_counted_exactly(vocab_size):
    for depth in range(9):
        exact = sum((vocab_size - 1) ** j for j in range(9 - depth))
        assert log_completions(vocab_size, 9)[depth] == pytest.approx(math.log(exact), abs=1e-13)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_strings_and_mass_off_the_support_equal_enumeration(seed, view):
    world = make_world(seed)
    q = world.scored(view)
    for group, (_, law) in enumerate(world.laws(view, "q")):
        rows = [d for d, g in zip(world.documents(), q.group, strict=True) if g == group]
        expected = [log(law.get(d, Fraction(0))) for d in rows]
        np.testing.assert_allclose(q.log_q[q.group == group], expected, rtol=1e-13)
        assert q.off[group] == pytest.approx(float(1 - sum(law.get(d, Fraction(0)) for d in rows)), abs=1e-14)


@pytest.mark.parametrize("stop_early", [True, False])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("seed", range(4))
def test_exits_equal_enumeration(seed, view, stop_early):
    world = make_world(seed, stop_early=stop_early)
    q = world.scored(view)
    for group, found in enumerate(exits(world, view)):
        assert q.exit_entropy[group] == pytest.approx(surprise(mass for mass, _ in found), abs=1e-13)
        assert q.exit_square[group] == pytest.approx(float(sum(mass**2 for mass, _ in found)), abs=1e-14)
        assert q.exit_max[group] == pytest.approx(float(max(mass for mass, _ in found)), abs=1e-14)
        room = math.fsum(float(mass) * math.log(count) for mass, count in found)
        assert q.exit_room[group] >= room - 1e-13  # an illegal EOS has R = 1, which the record cannot tell


def test_exit_room_is_attained_where_eos_is_never_illegal():
    world = make_world(5)
    supported = set(world.documents())
    for prefix, row in world.q_conditionals.items():
        if (*prefix, 0) not in supported and row[0]:
            others = sum(row[1:])
            world.q_conditionals[prefix] = [Fraction(0)] + [value / others for value in row[1:]]
    q = world.scored("joint")
    room = math.fsum(float(mass) * math.log(count) for mass, count in exits(world, "joint")[0])
    assert q.exit_room[0] == pytest.approx(room, abs=1e-13)


@pytest.mark.parametrize("view", VIEWS)
def test_merged_sums_to_one(view):
    q = make_world(1).scored(view)
    np.testing.assert_allclose(np.bincount(q.merged_group, np.exp(q.merged)), 1.0, rtol=1e-14)


def test_a_truth_never_leaves_and_joint_is_answers_times_prompt():
    world = make_world(2)
    response, joint = world.truth("response"), world.truth("joint")
    assert not response.off.any()
    assert not joint.exit_room.any()
    log_law = world.log_law("response")
    np.testing.assert_allclose(response.log_q + response.log_weights(log_law), joint.log_q, rtol=1e-13)
    np.testing.assert_allclose(response.log_q, world.language.answers, rtol=1e-13)


def test_a_prompt_without_mass_is_ignored_by_averages():
    world = make_world(0)  # S does not hold the last prompt
    s = world.truth_s("response")
    log_law = world.log_law("response", "s")
    lost = log_law == -np.inf
    assert lost.any()
    assert (s.log_q[lost[s.group]] == -np.inf).all()
    assert entropy_interval(s, log_law).exact
    assert average(log_law, np.where(lost, np.nan, 1.0)) == pytest.approx(1.0)


def test_a_node_with_zero_mass_contributes_nothing():
    world = make_world(3)
    arrays = record(world.trie, world.q_conditionals)
    arrays["edge_log_q"][world.trie.edge_node == 0] = -np.inf
    arrays["leak"][0] = arrays["leak_max"][0] = arrays["leak_square"][0] = 1.0
    arrays["leak_plogp"][0] = 0.0
    q = score(world.trie, world.groups, arrays, "joint")
    assert q.off[0] == 1.0
    assert q.exit_entropy[0] == 0.0
    assert q.exit_room[0] == pytest.approx(math.log(sum((V - 1) ** j for j in range(L))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("leak"), "array 'leak' is required"),
        (lambda a: a.update(leak=a["leak"][1:]), "leak of shape .* is required"),
        (lambda a: a["edge_log_q"].__setitem__(0, np.nan), "found 1 nan of"),
    ],
)
def test_a_bad_record_is_refused_in_one_line(change, message):
    world = make_world(0)
    arrays = record(world.trie, world.q_conditionals)
    change(arrays)
    with pytest.raises(ValueError, match=message) as error:
        score(world.trie, world.groups, arrays, "joint")
    assert "\n" not in str(error.value)


def test_a_misspelt_view_is_refused():
    world = make_world(0)
    with pytest.raises(ValueError, match="did you mean 'response'"):
        score(world.trie, world.groups, no_leak(world.language.edge_log_prob, world.trie.num_nodes), "reponse")


def test_truth_keeps_the_listed_probabilities():
    world = make_world(4)
    np.testing.assert_allclose(truth(world.language, world.groups, "joint").log_q, world.language.log_p, atol=1e-14)
