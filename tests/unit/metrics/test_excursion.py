"""The largest KL(S‖q) between two evaluations, from numbers that were recorded after every step."""

import dataclasses
from fractions import Fraction

import numpy as np

from sim.disk.records import Record
from sim.metrics.excursion import ROUNDOFF, rounded
from sim.metrics.table import residuals, rows, violations
from tests.unit.metrics.small_worlds import BAR, World, log
from tests.unit.recorded_worlds import recorded, twins


def split_kl(world: World) -> tuple[float, float]:
    """KL(S‖q) of the prompt and of the answer given the prompt, over documents, in fractions."""

    def of_prompts(law: dict[tuple[int, ...], Fraction]) -> dict[tuple[int, ...], Fraction]:
        found: dict[tuple[int, ...], Fraction] = {}
        for document, value in law.items():
            if BAR in document:
                x = document[: document.index(BAR) + 1]
                found[x] = found.get(x, Fraction(0)) + value
        return found

    of_s, of_q = of_prompts(world.s), of_prompts(world.q)
    prompt = sum(float(value) * (log(value) - log(of_q[x])) for x, value in of_s.items() if value)
    whole = sum(float(v) * (log(v) - log(world.q[document])) for document, v in world.s.items() if v)
    return prompt, whole - prompt


def watched(found: list[tuple[float, float]]) -> Record:
    """Two evaluations ten steps apart, the last one of the given model, with these numbers after each step."""
    record = recorded(*twins(3))
    sft = dataclasses.replace(record.phases["sft"], kl_every_step=np.array(found))
    return dataclasses.replace(record, phases={**record.phases, "sft": sft})


def test_it_is_the_largest_of_the_steps_after_the_previous_evaluation() -> None:
    last = split_kl(twins(3)[1])
    record = watched([(0.5, 1.0), (2.0, 3.0), (0.1, 70.0), *[(0.0, 0.5)] * 6, last])
    found = rows(record, ["largest_fit_kl"])
    assert {(row["phase"], row["step"]) for row in found} == {("sft", 10)}, (
        "none at the start, none where none is known"
    )
    for view, top, law in (("response", 70.0, "S(x)"), ("joint", 70.1, "")):
        (row,) = (row for row in found if row["view"] == view)
        assert row["prompt_law"] == law
        assert row["exactness"] == "bounded"
        assert row["lower"] < top < row["upper"]
        assert row["upper"] - row["lower"] < 1e-3


def test_an_infinite_one_is_exact() -> None:
    record = watched([(0.0, np.inf)] * 10)
    assert {(row["value"], row["exactness"]) for row in rows(record, ["largest_fit_kl"])} == {(np.inf, "exact")}


def test_the_last_one_has_to_be_that_of_the_last_evaluation() -> None:
    prompt, answer = split_kl(twins(3)[1])
    good = residuals(watched([(0.0, 0.0)] * 9 + [(prompt, answer)]))
    assert abs(good["sft/joint"]["kl_every_step"]) < 1e-12
    assert abs(good["sft/response"]["kl_every_step"]) < 1e-12
    assert "kl_every_step" not in good["identity/joint"]
    assert not violations(good)
    shifted = residuals(watched([(0.0, 0.0)] * 9 + [(prompt + 1e-3, answer - 1e-3)]))
    assert abs(shifted["sft/joint"]["kl_every_step"]) < 1e-12
    assert [line for line in violations(shifted) if "kl_every_step" in line]


def test_the_bounds_of_rounding_hold_for_hard_sums() -> None:
    """Long sums of many small terms in float32, one after the other, against float64; and the bounds are not empty."""
    dice = np.random.default_rng(0)
    trie = recorded(*twins(3)).p.trie
    worst = 0.0
    for _ in range(200):
        law = dice.dirichlet(np.full(trie.vocab_size, 0.3))
        logits = dice.normal(scale=4.0, size=trie.vocab_size).astype(np.float32)
        law, log_law = (part.astype(np.float32) for part in (law, np.log(law)))
        shifted = logits - logits.max()
        log_q = shifted - np.log(np.add.accumulate(np.exp(shifted))[-1], dtype=np.float32)
        each = np.add.accumulate(law * (log_law - log_q), dtype=np.float32)[-1]
        found = np.add.accumulate(np.full(trie.length, each, np.float32))[-1]
        wide = logits.astype(np.float64) - logits.max()
        exact = trie.length * float(
            np.sum(law * (np.log(law.astype(np.float64)) - wide + np.log(np.sum(np.exp(wide)))))
        )
        bounds = rounded(float(found), trie)
        assert bounds.lower <= exact <= bounds.upper
        worst = max(worst, abs(float(found) - exact) / (bounds.upper - bounds.lower))
    assert worst > 1e-3, "they are no more than some hundred times too wide"
    assert ROUNDOFF == float(np.finfo(np.float32).eps) / 2
