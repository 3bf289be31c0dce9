import numpy as np
import pytest

from sim.theory.bounds import entropy_continuity


def entropy(p: np.ndarray) -> np.ndarray:
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def pairs(size: int, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(size)
    concentration = 10.0 ** generator.uniform(-1.5, 1.5, (2, count, 1))
    draws = generator.gamma(concentration, size=(2, count, size)) + 1e-12
    p, q = draws / draws.sum(axis=-1, keepdims=True)
    return p, q


@pytest.mark.parametrize("size", [2, 3, 10])
def test_it_holds_on_random_pairs(size):
    p, q = pairs(size)
    tv = np.clip(0.5 * np.abs(p - q).sum(axis=1), 0, 1)
    slack = entropy_continuity(tv, np.full(len(tv), size)) - np.abs(entropy(p) - entropy(q))
    assert slack.min() >= -1e-12
    assert slack.min() < 0.1, "some pairs come near it"


def test_it_is_attained_at_every_distance():
    for size in (2, 5, 50):
        tv = np.linspace(0, 1, 21)
        sure = np.eye(size)[:1]
        spread = np.column_stack([1 - tv, *([tv / (size - 1)] * (size - 1))])
        np.testing.assert_allclose(
            entropy(spread) - entropy(sure), entropy_continuity(tv, np.full(21, size)), rtol=0, atol=1e-12
        )


def test_its_ends_and_a_distance_that_is_none():
    np.testing.assert_array_equal(entropy_continuity(np.array([0.0, 1.0]), np.array([1, 2])), [0.0, 0.0])
    for distance in (1.1, -0.1, np.nan):
        with pytest.raises(ValueError, match=r"total_variation must lie in \[0, 1\], found"):
            entropy_continuity(np.array([distance]), np.array([3]))
