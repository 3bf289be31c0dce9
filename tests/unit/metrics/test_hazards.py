"""Hazards and steps off the path in corridors, where the walker of two states is the second route."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from sim.disk.records import PhaseRecord, Record
from sim.grammars.corridor import corridor
from sim.metrics.hazards import Leaving, horizons
from sim.metrics.scene import World
from sim.metrics.scored import no_leak
from sim.metrics.step_variation import variation_by_steps, variation_of_s
from sim.metrics.steps_off import Known, recoveries, tokens_off
from sim.metrics.table import rows
from sim.restrictions.style import style
from sim.theory.horizon import steps_off, steps_off_at_rate


def walked(keep: str | Mapping[str, float] = "on", leak: float = 0.02, seed: int = 0, **arguments: float) -> Record:
    """A corridor, S, and a model whose next-token laws are those of P with noise; it leaks a little at every node."""
    p, _ = corridor(**arguments)  # type: ignore[arg-type]
    dice = np.random.default_rng(seed)
    weight = np.exp(p.edge_log_prob + dice.normal(size=p.trie.num_edges))
    total = np.bincount(p.trie.edge_node, weight, p.trie.num_nodes)
    off = leak * dice.random(p.trie.num_nodes)
    arrays = no_leak(np.log(weight / total[p.trie.edge_node] * (1 - off[p.trie.edge_node])), p.trie.num_nodes)
    with np.errstate(divide="ignore", invalid="ignore"):
        arrays |= {"leak": off, "leak_max": off, "leak_square": off**2,
                   "leak_plogp": np.where(off > 0, off * np.log(off), 0.0)}  # fmt: skip
    phase = PhaseRecord(np.arange(1), np.zeros(1), {name: values[None] for name, values in arrays.items()})
    return Record("corridor", "0" * 12, {"name": "corridor", "seed": 0}, p, style(p, keep=keep), {"sft": phase})


@pytest.fixture(scope="module")
def final() -> World:
    return World(walked(num_steps=12, hazard=0.1), "response")


@pytest.fixture(scope="module")
def returning() -> World:
    return World(walked(num_steps=6, hazard=0.2, recovery=0.3, branching=1), "response")


@pytest.mark.parametrize("name", ["final", "returning"])
def test_own_minus_true_hazard_is_the_covariance(name: str, request: pytest.FixtureRequest) -> None:
    world = request.getfixturevalue(name)
    found = Leaving(world, world.scored("sft", -1))
    for hazard in (found.to_p, found.out, found.to_p + found.out):
        gap = found.own(hazard) - found.true(hazard)
        np.testing.assert_allclose(gap, found.shift(hazard), atol=1e-15)
        assert np.abs(gap).max() > 1e-6, "it is no identity between zeros"
    stays = np.cumprod(1.0 - found.own(found.to_p + found.out))
    j = {row["at"]: row["value"] for row in rows(world.record, ["steps_off"], ["response"]) if row["of"] == "q"}
    assert j[""] == j[str(found.num_steps)] == pytest.approx(float((1.0 - stays).sum()), rel=1e-12)


def test_the_hazard_of_p_is_that_of_its_grammar() -> None:
    world = World(walked(num_steps=7, hazard=0.1, swing=0.0), "response")
    table = [row for row in rows(world.record, ["hazard", "own_hazard"], ["response"]) if row["phase"] == "truth"]
    by_target = {of: [row["value"] for row in table if row["of"] == of] for of in ("P", "P to P", "P to ⊥")}
    np.testing.assert_allclose(by_target["P"], 0.1, rtol=1e-12)
    np.testing.assert_allclose(by_target["P to P"], 0.1, rtol=1e-12)
    assert set(by_target["P to ⊥"]) == {0.0}
    assert {row["at"] for row in table} == {"", "1", "2", "4", "7"}


@pytest.mark.parametrize("recovery", [0.0, 0.4])
def test_the_steps_of_p_are_those_of_the_walker_of_two_states(recovery: float) -> None:
    """With one hazard for all symbols the walker is exact, and its closed form is J."""
    world = World(walked(num_steps=6, hazard=0.1, recovery=recovery, branching=1, swing=0.0), "response")
    table = rows(world.record, ["tokens_off", "steps_off"], ["response"])
    for metric, back in (("tokens_off", recovery), ("steps_off", 0.0)):
        for of in ("P", "P, E_S[ε]"):
            found = {row["at"]: row["value"] for row in table if (row["metric"], row["of"]) == (metric, of)}
            for t in (1, 2, 4, 6):
                assert found[str(t)] == pytest.approx(steps_off_at_rate(0.1, back, t), rel=1e-12), (metric, of)


def test_a_leak_is_bounded_by_coming_back_at_once_and_never(returning: World) -> None:
    """At the ends: a leaking walk is put back on the list as one that has only small letters, or only capitals."""
    q, known = returning.scored("sft", -1), Known(returning, 6)
    lower, upper = tokens_off(known, q)
    p, total = returning.record.p, np.zeros((2, 6))
    off_of = {}
    for row, log_q in zip(p.trie.strings, q.log_q, strict=True):
        word = p.vocabulary.decode(row).split()
        total += np.exp(log_q) * np.cumsum([letter.isupper() for letter in word])
        off_of |= {tuple(word[:size]): sum(letter.isupper() for letter in word[:size]) for size in range(len(word) + 1)}
    for node, mass in enumerate(q.node_off):
        path, at = [], node
        while p.trie.parent[at] >= 0:
            path, at = [p.vocabulary.symbols[p.trie.token[at]], *path], p.trie.parent[at]
        states = [letter.isupper() for letter in path] + ([True] if len(path) < 6 else [])
        for end, later in enumerate((False, True)):
            total[end] += mass * np.cumsum((states + [later] * 6)[:6])
    np.testing.assert_allclose(lower, total[0], rtol=1e-12)
    np.testing.assert_allclose(upper, total[1], rtol=1e-12)
    assert (lower[1:] < upper[1:]).all()
    assert lower[0] == upper[0], "the step of the leak itself is off in any case"


def test_recovery_of_p_and_its_absence(final: World, returning: World) -> None:
    back = recoveries(Known(returning, 6), returning.p, returning.p)
    assert np.isnan(back[0]), "nobody is off before the first step"
    np.testing.assert_allclose(back[1:], 0.3, rtol=1e-12)
    gone = recoveries(Known(final, 12), final.p, final.p)
    assert set(gone[1:]) == {0.0}, "the walk is over"


def test_in_a_final_corridor_both_numbers_agree_where_nothing_leaks() -> None:
    table = rows(walked(leak=0.0, num_steps=12, hazard=0.1), ["tokens_off", "steps_off"], ["response"])
    one, two = (
        {(row["of"], row["at"]): row["value"] for row in table if row["metric"] == name and row["phase"] == "sft"}
        for name in ("tokens_off", "steps_off")
    )
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert value == pytest.approx(two[key], rel=1e-12)


def test_noisy_data_with_recovery_have_more_known_tokens() -> None:
    record = walked({"on": 0.9, "back": 0.1}, num_steps=6, hazard=0.2, recovery=0.3, branching=1)
    world = World(record, "response")
    table = Known(world, 6).table[0]
    assert not table[-1, 3:].any(), "the last step is on the path"
    assert table[:-1, 3:].any(axis=1).all()


def test_the_distance_is_at_most_the_sum_over_steps(final: World, returning: World) -> None:
    for world in (final, returning):
        q = world.scored("sft", -1)
        assert 0.0 < variation_of_s(world, q) < variation_by_steps(world, q)
        assert variation_of_s(world, world.s) == variation_by_steps(world, world.s) == 0.0


def test_the_predicted_steps_use_true_hazards(final: World) -> None:
    found = Leaving(final, final.scored("sft", -1))
    true = found.true(found.to_p + found.out)
    table = rows(final.record, ["steps_off"], ["response"])
    predicted = {row["at"]: row["value"] for row in table if row["of"] == "q, E_S[ε]"}
    np.testing.assert_allclose(predicted[""], steps_off(true, np.zeros(12))[-1], rtol=1e-12)


def test_the_shown_horizons() -> None:
    assert horizons(0) == []
    assert [horizons(n) for n in (1, 2, 5, 8)] == [[1], [1, 2], [1, 2, 4, 5], [1, 2, 4, 8]]


def test_laws_alone_give_no_hazards(final: World) -> None:
    assert rows(final.record, ["hazard"], ["response"], []), "at the truth"
    q = dataclasses.replace(final.scored("sft", -1), nodes=None)
    with pytest.raises(Exception, match="was not recorded"):
        Leaving(final, q).to_p  # noqa: B018
