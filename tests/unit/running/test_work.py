"""Many runs at once: equal work done once, each failure alone, nothing lost by an interruption, nothing done twice."""

import errno
import itertools
import json
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import sim.disk.files
import sim.disk.locks
import sim.running.cohort
import sim.running.saving
import sim.training.programs
from sim.disk import checkpoints, ledger, store
from sim.disk.records import read
from sim.metrics import kept
from sim.metrics.frames import metrics_table, numbers_table
from sim.numerics import SpecificationError
from sim.running import recording
from sim.running.build import build, settings
from sim.running.cohort import Execution
from sim.running.identity import beside, pretraining_key, recorded_config, target
from sim.running.outcomes import Outcome
from sim.running.work import perform
from sim.streams import Terminated
from sim.training.alone import simulate
from sim.training.sweep import Trained
from tests.composed import ROOT, compose
from tests.unit.faults import exchanged, rewritten, tree

WORLD = ("grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=regular")
TINY = ("scale=smoke", *WORLD, "restriction.pattern='.* please'", "model=tabular_trie")
SHORT = ("pretrain.num_steps=6", "finetune.num_steps=6")
TRANSFORMER = ("model=transformer", "model.width=8", "model.depth=1")


def point(where: Path, *overrides: str) -> dict[str, Any]:
    return settings(compose(*TINY, *SHORT, *overrides, f"outputs={where}"))


def states(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.state for one in outcomes]


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Everything that was recorded of a run, with its final parameters."""
    record = read(folder)
    recorded = {
        f"{phase}/{name}": values
        for phase, one in record.phases.items()
        for name, values in {**one.arrays, "losses": one.losses, "steps": one.steps}.items()
    }
    params = {f"{phase}/{name}": values for phase, one in record.params.items() for name, values in one.items()}
    return recorded | params


def same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


# -- what is equal is done once ----------------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pretrainings were started."""
    found: list[int] = []
    right = sim.running.cohort.pretraining

    def counting(run: Any) -> Any:
        found.append(run.seed)
        return right(run)

    monkeypatch.setattr(sim.running.cohort, "pretraining", counting)
    return found


def test_equal_pretrainings_are_done_once_within_a_study_and_across(tmp_path: Path, counted: list[int]) -> None:
    rates = [f"optimizer.learning_rate={rate}" for rate in (1e-3, 1e-2, 1e-1)]
    points = [point(tmp_path, rate, f"seed={seed}") for seed in (1, 2) for rate in rates]
    assert len({pretraining_key(one) for one in points}) == 2
    outcomes = perform(points)
    assert states(outcomes) == ["finished"] * 6
    assert counted == [1, 2]
    more = [
        point(tmp_path, "pretrain.limit=0.5", "name=another", "restriction.pattern='no .*'", f"seed={k}")
        for k in (1, 3)
    ]
    assert states(perform(more)) == ["finished"] * 2
    assert counted == [1, 2, 3], "another restriction, limit and name change nothing of the pretraining"
    assert not (tmp_path / "scratch" / ".work").exists(), "no work is left"
    assert not (tmp_path / "store" / ".work").exists()
    assert len(list((tmp_path / "store").iterdir())) == 3


def test_what_is_performed_is_what_is_simulated_bit_for_bit(tmp_path: Path) -> None:
    points = [point(tmp_path, f"seed={seed}") for seed in (4, 5, 6)]
    assert states(perform(points)) == ["finished"] * 3
    expected = simulate(build(points[1])[0])
    record = read(target(points[1]))
    for phase, one in expected.items():
        assert record.phases[phase].steps.tolist() == one.steps
        np.testing.assert_array_equal(record.phases[phase].losses, one.losses)
        for name, values in record.phases[phase].arrays.items():
            np.testing.assert_array_equal(values, [found[name] for found in one.evaluations])


def test_a_grammar_file_that_is_edited_or_lost_meanwhile_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "grammar.yaml"
    file.write_text('type: strings\nseparator: " "\nstrings: {yes: 1/4, no: 3/4}\n', encoding="utf-8")
    own = (f"grammar.path={file}", "restriction.pattern=yes", "model=tabular_strings")
    points = [point(tmp_path / "out", *own, f"seed={seed}") for seed in (0, 1)]
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("yes", "yeah"), encoding="utf-8")
    first = perform(points[:1])
    file.unlink()
    assert states(first + perform(points[1:])) == ["finished"] * 2
    for one in points:
        record = read(target(one))
        assert record.p.vocabulary.symbols[1:] == ("yes", "no")
        assert record.facts["grammar_file"]["text"] == text
        assert "text" not in record.config["grammar"]
        assert target(settings(recorded_config(record))) == target(one)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """What is asked of the compiler meanwhile, whether it finds the program in its cache on the disk or not."""
    found: list[str] = []

    def listen(event: str, seconds: float, **about: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(about.get("fun_name", event))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("mapping", ["shards", pytest.param("loop", marks=pytest.mark.slow), "vmap"])
def test_batches_change_no_bits_and_compile_nothing_again(tmp_path: Path, mapping: Any) -> None:
    """Five runs in batches of two at most: 2, 2 and 1. Under vmap the width of a batch may change the last digits."""

    def points(where: str) -> list[dict[str, Any]]:
        return [point(tmp_path / where, f"seed={seed}") for seed in range(5)]

    sim.training.programs.programs.cache_clear()
    with compilations() as first:
        perform(points("parts")[:2], Execution(max_runs=2, mapping=mapping))
    with compilations() as later:
        perform(points("parts"), Execution(max_runs=2, mapping=mapping))
    assert len(first) > 0
    assert later == [], "the first batch has compiled everything for the others of its group"
    info = sim.training.programs.programs.cache_info()
    assert info.misses == 1, "one layout for pretraining and fine-tuning"
    perform(points("whole"), Execution(mapping=mapping))
    for one, other in zip(points("parts"), points("whole"), strict=True):
        mine, its = arrays(target(one)), arrays(target(other))
        for name, values in mine.items():
            np.testing.assert_allclose(values, its[name], rtol=0, atol=1e-5 if mapping == "vmap" else 0, err_msg=name)


def test_a_group_of_several_worlds_shares_programs_too(tmp_path: Path) -> None:
    patterns = ["'.* please'", "'no .*'", "'tea .*'"]
    points = [point(tmp_path, f"restriction.pattern={pattern}", f"seed={k}") for k in (0, 1) for pattern in patterns]
    sim.training.programs.programs.cache_clear()
    assert states(perform(points, Execution(max_runs=2))) == ["finished"] * 6
    assert sim.training.programs.programs.cache_info().misses == 1


def test_points_of_different_dials_have_data_of_their_own(tmp_path: Path) -> None:
    """Their strings and their restriction are the same, but not the probabilities."""
    words = ("finetune.controls=[]", "relearn.num_steps=2", "relearn.num_evals=1")
    points = [point(tmp_path, *words, f"dial.entropy={entropy}") for entropy in (1.0, 1.3)]
    assert states(perform(points)) == ["finished"] * 2
    for one in points:
        record = read(target(one))
        for phase, trained in simulate(build(one)[0]).items():
            np.testing.assert_array_equal(record.phases[phase].losses, trained.losses)


# -- finished, claimed, damaged ----------------------------------------------------------------------------------------


def test_what_is_finished_is_kept_as_it_is(tmp_path: Path) -> None:
    points = [point(tmp_path, f"seed={seed}") for seed in (0, 1)]
    assert states(perform(points[:1])) == ["finished"]
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in target(points[0]).iterdir()}
    assert states(perform([*points, points[0]])) == ["kept", "finished"], "one outcome for each run"
    assert {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in target(points[0]).iterdir()} == before


def test_runs_are_measured_when_they_are_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their numbers are those that `sim.rows` computes; with no time for it, they are left to `sim.rows`."""
    monkeypatch.setattr(kept, "_BEGAN", 2**63)
    kept._recipe.cache_clear()
    monkeypatch.setattr(recording, "SHARE", math.inf)
    (done,) = perform([point(tmp_path)])
    assert done.target is not None
    (file,) = (tmp_path / ".cache" / "rows").glob("*/*")
    assert file == tmp_path / ".cache" / "rows" / done.target.parent.name / done.target.name
    monkeypatch.setattr(kept, "columns", lambda record: pytest.fail("it is measured already"))
    record, found = kept.numbers(done.target)
    assert record.hash == done.target.name
    assert numbers_table(record.hash, record.name, 0, found).equals(metrics_table(read(done.target)))
    (judged,) = perform([point(tmp_path, "seed=1", "claim=c1_entropy@000000000000")])
    assert judged.state == "finished"
    assert not (file.parent / judged.target.name).exists(), "a claim needs a few numbers only"
    kept._recipe.cache_clear()


def test_what_goes_wrong_in_measuring_harms_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def wrong(source: Path) -> None:
        asked.append(source)
        raise ZeroDivisionError

    monkeypatch.setattr(recording, "numbers", wrong)
    places = [tmp_path / str(number) for number in range(3)]
    recording.measure(places, 0.0)
    assert asked == [], "it would take too much of the time"
    recording.measure(places, math.inf)
    assert asked == places


def test_a_damaged_record_is_named_and_left_alone(tmp_path: Path) -> None:
    points = [point(tmp_path, f"seed={seed}") for seed in (0, 1)]
    perform(points[:1])
    file = target(points[0]) / "arrays.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    damaged, good = perform(points)
    assert (damaged.state, good.state) == ("failed", "finished")
    assert "found it damaged; delete" in damaged.reason
    assert damaged.mistake


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_that_another_process_publishes_before_the_lock_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    one = point(tmp_path, "seed=1")
    (done,) = perform([one])
    assert done.target is not None
    if damaged:
        (done.target / "arrays.safetensors").write_bytes(b"flipped")
    done.target.rename(tmp_path / "theirs")
    claim = ledger.claim

    def late(target: Path, wait: bool = False) -> Any:
        (tmp_path / "theirs").rename(target)
        return claim(target, wait)

    monkeypatch.setattr(ledger, "claim", late)
    (outcome,) = perform([one])
    assert outcome.state == ("failed" if damaged else "kept")
    assert ("found it damaged" in outcome.reason) == damaged
    assert not ledger.work(done.target).exists()


def test_a_run_that_was_taken_by_another_process_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim.disk.locks.Lock, "lost", property(lambda lock: True))
    (outcome,) = perform([point(tmp_path, "seed=1")])
    assert outcome.state == "refused"
    assert "another process has taken this run" in outcome.reason


def test_a_record_under_the_name_of_another_run_is_not_kept(tmp_path: Path) -> None:
    one, other = point(tmp_path), point(tmp_path, "seed=1")
    assert states(perform([one])) == ["finished"]
    target(one).rename(target(other))
    before = tree(tmp_path)
    (outcome,) = perform([other])
    assert (outcome.state, outcome.mistake) == ("failed", True)
    assert outcome.reason == (
        f"{target(other)}: the record of run {target(other).name} is required, found that of run {target(one).name}; "
        "rename the folder, or delete it if it is a copy"
    )
    assert tree(tmp_path) == before
    target(other).rename(target(one))
    assert states(perform([one, other])) == ["kept", "finished"]


def test_a_record_with_an_edited_configuration_is_not_kept(tmp_path: Path) -> None:
    one = point(tmp_path)
    perform([one])
    assert read(target(one), identified=True).facts["identity"]["content"] == beside(one) != {}
    about = json.loads((target(one) / "run.json").read_bytes())
    about["config"]["optimizer"]["learning_rate"] *= 2
    rewritten(target(one), "run.json", json.dumps(about).encode())
    (outcome,) = perform([one])
    assert (outcome.state, outcome.mistake) == ("failed", True)
    assert outcome.reason.startswith(f"{target(one)}: a record whose configuration is that of run {target(one).name}")


def test_a_run_that_another_process_is_at_is_refused_cleanly(tmp_path: Path) -> None:
    points = [point(tmp_path, f"seed={seed}") for seed in (0, 1)]
    lock = ledger.claim(target(points[0]))
    assert lock is not None
    with lock:
        refused, good = perform(points)
    assert (refused.state, good.state) == ("refused", "finished")
    assert f"process {os.getpid()} on " in refused.reason
    assert "is computing this run now" in refused.reason
    assert not target(points[0]).exists()
    assert states(perform(points)) == ["finished", "kept"]


def test_a_pretraining_of_another_process_is_waited_for(tmp_path: Path, counted: list[int]) -> None:
    elsewhere, here = (point(tmp_path / name) for name in ("elsewhere", "here"))
    perform([elsewhere])
    counted.clear()
    place = store.entry(here["outputs"], pretraining_key(here))
    lock = ledger.claim(place)
    assert lock is not None

    def finish() -> None:
        shutil.copytree(store.entry(elsewhere["outputs"], pretraining_key(elsewhere)), place)
        lock.release()

    timer = threading.Timer(0.5, finish)
    timer.start()
    (outcome,) = perform([here])
    timer.join()
    assert outcome.state == "finished"
    assert counted == []
    assert same_bits(arrays(outcome.target), arrays(target(elsewhere)))


def test_a_pretraining_that_another_process_gave_up_is_done_here(tmp_path: Path, counted: list[int]) -> None:
    here = point(tmp_path)
    lock = ledger.claim(store.entry(here["outputs"], pretraining_key(here)))
    assert lock is not None
    timer = threading.Timer(0.5, lock.release)
    timer.start()
    assert states(perform([here])) == ["finished"]
    timer.join()
    assert counted == [0]


def test_a_damaged_pretraining_is_done_again(
    tmp_path: Path, counted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (
        point(tmp_path, f"name={name}", f"optimizer.learning_rate={rate}") for name, rate in (("a", 0.1), ("b", 0.2))
    )
    perform([first])
    file = store.entry(str(tmp_path), pretraining_key(first)) / "params.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert states(perform([second])) == ["finished"]
    assert counted == [0, 0]
    assert "found it damaged; set aside as" in capsys.readouterr().err


def test_pretrainings_that_were_exchanged_are_done_again(
    tmp_path: Path, counted: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first = [point(tmp_path / "a", f"seed={seed}") for seed in (0, 1)]
    again = [point(tmp_path / "a", f"seed={seed}", "name=again") for seed in (0, 1)]
    assert states(perform(first)) == ["finished"] * 2
    exchanged(*(store.entry(one["outputs"], pretraining_key(one)) for one in first))
    assert states(perform(again)) == ["finished"] * 2
    assert sorted(counted) == [0, 0, 1, 1]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("the pretraining" in line and line.endswith(".damaged and trained again") for line in lines)
    for one, other in zip(first, again, strict=True):
        assert same_bits(arrays(target(one)), arrays(target(other)))


# -- what fails fails alone --------------------------------------------------------------------------------------------


def test_each_failure_costs_itself_alone(tmp_path: Path) -> None:
    good = [point(tmp_path / "a", f"seed={seed}") for seed in (0, 1)]
    diverging = point(tmp_path / "a", "optimizer.weight_decay=1e30", "optimizer.learning_rate=1e30")
    early = point(tmp_path / "a", "optimizer@pretrain.optimizer=adam", "pretrain.optimizer.weight_decay=1e30", "seed=7")
    unbuildable = point(tmp_path / "a", "restriction.pattern='nobody says this'")
    ledger.note(target(unbuildable), "waiting")  # as a multirun does: it reads the disk only
    outcomes = perform([good[0], diverging, early, unbuildable, good[1]])
    assert states(outcomes) == ["finished", "failed", "failed", "failed", "finished"]
    assert outcomes[1].reason.startswith("sft: at step ")
    assert outcomes[2].reason.startswith("pretrain: at step ")
    assert "restriction.pattern" in outcomes[3].reason
    assert all(one.mistake and "\n" not in one.reason for one in outcomes[1:4])
    assert {state.run: state.state for state in ledger.states(tmp_path / "a" / "scratch")} == {
        outcomes[0].target.name: "done",
        outcomes[1].target.name: "failed",
        outcomes[2].target.name: "failed",
        outcomes[3].target.name: "failed",
        outcomes[4].target.name: "done",
    }
    for one in outcomes[1:4]:
        noted = ledger.state(one.target)
        assert noted is not None
        assert (noted.facts["reason"], noted.facts["mistake"]) == (one.reason, True)
    perform([{**one, "outputs": str(tmp_path / "b")} for one in good])
    for one in good:
        calm = target({**one, "outputs": str(tmp_path / "b")})
        assert same_bits(arrays(target(one)), arrays(calm)), "bad company changes no bits"


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (MemoryError(), "MemoryError; memory ran out: train fewer runs together (hydra.launcher.max_runs)"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of\nmemory"), "RuntimeError: RESOURCE_EXHAUSTED: out of memory; me"),
        (ZeroDivisionError("some mistake"), "ZeroDivisionError: some mistake"),
    ],
)  # fmt: skip
def test_a_batch_that_raises_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, reason: str
) -> None:
    points = [point(tmp_path, f"seed={seed}") for seed in range(4)]
    right, calls = sim.running.cohort.train_many, []

    def wrong(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 2:  # the fine-tuning of the first batch
            raise problem
        right(*arguments)

    monkeypatch.setattr(sim.running.cohort, "train_many", wrong)
    outcomes = perform(points, Execution(max_runs=2))
    assert states(outcomes) == ["failed", "failed", "finished", "finished"]
    assert all(one.reason.startswith(reason) and not one.mistake for one in outcomes[:2])
    monkeypatch.setattr(sim.running.cohort, "train_many", right)
    assert states(perform(points)) == ["finished", "finished", "kept", "kept"]


def test_a_full_disk_at_any_write_loses_nothing_that_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the n-th durable write, for every n; then there is room again, and the same call goes on."""
    right = sim.disk.files.write_bytes
    reference = point(tmp_path / "reference")
    perform([reference])
    failures = 0
    for full in itertools.count(1, 3):
        here, left = point(tmp_path / f"full{full}"), [full]

        def failing(file: Path, data: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] > 0:
                return right(file, data)
            right(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

        monkeypatch.setattr(sim.disk.files, "write_bytes", failing)
        (outcome,) = perform([here], Execution(checkpoint_seconds=0.0))
        monkeypatch.setattr(sim.disk.files, "write_bytes", right)
        if left[0] > 0:  # it was never full
            break
        failures += 1
        assert outcome.state == "failed"
        assert "no space left on device" in outcome.reason.lower()
        assert not target(here).exists()
        assert states(perform([here])) == ["finished"]
        assert same_bits(arrays(target(here)), arrays(target(reference)))
    assert failures > 5


# -- interruptions -----------------------------------------------------------------------------------------------------


class Stopped(KeyboardInterrupt):
    """Somebody presses Ctrl-C."""


def stop_at(stage: str, step: int) -> Callable[[str, int, int, Sequence[Trained]], None]:
    def observe(at: str, now: int, total: int, trained: Sequence[Trained]) -> None:
        if at == stage and now >= step:
            raise Stopped

    return observe


@pytest.mark.parametrize(
    "stops",
    [[("pretrain", 3)], [("finetune", 2)], [("pretrain", 1), ("pretrain", 4), ("finetune", 0), ("finetune", 5)]],
)
@pytest.mark.parametrize("kind", ["table", "transformer"])
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, kind: str, stops: list[tuple[str, int]]) -> None:
    more = (
        "pretrain.num_steps=9",
        "finetune.num_steps=9",
        "objective.targets=sampled",
        *TRANSFORMER[: 3 * (kind != "table")],
    )
    calm = [point(tmp_path / "calm", *more, f"seed={seed}") for seed in (0, 1)]
    wild = [point(tmp_path / "wild", *more, f"seed={seed}") for seed in (0, 1)]
    perform(calm)
    for phase, step in stops:
        with pytest.raises(Stopped):
            perform(wild, Execution(checkpoint_seconds=0.0), stop_at(phase, step))
        assert {one.state for one in ledger.states(tmp_path / "wild" / "scratch")} == {"interrupted"}
    begun: list[tuple[str, int]] = []
    outcomes = perform(wild, Execution(), lambda phase, step, *_: begun.append((phase, step)))
    assert states(outcomes) == ["finished"] * 2
    phase, step = stops[-1]
    assert begun[0][0] == phase, "what was finished before is not done again"
    assert begun[0][1] >= min(step, 1), "nor the steps up to the checkpoint"
    for one, other in zip(calm, wild, strict=True):
        assert same_bits(arrays(target(one)), arrays(target(other)))
    assert not (tmp_path / "wild" / "scratch" / ".work").exists()


def test_a_signal_leaves_a_last_checkpoint(tmp_path: Path) -> None:
    """Although a minute between checkpoints has not passed; the run goes on from there, with the same bits."""
    calm, wild = point(tmp_path / "calm"), point(tmp_path / "wild")
    perform([calm])

    def interrupting(phase: str, step: int, *_: Any) -> None:
        if phase == "finetune" and step >= 3:
            raise Terminated(signal.SIGTERM)

    with pytest.raises(Terminated):
        perform([wild], Execution(checkpoint_seconds=60.0), interrupting)
    assert list(ledger.work(target(wild)).glob("checkpoint-sft-*")), "the last one"
    begun: list[tuple[str, int]] = []
    assert states(perform([wild], Execution(), lambda phase, step, *_: begun.append((phase, step)))) == ["finished"]
    assert begun[0][0] == "finetune"
    assert begun[0][1] >= 1, "it did not begin anew"
    assert same_bits(arrays(target(calm)), arrays(target(wild)))


def test_a_damaged_checkpoint_costs_time_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, calm = point(tmp_path / "wild"), point(tmp_path / "calm")
    with pytest.raises(Stopped):
        perform([one], Execution(checkpoint_seconds=0.0), stop_at("finetune", 3))
    damaged = list(ledger.work(target(one)).rglob("*.safetensors"))
    assert damaged
    for file in damaged:
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert states(perform([one])) == ["finished"]
    assert "the checkpoint is removed" in capsys.readouterr().err
    perform([calm])
    assert same_bits(arrays(target(one)), arrays(target(calm)))


@pytest.mark.parametrize("copied", ["another run", "another training"])
def test_a_checkpoint_of_another_run_or_training_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], copied: str
) -> None:
    """It fits in every shape, so that only its address tells it apart."""
    one, other, calm = point(tmp_path), point(tmp_path, "optimizer.learning_rate=0.5"), point(tmp_path / "calm")
    source = other if copied == "another run" else one
    with pytest.raises(Stopped):
        perform([source], Execution(checkpoint_seconds=0.0), stop_at("finetune", 3))
    (found,) = ledger.work(target(source)).glob(f"checkpoint-{'sft' if source is other else 'identity'}-*")
    step = found.name.rpartition("-")[2]
    place = ledger.work(target(one)) / f"checkpoint-sft-{step}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(found, place)
    assert states(perform([one])) == ["finished"]
    line = capsys.readouterr().err
    assert line.startswith(f"{place}: the checkpoint ")
    assert line.endswith("; the checkpoint is removed\n")
    perform([calm])
    assert same_bits(arrays(target(one)), arrays(target(calm)))


def test_a_checkpoint_of_another_structure_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = point(tmp_path), point(tmp_path, "optimizer=sgd")
    with pytest.raises(Stopped):
        perform([other], Execution(checkpoint_seconds=0.0), stop_at("finetune", 3))
    (found,) = ledger.work(target(other)).glob("checkpoint-sft-*")
    state = checkpoints.read(found)
    checkpoints.save(ledger.work(target(one)), "sft", 3, state)  # as if the program had written it under a wrong name
    assert states(perform([one])) == ["finished"]
    assert "does not fit" in capsys.readouterr().err


def test_a_checkpoint_is_not_written_more_often_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[str] = []
    monkeypatch.setattr(sim.running.saving.checkpoints, "save", lambda folder, name, *_: saved.append(name))
    perform([point(tmp_path)], Execution(checkpoint_seconds=3600.0))
    assert saved == []
    perform([point(tmp_path, "seed=1")], Execution(checkpoint_seconds=0.0))
    assert {"pretrain", "sft", "identity"} == set(saved)


def test_what_a_multirun_said_of_a_point_is_not_forgotten(tmp_path: Path) -> None:
    one = point(tmp_path, "optimizer.weight_decay=1e30", "optimizer.learning_rate=1e30")
    ledger.note(target(one), "waiting", overrides=["optimizer.learning_rate=1e30"])
    seen: list[Any] = []
    perform([one], observe=lambda *_: seen.append(ledger.state(target(one))))
    assert {state.state for state in seen} == {"running"}
    found = ledger.state(target(one))
    assert found is not None
    assert found.state == "failed"
    assert all(state.facts["overrides"] == ["optimizer.learning_rate=1e30"] for state in [*seen, found])
    assert [state.facts["fraction"] for state in seen] == sorted(state.facts["fraction"] for state in seen)


def test_a_refused_configuration_is_an_outcome(tmp_path: Path) -> None:
    (outcome,) = perform([point(tmp_path, "restriction.pattern='nobody says this'")])
    assert isinstance(outcome.error, SpecificationError)


@pytest.mark.parametrize("problem", [AssertionError(), RuntimeError("Unable to initialize backend 'rocket': ...")])
def test_a_platform_that_is_not_there_is_one_line(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise problem

    monkeypatch.setenv("JAX_PLATFORMS", "rocket")
    monkeypatch.setattr("jax.devices", missing)
    outcomes = perform([point(tmp_path, f"seed={seed}") for seed in (0, 1)])
    assert states(outcomes) == ["failed"] * 2
    for one in outcomes:
        assert one.mistake
        assert one.reason.startswith("JAX_PLATFORMS: a platform of this machine is required, found 'rocket'")
    assert not list(tmp_path.rglob("*.safetensors"))
