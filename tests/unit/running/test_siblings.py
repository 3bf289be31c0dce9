"""The key `finetune.siblings` and the edit `soup`: hashes that stay, refusals, phases of a record, and what differs."""

import copy
import dataclasses
import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from figures.curves import tuned
from sim.disk.records import Record, read, run_hash
from sim.interface.model import model_of
from sim.metrics.frames import phases_table, stages_table
from sim.metrics.mixtures import ARITHMETIC, BY_STRING, BY_TOKEN
from sim.metrics.named import named
from sim.metrics.scored import VIEWS
from sim.metrics.table import rows
from sim.numerics import SpecificationError
from sim.phases import MEANINGS, is_sibling, restored, siblings, stored
from sim.running import plan
from sim.running.build import build, settings
from sim.running.identity import pretraining_key
from sim.running.memory import run_bytes
from sim.running.standin import standin
from sim.running.work import perform
from sim.show.progress import Progress
from sim.training.simulation import finetunings, signature
from tests.composed import compose
from tests.unit.running.test_editing import SMALL

SOUPS = "finetune.edits=[{kind: soup, size: 2},{kind: soup, size: 3},{kind: interpolate, weight: 0.25}]"
SIBLINGS = ["sibling_1", "sibling_2"]
KINDS = (ARITHMETIC, BY_TOKEN, BY_STRING)


def chosen(*more: str, where: Path | str = "x") -> dict[str, Any]:
    return settings(compose(f"outputs={where}", *SMALL, *more))


# -- the configuration ------------------------------------------------------------------------------------------------


def test_without_siblings_a_run_keeps_its_hash() -> None:
    written = compose("scale=smoke")
    assert written["finetune"]["siblings"] == 0
    older = copy.deepcopy(written)
    del older["finetune"]["siblings"]
    assert "siblings" not in settings(written)["finetune"]
    assert run_hash(settings(written)) == run_hash(settings(older))
    plain, more = chosen(), chosen("finetune.siblings=2")
    assert pretraining_key(plain) == pretraining_key(more)
    assert run_hash(plain) != run_hash(more)
    assert settings(more) == more


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("finetune.siblings=-1",), "finetune.siblings: a non-negative integer is required, found -1"),
        ((SOUPS,), "finetune.siblings: at least 1 is required for the edit soup, found 0; set it"),
        (("finetune.siblings=1", "finetune.edits=[{kind: soup, size: 1}]"),
         "finetune.edits[0].size: an integer of at least 2 is required, found 1"),
        (("finetune.siblings=1", "finetune.edits=[{kind: soup}]"),
         "finetune.edits[0].size: an integer of at least 2 is required, found nothing"),
        (("finetune.siblings=1", "finetune.edits=[{kind: soup, size: 2, of: identity}]"),
         "finetune.edits[0].of: sft is required for soup, which needs siblings, found identity; leave it out"),
        (("finetune.siblings=1", "finetune.edits=[{kind: soup, size: 2, siblings: 3}]"),
         "finetune.edits[0].siblings: unknown argument of soup; it takes size"),
        (("finetune.siblings=1", SOUPS),
         "finetune.edits[1]: size: at most 1 + finetune.siblings (2) is required, found 3; set finetune.siblings to 2"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_anything_is_trained(more: tuple[str, ...], line: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        build(chosen(*more))
    assert str(refused.value) == line


def test_siblings_count_where_work_and_memory_are_planned() -> None:
    plain, more = chosen(), chosen("finetune.siblings=3")
    tuning = plain["finetune"]["num_steps"] * plain["finetune"]["batch_size"]
    assert plan.cost(more) - plan.cost(plain) == 3 * tuning
    assert plan.hint(more) != plan.hint(plain)
    runs = [build(one)[0] for one in (plain, more)]
    assert signature(runs[0]) != signature(runs[1])
    host, device = (np.array([run_bytes(run, "shards")[at] for run in runs]) for at in (0, 1))
    assert device[1] == device[0] * (1 + 1 + 3) / (1 + 1)
    assert host[1] > host[0]


# -- the record -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def souped(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A run with two siblings and soups."""
    where = tmp_path_factory.mktemp("siblings")
    noisy = ("finetune.siblings=2", SOUPS, "objective.targets=sampled", "finetune.batch_size=4",
             "optimizer.learning_rate=3.0")  # fmt: skip
    (found,) = perform([chosen(*noisy, where=where)])
    assert found.state == "finished"
    return read(found.target)


def test_phases_have_the_meanings_that_the_stand_in_has(souped: Record) -> None:
    record = souped
    edits = ["soup_2", "soup_3", "interpolate_0.25"]
    assert list(record.phases) == ["pretrain", "sft", "identity", *SIBLINGS, *edits]
    assert {phase: record.meanings[phase] for phase in SIBLINGS} == siblings(2)
    assert record.meanings["sibling_2"].title == "sibling 2: the same fine-tuning on S with other random draws"
    assert record.meanings["soup_3"].title == "edit of the model finetuned: mean of the weights of 3 fine-tunings"
    assert [record.meanings[name].parts for name in ("sft", *edits)] == [
        (), (("sft", 0.5), ("sibling_1", 0.5)), tuple((name, 1 / 3) for name in ("sft", *SIBLINGS)),
        (("pretrain", 0.75), ("sft", 0.25)),
    ]  # fmt: skip
    assert standin(chosen("finetune.siblings=2", SOUPS)).meanings == record.meanings


def test_a_soup_is_the_mean_of_the_parameters_in_the_record(souped: Record) -> None:
    ends = [np.float64(souped.params[name]["logits"]) for name in ("sft", *SIBLINGS)]
    for size in (2, 3):
        expected = np.float32(sum(ends[:size]) / size)
        np.testing.assert_array_equal(souped.params[f"soup_{size}"]["logits"], expected)
    assert not np.array_equal(ends[0], expected)


def test_siblings_start_at_q0_and_differ_in_their_draws_alone(souped: Record) -> None:
    more = souped
    for phase in ("sft", *SIBLINGS):
        for name, values in more.phases[phase].arrays.items():
            np.testing.assert_array_equal(values[0], more.phases["pretrain"].arrays[name][-1])
    assert more.phases["sibling_1"].kl_every_step is not None
    ends = [more.params[phase]["logits"] for phase in ("sft", *SIBLINGS)]
    assert not any(np.array_equal(ends[a], ends[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


@pytest.mark.slow
def test_where_nothing_is_drawn_a_sibling_is_the_fine_tuning_itself(tmp_path: Path) -> None:
    (found,) = perform([chosen("finetune.siblings=1", "finetune.prefixes=all", where=tmp_path)])
    record = read(found.target)
    np.testing.assert_array_equal(record.params["sibling_1"]["logits"], record.params["sft"]["logits"])


MEANS = {"soup_2": ("sft", "sibling_1"), "soup_3": ("sft", *SIBLINGS), "interpolate_0.25": ("pretrain", "sft")}


def test_the_mean_of_trie_tables_is_the_geometric_mixture_per_token(souped: Record) -> None:
    """For P and for S, in both views."""
    apart = []
    for view in VIEWS:
        found = {(row["phase"], row["metric"], row["of"], row["at"], row["prompt_law"]): row
                 for row in rows(souped, ["kl", "mixture_kl"], [view])}  # fmt: skip
        laws = ("P(x)", "S(x)") if view == "response" else ("", "")
        for mean in MEANS:
            for truth, law in zip("PS", laws, strict=True):
                itself = found[mean, "kl", f"{truth}||q", "", law]["value"]
                mixed = {at: found[mean, "mixture_kl", f"{truth}||m", at, law] for at in KINDS}
                assert mixed[BY_TOKEN]["value"] == pytest.approx(itself, abs=3e-6)
                apart.append(abs(mixed[ARITHMETIC]["value"] - itself))
    assert max(apart) > 0.01, "the arithmetic mixture is another law"


def test_a_mixture_is_at_most_as_far_as_its_parts_on_average(souped: Record) -> None:
    weights = {phase: dict(souped.meanings[phase].parts) for phase in MEANS}
    last: dict[tuple[str, ...], float] = {}
    for row in rows(souped, ["kl", "mixture_kl"], ["response"]):  # in the order of the steps
        last[row["phase"], row["metric"], row["of"], row["at"], row["prompt_law"]] = row["upper"]
    for mean, kind, (truth, law) in itertools.product(MEANS, KINDS, (("P", "P(x)"), ("S", "S(x)"))):
        parts = (w * last[phase, "kl", f"{truth}||q", "", law] for phase, w in weights[mean].items())
        assert last[mean, "mixture_kl", f"{truth}||m", kind, law] < sum(parts) + 1e-9


def test_a_sibling_draws_its_own_batches_and_factors_of_an_adapter() -> None:
    run, _ = build(chosen("finetune.adapter.rank=1", "finetune.siblings=2"))
    found = finetunings(run, run.model.init(jax.random.key(0)))
    alone = finetunings(dataclasses.replace(run, siblings=0), run.model.init(jax.random.key(0)))
    assert list(found) == [*alone, *SIBLINGS]
    keys = {name: tuple(jax.random.key_data(one.job.key).tolist()) for name, one in found.items()}
    assert len({*keys.values()}) == len(keys) == 4
    assert all(tuple(jax.random.key_data(one.job.key).tolist()) == keys[name] for name, one in alone.items())
    factors = {name: tuple(one.job.phase.optimizer.dice.tolist()) for name, one in found.items()}
    assert factors["sft"] == factors["identity"], "a control has those of what it controls"
    assert len({factors[name] for name in ("sft", *SIBLINGS)}) == 3


def test_the_progress_says_what_is_trained_beside(capsys: pytest.CaptureFixture[str]) -> None:
    for siblings_, losses, words in (
        (2, 4, ", control on P, 2 siblings:"), (2, 3, ", 2 siblings:"), (1, 2, ", 1 sibling:"),
        (0, 2, ", control on P:"),
        (2, 1, ":"),  # such as a linearised model, which is trained alone
    ):  # fmt: skip
        with Progress(siblings_) as progress:
            progress.update("finetune", 10, 10, [1.0] * losses)
        assert capsys.readouterr().err.startswith(f"fine-tuning on S{words} step 10 of 10")


def test_reports_and_figures_take_siblings_for_no_control_and_no_stage(souped: Record) -> None:
    table = phases_table(souped)
    assert tuned({"phases": table}) == ["sft", "identity"]
    assert table.filter(role="sibling")["phase"].to_list() == SIBLINGS
    assert set(stages_table(souped)["phase"]) == {"pretrain", "sft", "identity"}


def test_a_sibling_and_a_soup_can_be_asked_and_named(souped: Record) -> None:
    for model in ("sibling_2", "soup_3"):
        assert len(model_of(souped, model).sample(2)) == 2
        assert named(f"kl of=P||q phase={model}", "x").phase == model
    with pytest.raises(SpecificationError, match=r"^x: phase: one of "):
        named("kl phase=sibling_0", "x")
    assert [is_sibling(name) for name in ("sibling_1", "sibling_12", "sibling_0", "sibling", "a_sibling_1")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_meanings_are_restored_from_records_of_every_age(souped: Record) -> None:
    found = souped.meanings
    written = stored(found, found)
    assert restored(written, written) == found
    assert {name for name, one in written.items() if "parts" in one} == {"soup_2", "soup_3", "interpolate_0.25"}
    assert restored(["sft"], {"sft": dataclasses.asdict(MEANINGS["sft"]) | {"parts": []}}) == {"sft": MEANINGS["sft"]}
    assert restored(["sft"], None) == {"sft": MEANINGS["sft"]}
