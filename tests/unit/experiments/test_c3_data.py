"""C3: what is known of the data of a run, and what held-out prompts share, against numbers by hand."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from experiments import c3_dials
from experiments.c3_answers.truth import held_out_loss, topics_of
from sim.config import construct
from sim.show.blocks import Paragraph, Table

WORLD = {"kind": "topics", "num_prompts": 6, "num_topics": 2, "answers_per_prompt": 3, "num_symbols": 2, "seed": 3}


def record(restriction: dict[str, Any], shown: bool = True) -> Any:
    p, _ = construct("grammar", {**WORLD, "shown": shown}, "grammar")
    return SimpleNamespace(
        p=p, restricted=construct("restriction", restriction, "restriction", p), config={"grammar": WORLD}
    )


@pytest.mark.parametrize("shown", [True, False])
def test_prompts_have_their_topics(shown):
    one = record({"kind": "answers"}, shown)
    names = [one.p.vocabulary.decode(row) for row in one.p.trie.strings]
    expected = {x: int(name.split("x")[1].split()[0]) % 2 for x, name in zip(one.p.prompts.group, names, strict=True)}
    assert topics_of(one).tolist() == [expected[x] for x in range(6)]


def test_the_loss_is_that_of_all_data_sets_of_a_topic():
    """By enumeration of all data sets of N draws from the mean law of the topic."""
    one = record({"kind": "answers", "num_answers": 2, "num_prompts": 3, "seed": 1})
    p, s, topic = one.p, one.restricted.s, topics_of(one)
    laws = np.exp(p.answers).reshape(6, 3)
    shown = s.prompts.log_p > -np.inf
    losses = []
    for x in np.flatnonzero(~shown):
        own = laws[(topic == topic[x]) & shown]
        if not len(own):
            losses.append(0.0)
            continue
        law, number = own.mean(axis=0), 2 * len(own)
        mean = 0.0
        for drawn in itertools.product(range(3), repeat=number):
            share = np.bincount(drawn, minlength=3) / number
            mean += math.prod(law[list(drawn)]) * -sum(v * math.log(v) for v in share if v > 0)
        losses.append(-float(law @ np.log(law)) - mean)
    loss, empty, bits = held_out_loss(one, 2)
    assert loss == pytest.approx(np.mean(losses), rel=1e-10)
    assert empty == sum(not ((topic == t) & shown).any() for t in set(topic[~shown].tolist()))
    assert bits == pytest.approx(-2 * float((laws[shown] * np.log2(laws[shown])).sum()), rel=1e-12)


def test_all_prompts_in_the_data_leave_nothing_to_lose():
    assert held_out_loss(record({"kind": "answers", "num_answers": 1}), 1)[:2] == (0.0, 0)


def test_prompts_that_copy_different_answers_are_diverse_together():
    """Two held-out prompts of one topic: each sure of its own answer, of which the data have the first."""
    q = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
    data = np.array([[False] * 3, [False] * 3, [True, False, False]])
    found = c3_dials.shared(q, data, np.zeros(3, int), np.array([False, False, True]))
    assert found == {"each": 0.0, "together": pytest.approx(math.log(2)), "copied": 0.5}
    assert c3_dials.shared(q, data, np.zeros(3, int), np.ones(3, bool)) == dict.fromkeys(("each", "together", "copied"))


def test_cells_are_means_over_worlds_and_the_report_counts_valid_runs():
    setup = dict.fromkeys(c3_dials.SETUP) | {"part": "cells", "m": 4, "n": 16, "kappa": 0.2}
    rows = [
        setup | dict.fromkeys(c3_dials.QUANTITIES, float(seed)) | {"seed": seed, "valid": seed < 3} for seed in range(4)
    ]
    runs = pl.DataFrame(rows)
    found = c3_dials.cells(runs.filter("valid"))
    assert set(found["mean"]) == {1.0}
    assert set(found["worlds"]) == {3}
    _, table, last = c3_dials.report({"runs": runs, "cells": found})
    assert isinstance(table, Table)
    assert len(table.rows) == 1
    assert isinstance(last, Paragraph)
    assert last.text.startswith("3 of 4 runs are valid")
    assert isinstance(c3_dials.report({"runs": runs, "cells": pl.DataFrame()})[1], Paragraph)
