"""Runs on languages that are not listed: what is refused, what is kept; a killed one goes on to the same bits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
import pytest

from experiments import unlisted
from experiments.unlisted.tables import over_seeds
from sim.disk import ledger
from sim.interface.compose import composed
from sim.interface.perform import performed
from sim.laws.device.law import on_device
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.cohort import Execution
from sim.running.identity import target
from sim.running.outcomes import Outcome
from sim.running.unlisted.asked import build, is_unlisted
from sim.running.unlisted.feeding import feeding
from sim.running.work import perform
from sim.show.blocks import Table, markdown
from sim.unlisted.record import UnlistedRecord, read
from sim.unlisted.world import Seen
from tests.composed import ROOT, compose

SMALL = (
    "experiment=cfg3", "name=tiny", "grammar.depth=3", "restriction.rules=[{lhs: root, rhs: ['2.0', '2.0']}]",
    "model.width=16", "model.depth=1", "model.heads=2", "pretrain.num_steps=6", "pretrain.num_evals=2",
    "pretrain.batch_size=8", "finetune.num_steps=4", "finetune.num_evals=2", "finetune.batch_size=8", "judged.rows=12",
    "judged.own=10", "judged.lost=12",
)  # fmt: skip


def point(outputs: Path, *overrides: str) -> dict[str, Any]:
    return settings(compose(*SMALL, *overrides, f"outputs={outputs}"))


def states(outcomes: Sequence[Outcome]) -> list[str]:
    return [one.state for one in outcomes]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, UnlistedRecord]:
    outputs = tmp_path_factory.mktemp("unlisted")
    runs = [point(outputs, f"seed={seed}") for seed in range(2)]
    assert states(perform(runs)) == ["finished", "finished"]
    assert states(perform(runs)) == ["kept", "kept"]
    return outputs / "tiny", read(target(runs[0]))


def test_a_record_holds_every_phase(done: tuple[Path, UnlistedRecord]) -> None:
    _, record = done
    assert list(record.phases) == ["pretrain", "sft", "identity"]
    assert record.phases["sft"].steps.tolist()[0] == 0
    assert record.phases["sft"].steps.tolist()[-1] == 4
    first = record.phases["pretrain"].arrays["p_kl_at"][-1]
    assert np.array_equal(first, record.phases["sft"].arrays["p_kl_at"][0]), "fine-tuning begins with q0"
    assert np.array_equal(first, record.phases["identity"].arrays["p_kl_at"][0])
    assert "s_kl_at" not in record.phases["pretrain"].arrays
    assert record.phases["sft"].arrays["own_rows"].shape == (2, 10, 24)
    assert record.facts["world"]["log_mass"] == pytest.approx(-np.log(2))
    assert record.facts["pretraining"]["per"] == "token"
    assert 0 <= record.facts["speed"]["sft"]["waited"] <= record.facts["speed"]["sft"]["seconds"]
    assert record.config["finetune"]["kl_every_step"] is False


def test_the_loss_is_the_cross_entropy_of_p(done: tuple[Path, UnlistedRecord]) -> None:
    """At the first look KL + entropy of the judged rows is near the loss of the first steps, on other rows."""
    _, record = done
    phase = record.phases["pretrain"]
    begun = (phase.arrays["p_kl_at"].sum(axis=2) + record.rows["p_entropy"]).mean(axis=1)
    assert begun.shape == (3,)
    assert abs(phase.losses[1] - begun[0]) < 0.25 * begun[0]


def test_a_report_has_every_model(done: tuple[Path, UnlistedRecord]) -> None:
    folder, record = done
    tables = unlisted.analyse(folder)
    assert tables["runs"]["seed"].to_list() == [0, 1]
    assert tables["runs"]["way"].n_unique() == 1
    ends = tables["numbers"].filter(run=record.hash, phase="sft", step=4)
    assert {"divergence", "gate", "kept", "erasure", "mass of what S keeps"} <= set(ends["name"])
    assert set(ends["kind"]) == {"estimated"}
    several = tables["seeds"].filter(phase="sft", step=4, name="divergence", of="KL(S‖q)")
    own = tables["numbers"].filter(phase="sft", step=4, name="divergence", of="KL(S‖q)")
    assert several["estimate"][0] == pytest.approx(own["estimate"].mean())
    blocks = unlisted.report(tables)
    models = next(block for block in blocks if isinstance(block, Table))
    assert models.columns[3:] == ("q0", "after SFT", "control")
    assert "NOT VALID" in markdown(blocks)
    assert over_seeds(tables["numbers"].filter(run=record.hash)).is_empty()


@pytest.mark.parametrize("stop", [*(pytest.param(stop, marks=pytest.mark.slow) for stop in (1, 8)), 4])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    done: tuple[Path, UnlistedRecord], tmp_path: Path, stop: int
) -> None:
    _, whole = done
    run, seen = point(tmp_path, "seed=0"), 0

    def interrupt(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == stop + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform([run], Execution(checkpoint_seconds=0.0), interrupt)
    assert ledger.state(target(run)).state == "interrupted"  # type: ignore[union-attr]
    assert states(perform([run], Execution(checkpoint_seconds=0.0))) == ["finished"]
    found = read(target(run))
    for phase, recorded in whole.phases.items():
        for name, values in recorded.arrays.items():
            assert np.array_equal(values, found.phases[phase].arrays[name]), (phase, name)
        for name, values in whole.params[phase].items():
            assert np.array_equal(values, found.params[phase][name]), (phase, name)
    assert not ledger.work(target(run)).exists()


@pytest.mark.slow
def test_targets_of_a_device_are_those_of_the_host(done: tuple[Path, UnlistedRecord], tmp_path: Path) -> None:
    """They differ by rounding alone, so it is the same run, with the same name. Its record says where it was."""
    _, whole = done
    run = point(tmp_path, "seed=0")
    assert states(perform([run], Execution(laws="device"))) == ["finished"]
    found = read(target(run))
    assert target(run).name == whole.hash
    assert {one["laws"] for one in found.facts["speed"].values()} == {"device"}
    assert {one["laws"] for one in whole.facts["speed"].values()} == {"host"}
    for phase, recorded in whole.phases.items():
        assert np.array_equal(recorded.arrays["p_kl_at"].shape, found.phases[phase].arrays["p_kl_at"].shape)
        np.testing.assert_allclose(found.phases[phase].arrays["p_kl_at"], recorded.arrays["p_kl_at"], atol=1e-5)
        np.testing.assert_allclose(found.phases[phase].losses, recorded.losses, rtol=1e-5)


def test_prepared_batches_are_those_of_the_host() -> None:
    """The same strings, and laws that differ at most by the last bit of a float32."""
    run = build(point(Path("nowhere")))
    law, params = run.world.p.law, run.model.init(jax.random.key(0))
    one, other = (
        feeding("pretrain", run.pretrain, Seen(own, run.world.length), 0, run.model, params, lambda *_: {}).batch(3)
        for own in (law, on_device(law))
    )
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(other.law, one.law, rtol=2**-23, atol=1e-14)  # a bit; log 1 is rounded before that
    assert np.isinf(one.law).any()


def test_a_training_that_diverges_is_said(tmp_path: Path) -> None:
    (outcome,) = perform([point(tmp_path, "pretrain.optimizer.learning_rate=1e30", "pretrain.optimizer.warmup=0")])
    assert outcome.state == "failed"
    assert "lower the learning rate" in outcome.reason


MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("moods.yaml", "pfsa.yaml")]


@pytest.mark.parametrize("file", ["brackets.yaml", *MORE])
def test_other_languages_are_trained_on_too(tmp_path: Path, file: str) -> None:
    """A grammar of unbounded depth, a hidden machine and an automaton, all infinite, and cut at a horizon."""
    chosen = settings(compose(
        *SMALL[4:], "name=tiny", "grammar=unlisted", f"grammar.path={ROOT}/examples/grammars/{file}",
        "grammar.length=8", "restriction=regular", "restriction.pattern='.+'", "finetune.controls=[]", "judged.lost=0",
        f"outputs={tmp_path}",
    ))  # fmt: skip
    assert [one.reason for one in perform([chosen])] == [""]
    record = read(target(chosen))
    assert list(record.phases) == ["pretrain", "sft"]
    assert not any(name.startswith("lost") for name in record.phases["sft"].arrays), "none were asked for"
    assert record.rows["p_rows"].shape == (12, 8)


REFUSED = {
    "relearn.num_steps=5": "relearn.num_steps: 0 is required",
    "record=laws": "record: full is required",
    "finetune.probes=[sharpness]": "finetune.probes: nothing is required",
    "finetune.siblings=2": "finetune.siblings: 0 is required",
    "finetune.adapter.rank=2": "finetune.adapter.rank: null is required",
    "finetune.controls=[carried]": r"finetune.controls: \[identity\] or \[\] is required",
    "dial.entropy=2.0": "dial.entropy: null is required",
    "finetune.prefixes=all": "finetune.prefixes: sampled is required",
    "judged.rows=1": "judged.rows",
    "judged.lost=1": "judged.lost: 0, or at least 2 for an interval, is required, found 1",
    "grammar.depth=0": "grammar.depth",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_key_of_listed_languages_is_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(SpecificationError, match=REFUSED[override]):
        point(tmp_path, override)


BUILT = {
    "objective=ewc": "objective: one that computes nothing of q₀ in advance",
    "grammar.depth=30": "grammar.length: at most",
    "objective=replay": "objective: one that reads the strings of its batch",
    "objective@pretrain.objective=reverse_kl": "pretrain.objective: one that reads the strings of its batch",
    "model=tabular_trie": "model: one without a table of all prefixes",
    "restriction=fraction": "restriction",
}


@pytest.mark.parametrize("override", BUILT)
def test_what_needs_a_list_is_refused_before_any_training(tmp_path: Path, override: str) -> None:
    group = override.partition("=")[0]
    kept = [one for one in SMALL[4:] if not one.startswith(f"{group}.")]
    world = ["grammar=cfg3", "grammar.depth=3"] + ["restriction=everything"] * (group != "restriction")
    (outcome,) = perform([settings(compose(*kept, *world, override, f"outputs={tmp_path}"))])
    assert (outcome.state, outcome.mistake) == ("failed", True)
    assert BUILT[override] in outcome.reason
    assert "\n" not in outcome.reason


def test_judged_belongs_to_languages_that_are_not_listed(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="judged: the default is required"):
        settings(compose("judged.rows=7", f"outputs={tmp_path}"))
    listed = settings(compose(f"outputs={tmp_path}"))
    assert "judged" not in listed
    assert not is_unlisted(listed)


def test_python_says_which_command_does_it(tmp_path: Path) -> None:
    config = composed({"experiment": "cfg3"}, {"outputs": str(tmp_path)})
    with pytest.raises(SpecificationError, match=r"use python -m sim\.run"):
        performed(config, progress=False)


def test_a_published_grammar_is_read(tmp_path: Path) -> None:
    file = ROOT / "examples" / "grammars" / "cfg3b.json"
    rule = "[{lhs: AS, rhs: [AP, AQ, AR]}]"
    restriction = "restriction=sub_grammar", "restriction.symbols=[]", f"restriction.rules={rule}"
    run = build(settings(compose(*SMALL[4:], "grammar=unlisted", f"grammar.path={file}", "grammar.length=320",
                                 *restriction, f"outputs={tmp_path}")))  # fmt: skip
    facts = run.world.facts()
    assert facts["latent_entropy_p"] == pytest.approx(117.31, abs=0.01)
    assert facts["expected_length_p"] == pytest.approx(275.6, abs=0.05)
    assert facts["entropy_p"] is None
    assert facts["log_mass"] < 0


def test_tables_name_the_kinds_of_columns(done: tuple[Path, UnlistedRecord]) -> None:
    tables = unlisted.analyse(done[0])
    assert tables["numbers"].schema["lower"] == pl.Float64
    assert tables["seeds"].schema["runs"] == pl.Int64


def test_equal_counts_in_all_runs_are_no_certainty(done: tuple[Path, UnlistedRecord]) -> None:
    numbers = unlisted.analyse(done[0])["numbers"].filter(phase="sft", step=4, name="mass of what S keeps")
    equal = numbers.with_columns(estimate=pl.lit(0.0), lower=pl.lit(0.0), upper=pl.Series([0.2, 0.3]))
    row = over_seeds(equal).row(0, named=True)
    assert (row["estimate"], row["lower"], row["upper"]) == (0.0, 0.0, 0.3)


def test_a_number_that_one_run_lacks_is_not_a_mean(done: tuple[Path, UnlistedRecord]) -> None:
    numbers = unlisted.analyse(done[0])["numbers"].filter(phase="sft", step=4)
    first = numbers["run"][0]
    lacking = numbers.filter(~((pl.col("run") == first) & (pl.col("name") == "entropy of the model")))
    found = over_seeds(lacking)
    assert found.filter(name="entropy of the model")["lower"].to_list() == [None]
    assert found.filter(name="mass of what S keeps")["lower"].null_count() == 0
