"""The stand-in for the models of a run: the recorded arrays of the uniform model, and which numbers a run will have."""

import numpy as np
import pytest

from sim.metrics.frames import metrics_table
from sim.metrics.named import named
from sim.numerics import SpecificationError
from sim.running.build import settings
from sim.running.single import bring
from sim.running.standin import check_number, standin, uniform
from sim.training.node_record import node_record
from tests.composed import ROOT, compose

WORLD = ("scale=smoke", "model=tabular_trie", "grammar=file", f"grammar.path={ROOT}/examples/grammars/strings.yaml",
         "restriction=regular", "restriction.pattern=a .*", "pretrain.num_steps=4",
         "finetune.num_steps=4")  # fmt: skip


def test_the_arrays_are_those_of_constant_logits() -> None:
    trie = standin(settings(compose(*WORLD))).p.trie
    found, expected = uniform(trie), node_record(np.zeros((trie.num_nodes, trie.vocab_size)), trie)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-13, atol=1e-15, err_msg=name)


@pytest.mark.slow
def test_a_run_has_the_numbers_that_its_stand_in_has(tmp_path) -> None:
    chosen = settings(compose(*WORLD, "relearn.num_steps=2", f"outputs={tmp_path}"))
    columns = ["phase", "view", "metric", "of", "at", "prompt_law"]
    expected, found = (metrics_table(record) for record in (bring(chosen)[1], standin(chosen)))
    expected, found = (set(one.select(columns).unique().rows()) for one in (expected, found))
    beside = {row for row in expected if row[2] == "identity"}  # what was checked when the record was published
    assert beside
    assert found - beside == expected - beside


@pytest.mark.parametrize(
    ("text", "more", "refusal"),
    [
        ("entropy", (), "one number is required, found 2 for 'entropy'"),
        ("entropy prompt_law=P(x)", (), "a number is required, found one that may be only bounded for 'entropy"),
        ("fisher", (), "one number is required, found none for 'fisher'"),
        ("kl of=P||q phase=recovery", (), "one of the phases pretrain, sft, identity, truth is required, found "),
        ("kl phase=linearised", ("finetune.probes=[tangent]",), "one of the phases pretrain, sft, identity, truth "),
        ("kl phase=truncate_2", (), "one of the phases pretrain, sft, identity, truth "),
        ("kl of=P||q", (), None),
        ("kl of=P||q phase=truncate_2", ("finetune.edits=[{kind: truncate, rank: 2}]",), None),
        ("kl of=P||q phase=recovery", ("relearn.num_steps=2",), None),
        ("fisher", ("finetune.probes=[tangent]",), None),
    ],
)
def test_what_a_run_will_not_have_is_refused_before_it(text: str, more: tuple[str, ...], refusal: str | None) -> None:
    chosen = settings(compose(*WORLD, *more))
    if refusal is None:
        check_number(chosen, named(text, "x"))
        return
    with pytest.raises(SpecificationError) as found:
        check_number(chosen, named(text, "x"))
    assert str(found.value).startswith(f"x: {refusal}")
    assert "\n" not in str(found.value)
