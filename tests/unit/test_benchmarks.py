"""The benchmarks run, compare like with like, and say what they found; sizes are tiny, the ratios mean nothing."""

import json
import random
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import __main__ as command
from benchmarks import (
    demo,
    describing,
    device,
    elimination,
    evaluator,
    fed,
    growth,
    laws,
    report,
    roofline,
    samplers,
    single,
    targets,
    training,
)  # fmt: skip
from benchmarks.cases import CASES, TINY, uniform_world
from benchmarks.harness import Result, alternate, machine_name, ratios
from sim.grammars._levels import level_grammar
from sim.grammars.english import english
from sim.languages.finite import FiniteLanguage
from sim.laws.nonrecursive import NonRecursive
from sim.models.transformer import transformer
from sim.numerics import EOS
from sim.objectives.sft import Sft


def test_contestants_take_turns_and_the_order_alternates():
    calls = []
    found = alternate({name: lambda name=name: calls.append(name) or float(len(calls)) for name in "ab"}, 3)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [1.0, 4.0, 5.0], "b": [2.0, 3.0, 6.0]}


def test_a_ratio_is_the_median_of_the_rounds():
    assert ratios([1.0, 6.0, 4.0], [1.0, 2.0, 2.0]) == {"ratio": 2.0, "low": 1.0, "high": 3.0, "rounds": 3}


@pytest.mark.parametrize(
    ("unit", "ratio", "verdict"), [("×", 2.0, "yes"), ("×", 1.9, "no"), ("s", 1.9, "yes"), ("s", 2.1, "no")]
)
def test_a_verdict_knows_that_seconds_are_to_be_few(unit, ratio, verdict):
    assert Result("", "", ratio, ratio, ratio, 1, reach=2.0, unit=unit).verdict == verdict
    assert Result("", "", ratio, ratio, ratio, 1, unit=unit).verdict == ""


@pytest.mark.parametrize("case", [*CASES.values(), TINY])
def test_arithmetic_is_counted_from_the_weights(case):
    """Six operations per weight of a matrix that every token passes, and attention on the unmasked half."""
    world = uniform_world(case, 4)
    model = transformer(world.trie, width=case.width, depth=case.depth, heads=case.heads)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    weights = sum(leaf.size for path, leaf in leaves if "kernel" in str(path))
    pairs = case.length * (case.length + 1) / 2  # of a position and one that it sees
    attention = case.depth * 3 * 2 * 2 * case.width * pairs / case.length
    assert case.flops_per_token == 6 * weights + attention


def test_worlds_of_the_cases_have_their_shape():
    for case in CASES.values():
        world = uniform_world(case)
        assert (world.trie.vocab_size, world.trie.length) == (case.vocab_size, case.length)
        assert (world.trie.lengths == case.length).all()


def test_both_eliminations_solve_the_same_chain():
    moves, leaves, values = elimination.chain(30)
    found = elimination.one_by_one(moves, leaves, values)
    np.testing.assert_allclose(found, elimination.Absorbing(moves, leaves).solve(values), rtol=1e-14)


def walked(rows: samplers.Rows, language: FiniteLanguage) -> np.ndarray:
    """Probability with which the plain sampler writes each string."""
    found = []
    for string in language.trie.strings:
        state, p = 0, 1.0
        for token in string:
            at = rows.tokens[state].index(token)
            p *= rows.weights[state][at] / sum(rows.weights[state])
            state = rows.following[state][at]
            if token == EOS:
                break
        found.append(p)
    return np.array(found)


def test_the_plain_samplers_draw_from_the_same_laws():
    default = english(num_prompts=2)
    np.testing.assert_allclose(walked(samplers.trie_rows(default), default), np.exp(default.log_p), rtol=1e-9)
    chain, rows = samplers.chain(3, 4)
    assert chain.support_size == 81
    np.testing.assert_allclose(walked(rows, chain), np.exp(chain.log_p), rtol=1e-9)
    strings = {tuple(row[row > 0]) for row in chain.trie.strings}
    assert {tuple(rows.sample()[:-1]) for _ in range(50)} <= strings


def test_plain_python_has_the_same_next_tokens_and_strings():
    grammar = level_grammar(3, 2, 3, (1, 2, 3), zipf=1.0, shared=True, seed=1)
    law, plain, draw = NonRecursive(grammar), laws.Plain(grammar), laws.nltk_sampler(grammar)
    for row in law.sample(np.random.default_rng(0), 5):
        string = [int(token) for token in row if token]
        np.testing.assert_allclose(plain.laws(string), law.next_token([string])[0], atol=1e-14)
    random.seed(1)
    drawn = [[int(token.removeprefix("t")) for token in draw()] for _ in range(400)]
    assert (law.log_prob(drawn) > -np.inf).all()
    lengths = np.array([len(string) for string in drawn])
    error = 5 * lengths.std() / 20  # five standard errors, so a false alarm in 2 million
    assert abs(lengths.mean() - law.expected_length()) < error < 0.2 * law.expected_length()


@pytest.mark.parametrize("ended", [False, True])
def test_worlds_of_the_evaluator_count_as_the_goals_do(ended):
    world = evaluator.World(4, 3, ended)
    prefixes = sum(4**depth for depth in range(4 if ended else 3))
    assert world.trie().num_nodes == prefixes
    assert world.scored().shape == (64, 4 if ended else 3)
    assert len(np.unique(world.scored(), axis=0)) == 64


def test_ways_that_disagree_are_found():
    world = evaluator.World(2, 3, ended=True)
    trie, strings = world.trie(), world.scored()
    logits = np.arange(trie.num_nodes, dtype=np.float64)[:, None] * np.ones(3)
    scores = logits[trie.node]
    assert evaluator.difference(logits, trie, scores, strings) == 0
    scores[5, 2] += 0.5
    assert evaluator.difference(logits, trie, scores, strings) == 0.5


def test_the_divergence_of_a_race_is_kl():
    world = english(num_prompts=1)
    setting = targets.Setting(1.0, (1e-2, 2e-2), (0,), (1,), width=8, batch_size=4)  # the program of a quick look
    trainings = targets.Trainings(world, Sft("exact"), setting)
    found = trainings.divergences(1)
    assert found.shape == (2, 1)
    ensemble = trainings.ensemble(1)
    ensemble.advance([1, 1])
    tokens = world.trie.strings
    log_q = jax.nn.log_softmax(jax.jit(trainings.model.logits)(ensemble.state(1).params, jnp.asarray(tokens)))
    at = np.take_along_axis(np.asarray(log_q, np.float64), tokens[..., None], axis=-1)[..., 0]
    log_string = np.where(np.cumsum(tokens == EOS, axis=1) - (tokens == EOS) == 0, at, 0.0).sum(axis=1)
    p = np.exp(world.log_p)
    assert found[1, 0] == pytest.approx(np.sum(p * (world.log_p - log_string)), rel=1e-5)


MEASURED = [
    training,
    elimination,
    growth,
    laws,
    *(
        pytest.param(one, marks=pytest.mark.slow)
        for one in (single, targets, evaluator, samplers, fed, describing, demo, device)
    ),
]


@pytest.mark.parametrize("module", MEASURED, ids=lambda module: module.__name__)
def test_a_quick_look_measures(module, monkeypatch):
    monkeypatch.setattr(training, "find_spec", lambda name: None)  # torch is not for tests
    results = module.run(quick=True)
    assert results
    for result in results:
        assert result.benchmark == module.__name__.split(".")[1]
        assert 0 < result.low <= result.ratio <= result.high < np.inf
        assert json.loads(json.dumps(result.plain()))["work"] == result.work


def test_results_are_merged_and_drawn(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    first, second = (Result("samplers", work, 2.5, 2.0, 3.0, 3, reach=2.0, note="why") for work in ("one", "two"))
    report.merge([first], ["samplers", "device"], 0.1, tmp_path)
    file = report.merge([second], ["samplers"], 0.1, tmp_path)
    assert file.name == f"{machine_name()}.json"
    report.render(tmp_path)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| one |" not in text
    assert "| two | **2.5 ×** | 2 – 3 (3) | ≥ 2 × | – | yes | why |" in text
    assert "Not measured on this machine: device." in text
    report.render(tmp_path)
    assert readme.read_text() == text
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="marks"):
        report.render(tmp_path)


def test_the_readme_shows_the_results_that_lie_beside_it():
    text = (report.FOLDER / "README.md").read_text("utf-8")
    assert report.tables() in text


def test_goals_that_are_shown_are_those_of_today():
    """A goal was changed after some results were measured; their tables show the new one."""
    today = {f"1024 models with vmap against one, {name}": (goal, None) for name, goal in device.REACH.items()}
    today |= {f"ensemble against two torch processes, {name}": goals for name, goals in training.PEER_REACH.items()}
    today["time to KL(P‖q) ≤ 0.02, sampled against exact targets"] = targets.REACH
    files = [json.loads(file.read_text("utf-8")) for file in (report.FOLDER / "results").glob("*.json")]
    shown = [row for one in files for run in one["benchmarks"].values() for row in run["results"]]
    found = [row for row in shown if row["work"] in today]
    assert {row["work"] for row in found} == set(today)
    for row in found:
        assert (row["reach"], row["stretch"]) == today[row["work"]], row["work"]
        assert row["verdict"] == ("yes" if row["ratio"] >= row["reach"] else "no")


def test_names_are_checked(capsys):
    assert command.main(["samplrs"]) == 2
    assert "found 'samplrs'" in capsys.readouterr().err
    assert all((report.FOLDER / f"{name}.py").exists() for name in command.NAMES)


def test_several_benchmarks_are_measured_in_processes_of_their_own(monkeypatch):
    asked, statuses = [], {"ledger": 3}

    def pretended(arguments, check):
        asked.append(list(arguments[3:]))
        return subprocess.CompletedProcess(arguments, statuses.get(arguments[3], 0))

    monkeypatch.setattr(command.subprocess, "run", pretended)
    assert command.main(["samplers", "elimination", "--quick"]) == 0
    assert asked == [["samplers", "--quick"], ["elimination", "--quick"]]
    asked.clear()
    assert command.main(["samplers", "ledger", "demo"]) == 3, "a benchmark that fails ends the measurement"
    assert asked == [["samplers"], ["ledger"]]


def test_the_roofline_counts_a_step_and_bounds_it():
    needs = roofline.demand(TINY)
    assert needs.tokens == TINY.batch_size * TINY.length
    assert needs.operations > needs.tokens * TINY.flops_per_token, "XLA also counts what is no matrix product"
    assert needs.kernels > 20
    limits = roofline.Ceiling(memory=1e6, arithmetic=1e9, start=1e-3)
    one, many = needs.seconds(limits, 1), needs.seconds(limits, 10)
    assert one["kernels"] == many["kernels"] == pytest.approx(1e-3 * needs.kernels)
    assert many["memory"] == pytest.approx(10 * needs.bytes / 1e6)
    assert needs.models_per_hour(limits, 10, 100) == pytest.approx(360 / max(many.values()))


def test_an_accelerator_is_not_measured_where_there_is_none():
    assert device.run() == []


def test_spans_multiply_above_the_knee_and_die_out_below():
    """The branching that docs/cfg3.md states, against the number of spans that a random reading really has."""
    assert growth.branching(3, 4) < 1 < growth.branching(3, 5)
    assert growth.branching(2, 2) < 1 < growth.branching(2, 3)
    held = {}
    for num_rules in (3, 6):
        grammar = level_grammar(5, 3, num_rules)
        law = NonRecursive(grammar)
        batch = law.sample(np.random.default_rng(0), 4)
        (_, spans), *_ = law.chunks(batch)
        tokens = int((batch != EOS).sum())
        held[num_rules] = sum(map(len, spans.products.values())) / tokens
    assert held[3] < 20 < held[6], "7.6 and 226 products of spans for a token"
