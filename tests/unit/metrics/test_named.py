"""One number of a run by its name, against the tidy table; and names that are refused."""

import polars as pl
import pytest

from sim.metrics.frames import metrics_table
from sim.metrics.named import TELLING, named, number
from sim.metrics.table import metrics
from sim.numerics import SpecificationError
from tests.unit.recorded_worlds import recorded, twins

PLACE = "hydra.launcher.returns"


@pytest.fixture(scope="module")
def record():
    return recorded(*twins(5))


@pytest.fixture(scope="module")
def table(record) -> pl.DataFrame:
    return metrics_table(record)


def test_numbers_at_the_end_of_a_phase_can_be_named(record, table: pl.DataFrame) -> None:
    ends = table.filter(pl.col("step") == pl.col("step").max().over("phase"))
    only_bounded = 0
    for phase, view in (("sft", "response"), ("identity", "joint"), ("truth", "response")):
        for row in ends.filter(phase=phase, view=view).gather_every(17).iter_rows(named=True):
            telling = " ".join(f"{key}='{row[key]}'" for key in TELLING)
            words = f"{row['metric']} phase={phase} view={view} {telling}"
            for end in ("lower", "upper"):
                assert number(record, named(f"{words} end={end}", PLACE)) == row[end]
            if row["value"] is not None:
                assert number(record, named(words, PLACE)) == row["value"]
            else:
                only_bounded += 1
                with pytest.raises(SpecificationError, match=f"^{PLACE}: a number is required, found only the bounds"):
                    number(record, named(words, PLACE))
    assert only_bounded


def test_the_defaults_are_the_end_of_the_fine_tuning_and_answers(record, table: pl.DataFrame) -> None:
    (value,) = table.filter(metric="zeros", phase="sft", view="response", step=10)["value"]
    assert number(record, named("zeros", PLACE)) == value
    (value,) = table.filter(metric="kl_lost", phase="sft", view="response", step=10)["value"]
    assert number(record, named("kl_lost", PLACE)) == value


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("klm", "the name of a metric is required, found 'klm' (did you mean 'kl'?); python -m sim.rows --help lists "),
        ("", "the name of a metric, and words such as phase=sft, are required, found ''; begin with the metric; "),
        ("of=q", "the name of a metric, and words such as phase=sft, are required, found 'of=q'; begin with "),
        ("kl of='P", 'the name of a metric, and words such as phase=sft, are required, found "kl of=\'P" (No closing '),
        ("kl fo=q", "one of phase=, view=, of=, at=, prompt_law=, end= is required after the metric, found 'fo=q'"),
        ("kl q", "one of phase=, view=, of=, at=, prompt_law=, end= is required after the metric, found 'q'"),
        ("kl of=q of=p", "one of= is required, found several; leave all but one out"),
        ("kl view=answer", "view: one of response, joint is required, found 'answer'"),
        ("kl end=low", "end: one of lower, upper is required, found 'low' (did you mean 'lower'?)"),
        ("kl phase=stf", "phase: one of pretrain, sft, identity, carried, linearised, recovery, scratch, truth is "),
    ],
)
def test_a_name_of_no_number_is_refused(text: str, refusal: str) -> None:
    with pytest.raises(SpecificationError) as found:
        named(text, PLACE)
    assert str(found.value).startswith(f"{PLACE}: {refusal}")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("entropy", "one number is required, found 2 for 'entropy' (prompt_law=P(x), prompt_law=S(x)); add for example "
                    "prompt_law=P(x)"),
        ("kl of=q||P", "one number is required, found none for 'kl of=q||P' after sft in the view response; there "),
        ("style_gate view=joint of=y", "one number is required, found none for 'style_gate view=joint of=y' after sft "
                                       "in the view joint; there are of=z"),
        ("fisher", "one number is required, found none for 'fisher' after sft in the view response; choose another "),
        ("kl phase=carried", "one of the phases pretrain, sft, identity, truth is required, found phase=carried, "),
    ],
)  # fmt: skip
def test_a_number_that_a_run_lacks_is_refused(text: str, refusal: str, record) -> None:
    with pytest.raises(SpecificationError) as found:
        number(record, named(text, PLACE))
    assert str(found.value).startswith(f"{PLACE}: {refusal}")
    assert "\n" not in str(found.value)


def test_no_metric_is_named_with_a_blank() -> None:
    assert not [metric.name for metric in metrics() if " " in metric.name or "=" in metric.name]
