"""The random hidden machine: its length, its latent styles, and its law against the machine, one string at a time."""

import math

import numpy as np
import pytest

from sim.grammars.hidden_machine import hidden_machine, label
from sim.laws.narrowing import narrowed
from sim.laws.reading import law
from sim.numerics import SpecificationError


@pytest.mark.parametrize("seed", range(3))
def test_length_and_styles_are_as_asked(seed: int) -> None:
    machine = hidden_machine(num_states=31, styles=(2.0, 0.0, 1.0), mean_length=7.5, seed=seed).language
    assert machine.expected_length() == pytest.approx(7.5, rel=1e-12)
    parts = [narrowed(law(machine), "sub_grammar", states=[f"start {style}"]) for style in range(3)]
    for one in parts:
        assert one.log_mass == pytest.approx(math.log(2 / 3))
        assert not one.of_strings, "a string may be of several styles"
    rows = law(machine).sample(np.random.default_rng(seed), 40)
    shares = np.exp([one.law.log_prob(rows) + one.log_mass - law(machine).log_prob(rows) for one in parts])
    assert shares.sum(axis=0) == pytest.approx(2.0), "every path is of one style, so two of three parts hold it"


def test_a_larger_exponent_makes_a_narrower_style() -> None:
    machine = hidden_machine(styles=(2.0, 0.0)).language
    narrow, varied = (narrowed(law(machine), "sub_grammar", states=[f"start {style}"]) for style in (1, 0))
    assert narrow.law.language.entropy_bounds().upper < varied.law.language.entropy_bounds().lower


def test_the_law_of_many_states_is_that_of_the_machine() -> None:
    """Batches by lists of arcs, against a product with a matrix for each token, one string at a time."""
    machine = hidden_machine().language
    own = law(machine)
    rows = own.sample(np.random.default_rng(5), 8)
    wrong = rows.copy()
    wrong[:, 3] = np.where(wrong[:, 3] > 0, 1 + wrong[:, 3] % 26, 0)  # mostly impossible
    laws, prefixes = own.next_token(np.concatenate([rows, wrong])), own.prefix_log_prob(np.concatenate([rows, wrong]))
    for row, found, sums in zip(np.concatenate([rows, wrong]), laws, prefixes, strict=True):
        for t in range(int((row > 0).sum()) + 1):
            prefix = row[:t].tolist()
            assert sums[t] == pytest.approx(machine.log_prefix(prefix), rel=1e-10)
            if sums[t] > -np.inf:
                assert found[t] == pytest.approx(np.exp(machine.next_log_probs(prefix)), abs=1e-12)
            else:
                assert not found[t].any()
    assert (prefixes[8:, -1] == -np.inf).any(), "impossible strings were tried too"


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(SpecificationError, match="at least one style, and two of the 3 states for each"):
        hidden_machine(num_states=3, styles=(0.0, 0.0))
    with pytest.raises(SpecificationError, match="at least one style"):
        hidden_machine(styles=())
    for mean_length in (0.5, math.inf, math.nan):
        with pytest.raises(SpecificationError, match="mean_length: a number from 1 up"):
            hidden_machine(mean_length=mean_length)
    with pytest.raises(SpecificationError, match="length is required"):
        hidden_machine(length=None)
    assert label() == "hidden machine of 100 states in 2 styles"
