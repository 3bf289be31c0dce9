"""The largest KL(S‖q) between two evaluations, and the excursion, from numbers recorded after every step."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from sim.disk.records import Record
from sim.metrics.excursion import ROUNDOFF, excursion, rounded
from sim.metrics.table import residuals, rows, violations
from sim.quantity import Quantity
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


# -- the excursion ----------------------------------------------------------------------------------------------------


def excursion_of(by_step: list[float], start: float = 1.4, best: float = 0.0) -> Quantity | None:
    return excursion(np.array(by_step), start, best, recorded(*twins(3)).p.trie)


@pytest.mark.parametrize(
    ("by_step", "start", "best", "wanted"),
    [
        ([0.5, 0.03, 3.0, 0.01], 1.4, 0.0, 3.0),
        ([9.0, 0.03, 0.2, 0.01], 1.4, 0.0, 0.2),  # the peak is before the first crossing
        ([0.04, 0.03, 0.02], 1.4, 0.0, 0.03),  # the step of the crossing itself does not count
        ([2.0, 0.01], 0.02, 0.0, 2.0),  # the model began near the optimum
        ([0.9, 0.54, 0.7, 0.5], 1.4, 0.5, 0.2),
        ([0.52, 0.4, 0.3], 1.4, 0.5, -0.1),  # nearer to S than the optimum is
    ],
)
def test_it_is_the_largest_one_after_the_first_crossing(by_step, start, best, wanted) -> None:
    x = excursion_of(by_step, start, best)
    assert x is not None
    assert x.kind == "bounded"
    assert x.lower < wanted < x.upper
    assert x.width < 1e-3


def test_it_is_missing_where_it_is_not_defined() -> None:
    assert excursion_of([0.5, 0.06, 0.2]) is None, "it never crosses"
    assert excursion_of([0.5, 0.06, 0.01]) is None, "nothing comes after it"
    assert excursion_of([0.5, 0.01, 0.2], best=math.inf) is None


def test_the_bounds_allow_for_every_step_that_may_be_the_first() -> None:
    """Rounding hides whether step 1 is at the threshold. The next crossing is beyond doubt, and after the peak."""
    x = excursion_of([0.05, 1.0, 0.01, 0.2])
    assert x is not None
    assert x.lower == pytest.approx(0.2, abs=1e-3)
    assert x.upper == pytest.approx(1.0, abs=1e-3)
    assert excursion_of([0.05, 1.0]) is None, "it is not certain that there is a crossing"


def test_an_infinite_excursion_is_exact() -> None:
    x = excursion_of([0.01, math.inf, 0.02])
    assert x is not None
    assert x.exact
    assert x.value == math.inf


def test_the_table_has_one_row_of_a_phase_on_s() -> None:
    record = watched([(0.0, 0.01), (0.5, 3.0), *[(0.0, 0.5)] * 8])
    both = dataclasses.replace(record, phases={**record.phases, "identity": record.phases["sft"]})
    table = rows(both, ["excursion"])
    assert {(row["phase"], row["step"], row["of"]) for row in table} == {("sft", 10, "X")}
    assert {row["view"]: row["upper"] for row in table} == {
        "response": pytest.approx(3.0, abs=1e-3),
        "joint": pytest.approx(3.5, abs=1e-3),
    }
    unknown = {**record.config, "objective": {"kind": "sft"}}
    facts = {**record.facts, "optimum": "none"}
    assert not rows(dataclasses.replace(record, config=unknown, facts=facts, log_optimum=None), ["excursion"])
