"""Restrictions that depend on the model with which a stage begins: what they get, records, cohorts, and a kill."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from sim.config import construct, is_late
from sim.describe.command import main as describe
from sim.disk.records import Record, read, run_hash
from sim.metrics.named import named, number
from sim.metrics.optimum import laws_of
from sim.models.tabular_trie import tabular_trie
from sim.models.transformer import transformer
from sim.numerics import SpecificationError
from sim.running import beginning
from sim.running.build import build, settings
from sim.running.cohort import Execution
from sim.running.identity import target
from sim.running.plan import common_parts
from sim.running.standin import standin
from sim.running.work import perform
from sim.training.late import stand_in, starting_model
from sim.training.simulation import Simulation, signature
from sim.typing import Params
from tests.composed import ROOT, compose
from tests.unit.models.tiny_worlds import language
from tests.unit.running.test_stages import SMALL

OWN = ("restriction=own_samples", "restriction.num_samples=9", "finetune.loss_on=document")
STAGES = "{num_steps: 5},{begin: scratch},{restriction: everything}"
P = language({"a|x": 3, "a|xy": 5, "a|y": 2, "b|x": 4, "b|yy": 2, "b|": 1}, prompt_end="|")


def chosen(where: Path | str, stages: str = STAGES, *more: str) -> dict[str, Any]:
    small = [word for word in SMALL if not word.startswith("restriction")]
    return settings(compose(f"outputs={where}", *small, *OWN, f"stages=[{stages}]", *more))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("late")


@pytest.fixture(scope="module")
def made(place: Path) -> Record:
    (outcome,) = perform([chosen(place)])
    assert outcome.state == "finished", outcome.reason
    return read(outcome.target, identified=True)


# -- what a restriction gets ------------------------------------------------------------------------------------------


def test_the_model_at_every_node() -> None:
    model = tabular_trie(P.trie, scale=1.0)
    params = model.init(jax.random.key(3))
    found = starting_model(model, P, params, 4)
    logits = np.asarray(params["logits"], np.float64)[:-1]
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found.log_next, expected, rtol=1e-12, atol=1e-12)
    for row, text in enumerate(P.trie.strings.tolist()):
        total, node = 0.0, 0
        for token in text[: P.trie.lengths[row]]:
            total, node = total + expected[node, token], int(P.trie.next_node[node, token])
        assert found.log_law[row] == pytest.approx(total, rel=1e-12)
    assert np.exp(found.log_law).sum() < 0.99, "the model leaks"
    assert found.stage == 4
    with pytest.raises(SpecificationError, match=r"final features .* is required, found TabularTrie; choose model="):
        _ = found.features


@pytest.mark.parametrize("tied", [False, True])
def test_features_times_the_output_matrix_are_the_logits(tied: bool) -> None:
    model = transformer(P.trie, width=8, depth=1, tied=tied)
    params = model.init(jax.random.key(0))
    found = starting_model(model, P, params, 1)
    head = params["embed"]["embedding"][:-1].T if tied else params["head"]["kernel"]
    logits = found.features @ np.asarray(head, np.float64)
    assert found.features.shape == (P.trie.num_nodes, 8)
    np.testing.assert_allclose(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)), found.log_next, atol=2e-5)
    assert stand_in(model, P, 1).features.shape == found.features.shape
    np.testing.assert_array_equal(stand_in(model, P, 1).log_law, P.log_p)


def test_where_no_model_is_trained_it_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    node = {"kind": "own_samples", "num_samples": 4}
    assert is_late("restriction", node)
    assert not is_late("restriction", {"kind": "everything"})
    line = "restriction: a restriction that needs no trained model is required here, found own_samples, which is known"
    with pytest.raises(SpecificationError, match=f"^{line} only after pretraining"):
        construct("restriction", node, "restriction", P)
    with pytest.raises(SpecificationError, match=r"^restriction.steps\[0\]: a restriction that needs no trained model"):
        construct("restriction", {"kind": "in_turn", "steps": [node]}, "restriction", P)
    with pytest.raises(SpecificationError, match=r"^restriction.base: unknown argument of own_samples"):
        construct("restriction", node | {"base": 3}, "restriction", P)
    assert describe([f"{ROOT}/examples/grammars/strings.yaml", "--restrict", "own_samples"]) == 2
    assert capsys.readouterr().err.startswith(line)


# -- the record -------------------------------------------------------------------------------------------------------


def law(record: Record, phase: str) -> np.ndarray:
    q = np.exp(laws_of(record, phase).log_q0)
    return q / q.sum()


def drawn(law: np.ndarray, stage: int, seed: int = 0, number: int = 9) -> np.ndarray:
    uniform = np.random.default_rng([seed, stage]).random(number)
    return np.array([sum(low <= u < low + one for u in uniform) for low, one in zip(np.cumsum(law) - law, law)])  # noqa: B905


def test_every_stage_has_samples_of_the_model_before(made: Record) -> None:
    own = {"sft": made.restricted, **{name: one.restricted for name, one in made.stages.items()}}
    before = {"sft": "pretrain", "stage_2": "sft", "stage_3": "stage_2"}
    for stage, (name, phase) in enumerate(before.items(), 1):
        np.testing.assert_allclose(np.exp(own[name].s.log_p) * 9, drawn(law(made, phase), stage), atol=1e-9)
        leak = 1.0 - float(np.exp(laws_of(made, phase).log_q0).sum())
        assert own[name].notes["rejected"] == pytest.approx(leak, rel=1e-4)
        assert leak > 0.01, "the test could fail"
    np.testing.assert_array_equal(own["stage_4"].s.log_p, made.p.log_p)
    assert [one.own for one in made.stages.values()] == [True] * 3


def test_names_say_whose_samples_they_are(made: Record) -> None:
    data = {name: one.data for name, one in made.meanings.items()}
    assert [data[name] for name in ("sft", "identity", "stage_2", "stage_2_identity", "stage_3", "stage_4")] == [
        "S", "P", "S_2", "P", "S_3", "S_4",
    ]  # fmt: skip
    assert made.meanings["stage_3"].title == "stage 3: SFT on S_3, from fresh parameters"
    value = number(made, named("kl view=joint of=S_2||q phase=stage_2", "x"))
    s, q = np.exp(made.stages["stage_2"].restricted.s.log_p), np.exp(laws_of(made, "stage_2").log_q0)
    kept = s > 0
    assert value == pytest.approx(float(s[kept] @ np.log(s[kept] / q[kept])), rel=1e-9)
    np.testing.assert_array_equal(made.stages["stage_2"].log_optimum, made.stages["stage_2"].restricted.s.log_p)


def test_a_stage_from_scratch_begins_with_fresh_parameters(made: Record) -> None:
    """The fresh table has equal logits."""
    first = made.phases["stage_3"].at(0)["edge_log_q"]
    np.testing.assert_allclose(first, -np.log(made.p.trie.vocab_size), rtol=1e-6)
    assert not np.allclose(made.phases["stage_2"].at(-1)["edge_log_q"], first)
    np.testing.assert_array_equal(
        made.phases["stage_4"].at(0)["edge_log_q"], made.phases["stage_3"].at(-1)["edge_log_q"]
    )


def test_a_stand_in_has_the_same_phases(made: Record, place: Path) -> None:
    stand = standin(chosen(place))
    assert list(stand.phases) == list(made.phases)
    assert stand.stages["stage_2"].own


def test_the_default_beginning_keeps_hashes() -> None:
    plain = chosen("x", "{}")
    assert chosen("x", "{begin: previous}") == plain
    assert chosen("x", "{begin: scratch}")["stages"] == [{"begin": "scratch"}]
    assert run_hash(chosen("x", "{begin: scratch}")) != run_hash(plain)
    with pytest.raises(SpecificationError, match=r"^stages\[0\].begin: one of 'previous', 'scratch' is required"):
        chosen("x", "{begin: over}")


# -- cohorts, and a kill ----------------------------------------------------------------------------------------------


def test_runs_of_other_seeds_share_a_program_and_keep_their_bits(made: Record, tmp_path: Path) -> None:
    both = [chosen(tmp_path, STAGES, f"seed={seed}", f"restriction.seed={seed}") for seed in (0, 1)]
    assert len({signature(build(one)[0]) for one in both}) == 1
    assert not {"watched", "event", "data"} & common_parts(both)
    assert not {"watched", "event", "data"} & common_parts([chosen(tmp_path, STAGES, "finetune.controls=[]")])
    first, second = perform(both)
    assert first.state == second.state == "finished", (first.reason, second.reason)
    together, other = read(first.target), read(second.target)
    for phase in made.phases:
        for name, values in made.phases[phase].arrays.items():
            assert values.tobytes() == together.phases[phase].arrays[name].tobytes(), (phase, name)
    assert (other.stages["stage_2"].restricted.s.log_p != together.stages["stage_2"].restricted.s.log_p).any()


KILLED = """
import os, signal, sys
from sim.running import saving
from tests.unit.running.test_late import Execution, chosen, perform

def observe(stage, step, *_):
    if stage == "stage_2" and step >= 2:
        os.kill(os.getpid(), signal.SIGKILL)

saving.CHECKPOINT_SHARE = float("inf")  # a checkpoint after every piece
perform([chosen(sys.argv[1])], Execution(checkpoint_seconds=0.0), observe)
"""


def test_a_model_that_is_refused_fails_its_own_run_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = beginning.begun

    def begun(run: Simulation, params: Params) -> Simulation:
        if run.seed == 1:
            raise SpecificationError("restriction: more choices are required")
        return usual(run, params)

    monkeypatch.setattr(beginning, "begun", begun)
    both = [chosen(tmp_path, "{num_steps: 5}", f"seed={seed}") for seed in (0, 1)]
    good, bad = perform(both)
    assert (good.state, bad.state) == ("finished", "failed")
    assert bad.reason is not None
    assert "more choices" in bad.reason


@pytest.mark.slow
def test_after_a_kill_the_samples_are_drawn_again_to_the_same_bits(made: Record, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    begun: list[str] = []
    (outcome,) = perform([chosen(tmp_path)], Execution(), lambda stage, *_: begun.append(stage))
    assert (outcome.state, begun[0]) == ("finished", "stage_2")
    again = read(target(chosen(tmp_path)))
    for stage, one in made.stages.items():
        assert one.restricted.s.log_p.tobytes() == again.stages[stage].restricted.s.log_p.tobytes(), stage
    for phase in made.phases:
        for name, values in made.params[phase].items():
            assert values.tobytes() == again.params[phase][name].tobytes(), (phase, name)
