"""C2.8: from the numbers of a study to the tables of its arms, and the reports over languages and sizes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import pytest
import yaml

from experiments import c2_everywhere, c2_size
from experiments.c2_support import arms
from experiments.c2_support.tables import tagged
from experiments.study import NUMBERS, Study
from sim.config import conf_folder

STEPS = (0, 100, 1000)


def run(part: str, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """A row of the table of runs."""
    targets = "exact" if "exact" in part else "sampled"
    return {
        "run": f"{part}{seed}{'-'.join(map(str, changed.values()))}", "seed": seed, "valid": True, "claim": None,
        "part": part, "grammar": "shown styles", "restriction": "style z0", "model": "transformer", "optimizer": "Adam",
        "restriction.kind": "style", "restriction.keep": "z0", "objective.targets": targets,
        "model.kind": "transformer", "model.width": 64, "model.depth": 2, "optimizer.kind": "adam",
        "optimizer.learning_rate": 2e-3, "finetune.num_steps": 1000, **changed,
    }  # fmt: skip


def numbers(own: dict[str, Any], e: float = 0.6, x: float | None = 3.0, fit: float = 0.01, best: float = 0.0):
    """The numbers of a run, whose E rises in proportion to the steps."""
    rows = [("truth", "kl", "S||q*", "", "S(x)", 0, best, best)]
    for step in STEPS:
        share = step / STEPS[-1]
        known = {("style_erasure", "E", "P(x)"): e * share, ("gate", "A", "P(x)"): 4.0 * share, ("kl", "S||q", "S(x)"):
                 fit, ("event_mass", "q(B)", "P(x)"): 0.75 - 0.7 * share}  # fmt: skip
        if step:
            known[("weight_distance", "q0,q", "")] = 5.0 * share
        if step in (STEPS[0], STEPS[-1]):
            known[("gradient_noise", "q", "")] = 0.5 + share
        rows += [("sft", name, of, "", law, step, value, value) for (name, of, law), value in known.items()]
    rows.append(("sft", "sharpness", "q0", "", "", 0, 50.0, 50.0))
    if x is not None:
        rows.append(("sft", "excursion", "X", "", "S(x)", STEPS[-1], x - 0.01, x + 0.01))
    for phase in ("identity", "truncate_1", "random_directions_1", "truncate_1_of_identity", "random_step_2"):
        values = {
            ("style_erasure", "E", "P(x)"): 0.05,
            ("event_mass", "q(B)", "P(x)"): 2e-3,
            ("kl", "S||q", "S(x)"): 0.02,
        }
        rows += [(phase, name, of, "", law, 0, value, value) for (name, of, law), value in values.items()]
    names = ("phase", "metric", "of", "at", "prompt_law", "step", "lower", "upper")
    found = [{**dict(zip(names, row, strict=True)), "run": own["run"], "view": "response"} for row in rows]
    return pl.DataFrame(found, schema_overrides=NUMBERS).select(*NUMBERS)


def studied(*runs: tuple[dict[str, Any], pl.DataFrame]) -> Study:
    return Study(pl.DataFrame([one for one, _ in runs]), pl.concat([found for _, found in runs]), {})


def tables(study: Study) -> dict[str, pl.DataFrame]:
    return arms.tables(study, tagged(study.runs))


def ends(own: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return tables(studied((own, numbers(own, **rest))))["arms"].row(0, named=True)


def test_the_end_of_an_arm_has_every_number():
    found = ends(run(arms.BASE))
    assert found["arm"] == "Adam 2e-3, sampled"
    wanted = {"e": 0.6, "kept": np.exp(-0.6), "x": 3.0, "x_lower": 2.99, "gate": 4.0, "lost": 0.05, "distance": 5.0,
              "rate_time": 2.0, "rate_root": 2e-3 * 1000**0.5, "rate_sharpness": 0.1, "excess": 0.01}  # fmt: skip
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert found["noise"] == pytest.approx((0.5 + 1.5) / 2)
    assert (found["fits"], found["missing"]) == (True, False)


@pytest.mark.parametrize(
    ("fit", "best", "fits"), [(0.02, 0.0, True), (0.04, 0.0, False), (0.04, 0.02, True), (0.04, np.inf, False)]
)
def test_an_arm_fits_if_it_ends_near_its_optimum(fit, best, fits):
    assert ends(run(arms.BASE), fit=fit, best=best)["fits"] == fits


def test_what_an_arm_lacks_is_empty():
    sgd = ends(run("erasing_sgd", **{"optimizer.kind": "sgd", "optimizer.learning_rate": 0.1}), x=None)
    assert sgd["missing"]
    assert [sgd[name] for name in ("x", "rate_time", "rate_root")] == [None] * 3
    assert sgd["rate_sharpness"] == pytest.approx(5.0)


def test_edits_are_read_by_their_phases():
    own = run(arms.BASE)
    edits = tables(studied((own, numbers(own))))["edits"]
    found = {
        row["phase"]: (row["kind"], row["number"], row["of_control"], row["e"]) for row in edits.iter_rows(named=True)
    }
    assert found == {
        "sft": ("as trained", 0.0, False, 0.6), "identity": ("as trained", 0.0, True, 0.05),
        "truncate_1": ("truncated", 1.0, False, 0.05), "truncate_1_of_identity": ("truncated", 1.0, True, 0.05),
        "random_directions_1": ("random directions", 1.0, False, 0.05),
        "random_step_2": ("random step", 2.0, False, 0.05),
    }  # fmt: skip


def test_other_parts_are_no_arms():
    own = run("recovery")
    assert {name: frame.height for name, frame in tables(studied((own, numbers(own)))).items()} == {
        "arms": 0, "arm_paths": 0, "edits": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["c2_support", "c2_everywhere", "c2_size"])
def test_every_part_is_an_arm(name):
    swept = yaml.safe_load((conf_folder() / "experiment" / f"{name}.yaml").read_text(encoding="utf-8"))
    parts = {part.split("_in_")[0] for part in swept["hydra"]["sweeper"]["studies"] if part.startswith(arms.PART)}
    assert parts <= set(arms.ARMS)
    if name != "c2_size":
        assert parts == set(arms.ARMS)


# -- reports ----------------------------------------------------------------------------------------------------------


def everywhere() -> Study:
    """Two languages; in one of them E rises with X over the arms, and in the other it falls."""
    found = []
    for language, sign in (("chain", 1.0), ("brackets", -1.0)):
        for seed in range(12):  # C2.8 is judged in twelve worlds
            for place, part in enumerate(list(arms.ARMS)[:8]):
                own = run(f"{part}_in_{language}", seed, grammar=language)
                found.append((own, numbers(own, e=1.0 + sign * 0.05 * place, x=0.1 * (1 + place))))
    return studied(*found)


def test_what_erases_is_judged_in_every_language():
    with mock.patch.object(Study, "of", return_value=everywhere()):
        found = c2_everywhere.analyse(Path("nowhere"))
    verdicts = dict(found["findings"].filter(prediction="C2.8b").select("language", "verdict").rows())
    assert verdicts == {"chain": "holds", "brackets": "refuted"}
    said = repr(c2_everywhere.report(found))
    assert "batch of 512" in said
    assert "12 of 12" in said


def test_slopes_are_those_of_the_logarithm_of_the_number_of_parameters():
    found, count = [], {}
    for seed in range(3):
        for width, depth in ((16, 2), (32, 2), (64, 2), (64, 1), (64, 4)):
            own = run(f"{arms.BASE}_in_width", seed, **{"model.width": width, "model.depth": depth})
            size = count[own["run"]] = depth * width**2
            found.append((own, numbers(own, e=0.2 * np.log(size), x=float(size) ** 0.5)))

    def record(study: Study, name: str) -> Any:
        return SimpleNamespace(params={"sft": {"a": np.zeros(count[name] - 1), "b": np.zeros(1)}})

    with mock.patch.multiple(Study, of=lambda folder, needs: studied(*found), record=record):
        tables_ = c2_size.analyse(Path("nowhere"))
    slopes = tables_["findings"]
    assert slopes.height == 3 * 2 * 3
    for term, wanted in (("gate", 0.0), ("e", 0.2), ("log_x", 0.5)):
        assert slopes.filter(term=term)["slope"].to_list() == pytest.approx([wanted] * 6, abs=1e-9)
    assert "15 of 15 runs fit" in repr(c2_size.report(tables_))


def test_reports_without_arms_say_so():
    own = run("recovery")
    with mock.patch.object(Study, "of", return_value=studied((own, numbers(own)))):
        assert "0 of 0 runs" in repr(c2_size.report(c2_size.analyse(Path("nowhere"))))
        assert "not valid" in repr(c2_everywhere.report(c2_everywhere.analyse(Path("nowhere"))))
