"""The control of the page: the whole language, or random answers of equal mass and entropy, and how far these are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.classroom.test_page_laws import Laws, World, numbers


@pytest.mark.parametrize("change", [{}, {"temperature": 0.3}, {"answers": 3}, {"replay": 0.2}], ids=str)
def test_a_style_blind_control_tells_how_far_its_data_are(
    laws: Laws, world: Callable[[str], World], change: dict[str, Any]
) -> None:
    """Mass is that of P on what is kept; entropy is that of the final data, whatever happened to them."""
    one = world("english")
    p, prompt, styles = np.exp(one["logP"]), np.array(one["prompt"]), np.array(one["style"])
    settings = {"style": 1, "control": "style_blind", "seed": 2} | change
    found, tuning = laws("control", "@english", settings), laws("target", "@english", settings)
    kept = np.array(found["kept"])
    s, control = np.exp(numbers(tuning["logS"])), np.exp(numbers(found["logS"]))
    mass, entropy = [], []
    for x in range(4):
        own, law = prompt == x, p * (prompt == x) / p[prompt == x].sum()
        assert not np.array_equal(kept[own], styles[own] == 1)
        mass.append(abs(law[kept].sum() / law[styles == 1].sum() - 1))
        entropy.append(abs(stats.entropy(control[own]) - stats.entropy(s[own])))
    assert found["mismatch"]["mass"] == pytest.approx(max(mass), abs=1e-9)
    assert found["mismatch"]["entropy"] == pytest.approx(max(entropy), abs=1e-9)
    assert max(mass) < 0.02
    narrowed = "temperature" in change or "answers" in change  # what was matched is the entropy before
    assert (max(entropy) > 0.1) if narrowed else (max(entropy) < 0.02)


def test_the_control_on_the_whole_language_keeps_everything(laws: Laws) -> None:
    assert laws("control", "@english", {"control": "identity", "replay": 0.5})["kept"] == [True] * 128


@pytest.mark.parametrize(("name", "settings"), [("@english", {"keep": "everything"}), ("@examples", {"style": 0})])
def test_there_is_no_style_blind_control_where_no_answer_is_left_out(
    laws: Laws, name: str, settings: dict[str, Any]
) -> None:
    """In the world "examples" every answer has a share of every style, so the only random set is S itself."""
    line = laws("control", name, settings | {"control": "style_blind"})["error"]
    assert line.startswith("control: a part of P that leaves out answers is required")
    part = laws("control", name, {"keep": "random_half", "control": "style_blind"})
    assert part["kept"] != laws("target", name, {"keep": "random_half"})["kept"]
