"""The threshold of Gavish and Donoho: their own constants, a quadrature, and noise of known size."""

import mpmath
import numpy as np
import pytest

from sim.theory.shrinkage import coefficient, hard_threshold, noise_median


def test_the_constants_of_the_paper() -> None:
    assert coefficient(1.0) == pytest.approx(4 / 3**0.5, rel=1e-14)
    assert coefficient(1.0) / noise_median(1.0) == pytest.approx(2.858, abs=5e-4)
    for aspect in (0.05, 0.3, 0.5, 0.7, 0.95):
        found = coefficient(aspect) / noise_median(aspect)
        about = 0.56 * aspect**3 - 0.95 * aspect**2 + 1.82 * aspect + 1.43
        assert found == pytest.approx(about, abs=0.02), "their polynomial, equation 5"


@pytest.mark.parametrize("aspect", [0.02, 0.3, 0.75, 1.0])
def test_half_of_the_law_of_marchenko_and_pastur_lies_below_the_median(aspect: float) -> None:
    low, high = (1 - aspect**0.5) ** 2, (1 + aspect**0.5) ** 2

    def density(x: mpmath.mpf) -> mpmath.mpf:
        return mpmath.sqrt((high - x) * (x - low)) / (2 * mpmath.pi * aspect * x)

    below = mpmath.quad(density, [low, noise_median(aspect) ** 2])
    assert float(below) == pytest.approx(0.5, abs=1e-9)


def test_noise_does_not_stand_out_and_a_strong_signal_does() -> None:
    dice = np.random.default_rng(3)
    noise = 0.1 * dice.standard_normal((200, 120))
    values = np.linalg.svd(noise, compute_uv=False)
    assert values[0] < hard_threshold(values, noise.shape)
    signal = noise + 20.0 * np.outer(np.ones(200) / 200**0.5, np.ones(120) / 120**0.5)
    values = np.linalg.svd(signal, compute_uv=False)
    assert int(np.sum(values > hard_threshold(values, signal.shape))) == 1
    assert hard_threshold(values, (120, 200)) == hard_threshold(values, (200, 120))


@pytest.mark.parametrize("aspect", [0.0, 1.5, -1.0])
def test_a_longer_side_in_the_place_of_the_shorter_one_is_refused(aspect: float) -> None:
    with pytest.raises(ValueError, match="aspect: a number above 0 and at most 1 is required"):
        noise_median(aspect)
