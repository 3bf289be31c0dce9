"""M: numbers of runs become its tables: fits and leaks, crossings above the frontier, interpolated models by hand."""

import math
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest

from experiments.m_methods import CLAIM
from experiments.study import NUMBERS, Study

STEPS, FITS = (0, 10, 20, 40), (1.2, 0.2, 0.05, 0.01)
LOG_S, LOG_P = np.log([0.5, 0.5]), np.log([0.9, 0.1])
"""One prompt, two answers."""


def least(fit: float) -> float:
    """The least KL(P‖q) of all q = (1 - x, x) with KL(S‖q) = −½ log 4x(1 − x) = `fit`, on the side of P."""
    x = 0.5 - 0.5 * math.sqrt(1.0 - math.exp(-2.0 * fit))
    return 0.9 * math.log(0.9 / (1.0 - x)) + 0.1 * math.log(0.1 / x)


def numbers(run: str, off: float, fit_best: float) -> list[dict[str, Any]]:
    """A path along which KL(P‖q) = 1 − log KL(S‖q) and E = 0.1 times the step; with an interpolated model."""
    rows: list[dict[str, Any]] = []

    def row(phase: str, step: int, metric: str, of: str, law: str, lower: float, upper: float | None = None) -> None:
        ends = {"lower": lower, "upper": lower if upper is None else upper}
        rows.append({"run": run, "phase": phase, "view": "response", "metric": metric, "of": of, "at": "",
                     "prompt_law": law, "step": step, **ends})  # fmt: skip

    for step, fit in zip(STEPS, FITS, strict=True):
        row("sft", step, "kl", "S||q", "S(x)", fit)
        row("sft", step, "kl", "P||q", "P(x)", 1.0 - math.log(fit))
        row("sft", step, "kl", "q*||q", "S(x)", 2.0 * fit)
        row("sft", step, "event_mass", "q(B)", "P(x)", fit / 2)
        row("sft", step, "gate", "A", "P(x)", 1.0)
        if step:  # E of the first evaluation is not defined
            row("sft", step, "style_erasure", "E", "P(x)", 0.1 * step)
            row("sft", step, "squared_path", "q0,q", "", 0.01 * step, 0.02 * step)
    row("sft", 40, "entropy", "q", "P(x)", 1.0, 1.1)
    row("sft", 40, "off_support", "q", "P(x)", off)
    row("sft", 40, "excursion", "X", "S(x)", 0.2, 0.21)
    for phase, metric, of, law, value in (
        ("truth", "entropy", "S", "P(x)", 0.9), ("truth", "entropy", "q*", "P(x)", 0.95),
        ("truth", "kl", "S||q*", "S(x)", fit_best), ("truth", "kl", "P||q*", "P(x)", math.inf),
        ("pretrain", "kl", "P||q", "P(x)", 0.02), ("identity", "style_erasure", "E", "P(x)", 0.003),
        ("interpolate_0.2", "kl", "S||q", "S(x)", 0.1), ("interpolate_0.2", "kl", "P||q", "P(x)", 2.5),
        ("interpolate_0.2", "style_erasure", "E", "P(x)", 0.4),
    ):  # fmt: skip
        row(phase, 0, metric, of, law, value)
    return rows


def made(*runs: tuple[str, float, float]) -> dict[str, pl.DataFrame]:
    of = [row for part, off, best in runs for row in numbers(part, off, best)]
    table = pl.DataFrame([{"run": part, "seed": 12, "valid": True, "claim": None, "part": part} for part, _, _ in runs])
    world = SimpleNamespace(
        p=SimpleNamespace(log_p=LOG_P, prompts=SimpleNamespace(group=np.zeros(2, int))),
        restricted=SimpleNamespace(s=SimpleNamespace(log_p=LOG_S)),
    )
    with mock.patch.object(Study, "record", return_value=world):
        return CLAIM.tables(Study(table, pl.DataFrame(of, schema=dict(NUMBERS)), {}))


def test_a_crossing_is_read_on_a_line_over_log_fit_and_beside_the_frontier() -> None:
    found = made(("sft", 0.001, 0.0))["crossings"].filter(level=0.1).row(0, named=True)
    share = math.log(2) / math.log(4)
    assert found["step"] == pytest.approx(10 + 10 * share, rel=1e-12)
    assert found["e"] == pytest.approx(1.0 + share, rel=1e-12)
    assert found["forgetting"] == pytest.approx(1.0 - math.log(0.1), rel=1e-12), "linear in the log of the fit"
    assert found["above"] == pytest.approx(1.0 - math.log(0.1) - least(0.1), rel=1e-9)


def test_the_end_of_a_run() -> None:
    found = made(("sft", 0.001, 0.0))["ends"].row(0, named=True)
    wanted = {"fit": 0.01, "e": 4.0, "behind": 0.02, "h_s": 0.9, "h_best": 0.95, "x_lower": 0.2, "x_upper": 0.21,
              "h_lower": 1.0, "h_upper": 1.1, "walked": 0.6, "off": 0.001, "forgetting_start": 0.02,
              "e_identity": 0.003, "forgetting_best": math.inf}  # fmt: skip
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("off", "fit_best", "fits"),
    [(0.0, 0.0, True), (0.0, -0.0201, False), (0.5, -0.69, True), (0.5, -0.72, False), (0.0, math.inf, True)],
)
def test_a_run_fits_given_that_its_answer_is_listed(off: float, fit_best: float, fits: bool) -> None:
    """KL(S‖q) = 0.01 is log 2 lower given that the answer is listed if half of the mass leaks."""
    assert made(("label_smoothing", off, fit_best))["ends"]["fits"].item() is fits


def test_an_interpolated_model_is_compared_with_its_own_path() -> None:
    found = made(("sampled", 0.0, 0.0))["edits"]
    assert found.select("weight", "fit", "forgetting", "e").rows() == [(0.2, 0.1, 2.5, 0.4)]
    assert found["forgetting_path"].item() == pytest.approx(1.0 - math.log(0.1), rel=1e-12)
    assert found["e_path"].item() == pytest.approx(1.0 + math.log(2) / math.log(4), rel=1e-12)


def test_other_parts_are_left_out_and_the_path_of_dft_is_kept() -> None:
    found = made(("other", 0.0, 0.0), ("dft", 0.0, math.inf))
    assert found["runs"].height == 2
    assert found["ends"]["part"].to_list() == ["dft"]
    assert found["greedy"].select("step", "behind").rows() == [(0, 2.4), (10, 0.4), (20, 0.1), (40, 0.02)]
