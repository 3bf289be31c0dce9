"""The key `finetune.adapter`: hashes, which matrices are chosen, whole runs, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from sim.disk.records import read, run_hash
from sim.numerics import SpecificationError
from sim.running.build import build, settings
from sim.running.identity import pretraining_key
from sim.running.work import perform
from tests.composed import ROOT, compose

TINY = ("scale=smoke", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml", "restriction=regular",
        "restriction.pattern='.* please'", "pretrain.num_steps=4", "finetune.num_steps=4")  # fmt: skip


def chosen(*more: str) -> dict:
    return settings(compose(*TINY, *more))


# -- configurations ---------------------------------------------------------------------------------------------------


def test_training_everything_is_the_run_that_it_was_before_there_were_adapters() -> None:
    plain = chosen()
    assert "adapter" not in plain["finetune"]
    assert chosen("finetune.adapter.alpha=3.0") == plain, "without a rank there is no alpha"
    hashes = {run_hash(chosen(*(f"finetune.adapter.{one}" for one in more))) for more in
              ((), ("rank=1",), ("rank=2",), ("rank=1", "alpha=2.0"), ("rank=1", "matrices=output"),
               ("matrices=output",), ("matrices=inner",))}  # fmt: skip
    assert len(hashes) == 7
    once = chosen("finetune.adapter.rank=2")
    assert settings(once) == once
    assert once["finetune"]["adapter"] == {"rank": 2, "alpha": 8.0, "matrices": "all"}


def test_all_ranks_share_one_pretraining() -> None:
    keys = {
        pretraining_key(chosen(*more))
        for more in ((), ("finetune.adapter.rank=1",), ("finetune.adapter.matrices=mlp",))
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("matrices", "number"), [("all", 11), ("inner", 8), ("attention", 4), ("mlp", 4), ("output", 1), ("embedding", 2)]
)
def test_the_parts_of_a_transformer(matrices: str, number: int) -> None:
    run, _ = build(chosen("finetune.adapter.rank=2", f"finetune.adapter.matrices={matrices}"))
    assert run.finetune.adapter is not None
    found = dict(run.finetune.adapter.matrices)
    assert len(found) == number
    assert {name for name, first in found.items() if not first} == {name for name in found if ".down." in name}


def test_later_stages_have_the_adapter_and_learning_again_has_none() -> None:
    more = ("finetune.adapter.rank=1", "stages=[{num_steps:4}]", "relearn.num_steps=4", "relearn.num_evals=2")
    run, _ = build(chosen(*more))
    assert run.later[0].recipe.adapter == run.finetune.adapter
    assert run.relearn is not None
    assert run.relearn.adapter is None
    assert run.pretrain.adapter is None


REFUSED = [
    (("finetune.adapter.rank=0",), "finetune.adapter.rank: a positive integer or null is required, found 0"),
    (("finetune.adapter.alpha=0.0",), "finetune.adapter.alpha: a positive number is required, found 0"),
    (("+finetune.adapter.ranks=2",), "finetune.adapter.ranks: unknown argument of adapter (did you mean 'rank'?)"),
    (("finetune.adapter.matrices=head",), "finetune.adapter.matrices: one of 'all', 'inner', "),
    (("finetune.adapter.matrices=mlp", "model=tabular_trie"),
     "finetune.adapter.matrices: one of all is required, found mlp; choose another"),
    (("finetune.adapter.matrices=output", "model.tied=true"),
     "finetune.adapter.matrices: one of all, attention, embedding, mlp is required, found output; choose another"),
    (("finetune.adapter.rank=1", "model=tabular_strings"),
     "finetune.adapter.matrices: a model with matrices is required, found all; choose another"),
    (("finetune.adapter.rank=1", "finetune.controls=[linearised]"),
     "finetune.adapter: rank null and matrices all are required with the control linearised, found an adapter; leave"),
    (("finetune.adapter.rank=1", "objective.sharpness=0.05"),
     "finetune.adapter: rank null and matrices all are required with objective.sharpness, found an adapter; set"),
    (("finetune.probes=[hidden]", "model=tabular_trie"),
     "finetune.probes: a model with states is required for the probe hidden, found TabularTrie; choose another model"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "said"), REFUSED, ids=[" ".join(more) for more, _ in REFUSED])
def test_a_mistake_is_one_line(more: tuple[str, ...], said: str) -> None:
    with pytest.raises(SpecificationError) as refused:
        build(chosen(*more))
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


# -- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_with_an_adapter_is_recorded_with_full_parameters(tmp_path: Path) -> None:
    more = ("model=tabular_trie", "finetune.adapter.rank=1", "optimizer.learning_rate=0.1",
            "finetune.edits=[{kind:truncate,rank:1}]", "stages=[{num_steps:4,num_evals:2}]")  # fmt: skip
    (outcome,) = perform([chosen(*more) | {"outputs": str(tmp_path)}])
    assert outcome.error is None
    record = read(outcome.target, identified=True)
    start = record.params["pretrain"]["logits"].astype(np.float64)
    spectra = {
        name: np.linalg.svd(record.params[name]["logits"] - start, compute_uv=False)
        for name in ("sft", "identity", "stage_2")
    }
    for name in ("sft", "identity"):
        assert spectra[name][1] < 1e-5 * spectra[name][0], name
    assert spectra["stage_2"][1] > 1e-3 * spectra["stage_2"][0], "a fresh adapter adds directions"
    np.testing.assert_allclose(record.params["truncate_1"]["logits"], record.params["sft"]["logits"], atol=1e-6)
