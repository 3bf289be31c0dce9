"""Laws of runs, over all of conf/: each choice builds; each model, objective and optimiser trains and is measured."""

import dataclasses
import functools
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from sim.config import conf_folder, construct, members, resolve
from sim.disk import ledger
from sim.disk.records import Record, read, run_hash
from sim.metrics.kept import numbers
from sim.metrics.table import metrics, residuals, rows, violations
from sim.objectives._enumerated import TakesReward
from sim.running.build import build, settings
from sim.running.identity import identity
from sim.running.recording import IdentityError
from sim.running.unlisted.asked import is_unlisted
from sim.running.unlisted.asked import world as unlisted_world
from sim.running.work import perform
from tests.composed import ROOT, compose, options
from tests.unit.metrics.metric_laws import check, sought

MODELS, OBJECTIVES, OPTIMIZERS = options("model"), options("objective"), options("optimizer")
TINY = ("scale=smoke", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=regular",
        "restriction.pattern='.* please'", "pretrain.num_steps=4", "finetune.num_steps=4")  # fmt: skip
SMALL = dict.fromkeys(("transformer", "rotary"), ("model.width=8", "model.depth=1"))
"""The models with hidden states, and what makes them small."""


def fits(model: str, objective: str) -> bool:
    """Whether a model has what an objective needs; tables have no hidden states."""
    kind = yaml.safe_load((conf_folder() / "objective" / f"{objective}.yaml").read_text(encoding="utf-8"))["kind"]
    return model in SMALL or not hasattr(resolve("objective", kind, "objective"), "needs")


def performed(config: dict[str, object], outputs: Path) -> Record:
    """The record of a run, published below a folder; whatever is wrong with it is raised."""
    (outcome,) = perform([config | {"outputs": str(outputs)}])
    if outcome.error is not None:
        raise outcome.error
    return read(outcome.target)


def chosen(model: str, objective: str, optimizer: str, *more: str) -> dict[str, object]:
    groups = (f"model={model}", f"objective={objective}", f"optimizer={optimizer}")
    return settings(compose(*TINY, *groups, *SMALL.get(model, ()), *more))


@functools.cache
def composed(*groups: str) -> dict[str, object]:
    return compose(*TINY, *groups)


def merged(model: str, objective: str, optimizer: str) -> dict[str, object]:
    """What `chosen` returns, from one composition for each choice, because a choice writes its own key only."""
    config = composed(f"model={model}", *SMALL.get(model, ()))
    config = config | {key: composed(f"{key}={option}")[key] for key, option in
                       (("objective", objective), ("optimizer", optimizer))}  # fmt: skip
    return settings(config)


# -- everything builds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_choice_builds(model: str) -> None:
    """All pairs of an objective and an optimiser with one model, and each of them with every model."""
    pairs = list(itertools.product(OBJECTIVES, OPTIMIZERS))
    first = model == MODELS[0]
    combinations = [pair for pair in pairs if first or OBJECTIVES[0] in pair or OPTIMIZERS[0] in pair]
    combinations = [pair for pair in combinations if fits(model, pair[0])]
    assert len(combinations) >= 8
    hashes = set()
    for objective, optimizer in combinations:
        one = merged(model, objective, optimizer)
        run, _ = build(one)
        assert run.p.support_size == 14
        assert run.restricted.s.support_size < 14
        hashes.add(run_hash(one))
    assert len(hashes) == len(combinations)
    assert one == chosen(model, objective, optimizer), "Hydra composes the same"


@pytest.mark.parametrize("group", ["pretrain.objective", "pretrain.optimizer"])
def test_pretraining_takes_every_choice_too(group: str) -> None:
    owner = group.split(".")[1]
    for option in options(owner):
        config = settings(compose(*TINY, f"{owner}@{group}={option}"))
        written = yaml.safe_load((conf_folder() / owner / f"{option}.yaml").read_text(encoding="utf-8"))
        assert config["pretrain"][owner]["kind"] == written["kind"]
        build(config)


@pytest.mark.parametrize("scale", options("scale"))
@pytest.mark.parametrize("experiment", [*options("experiment"), "none"])
def test_every_experiment_composes_to_canonical_settings(
    experiment: str, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # paths of grammar files are relative to where one stands
    overrides = [f"scale={scale}"] + [f"experiment={experiment}"] * (experiment != "none")
    config = settings(compose(*overrides))
    assert settings(config) == config
    assert settings(json.loads(json.dumps(config))) == config  # JSON has lists in place of tuples
    assert len(identity(config)) == 12
    if experiment != "none":
        assert config["name"] == experiment, "an experiment's results lie under its own name"
        if is_unlisted(config):
            assert unlisted_world(config).narrowed.shift > 0.0, "S is not P"
            return
        run, _ = build(config)
        assert not run.restricted.event.all(), "something is left out"
        assert 0.0 < run.p.entropy()


def test_experiments_are_different_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two may share a run, such as two reports of one world; but what they override is really overridden."""
    monkeypatch.chdir(ROOT)
    names = options("experiment")
    assert len({identity(settings(compose(f"experiment={name}"))) for name in names}) > len(names) / 2


# -- everything runs --------------------------------------------------------------------------------------------------

NUM_RUNS = max(len(MODELS), len(OBJECTIVES), len(OPTIMIZERS))
RUNS = [
    (MODELS[i % len(MODELS)], OBJECTIVES[i % len(OBJECTIVES)], OPTIMIZERS[i % len(OPTIMIZERS)]) for i in range(NUM_RUNS)
]
"""Each model, each objective and each optimiser at least once."""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the runs of all members, so that each model is pretrained once."""
    return tmp_path_factory.mktemp("outputs")


@pytest.mark.parametrize(("model", "objective", "optimizer"), RUNS)
def test_every_member_trains_and_is_measured(outputs: Path, model: str, objective: str, optimizer: str) -> None:
    config = merged(model if fits(model, objective) else "transformer", objective, optimizer)
    again = performed(config, outputs)
    assert list(again.phases) == ["pretrain", "sft", "identity"]
    for phase, recorded in again.phases.items():
        num_steps = config["pretrain" if phase == "pretrain" else "finetune"]["num_steps"]
        assert (recorded.steps[0], recorded.steps[-1]) == (0, num_steps)
        assert math.isnan(recorded.losses[0])
        assert np.isfinite(recorded.losses[1:]).all()
    check_start(again)
    check_change(again, isinstance(construct("objective", config["objective"], "objective"), TakesReward))
    assert violations(residuals(again)) == []
    assert residuals(again) == again.facts["residuals"], "they can be computed again"
    _, table = numbers(outputs / str(config["name"]) / identity(config))  # as they were measured after the run
    assert set(table["phase"]) == {"truth", "pretrain", "sft", "identity"}
    assert not any(math.isnan(one) for end in ("lower", "upper") for one in table[end])
    divergences = [one for one, metric in zip(table["value"], table["metric"], strict=True) if metric == "kl"]
    assert divergences
    assert all(one >= -1e-9 for one in divergences)
    assert again.facts["pretraining"]["valid"] is False, "four steps are too few"


def check_start(record: Record) -> None:
    """Both fine-tunings start from the model that pretraining ended with."""
    end = {name: values[-1] for name, values in record.phases["pretrain"].arrays.items()}
    for phase in ("sft", "identity"):
        for name, values in record.phases[phase].arrays.items():
            np.testing.assert_array_equal(values[0], end[name], err_msg=f"{phase} {name}")


def check_change(record: Record, has_reward: bool = False) -> None:
    """Every phase moved the model, and the control is not the fine-tuning. Under a reward the control may rest."""
    ends = {phase: recorded.arrays["edge_log_q"][-1] for phase, recorded in record.phases.items()}
    for phase, recorded in record.phases.items():
        rests = has_reward and record.meanings[phase].role == "control"
        assert rests or not np.array_equal(recorded.arrays["edge_log_q"][0], ends[phase]), phase
    assert not np.array_equal(ends["sft"], ends["identity"])


def test_every_probe_is_recorded_and_read(tmp_path: Path) -> None:
    """It has arrays for each evaluation, or at both ends; a metric that asks for them has numbers where they are.

    Probes that need more than logits have tests of their own, because a table has no more.
    """
    needing = {name for name, one in members("probe").items() if hasattr(getattr(one.load(), name), "needs")}
    probes = [name for name in members("probe") if name not in needing]
    more = (f"finetune.probes=[{','.join(probes)}]", "finetune.controls=[]", "finetune.num_evals=3")
    record = performed(chosen("tabular_trie", "sft", "sgd", *more), tmp_path)
    recorded = record.phases["sft"]
    probed = recorded.arrays.keys() - record.phases["pretrain"].arrays.keys()
    assert len(probed) >= len(probes) >= 1
    for name in probed:
        assert len(recorded.arrays[name]) in (2, len(recorded.steps)), name
        assert not np.isnan(recorded.arrays[name]).any(), name
    table = rows(record)
    bare = {name: values for name, values in recorded.arrays.items() if name not in probed}
    phases = {**record.phases, "sft": dataclasses.replace(recorded, arrays=bare)}
    asked = {metric: sought(metric, dataclasses.replace(record, phases=phases)) for metric in metrics()}
    readers = [one for one, names in asked.items() if any(name.split("_")[0] not in needing for name in names)]
    assert {metric.name for metric in readers} >= {"fisher", "weight_distance", "sharpness", "gradient_noise"}
    for metric in readers:
        own = [row for row in table if row["metric"] == metric.name]
        assert own, f"{metric.name} has no number in a run with every probe"
        check(metric, own)


def test_the_same_settings_give_the_same_numbers_and_another_seed_others(tmp_path: Path) -> None:
    drawn = ("objective.targets=sampled", "finetune.controls=[]")
    one, same, other = (
        performed(chosen("tabular_trie", "sft", "adam", *drawn, f"seed={seed}"), tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for phase in one.phases:
        arrays = [record.phases[phase].arrays["edge_log_q"] for record in (one, same, other)]
        np.testing.assert_array_equal(arrays[0], arrays[1])
        assert not np.array_equal(arrays[0], arrays[2])


# -- the identities guard the record ----------------------------------------------------------------------------------


@pytest.fixture
def leaking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that books all leaking mass twice."""
    import sim.running.claimed

    right = sim.running.claimed.recorded

    def wrong(*arguments: object) -> Record:
        record = right(*arguments)
        for recorded in record.phases.values():
            recorded.arrays["leak"][:] *= 2.0
        return record

    monkeypatch.setattr(sim.running.claimed, "recorded", wrong)


@pytest.mark.usefixtures("leaking")
def test_a_violated_identity_fails_the_run_loudly(tmp_path: Path) -> None:
    config = chosen("tabular_trie", "sft", "sgd", "finetune.controls=[]")
    name = f"scratch/{identity(config)}"
    for attempt in ("first", "second"):
        with pytest.raises(IdentityError, match=r"identity total_mass: .* is required, found") as error:
            performed(config, tmp_path)
        assert "\n" not in str(error.value), attempt
        published = [path.parent for path in tmp_path.glob("scratch/*/manifest.json")]
        assert published == [tmp_path / f"{name}.failed"], "for inspection, and nowhere else"
        assert ledger.state(tmp_path / name).state == "failed"
    failed = read(tmp_path / f"{name}.failed")
    assert sorted(violations(failed.facts["residuals"])) == sorted(violations(residuals(failed))) != []
