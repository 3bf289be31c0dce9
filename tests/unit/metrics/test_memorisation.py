"""A model on the dial between q0 and its data, by the numbers that the dial has in closed form; and what is refused."""

import dataclasses
import math

import numpy as np
import pytest

from sim.disk.records import PhaseRecord, Record
from sim.grammars.topics import topics
from sim.languages.finite import FiniteLanguage
from sim.languages.restricted import Restricted
from sim.metrics.answer_counts import distance, excess, variety
from sim.metrics.covering import slope
from sim.metrics.scene import World
from sim.metrics.scored import no_leak
from sim.metrics.table import residuals, rows, violations
from sim.restrictions.answers import answers
from sim.theory.answers import effective_answers, unseen_mass

WORLD = topics(num_prompts=12, num_topics=3, answers_per_prompt=6, num_symbols=3, answer_length=2)[0]
M, SHOWN = 4, 6
RHO = (0.0, 0.3, 1.0)


def law(answers_law: np.ndarray) -> FiniteLanguage:
    """The language with P(x) and a law of answers, float64[N]."""
    with np.errstate(divide="ignore"):
        return WORLD.with_law(WORLD.prompts.log_p[WORLD.prompts.group] + np.log(answers_law))


def run(restricted: Restricted, start: FiniteLanguage, rhos: tuple[float, ...] = RHO) -> Record:
    """A fine-tuning that has moved by a share rho from the start to S at each evaluation, on the prompts of S."""
    shown = (restricted.s.prompts.log_p > -np.inf)[WORLD.prompts.group]
    q0, s = np.exp(start.answers), np.exp(restricted.s.answers)
    models = [law(np.where(shown, (1 - rho) * q0 + rho * s, q0)) for rho in rhos]
    arrays = [no_leak(one.edge_log_prob, WORLD.trie.num_nodes) for one in models]
    stacked = {name: np.stack([one[name] for one in arrays]) for name in arrays[0]}
    phase = PhaseRecord(np.arange(len(rhos)), np.zeros(len(rhos)), stacked)
    return Record("dial", "0" * 12, {"name": "dial", "seed": 0}, WORLD, restricted, {"sft": phase})


def found(record: Record, metric: str, of: str, at: str = "", law: str = "S(x)") -> list[float]:
    """The values of a row, by evaluation."""
    table = rows(record, [metric], ["response"])
    return [one["value"] for one in table if (one["of"], one["at"], one["prompt_law"]) == (of, at, law)]


def biased() -> FiniteLanguage:
    """A pretrained model that is wrong: P, flattened."""
    return law(0.9 * np.exp(WORLD.answers) + 0.1 / 6)


@pytest.fixture(scope="module")
def few() -> Restricted:
    return answers(WORLD, num_answers=M, num_prompts=SHOWN, seed=3)


def test_without_a_bias_the_dial_is_read_off_exactly(few: Restricted) -> None:
    record = run(few, WORLD)
    for of in ("q-P", "q-q0"):
        assert found(record, "memorisation", of) == pytest.approx(RHO, abs=1e-12)
        assert found(record, "memorisation_residual", of) == pytest.approx([0.0, 0.0], abs=1e-12), "q0 has not moved"
    assert found(record, "m_eff", "m/rho^2") == pytest.approx([effective_answers(M, rho) for rho in RHO], rel=1e-9)
    missing = found(record, "answer_mass", "P", "unseen")[0]
    assert 0.1 < missing < 0.9
    assert found(record, "answer_mass", "q", "unseen") == pytest.approx([unseen_mass(missing, rho) for rho in RHO])
    assert found(record, "answer_mass", "q", "seen") == pytest.approx([1 - (1 - rho) * missing for rho in RHO])
    assert found(record, "answer_mass", "q", "invalid") == [0.0] * 3


def test_with_a_bias_the_errors_are_those_that_the_page_of_the_metric_states(few: Restricted) -> None:
    q0, p, s = (np.exp(one.answers) for one in (biased(), WORLD, few.s))
    shown = (few.s.prompts.log_p > -np.inf)[WORLD.prompts.group]
    gap = np.where(shown, s - p, 0.0)
    beta = float((q0 - p) @ gap / (gap @ gap))  # prompts are equally likely
    assert abs(beta) > 1e-3
    record = run(few, biased())
    assert found(record, "memorisation", "q-q0") == pytest.approx([rho * (1 - beta) for rho in RHO], abs=1e-12)
    assert found(record, "memorisation", "q-P") == pytest.approx([rho + (1 - rho) * beta for rho in RHO], abs=1e-12)
    aside = found(record, "memorisation_residual", "q-P")
    assert aside[0] == pytest.approx(1 - beta**2 * (gap @ gap) / ((q0 - p)[shown] @ (q0 - p)[shown]), rel=1e-9)
    assert aside[2] == pytest.approx(0.0, abs=1e-12)


def test_in_the_mean_over_data_sets_the_fitted_dial_is_worth_m_over_rho_squared() -> None:
    """E C(q) = C + rho^2 (1 - C)/m, so the mean excess is rho^2/m, and so is the squared distance; at six errors."""
    rhos, values = (0.5, 1.0), []
    for seed in range(60):
        world = World(run(answers(WORLD, num_answers=M, seed=seed), WORLD, rhos), "response")
        models = [world.scored("sft", index) for index in range(2)]
        values.append([(excess(world, q).value, distance(world, q).value / variety(world)) for q in models])
    table = np.array(values)
    error = table.std(axis=0, ddof=1) / math.sqrt(len(table))
    wanted = np.square(rhos)[:, None] / M
    assert (np.abs(table.mean(axis=0) - wanted) < 6 * error).all()
    assert (6 * error < wanted / 2).all(), "the test can fail"


def test_data_that_are_p_have_no_direction_and_no_number_of_answers() -> None:
    """The infinite-data control of a sampled annotator. Rounding must not pass for memorisation."""
    record = run(answers(WORLD, num_answers=None, num_prompts=SHOWN), biased())
    for metric in ("memorisation", "memorisation_residual", "m_eff", "good_turing"):
        assert rows(record, [metric]) == [], metric
    assert len(found(record, "m_dist", "q")) == 3
    assert found(record, "answer_mass", "P", "unseen") == [0.0]


def test_tempered_answers_count_no_effective_ones_but_have_a_missing_mass() -> None:
    record = run(answers(WORLD, num_answers=M, annotator="tempered", temperature=0.5), WORLD)
    assert rows(record, ["m_eff"]) == []
    assert len(rows(record, ["good_turing"])) == 1
    assert len(found(record, "memorisation", "q-q0")) == 3


def test_good_and_turing_count_the_answers_that_were_seen_once(few: Restricted) -> None:
    counts = np.rint(np.exp(few.s.answers) * M)
    assert (counts == 1).sum() not in (0, SHOWN * M)
    assert found(run(few, WORLD), "good_turing", "S") == pytest.approx([(counts == 1).sum() / (SHOWN * M)], rel=1e-12)


def test_shares_that_are_no_counts_are_an_error(few: Restricted) -> None:
    wrong = dataclasses.replace(few, notes={**few.notes, "num_answers": 3.0})
    with pytest.raises(ValueError, match=r"good_turing.*counts of 3 answers are required in S"):
        rows(run(wrong, WORLD), ["good_turing"])


def test_what_a_record_must_fulfil_holds_for_every_annotator(few: Restricted) -> None:
    tempered = [answers(WORLD, num_answers=m, num_prompts=SHOWN, annotator="tempered", temperature=0.7)
                for m in (None, 3)]  # fmt: skip
    for restricted in (few, *tempered, answers(WORLD, num_answers=None, num_prompts=2)):
        assert violations(residuals(run(restricted, biased()))) == []


@pytest.mark.parametrize("tau", [0.5, 0.7, 1.4])
def test_the_slope_is_that_of_the_temperature(tau: float) -> None:
    """Of data and of a model, whatever the weights, although normalisers differ by prompt."""
    restricted = answers(WORLD, num_answers=None, num_prompts=SHOWN, annotator="tempered", temperature=tau)
    record = run(
        restricted, law(np.exp(answers(WORLD, num_answers=None, annotator="tempered", temperature=tau).s.answers))
    )
    for at in ("mass", "equal"):
        assert found(record, "covering_slope", "P,S", at) == pytest.approx([1 / tau - 1], abs=1e-11)
        assert found(record, "covering_slope", "P,q", at) == pytest.approx([1 / tau - 1] * 3, abs=1e-11)
        assert found(record, "covering_slope", "P,q", at, "P(x | S(x) = 0)") == pytest.approx([1 / tau - 1] * 3)
        assert found(record, "covering_slope", "S,q", at) == pytest.approx([0.0] * 3, abs=1e-11)


def test_the_weights_of_rare_answers_decide_where_the_slope_bends() -> None:
    """q halves the rarest answer to every prompt: that is sharper, and more so if rare answers count equally."""
    p = np.exp(WORLD.answers)
    rare = p == np.minimum.reduceat(p, WORLD.prompts.first)[WORLD.prompts.group]
    halved = np.where(rare, p / 2, p)
    total = np.bincount(WORLD.prompts.group, halved)[WORLD.prompts.group]
    record = run(answers(WORLD, num_answers=None, num_prompts=SHOWN), law(halved / total), (0.0,))
    by_mass, equal = (found(record, "covering_slope", "S,q", at)[0] for at in ("mass", "equal"))
    assert 0.01 < by_mass < equal


def test_there_is_no_slope_where_an_answer_is_lost_or_all_are_equally_likely(few: Restricted) -> None:
    world = World(run(few, WORLD, (0.0, 1.0)), "response")
    p, s, lost = world.p, world.s, world.scored("sft", 1)
    assert slope(p, lost, world.s_law) is None, "S lacks answers of P"
    assert slope(s, lost, world.s_law) == pytest.approx(0.0, abs=1e-12)
    uniform = world.of(law(np.full(len(WORLD.log_p), 1 / 6)))
    assert slope(uniform, p, world.p_law) is None
    one = World(run(answers(WORLD, num_answers=1), WORLD), "response")
    assert slope(one.s, one.p, one.s_law) is None, "one answer for each prompt"


def test_prompts_that_s_never_shows_have_their_own_rows(few: Restricted) -> None:
    record = run(few, biased())
    hidden = (few.s.prompts.log_p == -np.inf)[WORLD.prompts.group]
    p = np.exp(WORLD.answers)[hidden]
    law_name = "P(x | S(x) = 0)"
    assert found(record, "entropy_held_out", "P", law=law_name) == pytest.approx([-(p @ np.log(p)) / (12 - SHOWN)])
    assert found(record, "answer_collision", "P", law=law_name) == pytest.approx([(p @ p) / (12 - SHOWN)])
    assert found(record, "answer_mass", "q", "invalid", law_name) == [0.0] * 3
    assert rows(run(answers(WORLD), WORLD), ["entropy_held_out"]) == []
