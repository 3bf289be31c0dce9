import math

import numpy as np
import pytest

from sim.theory.bounds import collision_continuity, entropy_continuity, pinsker


def entropy(p: np.ndarray) -> np.ndarray:
    return -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)


def pairs(size: int, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(size)
    concentration = 10.0 ** generator.uniform(-1.5, 1.5, (2, count, 1))
    draws = generator.gamma(concentration, size=(2, count, size)) + 1e-12
    p, q = draws / draws.sum(axis=-1, keepdims=True)
    return p, q


@pytest.mark.parametrize("size", [2, 3, 10])
def test_bounds_hold_on_random_pairs(size):
    p, q = pairs(size)
    tv = np.clip(0.5 * np.abs(p - q).sum(axis=1), 0, 1)
    kl = np.sum(p * np.log(p / q), axis=1)
    assert (kl > -1e-12).all()
    kl = np.maximum(kl, 0.0)
    gap, collision = np.abs(entropy(p) - entropy(q)), np.abs((p**2).sum(axis=1) - (q**2).sum(axis=1))
    for t, k, h, c in zip(tv, kl, gap, collision, strict=True):
        assert h <= entropy_continuity(float(t), size) + 1e-12
        assert t <= pinsker(float(k)) + 1e-7
        assert c <= collision_continuity(float(k)) + 1e-7


def test_entropy_continuity_is_attained_at_every_distance():
    for size in (2, 5, 50):
        for t in np.linspace(0, 1, 21):
            p, q = np.zeros(size), np.full(size, t / (size - 1))
            p[0], q[0] = 1.0, 1.0 - t
            assert abs(entropy(q) - entropy(p)) == pytest.approx(entropy_continuity(float(t), size), abs=1e-12)


def test_the_constant_of_the_collision_bound_is_about_095():
    """Binary laws with the second atom spread thin: C(p) = a^2, KL = kl(a, b)."""
    a, b = np.meshgrid(np.linspace(0.005, 0.995, 199), np.linspace(0.005, 0.995, 199))
    kl = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))
    ratio = np.abs(a**2 - b**2)[a != b] / np.sqrt(kl[a != b])
    assert 0.93 < ratio.max() < 0.97


def test_ends_and_bad_arguments():
    assert entropy_continuity(0.0, 1) == entropy_continuity(1.0, 2) == 0.0
    assert pinsker(math.inf) == collision_continuity(math.inf) == 1.0
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], found 1\.1"):
        entropy_continuity(1.1, 3)
    with pytest.raises(ValueError, match="num_atoms must be at least 1"):
        entropy_continuity(0.5, 0)
    for bound in (pinsker, collision_continuity):
        with pytest.raises(ValueError, match="a divergence >= 0 is required, found nan"):
            bound(math.nan)
