"""What an experiment sets for one choice of a group does not stand in the way of another choice."""

import functools
from pathlib import Path
from typing import Any

import pytest

from sim.config.fitting import fitting
from sim.config.options import options_of
from sim.interface.compose import composed
from sim.numerics import SpecificationError
from sim.running.build import settings


@pytest.mark.parametrize("restriction", sorted({"top_mass", "everything", "sharpen", "fraction"}))
def test_another_restriction_than_that_of_the_experiment(restriction: str) -> None:
    chosen = settings(composed({"experiment": "demo_file", "restriction": restriction}, {}))
    assert "pattern" not in chosen["restriction"]
    plain = settings(composed({"grammar": "file", "restriction": restriction}, {"grammar": {"path": WEATHER}}))
    assert chosen["restriction"] == plain["restriction"]


WEATHER = "examples/grammars/markov.yaml"


def test_its_own_choice_keeps_its_arguments() -> None:
    for options in ({}, {"restriction": "regular"}):
        assert composed({"experiment": "demo_file", **options}, {})["restriction"]["pattern"] == "sun .*"


def test_arguments_that_the_other_choice_takes_stay() -> None:
    """`demo_file` sets the schedule of the learning rate, and every optimiser has one."""
    mine = composed({"experiment": "demo_file", "optimizer": "sgd"}, {})["optimizer"]
    assert (mine["warmup"], mine["decay"]) == (20, "cosine")


def test_what_the_user_writes_is_never_left_out() -> None:
    config = composed({"experiment": "demo_file", "restriction": "top_mass"}, {"restriction": {"pattern": "sun"}})
    with pytest.raises(SpecificationError, match=r"restriction.pattern: unknown argument of top_mass"):
        settings(config)


def test_without_an_experiment_nothing_changes() -> None:
    config: dict[str, Any] = {"restriction": {"kind": "top_mass", "pattern": "x"}}
    for experiment in (None, "no_such_experiment"):
        assert fitting(config, {"restriction": "top_mass", "experiment": experiment}, set()) == config


@functools.cache
def kind_of(grammar: str) -> str:
    return composed({"grammar": grammar}, {})["grammar"]["kind"]


@pytest.mark.parametrize("experiment", sorted(options_of("experiment")))
def test_every_experiment_runs_with_any_of_these_languages(experiment: str) -> None:
    for grammar in ("english", "dyck", "ngram"):
        chosen = settings(composed({"experiment": experiment, "grammar": grammar}, {}))
        assert chosen["grammar"]["kind"] == kind_of(grammar)


def test_an_experiment_may_set_arguments_of_a_default_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "config.yaml").write_text("defaults:\n  - _self_\n  - restriction: regular\n", encoding="utf-8")
    (tmp_path / "experiment" / "mine.yaml").write_text("restriction: { pattern: x, misspelt: 1 }\n", encoding="utf-8")
    monkeypatch.setattr("sim.config.fitting.conf_folders", lambda: [tmp_path])
    other = {"restriction": {"kind": "top_mass", "mass": 0.5, "pattern": "x", "misspelt": 1}}
    found = fitting(other, {"restriction": "top_mass", "experiment": "mine"}, set())
    assert found == {"restriction": {"kind": "top_mass", "mass": 0.5}}
    own = {"restriction": {"kind": "regular", "pattern": "x", "misspelt": 1}}
    assert fitting(own, {"restriction": "regular", "experiment": "mine"}, set()) == own, (
        "a mistake stays and is refused"
    )
