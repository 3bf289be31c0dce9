"""Later stages of a run: hashes that stay, refusals in one line, records, and a kill in the middle of one."""

import copy
import dataclasses
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sim.config import given
from sim.disk import ledger
from sim.disk.records import Record, read, run_hash
from sim.interface.perform import split
from sim.metrics.divergence import kl
from sim.metrics.frames import metrics_table, stages_table
from sim.metrics.named import named, number
from sim.metrics.optimum import laws_of
from sim.metrics.scene import World
from sim.metrics.table import rows
from sim.numerics import SpecificationError, log_sum_exp
from sim.phases import entries, is_later, steps_by_stage
from sim.running.build import build, settings
from sim.running.cohort import Execution
from sim.running.identity import digests, pretraining_key, target
from sim.running.memory import run_bytes
from sim.running.plan import common_parts, cost, hint
from sim.running.standin import standin
from sim.running.work import perform
from sim.theory.laws import Laws
from tests.composed import ROOT, compose
from tests.unit.training.test_stages_of_training import ToAnchor

SMALL = (
    "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "model=tabular_trie", "scale=smoke",
    "restriction=regular", "restriction.pattern='.* please'", "pretrain.num_steps=6", "finetune.num_steps=6",
    "pretrain.num_evals=2", "finetune.num_evals=2",
)  # fmt: skip
OWN = "{restriction: {pattern: '(tea|coffee) please'}, optimizer: {learning_rate: 0.1}}"
STAGES = f"{{objective: {{kind: replay, weight: 0.2}}, num_steps: 5}},{OWN}"


@dataclasses.dataclass(frozen=True)
class Anchored(ToAnchor):
    """A toy objective whose optimum is its anchor, renormalised on the listed strings."""

    def optimum(self, laws: Laws) -> np.ndarray:
        return laws.log_q0 - log_sum_exp(laws.log_q0)


def chosen(where: Path | str, stages: str = STAGES, *more: str) -> dict[str, Any]:
    return settings(compose(f"outputs={where}", *SMALL, f"stages=[{stages}]", *more))


# -- the configuration ------------------------------------------------------------------------------------------------


def test_without_later_stages_a_run_keeps_its_hash() -> None:
    written = compose("scale=smoke")
    assert written["stages"] == []
    older = copy.deepcopy(written)
    del older["stages"]
    assert "stages" not in settings(written)
    assert run_hash(settings(written)) == run_hash(settings(older))
    plain, staged = chosen("x", ""), chosen("x")
    assert pretraining_key(plain) == pretraining_key(staged)
    assert len({run_hash(one) for one in (plain, staged, chosen("x", OWN), chosen("x", f"{OWN},{OWN}"))}) == 4
    assert settings(staged) == staged
    assert set(digests(staged)) - set(digests(plain)) == {"sim/objectives/replay.py"}


def test_equal_stages_are_equal_however_they_are_written() -> None:
    """An entry keeps what differs from the fine-tuning, so that only this shows among the settings that vary."""
    assert chosen("x", "{}")["stages"] == [{}]
    plain = chosen("x", "")
    whole = {key: plain["finetune"][key] for key in ("num_steps", "loss_on", "prefixes", "spacing", "batch_size")}
    whole |= {key: plain[key] for key in ("objective", "optimizer", "restriction")}
    assert settings({**plain, "stages": [whole]})["stages"] == [{}]
    (by_name,) = chosen("x", "{objective: replay}")["stages"]
    assert by_name == {"objective": {"kind": "replay", "weight": 0.1, "targets": "exact"}}
    (changed,) = chosen("x", "{optimizer: {learning_rate: 1e-4}}")["stages"]
    assert changed["optimizer"] == plain["optimizer"] | {"learning_rate": 1e-4}
    assert entries(chosen("x"))["stage_2"]["num_steps"] == 5
    assert steps_by_stage(chosen("x")) == {"pretrain": 6, "finetune": 6, "stage_2": 5, "stage_3": 6, "relearn": 0}


@pytest.mark.parametrize(
    ("stages", "line"),
    [
        ("sft", "stages[0]: a mapping of names to values is required, found 'sft'"),
        ("{objectiv: sft}", "stages[0].objectiv: unknown argument of stage (did you mean 'objective'?)"),
        ("{},{num_steps: 0}", "stages[1].num_steps: a positive integer is required, found 0"),
        ("{num_steps: 1.5}", "stages[0].num_steps: a positive integer is required, found 1.5"),
        ("{num_steps: null}", "stages[0].num_steps: a positive integer is required, found null"),
        ("{num_steps: 3, num_evals: 4}", "stages[0].num_evals: at most num_steps (3) is required, found 4"),
        ("{num_steps: 1}",
         "stages[0].num_evals: at most num_steps (1) is required, found 2 from finetune; write num_evals here too"),
        ("{loss_on: prompt}", "stages[0].loss_on: one of 'response', 'document' is required, found 'prompt'"),
        ("{controls: [identity]}", "stages[0].controls: unknown argument of stage; it takes objective, optimizer, "
         "restriction, num_steps, batch_size, num_evals, loss_on, prefixes, spacing"),
        ("{objective: sfd}", "stages[0].objective: one of "),
        ("{objective: 3}",
         "stages[0].objective: the name of an option, or a mapping of names to values, is required, found 3"),
        ("{objective: {kind: replay, weight: 2}}",
         "stages[0].objective.weight: a number from 0 to 1 is required, found 2"),
        ("{},{optimizer: {kind: sgd, rate: 1}}", "stages[1].optimizer.rate: unknown argument of "),
    ],
)  # fmt: skip
def test_a_wrong_stage_is_refused_in_one_line(stages: str, line: str) -> None:
    with pytest.raises(SpecificationError) as found:
        chosen("x", stages)
    assert str(found.value).startswith(line)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("stages", "line"),
    [
        ("{restriction: {kind: regular, pattern: 'beer'}}", r"stages\[0\].restriction.pattern: .*'beer'"),
        ("{objective: {kind: sft, switch: 6}}", r"stages\[0\].objective.switch: less than num_steps \(6\)"),
    ],
)
def test_a_stage_that_does_not_fit_is_refused_before_anything_is_trained(stages: str, line: str) -> None:
    with pytest.raises(SpecificationError, match=f"^{line}"):
        build(chosen("x", stages))


def test_a_stage_adds_no_strings_to_p() -> None:
    world = ("scale=smoke", "grammar=styles_content", "restriction=style_z0", "model=tabular_trie")
    with pytest.raises(
        SpecificationError, match=r"^stages\[0\].restriction: a restriction that adds no strings .* novel"
    ):
        build(settings(compose(*world, "stages=[{restriction: {kind: novel, keep: z0}}]")))


def test_only_lists_are_stages_and_objects_become_nodes() -> None:
    with pytest.raises(SpecificationError, match=r"^stages: a list of mappings is required, found"):
        split({"stages": {"num_steps": 3}})
    (entry,) = split({"stages": [{"objective": Anchored(), "optimizer": "sgd"}]})[1]["stages"]
    assert (entry["objective"]["kind"], entry["optimizer"]) == ("given", "sgd")
    assert is_later("stage_2")
    assert is_later("stage_12_identity")
    assert not any(map(is_later, ("stage_1", "stage_02", "stage", "sft")))


def test_plans_and_estimates_know_of_stages() -> None:
    plain, staged = chosen("x", ""), chosen("x")
    assert cost(staged) == cost(plain) + 2 * plain["finetune"]["batch_size"] * (5 + 6)
    assert hint(staged) != hint(plain)
    assert hint(staged) == hint(chosen("x", STAGES.replace("0.2", "0.3")))
    assert "event" in common_parts([staged, staged])
    assert "event" not in common_parts([staged, chosen("x", STAGES.replace("coffee", "water"))])
    host = [run_bytes(build(one)[0], "shards")[0] for one in (plain, staged)]
    assert host[1] > 1.5 * host[0]


# -- the record -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Record:
    run = chosen(tmp_path_factory.mktemp("stages"), STAGES, "relearn.num_steps=4", "finetune.kl_every_step=true")
    run = settings({**run, "stages": [*run["stages"], {"objective": given.node_of(Anchored())}]})
    (outcome,) = perform([run])
    assert outcome.state == "finished", outcome.reason
    return read(outcome.target, identified=True)


def test_phases_say_what_they_are(made: Record) -> None:
    both = [name for number in (2, 3, 4) for name in (f"stage_{number}", f"stage_{number}_identity")]
    assert list(made.phases) == ["pretrain", "sft", "identity", *both, "recovery", "scratch"]
    assert [made.meanings[name].data for name in both] == ["S", "P", "S_3", "P", "S", "P"]
    assert {made.meanings[name].role for name in both} == {"later stage", "later control"}
    assert made.meanings["stage_3"].title == "stage 3: SFT on S_3, from the model of stage_2"
    for before, after in (("sft", "stage_2"), ("stage_2", "stage_3"), ("stage_4", "recovery")):
        ends = [made.phases[one].at(at)["edge_log_q"] for one, at in ((before, -1), (after, 0))]
        np.testing.assert_array_equal(*ends)


def test_a_number_is_with_respect_to_the_data_of_its_stage(made: Record) -> None:
    """KL(S_3‖q) from the record's own arrays, string by string; its name says which S it is."""
    own, trie = made.stages["stage_3"].restricted, made.p.trie
    assert own.event.sum() == 2
    edges = made.phases["stage_3"].at(-1)["edge_log_q"]
    log_q = np.where(trie.edge >= 0, edges[trie.edge], 0.0).sum(axis=1)
    wanted = {"S_3||q": kl(own.s.log_p, log_q), "P||q": kl(made.p.log_p, log_q)}
    table = metrics_table(made, views=["joint"], phases=["stage_3"]).filter(pl.col("step") == 6, phase="stage_3")
    found = dict(table.filter(metric="kl").select("of", "lower").iter_rows())
    assert set(found) == {"P||q", "S_3||q", "q*_3||q", "P_A_3||q"}
    assert {of: found[of] for of in wanted} == pytest.approx(wanted, rel=1e-9)
    kept = table.filter(metric="event_mass", of="q(A_3)")["lower"].item()
    assert kept == pytest.approx(float(np.exp(log_q[own.event]).sum()), rel=1e-9)
    assert {"gate", "kept", "erasure", "entropy", "hill_1", "kl_moved", "waterfall_learning"} <= set(table["metric"])
    assert number(made, named("kl of=S||q phase=stage_2 prompt_law=S(x)", "x")) >= 0.0


def test_a_world_of_a_stage_adds_what_has_a_name_of_its_own_and_nothing_else_differs(made: Record) -> None:
    world = World(made, "response")
    own = world.of_stage("stage_3")
    assert own.of_phase("sft") is world
    assert own.of_stage("stage_3") is own
    keys = [(row["metric"], row["view"], row["of"], row["at"], row["prompt_law"]) for row in rows(made, phases=[])
            if row["phase"] == "truth"]  # fmt: skip
    assert len(keys) == len(set(keys))
    assert {"S", "S_3", "q*", "q*_2", "q*_3", "q*_4"} <= {of for metric, _, of, *_ in keys if metric == "entropy"}
    assert "S_2" not in {of for _, _, of, *_ in keys}, "stage 2 has the data of the fine-tuning"


def test_the_reference_of_a_prediction_is_the_model_of_the_stage_before(made: Record) -> None:
    q0 = laws_of(made, "stage_3").log_q0
    np.testing.assert_array_equal(made.stages["stage_4"].log_optimum, q0 - log_sum_exp(q0))
    assert not np.allclose(q0, laws_of(made).log_q0, atol=0.1), "the test could fail"


def test_what_the_stages_lose_adds_up(made: Record) -> None:
    """From P over q0, sft, stage 2 and stage 3 to stage 4: KL(P‖q) of the last model, which is exact."""
    lost = stages_table(made, "joint").filter(metric="stage_kl")
    chain = ["pretrain", "sft", "stage_2", "stage_3", "stage_4"]
    total = lost.filter(lost["phase"].is_in(chain))["lower"].to_list()
    assert len(total) == 5
    assert all(abs(one) > 1e-5 for one in total[:4])
    whole = number(made, named("kl view=joint of=P||q phase=stage_4", "x"))
    assert sum(total) == pytest.approx(whole, rel=1e-9)
    assert set(stages_table(made)["phase"]) == set(made.phases) - {"recovery", "scratch"}


def test_a_stand_in_has_the_same_phases_and_names(made: Record) -> None:
    stand = standin(chosen("x", STAGES, "relearn.num_steps=4"))
    assert list(stand.phases) == [name for name in made.phases if "stage_4" not in name]
    wanted = "kl of=S_3||q phase=stage_3 prompt_law=S_3(x)"
    assert number(stand, named(wanted, "x")) > 0.0


# -- a kill in the middle of a stage ----------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from sim.running import saving
from tests.unit.running.test_stages import Execution, chosen, perform

def observe(stage, step, *_):
    if stage == "stage_2" and step >= 2:
        os.kill(os.getpid(), signal.SIGKILL)

saving.CHECKPOINT_SHARE = float("inf")  # a checkpoint after every piece
perform([chosen(sys.argv[1])], Execution(checkpoint_seconds=0.0), observe)
"""


@pytest.mark.slow
def test_a_kill_in_a_later_stage_costs_nothing_but_time(tmp_path: Path) -> None:
    """The same command goes on in this stage, from its last checkpoint, to the same bits."""
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "wild")], cwd=ROOT, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    calm, wild = chosen(tmp_path / "calm"), chosen(tmp_path / "wild")
    assert ledger.state(target(wild)).state == "interrupted"
    begun: list[tuple[str, int]] = []
    perform([calm])
    (outcome,) = perform([wild], Execution(), lambda stage, step, *_: begun.append((stage, step)))
    assert outcome.state == "finished"
    stages = [stage for stage, _ in begun]
    assert stages[0] == "stage_2", "what was finished before is not done again"
    assert "stage_3" in stages
    one, other = read(target(calm)), read(target(wild))
    for phase in one.phases:
        for name, values in one.phases[phase].arrays.items():
            assert values.tobytes() == other.phases[phase].arrays[name].tobytes(), (phase, name)
        for name, values in one.params[phase].items():
            assert values.tobytes() == other.params[phase][name].tobytes(), (phase, name)
