"""hydra/sweeper=studies: several sweeps in one multirun."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins

import sim.run
import sim.running.multirun
from sim import cli
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.outcomes import Outcome


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[tuple[tuple[str, ...], dict[str, Any]]]]:
    """The points of every launch: overrides and configuration."""
    launches: list[list[tuple[tuple[str, ...], dict[str, Any]]]] = []

    def multirun(written: Any, folder: Path, options: Any) -> list[Outcome]:
        launches.append([(overrides, dict(config())) for overrides, config in written])
        return [Outcome(Path("outputs/x/0b"), "finished", overrides=overrides) for overrides, _ in launches[-1]]

    monkeypatch.setattr(sim.running.multirun, "multirun", multirun)
    return launches


def run(monkeypatch: pytest.MonkeyPatch, where: Path, *arguments: str) -> int:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    quiet = ("hydra/hydra_logging=none", "hydra/job_logging=none", f"outputs={where}")
    monkeypatch.setattr(sys, "argv", ["run", *arguments, *quiet])
    return cli.run_hydra(sim.run.task)


def points(launch: list[tuple[tuple[str, ...], dict[str, Any]]]) -> list[tuple[Any, ...]]:
    return [
        (c["study"]["part"], c["seed"], c["optimizer"]["kind"], c["optimizer"]["learning_rate"]) for _, c in launch
    ]  # fmt: skip


TWO = (
    "experiment=c2_support",
    "hydra.sweeper.only=[rates_sgd,rates_adam]",
    "study.worlds='0,1'",
    "objective.targets=exact",
)


def test_the_points_are_those_of_every_study_and_say_of_which(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, *TWO) == 0
    (launch,) = asked
    assert points(launch) == [
        ("rates_adam", 0, "adam", 1e-4), ("rates_adam", 1, "adam", 1e-4),
        ("rates_sgd", 0, "sgd", 1e-2), ("rates_sgd", 1, "sgd", 1e-2),
    ]  # fmt: skip
    for _, config in launch:
        assert settings(config)["study"]["part"].startswith("rates_")
        assert config["grammar"]["seed"] == config["seed"]  # what refers to a point is resolved in the point


def test_two_models_of_a_world_differ_by_their_own_seed_alone(asked, monkeypatch, tmp_path):
    """What a study refers to is resolved in each run, unless it is ${study....}."""
    only = ("experiment=c6_consequences", "claim=null", "hydra.sweeper.only=[agreement_sampled]", "study.worlds='0,7'")
    assert run(monkeypatch, tmp_path, *only) == 0
    found = [settings(config) for _, config in asked[0]]
    seeds = [(one["grammar"]["seed"], one["seed"], one["restriction"]["steps"][0]["seed"]) for one in found]
    assert sorted(seeds) == [(0, 0, 0), (0, 10000, 0), (7, 7, 7), (7, 10007, 7)]


def test_params_are_swept_in_every_study(asked, monkeypatch, tmp_path):
    only = ("experiment=robustness", "hydra.sweeper.only=[support_chain_adam,recovery_hidden_momentum]", "seed=0")
    assert run(monkeypatch, tmp_path, *only) == 0
    found = [(config["grammar"]["kind"], config["model"]["width"]) for _, config in asked[0]]
    assert found == 8 * [("ngram", 32)] + 8 * [("ngram", 64)] + 2 * [("hmm", 32)] + 2 * [("hmm", 64)]


def test_the_command_line_has_the_last_word(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, *TWO, "seed=5,6", "optimizer.learning_rate=0.3") == 0
    assert points(asked[0]) == [
        ("rates_adam", 5, "adam", 0.3), ("rates_adam", 6, "adam", 0.3),
        ("rates_sgd", 5, "sgd", 0.3), ("rates_sgd", 6, "sgd", 0.3),
    ]  # fmt: skip


def test_one_study_alone_needs_no_list(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, TWO[0], "hydra.sweeper.only=rates_sgd", "seed=4", TWO[-1]) == 0
    assert points(asked[0]) == [("rates_sgd", 4, "sgd", 1e-2)]


def test_a_study_of_a_whole_group_takes_sweeps_of_the_command_line(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, "experiment=atlas", "seed=5,6", "optimizer.learning_rate=0.3") == 0
    found = points(asked[0])
    assert {seed for _, seed, _, _ in found} == {5, 6}
    assert {part for part, *_ in found} >= {"sft", "gem", "replay"}


def test_batches(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, *TWO, "hydra.sweeper.max_batch_size=3") == 0
    assert [len(launch) for launch in asked] == [3, 1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--multirun", "hydra/sweeper=studies"],
            "hydra.sweeper.studies: at least one study is required, found {}",
        ),
        (
            ["experiment=c2_support", "hydra.sweeper.only=kernels"],
            "hydra.sweeper.only: one of support, recovery, rates_adam, rates_sgd, decay_sgd_tables, decay_adam_tables, "
            "decay_adam_long, decay_sgd_net, decay_adam_net, kernel, race_adam, race_sgd, replay, erasing_adam, "
            "erasing_exact, "
            "erasing_slow, erasing_middle, erasing_half, erasing_batch, erasing_forgetful, erasing_exact_first, "
            "erasing_sampled_first, erasing_sgd, erasing_eps, erasing_warmup, erasing_clip, erasing_sharpness, "
            "erasing_average, erasing_finch, erasing_replay, steps_base, steps_low, steps_low_long, steps_middle, "
            "steps_middle_long, steps_constant, steps_grafted, steps_grafted_middle, steps_small_batch, "
            "steps_large_batch, steps_small_batch_eps, steps_large_batch_eps, steps_eps, steps_exact, "
            "steps_sgd, new_things, new_table is required, found 'kernels' "
            "(did you mean 'kernel'?)",
        ),
        (
            ["experiment=c2_support", "hydra.sweeper.studies.kernel=3"],
            "hydra.sweeper.studies.kernel: a mapping from keys to values is required, found 3",
        ),
    ],
    ids=["none", "unknown", "no mapping"],
)
def test_a_mistake_is_refused_in_one_line(arguments, line, asked, monkeypatch, tmp_path, capfd):
    assert run(monkeypatch, tmp_path, *arguments) == 2
    assert capfd.readouterr().err == f"{line}\n"
    assert not asked
    assert not list(tmp_path.iterdir())


# -- a group of files, one study each ---------------------------------------------------------------------------------

HEAD = "# @package hydra.sweeper.studies\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine: { objective: gem }\n", "the first line '# @package hydra.sweeper.studies' is required, found 'mine: {"),
        (HEAD + "sft: { objective: gem }\n", "one study with the name of the file, mine, is required, found sft"),
        (HEAD + "mine: {}\nsft: {}\n", "one study with the name of the file, mine, is required, found mine, sft"),
        (HEAD + "- 3\n", "one study with the name of the file, mine, is required, found [3]"),
    ],
)
def test_a_file_that_would_be_ignored_or_change_another_study_is_refused(text, said, monkeypatch, tmp_path):
    Plugins.instance()  # Hydra loads its plugins itself, and must do so first
    studies = importlib.import_module("hydra_plugins.sft_diversity.studies")
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(studies, "conf_folders", lambda: [tmp_path])
    with pytest.raises(SpecificationError, match=re.escape(said)):
        studies.check_files("method", [])
    studies.check_files("method", ["other"])


def test_a_wrong_argument_is_told_of_the_option_that_the_study_chooses(asked, monkeypatch, tmp_path, capfd):
    wrong = "+hydra.sweeper.studies.focal={objective:focal,objective.gama:3}"
    assert run(monkeypatch, tmp_path, "experiment=atlas", "method=gem", wrong) == 2
    assert capfd.readouterr().err == "objective.gama: unknown argument of focal (did you mean 'gamma'?)\n"
    assert not asked


def test_methods_are_those_that_are_chosen(asked, monkeypatch, tmp_path):
    assert run(monkeypatch, tmp_path, "experiment=atlas", "method=[sft,gem]", "seed=3") == 0
    assert [config["study"]["part"] for _, config in asked[0]] == ["sft", "gem", "gem", "gem"]
