"""C3.8: what two models that were tuned on other answers to the same prompts have in common, against cases by hand."""

import math

import numpy as np
import pytest

from experiments.c3_answers.copying import donated, in_common

SHOWN = np.array([True, True, False, False])
TOPIC = np.zeros(4, int)
FLAT = np.full((4, 4), 0.25)


def says(*answers: int) -> np.ndarray:
    """Each prompt is sure of one of four answers."""
    return np.eye(4)[list(answers)]


def data(one: int, other: int) -> np.ndarray:
    """The answers to the two shown prompts; held-out prompts have none."""
    return np.eye(4)[[one, other, 0, 0]] * SHOWN[:, None]


def found(first: np.ndarray, again: np.ndarray) -> dict[str, float | None]:
    """The data say 0 and 1 at first, and then 2 and 3."""
    return in_common([first, again], [data(0, 1), data(2, 3)], FLAT, TOPIC, SHOWN)


def test_prompts_that_copy_the_same_trained_prompts_keep_them_and_not_their_answers() -> None:
    """The first held-out prompt copies the first shown prompt, and the second one the second."""
    both = found(says(0, 1, 0, 1), says(2, 3, 2, 3))
    assert both == {"donors": 1.0, "answers": 0.0, "differ": pytest.approx(math.log(2)), "differ_p": 0.0}
    swapped = found(says(0, 1, 0, 1), says(2, 3, 3, 2))
    assert swapped["donors"] == -1.0


def test_prompts_that_sharpen_their_own_law_keep_their_answers() -> None:
    law = np.array([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]])
    q = np.vstack([says(0, 1), law])
    both = found(q, q)
    assert both["answers"] == pytest.approx(1.0)
    assert both["donors"] == pytest.approx(_by_hand(law), rel=1e-12)


def _by_hand(law: np.ndarray) -> float:
    """The correlation of the weights of the first shown prompt, which decide the others: of two prompts, ±1."""
    first, again = law[:, 0] / law[:, :2].sum(axis=1), law[:, 2] / law[:, 2:].sum(axis=1)
    return float(np.sign(np.diff(first)[0] * np.diff(again)[0]))


def test_one_law_for_the_topic_has_no_correlation() -> None:
    both = found(says(0, 1, 0, 0), says(2, 3, 2, 2))
    assert (both["donors"], both["answers"], both["differ"]) == (None, None, 0.0)


def test_topics_without_two_prompts_of_each_kind_are_left_out() -> None:
    none = dict.fromkeys(("donors", "answers", "differ", "differ_p"))
    q = says(0, 1, 0, 1)
    assert in_common([q, q], [data(0, 1)] * 2, FLAT, np.array([0, 1, 0, 1]), SHOWN) == none


def test_the_mass_of_an_answer_is_divided_among_the_prompts_that_have_it() -> None:
    q, s = np.array([[0.6, 0.3, 0.1]]), np.eye(3)[[0, 0, 1]]
    np.testing.assert_allclose(donated(q, s), [[1 / 3, 1 / 3, 1 / 3]])
    np.testing.assert_allclose(donated(q, s[1:]), [[2 / 3, 1 / 3]])
