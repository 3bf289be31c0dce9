"""C1.7 and C1.8 by a second route: random subsets and varied styles, by exact fractions and one by one."""

import math
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from scipy import stats

from experiments.c1_entropy import subsets as drawn
from experiments.c1_entropy.controls import with_controls
from experiments.c1_entropy.styles import parts
from experiments.c1_entropy.tables import NEEDS
from experiments.study import Study
from sim.config import members
from sim.grammars.styles_content import styles_content
from sim.metrics.frames import metrics_table
from tests.composed import unlisted_grammars
from tests.unit.experiments.tiny_studies import archived, study, variant
from tests.unit.figures.tiny_runs import world


def entropy(weights: list[Fraction]) -> float:
    """H of some weights [nat], divided exactly by their sum; rounded once for each and once in the end."""
    total = sum(weights)
    return -math.fsum(float(one / total) * math.log(one / total) for one in weights)


# -- C1.7 -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weighed() -> drawn.Weighed:
    return drawn.weighed(world(), np.random.default_rng(0))


@pytest.fixture(scope="module")
def subsets() -> pl.DataFrame:
    return drawn.subsets()


LATER = {"chinese", "corridor", "topics"}
"""Kinds of language that came after C1 was announced; to add one to C1.7 would be an amendment."""


def test_every_kind_of_language_that_lists_its_strings_is_there(subsets):
    own = {name for name, one in members("grammar").items() if one.file.is_relative_to(drawn_root())}
    assert set(drawn.WORLDS) == own - {"file", *LATER, *unlisted_grammars()}
    assert set(subsets["language"]) == set(drawn.WORLDS)


def drawn_root():
    return members("grammar")["english"].file.parent


def test_laws_are_ranks_to_a_power(weighed):
    count = len(weighed.p)
    for place, exponent in enumerate(drawn.LAWS.values()):
        expected = np.arange(1, count + 1.0) ** -exponent
        np.testing.assert_allclose(np.sort(weighed.p[:, place])[::-1], expected / expected.sum(), rtol=1e-13)
    np.testing.assert_allclose(weighed.p[:, -1], np.exp(world().log_p), rtol=1e-12)


def test_changes_of_entropy_from_exact_fractions(weighed):
    kept = drawn.coins(len(weighed.p), 0.4, np.random.default_rng(1))[:20]
    found = drawn.change(kept @ weighed.p, kept @ weighed.surprise, weighed.entropy)
    for row, one in zip(kept > 0, found, strict=True):
        for place in range(weighed.p.shape[1]):
            p = [Fraction(value) for value in weighed.p[:, place].tolist()]
            inside = [value for value, here in zip(p, row, strict=True) if here]
            assert one[place] == pytest.approx(entropy(inside) - entropy(p), abs=1e-13)
    assert drawn.residuals(weighed, kept > 0).max() < 1e-13


def test_answers_are_averaged_over_the_prompts_of_the_subset(weighed):
    kept = drawn.coins(len(weighed.p), 0.2, np.random.default_rng(2))[:20]
    for row, one in zip(kept > 0, drawn.answers(weighed, kept), strict=True):
        for place in (0, 4):
            p, expected = [Fraction(value) for value in weighed.p[:, place].tolist()], 0.0
            total = sum(value for value, here in zip(p, row, strict=True) if here)
            for x in (0, 1):
                of_x = [i for i in range(len(p)) if weighed.prompt[i] == x]
                inside = [p[i] for i in of_x if row[i]]
                if inside:
                    share = sum(inside) / total
                    expected += float(share) * (entropy(inside) - entropy([p[i] for i in of_x]))
            assert one[place] == pytest.approx(expected, abs=1e-13)


def test_strings_in_random_order_one_by_one(weighed, monkeypatch):
    monkeypatch.setattr(drawn, "ORDERS", 5)
    found = drawn.ordered(weighed, np.random.default_rng(3))
    order = np.random.default_rng(3).permuted(np.tile(np.arange(len(weighed.p)), (5, 1)), axis=1)
    for (m, mass), d, k in [((m, w), d, k) for m, w in enumerate(drawn.MASSES) for d in range(5) for k in (0, 4)]:
        p = weighed.p[:, k]
        reached, skipped = [], []
        for i in order[d]:
            if sum(p[reached]) < mass:
                reached.append(i)
            if sum(p[skipped]) + p[i] <= mass:
                skipped.append(i)
        for rule, chosen in enumerate((reached, skipped)):
            if not chosen:
                assert math.isnan(found[rule, m, d, k])
                continue
            inside = p[chosen] / p[chosen].sum()
            assert found[rule, m, d, k] == pytest.approx(-(inside @ np.log(inside)) + p @ np.log(p), abs=1e-12)


def test_a_coin_keeps_each_string_with_its_probability_and_no_subset_is_empty():
    kept = drawn.coins(50, 0.01, np.random.default_rng(4))
    assert kept.any(axis=1).all()
    assert abs(len(kept) - drawn.DRAWS) < 150, "as many are drawn as are expected to hold a string"
    conditional = 0.01 / -math.expm1(50 * math.log1p(-0.01))
    assert kept.mean() == pytest.approx(conditional, abs=5 * math.sqrt(conditional / kept.size))


def test_intervals_are_those_of_scipy(subsets):
    for row in subsets.sample(40, seed=0).iter_rows(named=True):
        exact = stats.binomtest(row["rises"], row["draws"]).proportion_ci(0.95, "exact")
        assert (row["lower"], row["upper"]) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_a_subset_of_equally_likely_strings_never_has_more_entropy(subsets):
    """log |A| is at most log N, whatever the rule."""
    assert subsets.filter(law="uniform")["rises"].sum() == 0
    assert subsets.filter(language="hierarchy", law="its own")["rises"].sum() == 0, "all its strings are equally likely"
    assert subsets["residual"].max() < 1e-11
    counted = subsets.filter(rule="string", view="texts")
    assert counted.height == len(drawn.WORLDS) * (len(drawn.LAWS) + 1) * len(drawn.MASSES)
    assert counted["draws"].min() > 1_800


# -- C1.8 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponents", [[5.0, 5.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.5, 0.0]])
def test_a_style_has_more_entropy_if_and_only_if_it_is_varied_enough(exponents):
    """By brute force over the listed answers, for every style and prompt."""
    p = styles_content(
        num_prompts=2, num_styles=3, num_symbols=9, answer_length=3, style_weights=[0.4, 0.45, 0.15],
        style_zipf=exponents, seed=3,
    )  # fmt: skip
    rises = []
    for z in range(3):
        found = parts(p, p.styles.of == z)
        for x in range(2):
            here = p.prompts.group == x
            kept = [Fraction(one) for one in np.exp(p.log_p[here & (p.styles.of == z)]).tolist()]
            left = [Fraction(one) for one in np.exp(p.log_p[here & (p.styles.of != z)]).tolist()]
            mass = sum(kept) / sum(kept + left)
            needed = entropy([mass, 1 - mass]) / (1 - float(mass))
            change = entropy(kept) - entropy(kept + left)
            assert (entropy(kept) - entropy(left) > needed) == (change > 0) == (found.gap[x] > found.needed[x])
            assert found.gap[x] == pytest.approx(entropy(kept) - entropy(left), abs=1e-12)
            assert found.needed[x] == pytest.approx(needed, abs=1e-12)
            assert found.kept[x] - found.whole[x] == pytest.approx(change, abs=1e-12)
            rises.append(change > 0)
        assert np.abs(found.residual).max() < 1e-12
    assert any(rises) == (exponents[0] == 5.0)


def test_three_quarters_of_a_nat_are_needed_of_a_style_with_a_quarter_of_the_mass():
    p = styles_content(num_prompts=1, num_styles=4, num_symbols=4, answer_length=2, swing=0.0)
    found = parts(p, p.styles.of == 0)
    assert found.mass == pytest.approx(0.25, abs=1e-12)
    assert found.needed == pytest.approx(4 / 3 * (math.log(4) - 0.75 * math.log(3)), abs=1e-12)
    assert found.needed == pytest.approx(0.75, abs=5e-4)


# -- the shared control -----------------------------------------------------------------------------------------------


def test_a_run_without_a_control_gets_that_of_the_run_on_everything(tmp_path):
    """Its numbers are those of the metrics of the other run's last model, over the prompts of the restriction."""
    record = archived()
    assert record.config["restriction"]["kind"] != "everything"
    alone = variant(record, 1)
    for name in [name for name in alone.phases if name not in ("pretrain", "sft")]:
        del alone.phases[name], alone.meanings[name]
    control = variant(record, 2, restriction={"kind": "everything"})
    other = variant(record, 3, restriction={"kind": "everything"}, seed=9)
    folder = study(tmp_path, [alone, control, other])
    found = with_controls(Study.of(folder, NEEDS)).numbers.filter(run=alone.hash, phase="identity")
    expected = metrics_table(record, ("entropy", "top_one"), ("response", "joint"), ("sft",)).filter(phase="sft")
    expected = expected.filter(step=expected["step"].max())
    key = ["view", "metric", "of", "prompt_law"]
    both = found.join(expected, on=key, suffix="_sft").filter(pl.col("metric") == "entropy")
    assert both.height == 3, "answers over P(x) and S(x), and whole texts"
    assert both["lower"].to_list() == both["lower_sft"].to_list()
    assert both["upper"].to_list() == both["upper_sft"].to_list()
    lonely = with_controls(Study.of(study(tmp_path / "lonely", [alone, other]), NEEDS)).numbers
    assert lonely.filter(run=alone.hash, phase="identity").is_empty(), "another seed has another control"
